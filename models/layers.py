"""Layers that several architectures share."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from models.losses import MASKED

Tensor = Any


@keras.saving.register_keras_serializable(package="recserve")
class ItemVectors(keras.layers.Layer):
    """A vector for each item; padding reads as zero.

    Args:
        n_items: Items, padding not counted.
        size: Width d of a vector.
        parts: Vectors of length 1 that it begins as, one after the other.
    """

    def __init__(self, n_items: int, size: int, *, parts: int = 1, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.n_items, self.size, self.parts = n_items, size, parts

    def build(self, _: object = None) -> None:
        """Make the weights."""
        normal = keras.initializers.RandomNormal(stddev=(self.size // self.parts) ** -0.5)
        self.vectors = self.add_weight(
            name="vectors", shape=(self.n_items + 1, self.size), initializer=normal
        )
        self.built = True

    def call(self, item_idx: Tensor) -> Tensor:
        """Vectors of the items.

        Args:
            item_idx: int32 (batch, time).

        Returns:
            float32 (batch, time, d).
        """
        there = ops.cast(ops.not_equal(item_idx, 0), "float32")
        return ops.take(self.vectors, item_idx, axis=0) * ops.expand_dims(there, -1)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer."""
        return {**super().get_config(), "n_items": self.n_items, "size": self.size, "parts": self.parts}


@keras.saving.register_keras_serializable(package="recserve")
class ItemTable(ItemVectors):
    """Item vectors used for reading a history and for scoring it (tied), and a bias for each item."""

    def build(self, _: object = None) -> None:
        """Make the weights."""
        super().build()
        self.bias = self.add_weight(name="bias", shape=(self.n_items + 1,), initializer="zeros")

    def score(self, hidden: Tensor) -> Tensor:
        """Score all items.

        Args:
            hidden: float32 (batch, d).

        Returns:
            float32 (batch, n + 1), column 0 large and negative.
        """
        return mask_padding(ops.matmul(hidden, ops.transpose(self.vectors)) + self.bias)

    def start_from(self, popularity: NDArray[np.float32]) -> None:
        """Set the biases to the log of each item's share, so that the fit starts at popularity.

        Args:
            popularity: float32 (n + 1,), row 0 ignored.
        """
        self.bias.assign(log_share(popularity))


def mask_padding(scores: Tensor) -> Tensor:
    """The scores with column 0 large and negative: finite, so that it survives any runtime.

    Args:
        scores: float32 (batch, n + 1).
    """
    return ops.concatenate([ops.full_like(scores[:, :1], MASKED), scores[:, 1:]], axis=1)


def log_share(popularity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log of each item's smoothed share, centred so that most are near 0; row 0 is 0.

    Args:
        popularity: float32 (n + 1,).
    """
    smooth = popularity[1:].astype(np.float64) + max(float(popularity[1:].mean()), 1e-9) * 0.1
    logs = np.log(smooth)
    return np.concatenate([[0.0], logs - logs.mean()]).astype(np.float32)
