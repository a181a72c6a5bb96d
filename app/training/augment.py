"""Windows of a history read otherwise than they happened: cropped, with gaps, in another order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.training.batches import View, as_they_were, padded_left

WAYS = ("none", "crop", "mask", "reorder", "all")
CROP_SHARE = 0.6
MASK_SHARE = 0.3
REORDER_SHARE = 0.6


def viewed(
    starts: NDArray[np.int64], stops: NDArray[np.int64], *, way: str, share: float, rng: np.random.Generator
) -> View:
    """Windows as places, some of them changed.

    ``crop`` keeps a run of the window; ``mask`` leaves places out; ``reorder`` shuffles a run, inside of
    which nothing is asked but at its end, since what comes next there may have been read already. ``all``
    draws one of the three for each window.

    Args:
        starts: int64 (rows,), first lines.
        stops: int64 (rows,), just after the last ones.
        way: One of `WAYS`.
        share: Of the windows that are changed.
        rng: Draws all of it; not asked where nothing is changed.

    Source:
        Xie et al., "Contrastive learning for sequential recommendation" (CL4SRec), ICDE 2022, section 3.2,
        arXiv 2010.14395: the three operators with their shares. Deviation: the changed windows are trained on
        as they are, in place of a contrastive loss between two of them.
    """
    if way == "none" or share == 0.0:
        return as_they_were(starts, stops)
    chosen = rng.random(len(starts)) < share
    names = WAYS[1:4] if way == "all" else (way,)
    drawn = rng.integers(0, len(names), len(starts))
    by_way = {name: chosen & (drawn == number) for number, name in enumerate(names)}
    none = np.zeros(len(starts), bool)
    starts, stops = _cropped(starts, stops, by_way.get("crop", none), rng)
    lines, there = padded_left(starts, stops)
    kept = there & ~(by_way.get("mask", none)[:, None] & (rng.random(there.shape) < MASK_SHARE))
    inside: NDArray[np.bool_] = _runs(there, by_way.get("reorder", none), rng)
    last = inside.copy()
    last[:, :-1] &= ~inside[:, 1:]
    return View(_shuffled(lines, inside, rng), lines, kept, np.asarray(kept & (~inside | last)))


def _cropped(
    starts: NDArray[np.int64], stops: NDArray[np.int64], chosen: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    length = stops - starts
    kept = np.minimum(length, np.maximum(2, np.ceil(CROP_SHARE * length).astype(np.int64)))
    first = starts + np.floor(rng.random(len(starts)) * (length - kept + 1)).astype(np.int64)
    return np.where(chosen, first, starts), np.where(chosen, first + kept, stops)


def _runs(there: NDArray[np.bool_], chosen: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """A run of places in each chosen row, bool (rows, width)."""
    length = there.sum(axis=1)
    size = np.floor(REORDER_SHARE * length).astype(np.int64)
    first = there.shape[1] - length + np.floor(rng.random(len(there)) * (length - size + 1)).astype(np.int64)
    place = np.arange(there.shape[1])[None, :]
    inside = (place >= first[:, None]) & (place < (first + size)[:, None])
    return np.asarray(inside & chosen[:, None] & (size > 1)[:, None])


def _shuffled(
    lines: NDArray[np.int64], inside: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.int64]:
    """The lines with each row's run in random order."""
    place = np.broadcast_to(np.arange(lines.shape[1], dtype=np.float64), lines.shape)
    first = np.argmax(inside, axis=1)[:, None]
    # Inside a run the order is drawn between its neighbours; outside it stays.
    key = np.where(inside, first + rng.random(lines.shape), place + np.where(place > first, 1.0, 0.0))
    key = np.where(inside.any(axis=1, keepdims=True), key, place)
    return np.take_along_axis(lines, np.argsort(key, axis=1, kind="stable"), axis=1)
