"""Whose a line of the log is, as SQL expressions."""

from __future__ import annotations

import sqlalchemy as sa

from app.adapters.sql.tables import events, user_aliases


def guests_of(tenant: str, user_id: str) -> sa.ColumnElement[bool]:
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
