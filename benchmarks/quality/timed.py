"""Seconds between a user's events, to tell targets of the same day apart: ``user item …<TAB>gap …``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.reading import Notes, lines

DAY_S = 86_400.0


def same_day(path: Path, users: Sequence[str]) -> tuple[dict[str, NDArray[np.bool_]], Notes]:
    """Who of the users has the last item on the day of the one before it, and who has it later.

    Args:
        path: A line a user: the user and the items as in the data, then a tab and, for each item, the seconds
            since the one before it. Users without a line are in neither part.
        users: Those that are asked about.

    Returns:
        bool (users,) by the name of the part, and what was passed over in the file.
    """
    notes, last = Notes(path), dict[str, float]()
    for number, text in lines(path, notes):
        items, _, gaps = text.partition("\t")
        words, seconds = items.split(), gaps.split()
        if len(words) - 1 != len(seconds) or not seconds:
            notes.refuse(number, f"{len(seconds)} gaps for {max(len(words) - 1, 0)} items")
        elif (gap := _number(seconds[-1])) is None:
            notes.refuse(number, f"{seconds[-1]!r} is no number of seconds")
        else:
            last[words[0]] = gap
    found = np.array([last.get(user, np.nan) for user in users])
    return {"same_day": found < DAY_S, "later_day": found >= DAY_S}, notes


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
