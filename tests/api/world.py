"""The service as its callers meet it, over any stores, with one key of each kind and a little data."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import jwt
from fastapi.testclient import TestClient

from app.api.app import create_app
from app.api.drain import Drain
from app.api.settings import ApiSettings
from app.domain.ports import Stores
from app.domain.types import KeyKind
from app.services.container import Services
from app.telemetry import Metrics
from tests.clocks import FixedClock

T = TypeVar("T")
TOKEN_SECRET = "the shop's own secret, 32 bytes or more"
ORIGIN = "https://shop.example"
API_SETTINGS = ApiSettings(user_token_secret=TOKEN_SECRET, cors_origins=(ORIGIN,))


def user_token(user_id: str, **changes: Any) -> str:
    """What the shop's server signs for a browser."""
    claims = {"sub": user_id, "aud": "recserve", "exp": int(time.time()) + 600} | changes
    return jwt.encode(claims, TOKEN_SECRET, algorithm="HS256")


@dataclass(frozen=True, slots=True)
class World:
    """A running service and what a test needs to call it."""

    client: TestClient
    services: Services
    stores: Stores
    clock: FixedClock
    drain: Drain
    metrics: Metrics
    keys: Mapping[str, str]

    def headers(self, kind: str = "sec") -> dict[str, str]:
        """The header with a key of this kind; none for ``none``."""
        return {} if kind == "none" else {"Authorization": f"Bearer {self.keys[kind]}"}

    def call(self, method: str, path: str, *, kind: str = "sec", **options: Any) -> Any:
        """One request."""
        headers = self.headers(kind) | dict(options.pop("headers", {}))
        return self.client.request(method, path, headers=headers, **options)

    def run(self, function: Callable[..., Awaitable[T]], *arguments: Any, **options: Any) -> T:
        """Call a service on the application's own loop."""
        assert self.client.portal is not None
        return self.client.portal.call(partial(function, *arguments, **options))


@contextmanager
def running(
    services: Services,
    stores: Stores,
    clock: FixedClock,
    *,
    settings: ApiSettings = API_SETTINGS,
) -> Iterator[World]:
    """Start the application over these services and make its keys."""
    drain, metrics = Drain(), Metrics()
    app = create_app(services, settings, metrics=metrics, drain=drain, now=clock.now)
    with TestClient(app, raise_server_exceptions=False) as client:
        keys: dict[str, str] = {}
        world = World(client, services, stores, clock, drain, metrics, keys)
        for kind in KeyKind:
            _, keys[kind.value] = world.run(services.keys.create, kind)
        key, keys["revoked"] = world.run(services.keys.create, KeyKind.ADM)
        world.run(services.keys.revoke, key.key_id)
        soon = clock.now() + timedelta(seconds=1)
        _, keys["expired"] = world.run(services.keys.create, KeyKind.ADM, expires_at=soon)
        clock.move(seconds=2)
        yield world
