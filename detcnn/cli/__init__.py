"""One file per command: options, one stage call, one summary."""
