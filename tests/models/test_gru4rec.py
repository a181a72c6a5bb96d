from __future__ import annotations

from pathlib import Path

import numpy as np

from app.training.export import export
from tests.models.contract import N_ITEMS, SequenceContract, histories


class TestGRU4Rec(SequenceContract):
    model = "gru4rec"
    parameters = {"embedding_size": 16, "units": 24, "layers": 2, "dropout": 0.1}

    def test_the_exported_graph_has_an_operator_in_place_of_a_loop(self, tmp_path: Path) -> None:
        import onnx

        export(self.make(), tmp_path / "serving.onnx", seed=1)
        named = [node.op_type for node in onnx.load(tmp_path / "serving.onnx").graph.node]
        assert (named.count("GRU"), named.count("Loop")) == (2, 0)

    def test_the_exported_graph_keeps_the_state_at_places_without_weight(self, tmp_path: Path) -> None:
        import onnxruntime

        made, (items, weights) = self.make(), histories()
        weights[:, 5] = 0.0
        export(made, tmp_path / "serving.onnx", seed=1)
        session = onnxruntime.InferenceSession(tmp_path / "serving.onnx", providers=["CPUExecutionProvider"])
        found = session.run(["scores"], {"item_idx": items, "weight": weights})[0]
        assert found.shape == (6, N_ITEMS + 1)
        np.testing.assert_allclose(found[:, 1:], self.ask(made, items, weights)[:, 1:], atol=1e-4)


class TestGRU4RecOfCosines(SequenceContract):
    model = "gru4rec"
    parameters = {"embedding_size": 16, "units": 24, "dropout": 0.1, "temperature": 0.1}

    def test_states_have_a_length_of_one_over_the_temperature(self) -> None:
        items, weights = histories()
        states = np.asarray(self.make().hidden({"item_idx": items, "weight": weights}, training=False))
        np.testing.assert_allclose(np.linalg.norm(states[1:, -1], axis=-1), 10.0, rtol=1e-4)
