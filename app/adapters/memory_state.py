"""What the stores in memory share: the rows of one tenant."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from app.domain.exposures import Exposure
from app.domain.money import stored_money
from app.domain.types import Event, EventItem, Item, Subject, User


@dataclass(frozen=True, slots=True)
class StoredRow:
    """An event and the place of its first line; its further lines follow."""

    seq: int
    event: Event

    @property
    def key(self) -> tuple[datetime, int]:
        """What histories and pages are sorted by."""
        return self.event.happened_at, self.seq

    def belongs_to(self, subject: Subject, guests: set[str]) -> bool:
        """Whether it is a line of one of the ids, or of a guest merged into the user."""
        event = self.event
        named = (
            (subject.user_id, event.user_id),
            (subject.session_id, event.session_id),
            (subject.anonymous_id, event.anonymous_id),
        )
        if any(wanted is not None and wanted == given for wanted, given in named):
            return True
        return event.user_id is None and event.anonymous_id in guests


@dataclass(slots=True)
class MemoryState:
    """The rows.

    Attributes:
        aliases: From guest to user.
    """

    events: dict[str, StoredRow] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    exposures: dict[str, Exposure] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    tombstones: set[str] = field(default_factory=set)
    revision: int = 0
    next_seq: int = 1

    def guests_of(self, user_id: str | None) -> set[str]:
        """The guests merged into a user."""
        return {guest for guest, owner in self.aliases.items() if owner == user_id}

    def shown_to(self, user_id: str) -> list[Exposure]:
        """The user's exposures, oldest first."""
        shown = [one for one in self.exposures.values() if one.subject.user_id == user_id]
        return sorted(shown, key=lambda one: (one.shown_at, one.recommendation_id))

    def rows_of(self, subject: Subject) -> list[StoredRow]:
        """The subject's events, oldest first."""
        guests = self.guests_of(subject.user_id) if subject.user_id is not None else set()
        return sorted(
            (row for row in self.events.values() if row.belongs_to(subject, guests)), key=lambda row: row.key
        )

    def person(self, event: Event) -> str:
        """Whose an event is."""
        if event.user_id is not None:
            return f"user:{event.user_id}"
        if event.anonymous_id is not None:
            owner = self.aliases.get(event.anonymous_id)
            return f"anonymous:{event.anonymous_id}" if owner is None else f"user:{owner}"
        return f"session:{event.session_id}"


def as_stored(event: Event) -> Event:
    """The event with its numbers as a database gives them back.

    Raises:
        InvalidInputError: An amount is out of range.
    """
    lines = tuple(
        EventItem(
            item_id=line.item_id,
            quantity=None if line.quantity is None else float(line.quantity),
            price=stored_money(line.price),
            index=line.index,
        )
        for line in event.items
    )
    return replace(event, items=lines, value=stored_money(event.value))
