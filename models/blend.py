"""Blend: several models' scores brought to one scale and added. NumPy only, for fitting and for serving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PADDING_SCORE = -np.inf
FLAT = 1e-9
"""A spread below which a model says nothing about a query."""


@dataclass(frozen=True, slots=True)
class Mix:
    r"""Weights of the members, apart for items that a person had and for those that are new to them.

    .. math:: s_j = \sum_m w_{b m}\, z_{m j} \ (j\ \text{new}), \qquad
        s_j = \sum_m v_{b m}\, z_{m j} + c_b \ (j\ \text{in the history})

    with z a member's score in standard deviations over all items of the query, and b the bin of the history's
    length.

    Attributes:
        new: float32 (bins, members), w.
        had: float32 (bins, members), v.
        bonus: float32 (bins,), c.
        edges: Rising history lengths, in places, at which the next bin begins; one fewer than bins.
    """

    new: NDArray[np.float32]
    had: NDArray[np.float32]
    bonus: NDArray[np.float32]
    edges: tuple[int, ...] = ()

    def mix(self, scores: Sequence[NDArray[np.float32]], item_idx: NDArray[np.int32]) -> NDArray[np.float32]:
        """One score for each item.

        Args:
            scores: Each member's, float32 (batch, n + 1).
            item_idx: int32 (batch, time), left-padded with 0: the history that was asked about.

        Returns:
            float32 (batch, n + 1); column 0 is -inf.
        """
        bins = self.bins_of((item_idx > 0).sum(axis=1))
        mixed = np.zeros_like(scores[0], dtype=np.float32)
        repeated = np.zeros_like(mixed)
        for member, raw in enumerate(scores):
            level = standard(raw)
            mixed += self.new[bins, member, None] * level
            repeated += self.had[bins, member, None] * level
        repeated += self.bonus[bins, None]
        rows = np.arange(len(item_idx))[:, None]
        mixed[rows, item_idx] = repeated[rows, item_idx]
        mixed[:, 0] = PADDING_SCORE
        return mixed

    def bins_of(self, lengths: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """The bin of each history length, int64 (batch,)."""
        return np.searchsorted(np.asarray(self.edges, np.int64), lengths, side="right").astype(np.int64)

    def check(self, members: int) -> None:
        """See that it can be used.

        Raises:
            ValueError: The weights do not fit each other, the members or the bins, or are not finite.
        """
        bins = len(self.edges) + 1
        if self.new.shape != (bins, members) or self.had.shape != (bins, members):
            raise ValueError("the weights of the blend do not fit its members and bins")
        if self.bonus.shape != (bins,) or list(self.edges) != sorted(set(self.edges)):
            raise ValueError("the bins of the blend do not fit each other")
        if not all(np.isfinite(array).all() for array in (self.new, self.had, self.bonus)):
            raise ValueError("the blend holds numbers that are not finite")

    def to_json(self) -> dict[str, Any]:
        """As `blend.json` holds it."""
        return {
            "new": self.new.tolist(),
            "had": self.had.tolist(),
            "bonus": self.bonus.tolist(),
            "edges": list(self.edges),
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Mix:
        """Read what `to_json` gave.

        Raises:
            ValueError: It holds something else.
            KeyError: Something is missing.
            TypeError: Something is of another kind.
        """
        arrays = {name: np.asarray(body[name], np.float32) for name in ("new", "had", "bonus")}
        return cls(**arrays, edges=tuple(int(edge) for edge in body["edges"]))


def standard(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row in standard deviations from its mean over the items; zeros where all items score the same.

    Args:
        scores: (batch, n + 1); column 0 is no item and becomes 0.
    """
    items = np.asarray(scores[:, 1:], np.float32)
    centred = items - items.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.mean(np.square(centred), axis=1, keepdims=True))
    level = np.zeros((len(items), items.shape[1] + 1), np.float32)
    # A spread that is only rounding would be blown up to noise.
    least = np.maximum(FLAT, 1e-6 * np.abs(items).max(axis=1, keepdims=True, initial=0.0))
    level[:, 1:] = np.where(spread > least, centred / np.maximum(spread, least), 0.0)
    return level
