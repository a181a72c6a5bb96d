"""Step 5b: a version's folder, file by file; the manifest comes last and makes it whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

import numpy as np

from app.domain import manifest
from app.domain.manifest import Provenance
from app.domain.types import JsonObject
from app.training import curves
from app.training.build import Plan
from app.training.export import export
from app.training.fit import History
from app.training.fitted import Fitted

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
        if fitted.table is not None:
            fitted.table.check()
            fitted.table.save(self.path / "item_item.npz")
        if fitted.network is None:
            return {}
        fitted.network.save_weights(self.path / "weights.weights.h5")
        np.save(self.path / "item_vectors.npy", fitted.network.vectors())
        return dict(export(fitted.network, self.path / "serving.onnx", seed=self._seed))

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
