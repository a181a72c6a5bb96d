from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from app.domain.ports import EventColumns
from app.domain.types import Interaction
from app.domain.weights import DEFAULT_WEIGHTS, label, query_from
from app.training.batches import decayed
from app.training.preprocess import BotRule, days_of, frame_of, moment, numbered, prepare
from tests.unit.training.build import START, log

NOW = START + timedelta(days=100)


def clean(frame: pl.DataFrame, **options: object) -> pl.DataFrame:
    return prepare(frame, DEFAULT_WEIGHTS, now=NOW, **options).frame


def test_types_that_say_nothing_are_left_out_and_counted() -> None:
    done = prepare(log(("u", "a", "view_item", 1), ("u", "b", "search", 1)), DEFAULT_WEIGHTS, now=NOW)
    assert done.frame.get_column("item_id").to_list() == ["a"]
    assert done.counts["say_nothing"] == 1


def test_the_same_line_again_counts_once() -> None:
    done = prepare(log(("u", "a", "view_item", 1), ("u", "a", "view_item", 1)), DEFAULT_WEIGHTS, now=NOW)
    assert (done.frame.height, done.counts["repeated"]) == (1, 1)


def test_events_of_the_future_are_left_out() -> None:
    done = prepare(
        log(("u", "a", "view_item", 102), ("u", "b", "view_item", 100.5)), DEFAULT_WEIGHTS, now=NOW
    )
    assert done.frame.get_column("item_id").to_list() == ["b"]
    assert done.counts["in_the_future"] == 1


def test_somebody_faster_than_people_is_set_aside_with_everything() -> None:
    fast = [("bot", f"i{number}", "view_item", 1 + number / 86_400) for number in range(6)]
    slow = [("human", f"i{number}", "view_item", 1 + number / 100) for number in range(6)]
    done = prepare(
        log(*fast, ("bot", "z", "purchase", 9), *slow), DEFAULT_WEIGHTS, now=NOW, bots=BotRule(per_minute=5)
    )
    assert done.frame.get_column("user_key").unique().to_list() == ["user:human"]
    assert (done.counts["bot_users"], done.counts["of_bots"]) == (1, 7)


def test_a_large_basket_is_no_bot() -> None:
    basket = [("u", f"i{number}", "purchase", 1.0) for number in range(50)]
    assert clean(log(*basket), bots=BotRule(per_minute=5, per_day=5)).height == 50


def test_labels_are_those_of_the_domain() -> None:
    lines = [("u", f"i{place}", name, place / 3) for place, name in enumerate(sorted(DEFAULT_WEIGHTS))]
    values = {place: 4.0 for place, line in enumerate(lines) if line[2] == "rate"}
    facts = numbered(clean(log(*lines, values=values)), now=days_of(NOW))
    got = dict(
        zip(
            [facts.item_ids[item - 1] for item in facts.interactions.item],
            decayed(facts.interactions),
            strict=True,
        )
    )
    for item, (_, _, name, days) in zip([line[1] for line in lines], lines, strict=True):
        value = 4 if name == "rate" else None
        said = label(Interaction(item, name, START + timedelta(days=days), value=value), NOW, DEFAULT_WEIGHTS)
        assert got.get(item, 0.0) == pytest.approx(max(said, 0.0), rel=1e-5), name


def test_what_a_person_is_against_is_left_out_as_serving_does() -> None:
    lines = [
        ("u", "a", "purchase", 1),
        ("u", "a", "refund", 2),
        ("u", "b", "view_item", 3),
        ("v", "a", "purchase", 1),
    ]
    facts = numbered(clean(log(*lines)), now=days_of(NOW))
    history = [
        Interaction(item, name, START + timedelta(days=days))
        for user, item, name, days in lines
        if user == "u"
    ]
    query, disliked = query_from(history, NOW, DEFAULT_WEIGHTS)
    of_u = facts.interactions.user == facts.user_keys.index("user:u")
    assert (
        [facts.item_ids[item - 1] for item in facts.interactions.item[of_u]] == list(query.item_ids) == ["b"]
    )
    assert (facts.opposed, disliked) == (1, {"a"})


def test_numbers_follow_names_and_times() -> None:
    facts = numbered(
        clean(log(("v", "b", "view_item", 2), ("v", "a", "view_item", 1), ("u", "c", "view_item", 5))),
        now=days_of(NOW),
    )
    assert (facts.user_keys, facts.item_ids) == (["user:u", "user:v"], ["a", "b", "c"])
    assert facts.interactions.user.tolist() == [0, 1, 1]
    assert facts.interactions.item.tolist() == [3, 1, 2]


def test_batches_of_the_log_become_one_frame() -> None:
    batch = EventColumns(
        seq=np.array([1, 2]),
        user_key=["user:u", "session:s"],
        item_id=["a", "b"],
        name=["view_item", "purchase"],
        happened_at=np.array(["2026-01-01T00:00:00", "2026-01-02T00:00:00"], "datetime64[us]"),
        quantity=np.array([np.nan, 2.0]),
        value=np.array([np.nan, 5.0]),
    )
    frame = frame_of([batch, batch])
    assert frame.height == 4
    assert frame.get_column("happened_at")[0] == START
    assert frame_of([]).height == 0


def test_a_rating_without_a_value_counts_as_the_type_says() -> None:
    batch = EventColumns(
        seq=np.array([1]),
        user_key=["user:u"],
        item_id=["a"],
        name=["rate"],
        happened_at=np.array(["2026-01-01"], "datetime64[us]"),
        quantity=np.array([np.nan]),
        value=np.array([np.nan]),
    )
    assert clean(frame_of([batch])).get_column("strength").to_list() == [3.0]


def test_moments_and_days_are_inverse() -> None:
    assert moment(days_of(NOW)) == NOW
