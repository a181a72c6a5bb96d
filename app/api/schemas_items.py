"""Bodies and answers of the catalogue calls."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from app.api.schemas_problem import FieldErrorAnswer
from app.api.values import (
    Answer,
    Currency,
    FreeObject,
    Id,
    Line,
    Money,
    Price,
    Schema,
    Timestamp,
    WebAddress,
)
from app.domain.types import Item, JsonObject


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


Title = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_not_blank)]
Description = Annotated[str, Field(max_length=20_000)]
Categories = Annotated[list[Line], Field(max_length=64)]


class ItemFields(Schema):
    """What a shop says about an item."""

    title: Title | None = None
    description: Description | None = None
    categories: Categories = Field(default=[])
    price: Price | None = None
    currency: Currency | None = None
    image_url: WebAddress | None = None
    url: WebAddress | None = None
    brand: Line | None = None
    in_stock: bool = True
    hidden: bool = False
    published_at: Timestamp | None = None
    attributes: FreeObject = Field(default={}, description="The shop's own fields, for filters.")

    def to_item(self, item_id: str) -> Item:
        """The item that these fields describe, with `item_id` for its id."""
        values: dict[str, Any] = self.model_dump(mode="python", exclude={"item_id"})
        return Item(item_id=item_id, **values | {"categories": tuple(self.categories)})


class ItemBody(ItemFields):
    """An item as `PUT` takes it: what is left out is reset."""

    item_id: Id | None = Field(default=None, description="If given, the same as in the path.")


class BatchItem(ItemFields):
    """An item of a batch."""

    item_id: Id


class BatchItemsBody(Schema):
    """Up to 500 items, each stored or rejected on its own."""

    items: Annotated[list[BatchItem], Field(min_length=1, max_length=500)]


class ItemPatch(Schema):
    """Changes to an item: what is left out stays, null clears. Lists and `attributes` are replaced whole."""

    item_id: Id | None = Field(default=None, description="If given, the same as in the path.")
    title: Title | None = None
    description: Description | None = None
    categories: Categories | None = None
    price: Price | None = None
    currency: Currency | None = None
    image_url: WebAddress | None = None
    url: WebAddress | None = None
    brand: Line | None = None
    in_stock: Annotated[bool, Field()] = True
    hidden: Annotated[bool, Field()] = False
    published_at: Timestamp | None = None
    attributes: FreeObject | None = None

    def changes(self) -> JsonObject:
        """The fields that were given, as the item's own types."""
        given = self.model_dump(mode="python", exclude_unset=True, exclude={"item_id"})
        if "categories" in given:
            given["categories"] = tuple(given["categories"] or ())
        if "attributes" in given:
            given["attributes"] = given["attributes"] or {}
        return given


class ItemAnswer(Answer):
    """An item as it is stored."""

    item_id: str
    title: str | None
    description: str | None
    categories: tuple[str, ...]
    price: Money | None
    currency: str | None
    image_url: str | None
    url: str | None
    brand: str | None
    in_stock: bool
    hidden: bool
    published_at: Timestamp | None
    attributes: JsonObject
    cold: bool = Field(description="Created on first sight by an event; nobody has described it yet.")
    created_at: Timestamp | None
    updated_at: Timestamp | None


class ItemsPage(Answer):
    """A page of items."""

    items: list[ItemAnswer]
    next_cursor: str | None


class BatchItemResult(Answer):
    """What became of one item of a batch."""

    item_id: str | None = Field(default=None, description="Left out where the id itself cannot be read.")
    status: Literal["stored", "rejected"]
    errors: list[FieldErrorAnswer] | None = None


class BatchItemsAnswer(Answer):
    """What became of a batch, in its order."""

    stored: int
    rejected: int
    results: list[BatchItemResult]
