"""What every model is described by, and the plain data that the linear ones are fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Value = float | int | str | bool


class Family(StrEnum):
    """The kind of an architecture, as it stands in tables."""

    POPULARITY = "popularity"
    TRANSITIONS = "transitions"
    NEIGHBOURS = "neighbours"
    RECURRENT = "recurrent"
    CONVOLUTIONAL = "convolutional"
    AUTOENCODER = "autoencoder"
    ATTENTION = "attention"
    CONTENT = "content"
    BLEND = "blend"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model by its name.

    Attributes:
        name: What `recserve train --model` takes.
        title: For people.
        source: What its answers are called: sequence, autoencoder, transitions, popular.
        format: ``onnx`` for Keras networks, ``item_item`` for tables of NumPy arrays, ``blend`` for what is
            made of several of them.
        module: Where it lives: a network's module has ``build(n_items, *, seed, **parameters)``, a table's
            has ``fit(interactions, **parameters)``.
        parameters: Hyper-parameters of the architecture with their defaults.
        training: Hyper-parameters of the fit with their defaults; empty for tables.
    """

    name: str
    title: str
    family: Family
    source: str
    format: Literal["onnx", "item_item", "blend"]
    module: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    training: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is known of the items beside who had them: brand, categories, price range, words.

    Attributes:
        names: Of attributes 0 to m - 1, as ``brand=OPI``.
        indices: int32 (total,), attributes of all items one after the other.
        indptr: int64 (n_items + 2,), item i's are ``indices[indptr[i]:indptr[i + 1]]``; item 0 has none.
    """

    names: Sequence[str]
    indices: NDArray[np.int32]
    indptr: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Interactions:
    """Labelled interactions in columns, ordered by user and then time.

    Attributes:
        user: int64 (n,), 0 to n_users - 1.
        item: int32 (n,), 1 to n_items.
        time: float64 (n,), days since any fixed moment; lines of equal user and time are one basket.
        weight: float32 (n,), > 0: the event's weight, not yet decayed.
        half_life: float32 (n,), days after which that weight counts half.
        now: The moment that decay is counted to, in the days of `time`.
        attributes: Of the items, where any are known; items without a line may have some.
        kind: int32 (n,), the event type's number, 1 to `N_KINDS`, 0 where it is not known; None where all
            lines are of one type. No model reads it yet: a type counts by `weight` and `half_life`.
    """

    user: NDArray[np.int64]
    item: NDArray[np.int32]
    time: NDArray[np.float64]
    weight: NDArray[np.float32]
    half_life: NDArray[np.float32]
    n_users: int
    n_items: int
    now: float
    attributes: Attributes | None = None
    kind: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.user)
