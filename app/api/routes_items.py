"""The catalogue: items are put, changed, read, hidden and deleted; every write acts on the very next list."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from app.api.auth import Caller, Needs
from app.api.batches import BatchOf
from app.api.bodies import BatchBody, Body
from app.api.context import ServicesDep
from app.api.queries import router as make_router
from app.api.schemas_items import (
    BatchItem,
    BatchItemResult,
    BatchItemsAnswer,
    BatchItemsBody,
    ItemAnswer,
    ItemBody,
    ItemPatch,
    ItemsPage,
)
from app.api.schemas_problem import FieldErrorAnswer
from app.api.values import Cursor, Limit, Line, PathId, QueryText
from app.domain.errors import FieldError, InvalidInputError

router = make_router(tag="catalogue")

Reader = Annotated[Caller, Needs("catalogue:read")]
Writer = Annotated[Caller, Needs("catalogue:write")]
_BATCH = BatchOf("items", BatchItem.model_validate, "item_id")


@router.get("/items", response_model=ItemsPage, summary="List items")
async def list_items(
    _: Reader,
    services: ServicesDep,
    q: Annotated[
        QueryText | None, Query(min_length=1, max_length=256, description="Part of the title or the id.")
    ] = None,
    category: Annotated[Line | None, Query(description="One of the item's categories.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ItemsPage:
    """Items by id, a page at a time; the pages stay right while items come and go."""
    page = await services.catalogue.page(q=q, category=category, limit=limit, cursor=cursor)
    return ItemsPage(
        items=[ItemAnswer.model_validate(item) for item in page.rows], next_cursor=page.next_cursor
    )


@router.get("/items/{item_id}", response_model=ItemAnswer, summary="Read an item")
async def get_item(_: Reader, item_id: PathId, services: ServicesDep) -> ItemAnswer:
    """The item as it is stored."""
    return ItemAnswer.model_validate(await services.catalogue.get(item_id))


@router.put("/items/{item_id}", response_model=ItemAnswer, summary="Create or replace an item")
async def put_item(
    _: Writer, item_id: PathId, body: Annotated[ItemBody, Body(ItemBody)], services: ServicesDep
) -> ItemAnswer:
    """What the body leaves out is reset. The answer is the item as it is stored."""
    _check_same_id(item_id, body.item_id)
    [item] = await services.catalogue.put([body.to_item(item_id)])
    return ItemAnswer.model_validate(item)


@router.patch("/items/{item_id}", response_model=ItemAnswer, summary="Change an item")
async def patch_item(
    _: Writer, item_id: PathId, body: Annotated[ItemPatch, Body(ItemPatch)], services: ServicesDep
) -> ItemAnswer:
    """Changes the named fields. Lists and `attributes` are replaced whole."""
    _check_same_id(item_id, body.item_id)
    return ItemAnswer.model_validate(await services.catalogue.patch(item_id, body.changes()))


@router.delete("/items/{item_id}", status_code=204, summary="Delete an item")
async def delete_item(_: Writer, item_id: PathId, services: ServicesDep) -> None:
    """It leaves every list at once."""
    await services.catalogue.delete(item_id)


@router.post(
    "/items:batch",
    response_model=BatchItemsAnswer,
    response_model_exclude_none=True,
    summary="Create or replace up to 500 items",
)
async def put_items(
    _: Writer,
    document: Annotated[object, BatchBody(BatchItemsBody)],
    services: ServicesDep,
) -> BatchItemsAnswer:
    """Each item is stored or rejected on its own; of two with the same id the later one counts."""
    entries = await _BATCH.split(document)
    good = {entry.model.item_id: entry.model for entry in entries if entry.model is not None}
    if good:
        await services.catalogue.put([model.to_item(item_id) for item_id, model in good.items()])
    results = [
        BatchItemResult(
            item_id=entry.given_id,
            status="rejected" if entry.model is None else "stored",
            errors=[FieldErrorAnswer.model_validate(error) for error in entry.errors] or None,
        )
        for entry in entries
    ]
    stored = sum(entry.model is not None for entry in entries)
    return BatchItemsAnswer(stored=stored, rejected=len(entries) - stored, results=results)


def _check_same_id(in_path: str, in_body: str | None) -> None:
    if in_body not in {None, in_path}:
        fault = FieldError("/item_id", "must be the same as in the path")
        raise InvalidInputError("The body is not valid.", [fault])
