"""What a blend is fitted on: for each validation person the few items that any member would show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.evaluation.protocol import BATCH, CELLS, Cases, Reading, Score, pad_left
from app.evaluation.ranking import drawn, top_lists
from models.blend import standard

SHOWN = 30
"""Best items of each member, over all items and over new ones, that enter the pool."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Candidates of people, padded to the same number.

    Those of a person stand in the order of `drawn`, so that ties by place are the evaluation's.

    Attributes:
        levels: float32 (members, people, candidates), scores in standard deviations over all items.
        item: int32 (people, candidates), 0 where there is no more.
        asked: bool (people, candidates), whether the item stands in the query.
        seen: bool (people, candidates), whether the person ever had it.
        wanted: bool (people, candidates), whether it is a target.
        relevant: int64 (people,), targets, also those that no member shows.
        fresh: int64 (people,), the targets that are new to the person.
        length: int64 (people,), places of the query.
    """

    levels: NDArray[np.float32]
    item: NDArray[np.int32]
    asked: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    wanted: NDArray[np.bool_]
    relevant: NDArray[np.int64]
    fresh: NDArray[np.int64]
    length: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.item)

    @property
    def members(self) -> int:
        """How many models there are."""
        return len(self.levels)

    def take(self, rows: NDArray[np.int64]) -> Pool:
        """Some of the people."""
        rest = {name: getattr(self, name)[rows] for name in self.__slots__ if name != "levels"}
        return Pool(levels=self.levels[:, rows], **rest)

    def scorable(self, reading: Reading) -> NDArray[np.bool_]:
        """Which candidates a reading ranks, bool (people, candidates)."""
        return (self.item > 0) & ~self.seen if reading == "unseen" else self.item > 0

    def targets(self, reading: Reading) -> NDArray[np.int64]:
        """How many targets a reading asks each person about, int64 (people,)."""
        return self.fresh if reading == "unseen" else self.relevant


def pool_of(scores: Sequence[Score], people: Cases, *, is_late: Callable[[], bool] = lambda: False) -> Pool:
    """Ask every member about every person, some at a time, and keep the candidates alone.

    Args:
        scores: The members.
        people: Those to fit the blend on, in no order that means anything.
        is_late: Whether those asked about so far must do; the first are asked about in any case.
    """
    held = CELLS // (max(len(scores), 1) * (people.n_items + 1))
    step = max(1, min(BATCH, held))
    parts = (range(start, min(start + step, len(people))) for start in range(0, len(people), step))
    rows = list[tuple[NDArray[np.int32], NDArray[np.float32]]]()
    for part in parts:
        if rows and is_late():
            people = people.take(np.arange(len(rows)))
            break
        rows += _batch(scores, people, part)
    width = max((len(row[0]) for row in rows), default=1)
    item = np.zeros((len(rows), width), np.int32)
    levels = np.zeros((len(scores), len(rows), width), np.float32)
    for line, (candidates, level) in enumerate(rows):
        item[line, : len(candidates)] = candidates
        levels[:, line, : len(candidates)] = level
    marks = [_marks(item[line], people, line) for line in range(len(rows))]
    asked, seen, wanted = (np.array([mark[which] for mark in marks], bool) for which in range(3))
    return Pool(
        levels,
        item,
        asked.reshape(item.shape),
        seen.reshape(item.shape),
        wanted.reshape(item.shape),
        people.targets.lengths.astype(np.int64),
        np.array([_fresh(people, line) for line in range(len(rows))], np.int64),
        people.item_idx.lengths.astype(np.int64),
    )


def _batch(
    scores: Sequence[Score], people: Cases, rows: range
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float32]]]:
    """Candidates and levels, (members, candidates), of each person of a batch."""
    asked = pad_left(people.item_idx, people.weight, rows)
    levels = [standard(np.asarray(score(*asked))) for score in scores]
    had = np.zeros((len(rows), people.n_items + 1), bool)
    for line, row in enumerate(rows):
        seen = people.seen.row(row)
        had[line, seen[seen <= people.n_items]] = True
    shown = np.zeros_like(had)
    for level in levels:
        for ranked in (level, np.where(had, -np.inf, level)):
            lists = top_lists(ranked, SHOWN, first_row=rows.start)
            np.put_along_axis(shown, lists, values=True, axis=1)
    shown[:, 0] = False
    for line, row in enumerate(rows):
        candidates = np.flatnonzero(shown[line])
        candidates = candidates[np.argsort(drawn(np.full(len(candidates), row), candidates))]
        yield candidates.astype(np.int32), np.stack([level[line, candidates] for level in levels])


def _marks(
    item: NDArray[np.int32], people: Cases, row: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    return (
        np.isin(item, people.item_idx.row(row)) & (item > 0),
        np.isin(item, people.seen.row(row)),
        np.isin(item, people.targets.row(row)),
    )


def _fresh(people: Cases, row: int) -> int:
    return len(np.setdiff1d(people.targets.row(row), people.seen.row(row)))
