"""Batches, the loop, checkpoints, prediction."""
