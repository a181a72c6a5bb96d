"""What accuracy does not see: how much of the catalogue is shown, how new, how varied, how popular."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.evaluation.ragged import Ragged

SKETCH_SIZE = 64
AT_ONCE = 2**18
MOST_GROUPS = 200
SALES_BINS = 10
MIXED_IN = 0.01


class Attributed(Protocol):
    """Attributes of the items, one bag each, as `models.base.Attributes` holds them."""

    @property
    def indices(self) -> NDArray[np.int32]:
        """int32 (total,), attributes of all items one after the other."""
        ...

    @property
    def indptr(self) -> NDArray[np.int64]:
        """int64 (n + 2,), item i's are ``indices[indptr[i]:indptr[i + 1]]``."""
        ...


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
    order = np.argsort(items, kind="stable")
    for start in range(0, len(order), AT_ONCE):
        part = order[start : start + AT_ONCE]
        first = np.flatnonzero(np.diff(items[part], prepend=-1))
        sketch[items[part][first]] += np.add.reduceat(directions[users[part]], first, axis=0)
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
    total, counted = 0.0, 0
    for start in range(0, len(lists), AT_ONCE // SKETCH_SIZE):
        part = lists[start : start + AT_ONCE // SKETCH_SIZE]
        vectors = items.sketch[part] * (part > 0)[:, :, None]  # (B, k, d)
        count = (part > 0).sum(axis=1)
        both = np.square(vectors.sum(axis=1)).sum(axis=1) - np.square(vectors).sum(axis=(1, 2))
        there = count > 1
        total += float((1.0 - both[there] / (count * (count - 1))[there]).sum())
        counted += int(there.sum())
    return total / counted if counted else 0.0


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


def groups(popularity: NDArray[np.float64], attributes: Attributed | None) -> NDArray[np.float32]:
    """What kinds of item there are: the most common attributes, or bins of equal sales where none is known.

    Args:
        popularity: float64 (n + 1,), people who had each item.
        attributes: Of the items, if any are known.

    Returns:
        float32 (n + 1, kinds), the share of an item that belongs to each kind; rows add up to 1, row 0 is
        zero. The last kind of attributes is that of the items with none of the others.
    """
    n_items = len(popularity) - 1
    if attributes is None or not len(attributes.indices):
        order = np.argsort(-popularity[1:], kind="stable")
        before = np.cumsum(popularity[1:][order]) - popularity[1:][order]
        kind = np.minimum(before / max(popularity.sum(), 1.0) * SALES_BINS, SALES_BINS - 1).astype(np.int64)
        shares = np.zeros((n_items + 1, SALES_BINS), np.float32)
        shares[order + 1, kind] = 1.0
        return shares
    sizes = np.bincount(attributes.indices)
    common = np.argsort(-sizes, kind="stable")[:MOST_GROUPS]
    column = np.full(len(sizes), -1, np.int64)
    column[common] = np.arange(len(common))
    owner = np.repeat(np.arange(len(attributes.indptr) - 1), np.diff(attributes.indptr))
    place = column[attributes.indices]
    shares = np.zeros((n_items + 1, len(common) + 1), np.float32)
    shares[owner[place >= 0], place[place >= 0]] = 1.0
    shares[shares.sum(axis=1) == 0, -1] = 1.0
    shares[0] = 0.0
    return np.asarray(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1.0), dtype=np.float32)


def calibration(lists: NDArray[np.int32], history: Ragged[np.int32], kinds: NDArray[np.float32]) -> float:
    r"""Mean divergence of the kinds shown from the kinds that the person had; 0 is a list in proportion.

    .. math:: \sum_g p(g) \log_2 \frac{p(g)}{(1 - \alpha) q(g) + \alpha p(g)}

    Args:
        lists: int32 (people, k), 0 for no item.
        history: Each one's items; people without any, or without a list, are left out.
        kinds: What `groups` gives.

    Source:
        Steck, "Calibrated recommendations", RecSys 2018, equations 2, 3 and 6, with alpha = 0.01. All places
        weigh the same; the logarithm is to base 2.
    """
    rows = np.flatnonzero((history.lengths > 0) & (lists > 0).any(axis=1))
    total = 0.0
    for start in range(0, len(rows), 1024):
        part = rows[start : start + 1024]
        had = np.array([kinds[history.row(int(row))].mean(axis=0) for row in part])
        shown = kinds[lists[part]].sum(axis=1) / (lists[part] > 0).sum(axis=1, keepdims=True)
        mixed = (1.0 - MIXED_IN) * shown + MIXED_IN * had
        ratio = np.divide(had, mixed, out=np.ones_like(had), where=had > 0)
        total += float((had * np.log2(ratio)).sum())
    return total / len(rows) if len(rows) else 0.0
