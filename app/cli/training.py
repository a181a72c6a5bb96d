"""`recserve train`, `recserve evaluate`, and what the job supervisor starts."""

from __future__ import annotations

import json
import signal
import tomllib
from collections.abc import Mapping
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.cli.console import (
    FAILED,
    FailedError,
    answer_json,
    load_settings,
    progress_bar,
    run,
    say,
    table,
)
from app.cli.models import shown
from app.domain.errors import InvalidInputError
from app.domain.types import Job, JobState, JsonObject, ModelVersion, VersionState
from app.evaluation.report import BASELINE_TITLES, figure
from app.telemetry import configure_logging
from app.training.progress import FITS

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from app.settings import Settings
    from app.training.benchmark import Measured
    from app.training.progress import Progress as TrainProgress

Promote = Literal["auto", "manual", "never"]
WarmStart = Literal["auto", "never"]
COLUMNS = (
    ("NDCG@10 new", "unseen", "ndcg@10"),
    ("NDCG@10 all", "all", "ndcg@10"),
    ("recall@10", "all", "recall@10"),
    ("hit@10", "all", "hit_rate@10"),
    ("MRR@10", "all", "mrr@10"),
    ("coverage@10", "all", "coverage@10"),
)
"""What the table shows: label, reading of the protocol, key. With the longest name it takes 94 columns."""
NEW_TO_THEM = "NDCG@10 new: among the items that a customer had nothing to do with before."
FIGURES = {"loss": ("loss", 2), "metric": ("NDCG@10", 3), "val_loss": ("val. loss", 2)}
"""What an epoch of the first fit tells: label and digits, in the order in which a terminal shows them."""
ONLINE_RETAIL = Path(__file__).resolve().parents[2] / "data/online_retail/online_retail.parquet"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(train)
    app.command()(evaluate)
    app.command("job-run", hidden=True)(job_run)


