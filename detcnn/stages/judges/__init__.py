"""What the scores of each task are worth, one file a task."""
