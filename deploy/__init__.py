"""Rehearsals of what the image and the compose file do."""
