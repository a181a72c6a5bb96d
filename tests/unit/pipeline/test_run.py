from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.recommendations import Context, ExcludeSeen
from app.pipeline.candidates import ModelFailedError, bind
from app.pipeline.question import everything
from app.pipeline.rerank import kind_vectors
from app.pipeline.rules import rule_of
from app.pipeline.run import Listed, listed
from tests.unit.pipeline.build import NOW, TableScorer, answer, catalogue, ids, item, past, question

IDS = ["a", "b", "c", "d", "e"]
TABLE = {"a": {"b": 3.0, "c": 2.0}, "b": {"d": 1.0}}
SCORER = TableScorer(IDS, TABLE)
TODAY = "2026-11-24"
COUNTS = [("e", "purchase", TODAY, 5), ("d", "purchase", TODAY, 1)]


def test_personal_list_comes_from_the_model_best_first() -> None:
    made = listed(question(catalogue(*IDS), scorer=SCORER, of=past(("view_item", "a")), n=2))
    assert ids(catalogue(*IDS), made) == ["b", "c"]
    assert made.sources == ("transitions", "transitions")
    assert made.filled == 0


def test_personal_list_is_filled_by_popular_then_latest_then_the_rest() -> None:
    snapshot = catalogue(
        *(item(one) for one in IDS), item("z"), item("new", published_at=NOW), item("0-last")
    )
    made = listed(question(snapshot, scorer=SCORER, of=past(("view_item", "a")), counts=COUNTS, n=10))
    assert ids(snapshot, made) == ["b", "c", "e", "d", "new", "0-last", "z"]
    assert made.sources == (
        "transitions",
        "transitions",
        "popular",
        "popular",
        "latest",
        "catalogue",
        "catalogue",
    )
    assert made.filled == 5


def test_scores_fall_along_the_list_between_0_and_1_also_where_it_was_filled() -> None:
    snapshot = catalogue(*IDS, item("new", published_at=NOW), "z")
    made = listed(question(snapshot, scorer=SCORER, of=past(("view_item", "a")), counts=COUNTS, n=10))
    assert made.scores.tolist() == sorted(made.scores.tolist(), reverse=True)
    assert made.scores.min() > 0
    assert made.scores.max() <= 1


@pytest.mark.parametrize("scorer", [None, SCORER])
def test_cold_person_gets_popular_items(scorer: TableScorer | None) -> None:
    made = listed(question(catalogue(*IDS), scorer=scorer, counts=COUNTS, n=2))
    assert made.sources == ("popular", "popular")
    assert made.filled == 2


def test_empty_catalogue_gives_an_empty_list() -> None:
    assert answer(catalogue(), scorer=SCORER, of=past(("view_item", "a")), counts=COUNTS) == []


def test_equal_scores_are_ordered_by_id_in_every_order_of_loading() -> None:
    scorer = TableScorer(IDS, {"a": dict.fromkeys(IDS, 1.0)})
    for order in (IDS, IDS[::-1]):
        assert answer(catalogue(*order), scorer=scorer, of=past(("view_item", "a"))) == ["b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (None, ["c", "d"]),
        (ExcludeSeen.ALL, ["c", "d"]),
        (ExcludeSeen.PURCHASED, ["a", "c", "d"]),
        (ExcludeSeen.NONE, ["a", "b", "c", "d"]),
    ],
)
def test_personal_list_leaves_out_what_was_seen(seen: ExcludeSeen | None, expected: list[str]) -> None:
    of = past(("view_item", "a"), ("purchase", "b"), ("dislike", "e"))
    assert sorted(answer(catalogue(*IDS), scorer=SCORER, of=of, exclude_seen=seen)) == expected


@pytest.mark.parametrize("scenario", ["home", "basket", "trending", "popular", "latest", "product"])
def test_disliked_items_never_stand_in_any_list(scenario: str) -> None:
    of = past(("hide_item", "e"))
    context = Context(item_id="a", basket=("a",))
    assert "e" not in answer(
        catalogue(*IDS), scorer=SCORER, of=of, counts=COUNTS, scenario=scenario, context=context
    )


def test_context_items_are_left_out() -> None:
    context = Context(item_id="b", basket=("c",))
    assert answer(catalogue(*IDS), scorer=SCORER, of=past(("view_item", "a")), context=context) == ["d", "e"]


def test_filters_and_exclusions_hold_for_the_fallback_too() -> None:
    snapshot = catalogue(*(item(one, price=price) for one, price in zip(IDS, "12345", strict=True)))
    cheap = {"field": "price", "op": "lte", "value": 4}
    made = answer(snapshot, scorer=SCORER, counts=COUNTS, filter_=cheap, exclude_item_ids=("c", "nobody"))
    assert made == ["d", "a", "b"]


def test_category_is_a_filter() -> None:
    snapshot = catalogue(item("a", categories=["x"]), item("b", categories=["y", "x"]), item("c"))
    assert sorted(answer(snapshot, scenario="popular", category="x")) == ["a", "b"]


