"""Content: items that are described alike. It knows items before anybody had them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import Attributes, Interactions
from models.item_item import ItemItem
from models.rows import as_table, demand, gram, without_diagonal

PAIRS_AN_ITEM = 2000


def fit(
    interactions: Interactions,
    *,
    rarity_power: float,
    likeness_power: float,
    demand_power: float,
    keep: int,
    recency: float,
    prior: float,
) -> ItemItem:
    r"""Cosine of the items' attributes, rare ones counting more; of equals the more sold comes first.

    .. math::
        B_{ij} = \cos(a_i, a_j)^q\, (1 + n_j)^\gamma, \quad
        a_{im} = \Bigl(\log \frac{n + 1}{d_m + 1}\Bigr)^\rho [m \in A_i], \quad B_{ii} = 0

    with :math:`d_m` the items that have attribute m and :math:`n_j` the lines of item j. Items without a line
    take part as well. Where no item has attributes the table is empty and decayed demand orders everything.

    Args:
        interactions: The training slice with its `attributes`.
        rarity_power: rho.
        likeness_power: q, how much more the most alike count than the somewhat alike.
        demand_power: gamma.
        keep: Entries a row.
        recency: What a basket of the query counts beside the one after it.
        prior: What the share of demand adds to a score.

    Source:
        TF-IDF and cosine: Salton and Buckley, "Term-weighting approaches in automatic text retrieval", 1988.
        Deviations: powers and demand; attributes so common that the pairs of items that share one
        would be more than `PAIRS_AN_ITEM` times the items play no part, so time grows with the items.
    """
    if interactions.attributes is None or not len(interactions.attributes.indices):
        shape = (interactions.n_items, interactions.n_items)
        return as_table(sparse.csr_array(shape, dtype=np.float32), demand(interactions), prior=1.0)
    described = _described(interactions.attributes, interactions.n_items, rarity_power=rarity_power)
    sold = np.bincount(interactions.item, minlength=interactions.n_items + 1)[1:]
    lift = (1.0 + sold) ** demand_power

    def likeness(block: sparse.csr_array, which: slice) -> sparse.csr_array:
        alone = without_diagonal(block, which)
        alone.data = (alone.data**likeness_power * lift[alone.indices]).astype(np.float32)
        return alone

    rows = gram(sparse.csr_array(described.T), keep=keep, rows=likeness)
    return as_table(_unit_rows(rows), demand(interactions), recency=recency, prior=prior)


def _described(attributes: Attributes, n_items: int, *, rarity_power: float) -> sparse.csr_array:
    """Weighted attributes of each item at unit length, float32 (n_items, m)."""
    common = np.bincount(attributes.indices, minlength=len(attributes)).astype(np.float64)
    weight = np.log((n_items + 1) / (common + 1)) ** rarity_power
    weight[_too_common(common, PAIRS_AN_ITEM * n_items)] = 0
    # Copied: what follows happens in place.
    rows = sparse.csr_array(
        (weight[attributes.indices].astype(np.float32), attributes.indices, attributes.indptr[1:]),
        shape=(n_items, len(attributes)),
        copy=True,
    )
    rows.eliminate_zeros()
    return _unit_rows(rows)


def _too_common(common: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """The commonest attributes, as many that the pairs of items of the rest are within bounds."""
    order = np.argsort(common, kind="stable")
    return order[np.cumsum(np.square(common[order])) > most]


def _unit_rows(rows: sparse.csr_array) -> sparse.csr_array:
    """The rows at length 1, empty ones as they are."""
    length = np.sqrt(np.asarray((rows * rows).sum(axis=1), dtype=np.float64))
    each = np.repeat(np.maximum(length, 1e-12), np.diff(rows.indptr))
    return sparse.csr_array(
        ((rows.data / each).astype(np.float32), rows.indices, rows.indptr), shape=rows.shape
    )
