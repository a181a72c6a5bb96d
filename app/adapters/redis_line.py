"""One connection to Redis kept for one asker: through the pool a command costs several times as much."""

from __future__ import annotations

from typing import Any

from redis.asyncio.connection import ConnectionPool
from redis.exceptions import ConnectionError  # noqa: A004  # as the library calls it


class Line:
    """A connection of its own, made when first asked, and again after anything went wrong with it.

    One question at a time: whoever asks waits for the answer before the next (a `Batcher` does).

    Args:
        pool: Makes the connection, which is never given to the pool.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool: Any = pool  # whose methods the stubs leave untyped
        self._connection: Any = None

    async def ask(self, *command: str) -> Any:  # noqa: ANN401 (whatever Redis answers)
        """The answer. Raises redis-py's errors; they and a cancellation end the connection."""
        old = self._connection
        if old is not None:
            try:
                return await self._ask(old, command)
            except ConnectionError:
                pass  # The server has ended it since the last question, which says nothing of the next.
        made = self._connection = self._pool.make_connection()
        return await self._ask(made, command)

    async def _ask(self, connection: Any, command: tuple[str, ...]) -> Any:  # noqa: ANN401
        try:
            if not connection.is_connected:
                await connection.connect()
            await connection.send_command(*command, check_health=False)
            return await connection.read_response()
        except BaseException:
            # What comes of this question must not be read as the answer to the next.
            self._connection = None
            await connection.disconnect(nowait=True)
            raise

    async def close(self) -> None:
        """End the connection; the next question makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
