"""Splits, metrics, protocol and report, in NumPy."""
