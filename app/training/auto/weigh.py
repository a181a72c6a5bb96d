"""Fits the weights of a blend: members that help are added one by one, then every weight is moved.

Nothing is fitted and judged on the same people: what a way of weighting is worth is measured on the half of
the people that it was not fitted on, and the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from app.evaluation.protocol import Reading
from app.evaluation.ranking import LOWEST
from app.training.auto.pool import Pool
from models.blend import Mix

FIRST_WEIGHTS = (0.03, 0.1, 0.25, 0.5, 1.0, 2.0)
STEPS = (0.5, 0.8, 1.25, 2.0)
LIFTS = (-1.0, -0.5, -0.2, -0.05, 0.05, 0.2, 0.5, 1.0)
"""By how much all items of the history are lifted at once, in units of the best new item's score."""
FIRST_LIFTS = (0.0, 0.3, 0.6, 1.0)
BINS = 3
LEAST_IN_BIN = 200
ROUNDS = 3
Parts = tuple[str, ...]
GAIN = 0.002
"""Share of the metric that a member or a freedom must add to be worth having."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a weighting is good for.

    Attributes:
        readings: The metric is their mean.
        k: Places, NDCG@k.
        is_late: Whether a search must end with what it has.
    """

    readings: Sequence[Reading]
    k: int
    is_late: Callable[[], bool] = lambda: False

    def worth(self, scores: NDArray[np.float32], pool: Pool) -> float:
        """NDCG@k of scores (people, candidates), the mean of the readings that ask anybody."""
        found = []
        for reading in self.readings:
            ranked = np.where(pool.scorable(reading), scores, -np.inf)
            each = ndcg_of(ranked, pool.wanted, pool.targets(reading), k=self.k)
            found += [float(each.mean())] if len(each) else []
        return float(np.mean(found)) if found else 0.0


def ndcg_of(
    scores: NDArray[np.float32], wanted: NDArray[np.bool_], relevant: NDArray[np.int64], *, k: int
) -> NDArray[np.float64]:
    """NDCG@k of candidates, ties by place; of the people who have a target, float64 (those people,).

    The places of a `Pool` are drawn for each person, so that a member that scores all alike is worth chance.

    Args:
        scores: (people, candidates), -inf where a candidate is not ranked.
        wanted: The same shape.
        relevant: (people,), targets of each.
        k: Places.
    """
    last = max(scores.shape[1] - k, 0)
    least = np.partition(scores, last, axis=1)[:, last, None]
    # Only targets that may stand among the k best are counted out: few, which is what makes this fast.
    line, place = np.nonzero(wanted & (scores >= np.maximum(least, LOWEST)))
    others, own = scores[line], scores[line, place][:, None]
    earlier = np.arange(scores.shape[1]) < place[:, None]
    rank = np.count_nonzero(others > own, axis=1) + np.count_nonzero((others == own) & earlier, axis=1)
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    gain = np.bincount(line, np.append(discounts, 0.0)[np.minimum(rank, k)], len(scores))
    asked = relevant > 0
    return np.asarray(gain[asked] / np.cumsum(discounts)[np.minimum(relevant[asked], k) - 1])


def scores_of(mix: Mix, pool: Pool) -> NDArray[np.float32]:
    """The blend's score of each candidate, float32 (people, candidates)."""
    bins = mix.bins_of(pool.length)
    new = np.einsum("mpc,pm->pc", pool.levels, mix.new[bins])
    had = np.einsum("mpc,pm->pc", pool.levels, mix.had[bins]) + mix.bonus[bins, None]
    return np.asarray(np.where(pool.asked, had, new), dtype=np.float32)


def chosen(pool: Pool, question: Question, *, seed: int) -> tuple[Mix, float]:
    """The way of weighting that is worth most on people it did not see, fitted on all of them.

    Returns:
        The weights, and what the way is worth.
    """
    best, worth = shared, held_out(partial(shared, question=question), pool, question, seed=seed)
    for freer in (apart, binned):
        if question.is_late() or not _may_help(freer, pool, question):
            continue
        found = held_out(partial(freer, question=question), pool, question, seed=seed)
        if found > worth * (1.0 + GAIN):
            best, worth = freer, found
    return best(pool, question), worth


