"""Scores of several sources brought to one scale and added; the best of them picked."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.pipeline.columns import BoolArray, FloatArray, IntArray

GROUPS = 256
GROUPS_PER_PLACE = 8
"""Of scores, whose greatest bound the best ones: the more there are, the less is left to sort."""


def scale(scores: NDArray[np.floating]) -> tuple[float, float]:
    """Mean and standard deviation of the finite scores; 0 and 0 where there is none."""
    # The sum is finite where all are, and picking out the finite ones costs more than all the rest.
    known, total = scores, scores.sum()
    if not np.isfinite(total):
        known = scores[np.isfinite(scores)]
        total = known.sum()
    if not len(known):
        return 0.0, 0.0
    mean = total / len(known)
    away = known - mean
    # Not the dot product: BLAS would wake its other threads for it.
    return float(mean), math.sqrt(np.square(away, out=away).mean())


def on_scale(values: NDArray[np.floating], mean: float, deviation: float) -> FloatArray:
    """float64 (values,): z-scores of finite scores on such a scale; 0 where all scores are alike."""
    away = np.asarray(values, dtype=np.float64) - mean
    return away / deviation if deviation > 0 else np.zeros(len(away))


def standardised(scores: NDArray[np.floating]) -> FloatArray:
    """float64 (items,): z-scores over the finite ones; -inf elsewhere."""
    z_scores = on_scale(np.where(np.isfinite(scores), scores, 0.0), *scale(scores))
    return np.where(np.isfinite(scores), z_scores, -np.inf)


def lifted(scores: NDArray[np.floating], by: NDArray[np.floating], deviation: float) -> NDArray[np.floating]:
    """Float (items,), of the scores' type: scores with `by` of their standard deviations added.

    They stand in the order of z-scores with `by` added, after one pass over the items. What a source says
    nothing of stays at -inf: a boost moves an item, it does not make it a candidate.

    Args:
        scores: Float (items,).
        by: Float (items,).
        deviation: As `scale` gives it; 0 where all scores are alike.
    """
    if deviation > 0:
        return scores + by * scores.dtype.type(deviation)
    return np.where(np.isfinite(scores), by, -np.inf)


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


def shares(z_scores: NDArray[np.floating]) -> FloatArray:
    """z-scores as shares from 0 to 1, order kept."""
    found: FloatArray = 1.0 / (1.0 + np.exp(-np.clip(z_scores, -30.0, 30.0)))
    return found


def top(scores: NDArray[np.floating], mask: BoolArray, k: int, rank: IntArray) -> IntArray:
    """Positions of the k best scores inside the mask, best first; equal ones by rank.

    Scores of -inf and NaN are never picked.
    """
    allowed, least = _within(scores, mask)
    candidates = np.flatnonzero(allowed >= max(_bound(allowed, k), least))
    values = allowed[candidates]
    if 0 < k < len(candidates):
        border = np.partition(values, len(values) - k)[len(values) - k]
        kept = values >= border  # Everything equal to the last one stays in until the rank decides.
        candidates, values = candidates[kept], values[kept]
    order = np.lexsort((rank[candidates], -values))
    picked: IntArray = candidates[order[:k]]
    return picked


def _within(scores: NDArray[np.floating], mask: BoolArray) -> tuple[NDArray[np.floating], float]:
    """The scores, those outside the mask below any that may be picked; and the least that may be picked.

    By sums, ten times as fast as choosing: where a mask has no pattern, a processor guesses half of it wrong.
    """
    most = np.finfo(scores.dtype).max
    allowed = mask.astype(scores.dtype)
    allowed -= 1
    allowed *= most
    allowed += scores
    return allowed, float(-most / 2)


def _bound(values: NDArray[np.floating], k: int) -> float:
    """A score that at least k reach, or -inf: the k-th best of the greatest of each of many groups.

    It leaves little more than k to sort. Looking for the k-th best of all takes ten times as long.
    """
    groups = max(GROUPS, GROUPS_PER_PLACE * k)
    rows = len(values) // groups
    if k <= 0 or rows < 2:
        return -np.inf
    # fmax passes over NaN, which stands above all numbers where it is sorted.
    best = np.fmax.reduce(values[: rows * groups].reshape(rows, groups), axis=0, initial=-np.inf)
    return float(np.partition(best, groups - k)[groups - k])
