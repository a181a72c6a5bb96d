"""The bundled shop: UCI Online Retail, a UK gift shop's till over a year, cleaned.

One line of the file is a product in a basket: description, quantity, minute, price, customer, country. What
comes out is items, users and events: a basket (a customer's sales of one minute) is one purchase, what a
customer gave back in one minute is one refund.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import polars as pl

from app.datasets.categories import categories
from app.datasets.descriptions import Sales, comparison_key, merge_spellings, readable_title, slug
from app.domain.types import Event, EventItem, Item, User

CURRENCY = "GBP"
ID_PREFIX = "online-retail-"
"""How the ids of all its events begin."""
BASKET = "%Y%m%d%H%M"
"""A basket's minute in the id of its event."""
RECENT_DAYS = 90
PRICE_STEP = Decimal("0.0001")
NOT_PRODUCTS = frozenset(
    {
        "ADJUST BAD DEBT",
        "AMAZON FEE",
        "BANK CHARGES",
        "CARRIAGE",
        "CRUK COMMISSION",
        "DISCOUNT",
        "DOTCOM POSTAGE",
        "HIGH RESOLUTION IMAGE",
        "MANUAL",
        "NEXT DAY CARRIAGE",
        "PACKING CHARGE",
        "PADS TO MATCH ALL CUSHIONS",
        "POSTAGE",
        "SAMPLES",
    }
)
"""Comparison keys of lines that are the till's own bookkeeping: postage, fees, corrections, samples."""


@dataclass(frozen=True, slots=True)
class OnlineRetail:
    """The cleaned till.

    Attributes:
        lines: A row per product of a basket: user_id, country, item_id, title, key, sold_at (UTC,
            microseconds), basket (the minute in the file, before any shift), quantity (below 0: given
            back), price, amount.
        lines_read: Lines in the file.
        rejected: Lines left out, by reason.
        spellings_merged: How many spellings of a description were found to be another's product.
    """

    lines: pl.DataFrame
    lines_read: int
    rejected: Mapping[str, int]
    spellings_merged: int

    def items(self) -> list[Item]:
        """The catalogue, by id: title, usual recent price, categories, first sale."""
        return [_item(row) for row in _item_rows(self.lines).iter_rows(named=True)]

    def users(self) -> list[User]:
        """The customers, by id, each with the country of most of their lines."""
        counted = (
            self.lines.group_by("user_id", "country")
            .len()
            .sort("user_id", "len", "country", descending=[False, True, False])
            .unique("user_id", keep="first", maintain_order=True)
        )
        return [User(user_id=user, country=country) for user, country, _ in counted.iter_rows()]

    def last_sale_at(self) -> datetime | None:
        """When the last sale was; None where nothing was sold."""
        return cast("datetime | None", self.lines.filter(pl.col("quantity") > 0)["sold_at"].max())

    def moved(self, by: timedelta) -> OnlineRetail:
        """The same till at other times; ids of events stay."""
        return replace(self, lines=self.lines.with_columns(pl.col("sold_at") + by))

    def ending_at(self, moment: datetime) -> OnlineRetail:
        """The same till with its last sale then."""
        last = self.last_sale_at()
        return self if last is None else self.moved(moment - last)

    @staticmethod
    def moved_by(event_id: str, happened_at: datetime) -> timedelta | None:
        """How far an import moved the till whose event of that id happened then; None for a foreign id."""
        try:
            return happened_at - datetime.strptime(event_id.split("-")[-2], BASKET).replace(tzinfo=UTC)
        except (IndexError, ValueError):
            return None

    def event_count(self) -> int:
        """How many events `events` gives."""
        return self.lines.select("basket", "user_id", pl.col("quantity") > 0).n_unique()

    def events(self, *, received_at: datetime) -> Iterator[Event]:
        """Purchases and refunds in the order of time."""
        baskets = (
            _basket_lines(self.lines)
            .group_by("basket", "user_id", "sale", maintain_order=True)
            .agg("item_id", "quantity", "amount", pl.col("sold_at").first())
        )
        for basket, user_id, sale, item_ids, quantities, amounts, sold_at in baskets.iter_rows():
            yield Event(
                event_id=f"{ID_PREFIX}{user_id}-{basket:{BASKET}}-{'purchase' if sale else 'refund'}",
                name="purchase" if sale else "refund",
                happened_at=sold_at.astimezone(UTC),
                received_at=received_at,
                user_id=user_id,
                items=tuple(map(_event_item, item_ids, quantities, amounts, range(len(item_ids)))),
                value=_money(sum(amounts)),
                currency=CURRENCY,
            )


def load(path: Path, *, last_sale_at: datetime | None = None) -> OnlineRetail:
    """Read and clean the file.

    Args:
        path: The Parquet file.
        last_sale_at: Moves all times so that the last sale is then; None leaves them as they are.
    """
    raw = pl.read_parquet(path).rename(
        {
            "Description": "description",
            "Quantity": "quantity",
            "InvoiceDate": "basket",
            "UnitPrice": "price",
            "CustomerID": "customer",
            "Country": "country",
        }
    )
    judged = raw.with_columns(reason=_reason(), key=_keys(raw)).with_columns(
        reason=pl.coalesce(
            "reason", pl.when(pl.col("key").is_in(list(NOT_PRODUCTS))).then(pl.lit("not_a_product"))
        )
    )
    counts = judged.drop_nulls("reason")["reason"].value_counts().sort("reason")
    kept = judged.filter(pl.col("reason").is_null())
    merged = merge_spellings(_sales(kept))
    shop = OnlineRetail(
        lines=_shaped(kept, merged),
        lines_read=raw.height,
        rejected=dict(counts.iter_rows()),
        spellings_merged=kept["description"].n_unique() - len(set(merged.values())),
    )
    return shop if last_sale_at is None else shop.ending_at(last_sale_at)


