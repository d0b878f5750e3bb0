"""One file and one public run function per stage."""
