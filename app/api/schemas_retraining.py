"""Bodies and answers of the calls about jobs and model versions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.api.values import Answer, Line, Schema, Timestamp
from app.domain.types import Job, JobState, JsonObject, ModelVersion, VersionState


class RetrainBody(Schema):
    """What to train, and what to do with the result."""

    model: Annotated[
        Line | None, Field(description="A model of the registry; the configured one where left out.")
    ] = None
    promote: Annotated[
        Literal["auto", "manual", "never"],
        Field(
            description="`auto`: live at once if it passes the gate. `manual`: kept for someone to activate. "
            "`never`: kept, for comparison."
        ),
    ] = "auto"
    budget_s: Annotated[
        float | None,
        Field(
            ge=1,
            le=86_400,
            description="Seconds that the recipe `auto` may take for all its fits; the configured ones where "
            "left out. Other models have none.",
        ),
    ] = None


class RetrainAnswer(Answer):
    """The queued job."""

    job_id: str


class JobAnswer(Answer):
    """A retraining: what was asked, how far it is, how it ended."""

    job_id: str
    state: JobState
    model: str
    promote: str
    trigger: Annotated[str, Field(description="`api`, `schedule`, `events` or `cli`.")]
    stage: str | None
    progress: Annotated[float, Field(ge=0, le=1, description="Over all stages.")]
    seconds_left: float | None
    detail: Annotated[
        JsonObject, Field(description="Epoch and epochs; the curves `loss`, `val_loss` and `metric` so far.")
    ]
    error: Annotated[str | None, Field(description="Why it failed, in words.")]
    version: Annotated[str | None, Field(description="The model version it made.")]
    cancel_requested: bool
    created_at: Timestamp | None
    started_at: Timestamp | None
    finished_at: Timestamp | None

    @classmethod
    def of(cls, job: Job) -> JobAnswer:
        """The answer about a job."""
        return cls.model_validate({name: getattr(job, name) for name in cls.model_fields})


class JobPage(Answer):
    """Jobs, newest first."""

    jobs: list[JobAnswer]
    next_cursor: str | None


class VersionAnswer(Answer):
    """A model version: where it comes from, how good it is, whether it serves."""

    version: str
    model: str
    state: VersionState
    window_start: Annotated[Timestamp | None, Field(description="When the first event it learned from was.")]
    window_end: Timestamp | None
    event_count: int
    metrics: JsonObject
    gate: Annotated[JsonObject, Field(description="What the gate found, check by check, in words.")]
    reason: Annotated[str | None, Field(description="Why it was refused.")]
    created_at: Timestamp | None
    activated_at: Timestamp | None
    activated_by: Annotated[
        str | None, Field(description="`key:…`, `cli`, or `retraining (…)` with the trigger of its job.")
    ]
    job_id: str | None

    @classmethod
    def of(cls, version: ModelVersion) -> VersionAnswer:
        """The answer about a version."""
        return cls.model_validate({name: getattr(version, name) for name in cls.model_fields})


class VersionPage(Answer):
    """Model versions, newest first."""

    models: list[VersionAnswer]
    next_cursor: str | None
