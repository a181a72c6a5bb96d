"""Who calls: the key in `Authorization`, what it may do, and for whom a browser speaks.

A route says what it needs with one parameter::

    caller: Annotated[Caller, Needs("catalogue:write")]
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import jwt
import structlog
from fastapi import Depends, Header
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request
from starlette.types import Scope

from app.api.context import ServicesDep, SettingsDep
from app.api.settings import ApiSettings
from app.api.values import check_id
from app.domain.errors import ForbiddenError, UnauthorizedError
from app.domain.types import ApiKey, KeyKind

if TYPE_CHECKING:
    from app.services.container import Services

MAX_TOKEN_LIFE_S = 24 * 3600
MAX_TOKEN_LENGTH = 4096
USER_TOKEN_HEADER = "X-User-Token"  # noqa: S105  # a header's name
COUNTED = "recserve.counted"
"""In the scope of a request that was counted against its key."""
PUB_SCOPES = frozenset({"recommend", "events:write"})
# Why a user_id does not count, as said of it. They are told to whoever holds a key, so they name nobody.
NO_PROOF = "needs that user's token in X-User-Token, as the key is a pub key"
NO_PROOF_HERE = "cannot be proved, as this service has no secret for user tokens"
BAD_PROOF = (
    "comes with a user token that is not valid or has expired: it must be a JWT signed by the shop's server "
    "with HS256 and the claims sub (the user's id), exp (at most 24 hours ahead) and, if any, aud (recserve)"
)
OTHER_USER = "is not the user that the user token is for"
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
        alias=USER_TOKEN_HEADER,
        description=(
            "With a `pub` key: a JWT (HS256) of the shop's server with `sub`, the user's id, `exp` at most "
            "24 hours ahead and, if any, `aud` `recserve`."
        ),
    ),
]


@dataclass(frozen=True, slots=True)
class Caller:
    """A request's key, and the user that a browser has proved to speak for.

    Attributes:
        token_user_id: The `sub` of a valid user token; None without one, and for other kinds of key.
        token_fault: Why there is no such user.
    """

    key: ApiKey
    token_user_id: str | None = None
    token_fault: str = NO_PROOF

    @property
    def actor(self) -> str:
        """The name under which the audit log records this caller."""
        return f"key:{self.key.key_id}"

    def refusal_of(self, user_id: str | None) -> str | None:
        """Why this caller may not name that user; servers may name any, browsers the one of their token."""
        if user_id is None or self.key.kind is not KeyKind.PUB or self.token_user_id == user_id:
            return None
        return self.token_fault if self.token_user_id is None else OTHER_USER

    def require_user(self, user_id: str | None) -> None:
        """Refuse a user the caller may not speak for.

        Raises:
            ForbiddenError: It is a browser without that user's token.
        """
        refusal = self.refusal_of(user_id)
        if refusal is not None:
            raise ForbiddenError(f"The user_id {refusal}.")


@dataclass(frozen=True, slots=True)
class Requirement:
    """The dependency behind `Needs`: finds the caller and checks the scope."""

    scope: str

    async def __call__(
        self, request: Request, services: ServicesDep, settings: SettingsDep, credentials: Credentials
    ) -> Caller:
        """The caller. Raises `UnauthorizedError` or `ForbiddenError`."""
        key = await authenticate(services, credentials)
        await spend(services, key, request)
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
        await spend(services, key, request)
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


async def spend(services: Services, key: ApiKey, request: Request) -> None:
    """Count the request against its key, once. Raises `RateLimitedError` or `UnavailableError`."""
    if not request.scope.get(COUNTED):
        request.scope[COUNTED] = True
        await services.quotas.spend(key, address_of(request.scope))


def address_of(scope: Scope) -> str:
    """Who is on the other end of the connection; what a header says of it proves nothing."""
    client = scope.get("client")
    return client[0] if client else ""


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
    if user_token is None:
        return Caller(key)
    user_id = user_of_token(user_token, settings=settings)
    return Caller(key, user_id, NO_PROOF_HERE if settings.user_token_secret is None else BAD_PROOF)


def user_of_token(token: str, *, settings: ApiSettings) -> str | None:
    """The user that a token proves; None where it does not hold."""
    if len(token) > MAX_TOKEN_LENGTH or settings.user_token_secret is None:
        return None
    try:
        claims = jwt.decode(
            token,
            settings.user_token_secret,
            algorithms=["HS256"],
            # checked below: the library knows no audience that may be left out
            options={"require": ["sub", "exp"], "verify_aud": False},
        )
        subject, expires = check_id(claims["sub"]), float(claims["exp"])
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError) as error:
        _log.info("auth.user_token.refused", reason=type(error).__name__)
        return None
    if not _is_for_us(claims, settings.user_token_audience):
        _log.info("auth.user_token.refused", reason="made for another audience")
        return None
    if not subject or expires > time.time() + MAX_TOKEN_LIFE_S:
        _log.info("auth.user_token.refused", reason="lives too long")
        return None
    return subject


def _is_for_us(claims: dict[str, Any], audience: str) -> bool:
    given = claims.get("aud", audience)
    return given == audience or (isinstance(given, list) and audience in given)


def _is_foreign_page(request: Request) -> bool:
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")
