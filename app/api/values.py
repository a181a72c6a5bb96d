"""The kinds of value that cross the wire, each checked in one place: body, path and query use the same."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Annotated

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from app.domain.currencies import CURRENCIES
from app.domain.moments import rfc3339
from app.domain.types import JsonObject

MAX_ID_BYTES = 128
MAX_FREE_KEYS = 64
MAX_FREE_STRING = 1024
MAX_FREE_BYTES = 32 * 1024
MAX_MONEY = Decimal("99999999999.9999")
PRINTABLE = r"^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufdd0]+$"
# The path middleware writes this for an encoded slash, so that it does not part the path; no id may hold it.
SLASH_IN_PATH = "\ufdd0"

_MONEY_STEP = Decimal("0.0001")
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNFIT_CATEGORIES = {
    "Cc": "control characters",
    "Cs": "half of a surrogate pair",
    "Zl": "line-separator characters (U+2028)",
    "Zp": "paragraph-separator characters (U+2029)",
}
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.(\d{1,12}))?"
    r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)


class Schema(BaseModel):
    """Base of every request body: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Answer(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


def check_line(value: str) -> str:
    """Refuse text that is not one printable line in NFC."""
    if value.isascii() and value.isprintable():
        return value
    unfit = next(filter(None, map(_unfit, value)), None)
    if unfit is not None:
        raise ValueError(f"must not hold {unfit}")
    if SLASH_IN_PATH in value:
        raise ValueError("must not hold noncharacters")
    if not unicodedata.is_normalized("NFC", value):
        raise ValueError("must be in Unicode normal form C (NFC)")
    return value


def _unfit(character: str) -> str | None:
    # what a character is called, if no line may hold it
    if character in _BIDI_CONTROLS:
        return "invisible characters that turn the direction of text (such as U+202E)"
    return _UNFIT_CATEGORIES.get(unicodedata.category(character))


def matching(pattern: str, words: str) -> AfterValidator:
    """A check that the whole text matches; where it does not, the words say what is expected.

    Pydantic's own `pattern` would show the expression to the caller.
    """
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise ValueError(words)
        return value

    return AfterValidator(check)


def check_id(value: str) -> str:
    """Refuse what is not an id: 1 to 128 bytes of UTF-8, NFC, no control characters."""
    if len(check_line(value).encode()) > MAX_ID_BYTES:
        raise ValueError(f"must be at most {MAX_ID_BYTES} bytes of UTF-8")
    return value


def parse_time(value: object) -> datetime:
    """The UTC time that an RFC 3339 text names.

    A leap second becomes the last microsecond of its minute; digits beyond microseconds are dropped.

    >>> parse_time("2026-11-24T12:00:00.5+02:00").isoformat()
    '2026-11-24T10:00:00.500000+00:00'
    """
    if isinstance(value, datetime):
        return value
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be an RFC 3339 time with an offset, such as 2026-11-24T10:00:00Z")
    year, month, day, hour, minute, second, fraction, sign, off_hour, off_minute = match.groups()
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    if second == "60":
        second, micros = "59", 999_999
    offset = timedelta(hours=int(off_hour or 0), minutes=int(off_minute or 0)) * (-1 if sign == "-" else 1)
    try:
        local = datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second), micros, timezone(offset)
        )
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a day that exists, in the years 1 to 9999") from None


def format_time(value: datetime) -> str:
    """RFC 3339, UTC, always with microseconds.

    >>> format_time(datetime(2026, 11, 24, 10, tzinfo=UTC))
    '2026-11-24T10:00:00.000000Z'
    """
    return rfc3339(value)


@lru_cache(maxsize=4096)
def exact_amount(value: float | Decimal) -> Decimal:
    """The amount of four places that a number within `MAX_MONEY` names."""
    return Decimal(str(value)).quantize(_MONEY_STEP, ROUND_HALF_EVEN)


