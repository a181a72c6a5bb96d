"""Experiments as an administrator writes and reads them. Every write is audited and acts on the next list."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from app.domain.errors import (
    ArtifactRefusedError,
    ConflictError,
    FieldError,
    InvalidInputError,
    NotFoundError,
)
from app.domain.ports import AuditLog, Clock, DefinitionStore
from app.domain.steering import Definition, DefinitionKind
from app.domain.types import JsonObject
from app.pipeline.experiments import (
    SLOTS,
    Experiment,
    experiment_of,
    overridden,
    ranges_of,
    slots_for,
)
from app.services.models import ModelRegistry
from app.services.steering import LiveSteering

KIND = DefinitionKind.EXPERIMENT
NO_EXPERIMENT = "There is no such experiment."
FROZEN = ("scenarios", "variants", "salt")
"""What says who meets what: another one while it runs would mix two experiments under one name."""


class ExperimentState(StrEnum):
    """Where an experiment is."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    STOPPED = "stopped"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Standing:
    """An experiment as it stands.

    Attributes:
        missing: Model versions of its variants that this process has not loaded, with the reason if known.
    """

    definition: Definition
    body: JsonObject
    experiment: Experiment
    state: ExperimentState
    missing: tuple[tuple[str, str | None], ...]


class Experiments:
    """Edits experiments.

    Args:
        definitions: The store.
        live: This process's view of it.
        models: Loads the versions that variants ask.
        audit: Every write.
        clock: Wall time.
    """

    def __init__(
        self,
        *,
        definitions: DefinitionStore,
        live: LiveSteering,
        models: ModelRegistry,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._definitions = definitions
        self._live = live
        self._models = models
        self._audit = audit
        self._clock = clock
        self._writing = asyncio.Lock()

    async def all(self) -> list[Standing]:
        """Whatever is written down, over or not; by name."""
        found = [one for one in await self._definitions.current() if one.kind is KIND]
        return [self._standing(one) for one in found]

    async def get(self, name: str) -> Standing:
        """One. Raises `NotFoundError`."""
        found = next((one for one in await self.all() if one.definition.name == name), None)
        if found is None:
            raise NotFoundError(NO_EXPERIMENT)
        return found

    async def versions(self, name: str) -> list[Definition]:
        """What was ever written under the name, newest first. Raises `NotFoundError`."""
        found = await self._definitions.history(KIND, name)
        if not found:
            raise NotFoundError("Nothing was ever written under this name.")
        return found

    async def put(self, name: str, body: JsonObject, *, by: str) -> Standing:
        """Create or replace.

        Raises:
            ConflictError: It runs, and what says who meets what would change.
            InvalidInputError: Its parts do not fit together or into what is there; with pointers.
        """
        experiment = experiment_of(name, body)
        async with self._writing:
            others = {one.definition.name: one for one in await self.all()}
            known = others.pop(name, None)
            self._check_frozen(known, body)
            self._check_scenarios(experiment)
            beside = [
                one.experiment for one in others.values() if not one.experiment.over_at(self._clock.now())
            ]
            slots = self._slots(body["share"], experiment, known, beside)
            if experiment.active:
                await self._open_models(experiment, beside)
            return await self._write(name, body | {"slots": ranges_of(slots)}, by=by, action="written")

    async def stop(self, name: str, *, by: str) -> Standing:
        """Nobody meets its variants any more; its figures stay. Raises `NotFoundError`."""
        async with self._writing:
            known = await self.get(name)
            if not known.experiment.active:
                return known
            return await self._write(name, known.body | {"active": False}, by=by, action="stopped")

    async def delete(self, name: str, *, by: str) -> None:
        """It acts no more and is listed no more. Raises `NotFoundError`."""
        await self._definitions.delete(KIND, name, by=by)
        await self._live.refresh()
        await self._audit.write(actor=by, action=f"{KIND}.deleted", target=name, detail={})

    async def _write(self, name: str, body: JsonObject, *, by: str, action: str) -> Standing:
        made = await self._definitions.put(KIND, name, body, by=by)
        await self._live.refresh()
        detail = {"version": made.version, "body": body}
        await self._audit.write(actor=by, action=f"{KIND}.{action}", target=name, detail=detail)
        return self._standing(made)

    def _standing(self, made: Definition) -> Standing:
        body = made.body or {}
        experiment = experiment_of(made.name, body)
        missing = [one for one in experiment.model_versions if self._models.beside(one) is None]
        return Standing(
            made,
            body,
            experiment,
            self._state(experiment),
            tuple((version, self._models.refused.get(version)) for version in missing),
        )

    def _state(self, experiment: Experiment) -> ExperimentState:
        now = self._clock.now()
        if not experiment.active:
            return ExperimentState.STOPPED
        if experiment.over_at(now):
            return ExperimentState.ENDED
        return ExperimentState.RUNNING if experiment.acts_at(now) else ExperimentState.SCHEDULED

    def _check_frozen(self, known: Standing | None, body: JsonObject) -> None:
        if known is None or known.state is not ExperimentState.RUNNING:
            return
        changed = [part for part in FROZEN if known.body.get(part) != body.get(part)]
        if changed:
            what = " and ".join(changed)
            raise ConflictError(f"The experiment runs: stop it before {what} change, or write another one.")

    def _check_scenarios(self, experiment: Experiment) -> None:
        known = self._live.current.scenarios
        faults = []
        for place, name in enumerate(experiment.scenarios):
            if name not in known:
                reason = "is not one of " + ", ".join(sorted(known))
                faults.append(FieldError(f"/scenarios/{place}", reason))
        if faults:
            raise InvalidInputError("The experiment is not valid.", faults)
        for place, variant in enumerate(experiment.variants):
            for name in experiment.scenarios if variant.overrides else ():
                overridden(known[name], variant.overrides, at=f"/variants/{place}/overrides")
            silent = [name for name in experiment.scenarios if not known[name].asks_model]
            if variant.model_version is not None and len(silent) == len(experiment.scenarios):
                reason = "is asked by no scenario of the experiment"
                fault = FieldError(f"/variants/{place}/model_version", reason)
                raise InvalidInputError("The experiment is not valid.", [fault])

    def _slots(
        self, share: float, experiment: Experiment, known: Standing | None, others: list[Experiment]
    ) -> list[int]:
        meeting = [one for one in others if one.meets(experiment)] if experiment.active else []
        taken = {slot for one in meeting for slot in one.slots}
        held = () if known is None else known.experiment.slots
        slots = slots_for(share, held=held, taken=taken)
        if slots is None:
            names = ", ".join(one.name for one in meeting)
            left = (SLOTS - len(taken)) / SLOTS
            reason = f"is more than the {left:g} that {names} leave on these scenarios"
            raise InvalidInputError("The experiment does not fit.", [FieldError("/share", reason)])
        return slots

    async def _open_models(self, experiment: Experiment, others: list[Experiment]) -> None:
        live = self._models.current
        wanted = {version for one in (experiment, *others) for version in one.model_versions}
        wanted -= {live.version} if live is not None else set()
        for place, variant in enumerate(experiment.variants):
            version = variant.model_version
            if version is None:
                continue
            fault = None
            if len(wanted) > self._models.most_beside:
                most = self._models.most_beside
                fault = f"is one too many: RECSERVE_EXPERIMENT_MODELS lets {most} stand beside the live one"
            else:
                try:
                    await self._models.open_beside(version)
                except NotFoundError:
                    fault = "is not a version there is"
                except ArtifactRefusedError as refusal:
                    fault = f"was refused: {refusal}"
            if fault is not None:
                where = FieldError(f"/variants/{place}/model_version", fault)
                raise InvalidInputError("The model version cannot be asked.", [where])
