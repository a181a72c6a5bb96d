"""Opaque page cursors: where the next page starts, in a form that callers cannot read meaning into."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime

from app.domain.errors import FieldError, InvalidInputError

MAX_CURSOR_LENGTH = 1024
MAX_INTEGER = 2**63 - 1


def encode_cursor(*values: str | int) -> str:
    """The cursor of a row's sort key.

    >>> decode_cursor(encode_cursor("i1", 7), str, int)
    ('i1', 7)
    """
    raw = json.dumps(values, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode_cursor(cursor: str, *kinds: type[str | int]) -> tuple[str | int, ...]:
    """The sort key in a cursor.

    Raises:
        InvalidInputError: It was not made by `encode_cursor` with values of these kinds.
    """
    values = _read(cursor)
    if not isinstance(values, list) or len(values) != len(kinds):
        raise _bad_cursor()
    for value, kind in zip(values, kinds, strict=True):
        if type(value) is not kind or not _storable(value):
            raise _bad_cursor()
    return tuple(values)


def decode_moment(value: str | int) -> datetime:
    """The time in a cursor's value, written there by `datetime.isoformat`.

    Raises:
        InvalidInputError: It is no time with an offset.
    """
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise _bad_cursor() from None
    if moment.tzinfo is None:
        raise _bad_cursor()
    return moment


def _read(cursor: str) -> object:
    if len(cursor) > MAX_CURSOR_LENGTH or not cursor.isascii():
        raise _bad_cursor()
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        values: object = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        raise _bad_cursor() from None
    return values


def _storable(value: str | int) -> bool:
    if isinstance(value, int):
        return -MAX_INTEGER <= value <= MAX_INTEGER
    return "\x00" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _bad_cursor() -> InvalidInputError:
    reason = "is not a cursor that this list gave"
    return InvalidInputError("The cursor is not valid.", [FieldError("?cursor", reason)])
