"""Mult-VAE: a variational autoencoder over a person's bag of items."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from models import losses
from models.item_item import SAME_BASKET
from models.layers import ItemVectors, log_share, mask_padding
from models.neural import Batch, Recommender, Tensor, build_weights


@keras.saving.register_keras_serializable(package="recserve")
class MultVAE(Recommender):
    r"""Reads a weighted bag of items, and gives the items a multinomial's scores.

    .. math::
        x = w / \lVert w \rVert_2, \quad h = \tanh(E^\top x + c), \quad \mu, \log\sigma^2 = W h + d, \\
        z = \mu + \sigma \epsilon, \quad s = V \tanh(U z + e) + b \\
        L = -\sum_k y_k \log \mathrm{softmax}(s)_k + \beta\, KL(q(z|x)\,\|\,N(0, I))

    Args:
        n_items: Items, padding not counted.
        hidden_size: Width of the hidden layers on both sides.
        latent_size: Width of z.
        dropout: Share of the history's places that a training step leaves out.
        power: Exponent on the input weights before they are normalised.
        recency: What a basket of the bag counts for each newer one after it; 1 for all alike. Neighbouring
            places of one weight are one basket.

    Source:
        Liang, Krishnan, Hoffman, Jebara, "Variational autoencoders for collaborative filtering", WWW 2018,
        eq. 1 to 7 and figure 2, arXiv 1802.05814. Deviations: inputs and targets are weighted by label and
        age where the paper's are 0 and 1; biases start at the log of popularity; beta is part of the batch,
        annealed by the fit as in section 2.2.2; newer baskets may count more.
    """

    targets = "bag"

    def __init__(
        self,
        n_items: int,
        *,
        hidden_size: int,
        latent_size: int,
        dropout: float,
        power: float,
        recency: float,
        **kwargs: object,
    ) -> None:
        super().__init__(n_items, **kwargs)
        self.sizes = {"hidden_size": hidden_size, "latent_size": latent_size}
        self.rates = {"dropout": dropout, "power": power, "recency": recency}
        self.reading = ItemVectors(n_items, hidden_size, name="reading")
        self.writing = keras.layers.Dense(n_items + 1, name="writing")
        self.offset = keras.layers.Dense(hidden_size, name="offset")
        self.latent = keras.layers.Dense(2 * latent_size, name="latent")
        self.decode = keras.layers.Dense(hidden_size, activation="tanh", name="decode")
        self.noise = keras.random.SeedGenerator()

    def normalised(self, inputs: Batch) -> Tensor:
        """Weights of unit length, counting an item's places together, float32 (batch, time)."""
        item_idx = inputs["item_idx"]
        weight = ops.where(ops.equal(item_idx, 0), 0.0, ops.maximum(inputs["weight"], 0.0))
        faded = ops.power(ops.maximum(weight, 1e-12), self.rates["power"]) * self._recency(weight)
        weight = ops.where(weight > 0.0, faded, 0.0)
        same = ops.equal(ops.expand_dims(item_idx, 1), ops.expand_dims(item_idx, 2))  # (B, T, T)
        together = ops.sum(ops.cast(same, "float32") * ops.expand_dims(weight, 1), axis=2)
        squared = ops.sum(weight * together, axis=1, keepdims=True)
        return weight / ops.sqrt(ops.maximum(squared, 1e-12))

    def _recency(self, weight: Tensor) -> Tensor:
        """What each place counts by the baskets after it, float32 (batch, time)."""
        if self.rates["recency"] == 1.0:
            return ops.ones_like(weight)
        apart = ops.abs(weight[:, 1:] - weight[:, :-1]) > SAME_BASKET * ops.abs(weight[:, 1:])
        changes = ops.pad(ops.cast(apart, "float32"), [[0, 0], [0, 1]])
        later = ops.sum(changes, axis=1, keepdims=True) - ops.cumsum(changes, axis=1) + changes
        return ops.exp(later * math.log(max(self.rates["recency"], 1e-12)))

    def posterior(self, inputs: Batch, *, training: bool) -> tuple[Tensor, Tensor]:
        """Mean and log variance of z, float32 (batch, latent_size) each."""
        weight = self.normalised(inputs)
        if training:
            weight = keras.random.dropout(weight, self.rates["dropout"], seed=self.noise)
        bag = ops.sum(self.reading(inputs["item_idx"]) * ops.expand_dims(weight, -1), axis=1)  # (B, hidden)
        mean, log_variance = ops.split(self.latent(ops.tanh(self.offset(bag))), 2, axis=1)
        return mean, log_variance

    def scores(self, latent: Tensor) -> Tensor:
        """Scores of all items, float32 (batch, n + 1)."""
        return mask_padding(self.writing(self.decode(latent)))

    def call(self, inputs: Batch, training: bool | None = None) -> Tensor:
        """Score all items at the mean of z."""
        return self.scores(self.posterior(inputs, training=bool(training))[0])

    def example_losses(self, batch: Batch, *, training: bool) -> Tensor:
        """Multinomial log-likelihood and annealed divergence.

        Args:
            batch: The inputs; `target_idx` int32 and `target_weight` float32 (batch, k); `beta` float32 ().
            training: Whether z is drawn and places are left out.
        """
        mean, log_variance = self.posterior(batch, training=training)
        latent = mean
        if training:
            latent += ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(mean), seed=self.noise)
        likelihood = losses.multinomial(self.scores(latent), batch["target_idx"], batch["target_weight"])
        return likelihood + batch["beta"] * losses.gaussian_kl(mean, log_variance)

    def start_from(self, popularity: NDArray[np.float32]) -> None:
        """Begin the fit at the items' popularity."""
        self.writing.bias.assign(log_share(popularity))

    def vectors(self) -> NDArray[np.float32]:
        """The decoder's item vectors, float32 (n + 1, hidden_size), row 0 zero."""
        table = np.array(ops.convert_to_numpy(self.writing.kernel), dtype=np.float32).T.copy()
        table[0] = 0.0
        return table

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same network."""
        return {**super().get_config(), "n_items": self.n_items, **self.sizes, **self.rates}


def build(
    n_items: int,
    *,
    seed: int,
    hidden_size: int,
    latent_size: int,
    dropout: float,
    power: float,
    recency: float,
) -> MultVAE:
    """A network with fresh weights; the same seed gives the same ones."""
    keras.utils.set_random_seed(seed)
    network = MultVAE(
        n_items,
        hidden_size=hidden_size,
        latent_size=latent_size,
        dropout=dropout,
        power=power,
        recency=recency,
    )
    build_weights(network)
    return network
