"""Stamped lists in Redis, shared by every process.

What a list depends on (a user, a session, the catalogue) has a stamp: a random value. A list is stored behind
the stamps it was made under, and served only while they are still the ones. Changing a stamp is all it takes
to make every older list of it unservable, those included that are still being computed.

Nothing here raises: a cache that fails is a miss, logged once and counted. Three dangers have a guard each:

- A stamp that could not be changed because Redis was away. Until it has been changed, this process serves no
  cached list at all. When too many are waiting, the stamp `epoch`, which every list carries, is changed in
  their place.
- A Redis that comes back with older data (a restart from its file, a replica that took over). Its run and
  replication ids are a part of each key, so lists of another life of the server are never seen.
- Values that are not ours. The body stands behind stamps and a checksum; anything else is a miss and deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import re
import secrets
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import structlog
from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError, RedisError

from app.adapters.batcher import Batcher
from app.adapters.redis_line import Line
from app.domain.breaker import Breaker
from app.domain.errors import InvalidInputError
from app.domain.ports import CacheRead
from app.telemetry import Metrics, failure

T = TypeVar("T")
_log = structlog.get_logger(__name__)

TIMEOUT_S = 0.05
MAX_BODY_BYTES = 256 * 1024
MAX_UNFLUSHED = 10_000
BUMPED_AT_ONCE = 500
MAX_BATCH = 512
KEYS_KEPT = 4096
STAMP_TTL_S = 24 * 3600
EPOCH = "epoch"
STAMP_BYTES = 9
STAMP = re.compile(rb"[A-Za-z0-9_-]{12}")
DATABASE = re.compile(r"(/\d*)?")
LIST = re.compile(rb"2\|[A-Za-z0-9_.-]+\|[0-9a-f]{8}\|")
# KEYS: the stamps, then the list. ARGV: the stamps expected, one each; the value; its life in ms.
_STORE = """
for i = 1, #KEYS - 1 do
  if redis.call('GET', KEYS[i]) ~= ARGV[i] then return 0 end
