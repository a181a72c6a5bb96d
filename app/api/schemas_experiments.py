"""Bodies and answers of the experiments."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from app.api.schemas_steering import Name, ScenarioBody, SourceBody
from app.api.values import Answer, Line, Schema, Timestamp
from app.domain.types import JsonObject
from app.services.experiments import Standing

EXPERIMENT_EXAMPLE: JsonObject = {
    "scenarios": ["home"],
    "variants": [
        {"name": "control", "weight": 1},
        {"name": "varied", "weight": 1, "overrides": {"diversity": 0.3}},
    ],
    "share": 0.2,
    "starts_at": "2026-11-27T00:00:00Z",
    "ends_at": "2026-12-11T00:00:00Z",
}


class OverridesBody(ScenarioBody):
    """Members of a scenario in place of its own; what is left out is as in the scenario."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"diversity": 0.3}]})

    sources: Annotated[list[SourceBody], Field(min_length=1, max_length=8)] = Field(
        default=[], description="All of them, in place of all of the scenario's."
    )


class VariantBody(Schema):
    """One way to make a list."""

    name: Name
    weight: Annotated[float, Field(gt=0, le=1000)] = Field(
        default=1.0, description="Its part of the people, among the weights of all variants."
    )
    model_version: Line | None = Field(default=None, description="Asked in place of the live one.")
    overrides: OverridesBody | None = None


class ExperimentBody(Schema):
    """An experiment: who meets what, where and when."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXPERIMENT_EXAMPLE]})

    scenarios: Annotated[list[Name], Field(min_length=1, max_length=20)]
    variants: Annotated[list[VariantBody], Field(min_length=2, max_length=8)] = Field(
        description="The first changes nothing: the others are compared with it."
    )
    share: Annotated[float, Field(ge=0.001, le=1)] = Field(
        default=1.0, description="Of all people, in thousandths; the others' lists are as ever."
    )
    salt: Line | None = Field(
        default=None, description="Seeds who meets which variant; the experiment's name if left out."
    )
    active: bool = True
    starts_at: Timestamp | None = None
    ends_at: Timestamp | None = None
    note: Line | None = Field(default=None, description="What it is to show.")

    def to_body(self) -> JsonObject:
        """As it is kept: of the overrides what was given."""
        body = self.model_dump(mode="json")
        for kept, variant in zip(body["variants"], self.variants, strict=True):
            overrides = variant.overrides
            kept["overrides"] = (
                None if overrides is None else overrides.model_dump(mode="json", exclude_unset=True)
            )
        return body


class MissingModelAnswer(Answer):
    """A model version that a variant asks and this process has not loaded."""

    model_version: str
    reason: str | None


class ExperimentAnswer(Answer):
    """An experiment as it stands."""

    name: str
    version: int
    state: Literal["scheduled", "running", "stopped", "ended"]
    changed_at: Timestamp
    changed_by: str
    definition: JsonObject
    missing_models: list[MissingModelAnswer] = Field(
        description="Whoever would meet them meets no experiment until they are loaded."
    )

    @classmethod
    def of(cls, standing: Standing) -> ExperimentAnswer:
        """The answer for one."""
        made = standing.definition
        return cls(
            name=made.name,
            version=made.version,
            state=standing.state.value,
            changed_at=made.at,
            changed_by=made.by,
            definition=given(standing.body),
            missing_models=[
                MissingModelAnswer(model_version=version, reason=reason)
                for version, reason in standing.missing
            ],
        )


class ExperimentsAnswer(Answer):
    """All experiments, by name."""

    experiments: list[ExperimentAnswer]


def given(body: JsonObject) -> JsonObject:
    """What was written, to be written again: without the slots that the service chose."""
    return {name: value for name, value in body.items() if name != "slots"}
