"""Events from Parquet: a stream of batches to one frame whose names are numbers.

A name takes 4 bytes a line in place of its text, and only the columns that a training reads are read, so that
memory is bounded by lines times some 30 bytes, the distinct names, and one batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from app.domain.event_names import SEGMENT_ALIASES
from app.training.errors import EventsFileError

PEOPLE: Mapping[str, str] = {
    "user_id": "user:",
    "anonymous_id": "anonymous:",
    "session_id": "session:",
}
NAMES: Mapping[str, Sequence[str]] = {
    "item_id": ("item_id",),
    "name": ("event", "name"),
    "happened_at": ("timestamp", "happened_at"),
}
"""What each column may be called in a file, as in an import."""


def read_events(path: Path) -> pl.DataFrame:
    """The lines that name a person and an item, with the columns of `app.training.preprocess.SCHEMA`.

    Args:
        path: A file, or a folder of files that are read in the order of their names. Columns: `user_key`, or
            any of `user_id`, `anonymous_id` and `session_id`; `item_id`; `event`; `timestamp` (a time or its
            text; without a zone it is UTC); where there is one, `value`. Others are not read.

    Raises:
        EventsFileError: It cannot be read, or a column is missing.
    """
    try:
        lines = _lines(path)
        kinds = {name: _names_of(lines, name) for name in ("user_key", "item_id", "name")}
        return (
            lines.with_columns(pl.col(name).cast(kind) for name, kind in kinds.items())
            .with_row_index("seq")
            .with_columns(pl.col("seq").cast(pl.Int64), quantity=pl.lit(None, dtype=pl.Float64))
            .collect(engine="streaming")
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise EventsFileError(f"The events of {path} cannot be read: {error}") from error


def _names_of(lines: pl.LazyFrame, column: str) -> pl.Enum:
    """Every value of the column in order, so that its number sorts as its text does."""
    distinct = lines.select(column).unique().collect(engine="streaming").get_column(column)
    return pl.Enum(distinct.sort())


def _lines(path: Path) -> pl.LazyFrame:
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise EventsFileError(f"There is no Parquet file at {path}.")
    scan = pl.scan_parquet(files)
    schema = scan.collect_schema()
    found = {name: _column(schema, path, name, NAMES[name]) for name in NAMES}
    value = pl.col("value").cast(pl.Float64) if "value" in schema else pl.lit(None, dtype=pl.Float64)
    return scan.select(
        user_key=_person(schema, path),
        item_id=pl.col(found["item_id"]).cast(pl.String),
        name=_canonical(pl.col(found["name"]).cast(pl.String)),
        happened_at=_moment(pl.col(found["happened_at"]), schema[found["happened_at"]]),
        value=value,
    ).filter(pl.all_horizontal(pl.col("user_key", "item_id", "name", "happened_at").is_not_null()))


def _column(schema: pl.Schema, path: Path, name: str, called: Sequence[str]) -> str:
    for one in called:
        if one in schema:
            return one
    raise EventsFileError(f"{path} has no column {called[0]} ({name} of the events).")


def _person(schema: pl.Schema, path: Path) -> pl.Expr:
    if "user_key" in schema:
        return pl.col("user_key").cast(pl.String)
    named = [
        pl.lit(prefix) + pl.col(name).cast(pl.String) for name, prefix in PEOPLE.items() if name in schema
    ]
    if not named:
        raise EventsFileError(f"{path} has no column user_id, anonymous_id or session_id.")
    return pl.coalesce(named)


def _canonical(name: pl.Expr) -> pl.Expr:
    """As `app.domain.event_names.canonical_name`."""
    lowered = name.str.to_lowercase()
    return lowered.replace_strict(SEGMENT_ALIASES, default=name, return_dtype=pl.String)


def _moment(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    if kind == pl.String:
        return column.str.to_datetime(time_unit="us", time_zone="UTC")
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        return column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
