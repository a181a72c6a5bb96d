"""SASRec: a causal transformer over a history."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from models.losses import MASKED
from models.neural import SequenceRecommender, Tensor, build_weights

BLOCKS = ("plain", "gated")
POSITIONS = ("none", "alibi", "learned", "both")
FIRST_SLOPE = 0.5


@keras.saving.register_keras_serializable(package="recserve")
class CausalAttention(keras.layers.Layer):
    r"""Self-attention of each place over itself and those before it.

    .. math:: \mathrm{softmax}_j\Big(\frac{q_i \cdot k_j}{\sqrt{d_h}} - m_h (i - j)\Big)\,v_j

    Args:
        size: Width d.
        heads: h; d is a multiple of it.
        positions: With ``alibi`` or ``both`` each head has a slope m of its own, fitted, so that places far
            back count less; else m is 0.
        dropout: On the weights of the places.

    Source:
        Vaswani et al., NIPS 2017, arXiv 1706.03762; Press et al., "Train short, test long: attention with
        linear biases enables input length extrapolation", ICLR 2022, arXiv 2108.12409. Deviation: the slopes
        are fitted, from 1/2, 1/8, ... on, since histories here are far shorter than texts.
    """

    def __init__(self, size: int, heads: int, positions: str, dropout: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.size, self.heads, self.positions, self.dropout_rate = size, heads, positions, dropout
        self.project_in = keras.layers.Dense(3 * size, use_bias=False, name="project_in")
        self.project_out = keras.layers.Dense(size, use_bias=False, name="project_out")
        self.drop = keras.layers.Dropout(dropout)

    def build(self, shape: Any) -> None:  # noqa: ANN401 (a shape of any kind)
        """Make the weights."""
        self.project_in.build(shape)
        self.project_out.build((*shape[:-1], self.size))
        first = np.log(np.expm1(FIRST_SLOPE * 0.25 ** np.arange(self.heads))).astype(np.float32)
        self.slope = None
        if self.positions in {"alibi", "both"}:
            self.slope = self.add_weight(
                name="slope",
                shape=(self.heads,),
                initializer=lambda _shape, dtype=None: ops.cast(first, dtype),
            )
        self.built = True

    def call(self, inputs: Tensor, there: Tensor, training: bool | None = None) -> Tensor:
        """Attend.

        Args:
            inputs: float32 (batch, time, d).
            there: bool (batch, time).
            training: Whether dropout acts.

        Returns:
            float32 (batch, time, d).
        """
        time, each = ops.shape(inputs)[1], self.size // self.heads
        query, key, value = (
            ops.reshape(part, (-1, time, self.heads, each))  # (B, T, H, D / H)
            for part in ops.split(self.project_in(inputs), 3, axis=-1)
        )
        logits = ops.einsum("bihd,bjhd->bhij", query, key) * each**-0.5
        place = ops.arange(time)
        back = ops.expand_dims(place, 1) - ops.expand_dims(place, 0)  # (T, T)
        if self.slope is not None:
            slope = ops.reshape(ops.softplus(self.slope), (-1, 1, 1))
            logits -= slope * ops.cast(back, "float32")
        seen = ops.logical_and(back >= 0, ops.expand_dims(ops.expand_dims(there, 1), 1))  # (B, 1, T, T)
        # Zero, not evenly spread, where a place sees nothing: padding may not count.
        logits = ops.where(seen, logits, MASKED)
        shares = ops.exp(logits - ops.logsumexp(logits, axis=-1, keepdims=True)) * ops.cast(seen, "float32")
        mixed = ops.einsum("bhij,bjhd->bihd", self.drop(shares, training=training), value)
        return self.project_out(ops.reshape(mixed, (-1, time, self.size)))

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer."""
        sizes = {"size": self.size, "heads": self.heads, "positions": self.positions}
        return {**super().get_config(), **sizes, "dropout": self.dropout_rate}


