"""Diversity: maximal marginal relevance over the head of the list."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.pipeline.catalogue import CatalogueSnapshot
from app.pipeline.columns import FloatArray, IntArray

POOL_LEAST = 50
POOL_PER_PLACE = 5
POOL_MOST_PER_PLACE = 20
POOL_MOST = 500


def pool_size(n: int, diversity: float) -> int:
    """How many candidates the reranking of n places looks at: the more diversity, the further down.

    What is unlike the best may stand far below it: the head of a list is often all of one kind.
    """
    if diversity <= 0:
        return n
    per_place = POOL_PER_PLACE + (POOL_MOST_PER_PLACE - POOL_PER_PLACE) * diversity
    return max(n, min(POOL_MOST, max(POOL_LEAST, int(per_place * n))))


def diversified(
    scores: FloatArray, vectors: NDArray[np.floating], n: int, diversity: float
) -> NDArray[np.int64]:
    """Places of the pool in their new order, n at most. Equal ones keep the pool's order.

    Each place goes to the candidate with the most of ``(1 - d) * score - d * (nearest + mean)``, where scores
    are stretched over 0 to 1, and nearest and mean are its greatest and its mean cosine to those picked.

    Args:
        scores: float64 (pool,), best first.
        vectors: float (pool, d), of length 1 or 0.
        n: Places to fill.
        diversity: d, 0 to 1.

    Source: Carbonell and Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998, equation 1.
    It has no mean: with categories for vectors the nearest one says nothing more once each category stands in
    the list, and the rest of it would be by score alone.
    """
    spread = float(scores.max() - scores.min()) if len(scores) else 0.0
    relevance = (scores - scores.min()) / spread if spread > 0 else np.ones(len(scores))
    nearest = np.full(len(scores), -np.inf)
    total = np.zeros(len(scores))
    left = np.ones(len(scores), dtype=np.bool_)
    picked: list[int] = []
    # The first pick has nothing to differ from: relevance alone decides, also at diversity 1.
    gain = relevance
    while len(picked) < min(n, len(scores)):
        choice = int(np.argmax(np.where(left, gain, -np.inf)))
        picked.append(choice)
        left[choice] = False
        likeness = vectors @ vectors[choice]
        nearest, total = np.maximum(nearest, likeness), total + likeness
        gain = (1.0 - diversity) * relevance - diversity * (nearest + total / len(picked))
    return np.array(picked, dtype=np.int64)


def category_vectors(catalogue: CatalogueSnapshot, positions: IntArray) -> FloatArray:
    """float64 (positions, distinct categories): which categories each has, of length 1.

    Items without categories are a kind of their own: nothing says that they are unlike each other.
    """
    column = catalogue.column("categories")
    codes = column.codes[positions]
    distinct, place = np.unique(codes, return_inverse=True)
    names = {token for code in distinct for token in column.vocabulary.sets[code]}
    numbers = {token: number for number, token in enumerate(sorted(map(str, names)))}
    rows = np.zeros((len(distinct), len(numbers) + 1))
    for row, code in enumerate(distinct):
        rows[row, [numbers[str(token)] for token in column.vocabulary.sets[code]] or [-1]] = 1.0
    return unit_rows(rows)[place]


def unit_rows(rows: NDArray[np.floating]) -> FloatArray:
    """Each row divided by its length; rows of zeros stay."""
    values = np.asarray(rows, dtype=np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(lengths > 0, lengths, 1.0)
