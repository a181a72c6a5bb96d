"""EASE: a linear autoencoder in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from models.base import Interactions
from models.item_item import ItemItem
from models.rows import as_table, demand, people_by_item, strongest


def fit(
    interactions: Interactions, *, regularisation: float, keep: int, max_items: int, prior: float
) -> ItemItem:
    r"""Regress each item on all others.

    .. math:: P = (X^\top X + \lambda I)^{-1}, \quad B_{ij} = -P_{ij} / P_{jj}, \quad B_{jj} = 0

    Args:
        interactions: The training slice; X says who had what at least once.
        regularisation: lambda.
        keep: Strongest entries of each row that are kept: the dense table would be n_items squared.
        max_items: The inverse is dense as well, so only the most sold items take part in it; the others are
            recommended by the prior alone.
        prior: What the share of demand adds to a score.

    Source:
        Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019, eq. 8, arXiv 1905.03375.
        Deviations: `keep`, `max_items` and the prior; the query is weighted by label and age.
    """
    people = people_by_item(interactions)
    sold = np.asarray(people.sum(axis=0))
    chosen = np.sort(np.argsort(-sold, kind="stable")[:max_items])
    block = sparse.csr_array(weights_of(people[:, chosen], regularisation))
    # From the block's numbering to that of all items.
    wide = sparse.csr_array(
        (np.ones(len(chosen), np.float32), (np.arange(len(chosen)), chosen)),
        shape=(len(chosen), interactions.n_items),
    )
    rows = sparse.csr_array(wide.T @ strongest(block, keep=keep) @ wide)
    return as_table(rows, demand(interactions), prior=prior)


def weights_of(people: sparse.csr_array, regularisation: float) -> NDArray[np.float32]:
    """B of the equation, dense float32 (n, n).

    Args:
        people: (users, n), who had what.
        regularisation: lambda, > 0.
    """
    gram = (people.T @ people).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += regularisation
    # The matrix is symmetric and positive: Cholesky takes half the work of a general inverse.
    factor = linalg.cho_factor(gram, lower=True, overwrite_a=True)
    inverse = linalg.cho_solve(factor, np.eye(len(gram)), overwrite_b=True)
    weights = -inverse / np.diag(inverse)[None, :]
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights, dtype=np.float32)
