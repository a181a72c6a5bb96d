"""The part of a protocol's files that fits and choices may read, as a `Task`.

Nothing of the test part is in what this module returns: leave-one-out cuts each line's last item off before
items are even numbered, and the other protocols never open the test file here. `benchmarks.quality.asking`
reads it, after all fits and choices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.evaluation.protocol import Cases, Reading
from app.evaluation.ragged import Ragged, grouped
from app.training.task import Task
from benchmarks.quality.errors import RefusedError
from benchmarks.quality.reading import Notes, Rows, item_attributes, session_rows, user_rows
from models.base import Attributes, Interactions

STEP_DAYS = 1e-3
"""Between neighbouring places: each is a basket of its own."""
SPAN_DAYS = 100.0
"""From the first session of a file to its last."""
NEEDED = {
    "leave-one-out": "a user must have 3 items or more",
    "sessions": "one of the last sessions must have 2 items or more",
    "split": "a user must have 3 items or more",
}
VALIDATION_SHARE = 0.1
VALIDATION_CELLS = 3 * 10**8
"""People times items that a choice looks at, at most; more are drawn from."""
LEAST_VALIDATED = 2000
DRAW_SEED = 20


@dataclass(frozen=True, slots=True)
class Files:
    """What the command was given.

    Attributes:
        protocol: ``leave-one-out``, ``sessions`` or ``split``.
        data: Learned and chosen from.
        test: Asked about at the end; leave-one-out has it in `data`.
        items: Attributes of the items.
        timed: Seconds between a user's events, for leave-one-out; read with the test part.
    """

    protocol: str
    data: Path
    test: Path | None = None
    items: Path | None = None
    timed: Path | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """How a protocol asks.

    Attributes:
        reading: Whether the person's own history is left out of the ranking.
        k: Places of the metric that choices are made by.
        most_places: Newest places of a query.
        half_life_days: Of a place's weight. Neighbouring places must differ by more than a millionth.
    """

    reading: Reading
    k: int
    most_places: int
    half_life_days: float


SHAPES: Mapping[str, Shape] = {
    "leave-one-out": Shape("unseen", 10, 200, 1.0),
    "sessions": Shape("all", 20, 200, SPAN_DAYS),
    "split": Shape("unseen", 20, 1000, 1.0),
}


@dataclass(frozen=True, slots=True)
class Learning:
    """All that fitting and choosing may know.

    Attributes:
        protocol: Its name.
        task: Training lines and validation people.
        final: All lines of the training file, for a last fit after all choices; None where the protocol has
            none.
        item_ids: External names of items 1 to n.
        facts: Counts for the report.
        notes: What was passed over in each file.
    """

    protocol: str
    task: Task
    final: Interactions | None
    item_ids: Sequence[str]
    facts: Mapping[str, int | float]
    notes: Sequence[Notes]

    @property
    def everything(self) -> Interactions:
        """What the model that is tested was fitted on."""
        return self.task.interactions if self.final is None else self.final


def learn(files: Files) -> Learning:
    """Read what may be learned from.

    Raises:
        RefusedError: A file is missing or of another form, or there is nobody to choose by.
    """
    known, notes = item_attributes(files.items) if files.items else ({}, None)
    made = _MAKERS[files.protocol](files.data, known)
    if not len(made.task.validation):
        raise RefusedError(
            f"{files.data}: nobody to choose by: {NEEDED[files.protocol]}, so that one can be held back."
        )
    return made if notes is None else _with_notes(made, notes)


def _with_notes(made: Learning, notes: Notes) -> Learning:
    attributes = made.task.interactions.attributes
    facts = {**made.facts, "attributes": len(attributes) if attributes is not None else 0}
    return Learning(made.protocol, made.task, made.final, made.item_ids, facts, [*made.notes, notes])


def _leave_one_out(path: Path, known: Mapping[str, list[str]]) -> Learning:
    rows, shape = user_rows(path), SHAPES["leave-one-out"]
    lengths = rows.lengths
    asked = lengths >= 3
    owner, place = _owners(rows)
    kept = place < (lengths - asked)[owner]
    number, item_ids = _numbered(rows, kept, known)
    item = number[rows.item]
    trains = place < (lengths - 2 * asked)[owner]
    interactions = _interactions(
        owner[trains], item[trains], place[trains] * STEP_DAYS, item_ids, known, shape=shape
    )
    people = _drawn(np.flatnonzero(asked), len(item_ids))
    validation = cases_of(
        [item[rows.offsets[row] : rows.offsets[row + 1] - 2] for row in people],
        grouped(np.arange(len(people)), item[rows.offsets[people + 1] - 2], len(people)),
        n_items=len(item_ids),
        shape=shape,
    )
    facts = {
        **_sizes(rows, len(item_ids)),
        "events": int(kept.sum() + asked.sum()),
        "trains_only": int((~asked).sum()),
        "validated": len(people),
        "could_be_validated": int(asked.sum()),
    }
    task = Task(interactions, validation, (shape.reading,), shape.k)
    return Learning("leave-one-out", task, None, item_ids, facts, [rows.notes])


def _sessions(path: Path, known: Mapping[str, list[str]]) -> Learning:
    rows, shape = session_rows(path), SHAPES["sessions"]
    owner, place = _owners(rows)
    number, item_ids = _numbered(rows, np.ones(len(rows.item), bool), known)
    item = number[rows.item]
    time = SPAN_DAYS * owner / len(rows) + place * STEP_DAYS
    first = len(rows) - max(1, round(VALIDATION_SHARE * len(rows)))
    trains = owner < first
    if not trains.any():
        raise RefusedError(f"{path}: one session is too little; others must come before it to learn from.")
    make = _maker(item_ids, known, shape)
    targets = _drawn(np.flatnonzero(~trains & (place > 0)), len(item_ids))
    validation = cases_of(
        [item[rows.offsets[owner[at]] : at] for at in targets],
        grouped(np.arange(len(targets)), item[targets], len(targets)),
        n_items=len(item_ids),
        shape=shape,
    )
    facts = {
        **_sizes(rows, len(item_ids)),
        "validated": len(targets),
        "could_be_validated": int((~trains & (place > 0)).sum()),
    }
    task = Task(make(owner[trains], item[trains], time[trains]), validation, (shape.reading,), shape.k)
    return Learning("sessions", task, make(owner, item, time), item_ids, facts, [rows.notes])


def _split(path: Path, known: Mapping[str, list[str]]) -> Learning:
    rows, shape = user_rows(path), SHAPES["split"]
    owner, place = _owners(rows)
    number, item_ids = _numbered(rows, np.ones(len(rows.item), bool), known)
    item = number[rows.item]
    held = _held_back(rows, owner)
    make = _maker(item_ids, known, shape)
    people = _drawn(np.unique(owner[held]), len(item_ids))
    parts = [slice(rows.offsets[row], rows.offsets[row + 1]) for row in people]
    targets = [np.unique(item[part][held[part]]) for part in parts]
    validation = cases_of(
        [item[part][~held[part]] for part in parts],
        grouped(
            np.repeat(np.arange(len(people)), [len(row) for row in targets]),
            np.concatenate([*targets, np.empty(0, np.int32)]),
            len(people),
        ),
        n_items=len(item_ids),
        shape=shape,
    )
    facts = {
        **_sizes(rows, len(item_ids)),
        "validated": len(people),
        "could_be_validated": len(np.unique(owner[held])),
    }
    time = place * STEP_DAYS
    task = Task(make(owner[~held], item[~held], time[~held]), validation, (shape.reading,), shape.k)
    return Learning("split", task, make(owner, item, time), item_ids, facts, [rows.notes])


_MAKERS: Mapping[str, Callable[[Path, Mapping[str, list[str]]], Learning]] = {
    "leave-one-out": _leave_one_out,
    "sessions": _sessions,
    "split": _split,
}


def cases_of(
    queries: Sequence[NDArray[np.int32]], targets: Ragged[np.int32], *, n_items: int, shape: Shape
) -> Cases:
    """People who are asked about: their newest places, each weighed by how many come after it.

    Args:
        queries: Each one's whole history, oldest first; 0 for an item that the model cannot know.
        targets: Distinct items; above `n_items` where the model cannot know them.
        n_items: Items that the model knows.
        shape: The protocol's.
    """
    known = [row[row > 0] for row in queries]
    newest = [row[-shape.most_places :] for row in known]
    lengths = np.array([len(row) for row in newest], np.int64)
    stop = np.repeat(np.cumsum(lengths), lengths)
    after = stop - 1 - np.arange(len(stop))
    weight = np.power(0.5, after * STEP_DAYS / shape.half_life_days)
    seen = [np.unique(row) for row in known]
    return Cases(_flat(newest), _flat([weight.astype(np.float32)], lengths), _flat(seen), targets, n_items)


def _flat(rows: Sequence[NDArray[np.generic]], lengths: NDArray[np.int64] | None = None) -> Ragged[Any]:
    sizes = np.array([len(row) for row in rows], np.int64) if lengths is None else lengths
    values = np.concatenate(rows) if len(rows) else np.empty(0, np.int32)
    return Ragged(values, np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]))


def _owners(rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each value's row and its place there, from 0."""
    owner = np.repeat(np.arange(len(rows)), rows.lengths)
    return owner, np.arange(len(rows.item)) - rows.offsets[owner]


