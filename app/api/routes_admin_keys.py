"""Keys: make one, list them, revoke one."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from app.api.auth import Caller, Needs
from app.api.bodies import Body
from app.api.context import NowDep, ServicesDep
from app.api.queries import admin_router
from app.api.schemas_keys import KeyAnswer, KeyBody, KeysAnswer, NewKeyAnswer
from app.api.values import Line
from app.domain.errors import FieldError, InvalidInputError
from app.domain.types import KeyKind

router = admin_router()

Admin = Annotated[Caller, Needs("admin")]
KeyId = Annotated[Line, Path(description="The public part of a key.")]


@router.post("/admin/keys", status_code=201, response_model=NewKeyAnswer, summary="Make a key")
async def create_key(
    caller: Admin, body: Annotated[KeyBody, Body(KeyBody)], services: ServicesDep, now: NowDep
) -> NewKeyAnswer:
    """The answer is the only place where the key is shown; the service keeps a digest."""
    if body.expires_at is not None and body.expires_at <= now:
        raise InvalidInputError(
            "The body is not valid.", [FieldError("/expires_at", "must be in the future")]
        )
    key, secret = await services.keys.create(
        KeyKind(body.kind),
        name=body.name,
        expires_at=body.expires_at,
        scopes=frozenset(body.scopes) if body.scopes is not None else None,
        by=caller.actor,
    )
    return NewKeyAnswer.with_secret(key, secret)


@router.get("/admin/keys", response_model=KeysAnswer, summary="List keys")
async def list_keys(_: Admin, services: ServicesDep) -> KeysAnswer:
    """Newest first, revoked ones among them; never a secret."""
    return KeysAnswer(keys=[KeyAnswer.of(key) for key in await services.keys.list()])


@router.delete("/admin/keys/{key_id}", status_code=204, summary="Revoke a key")
async def revoke_key(caller: Admin, key_id: KeyId, services: ServicesDep) -> None:
    """It works nowhere any more within five seconds."""
    await services.keys.revoke(key_id, by=caller.actor)
