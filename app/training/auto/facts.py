"""What a task's data look like: the facts that presets are chosen by, never a data set's name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.training.presets import Form
from app.training.task import Task
from models.base import Interactions


@dataclass(frozen=True, slots=True)
class Facts:
    """The shape of a training slice, and of what is asked about it.

    Attributes:
        lines: Interactions.
        people: People with any.
        items: Catalogue size.
        per_person: Lines a person, the mean.
        per_moment: Lines of a person at one moment, the mean: above 1 where people fill baskets.
        span_days: From the first line to the last.
        repeats: Share of lines on an item that the same person had at an earlier line.
        wanted: Items that are asked for at once, the mean: 1 where it is the next one.
        wants_new: Whether items that are new to a person are asked for apart.
        wants_repeats: Whether buying again counts in the question asked.
        has_attributes: Whether anything is known of the items.
    """

    lines: int
    people: int
    items: int
    per_person: float
    per_moment: float
    span_days: float
    repeats: float
    wanted: float
    wants_new: bool
    wants_repeats: bool
    has_attributes: bool

    @property
    def form(self) -> Form:
        """Whose presets fit: those of the form of data that this one is most like."""
        if self.wants_new and self.wants_repeats:
            return "shop"
        if self.wanted > 1.0:
            return "split"
        return "sessions" if self.wants_repeats else "leave-one-out"


def facts_of(task: Task) -> Facts:
    """Look at a task once."""
    data = task.interactions
    people = int(np.count_nonzero(np.bincount(data.user, minlength=1)))
    moments = _moments(data)
    pairs = len(np.unique(data.user * (data.n_items + 1) + data.item))
    return Facts(
        lines=len(data),
        people=people,
        items=data.n_items,
        per_person=len(data) / max(people, 1),
        per_moment=len(data) / max(moments, 1),
        span_days=float(np.ptp(data.time)) if len(data) else 0.0,
        repeats=1.0 - pairs / max(len(data), 1),
        wanted=len(task.validation.targets.values) / max(len(task.validation), 1),
        wants_new="unseen" in task.readings,
        wants_repeats="all" in task.readings,
        has_attributes=data.attributes is not None and len(data.attributes) > 0,
    )


def _moments(data: Interactions) -> int:
    """How many moments of people there are."""
    changed = (np.diff(data.user) != 0) | (np.diff(data.time) != 0)
    return int(changed.sum()) + min(len(data), 1)
