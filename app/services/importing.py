"""The import use case: events, items and users of a file into the stores, group by group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from app.datasets.records import Record
from app.datasets.tally import Tally
from app.domain.types import Event, EventStatus, Item, Subject, User

if TYPE_CHECKING:
    from app.domain.ports import EventStore, ItemStore, ListCache, UserStore

T = TypeVar("T", Item, User)

GROUP_RECORDS = 500
GROUP_LINES = 5_000


class Importer:
    """Stores records in groups, each one transaction, and says what became of them.

    A run that was killed is simply run again: events keep their ids, so what stands is a duplicate, and
    items and users are replaced by themselves.

    Args:
        create_unknown: Events create the items and users they name first.
        group_lines: Lines of events after which a group is committed.
    """

    def __init__(
        self,
        *,
        events: EventStore,
        items: ItemStore,
        users: UserStore,
        cache: ListCache,
        create_unknown: bool,
        group_lines: int = GROUP_LINES,
    ) -> None:
        self._events = events
        self._items = items
        self._users = users
        self._cache = cache
        self._create_unknown = create_unknown
        self._group_lines = group_lines

    async def events(self, records: Iterator[Record[Event]], tally: Tally) -> None:
        """Append all events; the tally grows with each committed group."""
        group: list[Record[Event]] = []
        lines = 0
        for record in records:
            group.append(record)
            lines += max(1, len(record.value.items))
            if len(group) >= GROUP_RECORDS or lines >= self._group_lines:
                await self._append(group, tally)
                group, lines = [], 0
        if group:
            await self._append(group, tally)

    async def items(self, records: Iterator[Record[Item]], tally: Tally) -> None:
        """Create or replace all items; of one id twice in a group the last counts."""
        for group in _grouped(records):
            latest = {record.value.item_id: record.value for record in group}
            await self._items.put(list(latest.values()))
            await self._cache.bump(["catalogue"])
            _count(tally, len(group), len(latest))

    async def users(self, records: Iterator[Record[User]], tally: Tally) -> None:
        """Create or replace all users; of one id twice in a group the last counts."""
        for group in _grouped(records):
            latest = {record.value.user_id: record.value for record in group}
            await self._users.put_many(list(latest.values()))
            _count(tally, len(group), len(latest))

    async def _append(self, group: list[Record[Event]], tally: Tally) -> None:
        appended = await self._events.append(
            [record.value for record in group], create_unknown=self._create_unknown
        )
        subjects = {f"user:{user_id}": None for user_id in appended.merged_user_ids}
        for record, status in zip(group, appended.statuses, strict=True):
            if status is EventStatus.ACCEPTED:
                tally.accepted += 1
                subjects.update(dict.fromkeys(_subjects(record.value)))
            elif status is EventStatus.DUPLICATE:
                tally.duplicates += 1
            else:
                tally.reject(record.line, "names an item that is not in the catalogue")
        if appended.new_item_ids:
            subjects["catalogue"] = None
        if subjects:
            await self._cache.bump(list(subjects))


def judge(records: Iterator[Record[T]], tally: Tally) -> None:
    """Count items or users as `Importer` would count them, and store nothing."""
    for group in _grouped(records):
        _count(tally, len(group), len({_id_of(record.value) for record in group}))


def _id_of(value: Item | User) -> str:
    return value.item_id if isinstance(value, Item) else value.user_id


def _subjects(event: Event) -> tuple[str, ...]:
    return Subject(
        user_id=event.user_id, session_id=event.session_id, anonymous_id=event.anonymous_id
    ).names()


def _grouped(records: Iterator[Record[T]]) -> Iterator[list[Record[T]]]:
    group: list[Record[T]] = []
    for record in records:
        group.append(record)
        if len(group) >= GROUP_RECORDS:
            yield group
            group = []
    if group:
        yield group


def _count(tally: Tally, seen: int, stored: int) -> None:
    tally.accepted += stored
    tally.duplicates += seen - stored
