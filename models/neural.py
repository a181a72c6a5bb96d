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
TINY = 1e-12
"""Added to squared lengths: an empty history's state has length 0."""


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
        """The losses of a training batch, whose mean is what a step lowers.

        Returns:
            float32 (batch,) or (places,).
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
        temperature: Above 0: item vectors and states have length 1 and scores are cosines over it; 0: scores
            are plain products.
        members: Networks of the same shape that are fitted side by side, each to a loss of its own; the
            score is the mean of theirs. Each reads and gives its own share of a vector, in their order.

    Attributes:
        criterion: The loss of a place; a fit may set another before it begins.

    Source:
        Members: Lakshminarayanan et al., "Simple and scalable predictive uncertainty estimation using deep
        ensembles", NIPS 2017, arXiv 1612.01474. Deviation: they share batches, negatives and biases.
    """

    targets = "places"

    def __init__(
        self,
        n_items: int,
        *,
        embedding_size: int,
        dropout: float,
        temperature: float,
        members: int = 1,
        **kwargs: object,
    ) -> None:
        super().__init__(n_items, **kwargs)
        self.embedding_size, self.dropout_rate, self.temperature = embedding_size, dropout, temperature
        self.members, self.width = members, members * embedding_size
        self.items = ItemTable(n_items, self.width, parts=members, name="items")
        self.drop = keras.layers.Dropout(dropout)
        self.criterion: losses.Criterion = losses.sampled_softmax

    def encode(self, vectors: Tensor, there: Tensor, *, training: bool | None) -> Tensor:
        """Read the history; what it gives is brought to its length afterwards.

        Args:
            vectors: float32 (batch, time, members * d), zero where padded.
            there: bool (batch, time).
            training: Whether dropout acts.

        Returns:
            float32 (batch, time, members * d); a place depends on itself and earlier ones.
        """
        raise NotImplementedError

    def hidden(self, inputs: Batch, *, training: bool | None) -> Tensor:
        """The state after each place, to be multiplied with the item vectors, (batch, time, members * d).

        A training batch may bring the item vectors it needs as `vectors` (rows, d); its item numbers are then
        rows of those. What else is known of a place (its event type, say) belongs here, added to its vector.
        """
        there = ops.logical_and(ops.not_equal(inputs["item_idx"], 0), ops.greater(inputs["weight"], 0.0))
        item_idx = inputs["item_idx"]
        read = ops.take(inputs["vectors"], item_idx, axis=0) if "vectors" in inputs else self.items(item_idx)
        vectors = read * ops.expand_dims(ops.cast(there, "float32"), -1)
        state = self.encode(self.drop(vectors, training=training), there, training=training)
        return self._of_length_one(state) / self.temperature if self.temperature > 0.0 else state

    def read_vectors(self, stored: Tensor) -> Tensor:
        """Item vectors as they are read, of those that the optimiser moves, (rows, members * d) both."""
        return self._of_length_one(stored) if self.temperature > 0.0 else stored

    def call(self, inputs: Batch, training: bool | None = None) -> Tensor:
        """Score all items after the last place."""
        return self.items.score(self.hidden(inputs, training=training)[:, -1] / self.members)

    def example_losses(self, batch: Batch, *, training: bool) -> Tensor:
        """The loss of each place that has a target, times what the target counts in units of the mean.

        Args:
            batch: The inputs, as rows of `vectors` float32 (rows, members * d) and `biases` float32 (rows,);
                `place` int32 (places,), which of the batch * time places have a target; `target_idx` int32
                and `target_weight` float32 (places,); `negatives` int32 and `log_q` float32 (s,).
            training: Whether dropout acts.

        Returns:
            float32 (places,).
        """
        states = ops.reshape(self.hidden(batch, training=training), (-1, self.width))  # (B * T, members * d)
        states, vectors = ops.take(states, batch["place"], axis=0), batch["vectors"]
        each = sum(
            self.criterion(
                state,
                _rows(batch, own, batch["target_idx"]),
                _rows(batch, own, batch["negatives"]),
                log_expected=batch["log_q"],
            )
            for state, own in zip(self.apart(states), self.apart(vectors), strict=True)
        )
        weight = batch["target_weight"]
        return each / self.members * weight / ops.maximum(ops.mean(weight), 1e-6)

    def apart(self, vectors: Tensor) -> list[Tensor]:
        """Each member's share of vectors of all, float32 (..., members * d) to (..., d) each."""
        return [vectors] if self.members == 1 else list(ops.split(vectors, self.members, axis=-1))

    def _of_length_one(self, vectors: Tensor) -> Tensor:
        each = [part * ops.rsqrt(_squared(part) + TINY) for part in self.apart(vectors)]
        return each[0] if self.members == 1 else ops.concatenate(each, axis=-1)

    def start_from(self, popularity: NDArray[np.float32]) -> None:
        """Begin the fit at the items' popularity."""
        self.items.start_from(popularity)

    def vectors(self) -> NDArray[np.float32]:
        """Item vectors, float32 (n + 1, d), row 0 zero."""
        table = np.array(ops.convert_to_numpy(self.items.vectors), dtype=np.float32)
        table[0] = 0.0
        return table

    def biases(self) -> NDArray[np.float32]:
        """What is added to each item's product, float32 (n + 1,), that of padding 0."""
        biases = np.array(ops.convert_to_numpy(self.items.bias), dtype=np.float32)
        biases[0] = 0.0
        return biases

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same network."""
        sizes = {
            "n_items": self.n_items,
            "embedding_size": self.embedding_size,
            "dropout": self.dropout_rate,
            "temperature": self.temperature,
            "members": self.members,
        }
        return {**super().get_config(), **sizes}


def as_functional(recommender: Recommender) -> keras.Model:
    """The recommender with named inputs and output, as it is exported."""
    item_idx = keras.Input((None,), dtype="int32", name="item_idx")
    weight = keras.Input((None,), dtype="float32", name="weight")
    scores = keras.layers.Identity(name="scores")(recommender({"item_idx": item_idx, "weight": weight}))
    return keras.Model([item_idx, weight], scores, name="serving")


def build_weights(recommender: Recommender) -> None:
    """Ask an empty history once, so that every weight exists."""
    recommender({"item_idx": np.zeros((1, 2), np.int32), "weight": np.zeros((1, 2), np.float32)})


def _squared(vectors: Tensor) -> Tensor:
    return ops.sum(ops.square(vectors), axis=-1, keepdims=True)


def _rows(batch: Batch, vectors: Tensor, item_idx: Tensor) -> losses.Items:
    return item_idx, ops.take(vectors, item_idx, axis=0), ops.take(batch["biases"], item_idx, axis=0)
