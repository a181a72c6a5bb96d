"""Step 4: people of a later slice as cases for `app.evaluation`, and the baselines every table has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from app.evaluation.protocol import Cases
from app.evaluation.ragged import grouped
from app.training.batches import decayed
from app.training.preprocess import Numbered, numbered


def cases(
    history: pl.DataFrame, future: pl.DataFrame, item_ids: Sequence[str], *, now: float, max_length: int
) -> Cases:
    """Everybody who did something positive in the future slice.

    Args:
        history: Labelled events before `now`.
        future: Labelled events of the slice that follows.
        item_ids: Items that the model knows, in its numbering.
        now: The moment of asking, days since 1970.
        max_length: Newest places of a query.
    """
    past, wanted = numbered(history, now=now), numbered(future, now=now)
    index = _extended(item_ids, past, wanted)
    people = pl.Series(wanted.user_keys, dtype=pl.String)
    pairs = np.unique(np.stack([wanted.interactions.user, _items(wanted, index)], axis=1), axis=0)
    targets = grouped(pairs[:, 0], pairs[:, 1].astype(np.int32), len(people))
    keys = pl.Series(past.user_keys, dtype=pl.String)
    row_of_user = _rows(keys, people)
    row, item = row_of_user[past.interactions.user], _items(past, index)
    weight, asked = decayed(past.interactions), row >= 0
    row, item, weight = row[asked], item[asked], weight[asked]
    # Users are sorted in both, so the rows rise as the users did.
    seen = np.unique(np.stack([row, item], axis=1), axis=0)
    known = item <= len(item_ids)
    newest = _newest(row[known], max_length)
    return Cases(
        grouped(row[known][newest], item[known][newest].astype(np.int32), len(people)),
        grouped(row[known][newest], weight[known][newest], len(people)),
        grouped(seen[:, 0], seen[:, 1].astype(np.int32), len(people)),
        targets,
        len(item_ids),
    )


def _newest(row: np.ndarray, max_length: int) -> np.ndarray:
    """Which of the lines, ordered by row, are among the last `max_length` of theirs."""
    stop = np.searchsorted(row, row, side="right")
    return stop - np.arange(len(row)) <= max_length


def _extended(item_ids: Sequence[str], *slices: Numbered) -> dict[str, int]:
    """The model's numbering, then numbers above it for items that it does not know."""
    index = {item_id: number for number, item_id in enumerate(item_ids, start=1)}
    for part in slices:
        for item_id in part.item_ids:
            index.setdefault(item_id, len(index) + 1)
    return index


def _items(part: Numbered, index: dict[str, int]) -> np.ndarray:
    numbers = np.array([0, *(index[item_id] for item_id in part.item_ids)], np.int64)
    return numbers[part.interactions.item]


def _rows(keys: pl.Series, people: pl.Series) -> np.ndarray:
    """Each key's row among the people, -1 for none."""
    if not len(people):
        return np.full(len(keys), -1, np.int64)
    place = people.search_sorted(keys).to_numpy().astype(np.int64) if len(keys) else np.empty(0, np.int64)
    inside = np.minimum(place, len(people) - 1)
    same = (people.gather(inside) == keys).to_numpy() if len(keys) else np.empty(0, bool)
    return np.where(same, inside, -1)
