"""What the catalogue says becomes attributes, and new items get numbers by it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from app.domain.types import Item
from app.domain.weights import DEFAULT_WEIGHTS
from app.training.attributes import MAX_WORDS, MIN_NEW_ITEMS, described
from app.training.fitted import numbers_until
from app.training.preprocess import KINDS, Numbered, days_of, numbered, prepare
from tests.unit.training.build import START, log

NOW = START + timedelta(days=100)


def bags(*items: Item) -> dict[str, tuple[str, ...]]:
    return dict(described([items]).bags)


def names_of(facts: Numbered, item_id: str) -> list[str]:
    found = facts.interactions.attributes
    assert found is not None
    item = facts.item_ids.index(item_id) + 1
    return [found.names[place] for place in found.indices[found.indptr[item] : found.indptr[item + 1]]]


@pytest.mark.parametrize(
    ("shared", "names"),
    [
        ({"brand": "OPI"}, {"brand=OPI"}),
        ({"categories": ("Home > Tea", "Gifts")}, {"category=Home", "category=Home > Tea", "category=Gifts"}),
        ({"title": "The RED mug 12"}, {"word=red", "word=mug"}),
        ({"description": "A mug for tea"}, {"word=mug", "word=tea"}),
        (
            {"attributes": {"colour": "red", "sizes": ["s", "m"], "eco": True, "box": {"w": 1}}},
            {"colour=red", "sizes=s", "sizes=m", "eco=True"},
        ),
    ],
)
def test_attributes_are_what_items_share(shared: dict[str, object], names: set[str]) -> None:
    found = bags(Item("a", **shared), Item("b", **shared), Item("c", title="other"))
    assert set(found["a"]) == set(found["b"]) == names
    assert "c" not in found


def test_attributes_leave_out_what_one_item_alone_or_every_item_has() -> None:
    found = bags(*(Item(f"i{place}", brand="Same", title=f"w{'x' * (place + 2)}") for place in range(4)))
    assert found == {}


def test_prices_fall_into_tenths_of_their_currency() -> None:
    pounds = [Item(f"p{place}", price=Decimal(place), currency="GBP") for place in range(1, 11)]
    yen = [Item(f"y{place}", price=Decimal(1000 * place), currency="JPY") for place in range(1, 11)]
    found = bags(*pounds, *yen)
    assert [found[f"p{place}"] for place in (1, 5, 10)] == [("price=0",), ("price=4",), ("price=9",)]
    assert [found[f"y{place}"] for place in (1, 5, 10)] == [("price=0",), ("price=4",), ("price=9",)]


def test_words_are_bounded_to_the_commonest() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    rare = [f"{a}{b}{c}" for a in letters for b in letters for c in letters][: MAX_WORDS + 50]
    twice = [Item(f"t{place}", title=" ".join(rare)) for place in range(2)]
    often = [Item(f"o{place}", title="common") for place in range(3)]
    found = bags(*twice, *often)
    assert found["o0"] == ("word=common",)
    assert len(found["t0"]) == MAX_WORDS - 1


def test_numbers_hold_a_new_item_that_can_be_bought_and_is_described() -> None:
    catalogue = described(
        [
            [
                Item("a", brand="X"),
                Item("new", brand="X"),
                Item("hidden", brand="X", hidden=True),
                Item("sold out", brand="X", in_stock=False),
                Item("gone", brand="X", deleted=True),
                Item("nameless"),
                Item("z", brand="Y"),
            ]
        ]
    )
    done = prepare(log(("u", "a", "view_item", 1), ("v", "z", "view_item", 2)), DEFAULT_WEIGHTS, now=NOW)
    facts = numbered(done.frame, now=days_of(NOW), catalogue=catalogue)
    assert facts.item_ids == ["a", "new", "z"]
    assert facts.interactions.item.tolist() == [1, 3]
    assert facts.interactions.n_items == 3
    assert names_of(facts, "new") == names_of(facts, "a") == ["brand=X"]
    assert names_of(facts, "z") == []


def test_attributes_that_no_item_with_events_has_are_left_out() -> None:
    catalogue = described([[Item("n", brand="Y"), Item("m", brand="Y"), Item("a")]])
    done = prepare(log(("u", "a", "view_item", 1)), DEFAULT_WEIGHTS, now=NOW)
    assert numbered(done.frame, now=days_of(NOW), catalogue=catalogue).interactions.attributes is None


def test_an_item_published_after_the_cut_has_no_number_before_it() -> None:
    later = Item("new", brand="X", published_at=START + timedelta(days=5))
    events = log(("u", "a", "view_item", 1), ("u", "b", "view_item", 2), ("u", "a", "view_item", 9))
    done = prepare(
        events,
        DEFAULT_WEIGHTS,
        now=NOW,
        catalogue=described([[Item("a", brand="X"), Item("b", brand="Y"), later]]),
    )
    cut = days_of(START) + 4
    assert numbers_until(done, cut).item_ids == ["a", "b"]
    assert numbers_until(done, cut + 10).item_ids == ["a", "b", "new"]


def test_new_items_are_bounded_newest_first() -> None:
    day = timedelta(days=1)
    many = [
        Item(f"n{place:05d}", brand="X", published_at=START + place * day)
        for place in range(MIN_NEW_ITEMS + 10)
    ]
    found = described([[*many, Item("other")]]).new_items(["a"], until=float("inf"))
    assert len(found) == MIN_NEW_ITEMS
    assert min(found) == "n00010"


def test_kinds_are_told_where_there_is_more_than_one() -> None:
    both = prepare(log(("u", "a", "view_item", 1), ("u", "b", "purchase", 2)), DEFAULT_WEIGHTS, now=NOW).frame
    kind = numbered(both, now=days_of(NOW)).interactions.kind
    assert kind is not None
    assert kind.tolist() == [KINDS["view_item"], KINDS["purchase"]]
    one = prepare(log(("u", "a", "view_item", 1)), DEFAULT_WEIGHTS, now=NOW).frame
    assert numbered(one, now=days_of(NOW)).interactions.kind is None
