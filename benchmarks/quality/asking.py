"""The test part of a protocol's files: read once, after everything is fitted and chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.evaluation.protocol import Cases
from app.evaluation.ragged import grouped
from benchmarks.quality.errors import RefusedError
from benchmarks.quality.learning import DRAW_SEED, SHAPES, Files, Shape, cases_of
from benchmarks.quality.reading import Notes, Rows, prefix_rows, user_rows
from benchmarks.quality.timed import same_day

TEST_CELLS = 5 * 10**9
"""People times items that are ranked at the end, at most; more people are drawn from."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked about at the end.

    Attributes:
        cases: Those with a history.
        newcomers: Those without a training line, in the split protocol; reported apart.
        facts: Counts for the report.
        notes: What was passed over in each file.
        parts: bool (people,) by the name of a part that is reported apart.
    """

    cases: Cases
    newcomers: Cases | None
    facts: Mapping[str, int]
    notes: Sequence[Notes]
    parts: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)


def ask(files: Files, item_ids: Sequence[str]) -> Asked:
    """Read the test part.

    Args:
        files: What the command was given.
        item_ids: Items 1 to n of the fitted models.

    Raises:
        RefusedError: The test file is missing or of another form.
    """
    return _MAKERS[files.protocol](files, {name: number for number, name in enumerate(item_ids, start=1)})


def _leave_one_out(files: Files, index: Mapping[str, int]) -> Asked:
    rows = user_rows(files.data)
    known, anew = _numbers(rows, index)
    people = _drawn(np.flatnonzero(rows.lengths >= 3), len(index))
    last = rows.offsets[people + 1] - 1
    queries = [known[rows.item[rows.offsets[row] : rows.offsets[row + 1] - 1]] for row in people]
    could = int((rows.lengths >= 3).sum())
    shape = SHAPES["leave-one-out"]
    asked = _asked(queries, anew[rows.item[last]], could, n_items=len(index), shape=shape)
    if files.timed is None:
        return asked
    parts, notes = same_day(files.timed, [rows.users[row] for row in people])
    return replace(asked, parts=parts, notes=[notes])


def _sessions(files: Files, index: Mapping[str, int]) -> Asked:
    rows = prefix_rows(_test_of(files))
    known, anew = _numbers(rows, index)
    people = _drawn(np.arange(len(rows)), len(index))
    last = rows.offsets[people + 1] - 1
    queries = [known[rows.item[rows.offsets[row] : rows.offsets[row + 1] - 1]] for row in people]
    asked = _asked(queries, anew[rows.item[last]], len(rows), n_items=len(index), shape=SHAPES["sessions"])
    return replace(asked, notes=[rows.notes])


def _asked(
    queries: list[NDArray[np.int32]],
    target: NDArray[np.int32],
    could: int,
    *,
    n_items: int,
    shape: Shape,
) -> Asked:
    """People with one target each."""
    targets = grouped(np.arange(len(target)), target, len(target))
    cases = cases_of(queries, targets, n_items=n_items, shape=shape)
    facts = {
        "tested": len(target),
        "could_be_tested": could,
        "targets": len(target),
        "repeated_targets": sum(goal in query for goal, query in zip(target, queries, strict=True)),
        "unknown_targets": int((target > n_items).sum()),
    }
    return Asked(cases, None, facts, [])


def _split(files: Files, index: Mapping[str, int]) -> Asked:
    past, rows = user_rows(files.data), user_rows(_test_of(files))
    known, _ = _numbers(past, index)
    _, anew = _numbers(rows, index)
    row_of = {user: row for row, user in enumerate(past.users)}
    line = np.array([row_of.get(user, -1) for user in rows.users], np.int64)
    people = _drawn(np.flatnonzero(line >= 0), len(index))
    queries = [known[past.item[past.offsets[row] : past.offsets[row + 1]]] for row in line[people]]
    newcomers = np.flatnonzero(line < 0)
    cases = _with_targets(queries, people, rows, anew, len(index))
    targets = cases.targets.values
    had = sum(int(np.isin(cases.targets.row(row), cases.seen.row(row)).sum()) for row in range(len(cases)))
    facts = {
        "tested": len(people),
        "could_be_tested": int((line >= 0).sum()),
        "targets": len(targets),
        "repeated_targets": had,
        "unknown_targets": int((targets > len(index)).sum()),
        "newcomers": len(newcomers),
    }
    nothing = [np.empty(0, np.int32)] * len(newcomers)
    apart = _with_targets(nothing, newcomers, rows, anew, len(index)) if len(newcomers) else None
    return Asked(cases, apart, facts, [rows.notes])


def _with_targets(
    queries: list[NDArray[np.int32]],
    people: NDArray[np.int64],
    rows: Rows,
    anew: NDArray[np.int32],
    n_items: int,
) -> Cases:
    targets = [np.unique(anew[rows.item[rows.offsets[row] : rows.offsets[row + 1]]]) for row in people]
    owner = np.repeat(np.arange(len(people)), [len(row) for row in targets])
    values = np.concatenate([*targets, np.empty(0, np.int32)])
    return cases_of(queries, grouped(owner, values, len(people)), n_items=n_items, shape=SHAPES["split"])


_MAKERS: Mapping[str, Callable[[Files, Mapping[str, int]], Asked]] = {
    "leave-one-out": _leave_one_out,
    "sessions": _sessions,
    "split": _split,
}


def _test_of(files: Files) -> Path:
    if files.test is None:
        raise RefusedError(f"--protocol {files.protocol} needs --test.")
    return files.test


def _numbers(rows: Rows, index: Mapping[str, int]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The models' number of each raw item: 0, or one above all known, where they do not know it."""
    known = np.array([index.get(name, 0) for name in rows.items], np.int32)
    anew = np.where(known > 0, known, len(index) + 1 + np.arange(len(known)))
    return known, anew.astype(np.int32)


def _drawn(people: NDArray[np.int64], n_items: int) -> NDArray[np.int64]:
    most = max(1, TEST_CELLS // max(n_items, 1))
    if len(people) <= most:
        return people
    return np.sort(np.random.default_rng(DRAW_SEED).choice(people, most, replace=False))
