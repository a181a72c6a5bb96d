"""The bundled file itself: the figures that are known of it hold after the cleaning."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from app.datasets.online_retail import OnlineRetail, load

BUNDLE = Path(__file__).parents[2] / "data/online_retail/online_retail.parquet"
NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def bundle() -> OnlineRetail:
    return load(BUNDLE)


def test_bundle_has_the_known_figures(bundle: OnlineRetail) -> None:
    assert bundle.lines_read == 541_909
    assert bundle.lines_read == bundle.lines.height + sum(bundle.rejected.values())
    # benchmarks count 397,924 lines, 4,339 customers and 18,444 baskets before postage and spellings.
    sold = bundle.lines.filter(pl.col("quantity") > 0)
    assert sold.height == pytest.approx(397_924, rel=0.01)
    assert sold["user_id"].n_unique() == pytest.approx(4_339, rel=0.005)
    assert sold.select("user_id", "basket").n_unique() == pytest.approx(18_444, rel=0.01)


def test_bundle_items_are_complete(bundle: OnlineRetail) -> None:
    items = bundle.items()
    assert len({item.item_id for item in items}) == len(items)
    assert all(item.title and item.price and item.categories and item.published_at for item in items)
    assert sum(item.categories[0] == "other" for item in items) < 0.05 * len(items)
    assert max(len(item.item_id.encode()) for item in items) <= 128


def test_bundle_events_are_complete(bundle: OnlineRetail) -> None:
    ids = [event.event_id for event in bundle.events(received_at=NOW)]
    assert len(ids) == len(set(ids)) == bundle.event_count()