end
redis.call('SET', KEYS[#KEYS], ARGV[#KEYS], 'PX', ARGV[#KEYS + 1])
return 1
"""
MISS = CacheRead(body=None, token=None)


class _Elsewhere(Exception):  # noqa: N818  # not an error: the server is another one than the keys were made for
    """The connection was made anew to another server, or to another life of it."""


class _Question(NamedTuple):
    """Stamps and a list, asked of one server: the packed command, and the keys in it."""

    command: bytes
    stamps: list[str]
    place: str


class RedisListCache:
    """Lists in Redis behind the stamps of what they depend on.

    Args:
        url: `redis://…`.
        tenant: Whose lists.
        ttl_s: Seconds a list is kept at most; each up to two thirds less, so that they do not end together.
        metrics: Counts what went wrong.
        timeout_s: Seconds for one operation, connecting included.
        flush_every_s: Seconds between attempts to change stamps that could not be changed.
        max_unflushed: Such stamps remembered one by one; beyond it, all lists are given up.

    Raises:
        InvalidInputError: The address is not one of Redis.
    """

    def __init__(
        self,
        url: str,
        *,
        tenant: str,
        ttl_s: float,
        metrics: Metrics,
        timeout_s: float = TIMEOUT_S,
        flush_every_s: float = 0.2,
        max_unflushed: int = MAX_UNFLUSHED,
    ) -> None:
        self._tenant = tenant
        self._ttl_ms = max(1, int(ttl_s * 1000))
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._flush_every_s = flush_every_s
        self._max_unflushed = max_unflushed
        self._unflushed: set[str] = set()
        self._being_flushed: set[str] = set()
        self._flusher: asyncio.Task[None] | None = None
        self._flushing = asyncio.Lock()
        self._trial: asyncio.Task[Any] | None = None
        self._breaker = Breaker(failures=5, open_s=0.5, apart_s=0.01)
        self._server: str | None = None
        self._greeting = asyncio.Lock()
        self._redis = client_of(url, timeout_s, self._on_connect)
        self._line = Line(self._redis.connection_pool, timeout_s=timeout_s)
        self._finishing: set[asyncio.Task[Any]] = set()
        self._new_stamps = Batcher(self._give_stamps, most=MAX_BATCH, timeout_s=timeout_s)
        self._store_script = self._redis.register_script(_STORE)
        # The catalogue's and the epoch's are a part of every list.
        self._stamp_key = lru_cache(maxsize=KEYS_KEPT)(
            lambda server, subject: f"recserve:{server}:s:{self._digest(subject)}"
        )
        self._question = lru_cache(maxsize=KEYS_KEPT)(self._asked)
        self._jitter = random.Random(secrets.randbits(64))  # noqa: S311  # spreads ends of life; no secret

    async def read(self, subjects: Sequence[str], key: str) -> CacheRead:
        """Stamps and body in one round trip; two if a stamp is missing."""
        # Who finds the flush under way does not wait for it: a stopped Redis would make a queue of them.
        if self.unflushed and (self._flushing.locked() or not await self._flush()):
            return MISS
        found = await self._guarded("read", lambda: self._read(_stamped(subjects), key))
        # A stamp may have failed to change while this was on its way.
        return MISS if found is None or self.unflushed else found

    def look(self, subjects: Sequence[str], key: str, done: Callable[[CacheRead], None]) -> None:
        """As `read`, but `done` gets what it gives: at a fraction of the cost where nothing is amiss."""
        server, breaker = self._server, self._breaker
        if server is None or breaker.is_open or self._unflushed or self._being_flushed:
            self._finish(self.read(subjects, key), done)
            return
        question = self._question(server, (*subjects, EPOCH), key)

        def judge(reply: Any) -> None:  # noqa: ANN401 (whatever Redis answers)
            # A list is only ever stored behind stamps that are ones: behind any other text there is none.
            if type(reply) is list and None not in reply and server == self._server and not self.unflushed:
                value = reply.pop()
                token = b".".join(reply)
                body = _behind(value, b"2|%b|" % token)
                if body is not None:
                    breaker.succeeded()
                    done(CacheRead(body, token.decode("ascii")))
                    return
                reply.append(value)
            self._finish(self._judged(question, server, reply, subjects, key), done)

        self._line.ask(question.command, judge)

    async def store(self, subjects: Sequence[str], key: str, body: bytes, *, token: str) -> None:
        """Keep the body if no stamp has changed since `token` was read."""
        if self.unflushed or len(body) > MAX_BODY_BYTES:
            return
        work = partial(self._store, _stamped(subjects), key, body, token)
        await self._guarded("store", partial(self._timed, work))

    async def bump(self, subjects: Sequence[str]) -> None:
        """Change the stamps; where that fails, remember it and serve nothing until it is done."""
        if not subjects:
            return
        if not self.unflushed and await self._bump_all("bump", subjects):
            return
        self._remember(subjects)
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._keep_flushing(), name="list_cache.flush")

    async def ping(self) -> bool:
        """Whether it works now."""
        return bool(await self._guarded("ping", partial(self._timed, self._ping)))

    async def close(self) -> None:
        """End the connections. Lists of other processes that wait for a new stamp live to their end."""
        if self._flusher is not None:
            self._flusher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._flusher
        if self._trial is not None:
            await asyncio.wait({self._trial}, timeout=self._timeout_s)
        self._line.close()
        if self._finishing:
            await asyncio.wait(self._finishing, timeout=self._timeout_s)
        await self._new_stamps.stop()
        await self._redis.aclose(close_connection_pool=True)

    @property
    def unflushed(self) -> int:
        """Stamps that wait to be changed."""
        return len(self._unflushed) + len(self._being_flushed)

    # --- Commands: each builds its keys for one server and finds out whether it spoke to that one ---

    async def _read(self, subjects: Sequence[str], key: str) -> CacheRead:
        server = await self._known_server()
        question = self._question(server, tuple(subjects), key)
        return await self._found(server, question, await self._line.answer(question.command))

    async def _judged(
        self,
        question: _Question,
        server: str,
        reply: Any,  # noqa: ANN401 (whatever Redis answers)
        subjects: Sequence[str],
        key: str,
    ) -> CacheRead:
        """What a look gives whose answer is not simply a list that holds."""
        first = [reply]

        async def settled() -> CacheRead:
            if not first:  # it was another server
                return await self._read(_stamped(subjects), key)
            answer = first.pop()
            if isinstance(answer, Exception):
                raise answer
            return await self._found(server, question, answer)

        found = await self._called("look", settled)
        return MISS if found is None or self.unflushed else found

    async def _found(self, server: str, question: _Question, reply: list[bytes | None]) -> CacheRead:
        self._check(server)
        *stamps, value = reply
        token = _token_of(stamps)
        if token is None:
            pairs = zip(question.stamps, stamps, strict=True)
            given = await self._new_stamps.get([(name, _is_garbage(stamp)) for name, stamp in pairs])
            self._check(server)
            return CacheRead(body=None, token=_token_of(given))
        body = _body_of(value, token)
        if body is None and value is not None:
            await self._discard(server, question.place, value, token)
        return CacheRead(body=body, token=token)

    def _finish(self, work: Coroutine[Any, Any, CacheRead], done: Callable[[CacheRead], None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="list_cache.look")
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        task.add_done_callback(
            lambda task: done(MISS if task.cancelled() or task.exception() is not None else task.result())
        )

    async def _give_stamps(self, wanted: Sequence[tuple[str, bool]]) -> dict[tuple[str, bool], bytes | None]:
        """Give a stamp to each key that has none, or holds garbage; returns what all of them have then."""
        names = [name for name, _ in wanted]
        pipeline = self._redis.pipeline(transaction=False)
        for name, garbage in wanted:
            if garbage:
                self._metrics.degraded.labels("list_cache", "garbage").inc()
            # Only if it is still missing: another process may have been first.
            pipeline.set(name, _new_stamp(), ex=STAMP_TTL_S, nx=not garbage)
        pipeline.mget(names)
        stamps: list[bytes | None] = (await pipeline.execute())[-1]
        strange = [name for name, stamp in zip(names, stamps, strict=True) if stamp is None]
        if strange:
            # There, but no text: neither read nor set if missing. Without it the next look gives a stamp.
            await self._redis.delete(*strange)
        return dict(zip(wanted, stamps, strict=True))

    async def _discard(self, server: str, place: str, value: bytes, token: str) -> None:
        """Delete what is garbage; a list under older stamps is left, for the next store to replace."""
        if LIST.match(value) and not value.startswith(_head(token)):
            return
        self._metrics.degraded.labels("list_cache", "garbage").inc()
        await self._redis.delete(place)
        self._check(server)

    async def _store(self, subjects: Sequence[str], key: str, body: bytes, token: str) -> bool:
        server = await self._known_server()
        stamps = token.split(".")
        if len(stamps) != len(subjects):
            return False
        keys = [*self._keys(server, subjects), self._place(server, subjects, key)]
        life = self._ttl_ms - self._jitter.randrange(2 * self._ttl_ms // 3 + 1)
        await self._store_script(keys=keys, args=[*stamps, _value_of(body, token), max(1, life)])
        self._check(server)
        return True

    async def _bump_all(self, what: str, subjects: Sequence[str]) -> bool:
        """Slice by slice, so that many take many timeouts in place of running over one."""
        for start in range(0, len(subjects), BUMPED_AT_ONCE):
            part = subjects[start : start + BUMPED_AT_ONCE]
            if not await self._guarded(what, partial(self._timed, partial(self._bump, part))):
                return False
        return True

    async def _bump(self, subjects: Sequence[str]) -> bool:
        server = await self._known_server()
        pipeline = self._redis.pipeline(transaction=False)
        for name in self._keys(server, subjects):
            pipeline.set(name, _new_stamp(), ex=STAMP_TTL_S)
        await pipeline.execute()
        self._check(server)
        return True

    async def _ping(self) -> bool:
        return bool(await self._redis.ping())

    # --- Stamps that could not be changed ---

    def _remember(self, subjects: Sequence[str]) -> None:
        self._metrics.degraded.labels("list_cache", "unflushed").inc()
        if EPOCH in self._unflushed:
            return
        self._unflushed.update(subjects)
        if len(self._unflushed) > self._max_unflushed:
            _log.warning("list_cache.unflushed.overflowed", most=self._max_unflushed)
            self._unflushed = {EPOCH}

    async def _flush(self) -> bool:
        """Change what waits. True where nothing waits any more."""
        async with self._flushing:
            # Moved, not copied: a stamp that fails to change again from here on must wait for its own turn.
            self._being_flushed, self._unflushed = self._unflushed, set()
            waiting = sorted(self._being_flushed)
            done = await self._bump_all("flush", waiting)
            self._being_flushed = set()
            if not done:
                self._remember(waiting)
            return not self._unflushed

    async def _keep_flushing(self) -> None:
        while True:
            if await self._flush():
                _log.info("list_cache.unflushed.flushed")
                return
            await asyncio.sleep(self._flush_every_s)

    # --- The server ---

    async def _on_connect(self, connection: AbstractConnection) -> None:
        try:
            await connection.on_connect()
            await connection.send_command("INFO")
            self._server = _identity(await connection.read_response())
        except BaseException:
            # Half greeted it would hand the answer to this to the next who asks something.
            await connection.disconnect(nowait=True)
            raise

    async def _known_server(self) -> str:
        if self._server is None:
            async with self._greeting:
                if self._server is None:
                    await self._timed(self._ping)
        if self._server is None:
            raise _Elsewhere
        return self._server

    def _check(self, server: str) -> None:
        if self._server != server:
            raise _Elsewhere

    async def _guarded(self, what: str, call: Callable[[], Awaitable[T]]) -> T | None:
        """The call's answer, or None where it failed in any of the ways a cache may."""
        if self._breaker.is_open:
            self._try_again()
            return None
        return await self._called(what, call)

    def _try_again(self) -> None:
        # In the background: no caller waits for a server that may still not answer.
        if (self._trial is None or self._trial.done()) and self._breaker.allows():
            trial = self._called("trial", partial(self._timed, self._ping))
            self._trial = asyncio.create_task(trial, name="list_cache.trial")

    async def _called(self, what: str, call: Callable[[], Awaitable[T]]) -> T | None:
        try:
            answer = await self._twice(call)
        except (RedisError, OSError, TimeoutError, _Elsewhere) as error:
            self._metrics.degraded.labels("list_cache", type(error).__name__).inc()
            if isinstance(error, ReadOnlyError):
                # It became a replica under an open connection: what it will be next must be asked anew.
                await self._redis.connection_pool.disconnect(inuse_connections=False)
                self._line.close()
            if self._breaker.failed():
                _log.warning("list_cache.breaker.opened", operation=what, **failure(error))
            return None
        if self._breaker.is_open:
            _log.info("list_cache.breaker.closed")
        self._breaker.succeeded()
        return answer

    async def _timed(self, call: Callable[[], Awaitable[T]]) -> T:
        async with asyncio.timeout(self._timeout_s):
            return await call()

    async def _twice(self, call: Callable[[], Awaitable[T]]) -> T:
        """Once more where the server turned out to be another one: the keys are made for it then."""
        try:
            return await call()
        except _Elsewhere:
            return await call()

    def _asked(self, server: str, subjects: tuple[str, ...], key: str) -> _Question:
        stamps, place = self._keys(server, subjects), self._place(server, subjects, key)
        command: tuple[Any, ...] = ("MGET", *stamps, place)
        return _Question(pack_command(command), stamps, place)

    def _keys(self, server: str, subjects: Sequence[str]) -> list[str]:
        return [self._stamp_key(server, subject) for subject in subjects]

    def _place(self, server: str, subjects: Sequence[str], key: str) -> str:
        return f"recserve:{server}:l:{self._digest(*subjects, key)}"

    def _digest(self, *parts: str) -> str:
        """Ids never stand in keys; lengths keep two lists of parts from reading alike."""
        framed = b"".join(
            len(raw).to_bytes(4, "big") + raw for raw in map(str.encode, (self._tenant, *parts))
        )
        return hashlib.blake2b(framed, digest_size=16).hexdigest()


def client_of(
    url: str,
    timeout_s: float,
    on_connect: Callable[[AbstractConnection], Awaitable[None]] | None = None,
) -> Redis:
    """A client that gives up in time and never tries again by itself.

    Raises:
        InvalidInputError: The address is not one of Redis.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "health_check_interval": 0,
        "protocol": 2,
        "driver_info": None,
        "max_connections": 16,
        "timeout": timeout_s,  # for a connection to come free
        "redis_connect_func": on_connect,
    }
    # redis-py reads a database that is no number as 0.
    try:
        parts = urlsplit(url)
        is_known = parts.scheme == "unix" or DATABASE.fullmatch(parts.path) is not None
        # The stubs leave the pool's methods untyped.
        pool: Any = BlockingConnectionPool.from_url(url, **options)
        # Nothing is connected yet; an option in the address that does not exist is found out here.
        pool.make_connection()
    except (ValueError, TypeError):
        is_known = False
    if not is_known:
        # Not in the library's words, which may quote the address and with it the password.
        raise InvalidInputError("The address must be redis://HOST:PORT/NUMBER.")
    return Redis(connection_pool=pool)


def _stamped(subjects: Sequence[str]) -> tuple[str, ...]:
    return (*subjects, EPOCH)


def _new_stamp() -> str:
    return secrets.token_urlsafe(STAMP_BYTES)


def _token_of(stamps: Sequence[bytes | None]) -> str | None:
    """The stamps as one text, or None where one is missing or is none."""
    if not all(stamp is not None and STAMP.fullmatch(stamp) for stamp in stamps):
        return None
    return b".".join(stamp for stamp in stamps if stamp is not None).decode("ascii")


def _is_garbage(value: bytes | None) -> bool:
    return value is not None and not STAMP.fullmatch(value)


def _head(token: str) -> bytes:
    return f"2|{token}|".encode()


def _value_of(body: bytes, token: str) -> bytes:
    return _head(token) + b"%08x|" % zlib.crc32(body) + body


def _body_of(value: bytes | None, token: str) -> bytes | None:
    """The body, if it stands whole behind these stamps."""
    return None if value is None else _behind(value, _head(token))


def _behind(value: bytes, head: bytes) -> bytes | None:
    start = len(head) + 9
    if not value.startswith(head) or len(value) > MAX_BODY_BYTES + start:
        return None
    body = value[start:]
    return body if value[len(head) : start] == b"%08x|" % zlib.crc32(body) else None


def _identity(info: object) -> str:
    """The server's life: its run and, for the sake of replicas that take over, its replication."""
    text = info.decode("ascii", "replace") if isinstance(info, bytes) else str(info)
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    life = f"{lines.get('run_id', '')}/{lines.get('master_replid', '')}/{lines.get('role', '')}"
    return hashlib.blake2b(life.encode(), digest_size=6).hexdigest()
