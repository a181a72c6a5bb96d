"""A blend of a network and a table answers as it was fitted, in ONNX Runtime, in Keras and as a reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.adapters.scorers.loader import FolderLoader, open_reference
from app.domain.probes import probe_queries
from app.training.artifact import Folder
from app.training.auto import Auto
from app.training.build import network, plan, table
from app.training.fit import compiled_score
from app.training.fitted import Fitted
from app.training.preprocess import Numbered
from app.training.publish import compare
from app.training.task import Member
from models.base import Interactions
from models.blend import Mix
from tests.versions import item_ids, seal

pytestmark = [
    pytest.mark.tensorflow,
    # TensorFlow's tensors lack an argument that NumPy 2 passes; Keras converts them all the same.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

N_ITEMS = 40
PEOPLE, EACH = 12, 6
MIX = Mix(
    np.array([[0.7, 0.2], [1.5, 0.1]], np.float32),
    np.array([[0.3, 0.4], [0.2, 0.6]], np.float32),
    np.array([0.1, -0.2], np.float32),
    (4,),
)


def lines() -> Interactions:
    """Walks through the catalogue, each person's begun at a place of their own."""
    user = np.repeat(np.arange(PEOPLE), EACH)
    place = np.tile(np.arange(EACH), PEOPLE)
    ones = np.ones(len(user), np.float32)
    return Interactions(
        user.astype(np.int64),
        ((user * 3 + place) % N_ITEMS + 1).astype(np.int32),
        place.astype(np.float64),
        ones,
        ones * 100,
        PEOPLE,
        N_ITEMS,
        float(EACH),
    )


@pytest.fixture(scope="module", params=["gru4rec", "sasrec"])
def blend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Auto, Path]:
    """A version's folder, and what was written there."""
    chosen, counted = plan(request.param, {"embedding_size": 8}), plan("transitions", {})
    net, counts = network(chosen, N_ITEMS, seed=3), table(counted, lines())
    members = (
        Member(chosen, compiled_score(net), 1.0, 0.2, network=net),
        Member(counted, counts.score, 1.0, 0.1, table=counts),
    )
    made = Auto(members, members, MIX, 0.3, 0.05, PEOPLE, 10, (), 2.0)
    folder = tmp_path_factory.mktemp("blends") / "auto-1"
    ids = item_ids(N_ITEMS)
    Folder(folder, plan("auto", {}), seed=3).write_model(
        Fitted(made.score, Numbered(lines(), [], ids, 0), blend=made)
    )
    seal(folder, model="auto", n_items=N_ITEMS)
    return made, folder


def test_what_is_served_is_what_was_fitted(blend: tuple[Auto, Path]) -> None:
    made, folder = blend
    served = FolderLoader().load(folder)
    queries = probe_queries(served.item_ids, max_length=10, count=8)
    numbers = {item_id: number for number, item_id in enumerate(served.item_ids, start=1)}
    for query, scores in zip(queries, served.score(queries), strict=True):
        # An empty query is one place of padding.
        asked = np.array([[0, *(numbers[item_id] for item_id in query.item_ids)]], np.int32)
        theirs = made.score(asked, np.array([[0.0, *query.weights]], np.float32))
        np.testing.assert_allclose(scores[1:], theirs[0, 1:], atol=1e-4)


def test_keras_and_the_reference_agree_with_the_graph(blend: tuple[Auto, Path]) -> None:
    _, folder = blend
    served, reference = FolderLoader().load(folder), open_reference(folder)
    assert reference is not None
    found = compare(served, reference)
    assert found.same_top
    assert found.max_difference < 1e-4
    keras = FolderLoader(runtime="keras").load(folder)
    queries = probe_queries(served.item_ids, max_length=10, count=8)
    np.testing.assert_allclose(keras.score(queries)[:, 1:], served.score(queries)[:, 1:], atol=1e-4)
