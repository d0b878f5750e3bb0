"""What evaluation is made of: one file for each task, and what stands beside it in the report."""
