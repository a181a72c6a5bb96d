"""`recserve models`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.console import answer, answer_json, load_settings, run, say, table
from app.domain.moments import rfc3339
from app.domain.types import JsonObject, ModelVersion

app = typer.Typer(
    help="List, show, activate and roll back model versions.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Version = Annotated[str, typer.Argument(help="The version, as `models list` shows it.")]
PAGE = 50
BY = "cli"


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List all versions, newest first, with the figure of the gate: NDCG@10 on the latest slice of time.

    It is the mean of the two readings that `models show` and `train` give apart, over items new to the
    person and over all.

    \b
    Examples:
      recserve models list
      recserve models list --json
    """
    versions = run(_list())
    if as_json:
        answer_json({"versions": [shown(version) for version in versions]})
        return
    rows = [
        (row.version, row.model, row.state.value, _metric(row), rfc3339(row.created_at), row.activated_by)
        for row in versions
    ]
    table(("version", "model", "state", "ndcg@10, mean", "created", "activated by"), rows)
    if not versions:
        say("There is no version yet: recserve train")


@app.command()
def show(version: Version, *, as_json: AsJson = False) -> None:
    """Show a version: its window of data, figures, and what the gate said.

    \b
    Example:
      recserve models show multvae-20261124-101500 --json
    """
    body = shown(run(_get(version)))
    if as_json:
        answer_json(body)
        return
    for name, value in body.items():
        if name in {"metrics", "gate"}:
            for key, figure in _flat(value):
                answer(f"{name}.{key}: {figure}")
        elif value is not None:
            answer(f"{name}: {value}")


@app.command()
def activate(version: Version, *, as_json: AsJson = False) -> None:
    """Make a version live; a damaged one is refused and changes nothing.

    \b
    Example:
      recserve models activate multvae-20261124-101500
    """
    _tell(run(_activate(version)), as_json=as_json)


@app.command()
def rollback(*, as_json: AsJson = False) -> None:
    """Bring back the version that was live before; a second rollback goes one further back.

    \b
    Example:
      recserve models rollback
    """
    _tell(run(_rollback()), as_json=as_json)


def shown(row: ModelVersion) -> JsonObject:
    """A version for a program."""
    return {
        "version": row.version,
        "model": row.model,
        "state": row.state.value,
        "window_start": rfc3339(row.window_start),
        "window_end": rfc3339(row.window_end),
        "event_count": row.event_count,
        "metrics": row.metrics,
        "gate": row.gate,
        "reason": row.reason,
        "created_at": rfc3339(row.created_at),
        "activated_at": rfc3339(row.activated_at),
        "activated_by": row.activated_by,
        "job_id": row.job_id,
    }


def _tell(row: ModelVersion, *, as_json: bool) -> None:
    if as_json:
        answer_json(shown(row))
    else:
        say(f"{row.version} is live; a running service serves it within a second or two.")


async def _list() -> list[ModelVersion]:
    from app.bootstrap import make_models
    from app.cli.opened import opened

    versions: list[ModelVersion] = []
    async with opened(load_settings()) as base:
        cursor: str | None = None
        while True:
            page = await make_models(base).page(limit=PAGE, cursor=cursor)
            versions += page.rows
            cursor = page.next_cursor
            if cursor is None:
                return versions


async def _get(version: str) -> ModelVersion:
    from app.bootstrap import make_models
    from app.cli.opened import opened

    async with opened(load_settings()) as base:
        return await make_models(base).get(version)


async def _activate(version: str) -> ModelVersion:
    from app.bootstrap import make_models
    from app.cli.opened import opened

    async with opened(load_settings()) as base:
        return await make_models(base).activate(version, by=BY)


async def _rollback() -> ModelVersion:
    from app.bootstrap import make_models
    from app.cli.opened import opened

    async with opened(load_settings()) as base:
        return await make_models(base).rollback(by=BY)


def _metric(row: ModelVersion) -> str | None:
    """The figure that the gate judges."""
    from app.evaluation.protocol import headline

    report = row.metrics.get("test")
    return f"{headline(report):.4f}" if report else None


def _flat(value: JsonObject, prefix: str = "") -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    for key, inner in value.items():
        if isinstance(inner, dict):
            pairs += _flat(inner, f"{prefix}{key}.")
        else:
            pairs.append((f"{prefix}{key}", inner))
    return pairs
