from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from app.adapters.last_resort import LastResortFile
from app.domain.fading import DEFAULT_FADING
from app.domain.types import Item
from tests.clocks import NOON
from tests.events import event
from tests.unit.services.shop import open_shop


async def test_popularity_counts_people_not_events(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await shop.happened(
            *(event(f"fan-{number}", "a", user_id="fan") for number in range(50)),
            *(event(f"many-{number}", "b", user_id=f"u{number}") for number in range(3)),
        )
        await shop.popularity.refresh()
        counts = shop.popularity.current.counts
        assert dict(
            zip(counts.item_ids, counts.popular(NOON, DEFAULT_FADING.popular).tolist(), strict=True)
        ) == {
            "a": 1,
            "b": 3,
        }


async def test_popularity_changes_its_version_with_its_counts_alone(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        first = shop.popularity.current.version
        await shop.popularity.refresh()
        assert shop.popularity.current.version == first
        await shop.happened(event("e", "a"))
        await shop.popularity.refresh()
        assert shop.popularity.current.version != first


async def test_popularity_of_a_shop_whose_sales_are_long_ago_is_not_empty(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await shop.happened(event("e", "a", minutes=-60 * 24 * 900))
        await shop.popularity.refresh()
        assert shop.popularity.current.counts.item_ids == ("a",)
        assert shop.popularity.current.counts.popular(NOON, DEFAULT_FADING.popular)[0] > 0


async def test_last_resort_holds_popular_items_that_may_be_shown_first(tmp_path: Path) -> None:
    stocked = ["a", "b", Item(item_id="hidden", hidden=True)]
    async with open_shop(tmp_path, stocked=stocked) as shop:
        await shop.happened(event("1", "b"), event("2", "hidden"), event("3", "made", name="view_item_list"))
        await shop.live.refresh()
        await shop.popularity.refresh()
        await shop.popularity.save_last_resort()
    saved = LastResortFile(tmp_path / "last_resort.json").load()
    assert [item.item_id for item in saved] == ["b", "a"]


def test_last_resort_file_gives_back_the_same_items(tmp_path: Path) -> None:
    file = LastResortFile(tmp_path / "deep" / "items.json")
    items = [
        Item(item_id="é", title="Ü", price=Decimal("9.5000"), categories=("x", "y"), published_at=NOON),
        Item(item_id="b", attributes={"a": [1, "x", None]}, created_at=NOON),
    ]
    file.save(items)
    assert file.load() == items
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["items.json"]


def test_last_resort_file_that_is_missing_or_spoilt_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "items.json"
    assert LastResortFile(path).load() == []
    for content in (b"", b"\xff", b"{}", b"[1]", b'[{"item_id": 1}]', b'{"a": 1}'):
        path.write_bytes(content)
        assert LastResortFile(path).load() == []
