"""Descriptions to keys, titles, ids and categories."""

from __future__ import annotations

import pytest

from app.datasets.categories import OTHER, categories
from app.datasets.descriptions import Sales, comparison_key, merge_spellings, readable_title, slug


@pytest.mark.parametrize(
    "variant",
    ["RED SPOTTY MUG", " red  spotty mug. ", "RED, SPOTTY MUG", "Red-Spotty Mug", "RED SPOTTY MUG "],
)
def test_comparison_key_is_equal_for_case_space_and_punctuation(variant: str) -> None:
    assert comparison_key(variant) == "RED SPOTTY MUG"


@pytest.mark.parametrize(
    ("description", "title"),
    [
        ("WHITE HANGING HEART T-LIGHT HOLDER", "White Hanging Heart T-Light Holder"),
        ("SET OF 4 KNICK KNACK TINS DOILEY ", "Set of 4 Knick Knack Tins Doiley"),
        ("POLYESTER FILLER PAD 60x40cm", "Polyester Filler Pad 60x40cm"),
        ("I'M ON HOLIDAY METAL SIGN.", "I'm on Holiday Metal Sign"),
        ("THE KING GIFT BAG", "The King Gift Bag"),
        ("VIP PASSPORT COVER", "VIP Passport Cover"),
        ("50'S CHRISTMAS GIFT BAG LARGE", "50's Christmas Gift Bag Large"),
        ("S/4 CACTI CANDLES", "S/4 Cacti Candles"),
        ("NOTEBOOK A7 SIZE", "Notebook A7 Size"),
        ("PAPER CRAFT , LITTLE BIRDIE", "Paper Craft, Little Birdie"),
        ("SET 3 RETROSPOT TEA,COFFEE,SUGAR", "Set 3 Retrospot Tea, Coffee, Sugar"),
        ("RETRO PILL BOX KEY CHAIN,THE KING", "Retro Pill Box Key Chain, the King"),
        ("BOX OF 1,000 PEGS !", "Box of 1,000 Pegs!"),
        ("TOAST ITS - BEST MUM", "Toast Its - Best Mum"),
        ("CHILLI LIGHTS .", "Chilli Lights"),
    ],
)
def test_readable_title(description: str, title: str) -> None:
    assert readable_title(description) == title


def test_id_does_not_follow_the_titles_commas() -> None:
    found = {
        slug(comparison_key(text)) for text in ("PAPER CRAFT , LITTLE BIRDIE", "Paper Craft, Little Birdie")
    }
    assert found == {"paper-craft-little-birdie"}


def test_slugs_of_different_keys_differ() -> None:
    keys = ["MUG RED", "MUGRED", "MUG RED 2", "MUG RED2"]
    assert len({slug(key) for key in keys}) == len(keys)


def sold(lines: int, *, price: float = 2.0, baskets: range | None = None) -> Sales:
    return Sales(
        lines=lines, price=price, baskets=frozenset(baskets if baskets is not None else range(lines))
    )


def test_merge_spellings_takes_the_oftener_sold_one() -> None:
    sales = {"BELL CHROME": sold(2, baskets=range(90, 92)), "BELL CROME": sold(50)}
    assert merge_spellings(sales) == {"BELL CHROME": "BELL CROME", "BELL CROME": "BELL CROME"}


def test_merge_spellings_finds_another_order_of_words() -> None:
    sales = {"WALL ART DOG": sold(9), "DOG WALL ART": sold(3, baskets=range(100, 103))}
    assert merge_spellings(sales)["DOG WALL ART"] == "WALL ART DOG"


def test_merge_spellings_follows_chains() -> None:
    sales = {
        "WALL ART BICYCLE SAFETY": sold(125),
        "WALL ART BICYCLE SAFTEY": sold(3, baskets=range(200, 203)),
        "BICYCLE SAFTEY WALL ART": sold(39, baskets=range(300, 339)),
    }
    assert set(merge_spellings(sales).values()) == {"WALL ART BICYCLE SAFETY"}


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("PAPER LANTERN 7 POINT", "PAPER LANTERN 9 POINT", "numbers"),
        ("LETTER A KEYRING", "LETTER B KEYRING", "a short word"),
        ("ENAMEL JUG", "ENAMEL MUG", "a short word"),
    ],
)
def test_merge_spellings_keeps_apart_what_differs_by(one: str, other: str, why: str) -> None:
    sales = {one: sold(50), other: sold(5, baskets=range(100, 105))}
    assert merge_spellings(sales) == {one: one, other: other}, why


def test_merge_spellings_keeps_apart_what_is_bought_together() -> None:
    sales = {"UMBRELLA RED WHITE": sold(50), "UMBRELLA WHITE RED": sold(20, baskets=range(20))}
    assert len(set(merge_spellings(sales).values())) == 2


def test_merge_spellings_keeps_apart_what_costs_otherwise() -> None:
    sales = {"PENCIL TUBE SMALL": sold(50), "PENCILS TUBE SMALL": sold(5, price=4.0, baskets=range(90, 95))}
    assert len(set(merge_spellings(sales).values())) == 2


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("jumbo bag red retrospot", ("bags",)),
        ("white hanging heart t light holder", ("candle holders",)),
        ("set of 3 cake tins pantry design", ("tins",)),
        ("christmas gift bag large", ("gift wrap and ribbons", "christmas")),
        ("jam making set with jars", ("kitchen",)),
        ("heart", ("decorations",)),
        ("hammock", (OTHER,)),
        ("spaceboy childrens cup", ("mugs and cups", "children")),
    ],
)
def test_categories(title: str, expected: tuple[str, ...]) -> None:
    assert categories(title.split()) == expected
