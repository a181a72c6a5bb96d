"""A client that sees every way a request can end, and costs little."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LOST = 0
"""The status of a request that had no answer: refused, reset, cut off, or not in time."""


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request ended.

    Attributes:
        status: `LOST` where there was no answer.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 (whatever was answered)
        """The body."""
        return json.loads(self.body)


NO_REPLY = Reply(LOST, {}, b"")


class Client:
    """One keep-alive connection at a time, made anew when it has gone.

    Args:
        port: On 127.0.0.1.
        key: An API key's text; None: none is sent.
        timeout_s: Of one request, connecting included.
    """

    def __init__(self, port: int, key: str | None, *, timeout_s: float = 30.0) -> None:
        self._port, self._key, self._timeout_s = port, key, timeout_s
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> Reply:
        """Ask."""
        return await self.request("GET", path)

    async def post(self, path: str, document: object) -> Reply:
        """Send JSON."""
        return await self.request("POST", path, json.dumps(document).encode())

    async def request(self, method: str, path: str, body: bytes = b"") -> Reply:
        """One request; `NO_REPLY` where it had no answer."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(self._head(method, path, body) + body)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            self.drop()
            return NO_REPLY

    async def send_half(self, method: str, path: str, body: bytes, *, share: float) -> None:
        """Send a part of a request and go away."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                _, writer = await self._connected()
                whole = self._head(method, path, body) + body
                writer.write(whole[: int(len(whole) * share)])
                await writer.drain()
        self.drop()

    def drop(self) -> None:
        """Close the connection at once."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    def _head(self, method: str, path: str, body: bytes) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", "Host: faults", f"Content-Length: {len(body)}"]
        if body:
            lines.append("Content-Type: application/json")
        if self._key is not None:
            lines.append(f"Authorization: Bearer {self._key}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and self._streams[0].at_eof():
            self.drop()
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=2**22)
        return self._streams

    async def _exchange(self, request: bytes) -> Reply:
        reader, writer = await self._connected()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        parts = [line.partition(":") for line in head[1:]]
        headers = {name.strip().lower(): value.strip() for name, _, value in parts}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            self.drop()
        return Reply(int(head[0].split(" ")[1]), headers, body)