def _money(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("must be a number")  # noqa: TRY004  # pydantic turns ValueError into a field's fault
    amount = Decimal(str(value))
    if not (amount.is_finite() and abs(amount) <= MAX_MONEY):
        raise ValueError(f"must be between -{MAX_MONEY} and {MAX_MONEY}")
    return exact_amount(value)


def _not_negative(value: Decimal) -> Decimal:
    if value < 0:
        raise ValueError("must not be less than 0")
    return value


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        raise ValueError("must be a currency's three letters in ISO 4217, such as GBP")
    return value


def _web_address(value: str) -> str:
    if not re.match(r"(https?://[^/]|/(?!/))", value):
        raise ValueError("must begin with http://, https:// or a single /")
    return check_line(value)


def _free_object(value: JsonObject) -> JsonObject:
    if _free_bytes(value) > MAX_FREE_BYTES:
        raise ValueError(f"must not hold more than {MAX_FREE_BYTES} bytes of text")
    return value


def _free_bytes(value: object) -> int:
    """How many bytes of text a free value holds, once each part of it is within its own bounds."""
    if isinstance(value, str):
        size = len(value.encode())
        if size > MAX_FREE_STRING:
            raise ValueError(f"must not hold texts longer than {MAX_FREE_STRING} bytes")
        return size
    if isinstance(value, list):
        return len(value) + sum(map(_free_bytes, value))
    if isinstance(value, dict):
        if len(value) > MAX_FREE_KEYS:
            raise ValueError(f"must not hold objects of more than {MAX_FREE_KEYS} members")
        return sum(_name_bytes(name) + _free_bytes(part) for name, part in value.items())
    return 1


def _name_bytes(name: str) -> int:
    size = len(name.encode())
    if not 0 < size <= MAX_ID_BYTES:
        raise ValueError(f"must have member names of 1 to {MAX_ID_BYTES} bytes")
    return size


Id = Annotated[
    str,
    Field(min_length=1, max_length=MAX_ID_BYTES),
    AfterValidator(check_id),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_ID_BYTES,
            "pattern": PRINTABLE,
            "description": "1 to 128 bytes of UTF-8 in NFC, without control characters; case-sensitive.",
        }
    ),
]
"""A client's own id."""

PathId = Annotated[
    Id,
    BeforeValidator(lambda value: value.replace(SLASH_IN_PATH, "/") if isinstance(value, str) else value),
    Path(description="The client's own id, percent-encoded; `/` as `%2F`."),
]
"""An id as a part of the path."""

Line = Annotated[
    str,
    Field(min_length=1, max_length=256),
    AfterValidator(check_line),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 256, "pattern": PRINTABLE}),
]
"""One line of text."""

QueryText = Annotated[str, AfterValidator(check_line), Field(json_schema_extra={"pattern": PRINTABLE})]
"""Text that is searched for."""

WebAddress = Annotated[
    str,
    Field(min_length=1, max_length=2048),
    AfterValidator(_web_address),
    WithJsonSchema({"type": "string", "format": "uri-reference", "minLength": 1, "maxLength": 2048}),
]
"""An http(s) address or a path on the shop's own site: never `javascript:`, `data:` or another scheme."""

Timestamp = Annotated[
    datetime,
    BeforeValidator(parse_time),
    PlainSerializer(format_time, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-24T10:00:00Z"]}),
]
"""RFC 3339 with an offset; UTC with microseconds on the way out."""

Money = Annotated[
    Decimal,
    BeforeValidator(_money),
    PlainSerializer(float, return_type=float, when_used="json"),
    WithJsonSchema({"type": "number", "minimum": float(-MAX_MONEY), "maximum": float(MAX_MONEY)}),
]
"""A decimal of four places at most 15 digits long, so that JSON's double holds it exactly."""

Price = Annotated[
    Money,
    AfterValidator(_not_negative),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": float(MAX_MONEY)}),
]
"""Money that is not negative."""

Currency = Annotated[
    str,
    AfterValidator(_currency),
    Field(examples=["EUR"], json_schema_extra={"pattern": r"^[A-Z]{3}$"}),
]
"""An ISO 4217 code."""

FreeObject = Annotated[JsonObject, AfterValidator(_free_object)]
"""The caller's own members: 64 an object at most, texts of 1 KiB."""

Limit = Annotated[int, Query(ge=1, le=200, description="Rows on a page at most.")]
Cursor = Annotated[
    QueryText | None,
    Query(min_length=1, max_length=1024, description="`next_cursor` of the page before."),
]
