"""What is bought together: pairs of items in the same baskets, oftener than by chance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.pipeline.catalogue import CatalogueSnapshot
from app.pipeline.columns import FloatArray

LEAST_BASKETS = 3
"""Baskets that hold both: below it a pair says nothing."""
DOUBT = 5.0
"""Baskets that count for chance: a lift seen in n baskets counts by n / (n + DOUBT)."""
PARTNERS_KEPT = 50
LINES_OF_A_BASKET = 30
"""Larger baskets are a wholesaler's, and pairs grow by the square: their first lines count."""

_NO_SCORES: FloatArray = np.zeros(0)


@dataclass(frozen=True, slots=True)
class Together:
    """Partners of each item, best first.

    Attributes:
        partners: By item id: ids and float64 scores, the lift times its certainty.
    """

    partners: Mapping[str, tuple[tuple[str, ...], FloatArray]] = field(default_factory=dict)

    def scores(self, item_ids: Sequence[str], catalogue: CatalogueSnapshot) -> FloatArray | None:
        """float64 (items,): summed over the items asked about, -inf elsewhere; None without a partner."""
        known = [self.partners[item_id] for item_id in item_ids if item_id in self.partners]
        if not known:
            return None
        total = np.zeros(len(catalogue))
        for others, scores in known:
            places = catalogue.aligned(others)
            np.add.at(total, places[places >= 0], scores[places >= 0])
        return np.where(total > 0, total, -np.inf)

    def anchor(self, item_ids: Sequence[str], item_id: str) -> str | None:
        """The one of the items that speaks most for another."""
        best, found = 0.0, None
        for asked in item_ids:
            others, scores = self.partners.get(asked, ((), _NO_SCORES))
            if item_id in others and scores[others.index(item_id)] > best:
                best, found = float(scores[others.index(item_id)]), asked
        return found


NOTHING_TOGETHER = Together()


def together(lines: Iterable[tuple[str, str]]) -> Together:
    """The partners in baskets, given as lines ``(basket, item_id)`` with each basket's lines side by side.

    The lift of a pair is how much oftener it is bought together than two items of the same popularity would
    be by chance: n_ij N / (n_i n_j).
    """
    names: dict[str, int] = {}
    baskets = _coded(lines, names)
    if not baskets:
        return NOTHING_TOGETHER
    size = len(names)
    items = np.bincount(np.concatenate(baskets), minlength=size).astype(np.float64)
    pairs = np.concatenate(
        [_pairs(basket, size) for basket in baskets if len(basket) > 1] or [baskets[0][:0]]
    )
    codes, counts = np.unique(pairs, return_counts=True)
    codes, counts = codes[counts >= LEAST_BASKETS], counts[counts >= LEAST_BASKETS]
    one, other = codes // size, codes % size
    lift = counts * len(baskets) / (items[one] * items[other])
    scores = np.where(lift > 1.0, lift * counts / (counts + DOUBT), 0.0)
    both = np.concatenate([one, other]), np.concatenate([other, one])
    return Together(_partners(tuple(names), *both, np.concatenate([scores, scores])))


def _coded(lines: Iterable[tuple[str, str]], names: dict[str, int]) -> list[NDArray[np.int64]]:
    """Each basket's distinct items by number, in rising order."""
    baskets: list[set[int]] = []
    before: str | None = None
    for basket, item_id in lines:
        if basket != before:
            baskets.append(set())
            before = basket
        if len(baskets[-1]) < LINES_OF_A_BASKET:
            baskets[-1].add(names.setdefault(item_id, len(names)))
    return [np.array(sorted(basket), dtype=np.int64) for basket in baskets]


def _pairs(basket: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """int64 (pairs,): each pair of different items as one number, the lower one first."""
    one, other = np.triu_indices(len(basket), k=1)
    return basket[one] * size + basket[other]


def _partners(
    names: tuple[str, ...], one: NDArray[np.int64], other: NDArray[np.int64], scores: FloatArray
) -> dict[str, tuple[tuple[str, ...], FloatArray]]:
    kept = scores > 0
    if not kept.any():
        return {}
    one, other, scores = one[kept], other[kept], scores[kept]
    order = np.lexsort((other, -scores, one))
    one, other, scores = one[order], other[order], scores[order]
    starts = np.flatnonzero(np.diff(one, prepend=-1))
    ends = [*starts[1:].tolist(), len(one)]
    found = {}
    for start, end in zip(starts.tolist(), ends, strict=True):
        stop = min(end, start + PARTNERS_KEPT)
        partners = tuple(names[number] for number in other[start:stop].tolist())
        found[names[int(one[start])]] = (partners, scores[start:stop])
    return found
