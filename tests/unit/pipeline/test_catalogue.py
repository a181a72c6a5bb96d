from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.types import Item
from app.pipeline.catalogue import REMEMBERED, CatalogueSnapshot, empty_catalogue
from tests.unit.pipeline.build import catalogue, item


def by_rank(snapshot: CatalogueSnapshot) -> list[str]:
    return [snapshot.items[place].item_id for place in np.argsort(snapshot.rank)]


def test_snapshot_leaves_out_hidden_deleted_and_sold_out_items() -> None:
    snapshot = catalogue(
        item("a"), item("b", hidden=True), item("c", in_stock=False), item("d", deleted=True), item("e")
    )
    assert snapshot.eligible.tolist() == [True, False, False, False, True]


def test_snapshot_stays_as_it_was_when_the_next_one_changes() -> None:
    before = catalogue(item("a", price="1", categories=["mugs"]))
    before.column("price")
    before.column("categories")
    after = before.with_changes([item("a", price="2", hidden=True), item("b", price="3")], revision=2)
    assert before.column("price").numbers.tolist() == [1.0]
    assert before.column("categories").holds("mugs").tolist() == [True]
    assert before.eligible.tolist() == [True]
    assert before.position("b") == -1
    assert after.column("price").numbers.tolist() == [2.0, 3.0]
    assert after.column("categories").holds("mugs").tolist() == [False, False]
    assert after.eligible.tolist() == [False, True]
    assert (before.revision, after.revision) == (1, 2)


def test_snapshots_that_part_from_one_another_keep_their_own_positions() -> None:
    before = catalogue("a")
    left, right = before.with_changes([item("l")], revision=2), before.with_changes([item("r")], revision=2)
    assert [one.item_id for one in right.items] == ["a", "r"]
    assert (left.position("l"), left.position("r")) == (1, -1)
    assert (right.position("r"), right.position("l")) == (1, -1)


def test_snapshot_ranks_by_the_bytes_of_ids_whatever_the_order_of_loading() -> None:
    ids = ["é", "a", "B", "aa", "Ω", "1", "10", "2"]
    together = catalogue(*ids)
    apart = empty_catalogue()
    for revision, item_id in enumerate(reversed(ids)):
        apart = apart.with_changes([Item(item_id=item_id)], revision=revision)
    assert by_rank(together) == by_rank(apart) == sorted(ids, key=str.encode)


def test_snapshot_takes_the_last_of_two_rows_of_one_item() -> None:
    snapshot = catalogue(item("a", title="old"), item("a", title="new"))
    assert [one.title for one in snapshot.items] == ["new"]


def test_snapshot_bounds_the_attribute_columns_it_keeps() -> None:
    snapshot = catalogue(item("a", attributes={"colour": "red"}))
    for number in range(200):
        snapshot.column(f"attributes.made-up-{number}")
    assert len(snapshot._columns) <= 33
    assert snapshot.column("attributes.colour").holds("red").tolist() == [True]


def test_snapshot_refuses_a_field_that_items_do_not_have() -> None:
    with pytest.raises(KeyError):
        catalogue("a").column("colour")


IDS = st.sampled_from(["a", "b", "c", "d", "e", "f"])
ROWS = st.builds(
    lambda item_id, price, hidden, category: item(
        item_id, price=None if price is None else str(price), hidden=hidden, cold=hidden, categories=category
    ),
    IDS,
    st.none() | st.integers(0, 5),
    st.booleans(),
    st.lists(st.sampled_from(["x", "y"]), max_size=2, unique=True),
)


@settings(max_examples=30)
@given(st.lists(st.lists(ROWS, max_size=4), max_size=5))
def test_snapshot_followed_step_by_step_equals_one_built_at_once(steps: list[list[Item]]) -> None:
    followed = empty_catalogue()
    newest: dict[str, Item] = {}
    for revision, rows in enumerate(steps):
        followed.column("price")
        followed.column("categories")
        followed = followed.with_changes(rows, revision=revision)
        newest |= {row.item_id: row for row in rows}
    for item_id, row in newest.items():
        place = followed.position(item_id)
        assert followed.items[place] == row
        assert followed.eligible[place] == (not row.hidden)
        assert followed.described[place] == (not row.cold)
        price = followed.column("price").numbers[place]
        assert np.isnan(price) if row.price is None else price == float(row.price)
        assert followed.column("categories").holds("x")[place] == ("x" in row.categories)
    assert by_rank(followed) == sorted(newest)


def test_array_is_remembered_until_an_item_changes() -> None:
    made = []

    def make() -> np.ndarray:
        made.append(1)
        return np.zeros(2)

    snapshot = catalogue("a", "b")
    first = snapshot.remembered("x", make)
    assert snapshot.remembered("x", make) is first
    assert len(made) == 1
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1.0
    snapshot.with_changes([item("a", price="2")], revision=2).remembered("x", make)
    assert len(made) == 2


def test_array_asked_for_again_outlives_many_asked_for_once() -> None:
    snapshot = catalogue("a")
    kept = snapshot.remembered("rule", lambda: np.zeros(1))
    for number in range(3 * REMEMBERED):
        snapshot.remembered(number, lambda: np.zeros(1))
        assert snapshot.remembered("rule", lambda: np.ones(1)) is kept
    assert snapshot.remembered(0, lambda: np.ones(1))[0] == 1.0, "forgotten, and made again"


def test_newest_are_ordered_by_date_then_id_with_the_undated_last() -> None:
    snapshot = catalogue(
        item("c"),
        item("b", published_at=datetime(2026, 1, 2, tzinfo=UTC)),
        item("d", published_at=datetime(2026, 1, 3, tzinfo=UTC)),
        item("a", published_at=datetime(2026, 1, 2, tzinfo=UTC)),
    )
    assert [snapshot.items[place].item_id for place in snapshot.newest] == ["d", "a", "b", "c"]
