"""Cursors come back as they were, and nothing else passes for one."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.cursors import MAX_INTEGER, decode_cursor, decode_moment, encode_cursor
from app.domain.errors import InvalidInputError

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=64)


def _as_cursor(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@given(TEXT, st.integers(-MAX_INTEGER, MAX_INTEGER))
def test_decode_gives_back_what_was_encoded(text: str, number: int) -> None:
    cursor = encode_cursor(text, number)

    assert decode_cursor(cursor, str, int) == (text, number)
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&?#% ")


@given(st.text("abyzWJ019-_=+/ é\n", max_size=60) | st.binary(max_size=60).map(_as_cursor))
def test_decode_of_anything_answers_or_refuses(cursor: str) -> None:
    faults: list[str] = []
    try:
        decode_cursor(cursor, str, int)
    except InvalidInputError as error:
        faults = [fault.pointer for fault in error.errors]

    assert faults in ([], ["?cursor"])


@pytest.mark.parametrize(
    "values", [("a",), ("a", 1, 2), (1, "a"), ("a", True), ("a", 2**63), ("a", -(2**63) - 1), ("\x00", 1)]
)
def test_decode_refuses_other_values(values: tuple[str | int, ...]) -> None:
    with pytest.raises(InvalidInputError):
        decode_cursor(encode_cursor(*values), str, int)


@pytest.mark.parametrize("text", ["", "x", "2026-01-01", "2026-01-01T00:00:00", 5])
def test_decode_moment_refuses_what_has_no_offset(text: str | int) -> None:
    with pytest.raises(InvalidInputError):
        decode_moment(text)
