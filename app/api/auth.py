"""Who calls: the key in `Authorization`, what it may do, and for whom a browser speaks.

A route says what it needs with one parameter::

    caller: Annotated[Caller, Needs("catalogue:write")]
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import jwt
import structlog
from fastapi import Depends, Header
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from app.api.context import ServicesDep, SettingsDep
from app.api.settings import ApiSettings
from app.api.values import check_id
from app.domain.errors import ForbiddenError, UnauthorizedError
from app.domain.types import ApiKey, KeyKind

if TYPE_CHECKING:
    from app.services.container import Services

MAX_TOKEN_LIFE_S = 24 * 3600
MAX_TOKEN_LENGTH = 4096
PUB_SCOPES = frozenset({"recommend", "events:write"})
_log = structlog.get_logger(__name__)

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="Key",
    description="`rk_pub_…` for browsers, `rk_sec_…` for servers, `rk_adm_…` for administration.",
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
UserToken = Annotated[
    str | None,
    Header(
        alias="X-User-Token",
        description="With a `pub` key: a JWT (HS256) of the shop's server whose `sub` is the user's id.",
    ),
]


@dataclass(frozen=True, slots=True)
class Caller:
    """A request's key, and the user that a browser has proved to speak for.

    Attributes:
        token_user_id: The `sub` of a valid user token; None without one, and for other kinds of key.
    """

    key: ApiKey
    token_user_id: str | None = None

    @property
    def actor(self) -> str:
        """The name under which the audit log records this caller."""
        return f"key:{self.key.key_id}"

    def speaks_for(self, user_id: str) -> bool:
        """Whether this caller may name that user: servers any, browsers the one of their token."""
        return self.key.kind is not KeyKind.PUB or self.token_user_id == user_id

    def require_user(self, user_id: str | None) -> None:
        """Refuse a user the caller may not speak for.

        Raises:
            ForbiddenError: It is a browser without that user's token.
        """
        if user_id is not None and not self.speaks_for(user_id):
            raise ForbiddenError("With a pub key a user_id needs that user's token in X-User-Token.")


@dataclass(frozen=True, slots=True)
class Requirement:
    """The dependency behind `Needs`: finds the caller and checks the scope."""

    scope: str

    async def __call__(
        self, request: Request, services: ServicesDep, settings: SettingsDep, credentials: Credentials
    ) -> Caller:
        """The caller. Raises `UnauthorizedError` or `ForbiddenError`."""
        key = await authenticate(services, credentials)
        return admit(key, self.scope, request=request, settings=settings)


class BrowserRequirement(Requirement):
    """The same where a browser may call: a user's token may come with its key."""

    async def __call__(
        self,
        request: Request,
        services: ServicesDep,
        settings: SettingsDep,
        credentials: Credentials,
        user_token: UserToken = None,
    ) -> Caller:
        """The caller. Raises `UnauthorizedError` or `ForbiddenError`."""
        key = await authenticate(services, credentials)
        return admit(key, self.scope, request=request, settings=settings, user_token=user_token)


def Needs(scope: str) -> object:  # noqa: N802  # reads as FastAPI's own Depends, Query, Header
    """A dependency on a caller whose key has this scope."""
    return Depends(BrowserRequirement(scope) if scope in PUB_SCOPES else Requirement(scope))


async def authenticate(services: Services, credentials: HTTPAuthorizationCredentials | None) -> ApiKey:
    """The key that a request came with. Raises `UnauthorizedError`."""
    if credentials is None:
        raise UnauthorizedError("Send a key: Authorization: Bearer rk_…")
    key: ApiKey = await services.keys.authenticate(credentials.credentials)
    return key


def admit(
    key: ApiKey, scope: str, *, request: Request, settings: ApiSettings, user_token: str | None = None
) -> Caller:
    """The caller behind an authenticated key.

    Raises:
        ForbiddenError: The key lacks the scope, or a server's key came from another site's page.
    """
    if scope not in key.scopes:
        raise ForbiddenError(f"This key lacks the scope {scope}.")
    if key.kind is not KeyKind.PUB:
        if _is_foreign_page(request):
            _log.warning("auth.key.leaked_to_browser", key_kind=key.kind.value)
            raise ForbiddenError("A server's key must never be used in a browser; revoke it.")
        return Caller(key)
    return Caller(key, token_user_id=user_of_token(user_token, settings=settings))


def user_of_token(token: str | None, *, settings: ApiSettings) -> str | None:
    """The user that a token proves; None where there is no token or it does not hold."""
    if token is None or len(token) > MAX_TOKEN_LENGTH or settings.user_token_secret is None:
        return None
    try:
        claims = jwt.decode(
            token,
            settings.user_token_secret,
            algorithms=["HS256"],
            audience=settings.user_token_audience,
            options={"require": ["sub", "exp", "aud"]},
        )
        subject, expires = check_id(claims["sub"]), float(claims["exp"])
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError) as error:
        _log.info("auth.user_token.refused", reason=type(error).__name__)
        return None
    if not subject or expires > time.time() + MAX_TOKEN_LIFE_S:
        _log.info("auth.user_token.refused", reason="lives too long")
        return None
    return subject


def _is_foreign_page(request: Request) -> bool:
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")
