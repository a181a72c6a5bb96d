"""What the hot path asks stays an index scan however long the log is."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app.adapters.sql.engine import Database
from app.adapters.sql.people import met_items, newest_heads, newest_lines
from tests.clocks import NOON

LINES, PEOPLE = 60_000, 600


@pytest.fixture
async def long_log(database: Database) -> Database:
    """Many lines of many users, made by the database itself."""
    if database.is_sqlite:
        moment = "'2026-11-24 12:00:00.000000'"
        numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {LINES})"
    else:
        moment = "timestamptz '2026-11-24 12:00:00Z'"
        numbers = f"WITH n(i) AS (SELECT generate_series(1, {LINES}))"
    columns = "tenant, event_id, item_index, name, user_id, anonymous_id, session_id, item_id"
    values = (
        f"'t', 'e' || i, 0, 'view_item', 'u' || (i % {PEOPLE}), 'a' || (i % {PEOPLE}), 's' || i,"
        " 'i' || (i % 50)"
    )

    selected = f"SELECT {values}, {moment}, {moment} FROM n"

    async def fill(connection) -> None:
        for statement in (
            f"INSERT INTO events ({columns}, happened_at, received_at) {numbers} {selected}",
            f"INSERT INTO users VALUES ('t', 'u7', NULL, '{{}}', {moment}, {moment}, true)",
            f"INSERT INTO user_aliases VALUES ('t', 'a9', 'u7', {moment})",
            "ANALYZE",
        ):
            await connection.exec_driver_sql(statement)

    await database.write(fill, deadline_s=120.0)
    return database


async def plan(database: Database, statement: sa.Executable, **parameters: object) -> str:
    text = str(
        (statement.params(tenant="t", **parameters) if parameters else statement).compile(
            dialect=database.engine.dialect, compile_kwargs={"literal_binds": True}
        )
    )
    explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
    return "\n".join(
        str(tuple(row)) for row in await database.fetch(sa.text(f"{explain} {text}".replace(":", r"\:")))
    )


def reads_all(plan_text: str) -> bool:
    """Whether any part of the plan walks the whole log."""
    return "SCAN events" in plan_text or "Seq Scan on events" in plan_text


async def test_history_reads_the_indexes_of_its_ids(long_log: Database) -> None:
    found = await plan(
        long_log,
        newest_lines(("user_id", "session_id", "anonymous_id")),
        user_id="u7",
        session_id="s7",
        anonymous_id="a7",
        lines=200,
    )

    assert not reads_all(found), found
    for index in ("ix_events_user_id", "ix_events_session_id", "ix_events_anonymous_id"):
        assert index in found, found


@pytest.mark.parametrize("kinds", [("user_id",), ("user_id", "session_id", "anonymous_id")])
async def test_met_items_reads_the_indexes_of_its_ids(long_log: Database, kinds: tuple[str, ...]) -> None:
    ids = {kind: f"{kind[0]}7" for kind in kinds}

    found = await plan(long_log, met_items(kinds), lines=20_000, **ids)

    assert not reads_all(found), found
    for kind in kinds:
        assert f"ix_events_{kind}" in found, found


async def test_page_reads_the_indexes_of_the_user_and_their_guests(long_log: Database) -> None:
    found = await plan(
        long_log,
        newest_heads(below_cursor=True),
        user_id="u7",
        lines=51,
        before_moment=NOON,
        before_seq=1000,
    )

    assert not reads_all(found), found
    assert "ix_events_user_id" in found, found


async def test_reads_all_can_tell(long_log: Database) -> None:
    everything = sa.text("SELECT * FROM events WHERE name = 'x'")

    assert reads_all(await plan(long_log, everything))
