"""Histories to try a model with, the same ones wherever two runtimes or two processes are compared."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.types import Query


def probe_queries(item_ids: Sequence[str], *, max_length: int, count: int = 3) -> list[Query]:
    """An empty history, then ever longer ones spread over the catalogue.

    Args:
        item_ids: The model's items.
        max_length: The longest history worth asking.
        count: How many, at least 2.

    >>> [len(query.item_ids) for query in probe_queries(["a", "b", "c"], max_length=8)]
    [0, 4, 8]
    """
    queries = [Query((), ())]
    for number in range(1, count):
        length = max(1, max_length * number // (count - 1))
        stride = max(1, len(item_ids) // length)
        places = [(number - 1 + place * stride) % len(item_ids) for place in range(length)]
        weights = tuple(1.0 + place % 3 for place in range(length))
        queries.append(Query(tuple(item_ids[place] for place in places), weights))
    return queries
