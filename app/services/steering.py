"""What an administrator wrote, as this process knows it: read again within a second of any write."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from app.domain.errors import InvalidInputError, StorageUnavailableError
from app.domain.fading import DEFAULT_FADING, CountsFading, Fading
from app.domain.ports import Clock, DefinitionStore
from app.domain.steering import Definition, DefinitionKind, Schedule
from app.domain.types import JsonObject
from app.domain.weights import EventWeight
from app.pipeline.experiments import Experiment, experiment_of, splits_of
from app.pipeline.rules import Rule, rule_of
from app.pipeline.scenarios import SCENARIOS, Scenario, scenario_of
from app.pipeline.steering import Steering
from app.telemetry import Metrics, failure

_log = structlog.get_logger(__name__)

EVENT_WEIGHTS, FADING, SCHEDULE = "event-weights", "popularity", "schedule"


def weights_in(body: JsonObject) -> dict[str, EventWeight]:
    """The weights that a setting names, by event."""
    return {name: EventWeight(one["weight"], one["half_life_days"]) for name, one in body.items()}


def fading_in(body: JsonObject, base: CountsFading) -> CountsFading:
    """The fading that a setting describes; what it leaves out is as configured."""
    popular, trending = body.get("popular"), body.get("trending")
    return CountsFading(
        popular=base.popular if popular is None else Fading(**popular),
        trending=base.trending if trending is None else Fading(**trending),
    )


async def weights_over(
    base: Mapping[str, EventWeight], definitions: DefinitionStore
) -> dict[str, EventWeight]:
    """The weights in force, for what reads them once. Raises `StorageUnavailableError`."""
    return {**base, **weights_in(await _setting(EVENT_WEIGHTS, definitions) or {})}


async def schedule_over(base: Schedule, definitions: DefinitionStore) -> Schedule:
    """The schedule in force: the one written, else the configured one. Raises `StorageUnavailableError`."""
    written = await _setting(SCHEDULE, definitions)
    return base if written is None else Schedule(written["every_s"], written["after_events"])


async def _setting(name: str, definitions: DefinitionStore) -> JsonObject | None:
    found = await definitions.current()
    kind = DefinitionKind.SETTING
    return next((one.body for one in found if (one.kind, one.name) == (kind, name)), None)


@dataclass(frozen=True, slots=True)
class _Known:
    """Everything written down, rules of other times included."""

    revision: int
    scenarios: Mapping[str, Scenario]
    rules: tuple[Rule, ...]
    weights: Mapping[str, EventWeight]
    fading: CountsFading
    experiments: tuple[Experiment, ...] = ()
    boundaries: tuple[datetime, ...] = field(default=())


class LiveWeights(Mapping[str, EventWeight]):
    """The weights in force, whenever it is asked."""

    def __init__(self, steering: LiveSteering) -> None:
        self._steering = steering

    def __getitem__(self, name: str) -> EventWeight:
        return self._steering.current.weights[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._steering.current.weights)

    def __len__(self) -> int:
        return len(self._steering.current.weights)


class LiveSteering:
    """What is in force, followed by its revision.

    Args:
        definitions: The store.
        clock: Wall time, for the rules' schedules.
        weights: Of events that no setting names.
        fading: Of counts, where no setting says it.
        metrics: Counts failures.
        poll_s: Seconds between two looks for another process's writes.
    """

    def __init__(
        self,
        *,
        definitions: DefinitionStore,
        clock: Clock,
        weights: Mapping[str, EventWeight],
        metrics: Metrics,
        fading: CountsFading = DEFAULT_FADING,
        poll_s: float = 1.0,
    ) -> None:
        self._definitions = definitions
        self._clock = clock
        self._base_weights = weights
        self._base_fading = fading
        self._metrics = metrics
        self._poll_s = poll_s
        self._known = _Known(0, SCENARIOS, (), weights, fading)
        self._now = Steering("0", SCENARIOS, (), weights, fading)
        self._until: datetime | None = None
        self._turn = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None
        self.weights: Mapping[str, EventWeight] = LiveWeights(self)

    @property
    def current(self) -> Steering:
        """What is in force at this moment."""
        if self._until is not None and self._clock.now() >= self._until:
            self._set(self._known)
        return self._now

    async def refresh(self) -> None:
        """Read again what changed. Raises `StorageUnavailableError`."""
        async with self._turn:
            revision = await self._definitions.revision()
            if revision != self._known.revision:
                found = await self._definitions.current()
                # What was written between the two reads is read once more at the next look.
                self._set(self._read(found, revision))

    def follow(self) -> None:
        """Start looking by itself."""
        self._follower = asyncio.create_task(self._follow(), name="steering.follow")

    async def stop(self) -> None:
        """Stop looking."""
        if self._follower is not None:
            self._follower.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._follower
            self._follower = None

    def _read(self, found: Sequence[Definition], revision: int) -> _Known:
        scenarios, rules, weights = dict(SCENARIOS), [], dict(self._base_weights)
        fading = self._base_fading
        experiments: list[Experiment] = []
        for one in found:
            body = one.body or {}
            try:
                if one.kind is DefinitionKind.SCENARIO:
                    scenarios[one.name] = scenario_of(one.name, body, version=one.version)
                elif one.kind is DefinitionKind.RULE:
                    rules.append(rule_of(one.name, body))
                elif one.kind is DefinitionKind.EXPERIMENT:
                    experiments.append(experiment_of(one.name, body))
                elif one.name == EVENT_WEIGHTS:
                    weights |= weights_in(body)
                elif one.name == FADING:
                    fading = fading_in(body, self._base_fading)
            except Exception as error:  # noqa: BLE001  # a newer release's definition: logged, counted, passed over
                self._unreadable(one.kind, error)
        spans = [(one.starts_at, one.ends_at) for one in rules]
        spans += [(one.starts_at, one.ends_at) for one in experiments]
        moments = tuple(sorted({moment for span in spans for moment in span if moment is not None}))
        return _Known(revision, scenarios, tuple(rules), weights, fading, tuple(experiments), moments)

    def _unreadable(self, kind: DefinitionKind, error: Exception) -> None:
        self._metrics.degraded.labels("steering", "unreadable").inc()
        _log.error("steering.definition_unreadable", kind=str(kind), **failure(error))

    def _set(self, known: _Known) -> None:
        now = self._clock.now()
        passed = [moment for moment in known.boundaries if moment <= now]
        fitting = self._fitting([one for one in known.experiments if one.acts_at(now)], known.scenarios)
        self._known = known
        self._until = next((moment for moment in known.boundaries if moment > now), None)
        self._now = Steering(
            # The same in every process that knows the same at the same time.
            version=f"{known.revision}@{passed[-1].isoformat()}" if passed else str(known.revision),
            scenarios=known.scenarios,
            rules=tuple(rule for rule in known.rules if rule.acts_at(now)),
            weights=known.weights,
            fading=known.fading,
            splits=splits_of(fitting, known.scenarios),
            model_versions=tuple(sorted({version for one in fitting for version in one.model_versions})),
        )

    def _fitting(
        self, experiments: Sequence[Experiment], scenarios: Mapping[str, Scenario]
    ) -> list[Experiment]:
        """Those that still fit their scenarios, which were edited since perhaps; the others rest."""
        fitting = []
        for one in experiments:
            try:
                splits_of([one], scenarios)
                fitting.append(one)
            except InvalidInputError as error:
                self._unreadable(DefinitionKind.EXPERIMENT, error)
        return fitting

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            try:
                await self.refresh()
            except StorageUnavailableError:
                self._metrics.degraded.labels("steering", "storage-unavailable").inc()
                _log.warning("steering.poll_failed", reason="storage-unavailable")
            except Exception as error:  # noqa: BLE001  # the follower outlives any bug: logged, counted
                self._metrics.degraded.labels("steering", type(error).__name__).inc()
                _log.error("steering.poll_crashed", **failure(error))
