"""Whether data can be trusted: one subject a module, each from data to findings."""
