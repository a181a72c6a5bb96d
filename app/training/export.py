"""Step 5a: a fitted network to an ONNX graph that gives the same answers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.training import export_recurrent
from app.training.errors import ExportError
from app.training.publish import same_top

if TYPE_CHECKING:
    from models.neural import Recommender, SequenceRecommender

MAX_DIFFERENCE = 1e-4
TOP = 10
# Two items that are nearer than rounding may swap places.
SAME_SCORE = 1e-5
ENCODER_OPSET = 17
PROBE_LENGTHS = (0, 1, 2, 5, 17, 64)


def export(recommender: Recommender, path: Path, *, seed: int) -> dict[str, float | int]:
    """Write `serving.onnx` and hold it against the network.

    Args:
        recommender: Fitted.
        path: The file.
        seed: Of the probe histories.

    Returns:
        ``max_difference`` and ``probes``.

    Raises:
        ExportError: A score is not finite, differs by `MAX_DIFFERENCE` and more, or another item is on top.
    """
    _write(recommender, path)
    return check(recommender, path, seed=seed)


def export_encoder(recommender: SequenceRecommender, path: Path) -> None:
    """Write the part of the network before the item vectors, which a large catalogue is served with.

    Its inputs are `item_idx` int32 and `weight` float32 (batch, time), and `vectors` float32 (rows, d), of
    which `item_idx` names rows, 0 zero; its output is `state` float32 (batch, d), whose products with the
    item vectors, biases added, are the scores.

    Raises:
        ExportError: These scores are not the network's.
    """
    import onnx  # noqa: PLC0415 (only exports need it)

    from models.gru4rec import GRU4Rec  # noqa: PLC0415 (imports Keras)

    if isinstance(recommender, GRU4Rec):
        graph = export_recurrent.encoder(recommender)
    else:
        graph = _converted_encoder(recommender)
    onnx.checker.check_model(graph)
    onnx.save(graph, str(path))
    _check_encoder(recommender, path)


def _converted_encoder(recommender: SequenceRecommender) -> Any:  # noqa: ANN401 (onnx.ModelProto)
    import tensorflow as tf  # noqa: PLC0415
    import tf2onnx  # noqa: PLC0415

    def state(item_idx: Any, vectors: Any, weight: Any) -> Any:  # noqa: ANN401 (tensors)
        inputs = {"item_idx": item_idx, "vectors": vectors, "weight": weight}
        newest = recommender.hidden(inputs, training=False)[:, -1]
        return tf.identity(newest / recommender.members, name="state")

    shape = [None, None]
    signature = [
        tf.TensorSpec(shape, tf.int32, name="item_idx"),
        tf.TensorSpec([None, recommender.width], tf.float32, name="vectors"),
        tf.TensorSpec(shape, tf.float32, name="weight"),
    ]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*np.object.*", category=FutureWarning)
        graph, _ = tf2onnx.convert.from_function(
            tf.function(state, input_signature=signature), input_signature=signature, opset=ENCODER_OPSET
        )
    last = graph.graph.output[0]
    graph.graph.node.append(onnx_node("Identity", [last.name], ["state"]))
    last.name = "state"
    return graph


def onnx_node(kind: str, inputs: list[str], outputs: list[str]) -> Any:  # noqa: ANN401 (onnx.NodeProto)
    """A node of a graph."""
    from onnx import helper  # noqa: PLC0415 (only exports need it)

    return helper.make_node(kind, inputs, outputs)


def _check_encoder(recommender: SequenceRecommender, path: Path) -> None:
    import onnxruntime  # noqa: PLC0415 (only exports need it)

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    vectors, biases = recommender.vectors(), recommender.biases()
    for item_idx, weight in probes(recommender.n_items, seed=0):
        ours = np.asarray(recommender({"item_idx": item_idx, "weight": weight}, training=False))[:, 1:]
        state = session.run(["state"], {"item_idx": item_idx, "vectors": vectors, "weight": weight})[0]
        theirs = (state @ vectors.T + biases)[:, 1:]
        if not np.abs(ours - theirs).max() < MAX_DIFFERENCE:
            raise ExportError("The exported encoder's scores differ from the network's.")


def _write(recommender: Recommender, path: Path) -> None:
    import onnx  # noqa: PLC0415 (only exports need it)

    from models.gru4rec import GRU4Rec  # noqa: PLC0415 (imports Keras)

    if isinstance(recommender, GRU4Rec):
        graph = export_recurrent.graph(recommender)
    else:
        graph = _converted(recommender, path)
    onnx.checker.check_model(graph)
    onnx.save(graph, str(path))


def _converted(recommender: Recommender, path: Path) -> Any:  # noqa: ANN401 (onnx.ModelProto)
    """What Keras' converter makes of the network, with the agreed names; the path serves on the way."""
    import onnx  # noqa: PLC0415

    from models.neural import as_functional  # noqa: PLC0415 (imports Keras)

    serving = as_functional(recommender)
    # Keras exports only what has been asked once.
    serving([np.ones((1, 2), np.int32), np.ones((1, 2), np.float32)])
    with warnings.catch_warnings():
        # Keras' copy of tf2onnx looks for np.object, which NumPy removed.
        warnings.filterwarnings("ignore", message=".*np.object.*", category=FutureWarning)
        serving.export(str(path), format="onnx", verbose=False)
    graph = onnx.load(str(path))
    # The converter names the output after its last operation.
    graph.graph.node.append(onnx.helper.make_node("Identity", [graph.graph.output[0].name], ["scores"]))
    graph.graph.output[0].name = "scores"
    for value in (*graph.graph.input, *graph.graph.output):
        for axis, name in zip(value.type.tensor_type.shape.dim, ("batch", "time"), strict=False):
            if not axis.HasField("dim_value"):
                axis.dim_param = name
    return graph


def probes(n_items: int, *, seed: int) -> list[tuple[NDArray[np.int32], NDArray[np.float32]]]:
    """Histories of several lengths, the empty one first, as the arrays a model takes."""
    rng = np.random.default_rng(seed)
    found = []
    for length in PROBE_LENGTHS:
        width, rows = max(length, 1), 4
        item_idx = rng.integers(1, n_items + 1, (rows, width)).astype(np.int32)
        weight = rng.uniform(0.05, 8.0, (rows, width)).astype(np.float32)
        there = np.arange(width)[None, :] >= width - rng.integers(min(1, length), length + 1, (rows, 1))
        found.append(
            (np.where(there, item_idx, 0).astype(np.int32), np.where(there, weight, 0).astype(np.float32))
        )
    return found


def check(recommender: Recommender, path: Path, *, seed: int) -> dict[str, float | int]:
    """Ask network and graph the same and compare.

    Raises:
        ExportError: They differ.
    """
    import onnxruntime  # noqa: PLC0415 (only exports need it)

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst, asked = 0.0, 0
    for item_idx, weight in probes(recommender.n_items, seed=seed):
        batch = {"item_idx": item_idx, "weight": weight}
        ours = np.asarray(recommender(batch, training=False))[:, 1:]
        theirs = session.run(["scores"], batch)[0][:, 1:]
        if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
            raise ExportError("The network gives scores that are not finite.")
        worst, asked = max(worst, float(np.abs(ours - theirs).max())), asked + len(ours)
        if not same_top(ours, theirs, tolerance=SAME_SCORE, n=TOP):
            raise ExportError("The exported graph puts other items on top than the network.")
    if worst >= MAX_DIFFERENCE:
        raise ExportError(f"The exported graph differs from the network by {worst:.2e}.")
    return {"max_difference": worst, "probes": asked}
