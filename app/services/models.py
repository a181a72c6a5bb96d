"""The model versions: which one answers, how another takes its place, and what is done with a bad one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Protocol

import structlog

from app.domain.errors import (
    ArtifactRefusedError,
    ConflictError,
    NotFoundError,
    RecserveError,
    StorageUnavailableError,
)
from app.domain.ports import ArtifactStore, AuditLog, ModelVersionStore, Scorer, ScorerLoader
from app.domain.types import ModelVersion, Page, VersionState
from app.telemetry import Metrics

_log = structlog.get_logger(__name__)

PAGE = 50


class MakeLive(Protocol):
    """How a version becomes live in the store."""

    async def __call__(self, version: str, *, by: str) -> ModelVersion:
        """The version's row, live."""


class ModelRegistry:
    """Follows the row that says which version is live, and swaps the scorer in one assignment.

    A request takes `current` once and keeps it, so a swap drops nothing. A version that is refused never
    takes the place of one that works.

    Args:
        versions: The registry's rows.
        artifacts: Where the versions' files are.
        loader: Opens them.
        audit: Who activated what.
        metrics: Counts refusals.
        poll_s: Seconds between two looks at the row.
        retry_s: Seconds after which a refused version is tried again.
        wanted: The versions that experiments ask now; they are loaded beside the live one.
        most_beside: How many of them are kept at most: each takes as much memory as the live one.
    """

    def __init__(
        self,
        *,
        versions: ModelVersionStore,
        artifacts: ArtifactStore,
        loader: ScorerLoader,
        audit: AuditLog,
        metrics: Metrics,
        poll_s: float = 1.0,
        retry_s: float = 60.0,
        wanted: Callable[[], Sequence[str]] = tuple,
        most_beside: int = 0,
    ) -> None:
        self._versions = versions
        self._artifacts = artifacts
        self._loader = loader
        self._audit = audit
        self._metrics = metrics
        self._poll_s = poll_s
        self._retry_s = retry_s
        self._wanted = wanted
        self.most_beside = most_beside
        self._current: Scorer | None = None
        self._beside: dict[str, Scorer] = {}
        self._refused: dict[str, tuple[str, float]] = {}
        self._swapping = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None

    @property
    def current(self) -> Scorer | None:
        """The scorer that answers now; None while there is no version that can."""
        return self._current

    def beside(self, version: str) -> Scorer | None:
        """The scorer of a version that an experiment asks; None while it is not loaded."""
        if self._current is not None and self._current.version == version:
            return self._current
        return self._beside.get(version)

    @property
    def refused(self) -> Mapping[str, str]:
        """Versions that this process refused, and why."""
        return {version: reason for version, (reason, _) in self._refused.items()}

    async def start(self) -> None:
        """Load what is live, or the newest earlier version that can be; then follow the row.

        A database that does not answer leaves the process without a model until it does.
        """
        await self._refresh_or_log()
        self._follower = asyncio.create_task(self._follow(), name="models.follow")

    async def stop(self) -> None:
        """Stop following; the current scorer stays."""
        if self._follower is not None:
            self._follower.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._follower
            self._follower = None

    async def page(self, *, limit: int, cursor: str | None) -> Page[ModelVersion]:
        """Versions, newest first."""
        return await self._versions.page(limit=limit, cursor=cursor)

    async def get(self, version: str) -> ModelVersion:
        """One version. Raises `NotFoundError`."""
        return await self._versions.get(version)

    async def activate(self, version: str, *, by: str) -> ModelVersion:
        """Open the version, make it live, let it answer: in this order, so that a bad one changes nothing.

        Raises:
            NotFoundError: There is no such version.
            ArtifactRefusedError: It must not serve; the row says why from now on.
        """
        return await self._activate(version, self._versions.activate, by=by, action="model.activate")

    async def rollback(self, *, by: str) -> ModelVersion:
        """Bring back the version that was live before; a second call goes one further back.

        Raises:
            ConflictError: There was none.
            ArtifactRefusedError: It can no longer serve.
        """
        previous = await self._versions.previous()
        if previous is None:
            raise ConflictError("No version was live before this one.")
        return await self._activate(previous.version, self._versions.restore, by=by, action="model.rollback")

    async def refresh(self) -> None:
        """Serve what the row says is live, if this process does not yet and has not just refused it."""
        live = await self._versions.live()
        if live is None or self._serves(live) or self._was_just_refused(live):
            return
        async with self._swapping:
            try:
                self._current = await self._open(live)
            except ArtifactRefusedError:
                if self._current is None:
                    await self._fall_back(live)

    async def open_beside(self, version: str) -> None:
        """Load it beside the live one, unless it is there.

        Raises:
            NotFoundError: There is no such version.
            ArtifactRefusedError: It must not serve.
        """
        async with self._swapping:
            if self.beside(version) is None:
                self._beside[version] = await self._open(await self._versions.get(version))
                _log.info("model.opened_beside", version=version)

    @property
    def missing(self) -> tuple[str, ...]:
        """Versions that experiments ask now and that are not loaded."""
        return tuple(version for version in self._wanted() if self.beside(version) is None)

    async def _keep_beside(self) -> None:
        """Exactly those that experiments ask now; a refused one is tried again later."""
        wanted = self._wanted()
        live = None if self._current is None else self._current.version
        # What another release wrote may want more than this process may hold.
        kept = [version for version in wanted if version != live][: self.most_beside]
        self._beside = {version: one for version, one in self._beside.items() if version in kept}
        for version in kept:
            if version in self._beside or self._was_refused_lately(version):
                continue
            try:
                await self.open_beside(version)
            except (ArtifactRefusedError, NotFoundError) as error:
                self._metrics.degraded.labels("experiment", error.slug).inc()

    async def _activate(self, version: str, make_live: MakeLive, *, by: str, action: str) -> ModelVersion:
        async with self._swapping:
            scorer = await self._open(await self._versions.get(version))
            before = await self._versions.live()
            row = await make_live(version, by=by)
            self._current = scorer
        replaced = before.version if before is not None else None
        _log.info("model.activated", version=version, replaced=replaced)
        await self._audit.write(actor=by, action=action, target=version, detail={"replaced": replaced})
        return row

    async def _open(self, row: ModelVersion) -> Scorer:
        """The row's scorer; where it is refused, the refusal is counted and noted before it is raised."""
        try:
            scorer = await asyncio.to_thread(self._load, row.model, row.version)
        except ArtifactRefusedError as refusal:
            await self._note_refusal(row, str(refusal))
            raise
        self._refused.pop(row.version, None)
        return scorer

    def _load(self, model: str, version: str) -> Scorer:
        scorer = self._loader.load(self._artifacts.fetch(model=model, version=version))
        if (scorer.model, scorer.version) != (model, version):
            raise ArtifactRefusedError("The folder holds another version.")
        return scorer

    async def _note_refusal(self, row: ModelVersion, reason: str) -> None:
        self._metrics.models_refused.inc()
        _log.error("model.refused", version=row.version, state=row.state, reason=reason)
        self._refused[row.version] = (reason, monotonic())
        if row.state is VersionState.LIVE:
            return
        try:
            await self._versions.mark(row.version, VersionState.REFUSED, reason)
        except RecserveError as failure:
            # The refusal itself is what the caller must hear of.
            self._metrics.degraded.labels("model_mark", failure.slug).inc()
            _log.warning("model.refusal.not_written", version=row.version, reason=failure.slug)

    async def _fall_back(self, live: ModelVersion) -> None:
        """Serve the newest version that was live once and still opens; the row stays as it is."""
        for row in await self._earlier(live):
            with contextlib.suppress(ArtifactRefusedError):
                self._current = await self._open(row)
                _log.warning("model.fell_back", live=live.version, serving=row.version)
                return
        _log.error("model.none_serves", live=live.version)

    async def _earlier(self, live: ModelVersion) -> list[ModelVersion]:
        rows: list[ModelVersion] = []
        cursor: str | None = None
        while True:
            page = await self._versions.page(limit=PAGE, cursor=cursor)
            rows += [row for row in page.rows if row.state is VersionState.RETIRED]
            cursor = page.next_cursor
            if cursor is None:
                break
        dated = [(row.activated_at, row) for row in rows if row.activated_at and row.version != live.version]
        return [row for _, row in sorted(dated, key=lambda pair: pair[0], reverse=True)]

    def _serves(self, row: ModelVersion) -> bool:
        return self._current is not None and self._current.version == row.version

    def _was_just_refused(self, row: ModelVersion) -> bool:
        return self._was_refused_lately(row.version)

    def _was_refused_lately(self, version: str) -> bool:
        _, at = self._refused.get(version, ("", -self._retry_s))
        return monotonic() - at < self._retry_s

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            await self._refresh_or_log()

    async def _refresh_or_log(self) -> None:
        try:
            await self.refresh()
            await self._keep_beside()
        except StorageUnavailableError:
            self._metrics.degraded.labels("model_poll", "storage-unavailable").inc()
            _log.warning("model.poll_failed", reason="storage-unavailable")
