"""Scores to lists, a batch at a time, in a way that no tie can be won by.

A model that gives many items the same score has not ranked them. By item number such ties would fall to items
that came early, which are often the popular ones; so they fall by a fixed hash of the person's row and the
item: the same in every run, another for each person, and worth chance on average.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.evaluation.ragged import Ragged

LOWEST = np.finfo(np.float32).min
_CROWD = 4
"""Candidates a place, above which the ties of a row are drawn on their own."""


def drawn(rows: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A fixed hash of each pair of row and item, uint64 in the shape of both together.

    Source:
        Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014: the finaliser of
        SplitMix64.
    """
    mixed = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + items.astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)


def hide(scores: NDArray[np.float32], items: Ragged[np.int32], rows: range) -> None:
    """Leave each person's own items out of the ranking, in place.

    Args:
        scores: float32 (len(rows), n + 1).
        items: What to leave out of each row; numbers above n are passed over.
        rows: Of `items`, in the order of `scores`.
    """
    offsets = items.offsets[rows.start : rows.stop + 1]
    columns = items.values[offsets[0] : offsets[-1]]
    lines = np.repeat(np.arange(len(rows)), np.diff(offsets))
    known = columns < scores.shape[1]
    scores[lines[known], columns[known]] = -np.inf


def top_lists(scores: NDArray[np.float32], places: int, *, first_row: int = 0) -> NDArray[np.int32]:
    """The best items of each row, ties by `drawn`; 0 where a score is not finite or there are no more.

    Args:
        scores: float32 (batch, n + 1), column 0 is not an item.
        places: Length of the lists.
        first_row: The first row's number among all people, so that a batch's size changes no tie.

    Returns:
        int32 (batch, places).
    """
    usable = scores.copy()
    usable[:, 0] = -np.inf
    if not (usable.max(axis=1, initial=-np.inf) < np.inf).all():
        # The maximum is not a number where any score is not: only then is each one looked at.
        usable[~np.isfinite(usable)] = -np.inf
    lists = np.zeros((len(usable), places), np.int32)
    wide = min(places, usable.shape[1] - 1)
    if not wide or not len(usable):
        return lists
    least = np.partition(usable, usable.shape[1] - wide, axis=1)[:, -wide]
    line, item = _candidates(usable, least, wide, first_row)
    order = np.lexsort((drawn(line + first_row, item), -usable[line, item], line))
    line, item = line[order], item[order]
    place = np.arange(len(line)) - np.searchsorted(line, line)
    inside = place < wide
    lists[line[inside], place[inside]] = item[inside]
    return lists


def _candidates(
    usable: NDArray[np.float32], least: NDArray[np.float32], wide: int, first_row: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lines and items that may stand in a list; where too many tie at its end, those that are drawn."""
    there = usable >= np.maximum(least, LOWEST)[:, None]
    for row in np.flatnonzero(np.count_nonzero(there, axis=1) > _CROWD * wide):
        tied = np.flatnonzero(there[row] & (usable[row] == least[row]))
        luck = drawn(np.full(len(tied), row + first_row), tied)
        there[row, np.delete(tied, np.argpartition(luck, wide - 1)[:wide])] = False
    # One flat search is several times faster than one over two axes.
    line, item = np.divmod(np.flatnonzero(there), np.int64(there.shape[1]))
    return line, item


def found_in(
    lists: NDArray[np.int32], targets: Ragged[np.int32], rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which places of the lists hold a target of their person, bool (len(rows), places).

    Args:
        lists: int32 (len(rows), places), 0 for no item.
        targets: Of all people.
        rows: int64 (len(rows),), whose list each is.
    """
    owner = np.repeat(np.arange(len(targets)), targets.lengths)
    span = np.int64(max(targets.values.max(initial=0), lists.max(initial=0))) + 1
    asked = rows[:, None] * span + lists
    return np.asarray(np.isin(asked, owner * span + targets.values) & (lists > 0))
