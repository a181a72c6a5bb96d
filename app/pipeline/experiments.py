"""Experiments: which people meet which variant of a scenario.

A person has one of 1,000 slots, the same in every experiment. Experiments that meet on a scenario hold
different slots, so nobody is in two of them there. Within one, a draw under its own salt picks the variant.
Both draws are digests of the person's id: the same in every process, and nothing is kept.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import accumulate

from app.domain.errors import FieldError, InvalidInputError
from app.domain.types import JsonObject, Subject
from app.pipeline.scenarios import Scenario, body_of, scenario_of

SLOTS = 1000
CONTROL = "control"
"""The variant of a list that is in no experiment."""
_LINE = b"recserve-slots\x00"
_WHOLE = 1 << 64


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to make a list.

    Attributes:
        weight: Its part of the experiment's people, among the weights of all variants.
        model_version: Asked in place of the live one.
        overrides: Members of a scenario's definition, in place of the scenario's own.
    """

    name: str
    weight: float
    model_version: str | None = None
    overrides: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment as it is defined; its first variant is what the others are compared with.

    Attributes:
        scenarios: Where it acts.
        slots: Whose people take part.
        salt: Seeds the draw of the variant.
        starts_at: It acts from then on, if given.
        ends_at: It acts before then, if given.
    """

    name: str
    scenarios: tuple[str, ...]
    variants: tuple[Variant, ...]
    slots: tuple[int, ...]
    salt: str
    active: bool = True
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def acts_at(self, now: datetime) -> bool:
        """Whether it is switched on and its time has come and not passed."""
        begun = self.starts_at is None or self.starts_at <= now
        return begun and not self.over_at(now)

    def over_at(self, now: datetime) -> bool:
        """Whether it was stopped or its time has passed."""
        return not self.active or (self.ends_at is not None and self.ends_at <= now)

    def meets(self, other: Experiment) -> bool:
        """Whether both may act on one list."""
        before = self.ends_at is not None and other.starts_at is not None and self.ends_at <= other.starts_at
        after = other.ends_at is not None and self.starts_at is not None and other.ends_at <= self.starts_at
        return not before and not after and not set(self.scenarios).isdisjoint(other.scenarios)

    @property
    def model_versions(self) -> tuple[str, ...]:
        """What its variants ask beside the live model."""
        return tuple(one.model_version for one in self.variants if one.model_version is not None)


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """A variant of a running experiment, ready to make lists.

    Attributes:
        scenarios: The pipelines it has other than usual.
    """

    experiment: str
    variant: str
    model_version: str | None
    scenarios: Mapping[str, Scenario]

    @property
    def named(self) -> tuple[str, str]:
        """Experiment and variant."""
        return self.experiment, self.variant


@dataclass(frozen=True, slots=True, eq=False)
class _Running:
    key: bytes
    bounds: tuple[int, ...]
    arms: tuple[Arm, ...]

    def arm_of(self, unit: bytes) -> Arm:
        return self.arms[bisect_right(self.bounds, _draw(self.key + unit))]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The experiments on one scenario, by slot."""

    owners: tuple[_Running | None, ...]

    def arm_of(self, subject: Subject) -> Arm | None:
        """The variant this person meets; None: none of any experiment, as for people without an id."""
        unit = unit_of(subject)
        if unit is None:
            return None
        owner = self.owners[_draw(_LINE + unit) * SLOTS // _WHOLE]
        return None if owner is None else owner.arm_of(unit)


def unit_of(subject: Subject) -> bytes | None:
    """Whose lists are the same throughout: the user, else the session, else the browser."""
    if subject.user_id is not None:
        return b"user:" + subject.user_id.encode("utf-8", "surrogatepass")
    if subject.session_id is not None:
        return b"session:" + subject.session_id.encode("utf-8", "surrogatepass")
    if subject.anonymous_id is not None:
        return b"anonymous:" + subject.anonymous_id.encode("utf-8", "surrogatepass")
    return None


def _draw(text: bytes) -> int:
    """Even over 64 bits."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def splits_of(experiments: Iterable[Experiment], scenarios: Mapping[str, Scenario]) -> dict[str, Split]:
    """The running experiments by scenario.

    Where two hold one slot, as two writes at one moment might bring about, the first by name has it: nobody
    is in two, and every process says the same.

    Raises:
        InvalidInputError: A variant does not fit a scenario.
    """
    owners: dict[str, list[_Running | None]] = {}
    for experiment in sorted(experiments, key=lambda one: one.name):
        running = _running(experiment, scenarios)
        for name in experiment.scenarios:
            line = owners.setdefault(name, [None] * SLOTS)
            for slot in experiment.slots:
                line[slot] = line[slot] or running
    return {name: Split(tuple(line)) for name, line in owners.items()}


def _running(experiment: Experiment, scenarios: Mapping[str, Scenario]) -> _Running:
    weights = [variant.weight for variant in experiment.variants]
    shares = [upto / sum(weights) for upto in accumulate(weights)]
    return _Running(
        key=experiment.salt.encode() + b"\x00",
        bounds=tuple(int(share * _WHOLE) for share in shares[:-1]),
        arms=tuple(
            Arm(
                experiment.name,
                variant.name,
                variant.model_version,
                {
                    name: overridden(scenarios[name], variant.overrides)
                    for name in (experiment.scenarios if variant.overrides else ())
                    if name in scenarios
                },
            )
            for variant in experiment.variants
        ),
    )


def overridden(scenario: Scenario, overrides: JsonObject, *, at: str = "") -> Scenario:
    """The scenario with other members.

    Raises:
        InvalidInputError: They do not fit together, or it would need of a request what it does not need now.
    """
    made = scenario_of(scenario.name, body_of(scenario) | overrides, version=scenario.version, at=at)
    if "filter" not in overrides:
        # A definition has it as it was written, a scenario as it was read.
        made = replace(made, clause=scenario.clause)
    if (made.needs_item, made.needs_list) != (scenario.needs_item, scenario.needs_list):
        reason = f"need more or less of a request than the scenario {scenario.name} does"
        raise InvalidInputError("The variant does not fit.", [FieldError(f"{at}/sources", reason)])
    return made


def experiment_of(name: str, body: JsonObject) -> Experiment:
    """The experiment that a definition describes.

    Raises:
        InvalidInputError: Its parts do not fit together; with pointers.
    """
    faults = [FieldError(pointer, reason) for pointer, reason in _faults(body)]
    if faults:
        raise InvalidInputError("The experiment is not valid.", faults)
    return Experiment(
        name=name,
        scenarios=tuple(body["scenarios"]),
        variants=tuple(
            Variant(one["name"], one.get("weight", 1.0), one.get("model_version"), one.get("overrides") or {})
            for one in body["variants"]
        ),
        slots=tuple(slot for first, end in body.get("slots", ()) for slot in range(first, end)),
        salt=body.get("salt") or name,
        active=body.get("active", True),
        starts_at=_moment(body.get("starts_at")),
        ends_at=_moment(body.get("ends_at")),
    )


def _faults(body: JsonObject) -> Iterable[tuple[str, str]]:
    variants = body["variants"]
    first = variants[0]
    if first.get("model_version") is not None or first.get("overrides"):
        yield "/variants/0", "is what the others are compared with, and changes nothing"
    for place, variant in enumerate(variants):
        if variant["name"] in {one["name"] for one in variants[:place]}:
            yield f"/variants/{place}/name", "stands there twice"
        if place and variant.get("model_version") is None and not variant.get("overrides"):
            yield f"/variants/{place}", "needs a model_version or overrides"
    for place, scenario in enumerate(body["scenarios"]):
        if scenario in body["scenarios"][:place]:
            yield f"/scenarios/{place}", "stands there twice"
    starts_at, ends_at = _moment(body.get("starts_at")), _moment(body.get("ends_at"))
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        yield "/ends_at", "must be after starts_at"


def _moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def slots_for(share: float, *, held: Collection[int], taken: Collection[int]) -> list[int] | None:
    """Slots of a share of all people, those held first, then free ones; None: there are too few."""
    wanted = max(1, round(share * SLOTS))
    kept = [slot for slot in sorted(held) if slot not in taken]
    free = [slot for slot in range(SLOTS) if slot not in taken and slot not in held]
    found = [*kept, *free][:wanted]
    return sorted(found) if len(found) == wanted else None


def ranges_of(slots: Sequence[int]) -> list[list[int]]:
    """Rising slots as [first, end) ranges.

    >>> ranges_of([0, 1, 2, 7])
    [[0, 3], [7, 8]]
    """
    found: list[list[int]] = []
    for slot in slots:
        if found and found[-1][1] == slot:
            found[-1][1] = slot + 1
        else:
            found.append([slot, slot + 1])
    return found
