"""Readers of input files, one per format, behind one protocol."""
