"""GRU4Rec as a graph of ONNX's GRU operator: Keras' converter would write a loop, several times slower."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.gru4rec import GRU4Rec

OPSET = 17
IR_VERSION = 8
# The operator knows right padding only: a padded place opens the update gate so wide that the state stays.
KEEPS_STATE = 1e4


def graph(recommender: GRU4Rec) -> Any:  # noqa: ANN401 (onnx.ModelProto; onnx is imported for exports only)
    """The network's graph: inputs `item_idx` and `weight` (batch, time), output `scores` (batch, n + 1)."""
    from onnx import TensorProto, helper  # noqa: PLC0415 (only exports need it)

    constants, nodes = _Constants(), []
    nodes += _reading(constants.add("vectors", recommender.vectors()), constants)
    for number, cell in enumerate(recommender.cells):
        nodes += _layer(cell, number, constants)
    nodes += _encoding(recommender, len(recommender.cells) - 1, constants)
    nodes += _scoring(recommender, constants)
    inputs = [
        helper.make_tensor_value_info("item_idx", TensorProto.INT32, ["batch", "time"]),
        helper.make_tensor_value_info("weight", TensorProto.FLOAT, ["batch", "time"]),
    ]
    output = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", recommender.n_items + 1])
    made = helper.make_graph(nodes, "gru4rec", inputs, [output], constants.tensors)
    return helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="recserve"
    )


def encoder(recommender: GRU4Rec) -> Any:  # noqa: ANN401 (onnx.ModelProto)
    """The part before the item vectors, which are an input: `vectors` (rows, d)."""
    from onnx import TensorProto, helper  # noqa: PLC0415

    constants = _Constants()
    nodes = _reading("vectors", constants)
    for number, cell in enumerate(recommender.cells):
        nodes += _layer(cell, number, constants)
    nodes += _encoding(recommender, len(recommender.cells) - 1, constants)
    nodes.append(helper.make_node("Identity", ["hidden"], ["state"]))
    width = recommender.width
    inputs = [
        helper.make_tensor_value_info("item_idx", TensorProto.INT32, ["batch", "time"]),
        helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["rows", width]),
        helper.make_tensor_value_info("weight", TensorProto.FLOAT, ["batch", "time"]),
    ]
    output = helper.make_tensor_value_info("state", TensorProto.FLOAT, ["batch", width])
    made = helper.make_graph(nodes, "gru4rec_encoder", inputs, [output], constants.tensors)
    return helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="recserve"
    )


class _Constants:
    """The graph's initialisers."""

    def __init__(self) -> None:
        self.tensors: list[Any] = []

    def add(self, name: str, values: NDArray[np.generic]) -> str:
        """Hold the values; returns the name."""
        from onnx import numpy_helper  # noqa: PLC0415

        self.tensors.append(numpy_helper.from_array(values, name))
        return name


def _reading(vectors: str, constants: _Constants) -> list[Any]:
    """Item vectors (time, batch, d) and a column (time, batch, 1) that says where there is none."""
    from onnx import TensorProto, helper  # noqa: PLC0415

    node = helper.make_node
    zero, nothing = (
        constants.add("zero", np.zeros(1, np.int32)),
        constants.add("nothing", np.zeros(1, np.float32)),
    )
    one, last = constants.add("one", np.ones(1, np.float32)), constants.add("last", np.array([2], np.int64))
    return [
        node("Transpose", ["item_idx"], ["items"], perm=[1, 0]),
        node("Transpose", ["weight"], ["weights"], perm=[1, 0]),
        node("Equal", ["items", zero], ["padded"]),
        node("Not", ["padded"], ["named"]),
        node("Greater", ["weights", nothing], ["weighs"]),
        node("And", ["named", "weighs"], ["is_there"]),
        node("Cast", ["is_there"], ["there_flat"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["there_flat", last], ["there"]),
        node("Sub", [one, "there"], ["missing"]),
        node("Gather", [vectors, "items"], ["every"]),
        node("Mul", ["every", "there"], ["state_0"]),
    ]


def _layer(cell: Any, number: int, constants: _Constants) -> list[Any]:  # noqa: ANN401 (a Keras layer)
    """One GRU: `state_<number>` to `state_<number + 1>`, (time, batch, width) both, and the last state."""
    from onnx import helper  # noqa: PLC0415

    kernel, recurrent, bias = (np.asarray(weight, np.float32) for weight in cell.get_weights())
    units = recurrent.shape[0]
    keeps = np.zeros((3 * units, 1), np.float32)
    keeps[:units] = KEEPS_STATE
    # Both order the gates update, reset, candidate.
    weights = [
        constants.add(f"kernel_{number}", np.concatenate([kernel.T, keeps], axis=1)[None]),
        constants.add(f"recurrent_{number}", recurrent.T[None]),
        constants.add(f"bias_{number}", bias.reshape(1, -1)),
    ]
    direction = constants.add(f"direction_{number}", np.array([1], np.int64))
    node = helper.make_node
    return [
        node("Concat", [f"state_{number}", "missing"], [f"input_{number}"], axis=2),
        node(
            "GRU",
            [f"input_{number}", *weights],
            [f"states_{number}", f"newest_{number}"],
            hidden_size=units,
            linear_before_reset=1,
        ),
        node("Squeeze", [f"states_{number}", direction], [f"state_{number + 1}"]),
    ]


def _scoring(recommender: GRU4Rec, constants: _Constants) -> list[Any]:
    """`hidden` against the item vectors; padding's row of them is zero and its bias the mask."""
    from onnx import helper  # noqa: PLC0415

    from models.losses import MASKED  # noqa: PLC0415 (imports Keras)

    bias = recommender.biases()
    bias[0] = MASKED
    return [
        helper.make_node("Gemm", ["hidden", "vectors", constants.add("bias", bias)], ["scores"], transB=1)
    ]


def _encoding(recommender: GRU4Rec, last: int, constants: _Constants) -> list[Any]:
    """The newest state to `hidden`, which is multiplied with the item vectors."""
    from onnx import helper  # noqa: PLC0415

    kernel = np.asarray(recommender.project.get_weights()[0], np.float32)
    node = helper.make_node
    return [
        node("Squeeze", [f"newest_{last}", constants.add("layer", np.array([0], np.int64))], ["newest"]),
        node("MatMul", ["newest", constants.add("project", kernel)], ["projected"]),
        node("Gather", ["state_0", constants.add("end", np.array(-1, np.int64))], ["newest_vector"], axis=0),
        node("Add", ["projected", "newest_vector"], ["encoded"]),
        *_hidden(recommender.temperature, constants),
    ]


def _hidden(temperature: float, constants: _Constants) -> list[Any]:
    """`encoded` to `hidden`: of length 1 over the temperature where scores are cosines."""
    from onnx import helper  # noqa: PLC0415

    from models.neural import TINY  # noqa: PLC0415 (imports Keras)

    node = helper.make_node
    if temperature <= 0.0:
        return [node("Identity", ["encoded"], ["hidden"])]
    return [
        node("ReduceSumSquare", ["encoded"], ["squared"], axes=[1], keepdims=1),
        node("Add", ["squared", constants.add("tiny", np.array(TINY, np.float32))], ["never_nothing"]),
        node("Sqrt", ["never_nothing"], ["length"]),
        node("Mul", ["length", constants.add("temperature", np.array(temperature, np.float32))], ["over"]),
        node("Div", ["encoded", "over"], ["hidden"]),
    ]
