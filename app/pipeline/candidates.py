"""Sources of candidates: each gives a score an item, over the whole catalogue, -inf where it is silent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.fading import CountsFading
from app.domain.ports import CandidateScorer, Scorer
from app.domain.types import Query
from app.pipeline.catalogue import CatalogueSnapshot, Positions, Scalar
from app.pipeline.columns import BoolArray, FloatArray, IntArray
from app.pipeline.popularity import DailyCounts
from app.pipeline.segments import NO_SEGMENTS, Segments
from app.pipeline.together import NOTHING_TOGETHER, Together

Scores = NDArray[np.floating]

BRAND_SHARE = 0.5
"""What an equal brand adds, where equal categories add 1."""


LEAST_PER_PLACE = 10
"""Candidates that have to be left of an index's for each place; of fewer, the last ones are not the best."""


class ModelFailedError(Exception):
    """A model gave numbers that are none."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list has room for.

    Attributes:
        mask: bool (items,), what may stand in it.
        n: Its places.
    """

    mask: BoolArray
    n: int


@dataclass(frozen=True, slots=True)
class ModelView:
    """A scorer bound to a catalogue.

    Attributes:
        places: int64 (n,): the catalogue position of `item_idx` 1 to n, -1 where the catalogue has none.
        item_idx: int64 (items,): the model's number of each item of the catalogue, 0 where it has none.
        lineage: What the positions are positions of.
        lengths: float32 (n + 1,): of the item vectors, or None where there are none.
    """

    scorer: Scorer
    places: IntArray
    item_idx: IntArray
    lineage: Positions
    lengths: NDArray[np.float32] | None

    def scores(
        self, query: Query, catalogue: CatalogueSnapshot, wanted: Wanted | None = None
    ) -> Scores | None:
        """The model's scores for a query, or None where it knows no item of it.

        Args:
            query: The history.
            catalogue: Where the positions are.
            wanted: Lets a model with an index score what may be listed alone; the rest is then -inf.

        Raises:
            ModelFailedError: The scores are not finite.
        """
        if not self.knows(query.item_ids, catalogue):
            return None
        if wanted is not None and isinstance(self.scorer, CandidateScorer):
            return self._found(self.scorer, query, wanted)
        return self._spread(self.scorer.score([query])[0])

    def _found(self, scorer: CandidateScorer, query: Query, wanted: Wanted) -> Scores:
        """float32 (items,): of the index's candidates; where few of them may be listed, of all that may."""
        state = scorer.read(query)
        rows = scorer.near(state)
        places = self.places[rows - 1]
        # A place of -1 reads the last item's mask; it is left out by the first part.
        rows = rows[(places >= 0) & wanted.mask[places]]
        if len(rows) < LEAST_PER_PLACE * wanted.n:
            rows = self.item_idx[wanted.mask]
            rows = rows[rows > 0]
        scores = scorer.scores_of(state, rows)
        if not scores.max(initial=-np.inf) < np.inf:  # NaN is the greatest of any.
            raise ModelFailedError
        spread = np.full(len(self.item_idx), -np.inf, np.float32)
        spread[self.places[rows - 1]] = scores
        return spread

    def similar(self, place: int, catalogue: CatalogueSnapshot) -> Scores | None:
        """Likeness to the item at a position: cosine of item vectors, else the model's answer to it alone."""
        item_idx = self.item_idx[place]
        if item_idx == 0:
            return None
        vectors = self.scorer.item_vectors
        if vectors is None or self.lengths is None:
            return self.scores(Query((catalogue.items[place].item_id,), (1.0,)), catalogue)
        likeness = (vectors @ vectors[item_idx]) / np.maximum(self.lengths * self.lengths[item_idx], 1e-12)
        likeness[0] = -np.inf
        return self._spread(likeness)

    def knows(self, item_ids: Sequence[str], catalogue: CatalogueSnapshot) -> bool:
        """Whether the model knows any of the items."""
        return bool((self.item_idx[catalogue.positions(item_ids)] > 0).any())

    def said_by_each(self, item_ids: Sequence[str], positions: IntArray) -> FloatArray:
        """float64 (positions, item_ids): what the model says of each position, asked with each item alone.

        -inf where it says nothing, or does not know the item at the position.
        """
        rows = self.item_idx[positions]
        if not len(item_ids):
            return np.zeros((len(positions), 0))
        scores = self.scorer.score([Query((item_id,), (1.0,)) for item_id in item_ids])
        silent = (scores == 0.0).any(axis=1)
        said = scores[:, rows].astype(np.float64)
        said[((said <= 0.0) & silent[:, None]) | ~np.isfinite(said)] = -np.inf
        said[:, rows == 0] = -np.inf
        return said.T

    def unit_vectors(self, positions: IntArray) -> FloatArray | None:
        """float64 (positions, d): of length 1, or 0 for items the model does not know; None without any."""
        vectors = self.scorer.item_vectors
        if vectors is None or self.lengths is None:
            return None
        rows = self.item_idx[positions]
        return vectors[rows].astype(np.float64) / np.maximum(self.lengths[rows], 1e-12)[:, None]

    def _spread(self, by_item_idx: NDArray[np.float32]) -> Scores:
        """float32 (items,), from float32 (n + 1,) whose column 0 is -inf."""
        if not by_item_idx.max() < np.inf:  # NaN is the greatest of any.
            raise ModelFailedError
        values = by_item_idx.take(self.item_idx)
        # A counted table says 0 of what it has never seen together; what it scores at or below that is no
        # advice. A network never gives an exact 0.
        if (by_item_idx == 0.0).any():
            values[values <= 0.0] = -np.inf
        return values


