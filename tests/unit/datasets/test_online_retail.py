"""The bundled shop: a small till with each thing the cleaning looks for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl

from app.datasets.online_retail import OnlineRetail, load
from app.domain.types import Event, EventItem, User

MORNING = datetime(2011, 1, 5, 9, 0)  # noqa: DTZ001  # the file's times name no zone
EVENING = datetime(2011, 3, 1, 18, 30)  # noqa: DTZ001
NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)

Line = tuple[str | None, int, datetime, float, float | None, str]


def till(folder: Path, *lines: Line, last_sale_at: datetime | None = None) -> OnlineRetail:
    names = ["Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
    path = folder / "till.parquet"
    frame = pl.DataFrame(
        lines,
        schema=dict(
            zip(
                names,
                [pl.String, pl.Int32, pl.Datetime("ns"), pl.Float64, pl.Float64, pl.String],
                strict=True,
            )
        ),
        orient="row",
    )
    frame.write_parquet(path)
    return load(path, last_sale_at=last_sale_at)


def line(  # noqa: PLR0917  # a line of the till, in its order
    description: str | None = "RED SPOTTY MUG",
    quantity: int = 2,
    at: datetime = MORNING,
    price: float = 1.25,
    customer: float | None = 12346.0,
    country: str = "France",
) -> Line:
    return (description, quantity, at, price, customer, country)


def test_load_counts_what_it_leaves_out(tmp_path: Path) -> None:
    shop = till(
        tmp_path,
        line(),
        line(None),
        line("  "),
        line(customer=None),
        line(price=0.0),
        line(price=-11062.06),
        line(quantity=0),
        line("POSTAGE"),
        line("Bank Charges"),
        line("Manual"),
        line("Discount", quantity=-1),
    )
    assert shop.lines_read == 11
    assert shop.rejected == {
        "missing_description": 2,
        "unknown_customer": 1,
        "no_price": 2,
        "no_quantity": 1,
        "not_a_product": 4,
    }
    assert shop.lines.height == 1


def test_items_join_spellings_under_the_usual_one(tmp_path: Path) -> None:
    shop = till(
        tmp_path,
        line("RED SPOTTY MUG "),
        line("RED SPOTTY MUG "),
        line("Red  spotty mug.", at=EVENING),
        line("RED SPOTY MUG", at=EVENING, customer=2.0),
        line("BLUE SPOTTY MUG"),
    )
    assert [item.item_id for item in shop.items()] == ["blue-spotty-mug", "red-spotty-mug"]
    assert shop.items()[1].title == "Red Spotty Mug"
    assert shop.spellings_merged == 2


def test_items_have_price_category_and_first_sale(tmp_path: Path) -> None:
    shop = till(
        tmp_path,
        line(price=9.99, at=MORNING - timedelta(days=300)),
        line(price=9.99, at=MORNING - timedelta(days=300), customer=3.0),
        line(price=9.99, at=MORNING - timedelta(days=300), customer=4.0),
        line(price=1.25),
        line(price=1.25, customer=3.0),
        line(price=2.0, at=EVENING),
    )
    (item,) = shop.items()
    assert (item.price, item.currency, item.categories) == (Decimal("1.25"), "GBP", ("mugs and cups",))
    assert item.published_at == (MORNING - timedelta(days=300)).replace(tzinfo=UTC)


def test_users_have_their_usual_country(tmp_path: Path) -> None:
    shop = till(tmp_path, line(), line(country="Spain"), line(country="Spain"), line(customer=1.0))
    assert shop.users() == [User(user_id="1", country="France"), User(user_id="12346", country="Spain")]


def test_events_are_baskets_with_quantities_added_up(tmp_path: Path) -> None:
    shop = till(
        tmp_path,
        line(quantity=2, price=1.5),
        line("BLUE BAG", quantity=1, price=3.0),
        line(quantity=1, price=1.2),
        line(customer=7.0),
        line(at=EVENING),
    )
    found = list(shop.events(received_at=NOW))
    assert [(event.user_id, len(event.items)) for event in found] == [("12346", 2), ("7", 1), ("12346", 1)]
    assert shop.event_count() == 3
    assert found[0] == Event(
        event_id="online-retail-12346-201101050900-purchase",
        name="purchase",
        happened_at=MORNING.replace(tzinfo=UTC),
        received_at=NOW,
        user_id="12346",
        items=(
            EventItem("blue-bag", 1.0, Decimal("3.00"), 0),
            EventItem("red-spotty-mug", 3.0, Decimal("1.40"), 1),
        ),
        value=Decimal("7.20"),
        currency="GBP",
    )


def test_events_are_refunds_where_the_quantity_is_negative(tmp_path: Path) -> None:
    shop = till(tmp_path, line(), line("BLUE BAG", quantity=-3, price=2.0))
    refund, purchase = sorted(shop.events(received_at=NOW), key=lambda event: event.name != "refund")
    assert (purchase.name, refund.name) == ("purchase", "refund")
    assert refund.items == (EventItem("blue-bag", 3.0, Decimal("2.00"), 0),)
    assert refund.value == Decimal("6.00")
    assert refund.event_id != purchase.event_id


def test_load_moves_time_but_no_event_id(tmp_path: Path) -> None:
    lines = (line(), line(at=EVENING), line(at=EVENING + timedelta(days=1), quantity=-1))
    plain, moved = till(tmp_path, *lines), till(tmp_path, *lines, last_sale_at=NOW)
    before, after = list(plain.events(received_at=NOW)), list(moved.events(received_at=NOW))
    assert after[1].happened_at == NOW
    assert after[0].happened_at == NOW - (EVENING - MORNING)
    assert [event.event_id for event in before] == [event.event_id for event in after]
