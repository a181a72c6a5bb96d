"""GF-CF: a graph filter in closed form, for large catalogues of long-term taste."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import Interactions
from models.item_item import ItemItem
from models.rows import as_table, demand, gram, people_by_item, without_diagonal

SEED = 7
POWER_STEPS = 3
SPARE = 16
USERS_AT_ONCE = 65_536


def fit(
    interactions: Interactions,
    *,
    factors: int,
    low_pass: float,
    user_power: float,
    item_power: float,
    keep: int,
    recency: float,
    prior: float,
) -> ItemItem:
    r"""Filter the graph of people and items twice: neighbours of neighbours, and what is smooth over all.

    .. math::
        \tilde X = D_U^{-a} X D_I^{-b}, \quad
        B = \tilde X^\top \tilde X + \alpha\, D_I^{-1/2} U U^\top D_I^{1/2}

    with U the strongest right singular vectors of the X-tilde whose a and b are 1/2. The second part is kept
    and served as factors, so nothing of items squared is made; time grows with the lines.

    Args:
        interactions: The training slice; X says who had what at least once.
        factors: Columns of U.
        low_pass: alpha.
        user_power: a, how much less people with many items say.
        item_power: b, how much less items of many people count.
        keep: Strongest entries of each row of the first part.
        recency: What a basket of the query counts beside the one after it.
        prior: What the share of demand adds to a score.

    Source:
        Shen et al., "How powerful is graph convolution for recommendation?", CIKM 2021, eq. 13 to 15,
        arXiv 2108.07567; singular vectors by block power iteration: Halko et al., SIAM Review 2011,
        algorithm 4.4, arXiv 0909.4061.
        Deviations: a and b of the first part can be chosen, its strongest entries alone are kept and none of
        an item to itself; the query is weighted by label and age.
    """
    people = people_by_item(interactions)
    size = np.maximum(np.asarray(people.sum(axis=0), dtype=np.float64), 1.0)
    scaled = _scaled(people, size, user_power=user_power, item_power=item_power)
    near = gram(scaled, keep=keep, rows=without_diagonal)
    made = as_table(near, demand(interactions), recency=recency, prior=prior)
    if not low_pass:
        return made
    vectors = singular_vectors(_scaled(people, size, user_power=0.5, item_power=0.5), factors)
    root = np.sqrt(size).astype(np.float32)[:, None]
    return replace(
        made, reading=_padded(vectors * (np.float32(low_pass) / root)), writing=_padded(vectors * root)
    )


def _scaled(
    people: sparse.csr_array, size: NDArray[np.float64], *, user_power: float, item_power: float
) -> sparse.csr_array:
    many = np.maximum(np.diff(people.indptr), 1).astype(np.float64)
    values = np.repeat(many**-user_power, np.diff(people.indptr)) * size[people.indices] ** -item_power
    return sparse.csr_array((values.astype(np.float32), people.indices, people.indptr), shape=people.shape)


def singular_vectors(matrix: sparse.csr_array, factors: int) -> NDArray[np.float32]:
    """The strongest right singular vectors, float32 (n, factors at most).

    Args:
        matrix: float32 (users, n).
        factors: How many; no more than the matrix has.
    """
    width = min(factors + SPARE, *matrix.shape)
    basis = np.random.default_rng(SEED).standard_normal((matrix.shape[1], width), dtype=np.float32)
    for _ in range(POWER_STEPS):
        basis, _triangle = np.linalg.qr(_there_and_back(matrix, basis))
    small = basis.T @ _there_and_back(matrix, basis)
    _values, turn = np.linalg.eigh((small + small.T) / 2)
    return np.asarray(basis @ turn[:, ::-1][:, : min(factors, width)], dtype=np.float32)


def _there_and_back(matrix: sparse.csr_array, basis: NDArray[np.float32]) -> NDArray[np.float32]:
    """The product X^T X V, some people at once: what is as long as all people is never made."""
    total = np.zeros_like(basis)
    for start in range(0, matrix.shape[0], USERS_AT_ONCE):
        some = sparse.csr_array(matrix[start : start + USERS_AT_ONCE])
        total += some.T @ (some @ basis)
    return total


def _padded(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([np.zeros((1, rows.shape[1]), np.float32), rows])
