"""Trained versions that can be asked: one file a runtime, one loader for all."""