def bind(scorer: Scorer, catalogue: CatalogueSnapshot, before: ModelView | None = None) -> ModelView:
    """The scorer over this catalogue, made from an earlier view of the same scorer where there is one."""
    if before is not None and before.scorer is scorer and before.lineage is catalogue.lineage:
        if len(before.item_idx) == len(catalogue):
            return before
        places, lengths = _found_since(before.places, scorer.item_ids, catalogue), before.lengths
    else:
        vectors = scorer.item_vectors
        places = catalogue.aligned(scorer.item_ids)
        lengths = None if vectors is None else np.linalg.norm(vectors, axis=1).astype(np.float32)
    item_idx = np.zeros(len(catalogue), dtype=np.int64)
    known = np.flatnonzero(places >= 0)
    item_idx[places[known]] = known + 1
    return ModelView(
        scorer=scorer, places=places, item_idx=item_idx, lineage=catalogue.lineage, lengths=lengths
    )


def _found_since(places: IntArray, item_ids: Sequence[str], catalogue: CatalogueSnapshot) -> IntArray:
    # The catalogue may also be the older one: a list that waited in the queue.
    found = np.where(places < len(catalogue), places, -1)
    missing = np.flatnonzero(found < 0)
    found[missing] = catalogue.aligned([item_ids[int(number)] for number in missing])
    return found


