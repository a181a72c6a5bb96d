"""Every model by its name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from models.base import Family, ModelSpec, Value

_FIT: dict[str, Value] = {
    "epochs": 20,
    "patience": 3,
    "batch_size": 128,
    "learning_rate": 0.002,
    "negatives": 512,
}

_SPECS = (
    ModelSpec(
        "popularity",
        "Popularity",
        Family.POPULARITY,
        "popular",
        "item_item",
        "models.popularity",
        {"half_life_days": 14.0},
    ),
    ModelSpec(
        "transitions",
        "First-order transitions",
        Family.TRANSITIONS,
        "transitions",
        "item_item",
        "models.transitions",
    ),
    ModelSpec("itemknn", "Item-kNN", Family.NEIGHBOURS, "neighbours", "item_item", "models.itemknn"),
    ModelSpec("ease", "EASE", Family.AUTOENCODER, "autoencoder", "item_item", "models.ease"),
    ModelSpec("gru4rec", "GRU4Rec", Family.RECURRENT, "sequence", "onnx", "models.gru4rec", training=_FIT),
    ModelSpec(
        "nextitnet", "NextItNet", Family.CONVOLUTIONAL, "sequence", "onnx", "models.nextitnet", training=_FIT
    ),
    ModelSpec(
        "multvae", "Mult-VAE", Family.AUTOENCODER, "autoencoder", "onnx", "models.multvae", training=_FIT
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
