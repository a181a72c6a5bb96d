"""What a model is fitted on and chosen by, wherever it came from: a shop's events or a benchmark's file.

The test part of a protocol is no part of a task, so nothing that fits or chooses can read it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.evaluation.protocol import READINGS, Cases, Reading, Score
from app.training.build import Plan, table
from app.training.evaluate import validate
from app.training.fit import Epoch, History, compiled_score, fit
from models.base import Interactions
from models.item_item import ItemItem

if TYPE_CHECKING:
    from models.neural import Recommender

OnEpoch = Callable[[Epoch, int], None]
OnStep = Callable[[int, float], None]


def _quiet(_epoch: int, _share: float) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True)
class Task:
    """A training slice, and the people of the slice after it.

    Attributes:
        interactions: All that a fit may read.
        validation: All that a choice may read.
        readings: What the metric is the mean of; one of them where the protocol has one question.
        k: Places of the metric, NDCG@k.
    """

    interactions: Interactions
    validation: Cases
    readings: Sequence[Reading] = READINGS
    k: int = 10

    def measure(self, score: Score) -> tuple[float | None, float]:
        """Loss, where a target is known to the model, and NDCG@k on the validation people."""
        return validate(score, self.validation, readings=self.readings, k=self.k)


@dataclass(frozen=True, slots=True)
class Member:
    """A fitted model that can be asked, and what is behind it.

    Attributes:
        chosen: Its hyper-parameters.
        score: Asks it.
        seconds: Of the fit, wall clock, validation included.
        metric: NDCG@k on the task's validation people.
        history: Curves; empty for a counted table.
    """

    chosen: Plan
    score: Score
    seconds: float
    metric: float
    history: History = field(default_factory=History)
    network: Recommender | None = None
    table: ItemItem | None = None

    @property
    def name(self) -> str:
        """The model's name in the registry."""
        return self.chosen.spec.name

    def asked(self, item_idx: NDArray[np.int32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
        """Its scores for the newest places that it reads, as it is asked when it serves.

        Args:
            item_idx: int32 (batch, time), left-padded with 0.
            weight: float32 (batch, time).

        Returns:
            float32 (batch, n + 1).
        """
        newest = slice(-self.chosen.max_length, None)
        return self.score(item_idx[:, newest], weight[:, newest])


def fit_member(
    chosen: Plan,
    task: Task,
    *,
    seed: int,
    on_epoch: OnEpoch = lambda _epoch, _most: None,
    on_step: OnStep = lambda _epoch, _share: None,
    deadline_s: float | None = None,
) -> Member:
    """Fit one model on the training slice; the validation slice says when a network is done.

    Args:
        chosen: The model.
        task: What it reads.
        seed: Of every random choice.
        on_epoch: Told after each epoch, with the number of epochs at most.
        on_step: Told often, with the epoch and the share of it that is done.
        deadline_s: Seconds after which a network's fit ends at its best epoch; a counted table has none.
    """
    started = time.monotonic()
    if chosen.spec.format == "item_item":
        counted = table(chosen, task.interactions)
        _, metric = task.measure(counted.score)
        return Member(chosen, counted.score, time.monotonic() - started, metric, table=counted)
    network, history = fit(
        chosen,
        task.interactions,
        seed=seed,
        epochs=int(chosen.training["epochs"]),
        validate=task.measure,
        on_epoch=on_epoch,
        on_step=on_step,
        deadline_s=deadline_s,
    )
    score = compiled_score(network)
    _, metric = task.measure(score)
    return Member(chosen, score, time.monotonic() - started, metric, history, network=network)


def refit_member(
    member: Member, interactions: Interactions, *, seed: int, on_step: OnStep = _quiet
) -> Member:
    """Fit the same model on other lines, a network for the number of epochs that was found.

    Args:
        member: As it was fitted with a validation slice; its metric and curves are kept.
        interactions: What it learns from now.
        seed: Of every random choice.
        on_step: Told often, with the epoch and the share of it that is done.
    """
    started = time.monotonic()
    if member.network is None:
        counted = table(member.chosen, interactions)
        return replace(member, score=counted.score, seconds=time.monotonic() - started, table=counted)
    network, _ = fit(
        member.chosen,
        interactions,
        seed=seed,
        epochs=member.history.best_epoch,
        validate=None,
        on_epoch=lambda _epoch, _most: None,
        on_step=on_step,
    )
    score = compiled_score(network)
    return replace(member, score=score, seconds=time.monotonic() - started, network=network)
