"""Figures and the report, from evaluation results."""
