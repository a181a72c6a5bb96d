"""Step 5b: a version's folder, file by file; the manifest comes last and makes it whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.domain import manifest
from app.domain.manifest import Provenance
from app.domain.types import JsonObject
from app.training import curves
from app.training.build import Plan
from app.training.export import export, export_encoder
from app.training.fit import History
from app.training.fitted import Fitted
from models.item_item import ItemItem

if TYPE_CHECKING:
    from app.training.auto import Auto
    from models.neural import Recommender

LIBRARIES = ("numpy", "polars", "scipy", "keras", "tensorflow-cpu", "tf2onnx", "onnx", "onnxruntime")


@dataclass(frozen=True, slots=True)
class Facts:
    """Where a version comes from.

    Attributes:
        window_start: When the first event happened that it learned from.
        window_end: When the last one did.
        event_count: Lines it learned from.
    """

    window_start: datetime
    window_end: datetime
    event_count: int
    git_commit: str | None


class Folder:
    """A version's folder as it is being written.

    Args:
        path: Made here; its name is the version's.
        chosen: The model.
        seed: For the probes and the manifest.
    """

    def __init__(self, path: Path, chosen: Plan, *, seed: int) -> None:
        path.mkdir(parents=True)
        self.path, self._chosen, self._seed = path, chosen, seed
        self._n_items = 0

    def write_model(self, fitted: Fitted) -> JsonObject:
        """Configuration, item index, and what is served.

        Returns:
            What the parity check found; empty for a counted table, which is served as it is.

        Raises:
            ExportError: The exported graph does not answer as the network does.
        """
        self._n_items = len(fitted.numbers.item_ids)
        self._json("config.json", self._chosen.config())
        self._json("items.json", fitted.numbers.item_ids)
        if fitted.blend is not None:
            return self._write_blend(fitted.blend)
        if fitted.network is not None:
            np.save(self.path / "item_vectors.npy", fitted.network.vectors())
            self._write_encoder(fitted.network)
        return self._write_one(fitted.table, fitted.network, prefix="")

    def _write_encoder(self, network: Recommender) -> None:
        """What a large catalogue is served with, of a network whose scores are products with item vectors."""
        from models.neural import SequenceRecommender  # noqa: PLC0415 (imports Keras)

        if isinstance(network, SequenceRecommender):
            np.save(self.path / "item_biases.npy", network.biases())
            export_encoder(network, self.path / "encoder.onnx")

    def _write_blend(self, blend: Auto) -> JsonObject:
        """Each member's files under its name, and how they are weighed; vectors are the best network's."""
        self._json("blend.json", blend.to_json())
        networks = [member for member in blend.members if member.network is not None]
        if networks:
            best = max(networks, key=lambda member: member.metric)
            assert best.network is not None  # noqa: S101 (said to mypy)
            np.save(self.path / "item_vectors.npy", best.network.vectors())
        found = {
            member.name: self._write_one(member.table, member.network, prefix=f"{member.name}.")
            for member in blend.members
        }
        return {name: parity for name, parity in found.items() if parity}

    def _write_one(self, table: ItemItem | None, network: Recommender | None, *, prefix: str) -> JsonObject:
        if table is not None:
            table.check()
            table.save(self.path / f"{prefix}item_item.npz")
        if network is None:
            return {}
        network.save_weights(self.path / f"{prefix}weights.weights.h5")
        return dict(export(network, self.path / f"{prefix}serving.onnx", seed=self._seed))

    def write_records(self, metrics: JsonObject, history: History, facts: Facts) -> None:
        """Metrics, curves, and the manifest over all files."""
        self._json("metrics.json", metrics)
        self._json("history.json", history.to_json())
        if history.epochs:
            title = f"{self._chosen.spec.title}, {self.path.name}"
            curves.draw(history, self.path / "curves.png", title=title)
        provenance = Provenance(
            seed=self._seed,
            event_count=facts.event_count,
            window_start=facts.window_start,
            window_end=facts.window_end,
            git_commit=facts.git_commit,
            libraries=_libraries(),
        )
        manifest.write(
            self.path,
            model=self._chosen.spec.name,
            version=self.path.name,
            n_items=self._n_items,
            provenance=provenance,
        )

    def _json(self, name: str, body: object) -> None:
        text = json.dumps(
            body, indent=1, sort_keys=isinstance(body, dict), ensure_ascii=False, allow_nan=False
        )
        (self.path / name).write_text(text + "\n", encoding="utf-8")


def _libraries() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            # A GPU build of TensorFlow goes by another name.
            continue
    return found
