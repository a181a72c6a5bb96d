from typing import Annotated, Literal

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from app.api.problems import field_errors
from app.api.schemas_events import EventBody, EventName
from app.api.values import Currency, Id, Schema, Timestamp
from app.api.wording import UNSAID, WORDS


class Inner(Schema):
    name: str


class Outer(Schema):
    inner: Inner = Inner(name="a")
    own: dict[str, int] = Field(default={})
    rows: Annotated[list[int], Field(min_length=2, max_length=3)] = Field(default=[1, 2])
    some: Annotated[list[int], Field(min_length=1)] = Field(default=[1])
    text: Annotated[str, Field(min_length=2, max_length=3)] = "ab"
    word: Annotated[str, Field(min_length=1)] = "a"
    whole: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1
    share: Annotated[float, Field(ge=0, le=0.5)] = 0
    switch: bool = True
    choice: Literal["a", "b"] = "a"
    when: Timestamp | None = None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "must be an object"),
        ({"inner": 1}, "must be an object"),
        ({"inner": {}}, "is required"),
        ({"own": []}, "must be an object"),
        ({"own": {"a": "x"}}, "must be a whole number"),
        ({"rows": {}}, "must be a list"),
        ({"rows": [1]}, "must hold 2 or more entries"),
        ({"rows": [1] * 4}, "must hold at most 3 entries"),
        ({"some": []}, "must not be empty"),
        ({"text": 1}, "must be text"),
        ({"text": "a"}, "must be 2 or more characters long"),
        ({"text": "abcd"}, "must be at most 3 characters long"),
        ({"word": ""}, "must not be empty"),
        ({"whole": "1"}, "must be a whole number"),
        ({"whole": 1.5}, "must be a whole number"),
        ({"whole": 0}, "must be 1 or more"),
        ({"whole": 10**10}, "must be 1000000000 or less"),
        ({"share": "x"}, "must be a number"),
        ({"share": 0.6}, "must be 0.5 or less"),
        ({"switch": 1}, "must be true or false"),
        ({"choice": "c"}, "must be 'a' or 'b'"),
        ({"when": "now"}, "must be an RFC 3339 time with an offset, such as 2026-11-24T10:00:00Z"),
        ({"other": 1}, "is not a known field"),
        ({"created_at": None}, "is read-only; leave it out"),
    ],
)
def test_fault_of_a_body_is_said_in_plain_words(given, words):
    assert reason_of(TypeAdapter(Outer), given) == words


def reason_of(adapter, given):
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(given)
    [fault] = field_errors(caught.value)
    return fault.reason


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        (int, "x", "must be a whole number"),
        (int, "9" * 5000, "must be a whole number of at most 64 bits"),
        (int, "1.5", "must be a whole number"),
        (float, "x", "must be a number"),
        (bool, "x", "must be true or false"),
        (Annotated[float, Field(allow_inf_nan=False)], "inf", "must be a finite number"),
        (Currency, "pounds", "must be a currency's three letters in ISO 4217, such as GBP"),
        (Id, "a\u2028b", "must not hold line-separator characters (U+2028)"),
        (Id, "a\u2029b", "must not hold paragraph-separator characters (U+2029)"),
        (
            Id,
            "a\u202eb",
            "must not hold invisible characters that turn the direction of text (such as U+202E)",
        ),
        (Id, "a\nb", "must not hold control characters"),
        (Id, "", "must not be empty"),
        (Id, "é" * 65, "must be at most 128 bytes of UTF-8"),
        (
            EventName,
            "<b>",
            "must be 1 to 64 letters, digits, spaces and _.:-, first a letter or digit, such as view_item",
        ),
    ],
)
def test_fault_of_a_value_is_said_in_plain_words(kind, given, words):
    assert reason_of(TypeAdapter(kind), given) == words


def test_event_that_is_none_must_be_an_object():
    assert reason_of(TypeAdapter(EventBody), 7) == "must be an object"


def test_no_words_of_the_table_are_a_librarys():
    assert [words for words in WORDS.values() if "valid" in words or "should" in words] == []
    assert UNSAID not in WORDS.values()
