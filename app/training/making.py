"""How a version comes about, step by step: of one model, or of the recipe that blends several."""

from __future__ import annotations

from functools import partial
from typing import Protocol

import numpy as np

from app.domain.types import JsonObject
from app.evaluation.splits import TimeSplit
from app.training.auto import Auto, explain, fit_auto
from app.training.build import Plan
from app.training.errors import NotEnoughDataError
from app.training.evaluate import cases
from app.training.fit import History
from app.training.fitted import Fitted, find_epochs, fitted_until, numbers_until
from app.training.preprocess import Labelled
from app.training.progress import Progress, Stages
from app.training.task import Task
from app.training.verdict import verdict
from app.training.warm import Warm


class Making(Protocol):
    """A version on its way: choices first, then fits that keep to them."""

    @property
    def history(self) -> History:
        """The curves that say how the choices were made."""

    def until(self, until: float, *, stage: str) -> Fitted:
        """The model on everything before a moment, in days since 1970."""

    def said(self) -> tuple[str, str]:
        """What there is to say of the choices: a code for programs and words for people."""

    def metrics(self) -> JsonObject:
        """What of the choices belongs to the version's figures."""


def making(
    chosen: Plan,
    labelled: Labelled,
    split: TimeSplit,
    stages: Stages,
    *,
    seed: int,
    refits: int,
    warm: Warm | None = None,
) -> Making:
    """Make the choices on the validation slice.

    Args:
        chosen: The model or recipe.
        labelled: The events.
        split: Where the validation slice begins and ends.
        stages: Told how far it is.
        seed: Of every random choice.
        refits: How often `Making.until` will be called.
        warm: What the fits of one network start from, and what takes note of their ends.

    Raises:
        NotEnoughDataError: Nobody can be validated on.
        DivergedError: The loss was not finite.
    """
    if chosen.spec.format == "blend":
        return Blending(chosen, labelled, split, stages, seed=seed, refits=refits)
    return Single(chosen, labelled, split, stages, seed=seed, warm=warm or Warm(chosen, None))


class Single:
    """One model: the number of epochs is chosen."""

    def __init__(
        self, chosen: Plan, labelled: Labelled, split: TimeSplit, stages: Stages, *, seed: int, warm: Warm
    ) -> None:
        chosen = warm.plan
        self.history, self._epochs = find_epochs(chosen, labelled, split, stages, seed=seed, warm=warm)
        self._fit = partial(
            fitted_until, chosen, labelled, epochs=self._epochs, stages=stages, seed=seed, warm=warm
        )
        self._said = verdict(self.history, epochs=int(chosen.training.get("epochs", 0)))

    def until(self, until: float, *, stage: str) -> Fitted:
        """The model on everything before a moment."""
        return self._fit(until, stage=stage)

    def said(self) -> tuple[str, str]:
        """The curves' verdict."""
        return self._said.code, self._said.text

    def metrics(self) -> JsonObject:
        """Epochs and losses."""
        return {"epochs": self._epochs, "losses": [epoch.loss for epoch in self.history.epochs]}


class Blending:
    """The recipe: members, their epochs and weights are chosen."""

    def __init__(
        self,
        chosen: Plan,
        labelled: Labelled,
        split: TimeSplit,
        stages: Stages,
        *,
        seed: int,
        refits: int,
    ) -> None:
        self._labelled, self._stages, self._seed = labelled, stages, seed
        stages.at("fit")
        self._made: Auto = fit_auto(
            task_between(labelled, split.validation_from, split.test_from, max_length=chosen.max_length),
            budget_s=float(chosen.training["budget_s"]),
            seed=seed,
            refits=refits,
            report=lambda share, said: stages.tell(Progress("fit", share, message=said)),
        )

    @property
    def history(self) -> History:
        """The curves of the network that counts most; none where the blend has no network."""
        return curves_of(self._made)

    def until(self, until: float, *, stage: str) -> Fitted:
        """The blend with its members fitted on everything before a moment."""
        self._stages.at(stage)
        numbers = numbers_until(self._labelled, until)
        blend = self._made.refit(
            numbers.interactions,
            seed=self._seed,
            report=lambda share, said: self._stages.tell(Progress(stage, share, message=said)),
        )
        return Fitted(blend.score, numbers, blend=blend)

    def said(self) -> tuple[str, str]:
        """Why the blend is as it is."""
        return "blend", explain.in_words(self._made)

    def metrics(self) -> JsonObject:
        """Members, weights and their figures."""
        return {"epochs": 0, "losses": [], "blend": explain.figures(self._made)}


def curves_of(made: Auto) -> History:
    """The curves of the network with the largest weight, for new and old items together; none without one."""
    counts = (made.mix.new + made.mix.had).mean(axis=0)
    networks = [number for number, member in enumerate(made.members) if member.network is not None]
    return made.members[max(networks, key=counts.__getitem__)].history if networks else History()


def task_between(labelled: Labelled, since: float, until: float, *, max_length: int) -> Task:
    """Everything before a moment to learn from, and who did what from then up to another one.

    Raises:
        NotEnoughDataError: Nobody can be validated on.
    """
    numbers = numbers_until(labelled, since)
    people = cases(
        labelled.before(since),
        labelled.between(since, until),
        numbers.item_ids,
        now=since,
        max_length=max_length,
    )
    known = np.flatnonzero(~people.is_new)
    if not len(known):
        raise NotEnoughDataError("Nobody with a past did anything in the validation slice.")
    return Task(numbers.interactions, people.take(known))
