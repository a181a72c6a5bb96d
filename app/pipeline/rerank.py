"""Diversity: marginal relevance over the head of the list."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.pipeline.catalogue import CatalogueSnapshot
from app.pipeline.columns import FloatArray, IntArray

POOL_LEAST = 50
POOL_PER_PLACE = 5
POOL_MOST_PER_PLACE = 20
POOL_MOST = 500
LIKENESS_WEIGHT = 1.6
"""So that a diversity of 0.3 stands before the bend; chosen on Amazon Beauty's validation items."""


def pool_size(n: int, diversity: float) -> int:
    """How many candidates the reranking of n places looks at: the more diversity, the further down.

    What is unlike the best may stand far below it: the head of a list is often all of one kind.
    """
    if diversity <= 0:
        return n
    per_place = POOL_PER_PLACE + (POOL_MOST_PER_PLACE - POOL_PER_PLACE) * diversity
    return max(n, min(POOL_MOST, max(POOL_LEAST, int(per_place * n))))


def diversified(vectors: NDArray[np.floating], diversity: float, *, n: int, most: int) -> NDArray[np.int64]:
    """Places of the pool, `most` of them, in the order in which they join a list of n.

    Each time the candidate with the most of ``(1 - d) / sqrt(rank) - d * L * alike`` joins, where rank is its
    place in the pool, from 1, and alike the sum of its cosines to those that joined, over n.

    Args:
        vectors: float (pool, d), of length 1 or 0, best candidate first.
        diversity: d, 0 to 1.
        n: Places of the list.
        most: How many join; more than n where some may then be passed over.

    Source: Carbonell and Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998, equation 1.
    It weighs scores, whose scale is another for each model and person, while what a place is worth falls
    alike with its rank. It has the greatest cosine; with kinds for vectors that says nothing more once each
    kind is there.
    """
    relevance = (1.0 - diversity) / np.sqrt(np.arange(1, len(vectors) + 1))
    alike = np.zeros(len(vectors))
    left = np.ones(len(vectors), dtype=np.bool_)
    joined: list[int] = []
    while len(joined) < min(most, len(vectors)):
        gain = relevance - diversity * LIKENESS_WEIGHT * alike
        choice = int(np.argmax(np.where(left, gain, -np.inf)))
        joined.append(choice)
        left[choice] = False
        alike += vectors @ vectors[choice] / n
    return np.array(joined, dtype=np.int64)


def likeness_vectors(
    catalogue: CatalogueSnapshot, positions: IntArray, own: NDArray[np.floating] | None
) -> FloatArray:
    """float64 (positions, d), of length 1 at most: kinds, and beside them a model's vectors, half each.

    What people see of a list are its kinds; vectors say which items of one kind are of different use.

    Args:
        catalogue: Says which kinds there are.
        positions: Of the items.
        own: float (positions, d), a model's vectors of length 1 or 0; None where it has none.
    """
    kinds = kind_vectors(catalogue, positions)
    return kinds if own is None else np.hstack([kinds, own]) / np.sqrt(2.0)


def kind_vectors(catalogue: CatalogueSnapshot, positions: IntArray) -> FloatArray:
    """float64 (positions, distinct kinds): which categories and brand each has, of length 1.

    Items without either are a kind of their own: nothing says that they are unlike each other.
    """
    categories, brands = catalogue.column("categories"), catalogue.column("brand")
    codes, place = np.unique(categories.codes[positions], return_inverse=True)
    names = {token for code in codes for token in categories.vocabulary.sets[code]}
    numbers = {token: number for number, token in enumerate(sorted(map(str, names)))}
    rows = np.zeros((len(codes), len(numbers)))
    for row, code in enumerate(codes):
        rows[row, [numbers[str(token)] for token in categories.vocabulary.sets[code]]] = 1.0
    known, brand = np.unique(brands.codes[positions], return_inverse=True)
    by_brand = np.eye(len(known))[brand]
    by_brand[:, known == 0] = 0.0
    kinds = np.hstack([rows[place], by_brand])
    return unit_rows(np.hstack([kinds, ~kinds.any(axis=1, keepdims=True)]))


def unit_rows(rows: NDArray[np.floating]) -> FloatArray:
    """Each row divided by its length; rows of zeros stay."""
    values = np.asarray(rows, dtype=np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(lengths > 0, lengths, 1.0)
