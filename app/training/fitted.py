"""Fits on slices of time: to find the number of epochs, to be judged, to be shipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.evaluation.protocol import Cases, Score
from app.evaluation.splits import TimeSplit
from app.training.build import Plan, table
from app.training.errors import DivergedError, NotEnoughDataError
from app.training.evaluate import MAX_VALIDATED, cases, sample, validate
from app.training.fit import Epoch, History, compiled_score, fit
from app.training.preprocess import Labelled, Numbered, moment, numbered
from app.training.progress import Progress, Stages
from app.training.warm import Warm
from models.item_item import ItemItem

if TYPE_CHECKING:
    from app.training.auto import Auto
    from models.neural import Recommender


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model that can be asked, and what is behind it."""

    score: Score
    numbers: Numbered
    network: Recommender | None = None
    table: ItemItem | None = None
    blend: Auto | None = None


def find_epochs(
    chosen: Plan,
    labelled: Labelled,
    split: TimeSplit,
    stages: Stages,
    *,
    seed: int,
    warm: Warm | None = None,
) -> tuple[History, int]:
    """Fit before the validation slice and see after how many epochs it is best.

    Args:
        chosen: The model.
        labelled: The events.
        split: Where the validation slice begins and ends.
        stages: Told how far it is.
        seed: Of every random choice.
        warm: What the fit starts from, and what takes note of its end.

    Returns:
        The curves and the number of epochs; none and 0 for a counted table.

    Raises:
        NotEnoughDataError: Nobody can be validated on.
        DivergedError: The loss was not finite.
    """
    if chosen.spec.format == "item_item":
        return History(), 0
    numbers = numbers_until(labelled, split.validation_from)
    people = _validated(labelled, split, numbers, max_length=chosen.max_length, seed=seed)
    epochs = int(chosen.training["epochs"])
    warm = warm or Warm(chosen, None)
    recommender, history = fit(
        chosen,
        numbers.interactions,
        seed=seed,
        epochs=epochs,
        validate=lambda score: validate(score, people),
        on_epoch=lambda epoch, most: stages.tell(_epoch_progress("fit", epoch, most)),
        on_step=lambda epoch, share: stages.tell(_step_progress("fit", epoch, share, epochs)),
        begin=warm.begin("fit", numbers.item_ids, numbers.interactions.attributes),
    )
    warm.keep("fit", recommender, numbers.item_ids)
    _refuse_diverged(history)
    return history, history.best_epoch


def _validated(
    labelled: Labelled, split: TimeSplit, numbers: Numbered, *, max_length: int, seed: int
) -> Cases:
    """Who did what in the validation slice, as many as a choice looks at.

    Raises:
        NotEnoughDataError: Nobody.
    """
    there = cases(
        labelled.before(split.validation_from),
        labelled.between(split.validation_from, split.test_from),
        numbers.item_ids,
        now=split.validation_from,
        max_length=max_length,
    )
    people = sample(there, most=MAX_VALIDATED, seed=seed)
    if not len(people):
        raise NotEnoughDataError("Nobody with a past did anything in the validation slice.")
    return people


def _refuse_diverged(history: History) -> None:
    if not all(epoch.is_finite for epoch in history.epochs):
        raise DivergedError(
            f"The loss was not finite in epoch {len(history.epochs)}: the run diverged. "
            "Lower the learning rate."
        )


def fitted_until(
    chosen: Plan,
    labelled: Labelled,
    until: float,
    epochs: int,
    stages: Stages,
    *,
    stage: str,
    seed: int,
    warm: Warm | None = None,
) -> Fitted:
    """The model on everything before a moment, with a number of epochs that is known.

    Args:
        chosen: The model.
        labelled: The events.
        until: The moment, days since 1970.
        epochs: As `find_epochs` found them.
        stages: Told how far it is.
        stage: Which fit this is.
        seed: Of every random choice.
        warm: What the fit starts from, and what takes note of its end.

    Raises:
        NotEnoughDataError: There is nothing before it.
    """
    stages.at(stage)
    numbers = numbers_until(labelled, until)
    if chosen.spec.format == "item_item":
        counted = table(chosen, numbers.interactions)
        return Fitted(counted.score, numbers, table=counted)
    warm = warm or Warm(chosen, None)
    recommender, _ = fit(
        chosen,
        numbers.interactions,
        seed=seed,
        epochs=epochs,
        validate=None,
        on_epoch=lambda epoch, most: stages.tell(_step_progress(stage, epoch.number, 1.0, most)),
        on_step=lambda epoch, share: stages.tell(_step_progress(stage, epoch, share, epochs)),
        begin=warm.begin(stage, numbers.item_ids, numbers.interactions.attributes),
    )
    warm.keep(stage, recommender, numbers.item_ids)
    return Fitted(compiled_score(recommender), numbers, network=recommender)


def numbers_until(labelled: Labelled, until: float) -> Numbered:
    """Interactions before a moment, numbered.

    Raises:
        NotEnoughDataError: There are none.
    """
    slice_ = labelled.before(until)
    # The catalogue may be younger than the last event; before an earlier cut it was what it was then.
    entered_by = float("inf") if slice_.height == labelled.frame.height else until
    numbers = numbered(slice_, now=until, catalogue=labelled.catalogue, entered_by=entered_by)
    if not len(numbers.interactions):
        raise NotEnoughDataError(f"There is nothing to learn from before {moment(until):%Y-%m-%d %H:%M}.")
    return numbers


def _epoch_progress(stage: str, epoch: Epoch, epochs: int) -> Progress:
    return Progress(
        stage,
        epoch.number / max(epochs, 1),
        epoch=epoch.number,
        epochs=epochs,
        # What is no number has no place in a row or an answer; the error that follows says it.
        loss=epoch.loss if epoch.is_finite else None,
        val_loss=epoch.val_loss if epoch.is_finite else None,
        metric=epoch.metric,
    )


def _step_progress(stage: str, epoch: int, share: float, epochs: int) -> Progress:
    return Progress(stage, (epoch - 1 + share) / max(epochs, 1), epoch=epoch, epochs=epochs)
