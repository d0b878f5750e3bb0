"""The sharded image store."""
