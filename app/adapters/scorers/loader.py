"""Opens a version's folder: digests first, then its small files, then what runs it, then a trial question."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.adapters.allocator import give_back
from app.adapters.scorers.names import ENCODER_NAME
from app.adapters.scorers.policy import IndexPolicy
from app.adapters.scorers.version import Infer, Version, VersionScorer
from app.domain import manifest
from app.domain.errors import ArtifactRefusedError
from app.domain.index import ItemIndex
from app.domain.probes import probe_queries
from app.domain.types import JsonObject
from app.telemetry import Metrics

CONFIG_NAME = "config.json"
ITEMS_NAME = "items.json"
VECTORS_NAME = "item_vectors.npy"
Runtime = Literal["onnx", "keras"]


class FolderLoader:
    """The `ScorerLoader` of every format.

    Args:
        runtime: What runs networks; the counted baselines run in NumPy under either.
        index: When an index takes the place of exact scores.
        metrics: Told what the index is worth; None: nobody is.
    """

    def __init__(
        self,
        *,
        runtime: Runtime = "onnx",
        index: IndexPolicy = IndexPolicy(),  # noqa: B008  # frozen
        metrics: Metrics | None = None,
    ) -> None:
        self._runtime, self._index, self._metrics = runtime, index, metrics

    def load(self, folder: Path) -> VersionScorer:
        """Verify, open, ask once.

        Raises:
            ArtifactRefusedError: Anything about it is not as it should be; the reason says what.
        """
        parts = read_parts(folder)
        scorer = self._open(parts, folder)
        _ask_once(scorer)
        give_back()
        return scorer

    def _open(self, parts: Version, folder: Path) -> VersionScorer:
        large = len(parts.index) > self._index.above and self._runtime == "onnx"
        if large and ENCODER_NAME in parts.manifest.files:
            # The index's library is imported where a catalogue needs it.
            from app.adapters.scorers.large import open_large  # noqa: PLC0415

            return open_large(parts, folder, self._index, self._metrics)
        return VersionScorer(parts, self._opener(parts.config)(parts, folder))

    def _opener(self, config: JsonObject) -> Callable[[Version, Path], Infer]:
        # Each runtime is imported by the first version that needs it: Keras alone costs 500 MB.
        file_format = config["format"]
        if file_format == "item_item":
            from app.adapters.scorers.item_item import open_item_item  # noqa: PLC0415

            return open_item_item
        if file_format == "blend":
            from app.adapters.scorers.blend import open_blend  # noqa: PLC0415

            return partial(open_blend, runtime=self._runtime)
        if file_format != "onnx":
            raise ArtifactRefusedError(f"{CONFIG_NAME} names a format that this release cannot open.")
        if self._runtime == "keras":
            from app.adapters.scorers.keras_runtime import open_keras  # noqa: PLC0415

            return open_keras
        from app.adapters.scorers.onnx import open_onnx  # noqa: PLC0415

        return open_onnx


def open_reference(folder: Path) -> VersionScorer | None:
    """The trained Keras networks of a version, to hold what is served against; None where it has none.

    Raises:
        ArtifactRefusedError: The version or its weights cannot be opened.
    """
    parts = read_parts(folder)
    if parts.config["format"] == "blend":
        from app.adapters.scorers.blend import has_network, open_blend  # noqa: PLC0415

        if not has_network(folder):
            return None
        return VersionScorer(parts, open_blend(parts, folder, runtime="reference"))
    if parts.config["format"] != "onnx":
        return None
    from app.adapters.scorers.keras_runtime import open_network  # noqa: PLC0415 (loads Keras)

    return VersionScorer(parts, open_network(parts, folder))


def read_parts(folder: Path) -> Version:
    """The verified manifest, configuration, item index and vectors of a version.

    Raises:
        ArtifactRefusedError: One is missing, damaged, or does not go with the others.
    """
    listed = manifest.verify(folder)
    config = _config(folder, listed.model)
    index = _index(folder)
    if len(index) != listed.n_items:
        raise ArtifactRefusedError(f"{ITEMS_NAME} holds {len(index)} items; the manifest says otherwise.")
    return Version(
        manifest=listed,
        config=config,
        source=config["source"],
        max_length=config["max_length"],
        index=index,
        item_vectors=_vectors(folder, len(index)) if VECTORS_NAME in listed.files else None,
    )


def _config(folder: Path, model: str) -> JsonObject:
    config = _json(folder / CONFIG_NAME)
    if not isinstance(config, dict):
        raise ArtifactRefusedError(f"{CONFIG_NAME} is not an object.")
    config.setdefault("max_length", 200)
    kinds = {"model": str, "format": str, "source": str, "max_length": int}
    for name, kind in kinds.items():
        if not isinstance(config.get(name), kind):
            raise ArtifactRefusedError(f"{CONFIG_NAME} lacks a usable {name}.")
    if config["model"] != model or config["max_length"] < 1:
        raise ArtifactRefusedError(f"{CONFIG_NAME} does not go with the manifest.")
    return config


def _index(folder: Path) -> ItemIndex:
    ids = _json(folder / ITEMS_NAME)
    if not isinstance(ids, list) or not ids or not all(isinstance(item_id, str) for item_id in ids):
        raise ArtifactRefusedError(f"{ITEMS_NAME} is not a list of item ids.")
    try:
        return ItemIndex(ids)
    except ValueError as error:
        raise ArtifactRefusedError(f"{ITEMS_NAME} names an item twice.") from error


def _vectors(folder: Path, n_items: int) -> NDArray[np.float32]:
    try:
        vectors: NDArray[np.float32] = np.load(folder / VECTORS_NAME, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactRefusedError(f"{VECTORS_NAME} cannot be read.") from error
    if vectors.ndim != 2 or len(vectors) != n_items + 1 or vectors.dtype != np.float32:
        raise ArtifactRefusedError(f"{VECTORS_NAME} is not float32 with a row for each item and padding.")
    if not np.isfinite(vectors).all():
        raise ArtifactRefusedError(f"{VECTORS_NAME} holds numbers that are not finite.")
    return vectors


def _json(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactRefusedError(f"{path.name} is missing or cannot be read.") from error


def _ask_once(scorer: VersionScorer) -> None:
    """Score an empty, a short and a full history; every number must be finite."""
    try:
        scores = scorer.score(probe_queries(scorer.item_ids, max_length=scorer.parts.max_length))
    # A runtime may raise anything on a graph of other shapes; whatever it says, the version is at fault.
    except Exception as error:
        raise ArtifactRefusedError("The model does not answer, or not for the items it lists.") from error
    if not np.isfinite(scores[:, 1:]).all():
        raise ArtifactRefusedError("The model answers with numbers that are not finite.")
