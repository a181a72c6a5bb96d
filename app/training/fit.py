"""Step 3: batches through the network until the validation slice says stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.training import batches
from app.training.batches import Batch, Places
from app.training.build import Plan, network
from models.base import Interactions

if TYPE_CHECKING:
    from models.neural import Recommender

Score = Callable[[NDArray[np.int32], NDArray[np.float32]], NDArray[np.float32]]
WARM_UP_STEPS = 200


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


def fit(
    chosen: Plan,
    interactions: Interactions,
    *,
    seed: int,
    epochs: int,
    validate: Validate | None,
    on_epoch: OnEpoch,
    on_step: OnStep = lambda _epoch, _share: None,
) -> tuple[Recommender, History]:
    """Fit a fresh network.

    Args:
        chosen: Architecture and hyper-parameters.
        interactions: The training slice.
        seed: Of weights, dropout, batches, targets and negatives.
        epochs: Passes at most; all of them without `validate`.
        validate: Measures after each epoch. The best epoch's weights are kept, and `patience` epochs without
            a better one end the fit.
        on_epoch: Told after each epoch, with the number of epochs at most.
        on_step: Told often, with the epoch and the share of it that is done.
    """
    recommender, step = _start(chosen, interactions, seed=seed)
    score = compiled_score(recommender)
    feed = Feed(chosen, interactions, bag=recommender.targets == "bag", seed=seed)
    history, best = History(), _Best(patience=int(chosen.training["patience"]))
    for number in range(1, epochs + 1):
        started = time.monotonic()
        loss = _one_epoch(feed, step, partial(on_step, number))
        val_loss, metric = validate(score) if validate is not None else (None, None)
        history.epochs.append(Epoch(number, loss, val_loss, metric, time.monotonic() - started))
        on_epoch(history.epochs[-1], epochs)
        if not history.epochs[-1].is_finite:
            break
        if metric is not None and best.is_over(number, metric, recommender):
            history.stopped_early = True
            break
    best.restore(recommender)
    history.best_epoch = best.epoch or len(history.epochs)
    return recommender, history


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


class Feed:
    """Training batches of one epoch after the other.

    Args:
        chosen: Hyper-parameters.
        interactions: The training slice.
        bag: Whether an example is a bag or a sequence.
        seed: Of every draw.
    """

    def __init__(self, chosen: Plan, interactions: Interactions, *, bag: bool, seed: int) -> None:
        self._training = chosen.training
        self._bag = bag
        self._rng = np.random.default_rng(seed)
        self._steps = 0
        self._places: Places = batches.places_of(interactions)
        self._target_weight = batches.recency(interactions, float(chosen.training["target_half_life_days"]))
        if not bag:
            self._negatives = batches.negatives_of(interactions, count=int(chosen.training["negatives"]))
        length = int(chosen.training["max_length"])
        rows = interactions.n_users if bag else len(batches.windows(self._places, length)[0])
        self.batches_expected = max(1, -(-rows // int(chosen.training["batch_size"])))

    def epoch(self) -> Iterator[Batch]:
        """The batches of one pass, complete with what the loss needs beside them."""
        training = self._training
        sizes = {"max_length": int(training["max_length"]), "batch_size": int(training["batch_size"])}
        if self._bag:
            share = float(training["future_share"])
            rows = batches.bag_batches(
                self._places, self._target_weight, future_share=share, rng=self._rng, **sizes
            )
        else:
            ahead = int(training["look_ahead"])
            rows = batches.sequence_batches(
                self._places, self._target_weight, look_ahead=ahead, rng=self._rng, **sizes
            )
        for batch in rows:
            self._steps += 1
            yield batch | self._beside(len(batch["item_idx"]))

    def _beside(self, rows: int) -> Batch:
        if not self._bag:
            return {"negatives": self._negatives.draw(self._rng), "log_q": self._negatives.log_q}
        beta = float(self._training["beta"]) * min(1.0, self._steps / WARM_UP_STEPS)
        return {"beta": np.full(rows, beta, np.float32)}


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
    chosen: Plan, interactions: Interactions, *, seed: int
) -> tuple[Recommender, Callable[[Batch], float]]:
    from models.neural import compile_trainer  # noqa: PLC0415 (imports Keras)

    recommender = network(chosen, interactions.n_items, seed=seed)
    recommender.start_from(batches.popularity(interactions, float(chosen.training["target_half_life_days"])))
    trainer = compile_trainer(recommender, learning_rate=float(chosen.training["learning_rate"]))

    def step(batch: Batch) -> float:
        return float(trainer.train_on_batch(batch, np.zeros(len(batch["item_idx"]), np.float32)))

    return recommender, step


def _one_epoch(feed: Feed, step: Callable[[Batch], float], on_share: Callable[[float], None]) -> float:
    losses = []
    for number, batch in enumerate(feed.epoch(), start=1):
        losses.append(step(batch))
        on_share(min(1.0, number / feed.batches_expected))
    return float(np.mean(losses)) if losses else 0.0
