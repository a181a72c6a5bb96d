"""Model versions over HTTP: list, look at, activate, roll back."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from app.api.auth import Caller, Needs
from app.api.context import ServicesDep
from app.api.queries import admin_router
from app.api.schemas_retraining import VersionAnswer, VersionPage
from app.api.values import Cursor, Limit, Line

router = admin_router()

Admin = Annotated[Caller, Needs("admin")]
VersionName = Annotated[Line, Path(description="A version's name.")]


@router.get("/admin/models", summary="List model versions")
async def list_models(
    _: Admin, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> VersionPage:
    """Newest first, with data window, metrics, gate result, who and when."""
    page = await services.models.page(limit=limit, cursor=cursor)
    return VersionPage(models=[VersionAnswer.of(row) for row in page.rows], next_cursor=page.next_cursor)


@router.post("/admin/models/rollback", responses={409: {}}, summary="Roll back")
async def rollback(caller: Admin, services: ServicesDep) -> VersionAnswer:
    """Bring back the version that was live before the live one; a second call goes one further back.

    No request is dropped. A version left in this way comes back by its activation alone.
    """
    return VersionAnswer.of(await services.models.rollback(by=caller.actor))


@router.get("/admin/models/{version}", summary="One model version")
async def get_model(_: Admin, services: ServicesDep, version: VersionName) -> VersionAnswer:
    """With data window, metrics and gate result."""
    return VersionAnswer.of(await services.models.get(version))


@router.post("/admin/models/{version}/activate", responses={409: {}}, summary="Activate a version")
async def activate(caller: Admin, services: ServicesDep, version: VersionName) -> VersionAnswer:
    """Make it answer from now on. A missing or damaged version is refused with 409; the live one stays."""
    return VersionAnswer.of(await services.models.activate(version, by=caller.actor))