@dataclass(frozen=True, slots=True)
class PopularView:
    """What many people did, over a catalogue.

    Attributes:
        places: int64 (counted items,): catalogue positions, -1 where unknown.
        fading: How old counts were taken.
        popular: float64 (counted items,).
        trending: float64 (counted items,).
        together: What is bought together.
        segments: What is popular with whom.
    """

    counts: DailyCounts
    fading: CountsFading
    lineage: Positions
    size: int
    places: IntArray
    popular: FloatArray
    trending: FloatArray
    made_at: datetime
    together: Together = NOTHING_TOGETHER
    segments: Segments = NO_SEGMENTS
    _spreads: dict[str, NDArray[Any]] = field(default_factory=dict, compare=False)

    def shows(self, counts: DailyCounts, fading: CountsFading) -> bool:
        """Whether it is a view of just these."""
        return self.counts is counts and self.fading == fading

    def demand(self, catalogue: CatalogueSnapshot) -> NDArray[np.float32] | None:
        """float32 (items,): logarithm of the decayed counts as a share of the greatest; None without any."""
        return None if not (self.popular > 0).any() else self._kept("demand", lambda: self._demand(catalogue))

    def _demand(self, catalogue: CatalogueSnapshot) -> NDArray[np.float32]:
        known = np.log1p(self._spread(self.popular, catalogue))
        most = known.max(initial=0.0)
        return np.asarray(known / most if most > 0 else known, dtype=np.float32)

    def met_by(self, catalogue: CatalogueSnapshot) -> FloatArray:
        """float64 (items,): how many people met each item, by day and event, in a list or otherwise."""
        return self._kept("met", lambda: self._spread(self.counts.met, catalogue))

    def _spread(self, values: FloatArray, catalogue: CatalogueSnapshot) -> FloatArray:
        out = np.zeros(len(catalogue))
        known = self.places >= 0
        out[self.places[known]] = values[known]
        return out

    def _kept(self, name: str, make: Callable[[], NDArray[Scalar]]) -> NDArray[Scalar]:
        # The view is of one catalogue's items, so what is spread over them stays as long as the view does.
        kept = self._spreads.get(name)
        if kept is None:
            kept = self._spreads[name] = make()
        return kept

    def scores(self, name: str, catalogue: CatalogueSnapshot, window_days: int | None) -> FloatArray:
        """float64 (items,): `popular` or `trending`, -inf for items that nobody did anything with."""
        if window_days is None:
            values = self.popular if name == "popular" else self.trending
        elif name == "popular":
            values = self.counts.popular(self.made_at, replace(self.fading.popular, window_days=window_days))
        else:
            values = self.counts.trending(
                self.made_at, replace(self.fading.trending, window_days=window_days)
            )
        out: FloatArray = np.full(len(catalogue), -np.inf)
        known = (self.places >= 0) & (values > 0)
        out[self.places[known]] = values[known]
        return out


def popular_view(
    counts: DailyCounts,
    now: datetime,
    fading: CountsFading,
    catalogue: CatalogueSnapshot,
) -> PopularView:
    """The counts as of now, over this catalogue."""
    return PopularView(
        counts=counts,
        fading=fading,
        lineage=catalogue.lineage,
        size=len(catalogue),
        places=catalogue.aligned(counts.item_ids),
        popular=counts.popular(now, fading.popular),
        trending=counts.trending(now, fading.trending),
        made_at=now,
    )


def popular_view_over(view: PopularView, catalogue: CatalogueSnapshot) -> PopularView:
    """The same counts over another snapshot of the catalogue."""
    if view.lineage is catalogue.lineage and view.size == len(catalogue):
        return view
    item_ids = view.counts.item_ids
    same = view.lineage is catalogue.lineage
    places = _found_since(view.places, item_ids, catalogue) if same else catalogue.aligned(item_ids)
    return replace(view, lineage=catalogue.lineage, size=len(catalogue), places=places, _spreads={})


def latest(catalogue: CatalogueSnapshot, *, since: float | None = None) -> FloatArray:
    """float64 (items,): seconds since 1970 of publication, else of creation; -inf where neither is known."""
    fresh = np.where(np.isnan(catalogue.fresh_at), -np.inf, catalogue.fresh_at)
    return fresh if since is None else np.where(fresh >= since, fresh, -np.inf)


def content(place: int, catalogue: CatalogueSnapshot) -> FloatArray:
    """float64 (items,): likeness by description: shared share of categories (Jaccard), and the brand."""
    categories, brands = catalogue.column("categories"), catalogue.column("brand")
    own = set(categories.vocabulary.sets[categories.codes[place]])
    # Few distinct sets of categories stand for all items: compare those, then look each item's up.
    shared = np.array([_jaccard(own, set(other)) for other in categories.vocabulary.sets])
    likeness: FloatArray = shared[categories.codes]
    brand = brands.codes[place]
    if brand:
        likeness = likeness + BRAND_SHARE * (brands.codes == brand)
    return np.where(likeness > 0, likeness, -np.inf)


def _jaccard(one: set[object], other: set[object]) -> float:
    together = len(one | other)
    return len(one & other) / together if together else 0.0
