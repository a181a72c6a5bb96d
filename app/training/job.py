"""What a child does: read the events, train, judge, publish, register, promote; and say how far it is."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import structlog

from app.domain.errors import (
    DETAILS_LOGGED,
    ArtifactRefusedError,
    ConflictError,
    InvalidInputError,
    RecserveError,
    StorageUnavailableError,
)
from app.domain.ports import (
    ArtifactStore,
    AuditLog,
    Clock,
    EventLog,
    ItemLog,
    JobStore,
    ModelVersionStore,
    Scorer,
    ScorerLoader,
)
from app.domain.types import Job, JobState, JsonObject, ModelVersion, VersionState
from app.domain.weights import EventWeight
from app.telemetry import failure
from app.training import publish
from app.training.build import plan
from app.training.evidence import evidence_of
from app.training.gate import Parity, Verdict, judge
from app.training.progress import FITS
from app.training.run import (
    Progress,
    Rival,
    TrainedVersion,
    TrainingError,
    TrainRequest,
    train,
)

ACTOR = "retraining"
LEFTOVER_MAX_AGE_S = 86_400.0
Report = Callable[[Progress], None]
Overrides = Mapping[str, float | int | str | bool]

_log = structlog.get_logger(__name__)


class ReferenceLoader(Protocol):
    """Opens the trained network itself, for the parity check; None for models that have no network."""

    def __call__(self, folder: Path) -> Scorer | None:
        """The network of a version's folder."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What a retraining needs from outside.

    Attributes:
        weights: Weight and half-life by event type.
        scratch: Folder for what is being made.
        git_commit: For the manifest.
        warm_start: Whether fits start from the live version's weights, ``auto`` or ``never``.
    """

    event_log: EventLog
    item_log: ItemLog
    versions: ModelVersionStore
    artifacts: ArtifactStore
    loader: ScorerLoader
    reference: ReferenceLoader
    audit: AuditLog
    clock: Clock
    weights: Mapping[str, EventWeight]
    scratch: Path
    git_commit: str | None = None
    warm_start: str = "never"


class Retraining:
    """One training from the event log to a registered, perhaps live, version."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def run(
        self,
        *,
        model: str,
        promote: str,
        report: Report,
        overrides: Overrides | None = None,
        events: Path | None = None,
        warm_start: str | None = None,
        by: str = ACTOR,
        job_id: str | None = None,
    ) -> ModelVersion:
        """Train and register; make it live if that is wanted and the gate passed.

        Args:
            model: A registry name.
            promote: ``auto``, ``manual`` or ``never``.
            report: Told how far it is, in the training's thread.
            overrides: Hyper-parameters that differ from the registry's.
            events: A Parquet file or folder to learn from in place of the event log.
            warm_start: ``auto`` starts from the live version's weights where it can, ``never`` from nothing;
                None as it is set.
            by: Who, for the audit log.
            job_id: The job that asked for it.

        Raises:
            InvalidInputError: The model or a hyper-parameter is unknown.
            NotEnoughDataError: Too few events.
            ArtifactRefusedError: What was made does not open.
            StorageUnavailableError: The database is down.
        """
        request = TrainRequest(model=model, overrides=overrides or {}, weights=self._outside.weights)
        _check(request)
        workdir = self._fresh_workdir(job_id)
        try:
            live = await self._outside.versions.live()
            if (warm_start or self._outside.warm_start) == "auto":
                request = replace(request, warm_from=self._live_folder(live))
            trained, verdict = await asyncio.to_thread(self._make, request, live, workdir, report, events)
        finally:
            shutil.rmtree(workdir, ignore_errors=True)
        row = await self._register(trained, verdict, job_id)
        if promote == "auto" and verdict.passed:
            row = await self._promote(row, by=by, replaced=live)
        _log.info("training.ended", version=row.version, state=row.state, gate=verdict.summary)
        return row

    def _fresh_workdir(self, job_id: str | None) -> Path:
        """An empty folder; what killed trainings left a day ago or longer goes."""
        parent = self._outside.scratch / "trainings"
        parent.mkdir(parents=True, exist_ok=True)
        oldest = time.time() - LEFTOVER_MAX_AGE_S
        for left in parent.iterdir():
            if left.stat().st_mtime < oldest:
                shutil.rmtree(left, ignore_errors=True)
        workdir = parent / (job_id or "now")
        shutil.rmtree(workdir, ignore_errors=True)
        workdir.mkdir()
        return workdir

    def _make(
        self,
        request: TrainRequest,
        live: ModelVersion | None,
        workdir: Path,
        report: Report,
        events: Path | None,
    ) -> tuple[TrainedVersion, Verdict]:
        outside = self._outside
        rival = self._rival(live)
        trained = train(
            request,
            outside.event_log.scan() if events is None else events,
            workdir=workdir,
            progress=report,
            clock=outside.clock,
            git_commit=outside.git_commit,
            items=outside.item_log.scan(),
            rivals={} if live is None or rival is None else {"live": Rival(rival, live.window_end)},
        )
        report(Progress("judge", 0.97))
        verdict = judge(evidence_of(trained.metrics, live=live, parity=self._parity(trained)))
        report(Progress("publish", 0.99))
        publish.publish(
            trained.folder,
            model=trained.model,
            version=trained.version,
            artifacts=outside.artifacts,
            loader=outside.loader,
        )
        return trained, verdict

    def _parity(self, trained: TrainedVersion) -> Parity | None:
        reference = self._outside.reference(trained.folder)
        if reference is None:
            return None
        return publish.compare(self._outside.loader.load(trained.folder), reference)

    def _rival(self, live: ModelVersion | None) -> Scorer | None:
        folder = self._live_folder(live)
        try:
            return None if folder is None else self._outside.loader.load(folder)
        except ArtifactRefusedError as refusal:
            _log.warning("training.live_version.refused", version=folder and folder.name, reason=str(refusal))
            return None

    def _live_folder(self, live: ModelVersion | None) -> Path | None:
        if live is None:
            return None
        try:
            return self._outside.artifacts.fetch(model=live.model, version=live.version)
        except ArtifactRefusedError as refusal:
            _log.warning("training.live_version.refused", version=live.version, reason=str(refusal))
            return None

    async def _register(self, trained: TrainedVersion, verdict: Verdict, job_id: str | None) -> ModelVersion:
        row = ModelVersion(
            version=trained.version,
            model=trained.model,
            state=VersionState.CANDIDATE,
            window_start=trained.window_start,
            window_end=trained.window_end,
            event_count=trained.event_count,
            metrics=trained.metrics,
            gate=verdict.to_json(),
            created_at=self._outside.clock.now(),
            job_id=job_id,
        )
        await self._outside.versions.add(row)
        return row

    async def _promote(self, row: ModelVersion, *, by: str, replaced: ModelVersion | None) -> ModelVersion:
        activated = await self._outside.versions.activate(row.version, by=by)
        detail = {"replaced": replaced.version if replaced is not None else None, "job_id": row.job_id}
        await self._outside.audit.write(actor=by, action="model.activate", target=row.version, detail=detail)
        return activated