def _numbered(
    rows: Rows, kept: NDArray[np.bool_], known: Mapping[str, list[str]]
) -> tuple[NDArray[np.int32], list[str]]:
    """Numbers from 1 by first use among the kept values, then the other items of the catalogue.

    Returns:
        int32 (raw items,), 0 for an item that only stands where nothing may be learned from, and the names.
    """
    used = rows.item[kept]
    first = np.full(len(rows.items), len(used), np.int64)
    # Written backwards, the first place of each item is the one that stays.
    first[used[::-1]] = np.arange(len(used) - 1, -1, -1)
    ordered = np.argsort(first, kind="stable")[: np.count_nonzero(first < len(used))]
    number = np.zeros(len(rows.items), np.int32)
    number[ordered] = np.arange(1, len(ordered) + 1)
    names = [rows.items[raw] for raw in ordered]
    place = {name: raw for raw, name in enumerate(rows.items)} if known else {}
    there = set(names)
    for name in known:
        if name not in there:
            names.append(name)
            if name in place:
                number[place[name]] = len(names)
    return number, names


def _maker(
    item_ids: Sequence[str], known: Mapping[str, list[str]], shape: Shape
) -> Callable[[NDArray[np.int64], NDArray[np.int32], NDArray[np.floating]], Interactions]:
    def make(owner: NDArray[np.int64], item: NDArray[np.int32], time: NDArray[np.floating]) -> Interactions:
        return _interactions(owner, item, time, item_ids, known, shape=shape)

    return make


