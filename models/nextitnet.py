"""NextItNet: dilated causal convolutions over a history."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from models.neural import SequenceRecommender, Tensor, build_weights


@keras.saving.register_keras_serializable(package="recserve")
class CausalBlock(keras.layers.Layer):
    r"""Two causal convolutions and a residual connection, padded places kept at zero.

    .. math:: x + \mathrm{ReLU}(\mathrm{LN}(C_{2l}\,\mathrm{ReLU}(\mathrm{LN}(C_l\,x))))

    Args:
        filters: Width d.
        kernel: Places that a filter sees.
        dilation: l, the step between them; the second convolution steps twice as far.
    """

    def __init__(self, filters: int, kernel: int, dilation: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernel, self.dilation = filters, kernel, dilation
        self.convolutions = [
            keras.layers.Conv1D(
                filters, kernel, padding="causal", dilation_rate=step, name=f"convolution_{step}"
            )
            for step in (dilation, 2 * dilation)
        ]
        self.norms = [keras.layers.LayerNormalization(epsilon=1e-6, name=f"norm_{place}") for place in (1, 2)]

    def call(self, inputs: Tensor, there: Tensor) -> Tensor:
        """One block.

        Args:
            inputs: float32 (batch, time, d), zero where padded.
            there: float32 (batch, time, 1), 1 where there is an item.

        Returns:
            float32 (batch, time, d), zero where padded.
        """
        out = inputs
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            # A bias on padding would reach later places through the next convolution.
            out = ops.relu(norm(convolution(out))) * there
        return inputs + out

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer."""
        sizes = {"filters": self.filters, "kernel": self.kernel, "dilation": self.dilation}
        return {**super().get_config(), **sizes}


@keras.saving.register_keras_serializable(package="recserve")
class NextItNet(SequenceRecommender):
    """Residual blocks of dilated causal convolutions, scored against the item vectors.

    Args:
        n_items: Items, padding not counted.
        embedding_size: Width d of the item vectors and the filters.
        blocks: Residual blocks; block b steps 4^b and 2 * 4^b places.
        kernel: Places that a filter sees.
        dropout: On the item vectors and on the state that is scored.
        temperature: Of the scores.

    Source:
        Yuan et al., "A simple convolutional generative network for next item recommendation", WSDM 2019,
        section 3.3, figure 3b, arXiv 1808.05163. Deviations: tied item vectors and a way around all blocks
        for the newest item, beside which they start from nothing; dropout; shared sampled negatives with the
        logQ correction; biases start at the log of popularity.
    """

    def __init__(
        self,
        n_items: int,
        *,
        embedding_size: int,
        blocks: int,
        kernel: int,
        dropout: float,
        temperature: float,
        **kwargs: Any,  # noqa: ANN401 (the parents name them)
    ) -> None:
        super().__init__(
            n_items, embedding_size=embedding_size, dropout=dropout, temperature=temperature, **kwargs
        )
        self.n_blocks, self.kernel = blocks, kernel
        self.blocks = [
            CausalBlock(embedding_size, kernel, 4**number, name=f"block_{number}") for number in range(blocks)
        ]
        self.project = keras.layers.Dense(
            embedding_size, use_bias=False, kernel_initializer="zeros", name="project"
        )
        self.drop_out = keras.layers.Dropout(dropout)

    def encode(self, vectors: Tensor, there: Tensor, *, training: bool | None) -> Tensor:
        """Run the blocks."""
        mask = ops.expand_dims(ops.cast(there, "float32"), -1)
        state = vectors
        for block in self.blocks:
            state = block(state, mask)
        return vectors + self.project(self.drop_out(state, training=training))

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same network."""
        return {**super().get_config(), "blocks": self.n_blocks, "kernel": self.kernel}


def build(n_items: int, *, seed: int, **parameters: Any) -> NextItNet:  # noqa: ANN401 (the class names them)
    """A network with fresh weights; the same seed gives the same ones."""
    keras.utils.set_random_seed(seed)
    network = NextItNet(n_items, **parameters)
    build_weights(network)
    return network
