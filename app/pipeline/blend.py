"""Scores of several sources brought to one scale and added; the best of them picked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.pipeline.columns import BoolArray, FloatArray, IntArray


def standardised(scores: NDArray[np.floating]) -> FloatArray:
    """float64 (items,): z-scores over the finite ones; -inf elsewhere."""
    values = np.asarray(scores, dtype=np.float64)
    finite = np.isfinite(values)
    out: FloatArray = np.full(len(values), -np.inf)
    if not finite.any():
        return out
    known = values[finite]
    deviation = float(known.std())
    out[finite] = (known - known.mean()) / deviation if deviation > 0 else 0.0
    return out


def blended(parts: Sequence[tuple[float, NDArray[np.floating]]]) -> FloatArray:
    """float64 (items,): weighted sum of z-scores. A source says nothing of an item it does not know.

    Args:
        parts: A weight and the scores, float (items,), of each source; -inf where it does not know an item.
    """
    if len(parts) == 1:
        return standardised(parts[0][1])
    total = np.zeros(len(parts[0][1]))
    known = np.zeros(len(total), dtype=np.bool_)
    for weight, scores in parts:
        values = standardised(scores)
        finite = np.isfinite(values)
        total[finite] += weight * values[finite]
        known |= finite
    total[~known] = -np.inf
    return total


def shares(z_scores: FloatArray) -> FloatArray:
    """z-scores as shares from 0 to 1, order kept."""
    return 1.0 / (1.0 + np.exp(-np.clip(z_scores, -30.0, 30.0)))


def top(scores: NDArray[np.floating], mask: BoolArray, k: int, rank: IntArray) -> IntArray:
    """Positions of the k best scores inside the mask, best first; equal ones by rank.

    Scores of -inf and NaN are never picked.
    """
    candidates = np.flatnonzero(mask & (scores > -np.inf))
    values = scores[candidates]
    if 0 < k < len(candidates):
        border = np.partition(values, len(values) - k)[len(values) - k]
        kept = values >= border  # Everything equal to the last one stays in until the rank decides.
        candidates, values = candidates[kept], values[kept]
    order = np.lexsort((rank[candidates], -values))
    picked: IntArray = candidates[order[:k]]
    return picked
