"""The names of the models that can be trained, and of files that a version may have, without loading any."""

from __future__ import annotations

from models.registry import SPECS

ENCODER_NAME = "encoder.onnx"
"""Histories to states, of a network whose scores are products of a state with the item vectors."""
BIASES_NAME = "item_biases.npy"
"""float32 (n + 1,), what is added to those products."""


def model_names() -> tuple[str, ...]:
    """Every name of the registry, in its order."""
    return tuple(SPECS)
