"""Fits that start from an earlier one: known items keep their rows, new ones begin like their like."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import structlog
from numpy.typing import NDArray
from scipy import sparse

from app.domain.types import JsonObject
from app.evaluation.splits import TimeSplit
from app.training.build import Plan, network
from models.base import Attributes, Value

if TYPE_CHECKING:
    from models.neural import Recommender

WEIGHTS_NAME = "weights.weights.h5"
ITEMS_NAME = "items.json"
CONFIG_NAME = "config.json"
METRICS_NAME = "metrics.json"
STAGES = ("fit", "refit", "final")
"""The fits of a training: before the validation slice, before the test slice, on everything."""
MOST_IN_A_ROW = 24
"""Then a fit from nothing is due, so that what was learned long ago does not stay for ever."""
SECONDS_PER_DAY = 86_400.0
TINY = 1e-6
EPOCHS_SHARE = 1 / 3
"""Of the earlier fit's best epochs; a fit from nothing goes on past its best: a quarter of its time."""
HALF_LIFE_SHARE = 1 / 3
"""Of a target's half-life: what is old was learned before, what is new was not."""

Array = NDArray[np.float32]
Begin = Callable[["Recommender"], None]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """What an earlier fit of the same architecture ended with.

    Attributes:
        weights: In the network's own order.
        item_axes: For each weight the axis that has a row for each item and padding; None where it has none.
        item_ids: External ids of its items 1 to n.
    """

    weights: Sequence[Array]
    item_axes: Sequence[int | None]
    item_ids: Sequence[str]

    def into(
        self, recommender: Recommender, item_ids: Sequence[str], attributes: Attributes | None = None
    ) -> None:
        """Give a fresh network these weights.

        Rows of items known to both are copied. A new item's row is the mean of its attributes' means over
        known items, or the mean over all known items; its bias keeps its place beside theirs at the start of
        a fit.

        Args:
            recommender: Of the same architecture, set to begin at popularity.
            item_ids: External ids of its items 1 to n.
            attributes: Of its items.
        """
        number = {item_id: place for place, item_id in enumerate(self.item_ids, start=1)}
        rows = np.array([0, *(number.get(item_id, -1) for item_id in item_ids)])
        mixed = Likeness(rows >= 0, attributes)
        fresh = recommender.get_weights()
        recommender.set_weights(
            [
                old if axis is None else _moved(old, new, rows, mixed, axis=axis)
                for old, new, axis in zip(self.weights, fresh, self.item_axes, strict=True)
            ]
        )

    def share_known(self, item_ids: Sequence[str]) -> float:
        """How many of the items have a row here, 0 to 1."""
        known = set(self.item_ids)
        return sum(item_id in known for item_id in item_ids) / max(len(item_ids), 1)


class Likeness:
    """What an item's row would be by its attributes.

    Args:
        known: bool (n + 1,), whose rows can be gone by.
        attributes: Of the items; None where nothing is known of them.
    """

    def __init__(self, known: NDArray[np.bool_], attributes: Attributes | None) -> None:
        self._known = known.copy()
        self._known[0] = False
        self._bags: sparse.csr_array | None = None
        if attributes is not None:
            shape = (len(known), len(attributes))
            ones = np.ones(len(attributes.indices), np.float32)
            self._bags = sparse.csr_array((ones, attributes.indices, attributes.indptr), shape=shape)

    def rows(self, table: Array) -> Array:
        """The mean of each item's attributes' means, the rarer the more; else the mean of all known rows.

        Args:
            table: float32 (n + 1, d); unknown rows are not read.

        Returns:
            float32 (n + 1, d).
        """
        mean = table[self._known].mean(axis=0) if self._known.any() else np.zeros(table.shape[1], np.float32)
        found = np.tile(mean, (len(table), 1))
        if self._bags is None:
            return found
        of_known = self._bags[self._known]
        count = np.asarray(of_known.sum(axis=0))
        means = (of_known.T @ table[self._known]) / np.maximum(count, 1.0)[:, None]
        says = np.where(count > 0, 1.0 / np.sqrt(np.maximum(count, 1.0)), 0.0)
        total = self._bags @ says
        spoken = total > 0
        found[spoken] = (self._bags @ (means * says[:, None]))[spoken] / total[spoken, None]
        return np.asarray(found, np.float32)


