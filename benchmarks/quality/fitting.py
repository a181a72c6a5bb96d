"""One model fitted and chosen on what may be learned from, and what is behind it."""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.evaluation.protocol import Cases, Score
from app.training.build import Plan, plan, table
from app.training.errors import ExportError
from app.training.presets import Form, presets
from app.training.task import Member, Task, fit_member, refit_member
from benchmarks.quality.errors import RefusedError
from benchmarks.quality.learning import Learning
from benchmarks.quality.running import Tell
from models.base import Value
from models.registry import names as registry_names

BASELINES: Mapping[str, tuple[str, Mapping[str, Value]]] = {
    "popularity": ("popularity", {"half_life_days": 0.0}),
    # Asked about the last item alone, and nothing is forgotten.
    "markov": ("transitions", {"window": 1, "recency": 0.0, "half_life_days": 1e9, "prior": 1e-6}),
    "itemknn": ("itemknn", {}),
    "ease": ("ease", {}),
}
"""What stands beside every model: a registry name and what differs from its defaults."""
LARGEST_FOR_EASE = 50_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """A model that was fitted, before anything of the test part was read.

    Attributes:
        choice: The model as the validation people judge it.
        final: The model that is tested: refitted on all training lines where the protocol allows it.
        served: Answers single queries as the service would.
        served_by: What that is.
        seconds: Of all fitting and choosing.
        history: Curves of the fit, empty for a counted table.
        details: What else the report shows: hyper-parameters, members and weights of a blend.
    """

    choice: Score
    final: Score
    served: Score
    served_by: str
    seconds: float
    history: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


def model_names() -> tuple[str, ...]:
    """Every name that ``--models`` takes."""
    return tuple(dict.fromkeys(["auto", *BASELINES, *registry_names()]))


def baseline_names(learning: Learning) -> tuple[str, ...]:
    """The baselines that the catalogue allows: EASE's inverse is dense."""
    large = len(learning.item_ids) > LARGEST_FOR_EASE
    return tuple(name for name in BASELINES if not (large and name == "ease"))


def plan_of(name: str, protocol: Form) -> Plan:
    """The model with the hyper-parameters of the protocol.

    Raises:
        RefusedError: There is no such model.
    """
    if name not in model_names():
        raise RefusedError(f"There is no model {name!r}; there are {', '.join(model_names())}.")
    model, overrides = BASELINES.get(name, (name, {}))
    known = plan(model, {})
    there = {**known.parameters, **known.training}
    asked = {**presets(protocol).get(name, {}), **overrides}
    return plan(model, {key: value for key, value in asked.items() if key in there})


def fit_one(name: str, learning: Learning, *, seed: int, budget_s: float, tell: Tell) -> Outcome:
    """Fit one model, choose on validation, and fit once more where the protocol has a last fit.

    Args:
        name: What ``--models`` names.
        learning: All that may be read.
        seed: Of every random choice.
        budget_s: Seconds for all fitting and choosing.
        tell: Told how far it is.
    """
    if name == "auto":
        from benchmarks.quality.recipe import fit_recipe  # noqa: PLC0415 (imports Keras)

        return fit_recipe(learning, seed=seed, budget_s=budget_s, tell=tell)
    chosen = plan_of(name, learning.protocol)
    if chosen.spec.format == "item_item":
        return _counted(chosen, learning, tell)
    return _network(chosen, learning, seed=seed, budget_s=budget_s, tell=tell)


def _counted(chosen: Plan, learning: Learning, tell: Tell) -> Outcome:
    importlib.import_module(chosen.spec.module)  # SciPy takes a second to load, which is no part of a fit.
    started = time.monotonic()
    tell({"stage": "count"})
    first = table(chosen, learning.task.interactions)
    last = first if learning.final is None else table(chosen, learning.final)
    seconds = time.monotonic() - started
    return Outcome(
        first.score, last.score, last.score, "table in NumPy", seconds, details={"config": chosen.config()}
    )


def _network(chosen: Plan, learning: Learning, *, seed: int, budget_s: float, tell: Tell) -> Outcome:
    started = time.monotonic()
    tell({"stage": "fit"})
    task = replace(learning.task, validation=newest(learning.task.validation, chosen.max_length))
    share = 1.0 if learning.final is None else 0.5
    member = _member(chosen, task, seed=seed, budget_s=budget_s * share, tell=tell)
    final = member
    if learning.final is not None:
        tell({"stage": "refit"})
        final = refit_member(
            member,
            learning.final,
            seed=seed,
            on_step=lambda epoch, share: tell({"step": epoch, "share": share}),
        )
    seconds = time.monotonic() - started
    tell({"stage": "export"})
    served, served_by = exported(final.network, final.score)
    return Outcome(
        member.asked,
        final.asked,
        replace(final, score=served).asked,
        served_by,
        seconds,
        member.history.to_json(),
        {"config": chosen.config(), "epochs": member.history.best_epoch},
    )


def _member(chosen: Plan, task: Task, *, seed: int, budget_s: float, tell: Tell) -> Member:
    return fit_member(
        chosen,
        task,
        seed=seed,
        on_epoch=_teller(tell),
        on_step=lambda epoch, share: tell({"step": epoch, "share": share}),
        deadline_s=budget_s,
    )


def _teller(tell: Tell) -> Callable[[Any, int], None]:
    def on_epoch(epoch: Any, most: int) -> None:  # noqa: ANN401 (an Epoch of either fit)
        tell({"epoch": epoch.number, "of": most, "loss": epoch.loss, "metric": epoch.metric})

    return on_epoch


def exported(network: Any, fallback: Score) -> tuple[Score, str]:  # noqa: ANN401 (Keras has no types)
    """The network as it would be served: the ONNX graph, or its own compiled step where it has none."""
    from app.adapters.scorers.onnx import open_session  # noqa: PLC0415 (only networks need it)
    from app.training.export import export  # noqa: PLC0415 (imports Keras)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "serving.onnx"
        try:
            export(network, path, seed=0)
        except ExportError:
            return fallback, "compiled network"
        session = open_session(path)

    def score(item_idx: NDArray[np.int32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
        answer: NDArray[np.float32] = session.run(["scores"], {"item_idx": item_idx, "weight": weight})[0]
        return answer

    return score, "ONNX Runtime, one thread"


def newest(cases: Cases, max_length: int) -> Cases:
    """The same people asked about their newest places alone."""
    lengths = cases.item_idx.lengths
    stop = np.repeat(cases.item_idx.offsets[1:], lengths)
    kept = stop - np.arange(len(stop)) <= max_length
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.minimum(lengths, max_length))])
    return replace(
        cases,
        item_idx=replace(cases.item_idx, values=cases.item_idx.values[kept], offsets=offsets),
        weight=replace(cases.weight, values=cases.weight.values[kept], offsets=offsets),
    )
