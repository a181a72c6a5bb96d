"""From events to a version's folder: the five steps, one after the other.

Three fits, so that what is judged is what is shipped: one before the validation slice finds the number of
epochs; one before the test slice, with that number, is measured on it beside the baselines; one on all events
is exported. A model that is counted rather than fitted step by step skips the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from app.domain.ports import Clock, EventColumns
from app.domain.types import Item, JsonObject
from app.domain.weights import DEFAULT_WEIGHTS, EventWeight
from app.evaluation.splits import TimeSplit, split_by_share
from app.training import artifact
from app.training.attributes import described
from app.training.build import plan
from app.training.errors import NotEnoughDataError, TrainingError
from app.training.making import making
from app.training.measure import Rival, measure
from app.training.preprocess import Labelled, frame_of, prepare
from app.training.progress import Progress, Report, Stages
from app.training.warm import Warm, earlier_of

__all__ = [
    "NotEnoughDataError",
    "Progress",
    "Rival",
    "TrainRequest",
    "TrainedVersion",
    "TrainingError",
    "train",
]

MIN_LINES = 100
MIN_USERS = 5
MIN_ITEMS = 3


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """What to fit.

    Attributes:
        model: A name of `models.registry`.
        version: The version's name; made from the model and the clock where None.
        seed: Of every random choice.
        overrides: Hyper-parameters that differ from the registry's, of the architecture or the fit.
        weights: Weight and half-life by event type.
        refit: After the evaluation, fit once more on all events, so that the newest items are known.
        warm_from: The folder of a version whose weights the fits may start from; None for fits from nothing.
    """

    model: str
    version: str | None = None
    seed: int = 7
    overrides: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    weights: Mapping[str, EventWeight] = field(default_factory=lambda: DEFAULT_WEIGHTS)
    refit: bool = True
    warm_from: Path | None = None


@dataclass(frozen=True, slots=True)
class TrainedVersion:
    """A complete folder, ready to be published."""

    model: str
    version: str
    folder: Path
    metrics: JsonObject
    verdict: str
    window_start: datetime
    window_end: datetime
    event_count: int
    n_items: int


def train(
    request: TrainRequest,
    events: Iterable[EventColumns] | pl.DataFrame | Path,
    *,
    workdir: Path,
    progress: Report,
    clock: Clock,
    git_commit: str | None = None,
    rivals: Mapping[str, Rival] | None = None,
    items: Iterable[Sequence[Item]] = (),
) -> TrainedVersion:
    """Fit, evaluate and export one model.

    Args:
        request: What to fit.
        events: The log in column batches, or what else `app.training.preprocess.frame_of` takes.
        workdir: The version's folder is made inside it, under its name.
        progress: Called often; an exception it raises ends the training and is passed on (cancellation).
        clock: Names the version and dates the files.
        git_commit: For the manifest.
        rivals: Measured on the same later slice, by name (``live``), for the gate:
            ``metrics["rivals"][name]`` holds ``candidate`` and ``rival``, both on what came after the
            rival's window; nothing where nobody did anything after it.
        items: The catalogue in batches, for what is known of the items beside their events.

    Raises:
        NotEnoughDataError: Too few events.
        PlanError: The model or a hyper-parameter is unknown.
        DivergedError: The loss is not finite any more.
        ExportError: The exported graph does not answer as the network does.
    """
    chosen = plan(request.model, request.overrides)
    stages = Stages(progress)
    stages.at("preprocess")
    labelled = prepare(frame_of(events), request.weights, now=clock.now(), catalogue=described(items))
    split = split_of(labelled)
    refits = 2 if request.refit else 1
    warm = Warm(chosen, earlier_of(request.warm_from, chosen, split))
    made = making(chosen, labelled, split, stages, seed=request.seed, refits=refits, warm=warm)
    tested = made.until(split.test_from, stage="refit")
    stages.at("evaluate")
    measured = measure(chosen, tested, labelled, split, rivals or {})
    final = made.until(split.end, stage="final") if request.refit else tested
    code, said = made.said()
    stages.at("export")
    version = request.version or f"{request.model}-{clock.now():%Y%m%d-%H%M%S}"
    folder = artifact.Folder(workdir / version, chosen, seed=request.seed)
    metrics: JsonObject = {
        **measured,
        **made.metrics(),
        **warm.metrics(),
        "model": request.model,
        "verdict": said,
        "verdict_code": code,
        "data": {**labelled.counts, "opposed_pairs": final.numbers.opposed},
        "export": folder.write_model(final),
    }
    warm.write(folder.path)
    stages.at("write")
    trained = _trained(folder.path, metrics, labelled, n_items=len(final.numbers.item_ids))
    facts = artifact.Facts(
        window_start=trained.window_start,
        window_end=trained.window_end,
        event_count=trained.event_count,
        git_commit=git_commit,
    )
    folder.write_records(metrics, made.history, facts)
    stages.tell(Progress("write", 1.0, message=said))
    return trained


def _trained(folder: Path, metrics: JsonObject, labelled: Labelled, *, n_items: int) -> TrainedVersion:
    return TrainedVersion(
        model=str(metrics["model"]),
        version=folder.name,
        folder=folder,
        metrics=metrics,
        verdict=str(metrics["verdict"]),
        window_start=labelled.start,
        window_end=labelled.end,
        event_count=labelled.frame.height,
        n_items=n_items,
    )


def split_of(labelled: Labelled) -> TimeSplit:
    """The training, validation and test slices of a shop's events.

    Raises:
        NotEnoughDataError: Too few events.
    """
    frame = labelled.frame
    counts = (
        ("labelled events", frame.height, MIN_LINES),
        ("people", frame.get_column("user_key").n_unique(), MIN_USERS),
        ("items", frame.get_column("item_id").n_unique(), MIN_ITEMS),
    )
    for what, there, needed in counts:
        if there < needed:
            raise NotEnoughDataError(f"A training needs at least {needed} {what}; there are {there}.")
    try:
        return split_by_share(frame.get_column("time").to_numpy())
    except ValueError as error:
        raise NotEnoughDataError(
            f"Training, validation and test need three slices of time: {error}."
        ) from error
