"""Ask a model about people at a moment, and hold its lists against what they did next.

Two readings, always side by side: `unseen`, over items that the person had not had before (theirs are left
out of list and targets), and `all`, where repeats count. New people (no history) and new items (targets that
the model cannot know) stay in and are told apart as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.evaluation import beyond
from app.evaluation.metrics import ndcg, summary
from app.evaluation.ragged import Ragged, grouped
from app.evaluation.ranking import found_in, hide, top_lists

Reading = Literal["unseen", "all"]
READINGS: tuple[Reading, ...] = ("unseen", "all")
KS = (5, 10, 20)
COLD = 5
"""A user with fewer items is a cold one, and so is an item that fewer people had."""
BATCH = 256
CELLS = 2**24
"""Scores that are held at once, 64 MB."""

Score = Callable[[NDArray[np.int32], NDArray[np.float32]], NDArray[np.float32]]
"""`item_idx` and `weight` (batch, time), left-padded, to float32 (batch, n + 1)."""


@dataclass(frozen=True, slots=True)
class Cases:
    """People at one moment.

    Attributes:
        item_idx: Each one's newest places, oldest first.
        weight: The places' labels, decayed to the moment.
        seen: Distinct items of the whole history; above `n_items` where the model does not know them.
        targets: Distinct items of the slice that follows; above `n_items` where the model cannot know them.
        n_items: Items that the model knows.
    """

    item_idx: Ragged[np.int32]
    weight: Ragged[np.float32]
    seen: Ragged[np.int32]
    targets: Ragged[np.int32]
    n_items: int

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def is_new(self) -> NDArray[np.bool_]:
        """Who has no history, bool (people,)."""
        return np.asarray(self.item_idx.lengths == 0)

    def take(self, rows: NDArray[np.int64]) -> Cases:
        """Some of the people."""
        return Cases(
            self.item_idx.take(rows),
            self.weight.take(rows),
            self.seen.take(rows),
            self.targets.take(rows),
            self.n_items,
        )


@dataclass(frozen=True, slots=True)
class Lists:
    """A reading's outcome.

    Attributes:
        rows: int64 (people,), those of the cases that have a target in this reading.
        lists: int32 (people, K), items from the first place on, 0 where the model had no more.
        hits: bool (people, K).
        relevant: int64 (people,), targets.
        targets: int32 (m,), the targets of all, one after the other.
    """

    rows: NDArray[np.int64]
    lists: NDArray[np.int32]
    hits: NDArray[np.bool_]
    relevant: NDArray[np.int64]
    targets: NDArray[np.int32]


def pad_left(
    item_idx: Ragged[np.int32], weight: Ragged[np.float32], rows: range
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Some rows as the arrays a model takes, at least one place wide."""
    offsets = item_idx.offsets[rows.start : rows.stop + 1]
    lengths = np.diff(offsets)
    width = max(1, int(lengths.max(initial=0)))
    items = np.zeros((len(rows), width), np.int32)
    weights = np.zeros((len(rows), width), np.float32)
    there = np.arange(width)[None, :] >= width - lengths[:, None]
    items[there] = item_idx.values[offsets[0] : offsets[-1]]
    weights[there] = weight.values[offsets[0] : offsets[-1]]
    return items, weights


def top_n(scores: NDArray[np.float32], n: int) -> NDArray[np.int32]:
    """The n best items, ties by item number; 0 where a score is not finite or there are no more.

    Args:
        scores: float32 (n_items + 1,), column 0 is not an item.
        n: Places.
    """
    usable = np.where(np.isfinite(scores), scores, -np.inf)
    usable[0] = -np.inf
    n = min(n, len(usable) - 1)
    least = np.partition(usable, len(usable) - n)[len(usable) - n] if n else np.inf
    candidates = np.flatnonzero((usable >= least) & (usable > -np.inf))
    best = candidates[np.argsort(-usable[candidates], kind="stable")][:n]
    return best.astype(np.int32)