def _moved(old: Array, fresh: Array, rows: NDArray[np.int64], mixed: Likeness, *, axis: int) -> Array:
    old, fresh = np.moveaxis(old, axis, 0), np.moveaxis(fresh, axis, 0)
    known = rows >= 0
    found = fresh.copy()
    found[known] = old[rows[known]]
    if found.ndim == 1:
        # Biases began at popularity and were moved together since.
        found[~known] += (found[known] - fresh[known])[1:].mean() if known.sum() > 1 else 0.0
    else:
        found[~known] = mixed.rows(found)[~known]
    return np.moveaxis(found, 0, axis)


def start_of(chosen: Plan, recommender: Recommender, item_ids: Sequence[str]) -> Start:
    """What a fit ended with, for one that follows in the same process."""
    return Start(recommender.get_weights(), _item_axes(chosen), list(item_ids))


def warm_from(folder: Path, prefix: str, *, chosen: Plan) -> Start | None:
    """What an earlier fit left in a version's folder; None where it is not there or of another architecture.

    A fit must start only from one that read nothing of the slice it is going to be judged on.

    Args:
        folder: The version's, verified.
        prefix: Of the two files' names. Where no items stand under it, those of the whole version count.
        chosen: The architecture that is to start from it.
    """
    items = folder / f"{prefix}{ITEMS_NAME}"
    items = items if items.is_file() else folder / ITEMS_NAME
    weights = folder / f"{prefix}{WEIGHTS_NAME}"
    if not weights.is_file() or not items.is_file():
        return None
    item_ids = json.loads(items.read_text(encoding="utf-8"))
    earlier = network(chosen, len(item_ids), seed=0)
    try:
        earlier.load_weights(weights)
    except (OSError, ValueError, KeyError):
        # Another width or depth: its hyper-parameters were others.
        return None
    return Start(earlier.get_weights(), _item_axes(chosen), item_ids)


def shortened(chosen: Plan, epochs: int) -> Plan:
    """The plan of a fit that starts warm: fewer epochs, newer targets, a learning rate that only falls.

    Args:
        chosen: As a fit from nothing would be.
        epochs: The earlier fit's.
    """
    training = chosen.training
    changed: dict[str, Value] = {
        "epochs": max(1, round(EPOCHS_SHARE * epochs)),
        "least_steps": 0,
        "warm_up": 0.0,
        "decay": "linear",
        "target_half_life_days": HALF_LIFE_SHARE * float(training["target_half_life_days"]),
    }
    return replace(
        chosen, training={**training, **{name: changed[name] for name in changed if name in training}}
    )


