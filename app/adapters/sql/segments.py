"""How many people of each segment had to do with what, as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.adapters.sql.engine import Database
from app.adapters.sql.people import person
from app.adapters.sql.tables import events, user_aliases, users
from app.domain.segments import COUNTRY, KINDS, LONGEST, REFERRER, Segment

LONG_READ_S = 60.0
SegmentLine = tuple[Segment, str, str, str, int]


async def segment_lines(
    database: Database, tenant: str, since: datetime, *, people: int, most: int
) -> list[SegmentLine]:
    """See `EventStore.segment_counts`."""
    found: list[SegmentLine] = []
    for kind in KINDS:
        line = _lines(kind, tenant, since, sqlite=database.is_sqlite)
        who = sa.func.count(line.c.who.distinct())
        largest = (
            sa.select(line.c.value)
            .group_by(line.c.value)
            .having(who >= people)
            .order_by(who.desc(), line.c.value)
            .limit(most)
        )
        values = [row.value for row in await database.fetch_long(largest, _same, deadline_s=LONG_READ_S)]
        if values:
            found += await _counts(database, kind, line, values)
    return sorted(found)


async def _counts(
    database: Database, kind: str, line: sa.Subquery, values: Sequence[str]
) -> list[SegmentLine]:
    by = (line.c.value, line.c.item_id, line.c.name, line.c.day)
    statement = (
        sa.select(*by, sa.func.count(line.c.who.distinct()).label("people"))
        .where(line.c.value.in_(values))
        .group_by(*by)
    )
    # A driver makes a new text for every cell; there are few different ones.
    texts: dict[str, str] = {}
    segments = {value: Segment(kind, value) for value in values}

    def made(row: sa.Row[Any]) -> SegmentLine:
        item_id, name, day = (texts.setdefault(text, text) for text in (row.item_id, row.name, row.day))
        return segments[row.value], item_id, name, day, int(row.people)

    return await database.fetch_long(statement, made, deadline_s=LONG_READ_S)


def _same(row: sa.Row[Any]) -> sa.Row[Any]:
    return row


def _lines(kind: str, tenant: str, since: datetime, *, sqlite: bool) -> sa.Subquery:
    """Lines with an item and a segment of the kind: `value`, `who`, `item_id`, `name`, `day`."""
    # An event's context stands in its first line.
    head = events.alias("head")
    first = sa.and_(
        head.c.tenant == events.c.tenant, head.c.event_id == events.c.event_id, head.c.item_index == 0
    )
    alias = sa.and_(
        user_aliases.c.tenant == events.c.tenant, user_aliases.c.anonymous_id == events.c.anonymous_id
    )
    joined = events.outerjoin(user_aliases, alias).join(head, first)
    value: sa.ColumnElement[Any] = head.c.context[kind].as_string()
    conditions = [
        events.c.tenant == tenant,
        events.c.item_id.is_not(None),
        events.c.happened_at > since,
    ]
    if kind == COUNTRY:
        owner = sa.and_(
            users.c.tenant == events.c.tenant,
            users.c.user_id == sa.func.coalesce(events.c.user_id, user_aliases.c.user_id),
        )
        joined = joined.outerjoin(users, owner)
        value = sa.func.coalesce(value, users.c.country)
    else:
        conditions.append(head.c.context.is_not(None))
        value = _site(value, sqlite=sqlite) if kind == REFERRER else value
    day = (
        sa.func.substr(events.c.happened_at, 1, 10)
        if sqlite
        else sa.func.to_char(events.c.happened_at, "YYYY-MM-DD")
    )
    line = (
        sa.select(
            sa.cast(value, sa.Text).label("value"),
            person().label("who"),
            events.c.item_id,
            events.c.name,
            day.label("day"),
        )
        .select_from(joined)
        .where(*conditions)
        .subquery("line")
    )
    return sa.select(line).where(sa.func.length(line.c.value).between(1, LONGEST)).subquery("of_segment")


def _site(referrer: sa.ColumnElement[Any], *, sqlite: bool) -> sa.ColumnElement[Any]:
    """As `site_of` has it."""
    place = sa.func.instr if sqlite else sa.func.strpos
    scheme = place(referrer, "://")
    site: sa.ColumnElement[Any] = sa.case((scheme > 0, sa.func.substr(referrer, scheme + 3)), else_=referrer)
    for end in "/?#:":
        site = sa.func.substr(site, 1, place(site.concat(end), end) - 1)
    site = sa.func.lower(site)
    return sa.case((site.like("www.%"), sa.func.substr(site, 5)), else_=site)
