"""Column mappings and cells."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from app.datasets import fields
from app.datasets.fields import CellError, field_map
from app.domain.errors import InvalidInputError

COLUMNS = ("when", "who", "what", "event")


def test_field_map_takes_columns_named_like_fields() -> None:
    mapping = field_map("events", columns=COLUMNS, maps=["timestamp=when", "user_id=who", "item_id=what"])
    assert mapping.columns == {"event": "event", "timestamp": "when", "user_id": "who", "item_id": "what"}


def test_field_map_reads_constants() -> None:
    mapping = field_map(
        "events", columns=("t", "u"), maps=["timestamp=t", "user_id=u"], constants=["event=purchase"]
    )
    assert mapping.cell({"t": 1, "u": 2}, "event") == "purchase"


@pytest.mark.parametrize(
    ("maps", "named"),
    [
        (["timestamp=time"], "the file has no column time"),
        (["colour=what"], "events have no field colour"),
        (["timestamp"], "FIELD=VALUE"),
        (["timestamp="], "FIELD=VALUE"),
        (["user_id=who"], "events need timestamp"),
        (["timestamp=when"], "events need user_id or anonymous_id or session_id"),
    ],
)
def test_field_map_names_what_is_wrong(maps: list[str], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        field_map("events", columns=COLUMNS, maps=maps)


def test_field_map_takes_attributes_of_items() -> None:
    mapping = field_map("items", columns=("item_id", "farbe"), maps=["attributes.colour=farbe"])
    assert mapping.columns["attributes.colour"] == "farbe"


@pytest.mark.parametrize("cell", ["", "  ", "null", "NaN", None, float("nan")])
def test_cell_is_none_when_empty(cell: object) -> None:
    mapping = field_map("users", columns=("user_id",), maps=[])
    assert mapping.cell({"user_id": cell}, "user_id") is None


@pytest.mark.parametrize(
    ("cell", "value"), [(17850.0, "17850"), (17850, "17850"), ("a b", "a b"), ("é", "é")]
)
def test_identifier_reads(cell: object, value: str) -> None:
    assert fields.identifier(cell, "user_id") == value


@pytest.mark.parametrize("cell", ["x" * 129, "ü" * 65, "a\tb", "a\x00b", "e\u0301", "\ud800"])
def test_identifier_refuses(cell: str) -> None:
    with pytest.raises(CellError, match="user_id"):
        fields.identifier(cell, "user_id")


@pytest.mark.parametrize(
    ("cell", "amount"),
    [("9.50", "9.50"), (2.55, "2.55"), (0.1 + 0.2, "0.3000"), (7, "7"), (Decimal("1.20"), "1.20")],
)
def test_money_is_exact(cell: object, amount: str) -> None:
    assert str(fields.money(cell, "price")) == amount


@pytest.mark.parametrize("cell", ["-1", "1e999", "Infinity", "NaN ", "nine", "1e15", -0.01])
def test_money_refuses(cell: object) -> None:
    with pytest.raises(CellError, match="price"):
        fields.money(cell, "price")


@pytest.mark.parametrize("cell", ["inf", "1e999", "x", [1]])
def test_number_refuses(cell: object) -> None:
    with pytest.raises(CellError, match="quantity"):
        fields.number(cell, "quantity")


@pytest.mark.parametrize(
    "cell",
    [
        "2011-06-01T12:00:00+02:00",
        "2011-06-01T10:00:00Z",
        "2011-06-01 11:00",
        1306922400,
        "1306922400000",
        datetime(2011, 6, 1, 11, tzinfo=ZoneInfo("Europe/London")),
        datetime(2011, 6, 1, 11),  # noqa: DTZ001  # what a Parquet file without a zone gives
    ],
)
def test_instant_reads_in_the_zone_given(cell: object) -> None:
    assert fields.instant(cell, "timestamp", ZoneInfo("Europe/London")) == datetime(
        2011, 6, 1, 10, tzinfo=UTC
    )


@pytest.mark.parametrize("cell", ["yesterday", "2011-13-01", "1e300", "nan", "-1e17"])
def test_instant_refuses(cell: object) -> None:
    with pytest.raises(CellError, match="timestamp"):
        fields.instant(cell, "timestamp", UTC)


@pytest.mark.parametrize(
    ("cell", "value"), [("yes", True), ("0", False), (1, True), (False, False), (None, None)]
)
def test_truth_reads(cell: object, value: bool | None) -> None:
    assert fields.truth(cell, "in_stock") is value


def test_truth_refuses_other_words() -> None:
    with pytest.raises(CellError, match="in_stock"):
        fields.truth("perhaps", "in_stock")


@pytest.mark.parametrize("cell", ["mugs|red; gifts|mugs", ["mugs", "red", " gifts "]])
def test_words_split_and_keep_each_once(cell: object) -> None:
    assert fields.words(cell, "categories") == ("mugs", "red", "gifts")
