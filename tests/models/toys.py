"""Small interactions whose rule a model must find."""

from __future__ import annotations

import numpy as np

from models.base import Interactions


def interactions(rows: list[list[int]], *, n_items: int, baskets: int = 1) -> Interactions:
    """Histories of item numbers, one a user; `baskets` lines share a day."""
    lengths = [len(row) for row in rows]
    time = np.concatenate([np.arange(length) // baskets for length in lengths]).astype(np.float64)
    count = sum(lengths)
    return Interactions(
        user=np.repeat(np.arange(len(rows)), lengths),
        item=np.concatenate(rows).astype(np.int32),
        time=time,
        weight=np.full(count, 8.0, np.float32),
        half_life=np.full(count, 60.0, np.float32),
        n_users=len(rows),
        n_items=n_items,
        now=float(time.max()) + 1.0,
    )


def rings(*, n_items: int = 12, users: int = 60, length: int = 10, seed: int = 0) -> Interactions:
    """Everybody walks the items in order, from a place of their own: the next item is certain."""
    starts = np.random.default_rng(seed).integers(0, n_items, users)
    return interactions(
        [[(start + step) % n_items + 1 for step in range(length)] for start in starts], n_items=n_items
    )


def circles(*, n_items: int = 12, users: int = 80, length: int = 5, seed: int = 0) -> Interactions:
    """Two circles of taste: people have some items of the first half or some of the second."""
    rng = np.random.default_rng(seed)
    half = n_items // 2
    rows = [
        (rng.choice(half, length, replace=False) + 1 + half * (user % 2)).tolist() for user in range(users)
    ]
    return interactions(rows, n_items=n_items, baskets=length)
