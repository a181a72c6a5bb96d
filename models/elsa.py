"""ELSA: a shallow linear autoencoder with factors, for catalogues whose square does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import Interactions
from models.item_item import ItemItem
from models.rows import as_table, demand, people_by_item

SEED = 7
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
TINY = 1e-12

Floats = NDArray[np.float32]


def fit(
    interactions: Interactions,
    *,
    factors: int,
    steps: int,
    batch_size: int,
    learning_rate: float,
    recency: float,
    prior: float,
) -> ItemItem:
    r"""Fit a vector of length 1 for each item, so that a person's items are told by the sum of their vectors.

    .. math:: B = A A^\top - I, \quad \lVert A_j \rVert = 1, \quad
        L = \frac1{|U|} \sum_u \Big\lVert \frac{x_u}{\lVert x_u \rVert} -
        \frac{x_u B}{\lVert x_u B \rVert} \Big\rVert^2

    A is served as factors, so memory is that of A, its two moments and a batch of people times `factors`;
    nothing of items squared, nor of people times items, is made.

    Args:
        interactions: The training slice; X says who had what at least once.
        factors: Columns of A.
        steps: Of the optimiser; with `batch_size` they bound the time whatever the number of people.
        batch_size: People a step.
        learning_rate: At first; it falls to nothing in a line.
        recency: What a basket of the query counts beside the one after it.
        prior: What the share of demand adds to a score.

    Source:
        Vančura, Alves, Kasalický, Kordík, "Scalable linear shallow autoencoder for collaborative filtering",
        RecSys 2022. Deviations: the loss is summed as it stands from XA and A'A, see `loss_and_slope`; Adam
        in place of NAdam, and a rate that falls; the query is weighted by label and age.
    """
    people = people_by_item(interactions)
    vectors = item_vectors(
        sparse.csr_array(people[np.diff(people.indptr) > 1]),
        factors=factors,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
    )
    n_items = interactions.n_items
    itself = sparse.csr_array(sparse.diags_array(np.full(n_items, -1.0, np.float32)))
    made = as_table(itself, demand(interactions), recency=recency, prior=prior)
    padded = np.concatenate([np.zeros((1, factors), np.float32), vectors])
    return replace(made, reading=padded, writing=padded)


def item_vectors(
    people: sparse.csr_array, *, factors: int, steps: int, batch_size: int, learning_rate: float
) -> Floats:
    """A, float32 (n, factors), rows of length 1.

    Args:
        people: float32 (users, n), who had what, two items at least.
        factors: As in `fit`.
        steps: As in `fit`.
        batch_size: As in `fit`.
        learning_rate: As in `fit`.
    """
    rng = np.random.default_rng(SEED)
    free = rng.standard_normal((people.shape[1], factors), dtype=np.float32)
    free /= np.sqrt(np.float32(factors))
    mean, square = np.zeros_like(free), np.zeros_like(free)
    drawn = _drawn(people.shape[0], batch_size, rng)
    for step in range(steps if people.shape[0] else 0):
        length = _lengths(free)
        vectors = free / length
        _, slope = loss_and_slope(sparse.csr_array(people[next(drawn)]), vectors)
        # The part along the vector changes its length alone.
        slope = (slope - vectors * np.sum(slope * vectors, axis=1, keepdims=True)) / length
        mean += (1 - BETA_1) * (slope - mean)
        square += (1 - BETA_2) * (slope * slope - square)
        unbiased = np.sqrt(1 - BETA_2 ** (step + 1)) / (1 - BETA_1 ** (step + 1))
        rate = np.float32(learning_rate * (1 - step / steps) * unbiased)
        free -= rate * mean / (np.sqrt(square) + np.float32(EPSILON))
    return np.asarray(free / _lengths(free), dtype=np.float32)


def loss_and_slope(some: sparse.csr_array, vectors: Floats) -> tuple[float, Floats]:
    r"""The loss of some people, and how it changes with A.

    With :math:`y = x A` and :math:`G = A^\top A`, exactly and without a row of scores:

    .. math:: \langle x, xB \rangle = |y|^2 - |x|^2, \quad |xB|^2 = y G y^\top - 2 |y|^2 + |x|^2

    Args:
        some: float32 (batch, n).
        vectors: A, float32 (n, factors).

    Returns:
        The mean loss, and float32 (n, factors).
    """
    read = np.asarray(some @ vectors)  # (batch, factors)
    mixed = read @ (vectors.T @ vectors)
    size = np.asarray(some.multiply(some).sum(axis=1), dtype=np.float64)
    told, all_of_it = np.einsum("bf,bf->b", read, read), np.einsum("bf,bf->b", read, mixed)
    agrees = told - size
    length = np.sqrt(np.maximum(size * (all_of_it - 2 * told + size), TINY))
    # Of the cosine agrees / length, by |y|^2 and by y G y'.
    by_all = -0.5 * agrees * size / length**3
    by_told = 1 / length - 2 * by_all
    share = 2.0 / max(len(size), 1)
    of_read = -2 * share * (by_told[:, None] * read + by_all[:, None] * mixed)
    of_gram = -share * (read.T @ (by_all[:, None] * read))
    slope = some.T @ of_read.astype(np.float32) + 2 * (vectors @ of_gram.astype(np.float32))
    return float(np.mean(2 - 2 * agrees / length)), np.asarray(slope, dtype=np.float32)


def _drawn(count: int, batch_size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """People in batches, everybody once in each round."""
    while True:
        order = rng.permutation(count)
        for start in range(0, count, batch_size):
            yield order[start : start + batch_size]


def _lengths(rows: Floats) -> Floats:
    return np.asarray(np.sqrt(np.sum(rows * rows, axis=1, keepdims=True) + np.float32(TINY)))
