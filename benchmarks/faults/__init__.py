"""The fault matrix against real servers: `python -m benchmarks.faults`."""
