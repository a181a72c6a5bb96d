from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.adapters.scorers.large import LargeScorer
from app.adapters.scorers.loader import FolderLoader
from app.adapters.scorers.policy import IndexPolicy
from app.adapters.scorers.version import VersionScorer
from app.domain.errors import ArtifactRefusedError
from app.domain.types import Item, Query
from app.pipeline.candidates import Wanted, bind
from app.pipeline.catalogue import empty_catalogue
from app.telemetry import Metrics
from tests.versions import item_ids, seal, write_config

N, SIZE = 6000, 8


def make_large(parent: Path, *, n_items: int = N, seed: int = 0, encoder: bool = True) -> Path:
    """A sealed folder whose state is the weighted sum of the history's vectors."""
    folder = parent / "sasrec-1"
    folder.mkdir()
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(40, SIZE))
    vectors = centres[rng.integers(40, size=n_items + 1)] + 0.4 * rng.normal(size=(n_items + 1, SIZE))
    vectors[0] = 0.0
    biases = np.concatenate([[0.0], rng.normal(size=n_items)])
    write_config(folder, model="sasrec", file_format="onnx")
    (folder / "items.json").write_text(json.dumps(item_ids(n_items)))
    np.save(folder / "item_vectors.npy", vectors.astype(np.float32))
    np.save(folder / "item_biases.npy", biases.astype(np.float32))
    if encoder:
        write_encoder(folder / "encoder.onnx")
    seal(folder, model="sasrec", n_items=n_items)
    return folder


def write_encoder(path: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper, save

    nodes = [
        helper.make_node("Gather", ["vectors", "item_idx"], ["read"], axis=0),
        helper.make_node("Unsqueeze", ["weight", "last"], ["wide"]),
        helper.make_node("Mul", ["read", "wide"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "places"], ["state"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("item_idx", TensorProto.INT32, ["batch", "time"]),
            helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["rows", SIZE]),
            helper.make_tensor_value_info("weight", TensorProto.FLOAT, ["batch", "time"]),
        ],
        [helper.make_tensor_value_info("state", TensorProto.FLOAT, ["batch", SIZE])],
        [
            numpy_helper.from_array(np.array([2]), "last"),
            numpy_helper.from_array(np.array([1]), "places"),
        ],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


def load(folder: Path, *, least: float = 0.9, metrics: Metrics | None = None) -> object:
    return FolderLoader(index=IndexPolicy(1000, least), metrics=metrics).load(folder)


def by_hand(folder: Path, query: Query) -> np.ndarray:
    vectors, biases = np.load(folder / "item_vectors.npy"), np.load(folder / "item_biases.npy")
    numbers = [int(item_id.removeprefix("item-")) for item_id in query.item_ids]
    state = sum(weight * vectors[number] for number, weight in zip(numbers, query.weights, strict=True))
    scores = vectors @ state + biases
    scores[0] = -np.inf
    return scores


QUERY = Query(("item-007", "item-4000", "item-007"), (1.0, 0.5, 2.0))


def test_large_scorer_scores_as_its_vectors_and_biases_say(tmp_path: Path) -> None:
    folder = make_large(tmp_path)
    scorer = load(folder)
    assert isinstance(scorer, LargeScorer)
    np.testing.assert_allclose(scorer.score([QUERY])[0], by_hand(folder, QUERY), rtol=1e-4, atol=1e-4)


def test_index_finds_most_of_the_true_best_and_says_how_much(tmp_path: Path) -> None:
    folder, metrics = make_large(tmp_path), Metrics()
    scorer = load(folder, metrics=metrics)
    assert isinstance(scorer, LargeScorer)
    assert scorer.recall >= 0.9
    best = np.argsort(-by_hand(folder, QUERY))[:50]
    near = scorer.near(scorer.read(QUERY))
    assert len(near) < N
    assert np.isin(best, near).mean() >= 0.9
    assert f'recserve_index_recall{{version="sasrec-1"}} {scorer.recall}' in metrics.exposition().decode()


def test_index_below_the_floor_is_refused_and_scores_are_exact(tmp_path: Path) -> None:
    folder, metrics = make_large(tmp_path), Metrics()
    # More than all there is to find.
    scorer = load(folder, least=1.1, metrics=metrics)
    assert not isinstance(scorer, LargeScorer)
    assert isinstance(scorer, VersionScorer)
    np.testing.assert_allclose(scorer.score([QUERY])[0], by_hand(folder, QUERY), rtol=1e-4, atol=1e-4)
    assert 'recserve_degraded_total{part="index",reason="recall"} 1.0' in metrics.exposition().decode()


@pytest.mark.parametrize("share", [1.0, 0.5, 0.02, 0.003])
def test_lists_are_full_and_best_whatever_a_filter_leaves(tmp_path: Path, share: float) -> None:
    folder = make_large(tmp_path)
    scorer = load(folder)
    # The model does not know the first, and the catalogue lacks the last of the model's.
    rows = [Item(item_id=item_id) for item_id in ["new", *item_ids(N - 1)]]
    catalogue = empty_catalogue().with_changes(rows, revision=1)
    view = bind(scorer, catalogue)
    mask = np.random.default_rng(1).random(len(catalogue)) < share
    n = min(10, int(mask[1:].sum()))
    said = view.scores(QUERY, catalogue, Wanted(mask, 10))
    true = np.where(mask, np.concatenate([[-np.inf], by_hand(folder, QUERY)[1:-1]]), -np.inf)
    assert said is not None
    assert np.isfinite(np.where(mask, said, -np.inf)).sum() >= n
    listed = np.argsort(-np.where(mask, said, -np.inf), kind="stable")[:n]
    best = np.argsort(-true, kind="stable")[:n]
    assert np.isin(best, listed).mean() >= 0.9
    np.testing.assert_allclose(said[listed], true[listed], rtol=1e-4, atol=1e-4)


def test_old_version_without_an_encoder_is_scored_whole(tmp_path: Path) -> None:
    folder = make_large(tmp_path, encoder=False)
    with pytest.raises(ArtifactRefusedError, match=r"serving\.onnx"):
        load(folder)


def test_biases_of_other_items_are_refused(tmp_path: Path) -> None:
    folder = make_large(tmp_path)
    np.save(folder / "item_biases.npy", np.zeros(5, np.float32))
    seal(folder, model="sasrec", n_items=N)
    with pytest.raises(ArtifactRefusedError, match="item_biases"):
        load(folder)


def test_small_catalogue_never_imports_the_index(tmp_path: Path) -> None:
    from tests.versions import make_onnx_version

    folder = make_onnx_version(tmp_path, "gru4rec-1", np.ones((6, 6), np.float32))
    code = (
        "import sys; from pathlib import Path; from app.adapters.scorers.loader import FolderLoader\n"
        "FolderLoader().load(Path(sys.argv[1]))\n"
        "assert 'faiss' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
