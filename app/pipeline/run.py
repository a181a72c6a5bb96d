"""One list from start to end: filters, candidates, blend, rerank, rules, and the chain that fills up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from app.pipeline import blend
from app.pipeline.adjust import adjusted, adjustments
from app.pipeline.admission import admissible
from app.pipeline.candidates import Scores
from app.pipeline.columns import BoolArray, FloatArray, IntArray
from app.pipeline.explore import drawn
from app.pipeline.question import Question
from app.pipeline.rerank import diversified, likeness_vectors, pool_size
from app.pipeline.rules import PINNED, Adjustments, Caps, pins
from app.pipeline.scenarios import EXPLORE
from app.pipeline.sources import named, scores_of, shares_of, steps

POOL_UNDER_CAPS = 4
"""So many times as many candidates are looked at at once where a cap may pass over some."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A list as positions of the catalogue.

    Attributes:
        scores: float64 (places,), 0 to 1, falling but for pins and quotas.
        sources: Which source put each there.
        filled: Places that the fallback chain filled.
        pinned: Places that rules filled.
        drawn_from: Items that exploration drew its places among.
    """

    positions: IntArray
    scores: FloatArray
    sources: tuple[str, ...]
    filled: int
    pinned: int = 0
    drawn_from: int = 0

    @property
    def own(self) -> int:
        """Places that the scenario's own sources filled."""
        return len(self.sources) - self.filled - self.pinned

    def only(self, place: int) -> Listed:
        """The list of this one place."""
        return Listed(
            self.positions[place : place + 1], self.scores[place : place + 1], (self.sources[place],), 0
        )


@dataclass(slots=True)
class _Draft:
    """A list while it grows.

    Attributes:
        mask: What may still stand in it.
        by: What is added to and taken from scores.
        drawn_from: Items that exploration drew its places among.
    """

    n: int
    mask: BoolArray
    caps: Caps
    by: Adjustments | None = None
    drawn_from: int = 0
    positions: list[IntArray] = field(default_factory=list)
    scores: list[FloatArray] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    @property
    def missing(self) -> int:
        return self.n - len(self.sources)

    def best(self, scores: Scores, most: int, rank: IntArray) -> IntArray:
        """The best that may stand in the list beside what stands there, at most so many; they are taken."""
        if not self.caps:
            picked = blend.top(scores, self.mask, most, rank)
            self.mask[picked] = False
            return picked
        found = [np.zeros(0, dtype=np.int64)]
        while most > 0:
            pool = blend.top(scores, self.caps.leave(self.mask), POOL_UNDER_CAPS * most, rank)
            if not len(pool):
                break
            # The caps leave a place to the first of the pool: so this ends.
            picked = self.first(pool, most)
            found.append(picked)
            most -= len(picked)
        return np.concatenate(found)

    def first(self, order: IntArray, most: int) -> IntArray:
        """The first of an order that may stand in the list beside what stands there; they are taken."""
        picked = self.caps.kept(order, most) if self.caps else order[:most]
        self.mask[picked] = False
        return picked

    def take(self, picked: IntArray, shares: FloatArray, source: str) -> None:
        """Put places at the end. Their scores are scaled below what stands there already."""
        floor = float(self.scores[-1].min()) if self.scores else 1.0
        if not len(picked):
            return
        self.positions.append(picked)
        self.scores.append(shares * floor)
        self.sources.extend([source] * len(picked))
        self.mask[picked] = False

    def listed(self, own: int) -> Listed:
        none = np.zeros(0)
        return Listed(
            positions=np.concatenate([*self.positions, none.astype(np.int64)]),
            scores=np.concatenate([*self.scores, none]),
            sources=tuple(self.sources),
            filled=len(self.sources) - own,
        )


def listed(question: Question) -> Listed:
    """The answer's places.

    Raises:
        ModelFailedError: The model's scores are not finite.
    """
    mask, catalogue = admissible(question), question.catalogue
    pinned = pins(question.rules, catalogue, mask)[: question.request.n]
    caps = Caps(question.rules, catalogue, question.about)
    draft = _Draft(question.request.n - len(pinned), mask, caps, adjustments(question))
    mask[[position for _, position in pinned]] = False
    draft.caps.count(position for _, position in pinned)
    apart = _quotas(question, draft)
    draft.n -= len(apart)
    own = _take_own(question, draft)
    for source in question.scenario.fallback:
        if draft.missing <= 0 or not draft.mask.any():
            break
        scores = scores_of(source, question, draft.mask)
        if scores is not None:
            lifted = adjusted(scores, draft.by)
            picked = draft.best(lifted, draft.missing, catalogue.rank)
            shares = shares_of(source, scores[picked]) if lifted is scores else steps(len(picked))
            draft.take(picked, shares, source)
    made = _with_places(draft.listed(own), apart)
    made = _with_places(made, [(place, position, PINNED) for place, position in pinned])
    return replace(made, pinned=len(pinned), drawn_from=draft.drawn_from)


