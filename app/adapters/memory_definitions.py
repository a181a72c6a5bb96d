"""Scenarios, rules and settings in memory."""

from __future__ import annotations

from app.domain.errors import NotFoundError
from app.domain.ports import Clock
from app.domain.steering import Definition, DefinitionKind
from app.domain.types import JsonObject


class MemoryDefinitionStore:
    """Versions in lists, oldest first."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._versions: dict[tuple[DefinitionKind, str], list[Definition]] = {}
        self._revision = 0

    async def revision(self) -> int:
        """The revision of the newest write; 0 before the first."""
        return self._revision

    async def current(self) -> list[Definition]:
        """The newest version of each name that is not deleted, by kind and name."""
        newest = (versions[-1] for _, versions in sorted(self._versions.items()))
        return [one for one in newest if one.body is not None]

    async def history(self, kind: DefinitionKind, name: str) -> list[Definition]:
        """Every version, newest first; empty where the name was never used."""
        return self._versions.get((kind, name), [])[::-1]

    async def put(self, kind: DefinitionKind, name: str, body: JsonObject, *, by: str) -> Definition:
        """Write the next version."""
        return self._add(kind, name, body, by)

    async def delete(self, kind: DefinitionKind, name: str, *, by: str) -> None:
        """Write that it is gone; its versions stay. Raises `NotFoundError`."""
        versions = self._versions.get((kind, name), [])
        if not versions or versions[-1].body is None:
            raise NotFoundError(f"There is no such {kind}.")
        self._add(kind, name, None, by)

    def _add(self, kind: DefinitionKind, name: str, body: JsonObject | None, by: str) -> Definition:
        self._revision += 1
        versions = self._versions.setdefault((kind, name), [])
        made = Definition(kind, name, len(versions) + 1, body, self._revision, self._clock.now(), by)
        versions.append(made)
        return made
