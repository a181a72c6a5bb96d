"""The names of the models that can be trained, without loading any."""

from __future__ import annotations

from models.registry import SPECS


def model_names() -> tuple[str, ...]:
    """Every name of the registry, in its order."""
    return tuple(SPECS)
