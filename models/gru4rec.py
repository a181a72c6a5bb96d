"""GRU4Rec: a recurrent network that reads a session item by item."""

from __future__ import annotations

from typing import Any

import keras

from models.neural import SequenceRecommender, Tensor, build_weights


@keras.saving.register_keras_serializable(package="recserve")
class GRU4Rec(SequenceRecommender):
    r"""Gated recurrent units over the item vectors, scored against the same vectors.

    .. math::
        z_t = \sigma(W_z x_t + U_z h_{t-1}), \quad r_t = \sigma(W_r x_t + U_r h_{t-1}), \\
        h_t = z_t h_{t-1} + (1 - z_t) \tanh(W x_t + b_x + r_t (U h_{t-1} + b_h)), \quad
        s = E\,(W_o h_t + x_t) + b

    The gates have biases too.

    Args:
        n_items: Items, padding not counted.
        embedding_size: Width d of the item vectors.
        units: Width of the state.
        layers: GRU layers on top of each other.
        dropout: On the item vectors and on the state that is scored.
        temperature: Of the scores.

    Source:
        Hidasi et al., "Session-based recommendations with recurrent neural networks", ICLR 2016, arXiv
        1511.06939; Hidasi and Karatzoglou, CIKM 2018, arXiv 1706.03847 (more negatives, tied vectors).
        Deviations: the reset gate after the product with U, as in cuDNN; cross-entropy over shared sampled
        negatives with the logQ correction in place of TOP1 and BPR-max; whole histories in place of
        session-parallel batches; the newest item's vector goes around the GRUs; biases start at the log of
        popularity.
    """

    def __init__(
        self,
        n_items: int,
        *,
        embedding_size: int,
        units: int,
        layers: int,
        dropout: float,
        temperature: float,
        **kwargs: Any,  # noqa: ANN401 (the parents name them)
    ) -> None:
        super().__init__(
            n_items, embedding_size=embedding_size, dropout=dropout, temperature=temperature, **kwargs
        )
        self.units, self.n_layers = units, layers
        self.cells = [
            keras.layers.GRU(units, return_sequences=True, reset_after=True, name=f"gru_{number}")
            for number in range(layers)
        ]
        self.project = keras.layers.Dense(embedding_size, use_bias=False, name="project")
        self.drop_out = keras.layers.Dropout(dropout)

    def encode(self, vectors: Tensor, there: Tensor, *, training: bool | None) -> Tensor:
        """Run the GRUs; a padded place leaves the state as it is, and has no vector of its own to add."""
        state = vectors
        for cell in self.cells:
            state = cell(state, mask=there, training=training)
        return vectors + self.project(self.drop_out(state, training=training))

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same network."""
        return {**super().get_config(), "units": self.units, "layers": self.n_layers}


def build(n_items: int, *, seed: int, **parameters: Any) -> GRU4Rec:  # noqa: ANN401 (the class names them)
    """A network with fresh weights; the same seed gives the same ones."""
    keras.utils.set_random_seed(seed)
    network = GRU4Rec(n_items, **parameters)
    build_weights(network)
    return network
