"""`recserve import`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from time import monotonic
from typing import IO, Annotated, Literal

import typer

from app.cli import bundled_shop
from app.cli.console import FAILED, FailedError, answer_json, load_settings, progress_bar, run, say
from app.cli.storing import importer_of, ticking
from app.datasets import records
from app.datasets.fields import CellError, FieldMap, field_map, instant
from app.datasets.readers import Row, open_rows
from app.datasets.records import EventRules, Record
from app.datasets.tally import Tally
from app.domain.errors import InvalidInputError
from app.domain.types import Event, JsonObject
from app.services.importing import Importer, judge

Kind = Literal["events", "items", "users"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_)


@dataclass(frozen=True, slots=True)
class Options:
    """How a file is read."""

    maps: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    event_names: Mapping[str, str] = field(default_factory=dict)
    file_format: str | None = None
    encoding: str = "utf-8"
    zone: tzinfo = UTC
    dry_run: bool = False
    rejected: Path | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One pass over a file's rows."""

    rows: Iterator[Row]
    fields: FieldMap
    rules: EventRules
    tally: Tally

    async def store(self, kind: Kind, importer: Importer) -> None:
        """Store every row that can be."""
        if kind == "events":
            await importer.events(self._events(), self.tally)
        elif kind == "items":
            await importer.items(records.items(self.rows, self.fields, self.tally), self.tally)
        else:
            await importer.users(records.users(self.rows, self.fields, self.tally), self.tally)

    def count(self, kind: Kind) -> None:
        """Judge every row as `store` would."""
        if kind == "items":
            judge(records.items(self.rows, self.fields, self.tally), self.tally)
        elif kind == "users":
            judge(records.users(self.rows, self.fields, self.tally), self.tally)
        else:
            self.tally.accepted += sum(1 for _ in self._events())

    def _events(self) -> Iterator[Record[Event]]:
        return records.events(self.rows, self.fields, self.rules, self.tally)


Maps = Annotated[
    list[str] | None, typer.Option("--map", help="FIELD=COLUMN; a column named like a field needs none.")
]
Constants = Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE, the same for all rows.")]
EventNames = Annotated[list[str] | None, typer.Option(help="THEIRS=OURS, for example transaction=purchase.")]
Format = Annotated[
    Literal["csv", "jsonl", "parquet"] | None, typer.Option("--format", help="Where the name does not say.")
]
Rejected = Annotated[
    Path | None, typer.Option(help="Write the rows left out here, as JSON lines with line and reason.")
]
Dataset = Annotated[
    Literal["online_retail"] | None, typer.Option(help="Clean this known data set: all three kinds.")
]
ShiftToNow = Annotated[
    bool,
    typer.Option(
        "--shift-to-now", help="With --dataset: move time so that the last sale is at the first run's now."
    ),
]
ShiftTo = Annotated[str | None, typer.Option(help="With --dataset: … is then.")]