def _item_axes(chosen: Plan) -> list[int | None]:
    """For each weight the axis that grows with the catalogue: two tiny networks tell."""
    few, more = (network(chosen, n_items, seed=0).get_weights() for n_items in (3, 4))
    return [
        next(
            (
                axis
                for axis, (less, most) in enumerate(zip(one.shape, other.shape, strict=True))
                if less != most
            ),
            None,
        )
        for one, other in zip(few, more, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Earlier:
    """A version whose fits the fits of a training start from, each from its own: none saw a later slice.

    Attributes:
        folder: Its files.
        version: Its name.
        epochs: Of the last fit from nothing in its line.
        in_a_row: Warm starts since then.
    """

    folder: Path
    version: str
    epochs: int
    in_a_row: int


def earlier_of(folder: Path | None, chosen: Plan, split: TimeSplit) -> Earlier | None:
    """The version as something to start from; None, and the reason in the log, where it cannot be that.

    It can be where it is of the same architecture, its slices end no later than the new ones, and a fit from
    nothing is not due.

    Args:
        folder: The version's, verified; None where there is no version.
        chosen: What is to be fitted.
        split: The new training's slices.
    """
    if folder is None or chosen.spec.format != "onnx":
        return None
    reason = _refusal(folder, chosen, split)
    if reason is not None:
        _log.info("training.warm_start.passed_over", version=folder.name, reason=reason)
        return None
    metrics = _json(folder / METRICS_NAME)
    before = metrics.get("warm_start") or {"epochs": metrics["epochs"], "in_a_row": 0}
    return Earlier(folder, folder.name, int(before["epochs"]), int(before["in_a_row"]))


def _refusal(folder: Path, chosen: Plan, split: TimeSplit) -> str | None:
    config, metrics = _json(folder / CONFIG_NAME), _json(folder / METRICS_NAME)
    if (config.get("model"), config.get("parameters")) != (chosen.spec.name, dict(chosen.parameters)):
        return "another model, or other hyper-parameters"
    if not all((folder / f"{prefix_of(stage)}{WEIGHTS_NAME}").is_file() for stage in STAGES):
        return "its files hold no weights of each fit"
    slices = metrics.get("protocol", {})
    cuts = (slices.get("validation_from"), slices.get("test_from"))
    ours = (split.validation_from, split.test_from)
    if any(cut is None or _days(cut) > own + TINY for cut, own in zip(cuts, ours, strict=True)):
        return "it saw events of the new slices"
    if (metrics.get("warm_start") or {}).get("in_a_row", 0) >= MOST_IN_A_ROW:
        return "a fit from nothing is due"
    return None


def prefix_of(stage: str) -> str:
    """What the files of a stage's fit begin with in a version's folder; the last fit's are the version's."""
    return "" if stage == STAGES[-1] else f"{stage}."


class Warm:
    """What the fits of one training start from, and what they leave for the next one.

    Args:
        chosen: The model.
        earlier: Where they start; None for nothing.
    """

    def __init__(self, chosen: Plan, earlier: Earlier | None) -> None:
        self.plan = chosen if earlier is None else shortened(chosen, earlier.epochs)
        self._earlier = earlier
        self._left: dict[str, tuple[Recommender, Sequence[str]]] = {}

    def begin(self, stage: str, item_ids: Sequence[str], attributes: Attributes | None) -> Begin | None:
        """What gives a stage's fresh network its weights; None where nothing does."""
        earlier = self._earlier
        start = None if earlier is None else warm_from(earlier.folder, prefix_of(stage), chosen=self.plan)
        if start is None:
            return None
        return lambda recommender: start.into(recommender, item_ids, attributes)

    def keep(self, stage: str, recommender: Recommender, item_ids: Sequence[str]) -> None:
        """Take note of what a stage's fit ended with."""
        self._left[stage] = (recommender, item_ids)

    def write(self, folder: Path) -> None:
        """Put the earlier stages' weights beside the version's own."""
        for stage in STAGES[:-1]:
            if stage in self._left:
                recommender, item_ids = self._left[stage]
                recommender.save_weights(folder / f"{prefix_of(stage)}{WEIGHTS_NAME}")
                text = json.dumps(list(item_ids), ensure_ascii=False)
                (folder / f"{prefix_of(stage)}{ITEMS_NAME}").write_text(text + "\n", encoding="utf-8")

    def metrics(self) -> JsonObject:
        """What of it belongs to the version's figures; nothing for fits from nothing."""
        if self._earlier is None:
            return {}
        earlier = self._earlier
        return {
            "warm_start": {
                "from": earlier.version,
                "epochs": earlier.epochs,
                "in_a_row": earlier.in_a_row + 1,
            }
        }


def _json(path: Path) -> JsonObject:
    found: JsonObject = json.loads(path.read_text(encoding="utf-8"))
    return found


def _days(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp() / SECONDS_PER_DAY
