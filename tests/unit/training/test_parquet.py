"""Events from Parquet give what the same events give from the log."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.domain.weights import DEFAULT_WEIGHTS
from app.training.errors import EventsFileError
from app.training.parquet import read_events
from app.training.preprocess import days_of, frame_of, numbered, prepare
from tests.unit.training.build import START, log

NOW = START + timedelta(days=100)
LINES = (
    ("v", "b", "purchase", 2),
    ("u", "ä", "view_item", 1),
    ("u", "a", "purchase", 3),
    ("u", "a", "refund", 4),
    ("v", "c", "search", 5),
    ("v", "b", "purchase", 2),
    ("w", "Z", "view_item", 0.5),
)


def written(folder: Path, frame: pl.DataFrame, *, parts: int = 1) -> Path:
    size = -(-frame.height // parts)
    for part in range(parts):
        frame.slice(part * size, size).write_parquet(folder / f"{part}.parquet")
    return folder if parts > 1 else folder / "0.parquet"


def export(*lines: tuple[str, str, str, float]) -> pl.DataFrame:
    return log(*lines).select(
        user_id=pl.col("user_key").str.strip_prefix("user:"),
        item_id="item_id",
        event="name",
        timestamp="happened_at",
        page=pl.lit("/x"),
    )


@pytest.mark.parametrize("parts", [1, 3])
def test_a_training_reads_the_same_from_parquet_as_from_the_log(tmp_path: Path, parts: int) -> None:
    read = read_events(written(tmp_path, export(*LINES), parts=parts))
    ours, theirs = (prepare(frame_of(frame), DEFAULT_WEIGHTS, now=NOW) for frame in (read, log(*LINES)))
    assert ours.counts == theirs.counts
    mine, other = (numbered(labelled.frame, now=days_of(NOW)) for labelled in (ours, theirs))
    assert (mine.user_keys, mine.item_ids, mine.opposed) == (other.user_keys, other.item_ids, other.opposed)
    for column in ("user", "item", "time", "weight", "half_life", "kind"):
        np.testing.assert_array_equal(
            getattr(mine.interactions, column), getattr(other.interactions, column), err_msg=column
        )


def test_names_take_numbers_in_place_of_texts(tmp_path: Path) -> None:
    read = read_events(written(tmp_path, export(*LINES)))
    assert all(isinstance(read.schema[name], pl.Enum) for name in ("user_key", "item_id", "name"))


def test_lines_without_a_person_or_an_item_are_left_out(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "user_id": ["u", None, None],
            "session_id": ["s", "t", None],
            "item_id": ["a", "b", "c"],
            "event": ["Product Viewed"] * 3,
            "timestamp": ["2026-01-01T12:00:00Z"] * 3,
        }
    )
    read = read_events(written(tmp_path, frame))
    assert read.select("user_key", "item_id").rows() == [("user:u", "a"), ("session:t", "b")]
    assert read.get_column("name").unique().to_list() == ["view_item"]
    assert read.get_column("happened_at")[0] == datetime.fromisoformat("2026-01-01T12:00:00+00:00")


@pytest.mark.parametrize(
    ("without", "words"),
    [
        ("item_id", "no column item_id"),
        ("timestamp", "no column timestamp"),
        ("user_id", "no column user_id"),
    ],
)
def test_a_missing_column_is_named(tmp_path: Path, without: str, words: str) -> None:
    with pytest.raises(EventsFileError, match=words):
        read_events(written(tmp_path, export(*LINES).drop(without)))


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0.parquet").write_text("nothing")
    with pytest.raises(EventsFileError, match="cannot be read"):
        read_events(tmp_path / "0.parquet")
    with pytest.raises(EventsFileError, match="no Parquet file"):
        read_events(tmp_path / "missing.parquet")
