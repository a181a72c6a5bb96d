"""EASE that moves on: recent histories count more, and items that are wanted lately come first."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.base import Interactions
from models.ease import regressed
from models.item_item import ItemItem
from models.rows import as_table, demand, people_by_item, strongest
from models.trend import trend


def fit(
    interactions: Interactions,
    *,
    regularisation: float,
    age_half_life_days: float,
    trend_half_life_days: float,
    trend_power: float,
    keep: int,
    max_items: int,
    neighbours: int,
    recency: float,
    prior: float,
) -> ItemItem:
    r"""Regress each item on all others, with faded histories, and weigh its column by its trend.

    .. math:: X_{ui} = 2^{-a_{ui} / H}, \quad P = (X^\top X + \lambda I)^{-1}, \quad
        B_{ij} = -\frac{P_{ij}}{P_{jj}}\, \tau_j^{\gamma}, \quad B_{jj} = 0

    with :math:`a_{ui}` the days since person u last had item i and :math:`\tau_j` the `models.trend.trend`.

    A table learns from a year what is bought together, and so recommends what was bought all year; people of
    the coming weeks buy what sells in these weeks.

    Args:
        interactions: The training slice.
        regularisation: lambda.
        age_half_life_days: H, after which having had an item counts half.
        trend_half_life_days: What is recent to the trend.
        trend_power: gamma; 0 leaves the trend out.
        keep: Strongest entries of each row that are kept.
        max_items: As in `models.ease.fit`.
        neighbours: As in `models.ease.fit`.
        recency: What a basket of the query counts beside the one after it.
        prior: What the share of demand adds to a score.

    Source:
        Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019, eq. 8, arXiv 1905.03375.
        Deviations: those of `models.ease.fit`, the ages in X, and the trend, which is no part of the paper.
    """
    rows = regressed(
        faded_people(interactions, half_life_days=age_half_life_days),
        regularisation=regularisation,
        max_items=max_items,
        neighbours=neighbours,
    )
    wanted = trend(interactions, half_life_days=trend_half_life_days)[1:] ** np.float32(trend_power)
    rows.data = (rows.data * wanted[rows.indices]).astype(np.float32)
    return as_table(strongest(rows, keep=keep), demand(interactions), recency=recency, prior=prior)


def faded_people(interactions: Interactions, *, half_life_days: float) -> sparse.csr_array:
    """Who had what, by the age of the newest time: float32 (n_users, n_items), column j is item j + 1.

    Args:
        interactions: The training slice.
        half_life_days: After which a pair counts half.
    """
    people = people_by_item(interactions)
    n = interactions.n_items + 1
    # Newest first, so that a pair's first line is its newest.
    key = (interactions.user.astype(np.int64) * n + interactions.item)[::-1]
    pairs, first = np.unique(key, return_index=True)
    age = np.maximum(interactions.now - interactions.time[::-1][first], 0.0)
    # Of very long histories not all pairs take part.
    user = np.repeat(np.arange(people.shape[0]), np.diff(people.indptr))
    place = np.searchsorted(pairs, user * n + people.indices + 1)
    faded = (0.5 ** (age[place] / half_life_days)).astype(np.float32)
    return sparse.csr_array((faded, people.indices, people.indptr), shape=people.shape)
