"""Step 4: people of a later slice as cases for `app.evaluation`, and the baselines every table has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.domain.ports import Scorer
from app.domain.types import Query
from app.evaluation.metrics import ndcg
from app.evaluation.protocol import READINGS, Cases, Reading, Score, run
from app.evaluation.ragged import grouped
from app.training.batches import decayed
from app.training.build import plan, table
from app.training.preprocess import Numbered, numbered
from models.base import Interactions
from models.item_item import ItemItem

MAX_VALIDATED = 2000


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


def sample(whole: Cases, *, most: int, seed: int) -> Cases:
    """At most so many people that have a history, drawn once so that epochs compare."""
    rows = np.flatnonzero(~whole.is_new)
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    return whole.take(rows)


def validate(
    score: Score, people: Cases, *, readings: Sequence[Reading] = READINGS, k: int = 10
) -> tuple[float | None, float]:
    """Loss and NDCG@k (the mean of the readings asked for) in one pass over the people.

    The loss is the mean over people of the cross-entropy of their targets under the softmax over all items:
    what the training loss estimates. People whose targets are all unknown to the model have no loss; None
    where nobody has one. One that is not finite makes the mean not finite.
    """
    losses: list[float | None] = []

    def recorded(item_idx: NDArray[np.int32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
        scores = score(item_idx, weight)
        for line in scores:
            losses.append(_cross_entropy(line, people.targets.row(len(losses))))
        return scores

    outcomes = run(recorded, people, readings=readings, places=k)
    each = [
        float(np.mean(ndcg(lists.hits, lists.relevant, k=k)))
        for lists in outcomes.values()
        if len(lists.rows)
    ]
    known = [loss for loss in losses if loss is not None]
    return (float(np.mean(known)) if known else None), (float(np.mean(each)) if each else 0.0)


def _cross_entropy(scores: NDArray[np.float32], targets: NDArray[np.int32]) -> float | None:
    items = scores[1:].astype(np.float64)
    known = targets[targets <= len(items)]
    if not len(known):
        return None
    top = items.max()
    if not np.isfinite(top):
        return float("nan")
    return float(top + np.log(np.exp(items - top).sum()) - items[known - 1].mean())


def as_score(scorer: Scorer) -> Score:
    """A served model as a score function of its own item numbers."""
    ids = ["", *scorer.item_ids]

    def score(item_idx: NDArray[np.int32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
        queries = []
        for items, weights in zip(item_idx, weight, strict=True):
            there = items > 0
            queries.append(
                Query(tuple(ids[item] for item in items[there]), tuple(map(float, weights[there])))
            )
        return scorer.score(queries)

    return score


def baselines(interactions: Interactions) -> dict[str, ItemItem]:
    """What stands beside every model: popularity, decayed popularity and transitions, at their defaults."""
    return {
        "popularity": table(plan("popularity", {"half_life_days": 0.0}), interactions),
        "popularity_decayed": table(plan("popularity", {}), interactions),
        "transitions": table(plan("transitions", {}), interactions),
    }