def held_out(fit: Callable[[Pool], Mix], pool: Pool, question: Question, *, seed: int) -> float:
    """What a way of fitting is worth on people that it did not see: each half by the other's weights."""
    first, second = halves(len(pool), seed=seed)
    found = []
    for one, other in ((first, second), (second, first)):
        judged = pool.take(other)
        found.append(question.worth(scores_of(fit(pool.take(one)), judged), judged))
    return float(np.mean(found))


def halves(people: int, *, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The people in two halves, drawn once."""
    order = np.random.default_rng(seed).permutation(people)
    return np.sort(order[: people // 2]), np.sort(order[people // 2 :])


def shared(pool: Pool, question: Question) -> Mix:
    """The same weights for all people, for new and for old items."""
    return _grown(_best_alone(pool, question), ("new", "had")).mix()


def apart(pool: Pool, question: Question) -> Mix:
    """Weights of their own for items that a person had: those of new items are fitted first, on new items."""
    fresh = replace(question, readings=("unseen",))
    new = _grown(_best_alone(pool, fresh), ("new",))
    old = _grown(_best_of_old(new, question), ("had",))
    return _refined(old, [("had",), ("new",)]).mix()


def binned(pool: Pool, question: Question) -> Mix:
    """Weights of their own for people of each length of history, from those of all people."""
    fit = apart if _may_help(apart, pool, question) else shared
    start, edges = fit(pool, question), edges_of(pool)
    bins, parts = np.searchsorted(edges, pool.length, side="right"), []
    for number in range(len(edges) + 1):
        there = pool.take(np.flatnonzero(bins == number))
        moved = _refined(Search.at(start, there, question), [("had",), ("new",)]) if len(there) else None
        parts.append(start if moved is None else moved.mix())
    new, had, bonus = (np.concatenate([getattr(part, name) for part in parts]) for name in PARTS)
    return Mix(new, had, bonus, edges)


PARTS = ("new", "had", "bonus")


def edges_of(pool: Pool) -> tuple[int, ...]:
    """History lengths that cut the people into bins of about the same size."""
    shares = np.linspace(0.0, 1.0, BINS + 1)[1:-1]
    return tuple(sorted({int(edge) for edge in np.quantile(pool.length, shares)} - {int(pool.length.min())}))


def _may_help(fit: Callable[[Pool, Question], Mix], pool: Pool, question: Question) -> bool:
    """Whether there is anything, or are enough people, for more weights to be fitted to."""
    if fit is binned:
        return len(pool) >= BINS * LEAST_IN_BIN and len(edges_of(pool)) > 0
    return "all" in question.readings and bool(pool.asked.any())


@dataclass(frozen=True, slots=True)
class Search:
    """A weighting on its way, with its scores at hand.

    Attributes:
        new: float32 (members,), weights for new items.
        had: float32 (members,), for items of the history.
        bonus: What items of the history have on top.
        scores: float32 (people, candidates).
        worth: The question's metric.
    """

    pool: Pool
    question: Question
    new: NDArray[np.float32]
    had: NDArray[np.float32]
    bonus: float
    scores: NDArray[np.float32]
    worth: float

    @classmethod
    def at(cls, mix: Mix, pool: Pool, question: Question) -> Search:
        """Begin at the weights of the first bin."""
        scores = scores_of(mix, pool)
        worth = question.worth(scores, pool)
        return cls(pool, question, mix.new[0], mix.had[0], float(mix.bonus[0]), scores, worth)

    def moved(self, parts: Sequence[str], member: int, weight: float) -> Search:
        """With another weight of a member, in the parts that are named."""
        scores, changed = self.scores, {}
        for part in parts:
            weights = getattr(self, part).copy()
            there = self.pool.asked if part == "had" else ~self.pool.asked
            more = np.float32(weight - weights[member])
            scores = scores + more * there * self.pool.levels[member]
            weights[member] = weight
            changed[part] = weights
        return replace(self, scores=scores, worth=self.question.worth(scores, self.pool), **changed)

    def lifted(self, more: float) -> Search:
        """With all items of the history lifted."""
        scores = (self.scores + more * self.pool.asked).astype(np.float32)
        worth = self.question.worth(scores, self.pool)
        return replace(self, scores=scores, bonus=self.bonus + more, worth=worth)

    def unit(self) -> float:
        """How far the best new item stands above the mean item, the mean of the people."""
        new = np.where(self.pool.asked, 0.0, self.scores)
        return float(new.max(axis=1, initial=0.0).mean())

    def mix(self) -> Mix:
        """As it is used."""
        return Mix(self.new[None, :], self.had[None, :], np.asarray([self.bonus], np.float32))


def alone(pool: Pool, member: int, question: Question) -> float:
    """What one member is worth without the others."""
    return question.worth(pool.levels[member], pool)


def only(member: int, *, of: int) -> Mix:
    """One member and nothing else: what is left where no weighting is worth anything."""
    weights = np.zeros((1, of), np.float32)
    weights[0, member] = 1.0
    return Mix(weights, weights, np.zeros(1, np.float32))


def _best_alone(pool: Pool, question: Question) -> Search:
    """The best member alone, for new and for old items."""
    begin = Search.at(_nothing(pool), pool, question)
    return _best_of(begin, [begin.moved(("new", "had"), member, 1.0) for member in range(pool.members)])


def _best_of_old(new: Search, question: Question) -> Search:
    """New items as they are weighed, and the best member alone for those of the history.

    What a member says of old items need not compare with what is said of new ones: so they are lifted too.
    """
    begin = Search.at(replace(_nothing(new.pool), new=new.new[None, :]), new.pool, question)
    size, unit = float(np.abs(new.new).max()), begin.unit()
    alone = [begin.moved(("had",), member, size) for member in range(new.pool.members)]
    return _best_of(begin, [search.lifted(lift * unit) for search in alone for lift in FIRST_LIFTS])


def _nothing(pool: Pool) -> Mix:
    none = np.zeros((1, pool.members), np.float32)
    return Mix(none, none, np.zeros(1, np.float32))


def _grown(search: Search, parts: Parts) -> Search:
    """Members added one by one, the one that helps most first, as long as one helps clearly."""
    while True:
        weights = getattr(search, parts[0])
        size = float(np.abs(weights).max())
        absent = np.flatnonzero(weights == 0.0).tolist()
        tried = (search.moved(parts, member, share * size) for member in absent for share in FIRST_WEIGHTS)
        found = max(tried, key=lambda grown: grown.worth, default=None)
        helps = found is not None and found.worth > search.worth * (1.0 + GAIN)
        if found is None or not helps or search.question.is_late():
            return _refined(search, [parts])
        search = _refined(found, [parts], rounds=1)


def _refined(search: Search, groups: Sequence[Parts], *, rounds: int = ROUNDS) -> Search:
    """Every weight moved up and down, again and again, as long as that helps.

    Args:
        search: Where to begin.
        groups: Weights of a group move together; where old items have one of their own, they are lifted too.
        rounds: At most.
    """
    for _ in range(rounds):
        if search.question.is_late():
            break
        before = search.worth
        for group in groups:
            search = _climbed(search, group)
        if ("had",) in groups:
            unit = search.unit()
            search = _best_of(search, [search.lifted(lift * unit) for lift in LIFTS])
        if search.worth <= before:
            break
    return search


def _climbed(search: Search, parts: Parts) -> Search:
    for member in np.flatnonzero(getattr(search, parts[0])).tolist():
        weight = float(getattr(search, parts[0])[member])
        search = _best_of(search, [search.moved(parts, member, weight * step) for step in STEPS])
    return search


def _best_of(search: Search, tried: Sequence[Search]) -> Search:
    best = max(tried, key=lambda found: found.worth)
    return best if best.worth > search.worth else search
