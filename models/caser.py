"""Caser: horizontal and vertical convolutions over the last items of a history."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from models.neural import SequenceRecommender, Tensor, build_weights


@keras.saving.register_keras_serializable(package="recserve")
class LastPlaces(keras.layers.Layer):
    r"""What filters of both kinds see in the last L places, at every place of a history.

    With :math:`E^{(t)}` the L x d matrix of the places :math:`t - L + 1` to :math:`t`:

    .. math::
        o_{h,k} = \max_i \mathrm{ReLU}(\langle E^{(t)}_{i:i+h},\, F^{h,k} \rangle + b_{h,k}), \quad
        \tilde o_{k} = \sum_{l=1}^{L} \tilde F^k_l E^{(t)}_l

    Args:
        size: Width d of the item vectors.
        window: L.
        horizontal: Filters of each height 1 to L.
        vertical: Filters over the places, shared by all columns of a vector.
    """

    def __init__(self, size: int, window: int, horizontal: int, vertical: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.sizes = {"size": size, "window": window, "horizontal": horizontal, "vertical": vertical}

    def build(self, _: object = None) -> None:
        """Make the weights."""
        size, window = self.sizes["size"], self.sizes["window"]
        self.filters = [
            self.add_weight(name=f"height_{height}", shape=(height * size, self.sizes["horizontal"]))
            for height in range(1, window + 1)
        ]
        self.offsets = [
            self.add_weight(name=f"offset_{height}", shape=(self.sizes["horizontal"],), initializer="zeros")
            for height in range(1, window + 1)
        ]
        self.over_places = self.add_weight(name="over_places", shape=(window, self.sizes["vertical"]))
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Both kinds' answers side by side.

        Args:
            inputs: float32 (batch, time, d), zero where padded.

        Returns:
            float32 (batch, time, L * horizontal + vertical * d).
        """
        window = self.sizes["window"]
        moved = [_later(inputs, places) for places in range(window)]  # (B, T, d) each, the newest first
        seen = [self._horizontal(moved, height) for height in range(1, window + 1)]
        vertical = ops.einsum("lbtd,lv->btvd", ops.stack(moved), self.over_places)
        flat = ops.reshape(vertical, (*ops.shape(inputs)[:2], self.sizes["vertical"] * self.sizes["size"]))
        return ops.concatenate([*seen, flat], axis=-1)

    def _horizontal(self, moved: list[Tensor], height: int) -> Tensor:
        # A filter at the newest places of the window; at older ones it says what it said some places before.
        run = ops.concatenate(moved[:height], axis=-1)
        newest = ops.matmul(run, self.filters[height - 1])
        best = newest
        for places in range(1, self.sizes["window"] - height + 1):
            best = ops.maximum(best, _later(newest, places))
        return ops.relu(best + self.offsets[height - 1])

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer."""
        return {**super().get_config(), **self.sizes}


def _later(inputs: Tensor, places: int) -> Tensor:
    """What stood some places earlier, zero before the first; float32 (batch, time, d) both."""
    return ops.pad(inputs, [[0, 0], [places, 0], [0, 0]])[:, :-places] if places else inputs


@keras.saving.register_keras_serializable(package="recserve")
class Caser(SequenceRecommender):
    r"""Convolutions over the last L items, then a layer whose output is scored against the item vectors.

    .. math:: s = E\,(W_2\,\mathrm{ReLU}(W_1 [o, \tilde o] + b_1) + x_t) + b

    where :math:`x_t` is the newest item's vector.

    Args:
        n_items: Items, padding not counted.
        embedding_size: Width d of the item vectors.
        window: L, the newest places that are looked at.
        horizontal: Filters of each height 1 to L.
        vertical: Filters over the places.
        units: Width of the layer after the convolutions.
        dropout: On the item vectors and before the last layer.
        temperature: Of the scores.

    Source:
        Tang and Wang, "Personalized top-N sequential recommendation via convolutional sequence embedding",
        WSDM 2018, eq. 3 to 10, arXiv 1809.07426. Deviations: no vector for each user (an unknown visitor has
        none, and a table of users has to be fitted anew for each of them): the history stands for the
        person; a target after every place of a window in place of one run of L at a time; tied item
        vectors and a way around the convolutions for the newest item; softmax over shared sampled negatives
        with the logQ correction in place of binary cross-entropy; biases start at the log of popularity.
    """

    def __init__(
        self,
        n_items: int,
        *,
        embedding_size: int,
        window: int,
        horizontal: int,
        vertical: int,
        units: int,
        dropout: float,
        temperature: float,
        **kwargs: Any,  # noqa: ANN401 (the parents name them)
    ) -> None:
        super().__init__(
            n_items, embedding_size=embedding_size, dropout=dropout, temperature=temperature, **kwargs
        )
        self.sizes = {"window": window, "horizontal": horizontal, "vertical": vertical, "units": units}
        self.last = LastPlaces(embedding_size, window, horizontal, vertical, name="last_places")
        self.between = keras.layers.Dense(units, activation="relu", name="between")
        self.project = keras.layers.Dense(embedding_size, use_bias=False, name="project")
        self.drop_out = keras.layers.Dropout(dropout)

    def encode(self, vectors: Tensor, there: Tensor, *, training: bool | None) -> Tensor:
        """Run both kinds of filters, for which a padded place is a row of zeros."""
        del there
        seen = self.between(self.last(vectors))
        return vectors + self.project(self.drop_out(seen, training=training))

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same network."""
        return {**super().get_config(), **self.sizes}


def build(n_items: int, *, seed: int, **parameters: Any) -> Caser:  # noqa: ANN401 (the class names them)
    """A network with fresh weights; the same seed gives the same ones."""
    keras.utils.set_random_seed(seed)
    network = Caser(n_items, **parameters)
    build_weights(network)
    return network
