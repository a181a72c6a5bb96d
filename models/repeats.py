"""Repeats: what this person buys again."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.base import Interactions
from models.item_item import ItemItem
from models.rows import as_table, demand


def fit(interactions: Interactions, *, shrinkage: float, recency: float, prior: float) -> ItemItem:
    r"""Each item recommends itself, as much as its people come back for it.

    .. math:: B_{jj} = \frac{a_j + \lambda\,\bar a}{u_j + \lambda}, \quad B_{ij} = 0\ (i \ne j)

    with :math:`u_j` the people who had item j, :math:`a_j` those of them who had it again at a later moment,
    and :math:`\bar a` the share of all pairs of person and item that came again.

    Args:
        interactions: The training slice.
        shrinkage: lambda, people that the share of all items counts for.
        recency: What a basket of the query counts beside the one after it.
        prior: What the share of demand adds to a score.

    Source:
        The frequency-based personal top list of Hu, He, Gao, Zhang, "Modeling personalized item frequency
        information for next-basket recommendation", SIGIR 2020, arXiv 2006.00556. Deviations: each item has
        its own rate of coming back; the query's labels and ages weigh the places.
    """
    pairs, moments = _moments(interactions)
    n_items = interactions.n_items
    people = np.bincount(pairs, minlength=n_items + 1)[1:].astype(np.float64)
    again = np.bincount(pairs[moments > 1], minlength=n_items + 1)[1:].astype(np.float64)
    share = again.sum() / max(people.sum(), 1.0)
    rate = (again + shrinkage * share) / np.maximum(people + shrinkage, 1e-9)
    rows = sparse.csr_array(sparse.diags_array(rate.astype(np.float32)))
    return as_table(rows, demand(interactions), recency=recency, prior=prior)


def _moments(interactions: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """The item of each pair of person and item, and at how many moments it was had; int64 (pairs,) each."""
    key = interactions.user * (interactions.n_items + 1) + interactions.item
    order = np.lexsort((interactions.time, key))
    key, time = key[order], interactions.time[order]
    new_pair = np.append(True, key[1:] != key[:-1]) if len(key) else np.empty(0, bool)
    new_moment = new_pair | (np.append(True, time[1:] != time[:-1]) if len(key) else new_pair)
    pair = np.cumsum(new_pair) - 1
    moments = np.bincount(pair, weights=new_moment).astype(np.int64) if len(key) else np.empty(0, np.int64)
    return key[new_pair] % (interactions.n_items + 1), moments