def test_product_list_is_like_the_page_item_by_vectors() -> None:
    vectors = np.array([[0, 0], [1, 0], [0, 1], [0.9, 0.1], [0.5, 0.5], [-1, 0]], np.float32)
    scorer = TableScorer(IDS, {}, vectors=vectors)
    made = answer(catalogue(*IDS), scorer=scorer, scenario="product", context=Context(item_id="a"), n=3)
    assert made == ["c", "d", "b"]


def test_product_list_of_an_item_the_model_does_not_know_is_like_its_description() -> None:
    snapshot = catalogue(
        *IDS,
        item("new", categories=["mugs", "blue"], brand="Acme"),
        item("same", categories=["mugs", "blue"], brand="Acme"),
        item("half", categories=["mugs"]),
        item("brand", brand="Acme"),
    )
    made = listed(question(snapshot, scorer=SCORER, scenario="product", context=Context(item_id="new"), n=4))
    assert ids(snapshot, made)[:3] == ["same", "brand", "half"]
    assert made.sources[:3] == ("content",) * 3
    assert made.filled == 4


def test_product_list_of_an_unknown_item_is_popular() -> None:
    made = answer(
        catalogue(*IDS), scorer=SCORER, counts=COUNTS, scenario="product", context=Context(item_id="?"), n=1
    )
    assert made == ["e"]


def test_basket_list_adds_up_what_goes_with_each_item() -> None:
    context = Context(basket=("a", "b"))
    made = listed(question(catalogue(*IDS), scorer=SCORER, scenario="basket", context=context, n=2))
    assert ids(catalogue(*IDS), made) == ["c", "d"]
    assert SCORER.asked[-1].item_ids == ("a", "b")


def test_rank_gives_back_the_callers_items_alone() -> None:
    snapshot = catalogue(*IDS, item("hidden", hidden=True))
    made = listed(
        question(
            snapshot,
            scorer=SCORER,
            of=past(("view_item", "a")),
            scenario="rank",
            only_item_ids=("e", "c", "a", "hidden", "nobody", "b"),
            n=6,
        )
    )
    assert ids(snapshot, made) == ["b", "c", "a", "e"]


def test_diversity_spreads_a_list_over_categories() -> None:
    shop = [item(f"m{number}", categories=["mugs"]) for number in range(5)]
    snapshot = catalogue(*shop, item("x", categories=["bags"]), "seen")
    best = {"seen": {f"m{number}": 9.0 - number for number in range(5)} | {"x": 5.0}}
    scorer = TableScorer([one.item_id for one in snapshot.items], best)
    of = past(("view_item", "seen"))
    assert answer(snapshot, scorer=scorer, of=of, n=2) == ["m0", "m1"]
    assert answer(snapshot, scorer=scorer, of=of, n=2, diversity=1.0) == ["m0", "x"]


@pytest.mark.parametrize("kinds", [3, 30])
def test_diversity_lets_the_overlap_of_categories_fall_clearly_without_item_vectors(kinds: int) -> None:
    # The head of the list is of one kind, as it is for a person who looks for one thing; some have no kind.
    rows = [
        item(f"i{n:03}", categories=["mugs"] if n < 80 else [f"kind-{n % kinds}"] if n % 5 else [])
        for n in range(300)
    ]
    snapshot = catalogue(*rows, "seen")
    best = {"seen": {row.item_id: 300.0 - n for n, row in enumerate(rows)}}
    scorer = TableScorer([one.item_id for one in snapshot.items], best)

    def overlap(diversity: float) -> float:
        asked = question(snapshot, scorer=scorer, of=past(("view_item", "seen")), diversity=diversity)
        vectors = kind_vectors(snapshot, listed(asked).positions)
        return float((vectors @ vectors.T)[np.triu_indices(10, 1)].mean())

    overlaps = [overlap(diversity) for diversity in (0.0, 0.3, 0.6, 1.0)]
    assert overlaps == sorted(overlaps, reverse=True)
    assert overlaps[0] == 1.0
    assert overlaps[-1] <= (0.25 if kinds == 3 else 0.01)


def test_model_that_gives_no_numbers_is_said_to_have_failed() -> None:
    scorer = TableScorer(IDS, TABLE, missing=float("nan"))
    with pytest.raises(ModelFailedError):
        listed(question(catalogue(*IDS), scorer=scorer, of=past(("view_item", "a"))))


def test_model_that_knows_nothing_of_the_past_is_not_asked() -> None:
    scorer = TableScorer(IDS, TABLE)
    listed(question(catalogue(*IDS, "new"), scorer=scorer, of=past(("view_item", "new"))))
    assert scorer.asked == []


def test_model_view_follows_the_catalogue_both_ways() -> None:
    small = catalogue("b", "a")
    grown = small.with_changes([item("d"), item("c")], revision=2)
    first = bind(SCORER, small)
    later = bind(SCORER, grown, first)
    assert later.lengths is first.lengths
    assert later.item_idx.tolist() == [2, 1, 4, 3] or later.item_idx.tolist() == [2, 1, 3, 4]
    assert [grown.items[place].item_id for place in later.places if place >= 0] == ["a", "b", "c", "d"]
    assert bind(SCORER, small, later).item_idx.tolist() == first.item_idx.tolist()
    assert bind(SCORER, grown, later) is later
    other = catalogue("c", "x")
    assert bind(SCORER, other, later).item_idx.tolist() == [3, 0]


