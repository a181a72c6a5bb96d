"""Transitions: what follows what. A Markov table, the strongest of the simple baselines for sessions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import Interactions
from models.item_item import ItemItem
from models.rows import as_table, blocks, demand, strongest

PAIRS_AT_ONCE = 10_000_000


def fit(
    interactions: Interactions,
    *,
    window: int,
    gap_power: float,
    backwards: float,
    row_power: float,
    recency: float,
    half_life_days: float,
    keep: int,
    prior: float,
) -> ItemItem:
    r"""Count transitions from each line to the next ones of the same person.

    .. math::
        B_{ij} = c_{ij} / \bigl(\sum_{j'} c_{ij'}\bigr)^a, \quad
        c_{ij} = \sum_{g=1}^{w} g^{-p} \bigl(n_g(i \to j) + \beta\, n_g(j \to i)\bigr)

    Lines of one basket stand in the order in which the till or the client named them; a pair inside a basket
    has no direction and counts both ways. Rows are
    counted block by block, so memory grows with lines and with items times `keep`.

    Args:
        interactions: The training slice.
        window: w, how far ahead a transition reaches; 1 is first order.
        gap_power: p, how fast a skip loses weight with its gap.
        backwards: beta, what a transition says of the way back: 0 for chains, 1 where order means little.
        row_power: a. 1 makes each row the shares of what followed; less lets often seen items say more.
        recency: What a basket of the query counts beside the one after it.
        half_life_days: After which a transition counts half.
        keep: Entries a row.
        prior: What the share of demand adds to a score.

    Source:
        First order: a Markov chain. Skips weighted by 1/gap: Ludewig and Jannach, "Evaluation of
        session-based recommendation algorithms", UMUAI 2018, sequential rules, arXiv 1803.09587.
        Deviations: `backwards`, `row_power`, decay by age.
    """
    lines = _Lines(interactions, half_life_days)
    made = []
    for which in blocks(lines.counts * 2.0 * window, at_once=PAIRS_AT_ONCE):
        counts = lines.pairs(which, window=window, gap_power=gap_power, backwards=backwards)
        totals = np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64), 1e-9) ** row_power
        counts.data = (counts.data / np.repeat(totals, np.diff(counts.indptr))).astype(np.float32)
        made.append(strongest(counts, keep=keep))
    rows = sparse.csr_array(sparse.vstack(made, format="csr"))
    return as_table(rows, demand(interactions), recency=recency, prior=prior)


class _Lines:
    """The lines in the order of their items, each knowing its neighbours in its person's history."""

    def __init__(self, interactions: Interactions, half_life_days: float) -> None:
        self._user, self._time = interactions.user, interactions.time
        self._item = interactions.item - 1
        age = np.maximum(interactions.now - interactions.time, 0.0)
        self._weight = (interactions.weight * 0.5 ** (age / half_life_days)).astype(np.float32)
        self._by_item = np.argsort(self._item, kind="stable")
        self._n_items = interactions.n_items
        self.counts = np.bincount(self._item, minlength=self._n_items).astype(np.float64)
        self._ends = np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int64)

    def pairs(self, which: slice, *, window: int, gap_power: float, backwards: float) -> sparse.csr_array:
        """The equation's c for some source items, float32 (items, n_items)."""
        source = self._by_item[self._ends[which.start] : self._ends[which.stop]]
        rows, columns, values = [], [], []
        for gap in range(1, window + 1):
            for step in (gap, -gap):
                here, there, weight = self._neighbours(source, step, backwards)
                rows.append(self._item[here] - which.start)
                columns.append(self._item[there])
                values.append(weight * np.float32(gap**-gap_power))
        places = (np.concatenate(rows), np.concatenate(columns))
        shape = (which.stop - which.start, self._n_items)
        return sparse.csr_array((np.concatenate(values), places), shape=shape)

    def _neighbours(
        self, source: NDArray[np.int64], step: int, backwards: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Lines, those of the same person `step` after them, and what each such pair counts."""
        there = source + step
        inside = (there >= 0) & (there < len(self._item))
        here, there = source[inside], there[inside]
        same = self._user[here] == self._user[there]
        here, there = here[same], there[same]
        later = there if step > 0 else here
        # In order a pair counts once, against it `backwards`; inside a basket it has both orders.
        ways = np.where(self._time[here] == self._time[there], 1 + backwards, 1.0 if step > 0 else backwards)
        weight = (self._weight[later] * ways).astype(np.float32)
        counted = weight > 0
        return here[counted], there[counted], weight[counted]
