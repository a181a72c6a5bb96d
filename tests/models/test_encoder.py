from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.training.build import network, plan
from app.training.errors import ExportError
from app.training.export import export_encoder
from models.neural import build_weights

pytestmark = pytest.mark.tensorflow
N = 40
MORE = {"sasrec": [{"members": 2, "temperature": 0.1}]}


@pytest.mark.parametrize("model", ["gru4rec", "caser", "nextitnet", "sasrec"])
def test_encoder_and_item_vectors_score_as_the_network(tmp_path: Path, model: str) -> None:
    for number, more in enumerate([{}, {"temperature": 0.1}, *MORE.get(model, [])]):
        built = network(plan(model, {"embedding_size": 8, **more}), N, seed=3)
        build_weights(built)
        built.start_from(np.arange(N + 1, dtype=np.float32))
        export_encoder(built, tmp_path / f"{number}.onnx")


def test_an_encoder_of_other_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = network(plan("gru4rec", {"embedding_size": 8}), N, seed=3)
    build_weights(built)
    wrong = np.ones(N + 1, np.float32)
    monkeypatch.setattr(built, "biases", lambda: wrong)
    with pytest.raises(ExportError, match="encoder"):
        export_encoder(built, tmp_path / "encoder.onnx")
