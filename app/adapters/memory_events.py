"""The event log in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np

from app.adapters.memory_state import MemoryState, StoredRow, as_stored
from app.domain.cursors import decode_cursor, decode_moment, encode_cursor
from app.domain.ports import Appended, Clock, EventColumns
from app.domain.segments import KINDS, LONGEST, Segment, segments_of
from app.domain.types import (
    Event,
    EventItem,
    EventStatus,
    Interaction,
    Item,
    ItemEvents,
    Page,
    StoredEvent,
    Subject,
    User,
)


class MemoryEventStore:
    """Events in a dictionary."""

    def __init__(self, state: MemoryState, *, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    async def append(self, events: Sequence[Event], *, create_unknown: bool) -> Appended:
        """Store a group; ids seen before are duplicates."""
        stored = [as_stored(event) for event in events]
        unknown = () if create_unknown else self._unknown(stored)
        refused = {events[place].event_id for place, _ in unknown}
        statuses, accepted = [], []
        for event in stored:
            if event.event_id in refused:
                statuses.append(EventStatus.REJECTED)
            elif event.event_id in self._state.events:
                statuses.append(EventStatus.DUPLICATE)
            else:
                self._state.events[event.event_id] = StoredRow(self._state.next_seq, event)
                self._state.next_seq += max(1, len(event.items))
                statuses.append(EventStatus.ACCEPTED)
                accepted.append(event)
        guests = {
            event.anonymous_id
            for event, status in zip(stored, statuses, strict=True)
            if event.user_id is None and status is not EventStatus.REJECTED
        }
        new_item_ids = self._create_cold(accepted) if create_unknown else ()
        return Appended(
            statuses=tuple(statuses),
            new_item_ids=new_item_ids,
            unknown=unknown,
            merged_user_ids=tuple(
                sorted({owner for guest, owner in self._state.aliases.items() if guest in guests})
            ),
            revision=self._state.revision if new_item_ids else 0,
        )

    def _unknown(self, events: Sequence[Event]) -> tuple[tuple[int, int], ...]:
        return tuple(
            (place, line_place)
            for place, event in enumerate(events)
            for line_place, line in enumerate(event.items)
            if line.item_id not in self._state.items
        )

    def _create_cold(self, events: Sequence[Event]) -> tuple[str, ...]:
        now = self._clock.now()
        for user_id in sorted({event.user_id for event in events if event.user_id is not None}):
            self._state.users.setdefault(
                user_id, User(user_id=user_id, created_at=now, updated_at=now, cold=True)
            )
        new = sorted({line.item_id for event in events for line in event.items} - set(self._state.items))
        if new:
            self._state.revision += 1
        for item_id in new:
            self._state.items[item_id] = Item(
                item_id=item_id, created_at=now, updated_at=now, revision=self._state.revision, cold=True
            )
        return tuple(new)

    async def history(self, subject: Subject, *, limit: int) -> list[Interaction]:
        """The newest `limit` item interactions of any of the subject's ids and aliases, oldest first."""
        lines = [
            Interaction(line.item_id, row.event.name, row.event.happened_at, line.quantity, row.event.value)
            for row in self._state.rows_of(subject)
            for line in row.event.items
        ]
        return lines[-limit:]

    async def met(self, subject: Subject, *, lines: int) -> list[ItemEvents]:
        """The items that any of the subject's ids and aliases had to do with, summed up by event name."""
        all_lines = [
            (line.item_id, row.event) for row in self._state.rows_of(subject) for line in row.event.items
        ]
        groups: dict[tuple[str, str], list[Event]] = {}
        for item_id, event in all_lines[-lines:]:
            groups.setdefault((item_id, event.name), []).append(event)
        return [_summed(item_id, name, events) for (item_id, name), events in groups.items()]

    async def page(self, user_id: str, *, limit: int, cursor: str | None) -> Page[StoredEvent]:
        """A user's events, newest first."""
        rows = self._state.rows_of(Subject(user_id=user_id))[::-1]
        if cursor is not None:
            moment, seq = decode_cursor(cursor, str, int)
            before = (decode_moment(moment), int(seq))
            rows = [row for row in rows if row.key < before]
        shown = [StoredEvent(row.seq, row.event) for row in rows[:limit]]
        following = None
        if len(rows) > limit:
            following = encode_cursor(shown[-1].event.happened_at.isoformat(), shown[-1].seq)
        return Page(tuple(shown), following)

    async def count_since(self, seq: int) -> tuple[int, int]:
        """How many event lines came after `seq`, and the highest seq there is."""
        seqs = [number for number, _, _ in _lines(self._state)]
        return sum(number > seq for number in seqs), max(seqs, default=0)

    async def daily_counts(self, since: datetime) -> list[tuple[str, str, str, int]]:
        """``(item_id, event name, UTC day YYYY-MM-DD, distinct people)`` of events after `since`."""
        people: dict[tuple[str, str, str], set[str]] = {}
        for _, event, line in _lines(self._state):
            if line is not None and event.happened_at > since:
                day = event.happened_at.astimezone(UTC).date().isoformat()
                people.setdefault((line.item_id, event.name, day), set()).add(self._state.person(event))
        return [(*key, len(who)) for key, who in sorted(people.items())]

    async def segment_counts(
        self, since: datetime, *, lines: int, people: int, most: int
    ) -> list[tuple[Segment, str, str, str, int]]:
        """See `EventStore`."""
        who: dict[Segment, set[str]] = {}
        counts: dict[tuple[Segment, str, str, str], set[str]] = {}
        after = [
            (event, line)
            for _, event, line in _lines(self._state)
            if line is not None and event.happened_at > since
        ]
        for event, line in after[-lines:]:
            day, person = event.happened_at.astimezone(UTC).date().isoformat(), self._state.person(event)
            for segment in self._segments(event, person):
                who.setdefault(segment, set()).add(person)
                counts.setdefault((segment, line.item_id, event.name, day), set()).add(person)
        kept = {segment for kind in KINDS for segment in _largest(kind, who, people=people, most=most)}
        return sorted((*key, len(found)) for key, found in counts.items() if key[0] in kept)

    def _segments(self, event: Event, person: str) -> list[Segment]:
        country, referrer, device = (_text(event.context.get(kind)) for kind in KINDS)
        if country is None:
            user = self._state.users.get(person.removeprefix("user:")) if person.startswith("user:") else None
            country = None if user is None else user.country
        found = segments_of(country, referrer, device)
        return [segment for segment in found if len(segment.value) <= LONGEST]

    async def baskets(self, since: datetime, *, lines: int) -> list[tuple[str, str]]:
        """``(event_id, item_id)`` of the newest `lines` lines of purchases after `since`, sorted."""
        found = [
            (event.event_id, line.item_id)
            for _, event, line in _lines(self._state)
            if line is not None and event.name == "purchase" and event.happened_at > since
        ]
        return sorted(found[::-1][:lines])