@keras.saving.register_keras_serializable(package="recserve")
class TransformerBlock(keras.layers.Layer):
    r"""Attention, then a small network at each place, both added to what came in.

    Plain:

    .. math:: y = x + A(N(x)), \quad z = y + W_2\,\mathrm{GELU}(W_1 N(y))

    Gated:

    .. math:: y = x + \sigma(G_1 N(x)) \odot A(N(x)), \quad
        z = y + \sigma(G_2 N(y)) \odot W_2 (\mathrm{SiLU}(W_1 N(y)) \odot W_3 N(y))

    Args:
        size: Width d.
        heads: Of the attention.
        kind: ``plain`` or ``gated``.
        positions: Of the attention.
        dropout: On what each half adds and on the attention.

    Source:
        Plain: pre-norm, Xiong et al., ICML 2020, arXiv 2002.04745. Gated: LiGR, arXiv 2502.03417, as in
        eSASRec, RecSys 2025, arXiv 2508.06450: a SwiGLU network, and a gate in each residual connection.
    """

    def __init__(
        self, size: int, heads: int, *, kind: str, positions: str, dropout: float, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.sizes = {"size": size, "heads": heads, "kind": kind, "positions": positions, "dropout": dropout}
        self.gated = kind == "gated"
        self.attention = CausalAttention(size, heads, positions, dropout, name="attention")
        self.norms = [keras.layers.LayerNormalization(epsilon=1e-6, name=f"norm_{half}") for half in (1, 2)]
        self.widen = keras.layers.Dense(2 * size, name="widen")
        self.narrow = keras.layers.Dense(size, name="narrow")
        self.drop = keras.layers.Dropout(dropout)
        if self.gated:
            self.beside = keras.layers.Dense(2 * size, name="beside")
            self.gates = [
                keras.layers.Dense(size, activation="sigmoid", name=f"gate_{half}") for half in (1, 2)
            ]

    def call(self, inputs: Tensor, there: Tensor, training: bool | None = None) -> Tensor:
        """One block, float32 (batch, time, d) in and out; `there` is bool (batch, time)."""
        normed = self.norms[0](inputs)
        state = self._added(inputs, self.attention(normed, there, training=training), normed, 0, training)
        normed = self.norms[1](state)
        if self.gated:
            wide = ops.silu(self.widen(normed)) * self.beside(normed)
        else:
            wide = ops.gelu(self.widen(normed))
        return self._added(state, self.narrow(wide), normed, 1, training)

    def _added(self, state: Tensor, new: Tensor, normed: Tensor, half: int, training: bool | None) -> Tensor:
        new = self.drop(new, training=training)
        return state + (self.gates[half](normed) * new if self.gated else new)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer."""
        return {**super().get_config(), **self.sizes}


@keras.saving.register_keras_serializable(package="recserve")
class BlockStack(keras.layers.Layer):
    """Positions, blocks on top of each other, and a last norm.

    Args:
        size: Width d.
        heads: Of each block's attention.
        layers: Blocks.
        max_positions: Distances with a vector of their own, where `positions` has any.
        kind: Of the blocks.
        positions: As `SASRec` takes them.
        dropout: Inside the blocks.
    """

    def __init__(
        self,
        size: int,
        heads: int,
        *,
        layers: int,
        max_positions: int,
        kind: str,
        positions: str,
        dropout: float,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.sizes = {"size": size, "heads": heads, "layers": layers, "max_positions": max_positions}
        self.choices = {"kind": kind, "positions": positions, "dropout": dropout}
        self.max_positions = max_positions
        self.blocks = [
            TransformerBlock(
                size, heads, kind=kind, positions=positions, dropout=dropout, name=f"block_{number}"
            )
            for number in range(layers)
        ]
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm")
        self.position = None
        if positions in {"learned", "both"}:
            self.position = keras.layers.Embedding(
                max_positions, size, embeddings_initializer="zeros", name="position"
            )

    def call(self, state: Tensor, there: Tensor, training: bool | None = None) -> Tensor:
        """Run the blocks, float32 (batch, time, d) in and out; `there` is bool (batch, time)."""
        if self.position is not None:
            # Counted from the end, so that padding changes nothing.
            back = ops.shape(state)[1] - 1 - ops.arange(ops.shape(state)[1])
            state += self.position(ops.minimum(back, self.max_positions - 1))
        for block in self.blocks:
            state = block(state, there, training=training)
        return self.norm(state)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer."""
        return {**super().get_config(), **self.sizes, **self.choices}


@keras.saving.register_keras_serializable(package="recserve")
class SASRec(SequenceRecommender):
    """Transformer blocks over the item vectors, scored against the same vectors.

    Args:
        n_items: Items, padding not counted.
        embedding_size: Width d.
        layers: Blocks on top of each other.
        heads: Of each block's attention.
        block: ``plain`` or ``gated``.
        positions: ``alibi``, places count less the further back they are; ``learned``, a vector for each
            distance from the end; ``both``; ``none``.
        max_positions: Distances with a vector of their own; those further back share the last.
        dropout: On the item vectors and inside the blocks.
        temperature: Of the scores.
        members: Networks whose scores are averaged, each with blocks and a share of the vectors of its own.

    Source:
        Kang and McAuley, "Self-attentive sequential recommendation", ICDM 2018, arXiv 1808.09781; its modern
        form: eSASRec, RecSys 2025, arXiv 2508.06450. Deviations: pre-norm; positions as above; softmax over
        negatives that a batch shares, with the logQ correction, or gBCE, in place of binary cross-entropy on
        one negative; biases that start at the log of popularity.
    """

    def __init__(
        self,
        n_items: int,
        *,
        embedding_size: int,
        layers: int,
        heads: int,
        block: str,
        positions: str,
        max_positions: int,
        dropout: float,
        temperature: float,
        members: int = 1,
        **kwargs: object,
    ) -> None:
        super().__init__(
            n_items,
            embedding_size=embedding_size,
            dropout=dropout,
            temperature=temperature,
            members=members,
            **kwargs,
        )
        self.choices = {"layers": layers, "heads": heads, "block": block, "positions": positions}
        self.max_positions = max_positions
        self.stacks = [
            BlockStack(
                embedding_size,
                heads,
                layers=layers,
                max_positions=max_positions,
                kind=block,
                positions=positions,
                dropout=dropout,
                name=f"stack_{number}",
            )
            for number in range(members)
        ]

    def encode(self, vectors: Tensor, there: Tensor, *, training: bool | None) -> Tensor:
        """Run each member's blocks."""
        states = [
            stack(part, there, training=training)
            for stack, part in zip(self.stacks, self.apart(vectors), strict=True)
        ]
        return states[0] if self.members == 1 else ops.concatenate(states, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same network."""
        return {**super().get_config(), **self.choices, "max_positions": self.max_positions}


def build(n_items: int, *, seed: int, **parameters: Any) -> SASRec:  # noqa: ANN401 (the class names them)
    """A network with fresh weights; the same seed gives the same ones.

    Raises:
        ValueError: A choice is unknown, or the width is no multiple of the heads.
    """
    for name, known in (("block", BLOCKS), ("positions", POSITIONS)):
        if parameters[name] not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, not {parameters[name]!r}")
    if parameters["embedding_size"] % parameters["heads"]:
        raise ValueError("embedding_size must be a multiple of heads")
    keras.utils.set_random_seed(seed)
    network = SASRec(n_items, **parameters)
    build_weights(network)
    return network
