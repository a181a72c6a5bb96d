"""Recommender models: one file an architecture, one contract."""