def batches_of(cases: Cases) -> Iterator[range]:
    """Rows of the people that are asked about together: fewer where the catalogue is large."""
    size = max(1, min(BATCH, CELLS // (cases.n_items + 1)))
    for start in range(0, len(cases), size):
        yield range(start, min(start + size, len(cases)))


def lists_of(
    score: Score, cases: Cases, *, readings: Sequence[Reading] = READINGS, places: int = max(KS)
) -> dict[Reading, NDArray[np.int32]]:
    """Every person's list in each reading, whether or not there is a target to hold it against.

    Args:
        score: The model.
        cases: The people; their targets are not looked at.
        readings: Those that are wanted.
        places: Length of the lists.

    Returns:
        int32 (people, places) each, 0 where the model had no more.
    """
    found = {reading: np.zeros((len(cases), places), np.int32) for reading in readings}
    for rows in batches_of(cases):
        scores = np.array(score(*pad_left(cases.item_idx, cases.weight, rows)), dtype=np.float32)
        part = slice(rows.start, rows.stop)
        if "all" in found:
            found["all"][part] = top_lists(scores, places, first_row=rows.start)
        if "unseen" in found:
            hide(scores, cases.seen, rows)
            found["unseen"][part] = top_lists(scores, places, first_row=rows.start)
    return found


def run(
    score: Score, cases: Cases, *, readings: Sequence[Reading] = READINGS, places: int = max(KS)
) -> dict[Reading, Lists]:
    """Ask for every person's lists, and hold them against the targets that a reading asks about.

    Args:
        score: The model.
        cases: The people.
        readings: Those that are wanted.
        places: Length of the lists.
    """
    wanted = {"unseen": fresh_targets(cases), "all": cases.targets}
    found = lists_of(score, cases, readings=readings, places=places)
    return {reading: _outcome(lists, wanted[reading]) for reading, lists in found.items()}


def fresh_targets(cases: Cases) -> Ragged[np.int32]:
    """The targets that are new to their person."""
    owner = np.repeat(np.arange(len(cases)), cases.targets.lengths)
    had = np.repeat(np.arange(len(cases)), cases.seen.lengths)
    span = np.int64(max(cases.targets.values.max(initial=0), cases.seen.values.max(initial=0))) + 1
    new = ~np.isin(owner * span + cases.targets.values, had * span + cases.seen.values)
    return grouped(owner[new], cases.targets.values[new], len(cases))


def _outcome(lists: NDArray[np.int32], targets: Ragged[np.int32]) -> Lists:
    rows = np.flatnonzero(targets.lengths > 0)
    hits = found_in(lists[rows], targets, rows)
    return Lists(rows, lists[rows], hits, targets.lengths[rows], targets.values)


def evaluate(
    score: Score, cases: Cases, items: beyond.Catalogue, *, ks: tuple[int, ...] = KS
) -> dict[str, object]:
    """Every figure of a model on a slice.

    Returns:
        ``{"unseen": …, "all": …}``, each with means over known people; ``new_users`` with the same for people
        without a history, ``cold_users`` for known people with few items, ``cold_items`` for known people all
        of whose targets few people had; ``new_items`` with the share of everybody's targets, new people's
        too, that the model could not know.
    """
    outcomes = run(score, cases, places=max(ks))
    kinds = beyond.groups(items.popularity, None)
    report: dict[str, object] = {}
    apart: dict[str, dict[str, object]] = {"new_users": {}, "cold_users": {}, "cold_items": {}}
    for reading, lists in outcomes.items():
        is_new = cases.is_new[lists.rows] if len(lists.rows) else np.zeros(0, bool)
        known = np.flatnonzero(~is_new)
        report[reading] = figures(lists, ~is_new, items, ks=ks) | {
            "calibration@10": beyond.calibration(
                lists.lists[known, :10], cases.item_idx.take(lists.rows[known]), kinds
            )
        }
        parts = {
            "new_users": is_new,
            "cold_users": ~is_new & (cases.seen.lengths[lists.rows] < COLD),
            "cold_items": ~is_new & (_best_known(lists, items) < COLD),
        }
        for name, chosen in parts.items():
            apart[name][reading] = {
                "people": int(chosen.sum()),
                **summary(lists.hits[chosen], lists.relevant[chosen], ks=ks),
            }
    return {**report, **apart, "new_items": _new_items(cases)}


def _best_known(lists: Lists, items: beyond.Catalogue) -> NDArray[np.float64]:
    """People who had the best known target of each of the lists' people; 0 where the model knows none."""
    known = lists.targets <= items.n_items
    had = np.where(known, items.popularity[np.where(known, lists.targets, 0)], 0.0)
    most = np.zeros(len(lists.rows))
    np.maximum.at(most, np.repeat(np.arange(len(lists.rows)), lists.relevant), had)
    return most


def figures(
    lists: Lists, chosen: NDArray[np.bool_], items: beyond.Catalogue, *, ks: tuple[int, ...]
) -> dict[str, float | int]:
    """Accuracy and what lies beyond it for the chosen people of a reading, with NDCG@10's standard error.

    Popularity bias holds what the chosen people were shown against what everybody of the reading then chose.
    """
    hits, relevant = lists.hits[chosen], lists.relevant[chosen]
    each = ndcg(hits, relevant, k=10)
    shown = lists.lists[chosen, :10]
    return {
        "people": int(chosen.sum()),
        **summary(hits, relevant, ks=ks),
        "ndcg@10_error": float(each.std() / max(np.sqrt(len(each)), 1.0)) if len(each) else 0.0,
        "coverage@10": beyond.coverage(shown, items),
        "novelty@10": beyond.novelty(shown, items),
        "diversity@10": beyond.diversity(shown, items),
        "popularity_bias@10": beyond.popularity_bias(shown, lists.targets, items),
    }


def _new_items(cases: Cases) -> Mapping[str, float | int]:
    unknown = cases.targets.values > cases.n_items
    return {
        "targets": len(unknown),
        "unknown": int(unknown.sum()),
        "share": float(unknown.mean()) if len(unknown) else 0.0,
    }


def headline(report: Mapping[str, object]) -> float:
    """The one number a fit is steered by: NDCG@10, the mean of both readings."""
    values = []
    for reading in READINGS:
        part = report[reading]
        if isinstance(part, Mapping):
            values.append(float(part["ndcg@10"]))
    return float(np.mean(values)) if values else 0.0
