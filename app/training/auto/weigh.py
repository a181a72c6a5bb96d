"""Fits the weights of a blend: members that help are added one by one, then every weight is moved.

Nothing is fitted and judged on the same people: what a weighting is worth is measured on the half of the
people that it was not fitted on, and the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from app.evaluation.protocol import Reading
from app.training.auto.pool import Pool
from models.blend import Mix

FIRST_WEIGHTS = (0.03, 0.1, 0.25, 0.5, 1.0, 2.0)
STEPS = (0.5, 0.8, 1.25, 2.0)
BONUSES = (-2.0, -1.0, -0.5, -0.2, 0.2, 0.5, 1.0, 2.0)
PARTS = ("new", "had", "bonus")
ROUNDS = 3
BINS = 3
LEAST_IN_BIN = 200
Move = Callable[[Mix], Mix]
Moves = Callable[[Mix], list[Move]]
Fit = Callable[[Pool, "Question"], Mix]
GAIN = 0.002
"""Share of the metric that a member or a freedom must add to be worth having."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a weighting is good for.

    Attributes:
        readings: The metric is their mean.
        k: Places, NDCG@k.
    """

    readings: Sequence[Reading]
    k: int

    def worth(self, mix: Mix, pool: Pool) -> float:
        """NDCG@k, the mean of the readings that ask anybody."""
        each = [self.each(mix, pool, reading) for reading in self.readings]
        asked = [float(part.mean()) for part in each if len(part)]
        return float(np.mean(asked)) if asked else 0.0

    def each(self, mix: Mix, pool: Pool, reading: Reading) -> NDArray[np.float64]:
        """NDCG@k of each person whom the reading asks about."""
        scores = np.where(pool.scorable(reading), mixed(mix, pool), -np.inf)
        return ndcg_of(scores, pool.wanted, pool.targets(reading), k=self.k)


def mixed(mix: Mix, pool: Pool) -> NDArray[np.float32]:
    """The blend's score of each candidate, float32 (people, candidates)."""
    bins = mix.bins_of(pool.length)
    new = np.einsum("pcm,pm->pc", pool.levels, mix.new[bins])
    had = np.einsum("pcm,pm->pc", pool.levels, mix.had[bins]) + mix.bonus[bins, None]
    return np.asarray(np.where(pool.asked, had, new), dtype=np.float32)


def ndcg_of(
    scores: NDArray[np.float32], wanted: NDArray[np.bool_], relevant: NDArray[np.int64], *, k: int
) -> NDArray[np.float64]:
    """NDCG@k of candidates, ties by place; of the people who have a target, float64 (those people,).

    Args:
        scores: (people, candidates), -inf where a candidate is not ranked.
        wanted: The same shape.
        relevant: (people,), targets of each.
        k: Places.
    """
    rows = np.flatnonzero(relevant > 0)
    scores, wanted = scores[rows], wanted[rows]
    k = min(k, scores.shape[1])
    # Rising places first, so that the sort that follows leaves ties in their order.
    best = np.sort(np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1)
    inside = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
    order = np.take_along_axis(best, inside, 1)
    hits = np.take_along_axis(wanted, order, 1) & np.isfinite(np.take_along_axis(scores, order, 1))
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discounts)[np.minimum(relevant[rows], k) - 1]
    return np.asarray(hits @ discounts[: hits.shape[1]] / ideal, dtype=np.float64)


