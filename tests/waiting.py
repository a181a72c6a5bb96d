"""Waiting for a condition, in place of sleeping and hoping."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from time import monotonic


async def until(condition: Callable[[], bool | Awaitable[bool]], *, within_s: float = 20.0) -> None:
    """Return once the condition holds; fail when it does not within `within_s`."""
    limit = monotonic() + within_s
    while True:
        held = condition()
        if await held if isawaitable(held) else held:
            return
        assert monotonic() < limit, f"did not happen within {within_s} s"
        await asyncio.sleep(0.01)
