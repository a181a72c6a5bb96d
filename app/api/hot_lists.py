"""Plain `POST /v1/recommendations` of a server, in front of the routes."""

from __future__ import annotations

from app.api.admission import Priority
from app.api.bodies import validate
from app.api.hot_posts import HotPost
from app.api.schemas_recommend import RecommendationsBody
from app.api.strict_json import read_strict


class HotLists(HotPost):
    """Any list that a server asks for, its body read as the route reads it."""

    path, key_scope = "/v1/recommendations", "recommend"
    priority, status = Priority.RECOMMEND, 200

    async def answer(self, raw: bytes) -> bytes | None:
        """The list."""
        request = validate(RecommendationsBody, read_strict(raw)).to_request()
        return await self._services.recommend.body(request)
