"""Networks, one per file, and their catalogue."""
