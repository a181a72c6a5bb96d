"""Measurements behind the documented figures, each one command."""
