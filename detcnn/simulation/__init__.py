"""Seeded generators of events."""
