"""From events to a version's folder: the five steps, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from app.domain.ports import Clock, Scorer
from app.domain.types import JsonObject
from app.domain.weights import DEFAULT_WEIGHTS, EventWeight


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
    """

    model: str
    version: str | None = None
    seed: int = 7
    overrides: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    weights: Mapping[str, EventWeight] = field(default_factory=lambda: DEFAULT_WEIGHTS)
    refit: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is.

    Attributes:
        stage: preprocess, build, fit, evaluate, refit, export, write.
        fraction: 0 to 1 over all stages.
        seconds_left: Estimated, over all stages.
        metric: NDCG@10 on the validation slice.
    """

    stage: str
    fraction: float
    epoch: int | None = None
    epochs: int | None = None
    loss: float | None = None
    val_loss: float | None = None
    metric: float | None = None
    seconds_left: float | None = None
    message: str | None = None


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


class NotEnoughDataError(Exception):
    """There are too few events to fit and to judge a model; the message says what is missing."""


def train(
    request: TrainRequest,
    events: object,
    *,
    workdir: Path,
    progress: Callable[[Progress], None],
    clock: Clock,
    git_commit: str | None = None,
    rivals: Mapping[str, Scorer] | None = None,
) -> TrainedVersion:
    """Fit, evaluate and export one model.

    Args:
        request: What to fit.
        events: The log in column batches (`EventColumns` of the EventLog port), or a polars frame with the
            columns of `app.training.preprocess.SCHEMA`.
        workdir: The version's folder is made inside it, under its name.
        progress: Called often; an exception it raises ends the training and is passed on (cancellation).
        clock: Names the version and dates the files.
        git_commit: For the manifest.
        rivals: Scorers measured on the same later slice, by name (the live version), for the gate:
            ``metrics["rivals"][name]``.

    Raises:
        NotEnoughDataError: Too few events.
        ValueError: The model or a hyper-parameter is unknown.
    """
    raise NotImplementedError
