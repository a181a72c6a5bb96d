"""The use cases, one class each."""
