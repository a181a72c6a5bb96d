"""Item-kNN: items that the same people had."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.base import Interactions
from models.item_item import ItemItem
from models.rows import as_table, demand, people_by_item, strongest


def fit(interactions: Interactions, *, neighbours: int, shrinkage: float, prior: float) -> ItemItem:
    r"""Cosine between the people of two items, shrunk where they are few.

    .. math:: B_{ij} = \frac{|U_i \cap U_j|}{\sqrt{|U_i|\,|U_j|} + \lambda}, \quad B_{ii} = 0

    Args:
        interactions: The training slice.
        neighbours: Entries a row.
        shrinkage: lambda.
        prior: What the share of demand adds to a score.

    Source:
        Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001; the shrinkage
        as in Dacrema et al., RecSys 2019, arXiv 1907.06902.
    """
    people = people_by_item(interactions)
    together = sparse.coo_array(people.T @ people)
    size = np.sqrt(np.asarray(people.sum(axis=0), dtype=np.float64))
    row, column = together.coords
    cosine = together.data / (size[row] * size[column] + shrinkage)
    cosine[row == column] = 0.0
    rows = sparse.csr_array((cosine.astype(np.float32), (row, column)), shape=together.shape)
    rows.eliminate_zeros()
    return as_table(strongest(rows, keep=neighbours), demand(interactions), prior=prior)
