"""What preprocessing is made of: its plan, its partitions, what is counted and what is written."""
