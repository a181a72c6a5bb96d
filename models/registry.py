"""Every model by its name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from models.base import Family, ModelSpec, Value

_TABLE: dict[str, Value] = {"max_length": 200}
_FIT: dict[str, Value] = {
    "epochs": 14,
    "patience": 3,
    "batch_size": 64,
    "learning_rate": 0.005,
    "target_half_life_days": 60.0,
    "warm_up": 0.0,
    "decay": "none",
    "weight_decay": 0.0,
    "validate_every": 1,
    "least_steps": 0,
}
_SEQUENCE_FIT: dict[str, Value] = {
    **_FIT,
    "max_length": 100,
    "negatives": 512,
    "look_ahead": 100,
    "negative_power": 0.75,
    "correction": 1.0,
    "loss": "softmax",
    "calibration": 0.75,
    "id_dropout": 0.0,
    "augment": "none",
    "augment_share": 0.5,
}

_SPECS = (
    ModelSpec(
        name="popularity",
        title="Popularity",
        family=Family.POPULARITY,
        source="popular",
        format="item_item",
        module="models.popularity",
        parameters={"half_life_days": 14.0},
        training=_TABLE,
    ),
    ModelSpec(
        name="transitions",
        title="Transitions",
        family=Family.TRANSITIONS,
        source="transitions",
        format="item_item",
        module="models.transitions",
        parameters={
            "window": 1,
            "gap_power": 1.0,
            "backwards": 0.0,
            "row_power": 1.0,
            "recency": 1.0,
            "half_life_days": 365.0,
            "keep": 200,
            "prior": 0.01,
        },
        training=_TABLE,
    ),
    ModelSpec(
        name="repeats",
        title="Repeats",
        family=Family.NEIGHBOURS,
        source="repeats",
        format="item_item",
        module="models.repeats",
        parameters={"shrinkage": 20.0, "recency": 1.0, "prior": 0.01},
        training=_TABLE,
    ),
    ModelSpec(
        name="itemknn",
        title="Item-kNN",
        family=Family.NEIGHBOURS,
        source="neighbours",
        format="item_item",
        module="models.itemknn",
        parameters={
            "neighbours": 200,
            "shrinkage": 10.0,
            "user_power": 0.0,
            "row_power": 0.5,
            "column_power": 0.5,
            "recency": 1.0,
            "prior": 0.01,
        },
        training=_TABLE,
    ),
    ModelSpec(
        name="sessions",
        title="Session neighbours",
        family=Family.NEIGHBOURS,
        source="neighbours",
        format="item_item",
        module="models.sessions",
        parameters={
            "nearest": 500,
            "candidates": 1000,
            "reach": 20,
            "gap_fade": 0.8,
            "backwards": 0.8,
            "length_power": 0.5,
            "rarity_power": 1.0,
            "half_life_days": 60.0,
            "max_lines": 3_000_000,
            "recency": 0.5,
            "prior": 1e-4,
        },
        training=_TABLE,
    ),
    ModelSpec(
        name="ease",
        title="EASE",
        family=Family.AUTOENCODER,
        source="autoencoder",
        format="item_item",
        module="models.ease",
        parameters={
            "regularisation": 200.0,
            "keep": 400,
            "max_items": 6000,
            "neighbours": 60,
            "recency": 1.0,
            "prior": 0.01,
        },
        training=_TABLE,
    ),
    ModelSpec(
        name="ease_trend",
        title="EASE with trend",
        family=Family.AUTOENCODER,
        source="autoencoder",
        format="item_item",
        module="models.ease_trend",
        parameters={
            "regularisation": 200.0,
            "age_half_life_days": 120.0,
            "trend_half_life_days": 7.0,
            "trend_power": 0.65,
            "keep": 400,
            "max_items": 6000,
            "neighbours": 60,
            "recency": 1.0,
            "prior": 0.01,
        },
        training=_TABLE,
    ),
    ModelSpec(
        name="gfcf",
        title="GF-CF",
        family=Family.NEIGHBOURS,
        source="neighbours",
        format="item_item",
        module="models.gfcf",
        parameters={
            "factors": 256,
            "low_pass": 0.3,
            "user_power": 0.5,
            "item_power": 0.5,
            "keep": 400,
            "recency": 1.0,
            "prior": 1e-6,
        },
        training=_TABLE,
    ),
    ModelSpec(
        name="elsa",
        title="ELSA",
        family=Family.AUTOENCODER,
        source="autoencoder",
        format="item_item",
        module="models.elsa",
        parameters={
            "factors": 256,
            "steps": 100,
            "batch_size": 2048,
            "learning_rate": 0.03,
            "recency": 1.0,
            "prior": 0.01,
        },
        training=_TABLE,
    ),
    ModelSpec(
        name="content",
        title="Content",
        family=Family.CONTENT,
        source="content",
        format="item_item",
        module="models.content",
        parameters={
            "rarity_power": 2.0,
            "likeness_power": 2.0,
            "demand_power": 0.3,
            "keep": 200,
            "recency": 1.0,
            "prior": 1e-4,
        },
        training=_TABLE,
    ),
    ModelSpec(
        name="gru4rec",
        title="GRU4Rec",
        family=Family.RECURRENT,
        source="sequence",
        format="onnx",
        module="models.gru4rec",
        parameters={
            "embedding_size": 64,
            "units": 128,
            "layers": 1,
            "dropout": 0.25,
            "temperature": 0.0,
        },
        training=_SEQUENCE_FIT,
    ),
    ModelSpec(
        name="nextitnet",
        title="NextItNet",
        family=Family.CONVOLUTIONAL,
        source="sequence",
        format="onnx",
        module="models.nextitnet",
        parameters={
            "embedding_size": 64,
            "blocks": 2,
            "kernel": 3,
            "dropout": 0.25,
            "temperature": 0.0,
        },
        training={**_SEQUENCE_FIT, "learning_rate": 0.008},
    ),
    ModelSpec(
        name="sasrec",
        title="SASRec",
        family=Family.ATTENTION,
        source="sequence",
        format="onnx",
        module="models.sasrec",
        parameters={
            "embedding_size": 64,
            "layers": 1,
            "heads": 2,
            "block": "plain",
            "positions": "alibi",
            "max_positions": 50,
            "dropout": 0.3,
            "temperature": 0.0,
            "members": 1,
        },
        training=_SEQUENCE_FIT,
    ),
    ModelSpec(
        name="caser",
        title="Caser",
        family=Family.CONVOLUTIONAL,
        source="sequence",
        format="onnx",
        module="models.caser",
        parameters={
            "embedding_size": 64,
            "window": 5,
            "horizontal": 16,
            "vertical": 4,
            "units": 64,
            "dropout": 0.25,
            "temperature": 0.0,
        },
        training=_SEQUENCE_FIT,
    ),
    ModelSpec(
        name="multvae",
        title="Mult-VAE",
        family=Family.AUTOENCODER,
        source="autoencoder",
        format="onnx",
        module="models.multvae",
        parameters={"hidden_size": 256, "latent_size": 64, "dropout": 0.7, "power": 0.5, "recency": 1.0},
        training={
            **_FIT,
            "epochs": 16,
            "batch_size": 128,
            "learning_rate": 0.002,
            "max_length": 200,
            "target_half_life_days": 30.0,
            "beta": 0.002,
            "future_share": 0.3,
        },
    ),
    ModelSpec(
        name="auto",
        title="Auto",
        family=Family.BLEND,
        source="blend",
        format="blend",
        module="models.blend",
        training={"budget_s": 90.0, "max_length": 200},
    ),
)

SPECS: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})


def spec(name: str) -> ModelSpec:
    """The model of that name.

    Raises:
        ValueError: There is none; the message lists those there are.
    """
    try:
        return SPECS[name]
    except KeyError:
        raise ValueError(f"unknown model {name!r}; there are {', '.join(SPECS)}") from None


def names() -> tuple[str, ...]:
    """Every model's name, in the order of the tables."""
    return tuple(SPECS)
