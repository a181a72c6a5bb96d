"""Answers about what the lists brought."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from app.api.values import Answer, Timestamp
from app.domain.exposures import Outcome, Takings
from app.domain.intervals import mean_interval, wilson
from app.domain.types import JsonObject
from app.services.online import OnlineFigures

CELL = ("scenario", "experiment", "variant", "model_version")


class EstimateAnswer(Answer):
    """A figure and its 95 % interval; nulls where there is too little to say."""

    value: float | None
    low: float | None
    high: float | None


class RevenueAnswer(Answer):
    """What purchases brought in one currency, refunds taken off."""

    currency: Annotated[str | None, Field(description="Null: of events that gave none.")]
    total: float
    per_session: Annotated[
        EstimateAnswer, Field(description="Over all sessions; the interval by the normal approximation.")
    ]

    @classmethod
    def of(cls, takings: Takings, sessions: int) -> RevenueAnswer:
        """The answer about takings."""
        total = float(takings.total)
        per_session = estimate(total / sessions, mean_interval(total, takings.squares, sessions))
        return cls(currency=takings.currency, total=total, per_session=per_session)


class OutcomeAnswer(Answer):
    """What came of the lists of one scenario, variant and model version."""

    scenario: str
    experiment: Annotated[str | None, Field(description="Null: lists in no experiment.")]
    variant: str
    model_version: Annotated[str | None, Field(description="Null: lists without a model.")]
    impressions: Annotated[int, Field(description="Lists answered.")]
    sessions: Annotated[int, Field(description="Sessions, else people, that they were answered to.")]
    clicks: Annotated[int, Field(description="Lists with a `select_item` or `view_item` that names them.")]
    carts: Annotated[int, Field(description="Lists with an `add_to_cart`.")]
    purchases: Annotated[int, Field(description="Lists with a `purchase`.")]
    ctr: Annotated[EstimateAnswer, Field(description="Clicks by impressions; Wilson's interval.")]
    conversion: Annotated[EstimateAnswer, Field(description="Purchases by impressions; Wilson's interval.")]
    revenue: list[RevenueAnswer]

    @classmethod
    def of(cls, outcome: Outcome) -> OutcomeAnswer:
        """The answer about an outcome."""
        shown = outcome.impressions
        return cls(
            scenario=outcome.cell.scenario,
            experiment=outcome.cell.experiment or None,
            variant=outcome.cell.variant,
            model_version=outcome.cell.model_version or None,
            impressions=shown,
            sessions=outcome.sessions,
            clicks=outcome.clicks,
            carts=outcome.carts,
            purchases=outcome.purchases,
            ctr=estimate(outcome.clicks / shown, wilson(outcome.clicks, shown)),
            conversion=estimate(outcome.purchases / shown, wilson(outcome.purchases, shown)),
            revenue=[RevenueAnswer.of(one, outcome.sessions) for one in outcome.takings],
        )


class OnlineAnswer(Answer):
    """Figures of the lists answered from `since` to before `until`."""

    since: Timestamp
    until: Timestamp
    figures: list[OutcomeAnswer]

    def rows(self) -> Iterator[JsonObject]:
        """One an outcome and figure, for a table."""
        counts = ("impressions", "sessions", "clicks", "carts", "purchases")
        for one in self.figures:
            cell = {name: getattr(one, name) for name in (*CELL, *counts)}
            yield cell | {"figure": "ctr", **one.ctr.model_dump()}
            yield cell | {"figure": "conversion", **one.conversion.model_dump()}
            for taken in one.revenue:
                about = {"figure": "revenue_per_session", "currency": taken.currency}
                yield cell | about | taken.per_session.model_dump()

    @classmethod
    def of(cls, figures: OnlineFigures) -> OnlineAnswer:
        """The answer about figures."""
        outcomes = [OutcomeAnswer.of(outcome) for outcome in figures.outcomes]
        return cls(since=figures.since, until=figures.until, figures=outcomes)


def estimate(value: float, interval: tuple[float, float] | None) -> EstimateAnswer:
    """A figure with its interval, if there is one."""
    low, high = interval or (None, None)
    return EstimateAnswer(value=value, low=low, high=high)
