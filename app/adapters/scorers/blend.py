"""A version's `blend.json`: several models asked about the same history, their scores weighed and added.

Each member's files stand in the version's own folder under the member's name; networks run in whatever runs
networks, tables and the blend itself in NumPy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.adapters.scorers.item_item import TABLE_NAME, read_table
from app.adapters.scorers.queries import pad_left
from app.adapters.scorers.version import Infer, Version
from app.domain.errors import ArtifactRefusedError
from app.domain.types import JsonObject, Query
from models.blend import Mix

BLEND_NAME = "blend.json"
Runtime = Literal["onnx", "keras", "reference"]
Ask = Callable[[NDArray[np.int32], NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Member:
    """A model of the blend.

    Attributes:
        ask: Its scores, float32 (batch, n + 1).
        max_length: The newest places that it reads.
    """

    ask: Ask
    max_length: int


def open_blend(parts: Version, folder: Path, *, runtime: Runtime) -> Infer:
    """What scores with the blend.

    Raises:
        ArtifactRefusedError: The blend or a member cannot be read, or they do not go together.
    """
    listed, mix = read_blend(folder)
    members = [_member(entry, parts, folder, runtime=runtime) for entry in listed]
    return partial(_infer, members, mix, parts)


def has_network(folder: Path) -> bool:
    """Whether any member is a network."""
    return any(entry["format"] == "onnx" for entry in read_blend(folder)[0])


def read_blend(folder: Path) -> tuple[list[JsonObject], Mix]:
    """The members' configurations, and their weights.

    Raises:
        ArtifactRefusedError: The file is missing, damaged, or does not hold together.
    """
    try:
        body = json.loads((folder / BLEND_NAME).read_bytes())
        members = [_entry(entry) for entry in body["members"]]
        mix = Mix.from_json(body["mix"])
        mix.check(len(members))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactRefusedError(f"{BLEND_NAME} is missing or holds no blend.") from error
    return members, mix


def _entry(body: Any) -> JsonObject:  # noqa: ANN401 (JSON)
    kinds = {"model": str, "format": str, "max_length": int, "parameters": dict}
    if not all(isinstance(body[name], kind) for name, kind in kinds.items()) or body["max_length"] < 1:
        raise ValueError("a member of the blend lacks what it is opened by")
    return dict(body)


def _member(entry: JsonObject, parts: Version, folder: Path, *, runtime: Runtime) -> Member:
    model, n_items = entry["model"], len(parts.index)
    if entry["format"] == "item_item":
        table = read_table(folder / f"{model}.{TABLE_NAME}", n_items=n_items)
        return Member(table.score, entry["max_length"])
    if entry["format"] != "onnx":
        raise ArtifactRefusedError(f"{BLEND_NAME} names a format that this release cannot open.")
    if runtime == "onnx":
        return Member(_graph(folder, model), entry["max_length"])
    return Member(_network(entry, folder, n_items, runtime=runtime), entry["max_length"])


def _graph(folder: Path, model: str) -> Ask:
    from app.adapters.scorers.onnx import GRAPH_NAME, ask, open_session  # noqa: PLC0415

    return partial(ask, open_session(folder / f"{model}.{GRAPH_NAME}"))


def _network(entry: JsonObject, folder: Path, n_items: int, *, runtime: Runtime) -> Ask:
    # Keras alone costs 500 MB: it is imported where a setting or the parity check asks for it.
    from app.adapters.scorers import keras_runtime  # noqa: PLC0415

    path = folder / f"{entry['model']}.{keras_runtime.WEIGHTS_NAME}"
    network = keras_runtime.read_network(
        path, model=entry["model"], parameters=entry["parameters"], n_items=n_items
    )
    if runtime == "keras":
        return partial(keras_runtime.ask, keras_runtime.compiled(network, max_length=entry["max_length"]))
    return lambda item_idx, weight: np.asarray(
        network({"item_idx": item_idx, "weight": weight}, training=False)
    )


def _infer(
    members: Sequence[Member], mix: Mix, parts: Version, queries: Sequence[Query]
) -> NDArray[np.float32]:
    item_idx, weight = pad_left(queries, parts.index, max_length=parts.max_length)
    scores = [
        member.ask(item_idx[:, -member.max_length :], weight[:, -member.max_length :]) for member in members
    ]
    for number, each in enumerate(scores):
        if each.shape != (len(queries), len(parts.index) + 1):
            raise ValueError(f"member {number} of the blend does not answer for the items it lists")
    return mix.mix(scores, item_idx)
