"""Histories of external ids to the arrays a network takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.domain.index import ItemIndex
from app.domain.types import Query


def known(query: Query, index: ItemIndex, *, max_length: int) -> tuple[list[int], list[float]]:
    """The newest `max_length` places of the query whose items the model knows, oldest first."""
    places = [
        (item_idx, weight)
        for item_id, weight in zip(query.item_ids, query.weights, strict=True)
        if (item_idx := index.idx(item_id))
    ][-max_length:]
    return [item_idx for item_idx, _ in places], [weight for _, weight in places]


def pad_left(
    queries: Sequence[Query], index: ItemIndex, *, max_length: int, length: int | None = None
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The queries as one batch.

    Args:
        queries: At least one.
        index: The model's numbering.
        max_length: The most places that the model looks at.
        length: The width of the arrays; None for that of the longest query, at least 1.

    Returns:
        `item_idx` int32 (batch, time) and `weight` float32 (batch, time), both 0 where padded.
    """
    rows = [known(query, index, max_length=max_length) for query in queries]
    width = length or max(1, *(len(items) for items, _ in rows))
    item_idx = np.zeros((len(rows), width), np.int32)
    weight = np.zeros((len(rows), width), np.float32)
    for row, (items, weights) in enumerate(rows):
        if items:
            item_idx[row, -len(items) :] = items
            weight[row, -len(items) :] = weights
    return item_idx, weight
