"""One list computed, in the lane's thread: the pipeline with model and counts bound to the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import structlog
from numpy.typing import NDArray

from app.domain.fading import DEFAULT_FADING, CountsFading
from app.domain.ports import CandidateScorer, Scorer
from app.domain.recommendations import (
    Explanation,
    Neighbour,
    Reason,
    Recommendation,
    RecommendationRequest,
    RecommendedItem,
    ServedBy,
)
from app.domain.types import Query
from app.pipeline import explain, why
from app.pipeline.candidates import ModelView, PopularView, bind, popular_view, popular_view_over
from app.pipeline.catalogue import CatalogueSnapshot
from app.pipeline.clauses import Clause
from app.pipeline.experiments import CONTROL, Arm
from app.pipeline.heard import HeardScorer
from app.pipeline.history import NO_PAST, Past
from app.pipeline.paging import next_cursor
from app.pipeline.propensities import propensities
from app.pipeline.question import Question, everything
from app.pipeline.rules import Rule
from app.pipeline.run import Listed, listed
from app.pipeline.scenarios import BASKET, CONTENT, SIMILAR, TOGETHER, Scenario
from app.pipeline.silence import why_silent
from app.pipeline.sources import asked_about, queries_of
from app.services.popularity import Counted
from app.telemetry import Metrics, failure

_log = structlog.get_logger(__name__)

NEAREST_SHOWN = 3
SCORE_DIGITS = 6
NOTHING_HEARD: Mapping[int, HeardScorer] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Plan:
    """A request that was found valid, with what it needs to be answered.

    Attributes:
        scorer: The model to ask; None where the scenario asks none, or none is live.
        rules: Those that act in the scenario now, in their order.
        steering_version: What scenario and rules are of.
        fading: How old counts are taken.
        shown: Marks of what earlier pages of the list showed.
        arm: The variant of an experiment that it is made by.
    """

    request: RecommendationRequest
    scenario: Scenario
    clause: Clause | None
    scorer: Scorer | None
    rules: tuple[Rule, ...] = ()
    steering_version: str = ""
    fading: CountsFading = DEFAULT_FADING
    shown: NDArray[np.uint32] | None = None
    arm: Arm | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """What a list is made from, as it could be read.

    Attributes:
        degraded: Why some of it is missing or old; None where all is there.
    """

    catalogue: CatalogueSnapshot
    counted: Counted
    past: Past = NO_PAST
    degraded: str | None = None


class Bench:
    """Keeps the views of the last model and counts, which take a while to build. For one thread at a time."""

    def __init__(self, *, metrics: Metrics) -> None:
        self._metrics = metrics
        self._model: ModelView | None = None
        self._beside: dict[str, ModelView] = {}
        self._beside_as_of = ""
        self._popular: PopularView | None = None

    def answers(self, asks: Sequence[tuple[Plan, Material]]) -> list[Recommendation | Exception]:
        """A list or what went wrong for each; the model is asked once for all of them.

        Where it fails on all of them together it is asked by each alone, so that nobody pays for a neighbour.
        """
        heard = self._heard(asks) if len(asks) > 1 else {}
        return [self._attempt(plan, material, heard) for plan, material in asks]

    def _attempt(
        self, plan: Plan, material: Material, heard: Mapping[int, HeardScorer]
    ) -> Recommendation | Exception:
        try:
            return self.answer(plan, material, heard)
        except Exception as error:  # noqa: BLE001  # raised where its own asker waits
            return error

    def _heard(self, asks: Sequence[tuple[Plan, Material]]) -> dict[int, HeardScorer]:
        """Each model, by its identity, with its answers to what these lists will ask it."""
        queries: dict[int, tuple[Scorer, set[Query]]] = {}
        for plan, material in asks:
            # What an index finds depends on what may be listed: each list asks for itself.
            if plan.scorer is not None and not isinstance(plan.scorer, CandidateScorer):
                _, wanted = queries.setdefault(id(plan.scorer), (plan.scorer, set()))
                wanted.update(queries_of(plan.scenario, plan.request, material.past))
        heard = {}
        for known_as, (scorer, wanted) in queries.items():
            try:
                heard[known_as] = HeardScorer.asked(scorer, sorted(wanted, key=_length))
            except Exception as error:  # noqa: BLE001  # whatever a model's runtime may raise: counted, asked singly
                self._metrics.degraded.labels("model_batch", type(error).__name__).inc()
        return heard

    def answer(
        self, plan: Plan, material: Material, heard: Mapping[int, HeardScorer] = NOTHING_HEARD
    ) -> Recommendation:
        """The list, without an id. A model that fails costs its own places, not the answer."""
        question, made, degraded = self._made(plan, material, heard=heard)
        asked = plan.request.explain
        reasons = [*_reasons(question, made)] if asked else [None] * len(made.sources)
        items = material.catalogue.items
        answer_items = tuple(
            RecommendedItem(
                item_id=items[place].item_id,
                score=round(float(score), SCORE_DIGITS),
                source=source,
                reason=reason,
                item=explain.shown(items[place], plan.request.fields) if plan.request.fields else None,
            )
            for place, score, source, reason in zip(
                made.positions, made.scores, made.sources, reasons, strict=True
            )
        )
        own = made.own + made.pinned
        return Recommendation(
            recommendation_id="",
            scenario=plan.scenario.name,
            variant=CONTROL if plan.arm is None else plan.arm.variant,
            experiment=None if plan.arm is None else plan.arm.experiment,
            model_version=plan.scorer.version if plan.scorer is not None else None,
            served_by=_served_by(own, degraded),
            degraded=degraded is not None,
            reason=degraded or (None if own else why_silent(question)),
            items=answer_items,
            filled=made.filled,
            next_cursor=next_cursor(plan.request, made.positions, material.catalogue),
            propensities=propensities(question, made),
        )

    def explanation(self, plan: Plan, material: Material, item_id: str) -> Explanation:
        """Why the item stands where it does in the whole list, or which stage dropped it."""
        question, made, degraded = self._made(plan, material, whole=True)
        catalogue = material.catalogue
        place = catalogue.position(item_id)
        found = [] if place < 0 else [n for n, other in enumerate(made.positions.tolist()) if other == place]
        shown = made.only(found[0]) if found else None
        stage, rule = (None, None) if shown is not None else why.dropped(question, place, made)
        name = explain.name_of(item_id, catalogue)
        if shown is None:
            text = f"{name} is not shown: {rule}."
        else:
            text = f"{name} stands at place {found[0] + 1:,} of {len(made.positions):,}"
            text += "".join(f": {reason.text}" for reason in _reasons(question, shown)) + "."
        return Explanation(
            user_id=plan.request.subject.user_id or "",
            item_id=item_id,
            eligible=shown is not None,
            rank=found[0] + 1 if found else None,
            score=None if shown is None else round(float(shown.scores[0]), SCORE_DIGITS),
            source=None if shown is None else shown.sources[0],
            model_version=plan.scorer.version if plan.scorer is not None else None,
            nearest=() if shown is None else _nearest(question, shown),
            stage=stage,
            rule=rule,
            degraded=degraded is not None,
            scenario=plan.scenario.name,
            of=len(made.positions),
            steps=() if place < 0 else why.steps(question, place),
            text=text,
        )

    def _made(
        self,
        plan: Plan,
        material: Material,
        *,
        heard: Mapping[int, HeardScorer] = NOTHING_HEARD,
        whole: bool = False,
    ) -> tuple[Question, Listed, str | None]:
        question = self._question(plan, material)
        question = everything(question) if whole else question
        if plan.scorer is None:
            return question, listed(question), material.degraded
        try:
            model = self._bound(plan, plan.scorer, material.catalogue)
            known = heard.get(id(plan.scorer))
            model = model if known is None else replace(model, scorer=known)
            question = replace(question, model=model)
            return question, listed(question), material.degraded
        except Exception as error:  # noqa: BLE001  # whatever a model's runtime may raise: logged, counted, named
            self._metrics.degraded.labels("model", type(error).__name__).inc()
            _log.error("recommend.model_failed", version=plan.scorer.version, **failure(error))
            self._model, self._beside = None, {}
            question = replace(question, model=None)
            return question, listed(question), material.degraded or "model-failed"

    def _bound(self, plan: Plan, scorer: Scorer, catalogue: CatalogueSnapshot) -> ModelView:
        """The model over the catalogue; an experiment's has a view of its own, until steering changes."""
        if plan.steering_version != self._beside_as_of:
            self._beside_as_of, self._beside = plan.steering_version, {}
        version = None if plan.arm is None else plan.arm.model_version
        if version is None:
            self._model = bind(scorer, catalogue, self._model)
            return self._model
        view = self._beside[version] = bind(scorer, catalogue, self._beside.get(version))
        return view

    def _question(self, plan: Plan, material: Material) -> Question:
        counted, catalogue = material.counted, material.catalogue
        known = self._popular
        if known is None or not known.shows(counted.counts, plan.fading):
            known = popular_view(counted.counts, counted.at, plan.fading, catalogue)
        known = popular_view_over(known, catalogue)
        if known.together is not counted.together or known.segments is not counted.segments:
            known = replace(known, together=counted.together, segments=counted.segments)
        self._popular = known
        return Question(
            request=plan.request,
            scenario=plan.scenario,
            catalogue=catalogue,
            popularity=self._popular,
            past=material.past,
            clause=plan.clause,
            rules=plan.rules,
            shown=plan.shown,
        )