def train(
    *,
    model: Annotated[
        str | None, typer.Option(help="A name of docs/models; unset: RECSERVE_RETRAIN_MODEL.")
    ] = None,
    promote: Annotated[
        Promote, typer.Option(help="auto: live if it wins; manual: you decide; never: only keep it.")
    ] = "auto",
    config: Annotated[
        Path | None, typer.Option(help="A TOML of hyper-parameters, such as those in configs/.")
    ] = None,
    budget_s: Annotated[
        float | None,
        typer.Option(help="Seconds that auto may take for all its fits; unset: RECSERVE_RETRAIN_BUDGET_S."),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(help="A Parquet file, or a folder of them, to learn from in place of the event log."),
    ] = None,
    warm_start: Annotated[
        WarmStart | None,
        typer.Option(help="auto: from the live version's weights; unset: RECSERVE_RETRAIN_WARM_START."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Fit a model on the events, judge it beside the baselines on a later slice, and let it serve if it won.

    It runs in a child process, as a retraining that the service starts does; one runs at a time.

    \b
    Examples:
      recserve train
      recserve train --budget-s 300
      recserve train --model gru4rec --promote manual
      recserve train --config configs/multvae.toml --json
      recserve train --events exported.parquet --warm-start never
    """
    named, overrides = read_config(config) if config is not None else (None, {})
    if budget_s is not None:
        overrides["budget_s"] = budget_s
    settings, name = _alone(load_settings()), model or named
    _check(name or settings.retrain_model, overrides)
    options = _options(events, warm_start)
    version, job = run(_train(settings, model=name, promote=promote, overrides=overrides, options=options))
    if as_json:
        answer_json(shown(version) | {"job": _job_json(job)})
        return
    _show_result(version)


def evaluate(
    *,
    models: Annotated[str | None, typer.Option(help="Names with commas between them; unset: all.")] = None,
    data: Annotated[Path, typer.Option(help="The Online Retail file.")] = ONLINE_RETAIL,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 7,
    out: Annotated[Path | None, typer.Option(help="Write all figures here, as JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Fit models on Online Retail before 2011-11-10 and print their table on what was bought after it.

    The database is not touched. All models take some minutes.

    \b
    Examples:
      recserve evaluate
      recserve evaluate --models transitions,ease
      recserve evaluate --models multvae --json
    """
    if not data.is_file():
        raise InvalidInputError(f"There is no file {data}: name the Online Retail file with --data.")
    lines = _measure(data, _named(models), seed)
    body = {"cut": "2011-11-10", "seed": seed, "models": [line.to_json() for line in lines]}
    if out is not None:
        _write(out, body)
    if as_json:
        answer_json(body)
        return
    _table(
        "bought from 2011-11-10 on",
        [(BASELINE_TITLES.get(line.name, line.name), line.report) for line in lines],
    )
    for line in lines:
        if line.said:
            say(f"{line.name}: {line.said} ({line.seconds:.0f} s)")


def _named(models: str | None) -> list[str]:
    from app.adapters.scorers.names import model_names
    from app.training.benchmark import MODELS

    names = [name.strip() for name in models.split(",")] if models is not None else list(MODELS)
    unknown = [name for name in names if name not in model_names()]
    if unknown:
        raise InvalidInputError(f"There is no model {unknown[0]!r}; there are {', '.join(model_names())}.")
    return names


def _measure(data: Path, names: list[str], seed: int) -> list[Measured]:
    import polars as pl

    from app.training import benchmark

    with progress_bar() as bar:
        seen = _Evaluated(bar, names)
        try:
            return benchmark.run(data, names, seed=seed, report=seen.report)
        except pl.exceptions.PolarsError as error:
            raise InvalidInputError(f"{data} is not the Online Retail Parquet file.") from error


class _Evaluated:
    """An evaluation on the terminal: a bar over all models, or a line for each epoch where there is none."""

    def __init__(self, bar: Progress, names: list[str]) -> None:
        self._bar = bar
        self._names = names
        self._task = bar.add_task("baselines", total=len(names), note="")
        self._model: str | None = None
        self._figures: dict[str, float | None] = {}
        self._told: object = None

    def report(self, model: str, progress: TrainProgress) -> None:
        """Show how far it is; an epoch's figures stay until the next one's are there."""
        if model != self._model:
            self._model, self._figures = model, {}
        fresh = progress.loss is not None
        if fresh:
            self._figures = {name: getattr(progress, name) for name in FIGURES}
        note = progress_note(progress.stage, progress.epoch, progress.epochs, figures=self._figures)
        done = self._names.index(model) + progress.fraction
        self._bar.update(self._task, description=model, completed=done, note=note)
        step = (model, progress.stage, progress.epoch if fresh else None)
        if self._bar.disable and step != self._told and (fresh or progress.stage != "fit"):
            self._told = step
            say(f"  {model}: {note}")


def _write(path: Path, body: JsonObject) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    except OSError as error:
        raise FailedError(f"{path} cannot be written: {error.strerror}.") from error


def job_run(job_id: Annotated[str, typer.Argument(help="A job that was claimed for this process.")]) -> None:
    """Run a claimed retraining job to its end; started by the job supervisor."""
    from app.bootstrap import run_job as run_claimed

    # Ended by its supervisor alone; an interrupt would wait for the end of the training's thread.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    job = run(run_claimed(settings, job_id))
    if job.state is not JobState.SUCCEEDED:
        raise typer.Exit(FAILED)


def _alone(settings: Settings) -> Settings:
    """The settings of a process that runs one job and makes no others."""
    return settings.model_copy(
        update={"jobs": "embedded", "retrain_every_s": None, "retrain_after_events": None}
    )


def read_config(path: Path) -> tuple[str | None, dict[str, Any]]:
    """The model and hyper-parameters of a TOML: ``model = "…"`` and tables or keys of numbers and words."""
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} is not TOML: {error}.") from error
    model = body.pop("model", None)
    overrides: dict[str, Any] = {}
    for name, value in body.items():
        overrides.update(value if isinstance(value, dict) else {name: value})
    bad = [name for name, value in overrides.items() if not isinstance(value, bool | int | float | str)]
    if bad or not isinstance(model, str | None):
        raise InvalidInputError(f"{path}: {bad[0] if bad else 'model'} is neither a number nor a word.")
    return model, overrides


def _check(model: str, overrides: JsonObject) -> None:
    """Refuse a model or hyper-parameter that does not exist before a job is made of it."""
    if not all(map(find_spec, ("tensorflow", "polars"))):
        raise InvalidInputError("Training needs the packages of requirements/train.txt.")
    from app.training.build import plan

    try:
        plan(model, overrides)
    except (ValueError, TypeError) as error:
        raise InvalidInputError(f"This cannot be trained: {error}") from error


def _options(events: Path | None, warm_start: WarmStart | None) -> JsonObject:
    """What the job is told beside its model. Paths are whole: a child of another folder may read them."""
    if events is not None and not events.exists():
        raise InvalidInputError(f"There is no file {events}.")
    given = {"events": None if events is None else str(events.resolve()), "warm_start": warm_start}
    return {name: value for name, value in given.items() if value is not None}


async def _train(
    settings: Settings,
    *,
    model: str | None,
    promote: Promote,
    overrides: JsonObject,
    options: JsonObject,
) -> tuple[ModelVersion, Job]:
    from app.bootstrap import make_models, make_running_jobs
    from app.cli.opened import opened

    async with opened(settings) as base:
        jobs = make_running_jobs(base)
        job = await jobs.retrain(
            model=model, promote=promote, trigger="cli", by="cli", overrides=overrides, options=options
        )
        await jobs.start()
        try:
            with progress_bar() as bar:
                shown_job = _Shown(bar, bar.add_task(job.model, total=1.0, note=""))
                async with aclosing(jobs.watch(job.job_id)) as states:
                    async for state in states:
                        job = state or job
                        shown_job.update(job)
        finally:
            await jobs.stop()
        if job.state is not JobState.SUCCEEDED or job.version is None:
            raise FailedError(job.error or f"The training was {job.state.value}.")
        return await make_models(base).get(job.version), job


class _Shown:
    """A job on the terminal: a bar, or a line for each epoch where there is no terminal."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar = bar
        self._task = task
        self._told: object = None

    def update(self, job: Job) -> None:
        """Show how far it is."""
        note = _note(job)
        self._bar.update(self._task, completed=job.progress, note=note, left_s=job.seconds_left)
        # The epochs of the first fit have figures to show; those of the later ones are only waited for.
        step = (job.stage, job.detail.get("epoch") if job.stage == "fit" else None)
        if self._bar.disable and step != self._told:
            self._told = step
            left = "" if job.seconds_left is None else f", {job.seconds_left:.0f} s left"
            say(f"  {job.progress:4.0%}  {note}{left}")


def _note(job: Job) -> str:
    last = {name: curve[-1] for name, curve in job.detail.items() if name in FIGURES and curve}
    return progress_note(
        job.stage or job.state.value, job.detail.get("epoch"), job.detail.get("epochs"), figures=last
    )


def progress_note(
    stage: str, epoch: int | None, epochs: int | None, *, figures: Mapping[str, float | None]
) -> str:
    """How far a training is, in words that an 80 column terminal holds; the least needed stand last.

    Args:
        stage: What is done now.
        epoch: Of the newest fit.
        epochs: How many there will be, where that is known.
        figures: Of the first fit, by the names of `FIGURES`; the later ones measure none of their own.
    """
    parts = [stage]
    if epoch and stage in FITS:
        parts.append(f"epoch {epoch}/{epochs or '?'}")
    for name, (label, digits) in FIGURES.items() if stage == "fit" else ():
        value = figures.get(name)
        if value is not None:
            parts.append(f"{label} {figure(value, digits=digits)}")
    return ", ".join(parts)


def _job_json(job: Job) -> JsonObject:
    return {"job_id": job.job_id, "state": job.state.value, "error": job.error}


def _show_result(version: ModelVersion) -> None:
    metrics = version.metrics
    _table("on the later slice", compared(version.model, metrics))
    verdict = version.metrics.get("verdict")
    if verdict:
        say(str(verdict))
    say(f"Gate: {version.gate.get('summary', 'not judged')}")
    if version.state is VersionState.LIVE:
        say(f"{version.version} is live.")
    else:
        say(f"{version.version} is kept; to make it live: recserve models activate {version.version}")


def compared(model: str, metrics: JsonObject) -> list[tuple[str, JsonObject]]:
    """The rows of a training's table: the baselines by their readable names, then the model.

    Args:
        model: Its name; where a baseline has the same one, that is said to be at its defaults.
        metrics: What `metrics.json` holds.
    """
    rows = [
        (f"{name}, at its defaults" if name == model else BASELINE_TITLES.get(name, name), report)
        for name, report in metrics.get("baselines", {}).items()
    ]
    return [row for row in (*rows, (model, metrics.get("test"))) if row[1]]


def _table(corner: str, reports: list[tuple[str, JsonObject]]) -> None:
    rows = [
        (name, *(figure(report[reading][key]) for _, reading, key in COLUMNS)) for name, report in reports
    ]
    table((corner, *(label for label, _, _ in COLUMNS)), rows)
    say(NEW_TO_THEM)
