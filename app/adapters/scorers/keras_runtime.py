"""A version's Keras network in this process: the reference for the exported graph, and a runtime by setting.

Importing this module loads Keras and TensorFlow: seconds and half a gigabyte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

# isort: off
import models.quiet  # noqa: F401 (sets what TensorFlow reads when it is imported)

# isort: on
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from app.adapters.scorers.queries import pad_left
from app.adapters.scorers.version import Infer, Version
from app.domain.errors import ArtifactRefusedError
from app.domain.types import JsonObject, Query
from models.registry import spec

WEIGHTS_NAME = "weights.weights.h5"
SHORTEST_BUCKET = 8
_Compiled = Callable[[Any, Any], Any]


def open_network(parts: Version, folder: Path) -> Infer:
    """What scores with the Keras network as it is, one operation after the other: slow, and nothing between.

    Raises:
        ArtifactRefusedError: The architecture is unknown, or the weights do not fit it.
    """
    network = _network_of(parts, folder)

    def infer(queries: Sequence[Query]) -> NDArray[np.float32]:
        item_idx, weight = pad_left(queries, parts.index, max_length=parts.max_length)
        return np.asarray(network({"item_idx": item_idx, "weight": weight}, training=False))

    return infer


def open_keras(parts: Version, folder: Path) -> Infer:
    """What scores with the Keras network, compiled for each length it may be asked about.

    Raises:
        ArtifactRefusedError: The architecture is unknown, or the weights do not fit it.
    """
    return partial(_infer, compiled(_network_of(parts, folder), max_length=parts.max_length), parts)


def compiled(network: Any, *, max_length: int) -> _Compiled:  # noqa: ANN401 (Keras has no types)
    """The network compiled for each length it may be asked about."""

    def score(item_idx: Any, weight: Any) -> Any:  # noqa: ANN401 (TensorFlow has no types)
        return network({"item_idx": item_idx, "weight": weight}, training=False)

    # One trace for all shapes; XLA compiles each shape once, at its first use.
    signature = [tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None, None), tf.float32)]
    traced: _Compiled = tf.function(score, jit_compile=True, input_signature=signature)
    for length in _buckets(SHORTEST_BUCKET, max_length):
        traced(np.zeros((1, length), np.int32), np.zeros((1, length), np.float32))
    return traced


def bucket(size: int, *, least: int = 1) -> int:
    """The power of two that holds `size`, at least `least`.

    >>> [bucket(size) for size in (1, 2, 3, 32, 33)]
    [1, 2, 4, 32, 64]
    """
    return max(least, 1 << (size - 1).bit_length())


def _network_of(parts: Version, folder: Path) -> Any:  # noqa: ANN401 (Keras has no types)
    return read_network(
        folder / WEIGHTS_NAME,
        model=parts.manifest.model,
        parameters=parts.config.get("parameters", {}),
        n_items=len(parts.index),
    )


def read_network(path: Path, *, model: str, parameters: JsonObject, n_items: int) -> Any:  # noqa: ANN401
    """A trained network.

    Raises:
        ArtifactRefusedError: The architecture is unknown, or the weights do not fit it.
    """
    try:
        known = spec(model)
        settled = {**known.parameters, **parameters}
        network = import_module(known.module).build(n_items, seed=0, **settled)
        network.load_weights(path)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ArtifactRefusedError(f"{path.name} does not fit the architecture.") from error
    return network


def _infer(traced: _Compiled, parts: Version, queries: Sequence[Query]) -> NDArray[np.float32]:
    return ask(traced, *pad_left(queries, parts.index, max_length=parts.max_length))


def ask(traced: _Compiled, item_idx: NDArray[np.int32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """The compiled network's scores, float32 (batch, n + 1)."""
    rows = len(item_idx)
    length = bucket(item_idx.shape[1], least=SHORTEST_BUCKET)
    # Few shapes, so that few are compiled: rows and places are added, and the rows cut off again.
    grow = ((0, bucket(rows) - rows), (length - item_idx.shape[1], 0))
    return np.asarray(traced(np.pad(item_idx, grow), np.pad(weight, grow)))[:rows]


def _buckets(least: int, most: int) -> Iterator[int]:
    size = least
    while size < most:
        yield size
        size *= 2
    yield size
