"""What the HTTP layer needs to know; `bootstrap.py` fills it from the service's settings."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.domain.errors import InvalidInputError

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Settings of the HTTP layer alone.

    Attributes:
        user_token_secret: Signs the user tokens that go with `pub` keys (HS256); None: browsers are guests.
        user_token_audience: The `aud` of such a token, where it has one.
        cors_origins: Exact origins whose pages may call what a `pub` key may call.
        docs: Whether `/docs` and `/openapi.json` are served.
        max_body_bytes: The largest request body, counted as it arrives.
        most_in_flight: Requests in the works at once, at most.
        body_timeout_s: How long a body may take to arrive.
    """

    user_token_secret: str | None = None
    user_token_audience: str = "recserve"  # noqa: S105  # a name, not a secret
    cors_origins: tuple[str, ...] = ()
    docs: bool = True
    max_body_bytes: int = 512 * 1024
    body_timeout_s: float = 10.0
    most_in_flight: int = 256

    def __post_init__(self) -> None:
        """Refuse origins that are none, above all `*`.

        Raises:
            InvalidInputError: An origin is not `scheme://host[:port]`.
        """
        for origin in self.cors_origins:
            if _ORIGIN.fullmatch(origin) is None:
                raise InvalidInputError(
                    "RECSERVE_CORS_ORIGINS takes origins as a browser sends them, such as https://shop.example."
                )
