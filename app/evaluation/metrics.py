"""How good ranked lists are. Pure functions of who hit what; the mean over people is taken by the caller.

Shapes: `hits` is bool (people, places), place 0 first, and `relevant` int64 (people,), how many targets each
has, at least 1. Every function returns float64 (people,). Definitions are those of trec_eval: a list that is
shorter than k counts as k places, recall and average precision divide by all targets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Hits = NDArray[np.bool_]
Counts = NDArray[np.int64]
Values = NDArray[np.float64]


def accuracy(hits: Hits) -> Values:
    """Whether the item at the top is a target."""
    return hits[:, 0].astype(np.float64)


def precision(hits: Hits, _: Counts, *, k: int) -> Values:
    """Share of the k places that hit."""
    return np.asarray(hits[:, :k].sum(axis=1) / k, dtype=np.float64)


def recall(hits: Hits, relevant: Counts, *, k: int) -> Values:
    """Share of the targets that stand in the first k places."""
    return np.asarray(hits[:, :k].sum(axis=1) / relevant, dtype=np.float64)


def f1(hits: Hits, relevant: Counts, *, k: int) -> Values:
    """Harmonic mean of precision and recall, 0 where both are."""
    found = hits[:, :k].sum(axis=1)
    # 2 p r / (p + r) with p = found / k and r = found / relevant.
    return np.asarray(2 * found / (relevant + k), dtype=np.float64)


def hit_rate(hits: Hits, _: Counts, *, k: int) -> Values:
    """Whether any of the first k places hits."""
    return np.asarray(hits[:, :k].any(axis=1), dtype=np.float64)


def ndcg(hits: Hits, relevant: Counts, *, k: int) -> Values:
    r"""Discounted gain beside that of the best list there is.

    .. math:: \frac{\sum_{i \le k} hit_i / \log_2(i + 1)}{\sum_{i \le \min(k, R)} 1 / \log_2(i + 1)}
    """
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    found = hits[:, :k]
    gain = found @ discounts[: found.shape[1]]
    best = np.cumsum(discounts)[np.minimum(relevant, k) - 1]
    return np.asarray(gain / best, dtype=np.float64)


def mrr(hits: Hits, _: Counts, *, k: int) -> Values:
    """1 over the place of the first hit, 0 where the first k places have none."""
    found = hits[:, :k]
    return np.where(found.any(axis=1), 1.0 / (found.argmax(axis=1) + 1), 0.0)


def average_precision(hits: Hits, relevant: Counts, *, k: int) -> Values:
    r"""Precision at each hit, summed and divided by the targets: :math:`\sum_{i \le k} hit_i P@i / R`."""
    found = hits[:, :k]
    so_far = np.cumsum(found, axis=1) / np.arange(1, found.shape[1] + 1)
    return np.asarray((found * so_far).sum(axis=1) / relevant, dtype=np.float64)


METRICS: Mapping[str, Callable[..., Values]] = {
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "hit_rate": hit_rate,
    "ndcg": ndcg,
    "mrr": mrr,
    "map": average_precision,
}


def summary(hits: Hits, relevant: Counts, *, ks: tuple[int, ...]) -> dict[str, float]:
    """Means over people: ``accuracy`` of the top item, ``ndcg@10`` and so on; all 0 without people."""
    values = {"accuracy": accuracy(hits)}
    for k in ks:
        values.update({f"{name}@{k}": metric(hits, relevant, k=k) for name, metric in METRICS.items()})
    return {name: float(np.mean(value)) if len(value) else 0.0 for name, value in values.items()}