def _interactions(
    owner: NDArray[np.int64],
    item: NDArray[np.int32],
    time: NDArray[np.floating],
    item_ids: Sequence[str],
    known: Mapping[str, list[str]],
    *,
    shape: Shape,
) -> Interactions:
    return Interactions(
        user=owner.astype(np.int64),
        item=item.astype(np.int32),
        time=time.astype(np.float64),
        weight=np.ones(len(item), np.float32),
        half_life=np.full(len(item), shape.half_life_days, np.float32),
        n_users=int(owner.max(initial=-1)) + 1,
        n_items=len(item_ids),
        now=float(time.max(initial=0.0)) + STEP_DAYS,
        attributes=_attributes(item_ids, known) if known else None,
    )


def _attributes(item_ids: Sequence[str], known: Mapping[str, list[str]]) -> Attributes:
    numbers: dict[str, int] = {}
    rows = [[numbers.setdefault(name, len(numbers)) for name in known.get(item, [])] for item in item_ids]
    lengths = np.array([0, 0, *(len(row) for row in rows)], np.int64)
    return Attributes(
        list(numbers), np.array([number for row in rows for number in row], np.int32), np.cumsum(lengths)
    )


def _held_back(rows: Rows, owner: NDArray[np.int64]) -> NDArray[np.bool_]:
    """A tenth of each user's places, one at least, where there are three; drawn once."""
    lengths = rows.lengths
    wanted = np.where(lengths >= 3, np.maximum(1, np.rint(VALIDATION_SHARE * lengths)), 0)
    luck = np.random.default_rng(DRAW_SEED).random(len(rows.item))
    order = np.lexsort((luck, owner))
    held = np.zeros(len(rows.item), bool)
    rank = np.arange(len(order)) - rows.offsets[owner[order]]
    held[order[rank < wanted[owner[order]]]] = True
    return held


def _drawn(people: NDArray[np.int64], n_items: int) -> NDArray[np.int64]:
    """All of them, or as many as a choice can afford to look at, in their order."""
    most = max(LEAST_VALIDATED, VALIDATION_CELLS // max(n_items, 1))
    if len(people) <= most:
        return people
    return np.sort(np.random.default_rng(DRAW_SEED).choice(people, most, replace=False))


def _sizes(rows: Rows, n_items: int) -> dict[str, int]:
    return {"rows": len(rows), "events": len(rows.item), "items": n_items}
