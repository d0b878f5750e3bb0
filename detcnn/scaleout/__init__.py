"""Where the partitions of a stage run."""
