"""What many people did: counts by item and day, decayed into popular and trending scores."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from app.domain.fading import TRENDING_SPAN, Fading
from app.domain.weights import UNKNOWN_WEIGHT, EventWeight
from app.pipeline.columns import FloatArray

EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class DailyCounts:
    """Distinct people a day, weighted by what they did.

    Attributes:
        item_ids: Every item that anybody had to do with, if only in a list.
        codes: int64 (lines,) into `item_ids`.
        days: int64 (lines,): days since 1970-01-01, UTC.
        counts: float64 (lines,): people times the event's weight, > 0.
        met: float64 (items,): people by day and event of any weight, lists seen included.
    """

    item_ids: tuple[str, ...]
    codes: NDArray[np.int64]
    days: NDArray[np.int64]
    counts: FloatArray
    met: FloatArray

    def popular(self, now: datetime, fading: Fading) -> FloatArray:
        """float64 (items,): counts, halved every half-life, or the plain counts of a window."""
        window = fading.window_days
        return self._decayed(now, fading.half_life_days) if window is None else self._within(now, window)

    def trending(self, now: datetime, fading: Fading) -> FloatArray:
        """float64 (items,): how far an item's daily rate has risen lately, 0 where it has not.

        The rate over the half-life less the usual rate, over a longer one, in units of the noise that a
        count of that size has, so that one sale of a quiet item is no trend. A window is held against the
        one of the same length before it.
        """
        window = fading.window_days
        if window is None:
            longer = TRENDING_SPAN * fading.half_life_days
            recent = self._decayed(now, fading.half_life_days) / fading.half_life_days
            usual = self._decayed(now, longer) / longer
        else:
            recent = self._within(now, window)
            usual = self._within(now, 2 * window) - recent
        return np.maximum((recent - usual) / np.sqrt(usual + 1.0), 0.0)

    def _decayed(self, now: datetime, half_life_days: float) -> FloatArray:
        decay = np.exp2(-np.maximum(_day(now) - self.days, 0) / half_life_days)
        return self._summed(self.counts * decay)

    def _within(self, now: datetime, days: int) -> FloatArray:
        # Today included.
        return self._summed(np.where(self.days > _day(now) - days, self.counts, 0.0))

    def _summed(self, values: FloatArray) -> FloatArray:
        return np.bincount(self.codes, weights=values, minlength=len(self.item_ids)).astype(np.float64)


def daily_counts(
    rows: Iterable[tuple[str, str, str, int]], weights: Mapping[str, EventWeight]
) -> DailyCounts:
    """Counts of the event store's lines ``(item_id, event name, day, people)``.

    Only events that speak for an item count. One against it says that it was not right for one person, not
    that it is unpopular, and counting it would let a few people bury an item.
    """
    codes: dict[str, int] = {}
    days: dict[str, int] = {}
    met = array("d")
    # Columns from the start: a list of tuples takes ten times the memory, once for every line.
    line_codes, line_days, line_counts = array("q"), array("q"), array("d")
    for item_id, name, day, people in rows:
        code = codes.setdefault(item_id, len(codes))
        if code == len(met):
            met.append(0.0)
        met[code] += people
        weight = weights.get(name, UNKNOWN_WEIGHT).weight
        if weight > 0:
            if day not in days:
                days[day] = date.fromisoformat(day).toordinal() - EPOCH
            line_codes.append(code)
            line_days.append(days[day])
            line_counts.append(people * weight)
    return DailyCounts(
        item_ids=tuple(codes),
        codes=np.array(line_codes, dtype=np.int64),
        days=np.array(line_days, dtype=np.int64),
        counts=np.array(line_counts, dtype=np.float64),
        met=np.array(met, dtype=np.float64),
    )


def _day(now: datetime) -> int:
    return now.date().toordinal() - EPOCH
