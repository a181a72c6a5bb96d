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
from app.pipeline.question import Question
from app.pipeline.rerank import diversified, likeness_vectors, pool_size
from app.pipeline.rules import PINNED, Caps, pins
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
    """

    positions: IntArray
    scores: FloatArray
    sources: tuple[str, ...]
    filled: int
    pinned: int = 0

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
    """

    n: int
    mask: BoolArray
    caps: Caps
    by: FloatArray | None = None
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
            pool = blend.top(scores, self.mask & self.caps.leave(), POOL_UNDER_CAPS * most, rank)
            if not len(pool):
                break
            # The caps leave a place to the first of the pool: so this ends.
            picked = self.caps.kept(pool, most)
            self.mask[picked] = False
            found.append(picked)
            most -= len(picked)
        return np.concatenate(found)

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
    return replace(made, pinned=len(pinned))


def _quotas(question: Question, draft: _Draft) -> list[tuple[int, int, str]]:
    """Place, position and source of what stands in the list for its source's share of it, evenly spread."""
    found: list[tuple[int, int, str]] = []
    n = draft.n
    for source, share in question.scenario.quotas:
        scores = scores_of(source, question, draft.mask)
        most = min(n - len(found), int(share * n + 0.5))
        if scores is None or most <= 0:
            continue
        # An even draw stays even.
        by = None if source == EXPLORE else draft.by
        picked = draft.best(adjusted(scores, by), most, question.catalogue.rank).tolist()
        found += [
            (int((number + 1) * n / len(picked)) - 1, position, named(source, question))
            for number, position in enumerate(picked)
        ]
    return sorted(found)


def _take_own(question: Question, draft: _Draft) -> int:
    """Fill places from the scenario's own sources; returns how many."""
    parts = [
        (weight, scores, source)
        for source, weight in question.scenario.sources
        if (scores := scores_of(source, question, draft.mask)) is not None
    ]
    if not parts or draft.n <= 0 or not draft.mask.any():
        return 0
    # The scores of one source are in the order of their z-scores: those of what is picked are enough.
    alone = len(parts) == 1 and draft.by is None
    scores = parts[0][1] if alone else _added([(weight, scores) for weight, scores, _ in parts], draft.by)
    picked = _diverse(question, draft, scores) if question.diversity > 0 else None
    if picked is None:
        picked = draft.best(scores, draft.n, question.catalogue.rank)
    z_scores = blend.on_scale(scores[picked], *blend.scale(scores)) if alone else scores[picked]
    draft.take(picked, blend.shares(z_scores), named(parts[0][2], question))
    return len(draft.sources)


def _added(parts: Sequence[tuple[float, Scores]], by: FloatArray | None) -> FloatArray:
    z_scores = blend.blended(parts)
    return z_scores if by is None else z_scores + by


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
