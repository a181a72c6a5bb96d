"""Session neighbours: what came next to the same things in the histories most like this one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import Interactions
from models.item_item import ItemItem
from models.memory import Memory, spans
from models.rows import as_table, demand


def fit(
    interactions: Interactions,
    *,
    nearest: int,
    candidates: int,
    reach: int,
    gap_fade: float,
    backwards: float,
    length_power: float,
    rarity_power: float,
    half_life_days: float,
    max_lines: int,
    recency: float,
    prior: float,
) -> ItemItem:
    r"""Remember the histories; the counting is done at the query, see `models.memory.Memory`.

    .. math::
        \tau_m = |m|^{-a}\, 2^{-age(m) / h}, \quad \rho_i = \Bigl(\log \frac{M + 1}{c_i + 1}\Bigr)^p

    with M histories, :math:`c_i` of which hold item i. Of an item twice in one history the later line counts.

    Args:
        interactions: The training slice.
        nearest: Histories that a query listens to.
        candidates: Newest histories of an item among which they are looked for.
        reach: Places beside the meeting of query and history that count.
        gap_fade: What a place counts beside the one before it, seen from that meeting.
        backwards: What places before the meeting count.
        length_power: a.
        rarity_power: p.
        half_life_days: h, after which a history counts half.
        max_lines: Lines that are remembered, those of the newest histories; a query takes about as
            long however many there are.
        recency: What a basket of the query counts beside the one after it.
        prior: What the share of demand adds to a score.

    Source:
        V-SkNN: Ludewig and Jannach, "Evaluation of session-based recommendation algorithms", UMUAI 2018,
        arXiv 1803.09587; the fading of places beside the meeting and of old sessions: Garg et al., "Sequence
        and time aware neighborhood for session-based recommendations: STAN", SIGIR 2019, arXiv 1910.12781.
        Deviations: powers in place of exponentials of seconds, a person's history is one session.
    """
    items, lengths, ended = _newest(interactions, max_lines)
    age = np.maximum(interactions.now - ended, 0.0)
    trust = np.maximum(lengths, 1.0) ** -length_power * 0.5 ** (age / half_life_days)
    memory = _memory(
        items, lengths, n_items=interactions.n_items, candidates=candidates, rarity_power=rarity_power
    )
    settled = replace(
        memory,
        trust=trust.astype(np.float32),
        nearest=nearest,
        reach=reach,
        fade=gap_fade,
        backwards=backwards,
    )
    nothing = sparse.csr_array((interactions.n_items, interactions.n_items), dtype=np.float32)
    return replace(as_table(nothing, demand(interactions), recency=recency, prior=prior), memory=settled)


def _newest(
    interactions: Interactions, max_lines: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]:
    """The histories that fit into so many lines, the newest last.

    Returns:
        Items int32 (lines,), one history after the other; lengths int64 and the day of the last line float64
        (histories,).
    """
    lines = _distinct(interactions)
    user, time = interactions.user[lines], interactions.time[lines]
    ends = np.append(np.flatnonzero(np.diff(user)), len(user) - 1) if len(user) else np.empty(0, np.int64)
    newest = np.argsort(time[ends], kind="stable")
    lengths = np.diff(np.concatenate([[0], ends + 1]))
    kept = newest[np.cumsum(lengths[newest][::-1])[::-1] <= max_lines]
    items = interactions.item[lines][spans(ends[kept] + 1 - lengths[kept], lengths[kept])]
    return items.astype(np.int32), lengths[kept], time[ends[kept]]


def _distinct(interactions: Interactions) -> NDArray[np.int64]:
    """The newest line of each pair of person and item, in the order of the lines."""
    key = interactions.user.astype(np.int64) * (interactions.n_items + 1) + interactions.item
    _, first = np.unique(key[::-1], return_index=True)
    return np.sort(len(key) - 1 - first)


def _memory(
    items: NDArray[np.int32],
    lengths: NDArray[np.int64],
    *,
    n_items: int,
    candidates: int,
    rarity_power: float,
) -> Memory:
    """The histories and where each item stands in them."""
    counts = np.bincount(items, minlength=n_items + 1)
    by_item = np.argsort(items, kind="stable")
    ends = np.cumsum(counts)
    # Histories are sorted by age, so an item's last lines are in the newest ones.
    newest = ends[items[by_item]] - np.arange(len(by_item)) <= candidates
    rarity = np.log((len(lengths) + 1) / (counts + 1)) ** rarity_power
    return Memory(
        items=items,
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        history=np.repeat(np.arange(len(lengths), dtype=np.int32), lengths),
        trust=np.ones(len(lengths), np.float32),
        lines=by_item[newest].astype(np.int32),
        indptr=np.concatenate([[0], np.cumsum(np.minimum(counts, candidates))]).astype(np.int64),
        rarity=rarity.astype(np.float32),
    )
