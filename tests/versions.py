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


def write_graph(path: Path, weights: np.ndarray, *, length: int | str = "time") -> None:
    """An ONNX graph whose scores are the weighted sum of a row of `weights` (n + 1, n + 1) for each place."""
    from onnx import TensorProto, helper, numpy_helper, save

    columns = weights.shape[1]
    nodes = [
        helper.make_node("Gather", ["table", "item_idx"], ["rows"], axis=0),
        helper.make_node("Unsqueeze", ["weight", "last"], ["wide"]),
        helper.make_node("Mul", ["rows", "wide"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "places"], ["scores"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("item_idx", TensorProto.INT32, ["batch", length]),
            helper.make_tensor_value_info("weight", TensorProto.FLOAT, ["batch", length]),
        ],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", columns])],
        [
            numpy_helper.from_array(weights.astype(np.float32), "table"),
            numpy_helper.from_array(np.array([2]), "last"),
            numpy_helper.from_array(np.array([1]), "places"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    save(model, str(path))


def make_onnx_version(
    parent: Path, version: str, weights: np.ndarray, *, length: int | str = "time", n_items: int | None = None
) -> Path:
    """A sealed folder with a graph in place of the table; `n_items` to claim another number of items."""
    folder = parent / version
    folder.mkdir(parents=True)
    count = weights.shape[0] - 1 if n_items is None else n_items
    write_config(
        folder, model="gru4rec", file_format="onnx", max_length=length if type(length) is int else 20
    )
    (folder / "items.json").write_text(json.dumps(item_ids(count)))
    write_graph(folder / "serving.onnx", weights, length=length)
    seal(folder, model="gru4rec", n_items=count)
    return folder
