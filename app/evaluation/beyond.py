"""What accuracy does not see: how much of the catalogue is shown, how new, how varied, how popular."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SKETCH_SIZE = 64


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is known of the items before the cut.

    Attributes:
        popularity: float64 (n + 1,), people who had each item, row 0 zero.
        sketch: float32 (n + 1, d), unit rows whose products approximate the cosine between the items' people.
    """

    popularity: NDArray[np.float64]
    sketch: NDArray[np.float32]

    @property
    def n_items(self) -> int:
        """Items, padding not counted."""
        return len(self.popularity) - 1

    def renumbered(self, own: Sequence[str], wanted: Sequence[str]) -> Catalogue:
        """The same facts in another numbering; items not known here have no sales and no likeness.

        Args:
            own: External ids of items 1 to n here.
            wanted: External ids in the other numbering.
        """
        index = {item_id: number for number, item_id in enumerate(own, start=1)}
        numbers = np.array([0, *(index.get(item_id, 0) for item_id in wanted)], np.int64)
        return Catalogue(self.popularity[numbers], self.sketch[numbers])


def catalogue(user: NDArray[np.int64], item: NDArray[np.int32], *, n_items: int, seed: int = 0) -> Catalogue:
    """Describe the items by who had them.

    Args:
        user: int64 (n,), numbers from 0.
        item: int32 (n,), 1 to n_items; a pair may stand there often.
        n_items: Items, padding not counted.
        seed: Of the random directions.

    Source:
        Random projection keeps cosines: Johnson and Lindenstrauss, 1984.
    """
    pairs = np.unique(user * (n_items + 1) + item)
    users, items = pairs // (n_items + 1), pairs % (n_items + 1)
    n_users = int(users.max()) + 1 if len(users) else 0
    directions = np.random.default_rng(seed).standard_normal((n_users, SKETCH_SIZE)).astype(np.float32)
    sketch = np.zeros((n_items + 1, SKETCH_SIZE), np.float32)
    np.add.at(sketch, items, directions[users])
    sketch /= np.maximum(np.linalg.norm(sketch, axis=1, keepdims=True), 1e-9)
    return Catalogue(np.bincount(items, minlength=n_items + 1).astype(np.float64), sketch)


def coverage(lists: NDArray[np.int32], items: Catalogue) -> float:
    """Share of the catalogue that stands in a list; `lists` is int32 (people, k), 0 for no item."""
    return float(np.count_nonzero(np.unique(lists)) / max(items.n_items, 1))


def novelty(lists: NDArray[np.int32], items: Catalogue) -> float:
    """Mean bits of surprise, -log2 of the share of sales that an item has (one sale added to each)."""
    smooth = items.popularity + 1.0
    bits = -np.log2(smooth / smooth[1:].sum())
    shown = lists[lists > 0]
    return float(bits[shown].mean()) if len(shown) else 0.0


def diversity(lists: NDArray[np.int32], items: Catalogue) -> float:
    """1 less the mean cosine between two items of a list, over lists of two and more."""
    scores = []
    for row in lists:
        vectors = items.sketch[row[row > 0]]
        count = len(vectors)
        if count > 1:
            total = float(np.square(vectors.sum(axis=0)).sum() - np.square(vectors).sum())
            scores.append(1.0 - total / (count * (count - 1)))
    return float(np.mean(scores)) if scores else 0.0


def popularity_bias(lists: NDArray[np.int32], targets: NDArray[np.int32], items: Catalogue) -> float:
    """Mean popularity rank (0 rarest, 1 first) of what is shown less that of what people then chose.

    Args:
        lists: int32 (people, k), 0 for no item.
        targets: int32 (m,), items chosen; unknown ones are passed over.
        items: The catalogue.
    """
    order = np.argsort(items.popularity[1:], kind="stable")
    rank = np.zeros(items.n_items + 1)
    rank[order + 1] = np.arange(items.n_items) / max(items.n_items - 1, 1)
    shown, chosen = lists[lists > 0], targets[targets <= items.n_items]
    if not len(shown) or not len(chosen):
        return 0.0
    return float(rank[shown].mean() - rank[chosen].mean())