def halves(people: int, *, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The people in two halves, drawn once."""
    order = np.random.default_rng(seed).permutation(people)
    return np.sort(order[: people // 2]), np.sort(order[people // 2 :])


def held_out(fit: Callable[[Pool], Mix], pool: Pool, question: Question, *, seed: int) -> float:
    """What a way of fitting is worth on people that it did not see: each half by the other's weights."""
    first, second = halves(len(pool), seed=seed)
    pairs = ((first, second), (second, first))
    each = [question.worth(fit(pool.take(one)), pool.take(other)) for one, other in pairs]
    return float(np.mean(each))


def chosen(pool: Pool, question: Question, *, seed: int) -> tuple[Mix, float]:
    """The way of weighting that is worth most on people it did not see, fitted on all of them.

    Returns:
        The weights, and what the way is worth.
    """
    best, worth = fit_tied, held_out(partial(fit_tied, question=question), pool, question, seed=seed)
    for freer in (fit_untied, fit_binned):
        if not freer_may_help(freer, pool, question):
            continue
        found = held_out(partial(freer, question=question), pool, question, seed=seed)
        if found > worth * (1.0 + GAIN):
            best, worth = freer, found
    return best(pool, question), worth


def freer_may_help(fit: Fit, pool: Pool, question: Question) -> bool:
    """Whether there is anything, or are enough people, for more weights to be fitted to."""
    if fit is fit_binned:
        return len(pool) >= BINS * LEAST_IN_BIN and len(edges_of(pool)) > 0
    return "all" in question.readings and bool(pool.asked.any())


def edges_of(pool: Pool) -> tuple[int, ...]:
    """History lengths that cut the people into bins of about the same size."""
    shares = np.linspace(0.0, 1.0, BINS + 1)[1:-1]
    return tuple(sorted({int(edge) for edge in np.quantile(pool.length, shares)} - {int(pool.length.min())}))


def fit_tied(pool: Pool, question: Question) -> Mix:
    """Choose members and weights that are the same for all people and for new and old items."""
    chosen, best = _best_alone(pool, question)
    while True:
        found = max(
            (
                _added(chosen, member, weight, pool, question)
                for member in range(pool.members)
                if chosen.new[0, member] == 0.0
                for weight in FIRST_WEIGHTS
            ),
            key=lambda pair: pair[1],
            default=None,
        )
        if found is None or found[1] < best * (1.0 + GAIN):
            return _refined(chosen, best, pool, question, _tied_moves)
        chosen, best = _refined_pair(*found, pool, question)


def fit_untied(pool: Pool, question: Question) -> Mix:
    """The same members, with weights of their own for items that the person had."""
    tied = fit_tied(pool, question)
    if "all" not in question.readings or not pool.asked.any():
        return tied
    best = question.worth(tied, pool)
    return _refined(tied, best, pool, question, _untied_moves)


def fit_binned(pool: Pool, question: Question) -> Mix:
    """Weights of their own for people of each length of history, from those of all people."""
    start, edges = fit_untied(pool, question), edges_of(pool)
    parts, bins = [], np.searchsorted(edges, pool.length, side="right")
    for number in range(len(edges) + 1):
        there = pool.take(np.flatnonzero(bins == number))
        best = question.worth(start, there)
        parts.append(_refined(start, best, there, question, _untied_moves) if len(there) else start)
    new, had, bonus = (np.concatenate([getattr(part, name) for part in parts]) for name in PARTS)
    return Mix(new, had, bonus, edges)


def weighted(new: Sequence[float]) -> Mix:
    """A blend of one weight a member, for all people and items."""
    row = np.asarray([new], np.float32)
    return Mix(row, row.copy(), np.zeros(1, np.float32))


def _best_alone(pool: Pool, question: Question) -> tuple[Mix, float]:
    alone = [weighted(row.tolist()) for row in np.eye(pool.members)]
    worth = [question.worth(mix, pool) for mix in alone]
    best = int(np.argmax(worth))
    return alone[best], worth[best]


def _added(mix: Mix, member: int, weight: float, pool: Pool, question: Question) -> tuple[Mix, float]:
    new = mix.new[0].copy()
    new[member] = weight * new.max()
    grown = weighted(new)
    return grown, question.worth(grown, pool)


def _refined_pair(mix: Mix, best: float, pool: Pool, question: Question) -> tuple[Mix, float]:
    better = _refined(mix, best, pool, question, _tied_moves, rounds=1)
    return better, question.worth(better, pool)


def _refined(
    mix: Mix, best: float, pool: Pool, question: Question, moves: Moves, *, rounds: int = ROUNDS
) -> Mix:
    """Make each move that helps, again and again until none does."""
    for _ in range(rounds):
        before = best
        for move in moves(mix):
            tried = move(mix)
            worth = question.worth(tried, pool)
            if worth > best:
                mix, best = tried, worth
        if best <= before:
            break
    return mix


def _tied_moves(mix: Mix) -> list[Move]:
    used = np.flatnonzero(mix.new[0])
    return [partial(_scaled_both, member=int(member), step=step) for member in used for step in STEPS]


def _untied_moves(mix: Mix) -> list[Move]:
    moves: list[Move] = [partial(_with_bonus, more=more) for more in BONUSES]
    for name in ("had", "new"):
        used = np.flatnonzero(getattr(mix, name)[0])
        moves += [
            partial(_scaled, name=name, member=int(member), step=step) for member in used for step in STEPS
        ]
    return moves


def _scaled_both(mix: Mix, *, member: int, step: float) -> Mix:
    return _scaled(_scaled(mix, name="new", member=member, step=step), name="had", member=member, step=step)


def _scaled(mix: Mix, *, name: str, member: int, step: float) -> Mix:
    moved = getattr(mix, name).copy()
    moved[:, member] *= step
    return replace(mix, **{name: moved})


def _with_bonus(mix: Mix, *, more: float) -> Mix:
    return replace(mix, bonus=mix.bonus + np.float32(more * np.abs(mix.had).max()))
