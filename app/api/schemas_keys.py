"""Bodies and answers of the key calls."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.api.values import Answer, Line, Schema, Timestamp
from app.domain.types import ApiKey

Kind = Literal["pub", "sec", "adm"]
Scope = Literal[
    "recommend",
    "events:write",
    "events:read",
    "catalogue:read",
    "catalogue:write",
    "users:read",
    "users:write",
    "admin",
]


class KeyBody(Schema):
    """The key that is wanted."""

    kind: Kind = Field(description="`pub` for browsers, `sec` for servers, `adm` for administration.")
    name: Line | None = Field(default=None, description="What it is for, as a note to yourself.")
    scopes: Annotated[list[Scope], Field(min_length=1)] | None = Field(
        default=None, description="Fewer than its kind gives; all of them, if left out."
    )
    expires_at: Timestamp | None = Field(default=None, description="Never, if left out.")


class KeyAnswer(Answer):
    """A key without its secret."""

    key_id: str
    kind: Kind
    name: str | None
    scopes: list[str]
    created_at: Timestamp | None
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    last_used_at: Timestamp | None

    @classmethod
    def of(cls, key: ApiKey) -> KeyAnswer:
        """The answer for a stored key."""
        return cls(**_shown(key))


class NewKeyAnswer(KeyAnswer):
    """A key just made: the one time its secret is shown."""

    key: str = Field(description="Keep it: it is not shown again.", examples=["rk_sec_01ab_…"])

    @classmethod
    def with_secret(cls, key: ApiKey, secret: str) -> NewKeyAnswer:
        """The answer for a new key."""
        return cls(**_shown(key), key=secret)


class KeysAnswer(Answer):
    """All keys, newest first."""

    keys: list[KeyAnswer]


def _shown(key: ApiKey) -> dict[str, object]:
    return {
        "key_id": key.key_id,
        "kind": key.kind.value,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }
