from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.errors import InvalidInputError
from app.pipeline.filters import MAX_CLAUSES, MAX_DEPTH, parse_filter
from tests.unit.pipeline.build import catalogue, item

SNAPSHOT = catalogue(
    item(
        "mug",
        price="9.50",
        categories=["mugs", "kitchen"],
        brand="Acme",
        published_at=datetime(2026, 1, 1, tzinfo=UTC),
        attributes={"colour": "red", "size": 3, "gift": True, "tags": ["new", 7]},
    ),
    item(
        "cup",
        price="50",
        categories=["cups", "kitchen"],
        brand="acme",
        published_at=datetime(2026, 6, 1, tzinfo=UTC),
        attributes={"colour": "blue", "size": 1.5, "gift": False},
    ),
    item("bare", in_stock=False, attributes={"colour": 3, "gift": 1}),
)


def matching(body: Any) -> list[str]:
    mask = parse_filter(body).mask(SNAPSHOT)
    return [one.item_id for one, held in zip(SNAPSHOT.items, mask, strict=True) if held]


def one(field: str, op: str, value: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        (one("price", "eq", 9.5), ["mug"]),
        (one("price", "ne", 9.5), ["cup", "bare"]),
        (one("price", "lt", 50), ["mug"]),
        (one("price", "lte", 50), ["mug", "cup"]),
        (one("price", "gt", 9.5), ["cup"]),
        (one("price", "gte", 9.5), ["mug", "cup"]),
        (one("price", "between", [10, 50]), ["cup"]),
        (one("price", "any_of", [9.5, 1]), ["mug"]),
        (one("price", "none_of", [9.5]), ["cup", "bare"]),
        (one("price", "exists", True), ["mug", "cup"]),
        (one("price", "exists", False), ["bare"]),
        (one("categories", "any_of", ["mugs", "cups"]), ["mug", "cup"]),
        (one("categories", "all_of", ["mugs", "kitchen"]), ["mug"]),
        (one("categories", "none_of", ["mugs"]), ["cup", "bare"]),
        (one("categories", "eq", "kitchen"), ["mug", "cup"]),
        (one("price", "all_of", [9.5, 9.5]), ["mug"]),
        (one("price", "all_of", [9.5, 50]), []),
        (one("price", "any_of", [60, 50, 9.5]), ["mug", "cup"]),
        (one("attributes.tags", "all_of", ["new", 7]), ["mug"]),
        (one("attributes.gift", "any_of", [True, "x", 2]), ["mug"]),
        (one("categories", "ne", "mugs"), ["cup", "bare"]),
        (one("categories", "exists", False), ["bare"]),
        (one("categories", "any_of", []), []),
        (one("categories", "all_of", []), ["mug", "cup", "bare"]),
        (one("brand", "eq", "Acme"), ["mug"]),
        (one("item_id", "any_of", ["cup", "nobody"]), ["cup"]),
        (one("in_stock", "eq", False), ["bare"]),
        (one("published_at", "gte", "2026-03-01T00:00:00Z"), ["cup"]),
        (one("published_at", "between", ["2025-12-31T22:00:00-02:00", "2026-01-01T00:00:00Z"]), ["mug"]),
        (one("attributes.colour", "eq", "red"), ["mug"]),
        (one("attributes.colour", "eq", 3), ["bare"]),
        (one("attributes.size", "gt", 2), ["mug"]),
        (one("attributes.gift", "eq", True), ["mug"]),
        (one("attributes.gift", "eq", 1), ["bare"]),
        (one("attributes.tags", "any_of", ["new"]), ["mug"]),
        (one("attributes.tags", "eq", 7), ["mug"]),
        (one("attributes.nothing", "exists", False), ["mug", "cup", "bare"]),
        ({"all": []}, ["mug", "cup", "bare"]),
        ({"any": []}, []),
        ({"not": one("price", "lt", 50)}, ["cup", "bare"]),
        ({"all": [one("price", "gt", 1), {"not": one("brand", "eq", "acme")}]}, ["mug"]),
        ({"any": [one("price", "gt", 40), {"all": [one("price", "exists", False)]}]}, ["cup", "bare"]),
    ],
)
def test_filter_keeps_what_the_clause_says(clause: Any, expected: list[str]) -> None:
    assert matching(clause) == expected


def nested(depth: int) -> Any:
    body: Any = one("price", "exists", True)
    for _ in range(depth):
        body = {"not": body}
    return body


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], "/filter"),
        ({}, "/filter/field"),
        ({"all": {}}, "/filter/all"),
        ({"all": [{"any": [one("price", "lt", "x")]}]}, "/filter/all/0/any/0/value"),
        ({"all": [], "any": []}, "/filter/all"),
        ({"field": "price", "op": "lt"}, "/filter/value"),
        ({**one("price", "lt", 1), "more/or~less": 1}, "/filter/more~1or~0less"),
        (one("colour", "eq", "red"), "/filter/field"),
        (one("attributes.", "eq", "red"), "/filter/field"),
        (one("price", "like", 1), "/filter/op"),
        ({"field": "price", "op": ["eq"], "value": 1}, "/filter/op"),
        (one("price", "eq", "1"), "/filter/value"),
        (one("price", "lt", True), "/filter/value"),
        (one("price", "between", [1]), "/filter/value"),
        (one("price", "between", [1, "x"]), "/filter/value/1"),
        (one("price", "any_of", 1), "/filter/value"),
        (one("categories", "any_of", ["a", 1]), "/filter/value/1"),
        (one("categories", "lt", 3), "/filter/value"),
        (one("in_stock", "eq", 1), "/filter/value"),
        (one("published_at", "gt", "2026-01-01T00:00:00"), "/filter/value"),
        (one("published_at", "gt", 5), "/filter/value"),
        (one("attributes.x", "eq", None), "/filter/value"),
        (one("attributes.x", "eq", {}), "/filter/value"),
        (one("title", "exists", "yes"), "/filter/value"),
        (one("title", "any_of", ["x"] * 101), "/filter/value"),
        ({"all": [one("title", "any_of", ["x"] * 100)] * 11}, "/filter/all/10/value"),
        (nested(MAX_DEPTH + 1), "/filter" + "/not" * (MAX_DEPTH + 1)),
        ({"all": [one("price", "lt", 1)] * MAX_CLAUSES}, f"/filter/all/{MAX_CLAUSES - 1}"),
    ],
)
def test_filter_is_refused_with_the_pointer_of_its_fault(body: Any, pointer: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        parse_filter(body)
    assert [error.pointer for error in refusal.value.errors] == [pointer]


def test_filter_may_be_as_deep_and_long_as_its_limits() -> None:
    assert matching(nested(MAX_DEPTH)) == ["mug", "cup"]
    assert matching({"all": [one("price", "exists", True)] * (MAX_CLAUSES - 1)}) == ["mug", "cup"]


def about(item_id: str | None, body: Any) -> list[str]:
    place = None if item_id is None else SNAPSHOT.position(item_id)
    mask = parse_filter(body).mask(SNAPSHOT, place)
    return [one.item_id for one, held in zip(SNAPSHOT.items, mask, strict=True) if held]


@pytest.mark.parametrize(
    ("item_id", "clause", "expected"),
    [
        ("mug", one("price", "lte", {"context": "price", "times": 1.2}), ["mug"]),
        ("mug", one("price", "lte", {"context": "price", "times": 6}), ["mug", "cup"]),
        ("cup", one("price", "gte", {"context": "price"}), ["cup"]),
        ("mug", one("price", "gt", {"context": "attributes.size"}), ["mug", "cup"]),
        ("mug", one("published_at", "gt", {"context": "published_at"}), ["cup"]),
        ("mug", one("categories", "any_of", {"context": "categories"}), ["mug", "cup"]),
        ("mug", one("categories", "all_of", {"context": "categories"}), ["mug"]),
        ("mug", one("categories", "none_of", {"context": "categories"}), ["bare"]),
        ("mug", one("brand", "eq", {"context": "brand"}), ["mug"]),
        ("mug", one("brand", "ne", {"context": "brand"}), ["cup", "bare"]),
        ("cup", one("price", "eq", {"context": "price"}), ["cup"]),
        ("bare", one("price", "lte", {"context": "price"}), ["mug", "cup", "bare"]),
        ("bare", one("brand", "eq", {"context": "brand"}), ["mug", "cup", "bare"]),
        (None, one("price", "lte", {"context": "price"}), ["mug", "cup", "bare"]),
        ("mug", {"not": {"any": [one("price", "gt", {"context": "price"})]}}, ["mug", "bare"]),
    ],
)
def test_clause_compares_with_the_item_the_list_is_about(
    item_id: str | None, clause: Any, expected: list[str]
) -> None:
    assert about(item_id, clause) == expected


@pytest.mark.parametrize(
    ("clause", "pointer"),
    [
        (one("price", "lte", {"context": "magic"}), "/filter/value/context"),
        (one("price", "lte", {"context": "price", "times": "2"}), "/filter/value/times"),
        (one("price", "lte", {"context": "price", "plus": 2}), "/filter/value/plus"),
        (one("price", "lte", {"context": "title"}), "/filter/value"),
        (one("title", "lte", {"context": "price"}), "/filter/value"),
        (one("price", "between", {"context": "price"}), "/filter/value"),
        (one("price", "exists", {"context": "price"}), "/filter/value"),
        (one("published_at", "lt", {"context": "published_at", "times": 2}), "/filter/value/times"),
    ],
)
def test_comparison_with_the_context_is_refused_with_its_pointer(clause: Any, pointer: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        parse_filter(clause)
    assert [error.pointer for error in refusal.value.errors] == [pointer]
