"""Answers about what an experiment shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from app.api.schemas_online import EstimateAnswer, estimate
from app.api.values import Answer, Timestamp
from app.domain.exposures import Response, Takings
from app.domain.intervals import mean_interval, wilson
from app.domain.significance import Difference, Mean, of_means, of_shares
from app.domain.types import JsonObject
from app.pipeline.experiments import Variant
from app.services.trials import Trial

SHARES = ("clicked", "carted", "bought")


class DifferenceAnswer(Answer):
    """A figure less the control's, with its 95 % interval."""

    value: float
    low: float
    high: float
    p_value: Annotated[
        float, Field(description="Two-sided: how likely so large a difference would be if there were none.")
    ]

    @classmethod
    def of(cls, found: Difference | None) -> DifferenceAnswer | None:
        """The answer about a difference."""
        return None if found is None else cls(**found._asdict())


class ShareAnswer(Answer):
    """People who did something, as a share of all of the variant's."""

    people: int
    share: Annotated[EstimateAnswer | None, Field(description="With Wilson's interval.")]
    against_control: Annotated[
        DifferenceAnswer | None, Field(description="Null of the control itself, and of nobody.")
    ]


class PersonRevenueAnswer(Answer):
    """What purchases brought in one currency, refunds taken off."""

    currency: Annotated[str | None, Field(description="Null: of events that gave none.")]
    total: float
    per_person: Annotated[EstimateAnswer | None, Field(description="Over all people of the variant.")]
    against_control: DifferenceAnswer | None


class VariantAnswer(Answer):
    """What the people of a variant did."""

    variant: str
    weight: float
    people: Annotated[int, Field(description="Different ones that met it.")]
    lists: int
    clicked: ShareAnswer
    carted: ShareAnswer
    bought: ShareAnswer
    revenue: list[PersonRevenueAnswer]


class TrialAnswer(Answer):
    """An experiment's figures by person, over lists answered from `since` to before `until`."""

    experiment: str
    since: Timestamp
    until: Timestamp
    sample_ratio_p_value: Annotated[
        float | None, Field(description="How likely a split as uneven would be by chance (chi-square).")
    ]
    warning: Annotated[str | None, Field(description="What speaks against trusting any of it.")]
    variants: list[VariantAnswer]

    @classmethod
    def of(cls, trial: Trial) -> TrialAnswer:
        """The answer about a trial."""
        control = trial.responses[0]
        pairs = zip(trial.variants, trial.responses, strict=True)
        return cls(
            experiment=trial.name,
            since=trial.since,
            until=trial.until,
            sample_ratio_p_value=trial.ratio_p,
            warning=trial.warning,
            variants=[
                _variant(variant, response, None if response is control else control)
                for variant, response in pairs
            ],
        )

    def rows(self) -> Iterator[JsonObject]:
        """One a variant and figure, for a table."""
        for one in self.variants:
            head = {"variant": one.variant, "weight": one.weight, "people": one.people, "lists": one.lists}
            ratio = {"sample_ratio_p_value": self.sample_ratio_p_value}
            for name in SHARES:
                found: ShareAnswer = getattr(one, name)
                yield head | {"figure": name} | _cells(found.share, found.against_control) | ratio
            for taken in one.revenue:
                about = {"figure": "revenue_per_person", "currency": taken.currency}
                yield head | about | _cells(taken.per_person, taken.against_control) | ratio


def _cells(value: EstimateAnswer | None, against: DifferenceAnswer | None) -> JsonObject:
    cells = {} if value is None else value.model_dump()
    found = {} if against is None else against.model_dump()
    p_value = found.pop("p_value", None)
    return cells | {f"difference_{name}": part for name, part in found.items()} | {"p_value": p_value}


def _variant(variant: Variant, response: Response, control: Response | None) -> VariantAnswer:
    return VariantAnswer(
        variant=variant.name,
        weight=variant.weight,
        people=response.people,
        lists=response.lists,
        **{name: _share(name, response, control) for name in SHARES},
        revenue=[_revenue(taken, response, control) for taken in response.takings],
    )


def _share(name: str, response: Response, control: Response | None) -> ShareAnswer:
    did, people = getattr(response, name), response.people
    against = None if control is None else of_shares(did, people, getattr(control, name), control.people)
    share = estimate(did / people, wilson(did, people)) if people else None
    return ShareAnswer(people=did, share=share, against_control=DifferenceAnswer.of(against))


def _revenue(taken: Takings, response: Response, control: Response | None) -> PersonRevenueAnswer:
    total, people = float(taken.total), response.people
    against = None
    if control is not None:
        nothing = Takings(taken.currency, taken.total * 0, 0.0)
        other = next((one for one in control.takings if one.currency == taken.currency), nothing)
        means = (
            Mean(float(one.total), one.squares, of) for one, of in ((taken, people), (other, control.people))
        )
        against = of_means(*means)
    return PersonRevenueAnswer(
        currency=taken.currency,
        total=total,
        per_person=estimate(total / people, mean_interval(total, taken.squares, people)),
        against_control=DifferenceAnswer.of(against),
    )
