"""CSV, JSON lines and Parquet, row by row: memory is bounded by one chunk, whatever the file's size."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from app.domain.errors import InvalidInputError

if TYPE_CHECKING:
    import polars as pl

CHUNK_ROWS = 20_000
PEEKED_LINES = 100
DELIMITERS = (",", ";", "\t", "|")
FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file.

    Attributes:
        line: Where it stands: the line of a text file (its last one where a cell holds line breaks), the
            row number of a Parquet file; from 1.
        values: By column; None where the row cannot be read.
        problem: Why it cannot be read.
    """

    line: int
    values: Mapping[str, object] | None
    problem: str | None = None


class RowSource(Protocol):
    """An open file of rows.

    Attributes:
        columns: The names a mapping may use.
        total: What `position` reaches at the end: bytes, or rows.
    """

    columns: tuple[str, ...]
    total: int

    @property
    def position(self) -> int:
        """How far the reading is."""

    def rows(self) -> Iterator[Row]:
        """All rows, once."""


def open_rows(path: Path, *, file_format: str | None = None, encoding: str = "utf-8") -> RowSource:
    """Open a file by its ending, or as the format named.

    Raises:
        InvalidInputError: No such file, an unknown format, or not a file of that format.
    """
    if not path.is_file():
        raise InvalidInputError(f"There is no file {path}.")
    kind = file_format or FORMATS.get(path.suffix.lower())
    if kind == "csv":
        return CsvRows(path, encoding=encoding)
    if kind == "jsonl":
        return JsonRows(path)
    if kind == "parquet":
        return ParquetRows(path)
    raise InvalidInputError(
        f"The format of {path.name} is not known: recserve reads .csv, .tsv, .jsonl, .ndjson and .parquet; "
        "say which it is with --format."
    )


class CsvRows:
    """Comma, semicolon, tab or bar separated text with a header line."""

    def __init__(self, path: Path, *, encoding: str = "utf-8") -> None:
        self.total = path.stat().st_size
        self._path = path
        self._named = encoding
        # A byte order mark at the beginning is no part of the first column's name.
        self._encoding = "utf-8-sig" if encoding.lower().replace("-", "") == "utf8" else encoding
        self._raw: IO[bytes] | None = None
        with self._open() as text:
            header = self._read_header(text)
        self._delimiter = max(DELIMITERS, key=header.count)
        self.columns = tuple(next(csv.reader([header], delimiter=self._delimiter), ()))
        if not header.strip():
            raise InvalidInputError(f"{path.name} is empty: its first line must name the columns.")
        twice = {name for name in self.columns if self.columns.count(name) > 1}
        if twice:
            raise InvalidInputError(f"{path.name} has two columns named {min(twice)}.")

    @property
    def position(self) -> int:
        """Bytes read."""
        return self._raw.tell() if self._raw is not None and not self._raw.closed else self.total

    def rows(self) -> Iterator[Row]:
        """All rows after the header."""
        with self._open() as text:
            reader = csv.reader(text, delimiter=self._delimiter, strict=False)
            next(reader, None)
            while True:
                try:
                    cells = next(reader, None)
                except csv.Error as error:
                    yield Row(reader.line_num, None, f"cannot be read: {error}")
                    continue
                except UnicodeDecodeError as error:
                    raise self._not_text(reader.line_num) from error
                if cells is None:
                    return
                if cells:
                    yield self._row(reader.line_num, cells)

    def _row(self, line: int, cells: list[str]) -> Row:
        if len(cells) != len(self.columns):
            return Row(line, None, "the number of cells is not that of the header")
        return Row(line, dict(zip(self.columns, cells, strict=True)))

    def _open(self) -> io.TextIOWrapper:
        raw = self._path.open("rb")
        self._raw = raw
        try:
            return io.TextIOWrapper(raw, encoding=self._encoding, newline="")
        except LookupError as error:
            raw.close()
            raise InvalidInputError(f"There is no encoding {self._named}.") from error

    def _read_header(self, text: io.TextIOWrapper) -> str:
        try:
            return text.readline().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise self._not_text(1) from error

    def _not_text(self, line: int) -> InvalidInputError:
        return InvalidInputError(
            f"{self._path.name} is not {self._named} text near line {line}: "
            "name its encoding, for example --encoding latin-1."
        )


class JsonRows:
    """One JSON object a line."""

    def __init__(self, path: Path) -> None:
        self.total = path.stat().st_size
        self.position = 0
        self._path = path
        names: dict[str, None] = {}
        with path.open("rb") as file:
            for _, line in zip(range(PEEKED_LINES), file, strict=False):
                values = self._parsed(1, line).values
                names.update(dict.fromkeys(values or ()))
        self.columns = tuple(names)
        if not names:
            raise InvalidInputError(f"{path.name} does not begin with JSON objects, one a line.")

    def rows(self) -> Iterator[Row]:
        """All lines that are not blank."""
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                self.position += len(line)
                if line.strip():
                    yield self._parsed(number, line)

    @staticmethod
    def _parsed(number: int, line: bytes) -> Row:
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            return Row(number, None, "is not JSON")
        if not isinstance(values, dict):
            return Row(number, None, "is not a JSON object")
        return Row(number, values)


class ParquetRows:
    """A Parquet file, read in chunks."""

    def __init__(self, path: Path, *, chunk_rows: int = CHUNK_ROWS) -> None:
        self._frame = _scanned(path)
        self._chunk_rows = chunk_rows
        self.position = 0
        self.total = _rows_in(self._frame, path)
        self.columns = tuple(self._frame.collect_schema().names())

    def rows(self) -> Iterator[Row]:
        """All rows in the file's order."""
        for start in range(0, self.total, self._chunk_rows):
            chunk = self._frame.slice(start, self._chunk_rows).collect()
            for values in chunk.iter_rows(named=True):
                self.position += 1
                yield Row(self.position, values)


def _scanned(path: Path) -> pl.LazyFrame:
    try:
        import polars as pl  # noqa: PLC0415  # an installation that only serves does without it
    except ImportError as error:
        raise InvalidInputError(
            "Reading Parquet needs polars, which the group requirements/train.txt brings."
        ) from error
    return pl.scan_parquet(path)


def _rows_in(frame: pl.LazyFrame, path: Path) -> int:
    import polars as pl  # noqa: PLC0415  # see above

    try:
        return int(frame.select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InvalidInputError(f"{path.name} is not a Parquet file.") from error
