"""The quick way to read an event against the whole one: what it takes, both take, and mean the same by it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.api.plain_events import read_plain
from app.api.schemas_events import EventBody
from app.api.strict_json import check_depth, faults, read
from app.domain.errors import InvalidInputError
from app.domain.types import Event
from tests.api.nasty import VALUES, encode, leaves, replaced
from tests.api.samples import EVENT

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FULL: dict[str, Any] = EVENT | {
    "transaction_id": "t1",
    "search_term": "mugs",
    "item_list_id": "l1",
    "item_list_name": "Mugs",
    "coupon": "c1",
    "tax": 1.9,
    "shipping": 0,
    "items": [
        {
            "item_id": "i1",
            "quantity": 2,
            "price": 9.5,
            "index": 3,
            "item_name": "Schöne Tasse",
            "discount": 1,
        },
        {"item_id": "i2", "item_brand": None, "item_category5": "", "currency": "any"},
    ],
    "context": {"page": "home", "depth": 2, "share": 0.5, "guest": True, "campaign": None},
}
PLAIN: dict[str, dict[str, Any]] = {
    "all fields": FULL,
    "a view": {"event_id": "e", "event": "view_item", "session_id": "s", "items": [{"item_id": "i"}]},
    "an alias": {"event_id": "e", "event": "Order Completed", "user_id": "u", "value": 12},
    "a rating": {"event_id": "e", "event": "rate", "user_id": "u", "value": 5},
    "nulls": {"event_id": "e", "event": "x", "user_id": "u", "value": None, "timestamp": None},
    "milliseconds": {"event_id": "e", "event": "x", "user_id": "u", "timestamp": "2026-11-24T10:00:00.123Z"},
    "an offset": {"event_id": "e", "event": "x", "user_id": "u", "timestamp": "2026-11-24T10:00:00+05:30"},
    "the future": {"event_id": "e", "event": "x", "user_id": "u", "timestamp": "2027-01-01T00:00:00Z"},
}


def of_pydantic(entry: object) -> tuple[Event, bool] | None:
    """What the whole way makes of an entry."""
    try:
        check_depth(entry, ("events", 0))
        body = EventBody.model_validate(entry)
    except (InvalidInputError, ValidationError):
        return None
    return None if faults(entry) else (body.to_event(NOW), body.is_early(NOW))


def agree(entry: object) -> bool:
    """Fail where the quick way takes what the whole one does not, or means another thing by it."""
    plain = read_plain(entry)
    if plain is None:
        return False
    whole = of_pydantic(entry)
    # repr tells 1, 1.0 and True apart, which are equal.
    assert repr((plain.to_event(NOW), plain.is_early(NOW))) == repr(whole)
    return True


def document(entry: object) -> object:
    """The entry as it comes out of a body; None where the body cannot be read."""
    try:
        return read(encode(entry))
    except InvalidInputError:
        return None


@pytest.mark.parametrize("name", PLAIN)
def test_plain_event_is_read_the_quick_way(name):
    assert agree(document(PLAIN[name]))


def test_nasty_values_in_every_place():
    taken = 0
    for at in leaves(FULL):
        for value in VALUES.values():
            taken += agree(document(replaced(FULL, at, value)))
    assert taken > 100


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event", "rate"),
        ("event", "Product Reviewed"),
        ("event", " x"),
        ("event", "x "),
        ("event", "x" * 65),
        ("value", 10**11),
        ("value", 99999999999.9999),
        ("value", -99999999999.9999),
        ("value", 0.00005),
        ("value", -0.0),
        ("currency", "XXQ"),
        ("currency", "eur"),
        ("timestamp", "1970-01-01T00:00:00Z"),
        ("timestamp", "1970-01-01T00:00:00+00:01"),
        ("timestamp", "0000-01-01T00:00:00Z"),
        ("timestamp", "9999-12-31T23:59:59-00:01"),
        ("timestamp", "2026-02-29T00:00:00Z"),
        ("timestamp", "2026-11-24 10:00:00Z"),
        ("timestamp", "2026-11-24T24:00:00Z"),
        ("timestamp", "2026-11-24T10:00:00.1234567Z"),
        ("timestamp", "2026-11-24T10:00:00.5Z"),
        ("timestamp", "2026-11-24T10:00:00Z\n"),
        ("timestamp", "2026-11-24t10:00:00z"),
        ("items", [{"item_id": "i"}] * 201),
        ("items", [{"item_id": "i", "index": 1.0}]),
        ("items", [{"item_id": "i", "index": True}]),
        ("items", [{"item_id": "i", "price": -0.0}]),
        ("items", [{"item_id": "i\n"}]),
        ("items", [{"item_id": "x" * 128}]),
        ("items", [{"item_id": "x" * 129}]),
        ("context", {"": 1}),
        ("context", {"a": "x" * 1024}),
        ("context", {"a": "x" * 1025}),
        ("context", {"a": "two\nlines"}),
        ("context", {"a": [1]}),
        ("context", {f"{n:0128d}": "x" * 1024 for n in range(24)}),
        ("context", {f"{n:0128d}": "x" * 1024 for n in range(30)}),
        ("context", {str(n): n for n in range(65)}),
    ],
)
def test_edges(field, value):
    agree(document(FULL | {field: value}))
    agree(document(FULL | {"event": "rate", field: value}))


IDS = st.one_of(st.text(max_size=4), st.text("ab1- \n\x7fé", max_size=140), st.integers())
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([0, -0.0, 1, 5, 5.00005, 6, 1e11, True]))
TIMES = st.one_of(
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    st.from_regex(
        r"\A[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]+)?"
        r"(Z|[+-][0-2][0-9]:[0-6][0-9])\Z"
    ),
)
LINES = st.fixed_dictionaries(
    {"item_id": IDS},
    optional={"quantity": NUMBERS, "price": NUMBERS, "index": NUMBERS, "item_name": st.text(max_size=3)},
)
FREE = st.dictionaries(
    IDS.map(str), st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=3)), max_size=3
)
EVENTS = st.fixed_dictionaries(
    {"event_id": IDS, "event": st.one_of(st.sampled_from(["rate", "view_item", "order completed"]), IDS)},
    optional={
        "user_id": st.one_of(st.none(), IDS),
        "session_id": IDS,
        "timestamp": TIMES,
        "items": st.lists(LINES, max_size=2),
        "value": NUMBERS,
        "currency": st.sampled_from(["EUR", "GBP", "XQQ", ""]),
        "context": FREE,
        "coupon": IDS,
        "tax": NUMBERS,
    },
)


@settings(max_examples=400)
@given(EVENTS)
def test_any_event(entry):
    agree(entry)
    agree(document(json.loads(json.dumps(entry))))
