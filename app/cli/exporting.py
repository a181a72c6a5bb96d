"""`recserve export`."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.console import FailedError, answer_json, load_settings, run, say
from app.domain.errors import InvalidInputError
from app.domain.exports import event_json, exposure_json, item_json, user_json
from app.domain.types import JsonObject

if TYPE_CHECKING:
    from app.bootstrap import Foundation
    from app.domain.exposures import Exposure

SLICE = 1_000
Kind = Literal["events", "items", "users", "exposures"]
TABLES = frozenset({".csv", ".parquet"})
"""Files of rows and columns."""
EXPOSURE_COLUMNS = (
    "recommendation_id",
    "user_id",
    "anonymous_id",
    "session_id",
    "scenario",
    "experiment",
    "variant",
    "model_version",
    "served_by",
    "shown_at",
    "index",
    "item_id",
    "propensity",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    kind: Annotated[Kind, typer.Argument(help="events, items, users or exposures.")],
    file: Annotated[
        Path, typer.Argument(help="A .jsonl, .csv or .parquet file, or - for JSON lines on stdout.")
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Write all events, items or users to a file that `recserve import` reads back, or all lists answered.

    JSON lines have the form of the HTTP interface; CSV and Parquet have a row for each product of an event.
    Exposures are the lists answered, with the probability of each place; a row for each place.

    \b
    Examples:
      recserve export events events.jsonl
      recserve export items items.parquet
      recserve export users - | wc -l
      recserve export exposures exposures.csv
    """
    suffix = file.suffix.lower()
    if str(file) != "-" and suffix not in {".jsonl", ".ndjson", *TABLES}:
        raise InvalidInputError(f"{file}: the name must end with .jsonl, .csv or .parquet.")
    rows = run(_export(kind, file, suffix))
    if as_json and str(file) != "-":
        answer_json({"kind": kind, "rows": rows, "file": str(file)})
    else:
        say(f"{rows:,} {kind} written to {'stdout' if str(file) == '-' else file}.")


async def _export(kind: Kind, file: Path, suffix: str) -> int:
    from app.cli.opened import opened

    async with opened(load_settings()) as base:
        if suffix == ".csv":
            with _opened(file) as output:
                return await _write_csv(output, _flat(_rows(base, kind), kind), _columns(kind))
        if suffix not in TABLES:
            with _opened(file) as output:
                return await _write_lines(output, _rows(base, kind))
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as lines:
            rows = await _write_lines(lines, _flat(_rows(base, kind), kind))
            lines.flush()
            _to_parquet(Path(lines.name), file, kind)
            return rows


async def _write_lines(output: IO[str], rows: AsyncIterator[JsonObject]) -> int:
    count = 0
    async for row in rows:
        output.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
        count += 1
    return count


async def _write_csv(output: IO[str], rows: AsyncIterator[JsonObject], columns: Sequence[str]) -> int:
    count = 0
    writer = csv.DictWriter(output, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    async for row in rows:
        writer.writerow(row)
        count += 1
    return count


def _columns(kind: Kind) -> tuple[str, ...]:
    if kind == "exposures":
        return EXPOSURE_COLUMNS
    from app.datasets.fields import FIELDS

    return tuple(name for name in FIELDS[kind] if name != "items")


@contextmanager
def _opened(file: Path) -> Iterator[IO[str]]:
    """The file under a name of its own until it is complete, so that a stop leaves no half file."""
    if str(file) == "-":
        yield sys.stdout
        return
    partial = file.with_name(file.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8") as output:
            yield output
        partial.replace(file)
    except OSError as error:
        raise FailedError(f"{file} cannot be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _rows(base: Foundation, kind: Kind) -> AsyncIterator[JsonObject]:
    return {"events": _events, "items": _items, "users": _users, "exposures": _exposures}[kind](base)


async def _events(base: Foundation) -> AsyncIterator[JsonObject]:
    from app.bootstrap import make_dump

    after = 0
    while found := await make_dump(base).events(after=after, limit=SLICE):
        for stored in found:
            yield event_json(stored)
        after = found[-1].seq


async def _items(base: Foundation) -> AsyncIterator[JsonObject]:
    items = await base.stores.items.changed_since(-1)
    for item in sorted(items, key=lambda item: item.item_id):
        if not item.deleted:
            yield item_json(item)


async def _users(base: Foundation) -> AsyncIterator[JsonObject]:
    from app.bootstrap import make_dump

    last = ""
    while found := await make_dump(base).users(after=last, limit=SLICE):
        for user in found:
            yield user_json(user)
        last = found[-1].user_id


async def _exposures(base: Foundation) -> AsyncIterator[JsonObject]:
    from app.bootstrap import make_dump

    last: Exposure | None = None
    while found := await make_dump(base).exposures(after=last, limit=SLICE):
        for exposure in found:
            yield exposure_json(exposure)
        last = found[-1]


def _lines_of(row: JsonObject, kind: Kind) -> list[JsonObject]:
    """What of it has a row of its own: an event's products, a list's places."""
    if kind == "exposures":
        item_ids, chances = row.pop("item_ids"), row.pop("propensities")
        chances = chances or [None] * len(item_ids)
        return [
            {"index": place, "item_id": item_id, "propensity": chance}
            for place, (item_id, chance) in enumerate(zip(item_ids, chances, strict=True))
        ]
    return (row.pop("items", None) or [{}]) if kind == "events" else [{}]


async def _flat(rows: AsyncIterator[JsonObject], kind: Kind) -> AsyncIterator[JsonObject]:
    """Rows of a table: one for each line of an event or a list; what is nested is JSON text."""
    async for row in rows:
        for line in _lines_of(row, kind):
            flat = row | line
            yield {
                name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
                for name, value in flat.items()
            }


def _to_parquet(lines: Path, file: Path, kind: Kind) -> None:
    try:
        import polars as pl
    except ImportError as error:
        raise InvalidInputError(
            "Writing Parquet needs polars, which the group requirements/train.txt brings."
        ) from error
    numbers = {
        "quantity": pl.Float64,
        "price": pl.Float64,
        "value": pl.Float64,
        "index": pl.Int64,
        "propensity": pl.Float64,
    }
    truths = {"in_stock": pl.Boolean, "hidden": pl.Boolean, "cold": pl.Boolean}
    types = {name: numbers.get(name) or truths.get(name) or pl.String for name in _columns(kind)}
    partial = file.with_name(file.name + ".partial")
    try:
        if lines.stat().st_size:
            pl.scan_ndjson(lines, schema=types).sink_parquet(partial)
        else:
            pl.DataFrame(schema=types).write_parquet(partial)
        partial.replace(file)
    except OSError as error:
        raise FailedError(f"{file} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)
