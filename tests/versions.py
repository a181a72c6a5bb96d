"""Tiny version folders for tests: a NumPy table by default, fitted by no one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from app.domain import manifest
from app.domain.manifest import Manifest, Provenance
from models.item_item import ItemItem

WINDOW_END = datetime(2026, 11, 1, tzinfo=UTC)


def item_ids(count: int) -> list[str]:
    return [f"item-{number:03d}" for number in range(1, count + 1)]


def table(n_items: int, *, seed: int = 1) -> ItemItem:
    """Every item points at the next one, and the popular ones come first."""
    indices = np.array([number % n_items + 1 for number in range(1, n_items + 1)], np.int32)
    indptr = np.concatenate([[0], np.arange(n_items + 1)]).astype(np.int64)
    popularity = np.concatenate([[0], np.random.default_rng(seed).permutation(n_items) + 1])
    return ItemItem(np.ones(n_items, np.float32), indices, indptr, popularity.astype(np.float32))


def write_config(folder: Path, *, model: str, file_format: str, **more: object) -> None:
    config = {"model": model, "format": file_format, "source": "transitions", "max_length": 20, **more}
    (folder / "config.json").write_text(json.dumps(config))


def seal(
    folder: Path, *, model: str = "transitions", n_items: int, window_end: datetime = WINDOW_END
) -> Manifest:
    provenance = Provenance(seed=7, event_count=1000, window_end=window_end, libraries={"numpy": "2"})
    return manifest.write(folder, model=model, version=folder.name, n_items=n_items, provenance=provenance)


def make_version(
    parent: Path,
    version: str = "transitions-1",
    *,
    model: str = "transitions",
    n_items: int = 12,
    seed: int = 1,
    vectors: bool = True,
) -> Path:
    """A complete, sealed folder `parent/version`."""
    folder = parent / version
    folder.mkdir(parents=True)
    write_config(folder, model=model, file_format="item_item")
    (folder / "items.json").write_text(json.dumps(item_ids(n_items)))
    table(n_items, seed=seed).save(folder / "item_item.npz")
    if vectors:
        rows = np.random.default_rng(seed).normal(size=(n_items + 1, 4)).astype(np.float32)
        rows[0] = 0
        np.save(folder / "item_vectors.npy", rows)
    (folder / "metrics.json").write_text("{}")
    seal(folder, model=model, n_items=n_items)
    return folder
