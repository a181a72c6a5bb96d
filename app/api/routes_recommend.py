"""The recommendation calls: every one answers 200 with a list, and says where the list came from."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Query
from fastapi.routing import APIRoute
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from app.api.auth import USER_TOKEN_HEADER, BrowserRequirement, Caller, Needs, bearer
from app.api.bodies import JSON, Body, BodyReader
from app.api.context import LookDep, ServicesDep, services_of, settings_of
from app.api.plain_calls import FAILED
from app.api.queries import only_known_parameters
from app.api.queries import router as make_router
from app.api.schemas_recommend import (
    ExplanationAnswer,
    PageAnswer,
    PageBody,
    RankBody,
    RecommendationAnswer,
    RecommendationsBody,
)
from app.api.values import Line, PathId, matching
from app.domain.recommendations import SCENARIOS_OWN, Context, Recommendation, RecommendationRequest
from app.domain.types import Subject

_CALLER = BrowserRequirement("recommend")
_BODY = BodyReader(RecommendationsBody)


class ListRoute(APIRoute):
    """Calls `recommend` with what it declares, asked for by hand, as `EventsRoute` does for events."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint's caller."""

        async def handle(request: Request) -> Response:
            await only_known_parameters(request)
            services, settings = await services_of(request), await settings_of(request)
            user_token = request.headers.get(USER_TOKEN_HEADER)
            caller = await _CALLER(request, services, settings, await bearer(request), user_token)
            if FAILED in request.scope:
                # read and tried already, in front of this route
                raise request.scope[FAILED]
            return await recommend(caller=caller, body=await _BODY(request, settings), services=services)

        return handle


router = make_router(tag="recommendations")
list_router = make_router(tag="recommendations", route_class=ListRoute)

Asker = Annotated[Caller, Needs("recommend")]
Reader = Annotated[Caller, Needs("users:read")]
Places = Annotated[int | None, Query(ge=1, le=100, description="Places; unset: as many as the scenario has.")]
Category = Annotated[Line | None, Query(description="One of the items' categories.")]
_DAYS = r"^[1-9][0-9]{0,2}d$"
Days = Annotated[
    str,
    matching(_DAYS, "must be a number of days from 1d to 999d, such as 7d"),
    Field(json_schema_extra={"pattern": _DAYS}),
]
Window = Annotated[
    Days | None,
    Query(description="Look back so many days, such as `7d`; unset: everything, older counting less."),
]


@list_router.post("/recommendations", response_model=RecommendationAnswer, summary="Recommend")
async def recommend(
    *,
    caller: Annotated[Caller, Depends(_CALLER)],
    body: Annotated[RecommendationsBody, Depends(_BODY)],
    services: ServicesDep,
) -> Response:
    """A list for a person, a page or a basket. Who and what is unknown gets the fallback, never an error."""
    caller.require_user(body.user_id)
    return Response(await services.recommend.body(body.to_request()), media_type=JSON)


@router.get(
    "/users/{user_id}/recommendations", response_model=RecommendationAnswer, summary="Recommend to a user"
)
async def recommend_to_user(
    *,
    caller: Asker,
    user_id: PathId,
    services: ServicesDep,
    look: LookDep,
    n: Places = None,
    scenario: Annotated[Line, Query(description="A named pipeline.")] = "home",
) -> RecommendationAnswer:
    """The short form of the personal list."""
    caller.require_user(user_id)
    request = RecommendationRequest(scenario=scenario, subject=Subject(user_id=user_id), n=n or SCENARIOS_OWN)
    return _answer(await services.recommend.recommend(request, look=look))


@router.get("/items/{item_id}/similar", response_model=RecommendationAnswer, summary="Similar items")
async def similar(_: Asker, item_id: PathId, services: ServicesDep, n: Places = None) -> RecommendationAnswer:
    """Items like this one; popular ones where nobody knows it."""
    request = RecommendationRequest(
        scenario="product", context=Context(item_id=item_id), n=n or SCENARIOS_OWN, explain=True
    )
    return _answer(await services.recommend.recommend(request))


@router.get("/popular", response_model=RecommendationAnswer, summary="Popular items")
async def popular(
    _: Asker, services: ServicesDep, n: Places = None, category: Category = None, window: Window = None
) -> RecommendationAnswer:
    """What most people bought, put in their baskets and viewed, newer actions counting more."""
    return _answer(await services.recommend.recommend(_for_all("popular", n, category, window)))


@router.get("/trending", response_model=RecommendationAnswer, summary="Trending items")
async def trending(
    _: Asker, services: ServicesDep, n: Places = None, category: Category = None, window: Window = None
) -> RecommendationAnswer:
    """What rises against its own past; popular items where nothing does."""
    return _answer(await services.recommend.recommend(_for_all("trending", n, category, window)))


@router.get("/latest", response_model=RecommendationAnswer, summary="Latest items")
async def latest(
    _: Asker, services: ServicesDep, n: Places = None, category: Category = None, window: Window = None
) -> RecommendationAnswer:
    """The newest by `published_at`, or by when they were first seen."""
    return _answer(await services.recommend.recommend(_for_all("latest", n, category, window)))


@router.post("/rank", response_model=RecommendationAnswer, summary="Rank your own list")
async def rank(
    caller: Asker, body: Annotated[RankBody, Body(RankBody)], services: ServicesDep
) -> RecommendationAnswer:
    """The items that may be shown, best first; what is hidden, sold out, unknown or disliked is left out."""
    caller.require_user(body.user_id)
    return _answer(await services.recommend.rank(body.to_request()))


@router.post("/page", response_model=PageAnswer, summary="Fill a page")
async def page(caller: Asker, body: Annotated[PageBody, Body(PageBody)], services: ServicesDep) -> PageAnswer:
    """Several lists in one call; an item stands in the first that has it."""
    caller.require_user(body.user_id)
    answers = await services.recommend.page(body.to_requests())
    return PageAnswer(placements=[_answer(answer) for answer in answers])


@router.get(
    "/users/{user_id}/items/{item_id}/explanation", response_model=ExplanationAnswer, summary="Explain"
)
async def explain(
    _: Reader,
    user_id: PathId,
    item_id: PathId,
    services: ServicesDep,
    scenario: Annotated[Line, Query(description="A named pipeline.")] = "home",
) -> ExplanationAnswer:
    """Why the item stands where it does in the user's list, or which stage and rule dropped it."""
    found = await services.recommend.explain(user_id, item_id, scenario=scenario)
    return ExplanationAnswer.model_validate(found)


def _for_all(scenario: str, n: int | None, category: str | None, window: str | None) -> RecommendationRequest:
    days = None if window is None else int(window.removesuffix("d"))
    return RecommendationRequest(scenario=scenario, n=n or SCENARIOS_OWN, category=category, window_days=days)


def _answer(answer: Recommendation) -> RecommendationAnswer:
    return RecommendationAnswer.model_validate(answer)
