"""Files row by row, with their line numbers."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from app.datasets.readers import ParquetRows, Row, open_rows
from app.domain.errors import InvalidInputError


def write(folder: Path, name: str, body: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_rows_by_delimiter(tmp_path: Path, delimiter: str) -> None:
    path = write(tmp_path, "a.csv", "a,b\n1,2\n3,4\n".replace(",", delimiter))
    source = open_rows(path)
    assert source.columns == ("a", "b")
    assert list(source.rows()) == [Row(2, {"a": "1", "b": "2"}), Row(3, {"a": "3", "b": "4"})]


def test_csv_rows_count_lines_inside_quoted_cells_and_skip_blank_ones(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", '\ufeffa,b\n"one\ntwo",2\n\n3\n4,5\n')
    rows = list(open_rows(path).rows())
    assert rows[0] == Row(3, {"a": "one\ntwo", "b": "2"})
    assert (rows[1].line, rows[1].values) == (5, None)
    assert rows[2] == Row(6, {"a": "4", "b": "5"})


def test_csv_rows_say_which_encoding_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "a,b\nM\u00fcller,2\n".encode("latin-1"))
    with pytest.raises(InvalidInputError, match="--encoding latin-1"):
        list(open_rows(path).rows())
    assert next(open_rows(path, encoding="latin-1").rows()).values == {"a": "M\u00fcller", "b": "2"}


def test_csv_rows_go_on_after_a_cell_that_is_too_long(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "a,b\n" + "x" * 200_000 + ",1\n2,3\n")
    rows = list(open_rows(path).rows())
    assert rows[0].values is None
    assert rows[-1].values == {"a": "2", "b": "3"}


def test_json_rows_tell_what_is_not_an_object(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"a": 1}\n\nnot json\n[1]\n{"b": 2}\n' + "[" * 100_000 + "\n")
    source = open_rows(path)
    rows = list(source.rows())
    assert source.columns == ("a", "b")
    assert [(row.line, row.problem) for row in rows] == [
        (1, None),
        (3, "is not JSON"),
        (4, "is not a JSON object"),
        (5, None),
        (6, "is not JSON"),
    ]
    assert source.position == source.total


def test_parquet_rows_keep_the_files_order_over_chunks(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"a": list(range(10))}).write_parquet(path)
    source = ParquetRows(path, chunk_rows=3)
    assert source.total == 10
    assert [(row.line, row.values) for row in source.rows()] == [(i + 1, {"a": i}) for i in range(10)]


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("a.xlsx", "x", "format of a.xlsx is not known"),
        ("a.parquet", "not parquet at all", "a.parquet is not a Parquet file"),
        ("a.csv", "", "a.csv is empty"),
        ("a.csv", "a,b,a\n", "two columns named a"),
        ("a.jsonl", "1\n2\n", "does not begin with JSON objects"),
    ],
)
def test_open_rows_says_what_is_wrong(tmp_path: Path, name: str, body: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        open_rows(write(tmp_path, name, body))


def test_open_rows_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="There is no file"):
        open_rows(tmp_path / "none.csv")