class JobRun:
    """A retraining on behalf of a row of the queue, which is told how far it is and how it ended.

    Args:
        jobs: The queue.
        retraining: Does the work.
        every_s: Seconds between two writes of the progress.
    """

    def __init__(self, *, jobs: JobStore, retraining: Retraining, every_s: float = 0.5) -> None:
        self._jobs = jobs
        self._retraining = retraining
        self._every_s = every_s

    async def run(self, job_id: str) -> Job:
        """Run a claimed job to its end; whatever goes wrong stands in the row afterwards.

        Raises:
            NotFoundError: There is no such job.
            ConflictError: It does not run.
        """
        job = await self._jobs.get(job_id)
        if job.state is not JobState.RUNNING:
            raise ConflictError("The job is not running; nothing is to be done for it.")
        told = Told(job.detail)
        writer = asyncio.create_task(self._write_progress(job_id, told))
        try:
            row = await self._retraining.run(
                model=job.model,
                promote=job.promote,
                report=told.add,
                overrides=job.detail.get("overrides"),
                events=Path(job.detail["events"]) if "events" in job.detail else None,
                warm_start=job.detail.get("warm_start"),
                by=f"{ACTOR} ({job.trigger})",
                job_id=job_id,
            )
        except Exception as error:  # noqa: BLE001  # the end of the process: every reason is logged and kept
            reason = in_words(error)
            if reason.endswith(f"{DETAILS_LOGGED}."):
                _log.error("training.crashed", **failure(error))
            else:
                _log.warning("training.failed", reason=reason)
            # The stage that it failed in may be younger than the last write.
            await self._write(job_id, told)
            return await self._jobs.finish(job_id, JobState.FAILED, error=reason)
        finally:
            await _ended(writer)
        await self._write(job_id, told, gate=row.gate)
        return await self._jobs.finish(job_id, JobState.SUCCEEDED, version=row.version)

    async def _write_progress(self, job_id: str, told: Told) -> None:
        written = -1
        while True:
            if told.count != written:
                written = told.count
                await self._write(job_id, told)
            await asyncio.sleep(self._every_s)

    async def _write(self, job_id: str, told: Told, **more: JsonObject) -> None:
        latest = told.latest
        if latest is None:
            return
        try:
            await self._jobs.progress(
                job_id,
                stage=latest.stage,
                progress=min(1.0, max(0.0, latest.fraction)),
                seconds_left=latest.seconds_left,
                detail={**told.detail, **more},
            )
        except StorageUnavailableError as error:
            # The next write carries all of it; a database that stays away ends the job by its lease.
            _log.warning("training.progress.not_written", reason=error.slug)


