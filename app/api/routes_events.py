"""Events: parsed one by one from the raw bytes, committed, then acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.api.auth import (
    USER_TOKEN_HEADER,
    BrowserRequirement,
    Caller,
    Credentials,
    UserToken,
    admit,
    bearer,
    spend,
)
from app.api.batches import BatchOf, Entry
from app.api.bodies import JSON, BatchReader, media_type_of, read_raw
from app.api.context import (
    MetricsDep,
    NowDep,
    ServicesDep,
    SettingsDep,
    metrics_of,
    now_of,
    services_of,
    settings_of,
)
from app.api.plain_calls import FAILED
from app.api.plain_events import PlainEvent, read_plain
from app.api.queries import only_known_parameters
from app.api.queries import router as make_router
from app.api.schemas_events import EventBody, EventsAnswer, EventsBody
from app.api.strict_json import read_strict
from app.api.taking import answer_of, result_of, results_of
from app.domain.errors import FieldError, ForbiddenError, InvalidInputError, UnauthorizedError
from app.domain.types import EventStatus, KeyKind

TEXT = "text/plain"
_BATCH: BatchOf[EventBody | PlainEvent] = BatchOf(
    "events", EventBody.model_validate, "event_id", quick=read_plain
)
_BEACON_MEMBERS = frozenset({"key", "user_token"})
_NO_KEY = "Send a pub key: in the header, or in the body's `key` where a beacon cannot set headers."


class BeaconRequirement(BrowserRequirement):
    """Finds the key in the header or, where `navigator.sendBeacon` could set none, in the body."""

    async def __call__(
        self,
        request: Request,
        services: ServicesDep,
        settings: SettingsDep,
        credentials: Credentials,
        user_token: UserToken = None,
    ) -> Caller:
        """The caller. Raises `UnauthorizedError` or `ForbiddenError`."""
        if credentials is not None or media_type_of(request) != TEXT:
            return await super().__call__(request, services, settings, credentials, user_token)
        try:
            document = read_strict(await read_raw(request, timeout_s=settings.body_timeout_s))
        except InvalidInputError:
            # nobody has shown a key yet, so nothing is said about the body
            raise UnauthorizedError(_NO_KEY) from None
        members = document if isinstance(document, dict) else {}
        key, token = members.get("key"), members.get("user_token")
        if not isinstance(key, str):
            raise UnauthorizedError(_NO_KEY)
        authenticated = await services.keys.authenticate(key)
        if authenticated.kind is not KeyKind.PUB:
            raise ForbiddenError("Only a pub key may travel in a body; revoke this one.")
        await spend(services, authenticated, request)
        proof = token if isinstance(token, str) else None
        return admit(authenticated, self.scope, request=request, settings=settings, user_token=proof)


_CALLER = BeaconRequirement("events:write")
_BODY = BatchReader(EventsBody, (JSON, TEXT))


class EventsRoute(APIRoute):
    """Calls the endpoint with what it declares, asked for by hand, in the order FastAPI would ask.

    FastAPI's own way of finding a dependency costs more than taking the event does. What is declared still
    says, to the OpenAPI and to the tests, what there is.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint's caller."""

        async def handle(request: Request) -> Response:
            await only_known_parameters(request)
            services, settings = await services_of(request), await settings_of(request)
            credentials = await bearer(request)
            user_token = request.headers.get(USER_TOKEN_HEADER)
            return await send_events(
                request=request,
                caller=await _CALLER(request, services, settings, credentials, user_token),
                document=await _BODY(request, settings),
                services=services,
                metrics=await metrics_of(request),
                now=await now_of(request),
            )

        return handle


router = make_router(tag="events", route_class=EventsRoute)


@router.post(
    "/events",
    status_code=202,
    response_model=EventsAnswer,
    summary="Send events",
)
async def send_events(
    *,
    request: Request,
    caller: Annotated[Caller, Depends(_CALLER)],
    document: Annotated[object, Depends(_BODY)],
    services: ServicesDep,
    metrics: MetricsDep,
    now: NowDep,
) -> Response:
    """202 means committed. Each event is accepted, a duplicate, or rejected with its reasons, on its own.

    `navigator.sendBeacon` may send the same JSON as `text/plain` without headers: its `pub` key then is the
    body's `key`, and the user's token the body's `user_token`. A timestamp more than five minutes ahead of
    the service's clock is replaced by the time of receipt.
    """
    in_body = "authorization" not in request.headers
    entries = await _BATCH.split(document, extra=_BEACON_MEMBERS if in_body else frozenset())
    judged = [_judge(entry, caller) for entry in entries]
    good = {entry.index: entry.model for entry in judged if entry.model is not None}
    metrics.events_clamped.inc(sum(event.is_early(now) for event in good.values()))
    if FAILED in request.scope:
        # read and tried already, in front of this route
        raise request.scope[FAILED]
    appended = await services.ingest.append([event.to_event(now) for event in good.values()])
    stored = results_of({place: judged[place].given_id for place in good}, appended)
    results = [
        stored.get(entry.index) or result_of(entry.given_id, EventStatus.REJECTED, entry.errors)
        for entry in judged
    ]
    return Response(answer_of(results, metrics), 202, media_type=JSON)


def _judge(entry: Entry[EventBody | PlainEvent], caller: Caller) -> Entry[EventBody | PlainEvent]:
    """Reject an event that names a user whom the caller does not speak for."""
    event = entry.model
    refusal = None if event is None else caller.refusal_of(event.user_id)
    if refusal is None:
        return entry
    fault = FieldError(f"/events/{entry.index}/user_id", refusal)
    return Entry(entry.index, entry.given_id, None, (fault,))
