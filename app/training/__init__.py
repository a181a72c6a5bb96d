"""Events to batches, fit, evaluate, artifact."""
