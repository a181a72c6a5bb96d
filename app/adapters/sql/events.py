"""The event log in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.sql import counters
from app.adapters.sql.engine import Database
from app.adapters.sql.event_rows import Codec, EventRow, rows_of, stored_event
from app.adapters.sql.event_writing import EventWriting, Inserted, PostgresqlWriting, SqliteWriting
from app.adapters.sql.people import PERSON_IDS, met_items, newest_heads, newest_lines, person
from app.adapters.sql.segments import Within, segment_lines
from app.adapters.sql.space import FreeSpace
from app.adapters.sql.tables import events, user_aliases
from app.domain.cursors import decode_cursor, decode_moment, encode_cursor
from app.domain.ports import Appended, Clock
from app.domain.segments import Segment
from app.domain.types import Event, EventStatus, Interaction, ItemEvents, Page, StoredEvent, Subject

LONG_READ_S = 60.0
KNOWN_ITEMS = 200_000


class SqlEventStore:
    """The append-only log of one tenant's events."""

    def __init__(self, database: Database, *, tenant: str, clock: Clock) -> None:
        self._database = database
        self._tenant = tenant
        self._clock = clock
        self._codec = Codec(sqlite=database.is_sqlite)
        self._writing: EventWriting = (
            SqliteWriting(tenant) if database.is_sqlite else PostgresqlWriting(tenant)
        )
        self._space = FreeSpace(database)
        # Items never lose their row, so one that had one once need not be looked up again.
        self._known_items: set[str] = set()

    async def append(self, events: Sequence[Event], *, create_unknown: bool) -> Appended:
        """Store a group in one transaction.

        Raises:
            InvalidInputError: An amount is out of range.
            StorageUnavailableError: Not committed, or not known to be.
        """
        if not events:
            return Appended(())
        group = _Group(events)
        rows = [
            row
            for event in group.first.values()
            for row in rows_of(event, tenant=self._tenant, codec=self._codec)
        ]

        await self._space.require()
        append = self._append_all if create_unknown else self._append_known

        async def work(connection: AsyncConnection) -> Appended:
            return await append(connection, group, rows)

        if create_unknown and self._writing.one_statement and _items_of(group.events) <= self._known_items:
            return await self._database.write_once(work)
        appended = await self._database.write(work)
        self._remember(group.accepted(appended.statuses))
        return appended

    async def _append_all(self, connection: AsyncConnection, group: _Group, rows: list[EventRow]) -> Appended:
        inserted = await self._writing.insert(
            connection, rows, guests=_guests_of(group.first.values()), cold_users=self._clock.now()
        )
        new_items, revision = await self._create_items(connection, _items_of(group.of(inserted.fresh)))
        return Appended(
            statuses=group.statuses(inserted.fresh),
            new_item_ids=tuple(new_items),
            merged_user_ids=tuple(sorted(inserted.merged)),
            revision=revision,
        )

    async def _append_known(
        self, connection: AsyncConnection, group: _Group, rows: list[EventRow]
    ) -> Appended:
        unknown = group.naming(await self._unknown(connection, _items_of(group.events)))
        refused = {group.events[place].event_id for place, _ in unknown}
        kept = [row for row in rows if row[1] not in refused]
        guests = _guests_of(group.of(group.first.keys() - refused))
        inserted = Inserted(set(), set())
        if kept:
            inserted = await self._writing.insert(connection, kept, guests=guests, cold_users=None)
        return Appended(
            statuses=group.statuses(inserted.fresh, refused),
            unknown=unknown,
            merged_user_ids=tuple(sorted(inserted.merged)),
        )

    async def _create_items(self, connection: AsyncConnection, named: set[str]) -> tuple[list[str], int]:
        """The items created, and the catalogue's revision then."""
        unknown = await self._unknown(connection, named)
        if not unknown:
            return [], 0
        revision = await counters.take(connection, self._tenant, counters.CATALOGUE)
        created = await self._writing.add_cold_items(
            connection, unknown, revision=revision, at=self._clock.now()
        )
        return created, revision

    async def _unknown(self, connection: AsyncConnection, named: set[str]) -> set[str]:
        asked = named - self._known_items
        return asked - await self._writing.known_items(connection, asked) if asked else asked

    def _remember(self, accepted: Iterable[Event]) -> None:
        if len(self._known_items) > KNOWN_ITEMS:
            self._known_items.clear()
        self._known_items |= _items_of(accepted)

    async def history(self, subject: Subject, *, limit: int) -> list[Interaction]:
        """The newest `limit` item interactions of any of the subject's ids and aliases, oldest first."""
        given = _ids_of(subject)
        if not given:
            return []
        found = await self._database.fetch(
            newest_lines(tuple(given)), {"tenant": self._tenant, "lines": limit, **given}
        )
        rows = {row.seq: row for row in found}
        ordered = sorted(rows.values(), key=lambda row: (row.happened_at, row.seq))
        return [
            Interaction(row.item_id, row.name, row.happened_at, row.quantity, row.value)
            for row in ordered[-limit:]
        ]

    async def met(self, subject: Subject, *, lines: int) -> list[ItemEvents]:
        """The items that any of the subject's ids and aliases had to do with, summed up by event name."""
        given = _ids_of(subject)
        if not given:
            return []
        found = await self._database.fetch(
            met_items(tuple(given)), {"tenant": self._tenant, "lines": lines, **given}
        )
        return [ItemEvents(row.item_id, row.name, int(row.lines), row.newest_at, row.value) for row in found]

    async def page(self, user_id: str, *, limit: int, cursor: str | None) -> Page[StoredEvent]:
        """A user's events and their merged guests', newest first."""
        parameters: dict[str, Any] = {"tenant": self._tenant, "user_id": user_id, "lines": limit + 1}
        if cursor is not None:
            moment, seq = decode_cursor(cursor, str, int)
            parameters |= {"before_moment": decode_moment(moment), "before_seq": seq}
        newest = newest_heads(below_cursor=cursor is not None)

        async def work(connection: AsyncConnection) -> tuple[Sequence[sa.Row[Any]], Sequence[sa.Row[Any]]]:
            found = (await connection.execute(newest, parameters)).all()
            lines = (
                sa.select(events)
                .where(
                    events.c.tenant == self._tenant,
                    events.c.event_id.in_([row.event_id for row in found[:limit]]),
                )
                .order_by(events.c.event_id, events.c.item_index)
            )
            return found, (await connection.execute(lines)).all()

        found, lines = await self._database.read(work)
        by_id: dict[str, list[sa.Row[Any]]] = {}
        for line in lines:
            by_id.setdefault(line.event_id, []).append(line)
        shown = found[:limit]
        # An erasure may have come between the two statements.
        rows = tuple(stored_event(by_id[row.event_id]) for row in shown if row.event_id in by_id)
        return Page(rows, _cursor_after(shown[-1]) if len(found) > limit else None)

    async def count_since(self, seq: int) -> tuple[int, int]:
        """How many event lines came after `seq`, and the highest seq there is."""
        mine = events.c.tenant == self._tenant
        count = sa.select(sa.func.count()).where(mine, events.c.seq > seq)
        highest = sa.select(events.c.seq).where(mine).order_by(events.c.seq.desc()).limit(1)

        async def work(connection: AsyncConnection) -> tuple[int, int]:
            after = (await connection.execute(count)).scalar_one()
            return int(after), int((await connection.execute(highest)).scalar_one_or_none() or 0)

        return await self._database.read(work, deadline_s=LONG_READ_S)

    async def daily_counts(self, since: datetime) -> list[tuple[str, str, str, int]]:
        """``(item_id, event name, UTC day YYYY-MM-DD, distinct people)`` of events after `since`."""
        day = (
            sa.func.substr(events.c.happened_at, 1, 10)
            if self._database.is_sqlite
            else sa.func.to_char(events.c.happened_at, "YYYY-MM-DD")
        )
        alias = sa.and_(
            user_aliases.c.tenant == events.c.tenant, user_aliases.c.anonymous_id == events.c.anonymous_id
        )
        statement = (
            sa.select(
                events.c.item_id,
                events.c.name,
                day.label("day"),
                sa.func.count(sa.distinct(person())).label("people"),
            )
            .select_from(events.outerjoin(user_aliases, alias))
            .where(
                events.c.tenant == self._tenant, events.c.item_id.is_not(None), events.c.happened_at > since
            )
            .group_by(events.c.item_id, events.c.name, sa.literal_column("day"))
            .order_by(events.c.item_id, events.c.name, sa.literal_column("day"))
        )
        # A driver makes a new text for every cell; there are few different ones.
        texts: dict[str, str] = {}

        def line(row: sa.Row[Any]) -> tuple[str, str, str, int]:
            item_id, name, day = (texts.setdefault(text, text) for text in (row.item_id, row.name, row.day))
            return item_id, name, day, int(row.people)

        return await self._database.fetch_long(statement, line, deadline_s=LONG_READ_S)

    async def segment_counts(
        self, since: datetime, *, lines: int, people: int, most: int
    ) -> list[tuple[Segment, str, str, str, int]]:
        """See `EventStore`."""
        within = Within(self._tenant, since, lines)
        return await segment_lines(self._database, within, people=people, most=most)

    async def baskets(self, since: datetime, *, lines: int) -> list[tuple[str, str]]:
        """``(event_id, item_id)`` of the newest `lines` lines of purchases after `since`, sorted."""
        statement = (
            sa.select(events.c.event_id, events.c.item_id)
            .where(
                events.c.tenant == self._tenant,
                events.c.name == "purchase",
                events.c.item_id.is_not(None),
                events.c.happened_at > since,
            )
            .order_by(events.c.seq.desc())
            .limit(lines)
        )
        pairs = await self._database.fetch_long(
            statement, lambda row: (row.event_id, row.item_id), deadline_s=LONG_READ_S
        )
        return sorted(pairs)