def _length(query: Query) -> int:
    return len(query.item_ids)


def _reasons(question: Question, made: Listed) -> list[Reason]:
    about, scenario = _about(question)
    near = explain.anchors(about, made.positions, question.model, question.catalogue)
    segment = question.popularity.segments.first_of(question.request.context.segments())
    return [
        explain.reason_for(
            source,
            _anchor(question, about, made, number, near),
            scenario=scenario,
            past=question.past,
            catalogue=question.catalogue,
            segment=segment,
        )
        for number, source in enumerate(made.sources)
    ]


def _anchor(
    question: Question, about: tuple[str, ...], made: Listed, number: int, near: explain.Anchors
) -> str | None:
    source = made.sources[number]
    if source == TOGETHER:
        item_id = question.catalogue.items[int(made.positions[number])].item_id
        return question.popularity.together.anchor(asked_about(question), item_id)
    # Likeness by description has no vectors to compare: its one anchor is the page's item, or the last met.
    return about[-1] if source == CONTENT else near.nearest(number)


def _about(question: Question) -> tuple[tuple[str, ...], str]:
    """The items that may speak for a place of the list, and the scenario in whose words."""
    context, main = question.request.context, question.scenario.main_source
    if context.basket and main in {BASKET, TOGETHER}:
        return context.basket, "basket"
    if context.item_id is not None and main in {SIMILAR, CONTENT, TOGETHER}:
        return (context.item_id,), "product"
    return tuple(question.past.events), "home"


def _nearest(question: Question, shown: Listed) -> tuple[Neighbour, ...]:
    past, positions = question.past, shown.positions
    near = explain.anchors(tuple(past.events), positions, question.model, question.catalogue)
    return explain.neighbours(near, 0, past, most=NEAREST_SHOWN)


def _served_by(own: int, degraded: str | None) -> ServedBy:
    if not own:
        return ServedBy.FALLBACK
    return ServedBy.MODEL if degraded is None else ServedBy.STALE
