"""Step 3: batches through the network until the validation slice says stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.training import batches
from app.training.build import Plan, network
from app.training.feed import Feed
from app.training.pace import Pace
from app.training.step import Known, Step
from models.base import Interactions, Value

if TYPE_CHECKING:
    from models.neural import Recommender

Score = Callable[[NDArray[np.int32], NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one pass over the events gave.

    Attributes:
        number: From 1.
        loss: Mean over the training batches, dropout on.
        val_loss: On the validation slice; None in a refit, which has none, or where no target is known.
        metric: NDCG@10 there, the mean of both readings.
        seconds: Training and validation.
    """

    number: int
    loss: float
    val_loss: float | None
    metric: float | None
    seconds: float

    @property
    def is_finite(self) -> bool:
        """Whether each loss that there is is a number."""
        return math.isfinite(self.loss) and (self.val_loss is None or math.isfinite(self.val_loss))


@dataclass(slots=True)
class History:
    """All epochs of a fit.

    Attributes:
        best_epoch: The one whose weights were kept.
        stopped_early: Whether the validation metric ended it.
    """

    epochs: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    stopped_early: bool = False

    def to_json(self) -> dict[str, Any]:
        """Curves by name, as `history.json` holds them."""
        return {
            "loss": [epoch.loss for epoch in self.epochs],
            "val_loss": [epoch.val_loss for epoch in self.epochs],
            "ndcg@10": [epoch.metric for epoch in self.epochs],
            "seconds": [round(epoch.seconds, 3) for epoch in self.epochs],
            "best_epoch": self.best_epoch,
            "stopped_early": self.stopped_early,
        }


Validate = Callable[[Score], tuple[float | None, float]]
"""A model's scores to its loss and its NDCG@10 on the validation slice."""
OnEpoch = Callable[[Epoch, int], None]
OnStep = Callable[[int, float], None]
OnShare = Callable[[float], None]
Begin = Callable[["Recommender"], None]


def fit(
    chosen: Plan,
    interactions: Interactions,
    *,
    seed: int,
    epochs: int,
    validate: Validate | None,
    on_epoch: OnEpoch,
    on_step: OnStep = lambda _epoch, _share: None,
    deadline_s: float | None = None,
    begin: Begin | None = None,
) -> tuple[Recommender, History]:
    """Fit a fresh network.

    The learning rate decays over the plan's epochs, also where `epochs` are fewer: a refit with the best
    epoch's number goes the way that the first fit went.

    Args:
        chosen: Architecture and hyper-parameters.
        interactions: The training slice.
        seed: Of weights, dropout, batches, targets and negatives.
        epochs: Passes at most, all of them without `validate`; with it more where they do not reach the
            plan's `least_steps`.
        validate: Measures every `validate_every` epochs and after the last. The best epoch's weights are
            kept, and `patience` epochs without a better one end the fit.
        on_epoch: Told after each epoch, with the number of epochs at most.
        on_step: Told often, with the epoch and the share of it that is done.
        deadline_s: Seconds from now, what it takes to build the network included, after which the fit ends
            at its best epoch. Where the first epochs say that it is too short for all, fewer are planned and
            the learning rate decays over those.
        begin: May give the fresh network other weights to start from, those of an earlier fit.

    Returns:
        The network, which needs nothing but its own weights to be asked, and the curves.
    """
    began = time.monotonic()
    recommender, step = _start(chosen, interactions, seed=seed, begin=begin)
    score = compiled_score(recommender)
    feed = Feed(chosen, interactions, bag=recommender.targets == "bag", seed=seed)
    times = stretch(chosen.training, feed.batches_expected)
    chosen = _stretched(chosen, times)
    epochs = epochs * times if validate is not None else epochs
    history, best = History(), _Best(patience=int(chosen.training["patience"]))
    horizon = max(epochs, int(chosen.training["epochs"]))
    pace = Pace(chosen.training, epochs=epochs, horizon=horizon, deadline_s=deadline_s, began=began)
    every = int(chosen.training.get("validate_every", 1))
    # At least one step: a network that was never fitted has nothing to say.
    while len(history.epochs) < pace.epochs and not (history.epochs and pace.is_late()):
        number, started = len(history.epochs) + 1, time.monotonic()
        loss = _one_epoch(feed, step, pace, number, on_share=partial(on_step, number))
        is_asked = number % every == 0 or number >= pace.epochs or pace.is_late()
        val_loss, metric = validate(score) if validate is not None and is_asked else (None, None)
        epoch = Epoch(number, loss, val_loss, metric, time.monotonic() - started)
        history.epochs.append(epoch)
        pace.look(number)
        on_epoch(epoch, pace.epochs)
        if not epoch.is_finite:
            break
        if metric is not None and best.is_over(number, metric, recommender):
            history.stopped_early = True
            break
    best.restore(recommender)
    history.best_epoch = best.epoch or len(history.epochs)
    return recommender, history


