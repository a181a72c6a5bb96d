"""Files to events, items and users."""