def _reason() -> pl.Expr:
    """Why a line is left out, the first reason that holds; null where it is kept."""
    return (
        pl.when(pl.col("description").fill_null("").str.strip_chars() == "")
        .then(pl.lit("missing_description"))
        .when(pl.col("customer").is_null())
        .then(pl.lit("unknown_customer"))
        .when(pl.col("price") <= 0)
        .then(pl.lit("no_price"))
        .when(pl.col("quantity") == 0)
        .then(pl.lit("no_quantity"))
    )


def _keys(raw: pl.DataFrame) -> pl.Series:
    descriptions = raw["description"].unique().drop_nulls().to_list()
    keys = [comparison_key(text) for text in descriptions]
    return raw["description"].replace_strict(descriptions, keys, default=None, return_dtype=pl.String)


def _sales(kept: pl.DataFrame) -> dict[str, Sales]:
    grouped = kept.group_by("key").agg(
        pl.len(), pl.col("price").median(), pl.col("customer"), pl.col("basket").to_physical()
    )
    return {
        key: Sales(lines=lines, price=price, baskets=frozenset(zip(customers, minutes, strict=True)))
        for key, lines, price, customers, minutes in grouped.iter_rows()
    }


def _shaped(kept: pl.DataFrame, merged: Mapping[str, str]) -> pl.DataFrame:
    """The lines under their items' ids and titles."""
    titles = _titles(kept, merged)
    return kept.with_columns(
        key=pl.col("key").replace_strict(list(merged), list(merged.values()), return_dtype=pl.String)
    ).select(
        user_id=pl.col("customer").cast(pl.Int64).cast(pl.String),
        country="country",
        item_id=pl.col("key").replace_strict({key: slug(key) for key in titles}, return_dtype=pl.String),
        title=pl.col("key").replace_strict(titles, return_dtype=pl.String),
        key="key",
        sold_at=pl.col("basket").dt.cast_time_unit("us").dt.replace_time_zone("UTC"),
        basket=pl.col("basket").dt.cast_time_unit("us"),
        quantity="quantity",
        price="price",
        amount=pl.col("quantity") * pl.col("price"),
    )


def _titles(kept: pl.DataFrame, merged: Mapping[str, str]) -> dict[str, str]:
    """Each product's title: its oftenest description, read as a person would write it."""
    counted = kept.group_by("key", "description").len().sort("len", "description", descending=[True, False])
    titles: dict[str, str] = {}
    for key, description, _ in counted.iter_rows():
        if merged[key] == key:
            titles.setdefault(key, readable_title(description))
    return titles


def _item_rows(lines: pl.DataFrame) -> pl.DataFrame:
    """One row an item; the price is the commonest of its last `RECENT_DAYS` of sale, the newest of equals."""
    first_last = lines.group_by("item_id", "title", "key").agg(
        first=pl.col("sold_at").min(), last=pl.col("sold_at").max()
    )
    recent = (
        lines.join(first_last.select("item_id", "last"), on="item_id")
        .filter(pl.col("sold_at") > pl.col("last") - pl.duration(days=RECENT_DAYS))
        .group_by("item_id", "price")
        .agg(pl.len(), newest=pl.col("sold_at").max())
        .sort("len", "newest", "price", descending=True)
        .unique("item_id", keep="first", maintain_order=True)
    )
    return first_last.join(recent.select("item_id", "price"), on="item_id").sort("item_id")


def _item(row: Mapping[str, Any]) -> Item:
    return Item(
        item_id=row["item_id"],
        title=row["title"],
        categories=categories(row["key"].lower().split()),
        price=_money(row["price"]),
        currency=CURRENCY,
        published_at=row["first"].astimezone(UTC),
    )


def _basket_lines(lines: pl.DataFrame) -> pl.DataFrame:
    """One row for each product of a basket, its quantities added up, in the order of time."""
    return (
        lines.with_columns(sale=pl.col("quantity") > 0)
        .group_by("basket", "user_id", "sale", "item_id")
        .agg(pl.col("quantity").sum().abs(), pl.col("amount").sum().abs(), pl.col("sold_at").first())
        .sort("basket", "user_id", "sale", "item_id")
    )


def _event_item(item_id: str, quantity: int, amount: float, index: int) -> EventItem:
    return EventItem(item_id=item_id, quantity=float(quantity), price=_money(amount / quantity), index=index)


def _money(amount: float) -> Decimal:
    """Exact to `PRICE_STEP`; the file's amounts have three decimals, so a float holds them well."""
    return _with_pence(round(amount / float(PRICE_STEP)))


@lru_cache(maxsize=50_000)
def _with_pence(steps: int) -> Decimal:
    """So many `PRICE_STEP`s, without needless zeros but always with pence: 100,000 is 10.00."""
    exact = steps * PRICE_STEP
    pence = exact.quantize(Decimal("0.01"))
    return pence if pence == exact else exact
