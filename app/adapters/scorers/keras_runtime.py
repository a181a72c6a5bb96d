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
from app.domain.types import Query
from models.registry import spec

WEIGHTS_NAME = "weights.weights.h5"
SHORTEST_BUCKET = 8
_Compiled = Callable[[Any, Any], Any]


def open_network(parts: Version, folder: Path) -> Infer:
    """What scores with the Keras network as it is, one operation after the other: slow, and nothing between.

    Raises:
        ArtifactRefusedError: The architecture is unknown, or the weights do not fit it.
    """
    network = _network(parts, folder)

    def infer(queries: Sequence[Query]) -> NDArray[np.float32]:
        item_idx, weight = pad_left(queries, parts.index, max_length=parts.max_length)
        return np.asarray(network({"item_idx": item_idx, "weight": weight}, training=False))

    return infer


def open_keras(parts: Version, folder: Path) -> Infer:
    """What scores with the Keras network, compiled for each length it may be asked about.

    Raises:
        ArtifactRefusedError: The architecture is unknown, or the weights do not fit it.
    """
    network = _network(parts, folder)

    def score(item_idx: Any, weight: Any) -> Any:  # noqa: ANN401 (TensorFlow has no types)
        return network({"item_idx": item_idx, "weight": weight}, training=False)

    # One trace for all shapes; XLA compiles each shape once, at its first use.
    signature = [tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None, None), tf.float32)]
    compiled = tf.function(score, jit_compile=True, input_signature=signature)
    for length in _buckets(SHORTEST_BUCKET, parts.max_length):
        compiled(np.zeros((1, length), np.int32), np.zeros((1, length), np.float32))
    return partial(_infer, compiled, parts)


def bucket(size: int, *, least: int = 1) -> int:
    """The power of two that holds `size`, at least `least`.

    >>> [bucket(size) for size in (1, 2, 3, 32, 33)]
    [1, 2, 4, 32, 64]
    """
    return max(least, 1 << (size - 1).bit_length())


def _network(parts: Version, folder: Path) -> Any:  # noqa: ANN401 (Keras has no types)
    try:
        known = spec(parts.manifest.model)
        parameters = {**known.parameters, **parts.config.get("parameters", {})}
        network = import_module(known.module).build(len(parts.index), seed=0, **parameters)
        network.load_weights(folder / WEIGHTS_NAME)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ArtifactRefusedError(f"{WEIGHTS_NAME} does not fit the architecture.") from error
    return network


def _infer(compiled: _Compiled, parts: Version, queries: Sequence[Query]) -> NDArray[np.float32]:
    item_idx, weight = pad_left(queries, parts.index, max_length=parts.max_length)
    length = bucket(item_idx.shape[1], least=SHORTEST_BUCKET)
    # Few shapes, so that few are compiled: rows and places are added, and the rows cut off again.
    grow = ((0, bucket(len(queries)) - len(queries)), (length - item_idx.shape[1], 0))
    scores = compiled(np.pad(item_idx, grow), np.pad(weight, grow))
    return np.asarray(scores)[: len(queries)]


def _buckets(least: int, most: int) -> Iterator[int]:
    size = least
    while size < most:
        yield size
        size *= 2
    yield size
