"""Which column of a file fills which field, and how a cell becomes a value."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation

from app.domain.errors import InvalidInputError

FIELDS: dict[str, tuple[str, ...]] = {
    "events": (
        "event_id",
        "event",
        "user_id",
        "anonymous_id",
        "session_id",
        "timestamp",
        "item_id",
        "quantity",
        "price",
        "index",
        "items",
        "value",
        "currency",
        "recommendation_id",
        "context",
    ),
    "items": (
        "item_id",
        "title",
        "description",
        "categories",
        "price",
        "currency",
        "image_url",
        "url",
        "brand",
        "in_stock",
        "hidden",
        "published_at",
        "attributes",
    ),
    "users": ("user_id", "country", "attributes"),
}
REQUIRED: dict[str, tuple[tuple[str, ...], ...]] = {
    "events": (("event",), ("timestamp",), ("user_id", "anonymous_id", "session_id")),
    "items": (("item_id",),),
    "users": (("user_id",),),
}
MAX_ID_BYTES = 128
MAX_TEXT_BYTES = 10_000
MILLISECONDS_FROM = 1e11
MONEY_LIMIT = Decimal(10) ** 14
TRUE = frozenset({"true", "1", "yes", "y", "t"})
FALSE = frozenset({"false", "0", "no", "n", "f"})
EMPTY = frozenset({"", "null", "none", "nan"})


class CellError(ValueError):
    """A cell that cannot be its field's value; `str(error)` is the reason, without the cell."""


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Where each field comes from.

    Attributes:
        columns: Column by field; a field ``attributes.x`` fills the attribute x.
        constants: Fields that are the same for all rows.
        zone: The zone of times that name none.
    """

    columns: Mapping[str, str]
    constants: Mapping[str, str] = field(default_factory=dict)
    zone: tzinfo = UTC

    def cell(self, values: Mapping[str, object], name: str) -> object:
        """The field's cell, None where it is empty or nothing fills it."""
        if name in self.constants:
            return self.constants[name]
        column = self.columns.get(name)
        cell = values.get(column) if column is not None else None
        if isinstance(cell, str) and cell.strip().lower() in EMPTY:
            return None
        return None if isinstance(cell, float) and math.isnan(cell) else cell

    def number_cell(self, values: Mapping[str, object], name: str) -> object:
        """The field's cell as `cell` gives it, but NaN stays one: in an amount it is a mistake, not a gap."""
        column = self.columns.get(name)
        raw = values.get(column) if column is not None and name not in self.constants else None
        return raw if _is_nan(raw) else self.cell(values, name)

    def names(self) -> list[str]:
        """The fields that something fills."""
        return sorted({*self.columns, *self.constants})


def _is_nan(cell: object) -> bool:
    if isinstance(cell, str):
        return cell.strip().lower() == "nan"
    return isinstance(cell, float | Decimal) and cell != cell  # noqa: PLR0124  # only NaN differs from itself


def field_map(
    kind: str,
    *,
    columns: Sequence[str],
    maps: Sequence[str],
    constants: Sequence[str] = (),
    zone: tzinfo = UTC,
) -> FieldMap:
    """Make the mapping of ``field=column`` pairs; columns named like a field fill it by themselves.

    Raises:
        InvalidInputError: A pair without ``=``, an unknown field, a missing column, a field that is needed
            and that nothing fills. The message names it.
    """
    by_field = {name: name for name in columns if _is_field(kind, name)}
    for name, column in _pairs(kind, maps, "--map"):
        if column not in columns:
            listed = ", ".join(columns)
            raise InvalidInputError(
                f"--map {name}={column}: the file has no column {column}. It has: {listed}."
            )
        by_field[name] = column
    fixed = dict(_pairs(kind, constants, "--set"))
    for choice in REQUIRED[kind]:
        if not any(name in by_field or name in fixed for name in choice):
            raise InvalidInputError(
                f"{kind} need {' or '.join(choice)}: no column is named so. "
                f"Name one with --map {choice[0]}=COLUMN, or a fixed value with --set {choice[0]}=VALUE. "
                f"The file has: {', '.join(columns)}."
            )
    return FieldMap(columns=by_field, constants=fixed, zone=zone)


def _is_field(kind: str, name: str) -> bool:
    return name in FIELDS[kind] or (
        kind != "events" and name.startswith("attributes.") and len(name) > len("attributes.")
    )


