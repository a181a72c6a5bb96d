"""How many people of each segment had to do with what, as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.adapters.sql.engine import Database
from app.adapters.sql.people import person
from app.adapters.sql.tables import events, user_aliases, users
from app.domain.segments import COUNTRY, KINDS, LONGEST, REFERRER, Segment

LONG_READ_S = 60.0
SegmentLine = tuple[Segment, str, str, str, int]


class Within(NamedTuple):
    """What is counted: the tenant's newest `lines` lines after `since`."""

    tenant: str
    since: datetime
    lines: int


async def segment_lines(database: Database, within: Within, *, people: int, most: int) -> list[SegmentLine]:
    """See `EventStore.segment_counts`."""
    found: list[SegmentLine] = []
    for kind in KINDS:
        line = _lines(kind, within, sqlite=database.is_sqlite)
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


def _lines(kind: str, within: Within, *, sqlite: bool) -> sa.Subquery:
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
    if kind == COUNTRY:
        owner = sa.and_(
            users.c.tenant == events.c.tenant,
            users.c.user_id == sa.func.coalesce(events.c.user_id, user_aliases.c.user_id),
        )
        joined = joined.outerjoin(users, owner)
        value = sa.func.coalesce(value, users.c.country)
    day = (
        sa.func.substr(events.c.happened_at, 1, 10)
        if sqlite
        else sa.func.to_char(events.c.happened_at, "YYYY-MM-DD")
    )
    line = _apart(
        sa.select(
            sa.cast(value, sa.Text).label("value"),
            person().label("who"),
            events.c.item_id,
            events.c.name,
            day.label("day"),
        )
        .select_from(joined)
        .where(*_named(events, within), events.c.seq > _before(within)),
        "line",
    )
    if kind == REFERRER:
        rest = (line.c.who, line.c.item_id, line.c.name, line.c.day)
        line = _apart(sa.select(_site(line.c.value, sqlite=sqlite).label("value"), *rest), "of_site")
    named = sa.func.length(line.c.value).between(1, LONGEST)
    return sa.select(line).where(named).subquery("of_segment")


def _named(lines: sa.FromClause, within: Within) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        # Not by an index: nearly all lines are the tenant's, and SQLite would look each of them up.
        sa.func.coalesce(lines.c.tenant, "") == within.tenant,
        lines.c.item_id.is_not(None),
        lines.c.happened_at > within.since,
    )


def _before(within: Within) -> sa.ColumnElement[int]:
    """The number of the newest line that is one too many; 0 where there is none."""
    lines = events.alias("one_too_many")
    newest = sa.select(lines.c.seq).where(*_named(lines, within)).order_by(lines.c.seq.desc())
    return sa.func.coalesce(newest.offset(within.lines).limit(1).scalar_subquery(), 0)


def _apart(lines: sa.Select[Any], name: str) -> sa.CTE:
    """Worked out once: woven into the query around them, they would be so wherever a column is named."""
    return lines.cte(name).prefix_with("MATERIALIZED")


def _site(referrer: sa.ColumnElement[Any], *, sqlite: bool) -> sa.ColumnElement[Any]:
    """As `site_of` has it."""
    place = sa.func.instr if sqlite else sa.func.strpos
    scheme = place(referrer, "://")
    site: sa.ColumnElement[Any] = sa.case((scheme > 0, sa.func.substr(referrer, scheme + 3)), else_=referrer)
    # One cut, at whatever comes first.
    for end in "?#:":
        site = sa.func.replace(site, end, "/")
    site = sa.func.lower(sa.func.substr(site, 1, place(site.concat("/"), "/") - 1))
    return sa.case((site.like("www.%"), sa.func.substr(site, 5)), else_=site)
