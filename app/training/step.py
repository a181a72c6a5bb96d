"""Step 3a: one compiled step of Adam. Of the item vectors only the rows that a batch needs are touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.training.batches import Batch
from app.training.feed import Bags
from models.base import Attributes

if TYPE_CHECKING:
    from models.neural import Recommender, SequenceRecommender

Tensor = Any
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the items beside their events.

    Attributes:
        attributes: Of the items.
        has_events: bool (n + 1,), whose own vector is fitted; the others' are made of attributes alone.
        id_dropout: Share of the own vectors that a step leaves out, so that attributes learn to stand alone.
        is_baked: Whether the network's table holds what an earlier fit read, attributes included.
    """

    attributes: Attributes
    has_events: NDArray[np.bool_]
    id_dropout: float = 0.0
    is_baked: bool = False


class Step:
    """Adam on all weights of a network, traced once for every shape of a batch.

    Args:
        recommender: Fitted in place. Ask it only after `bake`.
        weight_decay: Share of each weight matrix that a unit of learning rate takes off.
        known: Of a network that reads sequences: its items' attributes.
        seed: Of the attributes' vectors.

    Source:
        Kingma and Ba, ICLR 2015, arXiv 1412.6980; weight decay apart from the gradient: Loshchilov and
        Hutter, ICLR 2019, arXiv 1711.05101. Deviation: the moments of an item's vector stand still while no
        batch needs it (lazy Adam), so a step costs no more when the catalogue grows.
    """

    def __init__(
        self,
        recommender: Recommender,
        *,
        weight_decay: float = 0.0,
        known: Known | None = None,
        seed: int = 0,
    ) -> None:
        import tensorflow as tf  # noqa: PLC0415 (seconds; only fits need it)

        self._recommender, self._decay, self._steps = recommender, weight_decay, 0
        self._items = (
            _ItemRows(recommender, known=known, seed=seed) if recommender.targets == "places" else None
        )
        own = set() if self._items is None else self._items.own_ids
        self._dense = [
            _Moments(weight.value) for weight in recommender.trainable_weights if id(weight) not in own
        ]
        self._run: Any = None
        self._tf = tf

    def __call__(self, batch: Batch, learning_rate: float) -> float:
        """Take a step; returns the batch's loss."""
        if self._run is None:
            self._run = self._traced(batch)
        self._steps += 1
        # Both moments start at 0: what they lack in the first steps is put on the rate.
        rate = learning_rate * np.sqrt(1 - BETA_2**self._steps) / (1 - BETA_1**self._steps)
        return float(self._run(batch, np.float32(rate), np.float32(learning_rate * self._decay)))

    def bake(self) -> None:
        """Put the items' vectors as they are read, attributes included, into the network's table."""
        if self._items is not None:
            self._items.bake()

    def _traced(self, batch: Batch) -> Any:  # noqa: ANN401 (TensorFlow ships no types)
        tf = self._tf
        signature = {
            name: tf.TensorSpec([None] * column.ndim, column.dtype) for name, column in batch.items()
        }
        number = tf.TensorSpec([], tf.float32)
        return tf.function(self._take, input_signature=[signature, number, number])

    def _take(self, batch: Mapping[str, Tensor], rate: Tensor, decay: Tensor) -> Tensor:
        tf, items = self._tf, self._items
        weights = [moments.weight for moments in self._dense]
        stored = {} if items is None else items.gathered(batch)
        with tf.GradientTape() as tape:
            for column in stored.values():
                tape.watch(column)
            brought = {} if items is None else items.read(batch, stored)
            loss = tf.reduce_mean(self._recommender.example_losses({**batch, **brought}, training=True))
        slopes, of_rows = tape.gradient(loss, (weights, stored))
        for moments, slope in zip(self._dense, slopes, strict=True):
            if slope is not None:
                moments.move(tf.convert_to_tensor(slope), rate, decay)
        if items is not None:
            items.move(batch, stored, of_rows, rate)
        return loss


class _Moments:
    """A weight and Adam's means of its slope and of the slope's square."""

    def __init__(self, weight: Any) -> None:  # noqa: ANN401
        import tensorflow as tf  # noqa: PLC0415

        self._tf = tf
        self.weight = weight
        self._mean, self._square = (
            tf.Variable(tf.zeros_like(weight), trainable=False, name=name) for name in ("mean", "square")
        )

    def move(self, slope: Tensor, rate: Tensor, decay: Tensor) -> None:
        """Move the whole weight."""
        if len(self.weight.shape) > 1:
            self.weight.assign_sub(decay * self.weight)
        self._tf.raw_ops.ResourceApplyAdam(
            var=self.weight.handle,
            m=self._mean.handle,
            v=self._square.handle,
            # The rate is corrected already.
            beta1_power=0.0,
            beta2_power=0.0,
            lr=rate,
            beta1=BETA_1,
            beta2=BETA_2,
            epsilon=EPSILON,
            grad=slope,
        )

    def move_rows(self, rows: Tensor, stored: Tensor, slope: Tensor, rate: Tensor) -> None:
        """Move some rows, each named once, whose values are `stored`."""
        tf = self._tf
        mean = BETA_1 * tf.gather(self._mean, rows) + (1 - BETA_1) * slope
        square = BETA_2 * tf.gather(self._square, rows) + (1 - BETA_2) * tf.square(slope)
        moved = stored - rate * mean / (tf.sqrt(square) + EPSILON)
        for variable, values in ((self._mean, mean), (self._square, square), (self.weight, moved)):
            variable.scatter_update(tf.IndexedSlices(values, rows))


