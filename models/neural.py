"""What all networks share: the inputs, the scores, and how they are fitted and exported."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from models import losses
from models.layers import ItemTable

Tensor = Any
Batch = dict[str, Any]


class Recommender(keras.Model):
    """A network that scores every item for a history.

    Inputs are a dict: `item_idx` int32 (batch, time), oldest first, left-padded with 0, and `weight` float32
    (batch, time), the label of each place times its decay, 0 where padded. Outputs are `scores` float32
    (batch, n + 1) whose column 0 is large and negative.

    Args:
        n_items: Items, padding not counted.

    Attributes:
        targets: Whether a training example has a target at each place (``places``) or a bag (``bag``).
    """

    targets: ClassVar[Literal["places", "bag"]]

    def __init__(self, n_items: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.n_items = n_items

    def start_from(self, popularity: NDArray[np.float32]) -> None:
        """Begin the fit at the items' popularity.

        Args:
            popularity: float32 (n + 1,).
        """
        raise NotImplementedError

    def example_losses(self, batch: Batch, *, training: bool) -> Tensor:
        """The loss of each example of a training batch.

        Returns:
            float32 (batch,).
        """
        raise NotImplementedError

    def vectors(self) -> NDArray[np.float32]:
        """Item vectors, float32 (n + 1, d), row 0 zero."""
        raise NotImplementedError

    def build_from_config(self, _: object) -> None:
        """Make the weights when Keras loads a saved network: ask an empty history once."""
        build_weights(self)


class SequenceRecommender(Recommender):
    """A network that reads a history in order and predicts, at each place, what comes after it.

    Args:
        n_items: Items, padding not counted.
        embedding_size: Width d of the item vectors.
        dropout: Share of the item vectors' entries that a training step sets to zero.
    """

    targets = "places"

    def __init__(self, n_items: int, *, embedding_size: int, dropout: float, **kwargs: object) -> None:
        super().__init__(n_items, **kwargs)
        self.embedding_size, self.dropout_rate = embedding_size, dropout
        self.items = ItemTable(n_items, embedding_size, name="items")
        self.drop = keras.layers.Dropout(dropout)

    def encode(self, vectors: Tensor, there: Tensor, *, training: bool | None) -> Tensor:
        """Read the history.

        Args:
            vectors: float32 (batch, time, d), zero where padded.
            there: bool (batch, time).
            training: Whether dropout acts.

        Returns:
            float32 (batch, time, d); a place depends on itself and earlier ones.
        """
        raise NotImplementedError

    def hidden(self, inputs: Batch, *, training: bool | None) -> Tensor:
        """The state after each place, float32 (batch, time, d)."""
        there = ops.logical_and(ops.not_equal(inputs["item_idx"], 0), ops.greater(inputs["weight"], 0.0))
        vectors = self.items(inputs["item_idx"]) * ops.expand_dims(ops.cast(there, "float32"), -1)
        return self.encode(self.drop(vectors, training=training), there, training=training)

    def call(self, inputs: Batch, training: bool | None = None) -> Tensor:
        """Score all items after the last place."""
        return self.items.score(self.hidden(inputs, training=training)[:, -1])

    def example_losses(self, batch: Batch, *, training: bool) -> Tensor:
        """Softmax cross-entropy of each place's target, weighted and averaged over the example.

        Args:
            batch: The inputs; `target_idx` int32 and `target_weight` float32 (batch, time); `log_q` float32
                (n + 1,) and `negatives` int32 (s,), where s = 0 asks for the softmax over all items.
            training: Whether dropout acts.
        """
        hidden = ops.reshape(self.hidden(batch, training=training), (-1, self.embedding_size))  # (B * T, d)
        target, weight = ops.reshape(batch["target_idx"], (-1,)), batch["target_weight"]
        if batch["negatives"].shape[0] == 0:
            each = losses.softmax_cross_entropy(self.items.score(hidden), target)
        else:
            each = losses.sampled_softmax(
                hidden,
                self.items.rows(target),
                self.items.rows(batch["negatives"]),
                log_expected=ops.take(batch["log_q"], batch["negatives"]),
            )
        total = ops.sum(ops.reshape(each, ops.shape(weight)) * weight, axis=1)
        return total / ops.maximum(ops.mean(ops.sum(weight, axis=1)), 1e-6)

    def start_from(self, popularity: NDArray[np.float32]) -> None:
        """Begin the fit at the items' popularity."""
        self.items.start_from(popularity)

    def vectors(self) -> NDArray[np.float32]:
        """Item vectors, float32 (n + 1, d), row 0 zero."""
        table = np.array(ops.convert_to_numpy(self.items.vectors), dtype=np.float32)
        table[0] = 0.0
        return table

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same network."""
        sizes = {
            "n_items": self.n_items,
            "embedding_size": self.embedding_size,
            "dropout": self.dropout_rate,
        }
        return {**super().get_config(), **sizes}


class Trainer(keras.Model):
    """A recommender as Keras fits it: a training batch in, the loss of each example out.

    Compile it with `losses.mean_of_outputs`; the targets are part of the inputs, y is not read.

    Args:
        recommender: Fitted in place.
    """

    def __init__(self, recommender: Recommender, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.recommender = recommender

    def call(self, batch: Batch, training: bool | None = None) -> Tensor:
        """The loss of each example, float32 (batch,)."""
        return self.recommender.example_losses(batch, training=bool(training))


def compile_trainer(recommender: Recommender, *, learning_rate: float) -> Trainer:
    """A trainer with Adam, ready to be fitted."""
    trainer = Trainer(recommender)
    adam = keras.optimizers.Adam(learning_rate=learning_rate)
    # XLA would compile anew for each length of a batch.
    trainer.compile(optimizer=adam, loss=losses.mean_of_outputs, jit_compile=False)
    return trainer


def as_functional(recommender: Recommender) -> keras.Model:
    """The recommender with named inputs and output, as it is exported."""
    item_idx = keras.Input((None,), dtype="int32", name="item_idx")
    weight = keras.Input((None,), dtype="float32", name="weight")
    scores = keras.layers.Identity(name="scores")(recommender({"item_idx": item_idx, "weight": weight}))
    return keras.Model([item_idx, weight], scores, name="serving")


def build_weights(recommender: Recommender) -> None:
    """Ask an empty history once, so that every weight exists."""
    recommender({"item_idx": np.zeros((1, 2), np.int32), "weight": np.zeros((1, 2), np.float32)})
