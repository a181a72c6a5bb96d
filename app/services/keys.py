"""API keys: made once, shown once, recognised by digest."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import structlog

from app.domain.errors import FieldError, InvalidInputError, StorageUnavailableError, UnauthorizedError
from app.domain.ports import AuditLog, Clock, KeyStore
from app.domain.types import ApiKey, KeyKind
from app.telemetry import Metrics, failure

SCOPES = (
    "recommend",
    "events:write",
    "events:read",
    "catalogue:read",
    "catalogue:write",
    "users:read",
    "users:write",
    "admin",
)
SCOPES_OF: dict[KeyKind, frozenset[str]] = {
    KeyKind.PUB: frozenset({"recommend", "events:write"}),
    KeyKind.SEC: frozenset(SCOPES) - {"admin"},
    KeyKind.ADM: frozenset(SCOPES),
}
MAX_TOKEN_LENGTH = 128
FRESH_S = 2.0
STALE_S = 5.0
OUTAGE_S = 3600.0
REFRESH_WAIT_S = 0.15
RETRY_S = 1.0
TOUCH_EVERY_S = 60.0
QUIET_S = 1.0
CACHED_KEYS = 10_000

_REFUSED = "The key is not known, or it was revoked or has expired."
_KINDS = frozenset(map(str, KeyKind))
_NO_DIGEST = hashlib.sha256(b"").digest()
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Known:
    """A key as it was last read, and when; None: there was none.

    Attributes:
        quiet_until: Before it there is no need to ask whether its use is to be recorded.
    """

    key: ApiKey | None
    read_at: float
    tried_at: float
    touched_at: datetime | None = None
    quiet_until: float = 0.0


class Keys:
    """Makes, recognises, lists and revokes keys.

    A key is read again after two seconds while it is in use, so a revocation acts within five. While the
    database is down, keys already seen keep working: recommendations are served through an outage.

    Args:
        keys: The store.
        audit: Records what is made and revoked.
        clock: Wall time, for expiry.
        metrics: Counts answers given while the database was down.
        monotonic: Seconds that never go back.
    """

    def __init__(
        self,
        *,
        keys: KeyStore,
        audit: AuditLog,
        clock: Clock,
        metrics: Metrics | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._audit = audit
        self._clock = clock
        self._metrics = metrics or Metrics()
        self._monotonic = monotonic
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._refreshing: dict[str, asyncio.Task[_Known]] = {}
        self._touching: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Let what runs in the background end."""
        tasks = [*self._refreshing.values(), *self._touching]
        if tasks:
            await asyncio.wait(tasks, timeout=STALE_S)

    async def create(
        self,
        kind: KeyKind,
        *,
        name: str | None = None,
        expires_at: datetime | None = None,
        scopes: Iterable[str] | None = None,
        by: str = "cli",
    ) -> tuple[ApiKey, str]:
        """A new key and its text, which is not kept and cannot be shown again.

        Raises:
            InvalidInputError: A scope is unknown or beyond the kind.
        """
        wanted = SCOPES_OF[kind] if scopes is None else frozenset(scopes)
        if not wanted or not wanted <= SCOPES_OF[kind]:
            reason = f"a {kind} key may have: {', '.join(sorted(SCOPES_OF[kind]))}"
            raise InvalidInputError("The scopes are not valid.", [FieldError("/scopes", reason)])
        key_id, text = _new_text(kind)
        key = ApiKey(
            key_id=key_id,
            kind=kind,
            scopes=wanted,
            digest=_digest(text),
            name=name,
            created_at=self._clock.now(),
            expires_at=expires_at,
        )
        await self._keys.add(key)
        await self._audit.write(
            actor=by,
            action="key.created",
            target=key_id,
            detail={"kind": str(kind), "scopes": sorted(wanted)},
        )
        return key, text

    async def authenticate(self, token: str) -> ApiKey:
        """The key behind its text.

        Raises:
            UnauthorizedError: Unknown, revoked or expired.
            StorageUnavailableError: The database is down and this process has not seen the key.
        """
        key_id = _key_id(token)
        known = await self._look_up(key_id) if key_id is not None else None
        key = known.key if known is not None else None
        # Compared in any case, so that an unknown id takes as long as a wrong secret.
        same = hmac.compare_digest(_NO_DIGEST if key is None else key.digest, _digest(token))
        if known is None or key is None or not same or not self._valid(key):
            raise UnauthorizedError(_REFUSED)
        self._touch(known, key)
        return key

    def recognise(self, token: str) -> ApiKey | None:
        """The key behind its text, where this process has just seen it; None: `authenticate` finds out.

        Keeps to the same times as `authenticate`, without waiting for anything.
        """
        key_id, digest = _parts(token)
        known = None if key_id is None else self._known.get(key_id)
        if key_id is None or known is None or known.key is None:
            return None
        now, key = self._monotonic(), known.key
        age = now - known.read_at
        if age > STALE_S:
            return None
        if age > FRESH_S and now - known.tried_at > RETRY_S:
            self._refresh(key_id)
        if not hmac.compare_digest(key.digest, digest) or not self._valid(key):
            return None
        self._known.move_to_end(key_id)
        if now >= known.quiet_until:
            self._touch(known, key)
            known.quiet_until = now + QUIET_S
        return key

    async def list(self) -> list[ApiKey]:
        """Every key, newest first, revoked ones among them."""
        return await self._keys.all()

    async def revoke(self, key_id: str, *, by: str = "cli") -> None:
        """It works nowhere any more within five seconds, here at once. Raises `NotFoundError`."""
        await self._keys.revoke(key_id, self._clock.now())
        self._known.pop(key_id, None)
        await self._audit.write(actor=by, action="key.revoked", target=key_id, detail={})

    def _valid(self, key: ApiKey) -> bool:
        if key.revoked_at is not None:
            return False
        return key.expires_at is None or key.expires_at > self._clock.now()

    async def _look_up(self, key_id: str) -> _Known:
        known, now = self._known.get(key_id), self._monotonic()
        if known is None:
            return await asyncio.shield(self._refresh(key_id))
        self._known.move_to_end(key_id)
        age = now - known.read_at
        if age > FRESH_S and (age > STALE_S or now - known.tried_at > RETRY_S):
            known = await self._renewed(key_id, known, age=age)
        return known

    async def _renewed(self, key_id: str, known: _Known, *, age: float) -> _Known:
        if age <= STALE_S:
            self._refresh(key_id)
            return known
        if self._monotonic() - known.tried_at > RETRY_S:
            task = self._refresh(key_id)
            await asyncio.wait({task}, timeout=REFRESH_WAIT_S)
            if task.done() and task.exception() is None:
                return task.result()
        if age > OUTAGE_S:
            raise StorageUnavailableError("The key cannot be checked while the database is down.")
        self._metrics.degraded.labels("keys", "database down").inc()
        return known

    def _refresh(self, key_id: str) -> asyncio.Task[_Known]:
        task = self._refreshing.get(key_id)
        if task is None:
            if (known := self._known.get(key_id)) is not None:
                known.tried_at = self._monotonic()
            task = asyncio.ensure_future(self._read(key_id))
            self._refreshing[key_id] = task
            task.add_done_callback(lambda done: self._refreshed(key_id, done))
        return task

    def _refreshed(self, key_id: str, task: asyncio.Task[_Known]) -> None:
        self._refreshing.pop(key_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("key.read.failed", **failure(error))

    async def _read(self, key_id: str) -> _Known:
        begun = self._monotonic()
        key = await self._keys.get(key_id)
        old = self._known.get(key_id)
        fresh = _Known(key, begun, begun, old.touched_at if old is not None else None)
        self._known[key_id] = fresh
        while len(self._known) > CACHED_KEYS:
            self._known.popitem(last=False)
        return fresh

    def _touch(self, known: _Known, key: ApiKey) -> None:
        now = self._clock.now()
        last = known.touched_at or key.last_used_at
        if last is not None and now - last < timedelta(seconds=TOUCH_EVERY_S):
            return
        known.touched_at = now
        task = asyncio.ensure_future(self._record_use(key.key_id, now))
        self._touching.add(task)
        task.add_done_callback(self._touching.discard)

    async def _record_use(self, key_id: str, at: datetime) -> None:
        try:
            await self._keys.touch(key_id, at)
        except StorageUnavailableError as error:
            self._metrics.degraded.labels("keys", "use not recorded").inc()
            _log.info("key.touch.failed", **failure(error))


def _new_text(kind: KeyKind) -> tuple[str, str]:
    key_id = _random_letters(10)
    return key_id, f"rk_{kind}_{key_id}_{_random_letters(20)}"


def _random_letters(size: int) -> str:
    """`size` random bytes, a multiple of 5, in lower-case letters and digits."""
    return base64.b32encode(secrets.token_bytes(size)).decode("ascii").lower()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@lru_cache(maxsize=1024)
def _parts(token: str) -> tuple[str | None, bytes]:
    """Public part and digest of a text that comes again and again."""
    return _key_id(token), _digest(token)


def _key_id(token: str) -> str | None:
    """The public part of a key's text; None where it cannot be one."""
    parts = token.split("_")
    well_formed = len(parts) == 4 and len(token) <= MAX_TOKEN_LENGTH and token.isascii()
    if not well_formed or parts[0] != "rk" or parts[1] not in _KINDS or not parts[2].isalnum():
        return None
    return parts[2]