@dataclass(frozen=True, slots=True, init=False)
class _Group:
    """A group of events: which stands first under its id, and what became of each."""

    events: Sequence[Event]
    first: dict[str, Event]

    def __init__(self, events: Sequence[Event]) -> None:
        first: dict[str, Event] = {}
        for event in events:
            first.setdefault(event.event_id, event)
        object.__setattr__(self, "events", events)
        object.__setattr__(self, "first", first)

    def of(self, event_ids: Iterable[str]) -> list[Event]:
        return [self.first[event_id] for event_id in event_ids]

    def naming(self, unknown: set[str]) -> tuple[tuple[int, int], ...]:
        return tuple(
            (place, line_place)
            for place, event in enumerate(self.events)
            for line_place, line in enumerate(event.items)
            if line.item_id in unknown
        )

    def accepted(self, statuses: Sequence[EventStatus]) -> list[Event]:
        return [
            event
            for event, status in zip(self.events, statuses, strict=True)
            if status is EventStatus.ACCEPTED
        ]

    def statuses(
        self, fresh: set[str], refused: set[str] | frozenset[str] = frozenset()
    ) -> tuple[EventStatus, ...]:
        left = set(fresh)
        answer = []
        for event in self.events:
            if event.event_id in refused:
                answer.append(EventStatus.REJECTED)
            elif event.event_id in left:
                left.discard(event.event_id)
                answer.append(EventStatus.ACCEPTED)
            else:
                answer.append(EventStatus.DUPLICATE)
        return tuple(answer)


def _items_of(given: Iterable[Event]) -> set[str]:
    """Every item that the events name."""
    return {line.item_id for event in given for line in event.items}


def _guests_of(given: Iterable[Event]) -> set[str]:
    """The guests that the events name without a user."""
    return {event.anonymous_id for event in given if event.anonymous_id is not None and event.user_id is None}


def _ids_of(subject: Subject) -> dict[str, str]:
    return {kind: given for kind in PERSON_IDS if (given := getattr(subject, kind)) is not None}


def _cursor_after(row: sa.Row[Any]) -> str:
    return encode_cursor(row.happened_at.isoformat(), row.seq)