def import_(
    file: Annotated[Path, typer.Argument(help="A .csv, .tsv, .jsonl, .ndjson or .parquet file.")],
    *,
    kind: Annotated[Kind | None, typer.Option(help="What the rows are.")] = None,
    map_: Maps = None,
    set_: Constants = None,
    event_name: EventNames = None,
    format_: Format = None,
    encoding: Annotated[str, typer.Option(help="Of a CSV file.")] = "utf-8",
    timezone: Annotated[str, typer.Option(help="Of times that name no offset.")] = "UTC",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and judge all, store nothing.")] = False,
    rejected: Rejected = None,
    dataset: Dataset = None,
    shift_to_now: ShiftToNow = False,
    shift_to: ShiftTo = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Import events, items or users; run it again after a stop, nothing is stored twice.

    Rows that follow each other under one event_id are the lines of one event. Events without an event_id get
    one made of their content. Items and users replace those of the same id.

    \b
    Examples:
      recserve import items.csv --kind items --map item_id=sku --map categories=group
      recserve import orders.csv --kind events --set event=purchase --set currency=EUR \\
          --map event_id=order --map user_id=customer --map timestamp=date --map item_id=sku --dry-run
      recserve import events.csv --kind events --event-name view=view_item --event-name addtocart=add_to_cart
      recserve import data/online_retail/online_retail.parquet --dataset online_retail --shift-to-now
    """
    if dataset is not None:
        _refuse_with_dataset({"--kind": kind, "--map": map_, "--set": set_, "--event-name": event_name})
        moment = _moment(datetime.now(UTC).isoformat() if shift_to_now else shift_to)
        _conclude(run(bundled_shop.import_shop(file, last_sale_at=moment, dry_run=dry_run)), as_json=as_json)
        return
    if shift_to_now or shift_to:
        raise InvalidInputError("--shift-to-now and --shift-to go with --dataset.")
    options = Options(
        maps=map_ or [],
        constants=set_ or [],
        event_names=_event_names(event_name or []),
        file_format=format_,
        encoding=encoding,
        zone=_zone(timezone),
        dry_run=dry_run,
        rejected=rejected,
    )
    _conclude(run(import_file(file, _kind(kind), options)), as_json=as_json)


def _kind(kind: Kind | None) -> Kind:
    if kind is None:
        raise InvalidInputError(
            "Say what the rows are with --kind events, items or users (or name a --dataset)."
        )
    return kind


def _conclude(report: JsonObject, *, as_json: bool) -> None:
    _show(report, as_json=as_json)
    if report["rejected_rows"] and not report["accepted"] and not report["duplicates"]:
        raise typer.Exit(FAILED)


def _refuse_with_dataset(options: Mapping[str, object]) -> None:
    for name, value in options.items():
        if value:
            raise InvalidInputError(f"{name} does not go with --dataset, which knows its own columns.")


def _moment(text: str | None) -> datetime | None:
    try:
        return instant(text, "--shift-to", UTC)
    except CellError as error:
        raise InvalidInputError(str(error)) from error


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInputError(f"There is no time zone {name}; write it like Europe/Berlin.") from error


async def import_file(file: Path, kind: Kind, options: Options) -> JsonObject:
    """Import any shop's file; returns the report."""
    from app.cli.opened import opened

    source = open_rows(file, file_format=options.file_format, encoding=options.encoding)
    fields = field_map(
        kind,
        columns=source.columns,
        maps=options.maps,
        constants=options.constants,
        zone=options.zone,
    )
    rules = EventRules(now=datetime.now(UTC), names=options.event_names)
    tally, started = Tally(), monotonic()
    with ExitStack() as stack:
        if options.rejected is not None:
            tally.on_rejected = _written_to(stack.enter_context(_output(options.rejected)))
        bar = stack.enter_context(progress_bar())
        task = bar.add_task(f"Importing {kind}", total=source.total, note="")

        def tick() -> None:
            bar.update(task, completed=source.position, note=f"{tally.rows_read:,} rows")

        reading = Reading(ticking(source.rows(), tick), fields, rules, tally)
        if options.dry_run:
            reading.count(kind)
        else:
            async with opened(load_settings()) as base:
                await reading.store(kind, importer_of(base))
    unused = [name for name in source.columns if name not in fields.columns.values()]
    return {
        "file": str(file),
        "kind": kind,
        "dry_run": options.dry_run,
        **tally.report(),
        "unused_columns": unused,
        "seconds": round(monotonic() - started, 1),
    }


def _event_names(pairs: list[str]) -> dict[str, str]:
    names = {}
    for pair in pairs:
        theirs, equals, ours = pair.partition("=")
        if not (theirs and equals and ours):
            raise InvalidInputError(f"--event-name {pair}: write it as THEIRS=OURS.")
        names[theirs] = ours
    return names


def _output(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise FailedError(f"{path} cannot be written: {error.strerror}.") from error


def _written_to(output: IO[str]) -> Callable[[int, str, Mapping[str, object] | None], None]:
    def write(line: int, reason: str, row: Mapping[str, object] | None) -> None:
        output.write(json.dumps({"line": line, "reason": reason, "row": row}, default=str) + "\n")

    return write


def _show(report: JsonObject, *, as_json: bool) -> None:
    if as_json:
        answer_json(report)
        return
    would = "would be " if report["dry_run"] else ""
    what = report.get("kind", "events")
    say(
        f"{report['rows_read']:,} rows read in {report['seconds']} s: "
        f"{report['accepted']:,} {what} {would}stored, "
        f"{report['duplicates']:,} there already, {report['rejected_rows']:,} rows left out."
    )
    if "dataset" in report:
        say(
            f"  {report['items']:,} items ({report['spellings_merged']:,} other spellings joined), "
            f"{report['users']:,} users."
        )
    for rejection in report["rejected"]:
        lines = ", ".join(map(str, rejection.get("first_lines", ())))
        where = f" (first at line {lines})" if lines else ""
        say(f"  {rejection['rows']:>9,}  {rejection['reason']}{where}")
    if report.get("unused_columns"):
        say(f"  Columns not used: {', '.join(report['unused_columns'])}.")
