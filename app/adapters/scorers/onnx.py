"""A version's `serving.onnx` under ONNX Runtime, on the caller's thread alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from app.adapters.scorers.queries import pad_left
from app.adapters.scorers.version import Infer, Version
from app.domain.errors import ArtifactRefusedError
from app.domain.types import Query

GRAPH_NAME = "serving.onnx"
_INPUTS = ("item_idx", "weight")
_OUTPUT = "scores"


def open_onnx(parts: Version, folder: Path) -> Infer:
    """What scores with the exported graph: inputs `item_idx`, `weight` (batch, time), output `scores`.

    Raises:
        ArtifactRefusedError: The graph cannot be opened, or lacks the agreed inputs and output.
    """
    session = open_session(folder / GRAPH_NAME)
    return partial(_infer, session, fixed_length(session), parts)


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session of a recommender.

    Raises:
        ArtifactRefusedError: The graph cannot be opened, or lacks the agreed inputs and output.
    """
    return open_graph(path, inputs=_INPUTS, output=_OUTPUT)


def open_graph(path: Path, *, inputs: Sequence[str], output: str) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session of one thread.

    Args:
        path: The graph.
        inputs: Their names, sorted.
        output: The name of the only one.

    Raises:
        ArtifactRefusedError: The graph cannot be opened, or lacks the agreed inputs and output.
    """
    options = onnxruntime.SessionOptions()
    # One inference thread a process: several processes share the cores, and spinning would steal them.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # The arena would keep the largest batch's memory for good.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    # ONNX Runtime's errors share no base but Exception; whatever it says, the file is at fault.
    except Exception as error:
        raise ArtifactRefusedError(f"{path.name} cannot be opened by ONNX Runtime.") from error
    found = sorted(entry.name for entry in session.get_inputs())
    if found != list(inputs) or [entry.name for entry in session.get_outputs()] != [output]:
        raise ArtifactRefusedError(f"{path.name} lacks the inputs and output of a recommender.")
    return session


def _infer(
    session: onnxruntime.InferenceSession, length: int | None, parts: Version, queries: Sequence[Query]
) -> NDArray[np.float32]:
    item_idx, weight = pad_left(queries, parts.index, max_length=parts.max_length, length=length)
    return ask(session, item_idx, weight)


def ask(
    session: onnxruntime.InferenceSession, item_idx: NDArray[np.int32], weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The graph's scores, float32 (batch, n + 1)."""
    scores: NDArray[np.float32] = session.run([_OUTPUT], {"item_idx": item_idx, "weight": weight})[0]
    return scores


def fixed_length(session: onnxruntime.InferenceSession) -> int | None:
    """The graph's time axis where it is fixed, else None."""
    length = session.get_inputs()[0].shape[1]
    return length if isinstance(length, int) else None
