from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.adapters.scorers.loader import FolderLoader
from app.adapters.scorers.queries import pad_left
from app.adapters.scorers.version import MAX_BATCH
from app.domain.errors import ArtifactRefusedError
from app.domain.index import ItemIndex
from app.domain.probes import probe_queries
from app.domain.types import Query
from tests.versions import item_ids, make_onnx_version, make_version, seal, table

LOADER = FolderLoader()


def test_pad_left_keeps_the_newest_known_places_at_the_right() -> None:
    index = ItemIndex(["a", "b", "c"])
    queries = [Query(("a", "gone", "b", "c"), (1.0, 9.0, 2.0, 3.0)), Query(("b",), (4.0,)), Query((), ())]
    item_idx, weight = pad_left(queries, index, max_length=2)
    assert item_idx.tolist() == [[2, 3], [0, 2], [0, 0]]
    assert weight.tolist() == [[2.0, 3.0], [0.0, 4.0], [0.0, 0.0]]
    assert item_idx.dtype == np.int32
    assert weight.dtype == np.float32


def test_pad_left_gives_an_empty_history_one_place() -> None:
    item_idx, _ = pad_left([Query((), ())], ItemIndex(["a"]), max_length=5)
    assert item_idx.shape == (1, 1)


def test_table_scores_by_the_item_after_the_last(tmp_path: Path) -> None:
    scorer = LOADER.load(make_version(tmp_path))
    scores = scorer.score([Query(("item-003",), (1.0,)), Query(("item-012",), (2.0,))])
    assert scores.shape == (2, 13)
    assert scores.dtype == np.float32
    assert scores[:, 0].tolist() == [-np.inf, -np.inf]
    assert scores.argmax(axis=1).tolist() == [4, 1]


def test_scorer_says_what_it_is(tmp_path: Path) -> None:
    scorer = LOADER.load(make_version(tmp_path))
    assert (scorer.version, scorer.model, scorer.source) == ("transitions-1", "transitions", "transitions")
    assert list(scorer.item_ids) == item_ids(12)
    assert scorer.item_vectors is not None
    assert scorer.item_vectors.shape == (13, 4)


@pytest.mark.parametrize("length", ["time", 6])
def test_graph_scores_as_its_weights_say(tmp_path: Path, length: int | str) -> None:
    weights = np.random.default_rng(0).normal(size=(6, 6)).astype(np.float32)
    scorer = LOADER.load(make_onnx_version(tmp_path, "gru4rec-1", weights, length=length))
    scores = scorer.score([Query(("item-002", "item-005"), (1.0, 0.5)), Query((), ())])
    padding = 6 - 2 if length == 6 else 0
    expected = weights[2] + 0.5 * weights[5] + padding * 0.0 * weights[0]
    np.testing.assert_allclose(scores[0, 1:], expected[1:], rtol=1e-6)
    np.testing.assert_allclose(scores[1, 1:], 0.0)


def test_large_asks_run_in_batches_and_answer_alike(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(30, 30)).astype(np.float32)
    scorer = LOADER.load(make_onnx_version(tmp_path, "gru4rec-1", weights))
    queries = probe_queries(scorer.item_ids, max_length=20, count=2 * MAX_BATCH + 3)
    together = scorer.score(queries)
    alone = np.concatenate([scorer.score([query]) for query in queries])
    np.testing.assert_allclose(together[:, 1:], alone[:, 1:], rtol=1e-5, atol=1e-5)


def test_load_refuses_weights_that_are_not_finite(tmp_path: Path) -> None:
    weights = np.ones((6, 6), np.float32)
    weights[3, 2] = np.nan
    with pytest.raises(ArtifactRefusedError, match="not finite"):
        LOADER.load(make_onnx_version(tmp_path, "gru4rec-1", weights))


def test_load_refuses_a_graph_of_another_catalogue(tmp_path: Path) -> None:
    weights = np.ones((6, 6), np.float32)
    with pytest.raises(ArtifactRefusedError, match="not for the items it lists"):
        LOADER.load(make_onnx_version(tmp_path, "gru4rec-1", weights, n_items=9))


def rewrite(name: str, content: object) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(json.dumps(content)) and None


def write_vectors(rows: int, value: float) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        np.save(folder / "item_vectors.npy", np.full((rows, 4), value, np.float32))

    return write


def write_table(n_items: int) -> Callable[[Path], None]:
    return lambda folder: table(n_items).save(folder / "item_item.npz")


def write_pickle(folder: Path) -> None:
    np.save(folder / "item_vectors.npy", np.array([{"a": 1}] * 13, dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (rewrite("items.json", item_ids(11)), "holds 11 items"),
        (rewrite("items.json", ["a"] * 12), "twice"),
        (rewrite("items.json", {"a": 1}), "not a list"),
        (rewrite("items.json", list(range(12))), "not a list"),
        (rewrite("config.json", []), "not an object"),
        (rewrite("config.json", {"model": "transitions"}), "lacks a usable format"),
        (
            rewrite("config.json", {"model": "ease", "format": "item_item", "source": "x", "max_length": 5}),
            "does not go with",
        ),
        (
            rewrite(
                "config.json", {"model": "transitions", "format": "pickle", "source": "x", "max_length": 5}
            ),
            "cannot open",
        ),
        (write_vectors(12, 1.0), "row for each item"),
        (write_vectors(13, np.inf), "not finite"),
        (write_pickle, "cannot be read"),
        (write_table(11), "another number of items"),
        (lambda folder: (folder / "item_item.npz").write_bytes(b"PK"), "cannot be read"),
        (lambda folder: (folder / "item_item.npz").unlink(), "cannot be read"),
    ],
)
def test_load_refuses_what_does_not_fit_though_its_digests_do(
    tmp_path: Path, damage: Callable[[Path], None], reason: str
) -> None:
    folder = make_version(tmp_path)
    damage(folder)
    seal(folder, n_items=12)
    with pytest.raises(ArtifactRefusedError, match=reason) as refused:
        LOADER.load(folder)
    assert str(tmp_path) not in str(refused.value)


def test_load_refuses_two_hundred_random_damages(tmp_path: Path) -> None:
    good = make_onnx_version(tmp_path, "gru4rec-1", np.ones((6, 6), np.float32))
    chance = random.Random(30)
    for number in range(200):
        folder = tmp_path / f"damaged-{number}"
        shutil.copytree(good, folder)
        damage_at_random(folder, chance)
        with pytest.raises(ArtifactRefusedError):
            LOADER.load(folder)


def damage_at_random(folder: Path, chance: random.Random) -> None:
    path = chance.choice(sorted(folder.iterdir()))
    raw = bytearray(path.read_bytes())
    kind = chance.choice(["flip", "flip", "cut", "gone"])
    if kind == "gone":
        path.unlink()
    elif kind == "cut":
        path.write_bytes(raw[: chance.randrange(len(raw))])
    else:
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        path.write_bytes(raw)


def test_probe_queries_are_of_every_length() -> None:
    queries = probe_queries(item_ids(50), max_length=20, count=3)
    assert [len(query.item_ids) for query in queries] == [0, 10, 20]


def test_loading_imports_neither_keras_nor_tensorflow(tmp_path: Path) -> None:
    folder = make_onnx_version(tmp_path, "gru4rec-1", np.ones((6, 6), np.float32))
    code = (
        "import sys; from pathlib import Path; from app.adapters.scorers.loader import FolderLoader\n"
        "FolderLoader().load(Path(sys.argv[1]))\n"
        "heavy = {'keras', 'tensorflow', 'scipy', 'polars', 'app.training'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
