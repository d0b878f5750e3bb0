"""One module per file format: named columns, read by rows."""
