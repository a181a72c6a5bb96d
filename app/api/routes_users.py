"""Customers: what the shop says about them, what they did, and their right to all of it and to none."""

from __future__ import annotations

from typing import Annotated, Any

from app.api.auth import Caller, Needs
from app.api.bodies import Body
from app.api.context import ServicesDep
from app.api.queries import router as make_router
from app.api.schemas_users import (
    EventsPage,
    MergeAnswer,
    MergeBody,
    ReceiptAnswer,
    StoredEventAnswer,
    UserAnswer,
    UserBody,
)
from app.api.values import Cursor, Limit, PathId
from app.domain.errors import FieldError, InvalidInputError
from app.domain.types import User

router = make_router(tag="users")

Reader = Annotated[Caller, Needs("users:read")]
Writer = Annotated[Caller, Needs("users:write")]
EventReader = Annotated[Caller, Needs("events:read")]


@router.get("/users/{user_id}", response_model=UserAnswer, summary="Read a user")
async def get_user(_: Reader, user_id: PathId, services: ServicesDep) -> UserAnswer:
    """The user as they are stored."""
    return UserAnswer.model_validate(await services.users.get(user_id))


@router.put("/users/{user_id}", response_model=UserAnswer, summary="Create or replace a user")
async def put_user(
    _: Writer, user_id: PathId, body: Annotated[UserBody, Body(UserBody)], services: ServicesDep
) -> UserAnswer:
    """What the body leaves out is reset."""
    if body.user_id not in {None, user_id}:
        fault = FieldError("/user_id", "must be the same as in the path")
        raise InvalidInputError("The body is not valid.", [fault])
    user = User(user_id=user_id, country=body.country, attributes=body.attributes)
    return UserAnswer.model_validate(await services.users.put(user))


@router.delete("/users/{user_id}", response_model=ReceiptAnswer, summary="Erase a user")
async def erase_user(caller: Writer, user_id: PathId, services: ServicesDep) -> ReceiptAnswer:
    """Every row of the user and of the guests merged into them goes; the answer is a receipt."""
    return ReceiptAnswer.model_validate(await services.users.erase(user_id, by=caller.actor))


@router.get("/users/{user_id}/events", response_model=EventsPage, summary="List a user's events")
async def list_user_events(
    _: EventReader, user_id: PathId, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> EventsPage:
    """Newest first, the merged guests' events among them."""
    page = await services.users.events(user_id, limit=limit, cursor=cursor)
    return EventsPage(events=[StoredEventAnswer.of(row) for row in page.rows], next_cursor=page.next_cursor)


@router.get("/users/{user_id}/export", summary="Export a user")
async def export_user(caller: Reader, user_id: PathId, services: ServicesDep) -> dict[str, Any]:
    """Every row that the service holds about the user, by table."""
    rows: dict[str, Any] = await services.users.export(user_id, by=caller.actor)
    return rows


@router.post(
    "/users/{user_id}/merge", response_model=MergeAnswer, responses={409: {}}, summary="Merge a guest"
)
async def merge(
    _: Writer, user_id: PathId, body: Annotated[MergeBody, Body(MergeBody)], services: ServicesDep
) -> MergeAnswer:
    """The guest becomes the customer: history, session and lists follow. Doing it again changes nothing."""
    changed = await services.users.merge(user_id, body.anonymous_id)
    return MergeAnswer(user_id=user_id, anonymous_id=body.anonymous_id, merged=True, changed=changed)


@router.delete(
    "/users/{user_id}/merge/{anonymous_id}", response_model=MergeAnswer, summary="Take a merge back"
)
async def unmerge(_: Writer, user_id: PathId, anonymous_id: PathId, services: ServicesDep) -> MergeAnswer:
    """The guest's past is the guest's own again. Doing it again changes nothing."""
    changed = await services.users.unmerge(user_id, anonymous_id)
    return MergeAnswer(user_id=user_id, anonymous_id=anonymous_id, merged=False, changed=changed)
