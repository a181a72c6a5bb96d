"""Whether there is room for more events: on a full disk SQLite cannot even delete."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import sqlalchemy as sa
import structlog

from app.adapters.sql.engine import Database
from app.domain.errors import StorageUnavailableError

LEAST_SHARE = 0.05
LEAST_BYTES = 64 * 2**20
RETRY_AFTER_S = 30

_log = structlog.get_logger(__name__)


class FreeSpace:
    """The room that SQLite has left; its last part is kept for deletes and for everything but events.

    Pages that deletes have freed inside the file count as room. PostgreSQL's disk is not ours to look at.

    Args:
        database: Whose file's disk is looked at.
        least_share: Of the disk, that stays free.
        least_bytes: That stay free at most, however large the disk is.
    """

    def __init__(
        self, database: Database, *, least_share: float = LEAST_SHARE, least_bytes: int = LEAST_BYTES
    ) -> None:
        self._database = database
        self._least_share, self._least_bytes = least_share, least_bytes
        self._folder = Path(str(database.engine.url.database)).parent if database.is_sqlite else None

    async def require(self) -> None:
        """Nothing, where there is room.

        Raises:
            StorageUnavailableError: There is none for more events.
        """
        if self._folder is None:
            return
        disk = shutil.disk_usage(self._folder)
        least = min(int(disk.total * self._least_share), self._least_bytes)
        if disk.free >= least or disk.free + await self._freed_inside() >= least:
            return
        _log.warning("database.space.low", free_bytes=disk.free, least_bytes=least)
        raise StorageUnavailableError("The database's disk is nearly full.", retry_after_s=RETRY_AFTER_S)

    async def _freed_inside(self) -> int:
        pages, size = await asyncio.gather(
            self._database.fetch(sa.text("PRAGMA freelist_count")),
            self._database.fetch(sa.text("PRAGMA page_size")),
        )
        return int(pages[0][0]) * int(size[0][0])
