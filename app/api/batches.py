"""Bodies that hold a list of independent entries: one bad entry never fails its neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError

from app.api.problems import field_errors
from app.api.strict_json import MAX_FAULTS, check_depth, faults, pointer
from app.api.values import check_id
from app.domain.errors import FieldError, InvalidInputError, TooLargeError

MAX_ENTRIES = 500
_ENTRIES_A_TURN = 50
M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Entry(Generic[M]):
    """One entry of a batch: its model, or what is wrong with it.

    Attributes:
        given_id: The id it came with, if that much of it can be read.
    """

    index: int
    given_id: str | None
    model: M | None
    errors: tuple[FieldError, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchOf(Generic[M]):
    """How a batch is laid out.

    Attributes:
        member: Holds the entries.
        judge: Makes an entry's model, or raises pydantic's `ValidationError`.
        id_name: The member with an entry's id.
        quick: Reads an entry that is plainly good; None for any other, which `judge` then decides on.
    """

    member: str
    judge: Callable[[object], M]
    id_name: str
    quick: Callable[[object], M | None] = lambda _: None

    async def split(self, document: object, *, extra: frozenset[str] = frozenset()) -> list[Entry[M]]:
        """Each entry on its own; other requests get their turn in between.

        Args:
            document: What `strict_json.read` gave.
            extra: Members allowed beside the list; the caller has looked at them.

        Raises:
            InvalidInputError: The frame around the entries is wrong.
            TooLargeError: There are more than `MAX_ENTRIES`.
        """
        found = []
        for index, entry in enumerate(self._frame(document, extra)):
            found.append(self._entry(index, entry))
            if index % _ENTRIES_A_TURN == _ENTRIES_A_TURN - 1:
                await asyncio.sleep(0)
        return found

    def _frame(self, document: object, extra: frozenset[str]) -> list[object]:
        if not isinstance(document, dict):
            raise InvalidInputError("The body is not valid.", [FieldError("", "must be an object")])
        unknown = [name for name in document if name != self.member and name not in extra]
        if unknown:
            found = [FieldError(pointer((name,)), "is not a known field") for name in unknown[:MAX_FAULTS]]
            raise InvalidInputError("The body is not valid.", found)
        entries = document.get(self.member)
        if not isinstance(entries, list) or not entries:
            fault = FieldError(f"/{self.member}", "must be a list of at least one entry")
            raise InvalidInputError("The body is not valid.", [fault])
        if len(entries) > MAX_ENTRIES:
            raise TooLargeError(f"A batch holds at most {MAX_ENTRIES} entries; nothing was stored.")
        return entries

    def _entry(self, index: int, entry: object) -> Entry[M]:
        plain = self.quick(entry)
        if plain is not None:
            return Entry(index, self._id(entry), plain)
        at = (self.member, index)
        check_depth(entry, at)
        found = faults(entry, at)
        if found:
            return Entry(index, self._id(entry), None, tuple(found))
        try:
            return Entry(index, self._id(entry), self.judge(entry))
        except ValidationError as error:
            return Entry(index, self._id(entry), None, tuple(field_errors(error, at)))

    def _id(self, entry: object) -> str | None:
        # the id may be what is at fault, and may not even be text that can be sent back
        given = entry.get(self.id_name) if isinstance(entry, dict) else None
        try:
            return check_id(given) if isinstance(given, str) and given else None
        except ValueError:
            return None
