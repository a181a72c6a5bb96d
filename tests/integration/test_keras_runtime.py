"""`RECSERVE_RUNTIME=keras` answers as the exported graph does, for every network there is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.adapters.scorers.loader import FolderLoader, open_reference
from app.adapters.scorers.version import VersionScorer
from app.domain.errors import ArtifactRefusedError
from app.domain.probes import probe_queries
from app.domain.types import Query
from models.registry import SPECS
from tests.versions import item_ids, make_version, seal

pytestmark = [
    pytest.mark.tensorflow,
    # TensorFlow's tensors lack an argument that NumPy 2 passes; Keras converts them all the same.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

N_ITEMS = 60
NETWORKS = [name for name, spec in SPECS.items() if spec.format == "onnx"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A version of each network, with fresh weights."""
    from app.training.build import network, plan
    from app.training.export import export

    made = {}
    for name in NETWORKS:
        folder = tmp_path_factory.mktemp("versions") / f"{name}-1"
        folder.mkdir()
        chosen = plan(name, {})
        recommender = network(chosen, N_ITEMS, seed=3)
        recommender.save_weights(folder / "weights.weights.h5")
        export(recommender, folder / "serving.onnx", seed=3)
        (folder / "config.json").write_text(json.dumps(chosen.config()))
        (folder / "items.json").write_text(json.dumps(item_ids(N_ITEMS)))
        seal(folder, model=name, n_items=N_ITEMS)
        made[name] = folder
    return made


@pytest.fixture(scope="module")
def on_keras(folders: dict[str, Path]) -> dict[str, VersionScorer]:
    """The same versions under Keras, which takes seconds each to compile."""
    loader = FolderLoader(runtime="keras")
    return {name: loader.load(folder) for name, folder in folders.items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_keras_answers_as_onnx_does(
    folders: dict[str, Path], on_keras: dict[str, VersionScorer], name: str
) -> None:
    onnx, keras = FolderLoader().load(folders[name]), on_keras[name]
    queries = probe_queries(onnx.item_ids, max_length=onnx.parts.max_length, count=12)
    ours, theirs = onnx.score(queries)[:, 1:], keras.score(queries)[:, 1:]
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert [top(row) for row in ours] == [top(row) for row in theirs]


@pytest.mark.parametrize("name", NETWORKS)
def test_keras_answers_alike_in_any_batch(on_keras: dict[str, VersionScorer], name: str) -> None:
    keras = on_keras[name]
    queries = probe_queries(keras.item_ids, max_length=20, count=5)
    together = keras.score(queries)[:, 1:]
    alone = np.concatenate([keras.score([query]) for query in queries])[:, 1:]
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_reference_is_the_network_itself(folders: dict[str, Path], name: str) -> None:
    reference = open_reference(folders[name])
    assert reference is not None
    queries = [Query(("item-001", "item-002"), (1.0, 2.0))]
    served = FolderLoader().load(folders[name]).score(queries)
    np.testing.assert_allclose(reference.score(queries)[:, 1:], served[:, 1:], atol=1e-4)


def test_table_has_no_reference(tmp_path: Path) -> None:
    assert open_reference(make_version(tmp_path)) is None


def test_keras_refuses_weights_of_another_architecture(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "gru4rec-1"
    folder.mkdir()
    for path in folders["gru4rec"].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "weights.weights.h5").write_bytes((folders["multvae"] / "weights.weights.h5").read_bytes())
    seal(folder, model="gru4rec", n_items=N_ITEMS)
    with pytest.raises(ArtifactRefusedError, match="does not fit"):
        FolderLoader(runtime="keras").load(folder)


def top(scores: np.ndarray, n: int = 10) -> list[int]:
    return np.argsort(-scores, kind="stable")[:n].tolist()