def _pairs(kind: str, pairs: Sequence[str], option: str) -> list[tuple[str, str]]:
    result = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name or not value:
            raise InvalidInputError(f"{option} {pair}: write it as FIELD=VALUE.")
        if not _is_field(kind, name):
            raise InvalidInputError(
                f"{option} {pair}: {kind} have no field {name}. They have: {', '.join(FIELDS[kind])}."
            )
        result.append((name, value))
    return result


# --- cells ---


def text(cell: object, name: str) -> str | None:
    """A string as the file has it; whole numbers lose their ``.0``."""
    if cell is None:
        return None
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    value = cell if isinstance(cell, str) else str(cell)
    if len(value.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
        raise CellError(f"{name} is longer than {MAX_TEXT_BYTES} bytes")
    if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise CellError(f"{name} holds a NUL or half a surrogate pair")
    return value


def identifier(cell: object, name: str) -> str | None:
    """An id: 1 to 128 bytes, NFC, no control characters."""
    value = text(cell, name)
    if value is None:
        return None
    if len(value.encode()) > MAX_ID_BYTES:
        raise CellError(f"{name} is longer than {MAX_ID_BYTES} bytes")
    if any(unicodedata.category(char) == "Cc" for char in value):
        raise CellError(f"{name} holds a control character")
    if not unicodedata.is_normalized("NFC", value):
        raise CellError(f"{name} is not in the Unicode form NFC")
    return value


def number(cell: object, name: str) -> float | None:
    """A finite number."""
    if cell is None:
        return None
    try:
        value = float(cell)  # type: ignore[arg-type]  # what cannot be one raises
    except (TypeError, ValueError) as error:
        raise CellError(f"{name} is not a number") from error
    if not math.isfinite(value):
        raise CellError(f"{name} is not a finite number")
    return value


def money(cell: object, name: str) -> Decimal | None:
    """An exact amount from 0 on."""
    if cell is None:
        return None
    try:
        value = Decimal(repr(cell) if isinstance(cell, float) else str(cell).strip())
    except InvalidOperation as error:
        raise CellError(f"{name} is not a number") from error
    if not value.is_finite():
        raise CellError(f"{name} is not a finite number")
    if value < 0:
        raise CellError(f"{name} is below 0")
    if value >= MONEY_LIMIT:
        raise CellError(f"{name} is too large")
    return value.quantize(Decimal("0.0001")) if value.as_tuple().exponent < -4 else value  # type: ignore[operator]  # finite


def truth(cell: object, name: str) -> bool | None:
    """Yes or no, in the usual spellings."""
    if cell is None or isinstance(cell, bool):
        return cell
    word = str(cell).strip().lower()
    if word in TRUE or word in FALSE:
        return word in TRUE
    raise CellError(f"{name} is neither true nor false")


def words(cell: object, name: str) -> tuple[str, ...]:
    """Several strings: a list, the JSON text of one, or one string with ``|`` or ``;`` between them."""
    if cell is None:
        return ()
    if isinstance(cell, str) and cell.startswith("["):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError) as error:
            raise CellError(f"{name} is not a JSON list") from error
    parts = cell if isinstance(cell, list | tuple) else str(cell).replace(";", "|").split("|")
    found = (text(part, name) for part in parts)
    return tuple(dict.fromkeys(part.strip() for part in found if part is not None and part.strip()))


def json_object(cell: object, name: str) -> dict[str, object]:
    """A JSON object, or the text of one."""
    if cell is None:
        return {}
    try:
        value = json.loads(cell) if isinstance(cell, str) else cell
    except (ValueError, RecursionError) as error:
        raise CellError(f"{name} is not a JSON object") from error
    if not isinstance(value, dict):
        raise CellError(f"{name} is not a JSON object")
    return value


def instant(cell: object, name: str, zone: tzinfo) -> datetime | None:
    """A time: RFC 3339, a date and time without offset (in `zone`), or seconds or milliseconds since 1970."""
    if cell is None:
        return None
    value = cell if isinstance(cell, datetime) else _parsed_time(cell, name)
    try:
        return (value if value.tzinfo is not None else value.replace(tzinfo=zone)).astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise CellError(f"{name} is out of range") from error


def _parsed_time(cell: object, name: str) -> datetime:
    written = str(cell).strip()
    try:
        seconds = float(written)
    except ValueError:
        try:
            return datetime.fromisoformat(written)
        except ValueError as error:
            raise CellError(f"{name} is not a time such as 2026-11-24T10:00:00Z") from error
    try:
        return datetime.fromtimestamp(
            seconds / 1000 if abs(seconds) >= MILLISECONDS_FROM else seconds, tz=UTC
        )
    except (OverflowError, ValueError, OSError) as error:
        raise CellError(f"{name} is out of range") from error
