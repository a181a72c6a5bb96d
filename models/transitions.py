"""Transitions: what follows what. A Markov table, the strongest of the simple baselines for sessions."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.base import Interactions
from models.item_item import ItemItem
from models.rows import as_table, demand, strongest


def fit(
    interactions: Interactions, *, window: int, recency: float, half_life_days: float, keep: int, prior: float
) -> ItemItem:
    r"""Count transitions from each line to the next ones of the same person.

    .. math:: B_{ij} = c_{ij} / \sum_{j'} c_{ij'}, \quad c_{ij} = \sum_{g=1}^{w} \tfrac1g\, n_g(i \to j)

    Lines of one basket stand in the order in which the till or the client named them; a pair inside a basket
    has no direction and counts both ways.

    Args:
        interactions: The training slice.
        window: w, how far ahead a transition reaches; 1 is first order.
        recency: What a basket of the query counts beside the one after it.
        half_life_days: After which a transition counts half.
        keep: Entries a row.
        prior: What the share of demand adds to a score.

    Source:
        First order: a Markov chain. Skips weighted by 1/gap: Ludewig and Jannach, "Evaluation of
        session-based recommendation algorithms", UMUAI 2018, sequential rules, arXiv 1803.09587.
    """
    n_items = interactions.n_items
    counts = sparse.csr_array((n_items, n_items), dtype=np.float32)
    for gap in range(1, window + 1):
        counts = counts + _pairs(interactions, gap=gap, half_life_days=half_life_days) / gap
    totals = np.maximum(counts.sum(axis=1), 1e-9)
    rows = sparse.csr_array(sparse.diags_array(1.0 / totals) @ counts)
    return as_table(strongest(rows, keep=keep), demand(interactions), recency=recency, prior=prior)


def _pairs(interactions: Interactions, *, gap: int, half_life_days: float) -> sparse.csr_array:
    """Transitions over `gap` lines, (n_items, n_items)."""
    user, time, item = interactions.user, interactions.time, interactions.item - 1
    earlier, later = slice(None, -gap), slice(gap, None)
    same_user = user[earlier] == user[later]
    source, target = item[earlier][same_user], item[later][same_user]
    age = np.maximum(interactions.now - time[later][same_user], 0.0)
    weight = interactions.weight[later][same_user] * 0.5 ** (age / half_life_days)
    one_basket = (time[earlier] == time[later])[same_user]
    values = np.concatenate([weight, weight[one_basket]])
    places = (np.concatenate([source, target[one_basket]]), np.concatenate([target, source[one_basket]]))
    shape = (interactions.n_items, interactions.n_items)
    pairs = sparse.csr_array((values.astype(np.float32), places), shape=shape)
    pairs.sum_duplicates()
    return pairs
