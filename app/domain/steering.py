"""What an administrator has written down, each in numbered versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.types import JsonObject


class DefinitionKind(StrEnum):
    """What a definition defines."""

    SCENARIO = "scenario"
    RULE = "rule"
    SETTING = "setting"
    EXPERIMENT = "experiment"


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of a scenario, a rule, an experiment or a setting; the newest version of a name counts.

    Attributes:
        version: 1 for the first under this name, rising, never given twice.
        body: As JSON; None where this version says that the name is deleted.
        revision: The tenant's counter of such writes when this one was made.
        by: Who wrote it.
    """

    kind: DefinitionKind
    name: str
    version: int
    body: JsonObject | None
    revision: int
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """When models are trained again by themselves; None: not for this reason.

    Attributes:
        every_s: Seconds from one training to the next.
        after_events: New event lines since the last one.
    """

    every_s: float | None = None
    after_events: int | None = None
