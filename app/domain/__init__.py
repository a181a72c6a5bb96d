"""Types, ports, errors and the item index: imports nothing of the service."""
