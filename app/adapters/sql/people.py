"""Whose a line of the log is, as SQL.

The statements of the hot path are built once for each combination of ids: building one takes longer than
running it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

from app.adapters.sql.tables import events, user_aliases

PERSON_IDS = ("user_id", "session_id", "anonymous_id")

_NEWEST_FIRST = (events.c.happened_at.desc(), events.c.seq.desc())


def guests_of(
    tenant: str | sa.BindParameter[str], user_id: str | sa.BindParameter[str]
) -> sa.ColumnElement[bool]:
    """Lines of the guests merged into a user. What another customer did on the same browser stays theirs."""
    aliases = sa.select(user_aliases.c.anonymous_id).where(
        user_aliases.c.tenant == tenant, user_aliases.c.user_id == user_id
    )
    return sa.and_(events.c.anonymous_id.in_(aliases), events.c.user_id.is_(None))


def person() -> sa.ColumnElement[str]:
    """``user:…``, else ``anonymous:…``, else ``session:…``; needs `events` joined to `user_aliases`."""
    return sa.case(
        (events.c.user_id.is_not(None), sa.literal("user:") + events.c.user_id),
        (user_aliases.c.user_id.is_not(None), sa.literal("user:") + user_aliases.c.user_id),
        (events.c.anonymous_id.is_not(None), sa.literal("anonymous:") + events.c.anonymous_id),
        else_=sa.literal("session:") + events.c.session_id,
    )


@cache
def newest_lines(kinds: tuple[str, ...]) -> sa.Executable:
    """The newest `:lines` lines with an item of each of the named ids, and of a user's guests.

    Parameters: `tenant`, `lines`, and one of each name in `kinds`. Lines of two ids come twice.
    """
    columns = (
        events.c.seq,
        events.c.item_id,
        events.c.name,
        events.c.happened_at,
        events.c.quantity,
        events.c.value,
    )
    return _union(columns, _branches(kinds), [events.c.item_id.is_not(None)])


@cache
def met_items(kinds: tuple[str, ...]) -> sa.Executable:
    """Items and event names of the newest `:lines` lines of each of the named ids, and of a user's guests.

    Parameters: as for `newest_lines`. A line of two ids counts once.
    """
    columns = (events.c.seq, events.c.item_id, events.c.name, events.c.happened_at, events.c.value)
    lines = _union(columns, _branches(kinds), [events.c.item_id.is_not(None)])
    if kinds != ("user_id",):
        # A user and their guests never share a line; other ids may, and taking each once costs a sort.
        lines = sa.union(*lines.selects)
    line = lines.subquery().c
    return sa.select(
        line.item_id,
        line.name,
        sa.func.count().label("lines"),
        sa.func.max(line.happened_at).label("newest_at"),
        sa.func.avg(line.value, type_=events.c.value.type).label("value"),
    ).group_by(line.item_id, line.name)


@cache
def newest_heads(*, below_cursor: bool) -> sa.Executable:
    """The first lines of the newest `:lines` events of a user and their guests.

    Parameters: `tenant`, `user_id`, `lines`, and below a cursor `before_moment` and `before_seq`.
    """
    conditions: list[sa.ColumnElement[bool]] = [events.c.item_index == 0]
    if below_cursor:
        key = sa.tuple_(
            sa.bindparam("before_moment", type_=events.c.happened_at.type),
            sa.bindparam("before_seq", type_=events.c.seq.type),
        )
        conditions.append(sa.tuple_(events.c.happened_at, events.c.seq) < key)
    columns = (events.c.event_id, events.c.happened_at, events.c.seq)
    newest = _union(columns, _branches(("user_id",)), conditions)
    return newest.order_by(sa.literal_column("happened_at").desc(), sa.literal_column("seq").desc()).limit(
        sa.bindparam("lines", type_=sa.Integer)
    )


def _branches(kinds: tuple[str, ...]) -> list[sa.ColumnElement[bool]]:
    named = [events.c[kind] == sa.bindparam(kind, type_=sa.Text) for kind in kinds]
    if "user_id" in kinds:
        named.append(guests_of(_bound("tenant"), _bound("user_id")))
    return named


def _bound(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.Text)


def _union(
    columns: tuple[sa.Column[Any], ...],
    branches: list[sa.ColumnElement[bool]],
    conditions: list[sa.ColumnElement[bool]],
) -> sa.CompoundSelect[Any]:
    # Each branch by itself walks its own index backwards and stops at the limit; an OR would read it all.
    return sa.union_all(
        *(
            sa.select(
                sa.select(*columns)
                .where(events.c.tenant == _bound("tenant"), branch, *conditions)
                .order_by(*_NEWEST_FIRST)
                .limit(sa.bindparam("lines", type_=sa.Integer))
                .subquery()
            )
            for branch in branches
        )
    )