class Told:
    """What the training has said so far; added to in its thread, read in the loop's.

    Args:
        detail: What the row held before, which is kept.
    """

    def __init__(self, detail: JsonObject) -> None:
        self._before = dict(detail)
        self._curves: dict[str, list[float]] = {"loss": [], "val_loss": [], "metric": []}
        self._epoch: tuple[int, int | None] | None = None
        self._message: str | None = None
        self.latest: Progress | None = None
        self.count = 0

    def add(self, progress: Progress) -> None:
        """Take note of a report; figures of an epoch count once."""
        if progress.stage in FITS and (self.latest is None or self.latest.stage != progress.stage):
            # Another fit begins, whose epochs are its own.
            self._epoch = None
        if progress.epoch is not None and (self._epoch is None or progress.epoch != self._epoch[0]):
            self._epoch = (progress.epoch, progress.epochs)
        for name, curve in self._curves.items():
            figure = getattr(progress, name)
            if figure is not None and progress.epoch is not None and len(curve) < progress.epoch:
                curve.append(figure)
        self._message = progress.message or self._message
        self.latest = progress
        self.count += 1

    @property
    def detail(self) -> JsonObject:
        """The live figures as they stand in the row."""
        epoch, epochs = self._epoch or (None, None)
        live = {"epoch": epoch, "epochs": epochs, "message": self._message}
        return {**self._before, **live, **{name: list(curve) for name, curve in self._curves.items()}}


def _check(request: TrainRequest) -> None:
    try:
        plan(request.model, request.overrides)
    except ValueError as error:
        raise InvalidInputError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error


def in_words(error: Exception) -> str:
    """Why a training failed, as a user can read it; a bug gives its type alone."""
    if isinstance(error, TrainingError | RecserveError):
        return str(error)
    if isinstance(error, MemoryError):
        return "The training ran out of memory."
    if isinstance(error, OSError) and error.strerror:
        return f"The training could not use its files: {error.strerror}."
    return f"The training failed with {type(error).__name__}; {DETAILS_LOGGED}."


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