class _ItemRows:
    """The item table in the making: own vectors, biases, attribute vectors. A step needs few rows of each."""

    def __init__(self, recommender: SequenceRecommender, *, known: Known | None, seed: int) -> None:
        import tensorflow as tf  # noqa: PLC0415

        self._tf, self._recommender, self._known = tf, recommender, known
        items = recommender.items
        self.own_ids = {id(items.vectors), id(items.bias)}
        # A table of its own: the network's holds what is read.
        self._own = _Moments(tf.Variable(items.vectors.value, trainable=False))
        self._bias = _Moments(items.bias.value)
        self._rng = tf.random.Generator.from_seed(seed)
        if known is not None:
            size = (len(known.attributes), int(items.vectors.shape[1]))
            spread = recommender.embedding_size**-0.5
            normal = np.random.default_rng(seed).normal(0.0, spread, size).astype(np.float32)
            self._attribute = _Moments(tf.Variable(normal, trainable=False))
            if known.is_baked:
                self._part(known)

    def gathered(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The rows that the batch needs, as they are stored."""
        tf = self._tf
        stored = {
            "own": tf.gather(self._own.weight, batch["rows"]),
            "biases": tf.gather(self._bias.weight, batch["rows"]),
        }
        if self._known is not None:
            stored["attribute"] = tf.gather(self._attribute.weight, batch["attribute_rows"])
        return stored

    def read(self, batch: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The batch's item vectors and biases."""
        tf, vectors = self._tf, stored["own"]
        if self._known is not None:
            if self._known.id_dropout > 0.0:
                kept = self._rng.uniform((tf.shape(vectors)[0], 1)) >= self._known.id_dropout
                vectors *= tf.cast(kept, tf.float32)
            vectors += self._sums(batch, stored["attribute"], tf.shape(vectors)[0])
        return {"vectors": self._recommender.read_vectors(vectors), "biases": stored["biases"]}

    def _sums(self, batch: Mapping[str, Tensor], attribute: Tensor, count: Tensor) -> Tensor:
        tf = self._tf
        each = tf.gather(attribute, batch["attribute_idx"]) * batch["attribute_share"][:, None]
        return tf.math.unsorted_segment_sum(each, batch["attribute_of"], count)

    def move(
        self,
        batch: Mapping[str, Tensor],
        stored: Mapping[str, Tensor],
        slopes: Mapping[str, Tensor],
        rate: Tensor,
    ) -> None:
        """Move the rows that the batch needed."""
        of_rows = {"own": (self._own, "rows"), "biases": (self._bias, "rows")}
        if self._known is not None:
            of_rows["attribute"] = (self._attribute, "attribute_rows")
        for name, (moments, rows) in of_rows.items():
            slope = self._tf.convert_to_tensor(slopes[name])
            moments.move_rows(batch[rows], stored[name], slope, rate)

    def _part(self, known: Known) -> None:
        """Part what is read into attributes' vectors, the means of their items', and what is left as own.

        An item with events is then read as before, and one without by its attributes' means.
        """
        tf, vectors = self._tf, self._own.weight.value()
        batch = Bags(known.attributes).of(np.arange(len(known.has_events), dtype=np.int32))
        counts = known.has_events[batch["attribute_of"]].astype(np.float32)[:, None]
        rows, places = len(batch["attribute_rows"]), batch["attribute_idx"]
        total = tf.math.unsorted_segment_sum(tf.gather(vectors, batch["attribute_of"]) * counts, places, rows)
        means = total / tf.maximum(tf.math.unsorted_segment_sum(counts, places, rows), 1.0)
        self._attribute.weight.scatter_update(tf.IndexedSlices(means, batch["attribute_rows"]))
        self._own.weight.assign(vectors - self._sums(batch, means, len(known.has_events)))

    def bake(self) -> None:
        """Put the vectors as they are read into the network's table."""
        tf, vectors = self._tf, self._own.weight.value()
        if self._known is not None:
            every = np.arange(len(self._known.has_events), dtype=np.int32)
            batch = Bags(self._known.attributes).of(every)
            attribute = tf.gather(self._attribute.weight, batch["attribute_rows"])
            vectors *= tf.constant(self._known.has_events[:, None].astype(np.float32))
            vectors += self._sums(batch, attribute, len(every))
        self._recommender.items.vectors.assign(self._recommender.read_vectors(vectors))
