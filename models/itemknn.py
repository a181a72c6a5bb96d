"""Item-kNN: items that the same people had."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.base import Interactions
from models.item_item import ItemItem
from models.rows import as_table, demand, gram, people_by_item, without_diagonal


def fit(
    interactions: Interactions,
    *,
    neighbours: int,
    shrinkage: float,
    user_power: float,
    row_power: float,
    column_power: float,
    recency: float,
    prior: float,
) -> ItemItem:
    r"""Likeness of the people of two items, shrunk where they are few.

    .. math::
        B_{ij} = \frac{\sum_{u \in U_i \cap U_j} |I_u|^{-a}}{|U_i|^b\,|U_j|^c + \lambda}, \quad B_{ii} = 0

    a = 0 and b = c = 1/2 make it the cosine; a = b = 1 a walk from an item to its people and on to what they
    had, where c takes from what everybody has.

    Args:
        interactions: The training slice.
        neighbours: Entries a row.
        shrinkage: lambda.
        user_power: a, how much less people with many items say.
        row_power: b.
        column_power: c.
        recency: What a basket of the query counts beside the one after it.
        prior: What the share of demand adds to a score.

    Source:
        Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001; the shrinkage
        as in Dacrema et al., RecSys 2019, arXiv 1907.06902; the walk: Paudel et al., "Updatable, accurate,
        diverse, and scalable recommendations for interactive applications", TiiS 2017 (RP3beta).
        Deviation: of very long histories the newest items alone, see `models.rows.people_by_item`.
    """
    people = people_by_item(interactions)
    size = np.asarray(people.sum(axis=0), dtype=np.float64)
    many = np.maximum(np.diff(people.indptr), 1).astype(np.float64)
    people.data = np.repeat(many ** (-user_power / 2), np.diff(people.indptr)).astype(np.float32)

    def likeness(block: sparse.csr_array, which: slice) -> sparse.csr_array:
        alone = without_diagonal(block, which)
        row = np.repeat(size[which] ** row_power, np.diff(alone.indptr))
        alone.data = (alone.data / (row * size[alone.indices] ** column_power + shrinkage)).astype(np.float32)
        return alone

    rows = gram(people, keep=neighbours, rows=likeness)
    return as_table(rows, demand(interactions), recency=recency, prior=prior)
