"""`recserve tune`: a model's hyper-parameters, searched on the shop's own events."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.console import FailedError, answer_json, load_settings, run, say, table
from app.cli.training import read_config
from app.domain.errors import InvalidInputError
from app.domain.types import JsonObject
from app.evaluation.report import figure

if TYPE_CHECKING:
    from app.settings import Settings
    from app.training.preprocess import Labelled
    from app.training.task import Task
    from app.training.tune import Tried, Tuned

SHOWN = 5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(tune)


def tune(
    *,
    model: Annotated[str | None, typer.Option(help="A name of docs/models.")] = None,
    out: Annotated[
        Path, typer.Option(help="Where the best values go: a TOML for `recserve train --config`.")
    ],
    budget_s: Annotated[float, typer.Option(min=1, help="Seconds for all trials.")] = 600.0,
    trials: Annotated[int | None, typer.Option(min=1, help="Trials at most; unset: what fits.")] = None,
    ranges: Annotated[
        list[str] | None,
        typer.Option("--range", help="NAME=LEAST..MOST or NAME=ONE,OTHER; unset: the model's own list."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML of values to start from.")] = None,
    events: Annotated[Path | None, typer.Option(help="Parquet to learn from in place of the log.")] = None,
    study: Annotated[Path | None, typer.Option(help="A file of trials; the same one goes on.")] = None,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Search a model's hyper-parameters on the validation slice, and write the best ones down.

    Nothing is trained to serve: what is found goes through `recserve train --config`, which judges it on the
    later slice that the search has not seen.

    \b
    Examples:
      recserve tune --model ease --budget-s 120 --out ease.toml
      recserve tune --model gru4rec --range dropout=0.1..0.5 --range units=64,128 --out gru4rec.toml
      recserve tune --model multvae --study multvae.study --out multvae.toml
    """
    named, given = read_config(config) if config is not None else (None, {})
    settings, name = load_settings(), model or named
    if name is None:
        raise InvalidInputError("Name the model with --model, or in the file of --config.")
    tuned = _tuned(
        settings,
        name,
        given=given,
        ranges=ranges or [],
        events=events,
        search={"budget_s": budget_s, "most_trials": trials, "study": study, "seed": seed},
    )
    _write(out, tuned)
    if as_json:
        answer_json(_json(tuned) | {"config": str(out)})
        return
    _show(tuned)
    say(f"The best values stand in {out}: recserve train --config {out}")


def _tuned(
    settings: Settings,
    model: str,
    *,
    given: Mapping[str, Any],
    ranges: list[str],
    events: Path | None,
    search: Mapping[str, Any],
) -> Tuned:
    if not all(map(find_spec, ("tensorflow", "polars", "optuna"))):
        raise InvalidInputError("Tuning needs the packages of requirements/train.txt.")
    from app.training.build import plan
    from app.training.errors import PlanError, TrainingError
    from app.training.space import space_of
    from app.training.tune import tune as searched

    try:
        space = space_of(model, ranges)
        max_length = plan(model, given).max_length
    except PlanError as error:
        raise InvalidInputError(f"This cannot be tuned: {error}.") from error
    if events is not None and not events.exists():
        raise InvalidInputError(f"There is no file {events}.")
    try:
        task = _task(run(_labelled(settings, events)), max_length, search["seed"])
        say(f"Tuning {', '.join(sorted(space))} of {model} for {search['budget_s']:g} s.")
        return searched(model, task, space, given=given, on_trial=_tell, **search)
    except PlanError as error:
        raise InvalidInputError(f"This cannot be tuned: {error}.") from error
    except TrainingError as error:
        raise FailedError(str(error)) from error


async def _labelled(settings: Settings, events: Path | None) -> Labelled:
    from app.bootstrap import weights_of
    from app.cli.opened import opened
    from app.services.steering import weights_over
    from app.training.attributes import described
    from app.training.preprocess import frame_of, prepare

    async with opened(settings) as base:
        weights = await weights_over(weights_of(settings), base.stores.definitions)

        def read() -> Labelled:
            frame = frame_of(base.stores.event_log.scan() if events is None else events)
            catalogue = described(base.stores.item_log.scan())
            return prepare(frame, weights, now=base.clock.now(), catalogue=catalogue)

        return await asyncio.to_thread(read)


def _task(labelled: Labelled, max_length: int, seed: int) -> Task:
    from dataclasses import replace

    from app.training.evaluate import MAX_VALIDATED, sample
    from app.training.making import task_between
    from app.training.run import split_of

    split = split_of(labelled)
    task = task_between(labelled, split.validation_from, split.test_from, max_length=max_length)
    return replace(task, validation=sample(task.validation, most=MAX_VALIDATED, seed=seed))


def _tell(tried: Tried, best: Tried) -> None:
    said = tried.given_up or f"NDCG@10 {figure(tried.metric or 0.0, digits=4)}"
    best_so_far = "" if best.metric is None else f", best {figure(best.metric, digits=4)}"
    values = " ".join(f"{name}={_short(value)}" for name, value in sorted(tried.values.items()))
    say(f"  trial {tried.number}: {said} in {tried.seconds:.0f} s{best_so_far}; {values}")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _show(tuned: Tuned) -> None:
    done = sorted(
        (one for one in tuned.trials if one.metric is not None),
        key=lambda one: (-(one.metric or 0), one.number),
    )
    shown = done[:SHOWN] if tuned.first in done[:SHOWN] else [*done[:SHOWN], tuned.first]
    # What differs from the values before is what a reader looks for.
    names = [
        name
        for name, before in sorted(tuned.first.values.items())
        if any(one.values[name] != before for one in shown)
    ]
    rows = [
        (
            "as given" if one.number == 0 else one.number,
            figure(one.metric or 0.0, digits=4),
            one.epochs or "-",
            f"{one.seconds:.0f}",
            *(_short(one.values[name]) for name in names),
        )
        for one in shown
    ]
    table(("trial", "NDCG@10", "epochs", "s", *names), rows)
    say("NDCG@10 of the validation slice, which the values were chosen on: the later slice decides.")


def _json(tuned: Tuned) -> JsonObject:
    def told(one: Tried) -> JsonObject:
        return {
            "trial": one.number,
            "ndcg@10": one.metric,
            "epochs": one.epochs,
            "seconds": round(one.seconds, 2),
            "given_up": one.given_up,
            "values": dict(one.values),
        }

    return {
        "model": tuned.chosen.spec.name,
        "first": told(tuned.first),
        "best": told(tuned.best),
        "trials": [told(one) for one in tuned.trials],
    }


def _write(path: Path, tuned: Tuned) -> None:
    from app.training.tune import config_text

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(config_text(tuned), encoding="utf-8")
    except OSError as error:
        raise FailedError(f"{path} cannot be written: {error.strerror}.") from error