def _quotas(question: Question, draft: _Draft) -> list[tuple[int, int, str]]:
    """Place, position and source of what stands in the list for its source's share of it, evenly spread."""
    found: list[tuple[int, int, str]] = []
    n = draft.n
    for source, share in question.scenario.quotas:
        most = min(n - len(found), int(share * n + 0.5))
        picked = _for_quota(source, question, draft, most).tolist() if most > 0 else []
        found += [
            (int((number + 1) * n / len(picked)) - 1, position, named(source, question))
            for number, position in enumerate(picked)
        ]
    return sorted(found)


def _for_quota(source: str, question: Question, draft: _Draft, most: int) -> IntArray:
    if source == EXPLORE:
        # An even draw stays even, and the few that are drawn among need no look at all the others.
        order = drawn(question, draft.mask)
        draft.drawn_from = len(order)
        return draft.first(order, most)
    scores = scores_of(source, question, draft.mask)
    if scores is None:
        return np.zeros(0, dtype=np.int64)
    return draft.best(adjusted(scores, draft.by), most, question.catalogue.rank)


def _take_own(question: Question, draft: _Draft) -> int:
    """Fill places from the scenario's own sources; returns how many."""
    parts = [
        (weight, scores, source)
        for source, weight in question.scenario.sources
        if (scores := scores_of(source, question, draft.mask)) is not None
    ]
    if not parts or draft.n <= 0 or not draft.mask.any():
        return 0
    scores, mean, deviation = _together([(weight, scores) for weight, scores, _ in parts])
    order = scores if draft.by is None else blend.lifted(scores, draft.by, deviation)
    picked = _diverse(question, draft, order) if question.diversity > 0 else None
    if picked is None:
        picked = draft.best(order, draft.n, question.catalogue.rank)
    z_scores = blend.on_scale(scores[picked], mean, deviation)
    if draft.by is not None:
        z_scores += draft.by[picked]
    draft.take(picked, blend.shares(z_scores), named(parts[0][2], question))
    return len(draft.sources)


def _together(parts: Sequence[tuple[float, Scores]]) -> tuple[Scores, float, float]:
    """The sources' scores as one, and their mean and deviation."""
    if len(parts) > 1:
        return blend.blended(parts), 0.0, 1.0
    # One source's scores are in the order of their z-scores: those of what is picked are enough.
    scores = parts[0][1]
    return scores, *blend.scale(scores)


def _diverse(question: Question, draft: _Draft, scores: Scores) -> IntArray | None:
    """The head of the list, reranked; None where there is no head."""
    catalogue, diversity = question.catalogue, question.diversity
    pool = blend.top(scores, draft.mask, pool_size(draft.n, diversity), catalogue.rank)
    if not len(pool):
        return None
    own = question.model.unit_vectors(pool) if question.model is not None else None
    vectors = likeness_vectors(catalogue, pool, own)
    most = len(pool) if draft.caps else draft.n
    joined = diversified(vectors, diversity, n=draft.n, most=most)
    kept = draft.caps.kept(pool[joined], draft.n) if draft.caps else pool[joined]
    # A list is as varied in any order, and the best of it are looked for first.
    return pool[np.isin(pool, kept)]


def _with_places(made: Listed, inserted: Sequence[tuple[int, int, str]]) -> Listed:
    """The list with these put in, each at its place or at the end; they share their neighbour's score."""
    positions, scores, sources = made.positions.tolist(), made.scores.tolist(), list(made.sources)
    for wanted, position, source in inserted:
        place = min(wanted, len(positions))
        score = scores[max(0, place - 1)] if scores else 1.0
        positions.insert(place, position)
        scores.insert(place, score)
        sources.insert(place, source)
    return (
        replace(
            made,
            positions=np.array(positions, dtype=np.int64),
            scores=np.array(scores, dtype=np.float64),
            sources=tuple(sources),
        )
        if inserted
        else made
    )
