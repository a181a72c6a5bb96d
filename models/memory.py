"""Remembered histories, asked for those most like a query. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Memory:
    r"""What people had, in order, and where each item stands in it.

    .. math::
        s_j = \sum_{m \in N(q)} \ell_m \sum_{p:\, m_p = j} f^{\max(|p - p^*_m| - 1, 0)}\, b_{p < p^*_m}, \quad
        \ell_m = \tau_m \sum_{i \in q \cap m} w_i\, \rho_i

    with q the query and w its faded weights, N the `nearest` histories by their likeness, p* the place in a
    history of what it shares with the query at the highest weight, and places within `reach` of it.

    Attributes:
        items: int32 (lines,), the histories one after the other, oldest line first, no item twice in one.
        starts: int64 (histories + 1,), history m is ``items[starts[m]:starts[m + 1]]``.
        history: int32 (lines,), which history a line belongs to.
        trust: float32 (histories,), tau: by age and length.
        lines: int32 (m,), for each item some of its lines, one item after the other.
        indptr: int64 (n + 2,), item i's are ``lines[indptr[i]:indptr[i + 1]]``; item 0 has none.
        rarity: float32 (n + 1,), rho.
        nearest: Histories that are listened to.
        reach: Places beside p* that count.
        fade: f, 0 to 1.
        backwards: b of places before p*; those after it and p* itself count 1.
    """

    items: NDArray[np.int32]
    starts: NDArray[np.int64]
    history: NDArray[np.int32]
    trust: NDArray[np.float32]
    lines: NDArray[np.int32]
    indptr: NDArray[np.int64]
    rarity: NDArray[np.float32]
    nearest: int = 500
    reach: int = 20
    fade: float = 0.8
    backwards: float = 1.0

    def add_to(
        self, scores: NDArray[np.float32], item_idx: NDArray[np.int32], weight: NDArray[np.float32]
    ) -> None:
        """Add what the memory says to the scores.

        Args:
            scores: float32 (batch, n + 1), changed.
            item_idx: int32 (batch, time).
            weight: float32 (batch, time), faded already; places of 0 do not count.
        """
        for line, items, weights in zip(scores, item_idx, weight, strict=True):
            there = weights > 0
            if there.any():
                self._add_one(line, items[there], weights[there])

    def _add_one(
        self, scores: NDArray[np.float32], items: NDArray[np.int32], weights: NDArray[np.float32]
    ) -> None:
        distinct, place = np.unique(items, return_inverse=True)
        weighed = np.bincount(place, weights=weights) * self.rarity[distinct]
        begin = self.indptr[distinct]
        lengths = self.indptr[distinct + 1] - begin
        lines = self.lines[spans(begin, lengths)]
        if not len(lines):
            return
        histories, likeness, meeting = self._alike(lines, np.repeat(weighed, lengths))
        first = np.maximum(self.starts[histories], meeting - self.reach)
        past = np.minimum(self.starts[histories + 1], meeting + self.reach + 1)
        entries = spans(first, past - first)
        gap = entries - np.repeat(meeting, past - first)
        value = np.repeat(likeness, past - first) * self.fade ** np.maximum(np.abs(gap) - 1, 0)
        value *= np.where(gap < 0, self.backwards, 1.0)
        np.add.at(scores, self.items[entries], value.astype(np.float32))

    def _alike(
        self, lines: NDArray[np.int32], value: NDArray[np.floating]
    ) -> tuple[NDArray[np.int32], NDArray[np.floating], NDArray[np.int64]]:
        """The nearest histories, their likeness, and the line at which each meets the query."""
        histories, place = np.unique(self.history[lines], return_inverse=True)
        likeness = np.bincount(place, weights=value) * self.trust[histories]
        meeting = np.empty(len(histories), np.int64)
        # Later assignments win: the strongest meeting is the last one.
        order = np.argsort(value, kind="stable")
        meeting[place[order]] = lines[order]
        if len(histories) > self.nearest:
            # Of equals those with the higher number, which are the newer ones.
            kept = np.sort(np.argsort(likeness, kind="stable")[-self.nearest :])
            histories, likeness, meeting = histories[kept], likeness[kept], meeting[kept]
        return histories, likeness, meeting

    def arrays(self) -> dict[str, Any]:
        """Everything, by name."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Memory:
        """Read what `arrays` gave.

        Raises:
            KeyError: An array is missing.
        """
        return cls(
            arrays["items"].astype(np.int32),
            arrays["starts"].astype(np.int64),
            arrays["history"].astype(np.int32),
            arrays["trust"].astype(np.float32),
            arrays["lines"].astype(np.int32),
            arrays["indptr"].astype(np.int64),
            arrays["rarity"].astype(np.float32),
            int(arrays["nearest"]),
            int(arrays["reach"]),
            float(arrays["fade"]),
            float(arrays["backwards"]),
        )

    def check(self, n_items: int) -> None:
        """See that the memory can be asked.

        Args:
            n_items: Of the table that holds it.

        Raises:
            ValueError: The arrays do not fit each other or are not finite.
        """
        fit = len(self.indptr) == n_items + 2 and len(self.rarity) == n_items + 1
        fit = fit and _rises(self.indptr, len(self.lines)) and _rises(self.starts, len(self.items))
        fit = fit and len(self.trust) == len(self.starts) - 1 and len(self.history) == len(self.items)
        if not fit or not np.array_equal(self.history, _owners(self.starts)):
            raise ValueError("the memory's histories do not fit its items")
        if not (_within(self.items, 1, n_items) and _within(self.lines, 0, len(self.items) - 1)):
            raise ValueError("an item or a line of the memory is none")
        numbers = (self.trust, self.rarity, np.array([self.fade, self.backwards]))
        if self.nearest < 1 or self.reach < 0 or not all(np.isfinite(array).all() for array in numbers):
            raise ValueError("the memory holds numbers that are not finite or out of range")


def spans(begin: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers from each beginning on, one run after the other, int64 (sum of lengths,)."""
    ends = np.cumsum(lengths)
    return np.repeat(begin - (ends - lengths), lengths) + np.arange(ends[-1] if len(ends) else 0)


def _owners(starts: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))


def _rises(ends: NDArray[np.int64], total: int) -> bool:
    return bool(len(ends) and ends[0] == 0 and ends[-1] == total and np.all(np.diff(ends) >= 0))


def _within(numbers: NDArray[np.int32], least: int, most: int) -> bool:
    return not len(numbers) or bool(numbers.min() >= least and numbers.max() <= most)
