"""How events lie in the columns of a file, whatever its format."""