def stretch(training: Mapping[str, Value], batches: int) -> int:
    """How many times the plan's epochs it takes for `least_steps`: where people are few, epochs are short.

    Args:
        training: Of the plan.
        batches: Of an epoch.
    """
    planned = int(training["epochs"]) * batches
    return max(1, -(-int(training.get("least_steps", 0)) // planned))


def _stretched(chosen: Plan, times: int) -> Plan:
    """The plan with so many times its epochs, and all that is counted in them."""
    counted = {name: int(chosen.training.get(name, 1)) for name in ("epochs", "patience", "validate_every")}
    longer = {name: times * number for name, number in counted.items()}
    return replace(chosen, training={**chosen.training, **longer})


def compiled_score(recommender: Recommender) -> Score:
    """The network's scores as one traced function of NumPy arrays."""
    import tensorflow as tf  # noqa: PLC0415 (seconds; only fits need it)

    signature = [tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None, None), tf.float32)]

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def ask(item_idx: Any, weight: Any) -> Any:  # noqa: ANN401 (tensors)
        return recommender({"item_idx": item_idx, "weight": weight}, training=False)

    def score(item_idx: NDArray[np.int32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(ask(item_idx, weight))

    return score


class _Best:
    """The weights of the best epoch so far."""

    def __init__(self, *, patience: int) -> None:
        self._patience = patience
        self._metric = -math.inf
        self._weights: list[NDArray[np.float32]] | None = None
        self.epoch = 0

    def is_over(self, number: int, metric: float, recommender: Recommender) -> bool:
        """Keep the weights if they are better; say whether patience has run out."""
        if metric > self._metric:
            self._metric, self.epoch, self._weights = metric, number, recommender.get_weights()
        return number - self.epoch >= self._patience

    def restore(self, recommender: Recommender) -> None:
        """Put the best weights back, if any were kept."""
        if self._weights is not None:
            recommender.set_weights(self._weights)


def _start(
    chosen: Plan, interactions: Interactions, *, seed: int, begin: Begin | None
) -> tuple[Recommender, Step]:
    recommender = network(chosen, interactions.n_items, seed=seed)
    half_life_days = float(chosen.training["target_half_life_days"])
    recommender.start_from(batches.popularity(interactions, half_life_days))
    if begin is not None:
        begin(recommender)
    known = None
    if recommender.targets == "places":
        _set_criterion(recommender, chosen, interactions.n_items)
        known = _known(chosen, interactions, is_baked=begin is not None)
    decay = float(chosen.training.get("weight_decay", 0.0))
    return recommender, Step(recommender, weight_decay=decay, known=known, seed=seed)


def _set_criterion(recommender: Recommender, chosen: Plan, n_items: int) -> None:
    from models import losses  # noqa: PLC0415 (imports Keras)

    if chosen.training.get("loss", "softmax") == "gbce":
        calibration = float(chosen.training.get("calibration", 0.75))
        recommender.criterion = partial(losses.generalised_bce, n_items=n_items, calibration=calibration)


def _known(chosen: Plan, interactions: Interactions, *, is_baked: bool) -> Known | None:
    attributes = interactions.attributes
    if attributes is None or not len(attributes.indices):
        return None
    has_events = np.bincount(interactions.item, minlength=interactions.n_items + 1) > 0
    return Known(attributes, has_events, float(chosen.training.get("id_dropout", 0.0)), is_baked)


def _one_epoch(feed: Feed, step: Step, pace: Pace, number: int, *, on_share: OnShare) -> float:
    """One pass, or as much of it as there is time for; the mean loss. The network can be asked afterwards."""
    losses, share = list[float](), 0.0
    for batch in feed.epoch():
        losses.append(step(batch, pace.rate(number, share)))
        share = min(1.0, len(losses) / feed.batches_expected)
        on_share(share)
        if pace.is_late():
            break
    step.bake()
    return float(np.mean(losses)) if losses else 0.0