def test_everything_lists_each_item_that_may_be_shown() -> None:
    asked = question(catalogue(*IDS), scorer=SCORER, of=past(("view_item", "a")), n=1, diversity=1.0)
    assert len(listed(everything(asked)).positions) == 4


SHOP = [
    item(f"i{number:02}", price=str(number % 7), categories=[f"c{number % 3}"], hidden=number % 11 == 0)
    for number in range(40)
]


@settings(max_examples=40)
@given(
    scenario=st.sampled_from(["home", "product", "basket", "trending", "popular", "latest"]),
    n=st.integers(1, 50),
    most=st.integers(0, 7),
    excluded=st.sets(st.integers(0, 45)),
    viewed=st.lists(st.integers(0, 39), max_size=5),
    diversity=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_list_is_never_short_and_never_holds_what_it_must_not(
    *, scenario: str, n: int, most: int, excluded: set[int], viewed: list[int], diversity: float
) -> None:
    snapshot = catalogue(*SHOP)
    known = [one.item_id for one in SHOP][::2]
    scorer = TableScorer(known, {"i02": {"i04": 1.0, "i06": 2.0}, "i04": {"i08": 1.0}})
    asked = question(
        snapshot,
        scorer=scorer,
        of=past(*(("view_item", f"i{number:02}") for number in viewed)),
        counts=[("i05", "purchase", TODAY, 2), ("i04", "purchase", TODAY, 2)],
        filter_={"field": "price", "op": "lte", "value": most},
        scenario=scenario,
        n=n,
        diversity=diversity,
        exclude_item_ids=tuple(f"i{number:02}" for number in excluded),
        context=Context(item_id="i02", basket=("i04",)),
    )
    made: Listed = listed(asked)
    barred = {f"i{number:02}" for number in excluded} | {"i02", "i04"}
    barred |= {f"i{number:02}" for number in viewed} if scenario == "home" else set()
    allowed = {
        one.item_id
        for one in SHOP
        if not one.hidden and (one.price or 0) <= most and one.item_id not in barred
    }
    got = ids(snapshot, made)
    assert len(got) == len(set(got)) == min(n, len(allowed))
    assert set(got) <= allowed
    assert made.filled == len(got) - sum(source in ("transitions", scenario) for source in made.sources)
    assert ids(snapshot, listed(replace(asked))) == got


def test_items_made_by_an_event_come_after_all_described_ones() -> None:
    snapshot = catalogue(
        item("made", cold=True, created_at=NOW),
        item("counted", cold=True, created_at=NOW),
        item("old", created_at=NOW - timedelta(days=9)),
    )
    counts = [("counted", "purchase", "2026-11-24", 1)]
    assert answer(snapshot, scenario="latest", n=1) == ["old"]
    assert answer(snapshot, scenario="latest", n=9) == ["old", "counted", "made"]
    assert answer(snapshot, scenario="popular", counts=counts, n=9) == ["counted", "old", "made"]
    assert answer(snapshot, n=9) == ["old", "counted", "made"]
    assert set(answer(snapshot, scenario="rank", only_item_ids=("made", "old"), n=2)) == {"made", "old"}


def test_items_made_by_events_fill_every_list_of_a_shop_that_describes_none() -> None:
    snapshot = catalogue(
        item("a", cold=True, created_at=NOW - timedelta(days=9)),
        item("b", cold=True, created_at=NOW),
        item("gone", deleted=True),
    )
    assert answer(snapshot, scenario="latest", n=9) == ["b", "a"]
    assert answer(snapshot, n=9) == ["b", "a"]


@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("pq")), min_size=1, max_size=25),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 12),
)
@settings(max_examples=60)
def test_caps_leave_what_going_down_the_list_would(
    kinds: list[tuple[str, str]], few: int, of_brand: int, n: int
) -> None:
    stock = [
        item(f"i{place:02}", categories=[kind], brand=brand) for place, (kind, brand) in enumerate(kinds)
    ]
    rules = (
        rule_of("kinds", {"kind": "cap", "field": "categories", "most": few}),
        rule_of("brands", {"kind": "cap", "field": "brand", "most": of_brand}),
    )
    snapshot = catalogue(*stock)
    made = listed(replace(question(snapshot, scenario="popular", n=n), rules=rules))

    expected: list[str] = []
    counts: dict[str, int] = {}
    for one in stock:
        kind, brand = one.categories[0], str(one.brand)
        if counts.get(kind, 0) < few and counts.get(brand, 0) < of_brand and len(expected) < n:
            expected.append(one.item_id)
            counts[kind], counts[brand] = counts.get(kind, 0) + 1, counts.get(brand, 0) + 1
    assert ids(snapshot, made) == expected