class MemoryEventLog:
    """The same events in columns."""

    def __init__(self, state: MemoryState, *, batch_lines: int = 50_000) -> None:
        self._state = state
        self._batch_lines = batch_lines

    def scan(self, *, since_seq: int = 0) -> Iterator[EventColumns]:
        """Every line with an item after `since_seq`, by rising `seq`."""
        lines = [
            (seq, event, line)
            for seq, event, line in _lines(self._state)
            if line is not None and seq > since_seq
        ]
        for start in range(0, len(lines), self._batch_lines):
            yield self._columns(lines[start : start + self._batch_lines])

    def _columns(self, lines: Sequence[tuple[int, Event, EventItem]]) -> EventColumns:
        events = [event for _, event, _ in lines]
        moments = [event.happened_at.astimezone(UTC).replace(tzinfo=None) for event in events]
        return EventColumns(
            seq=np.array([seq for seq, _, _ in lines], dtype=np.int64),
            user_key=[self._state.person(event) for event in events],
            item_id=[line.item_id for _, _, line in lines],
            name=[event.name for event in events],
            happened_at=np.array(moments, dtype="datetime64[us]"),
            quantity=np.array([line.quantity for _, _, line in lines], dtype=np.float64),
            value=np.array(
                [None if event.value is None else float(event.value) for event in events], dtype=np.float64
            ),
        )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _largest(kind: str, who: Mapping[Segment, set[str]], *, people: int, most: int) -> list[Segment]:
    sizes = sorted((-len(found), segment) for segment, found in who.items() if segment.kind == kind)
    return [segment for size, segment in sizes if -size >= people][:most]


def _summed(item_id: str, name: str, events: Sequence[Event]) -> ItemEvents:
    values = [event.value for event in events if event.value is not None]
    return ItemEvents(
        item_id=item_id,
        name=name,
        count=len(events),
        newest_at=max(event.happened_at for event in events),
        value=sum(values, Decimal(0)) / len(values) if values else None,
    )


def _lines(state: MemoryState) -> Iterator[tuple[int, Event, EventItem | None]]:
    for row in state.events.values():
        if not row.event.items:
            yield row.seq, row.event, None
        for place, line in enumerate(row.event.items):
            yield row.seq + place, row.event, line
