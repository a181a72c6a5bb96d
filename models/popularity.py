"""Popularity: what everybody buys, lately. The baseline of every table."""

from __future__ import annotations

import numpy as np

from models.base import Interactions
from models.item_item import ItemItem


def fit(interactions: Interactions, *, half_life_days: float) -> ItemItem:
    r"""Count demand; the query plays no part.

    .. math:: p_j = \sum_{(u, j, t)} l\, 2^{-(now - t) / h}

    Args:
        interactions: The training slice.
        half_life_days: h, after which a sale counts half; 0 counts people instead, whenever they bought.
    """
    n_items = interactions.n_items
    if half_life_days == 0:
        pairs = np.unique(np.stack([interactions.user, interactions.item], axis=1), axis=0)
        counts = np.bincount(pairs[:, 1], minlength=n_items + 1)
    else:
        age = np.maximum(interactions.now - interactions.time, 0.0)
        labels = interactions.weight * 0.5 ** (age / half_life_days)
        counts = np.bincount(interactions.item, weights=labels, minlength=n_items + 1)
    return ItemItem(
        data=np.empty(0, np.float32),
        indices=np.empty(0, np.int32),
        indptr=np.zeros(n_items + 2, np.int64),
        popularity=counts.astype(np.float32),
        prior=1.0,
    )
