"""kill -9 during ingest: what was acknowledged is there, whole and once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from app.adapters.sql.engine import Database
from app.adapters.sql.stores import sql_stores
from app.domain.types import EventStatus
from tests.clocks import FixedClock
from tests.events import event

KILLS = 4
ROOT = Path(__file__).parents[2]
START_S = 30.0


def run_and_kill(url: str, ledger: Path, *, run: int, chance: random.Random) -> None:
    """Let a child ingest, and kill it at a random moment after its first acknowledgement."""
    before = ledger.stat().st_size if ledger.exists() else 0
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.killed_ingest", url, str(ledger), str(run)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
    )
    limit = time.monotonic() + START_S
    while not ledger.exists() or ledger.stat().st_size == before:
        assert child.poll() is None, child.communicate()[1]
        assert time.monotonic() < limit, "the child never had an answer"
        time.sleep(0.01)
    # The moment of the kill is what is being varied here.
    time.sleep(chance.uniform(0.0, 0.4))
    child.send_signal(signal.SIGKILL)
    child.communicate()


async def test_kill_during_ingest_loses_and_doubles_nothing(database_url: str, tmp_path: Path) -> None:
    ledger, chance = tmp_path / "ledger", random.Random(7)
    for run in range(KILLS):
        run_and_kill(database_url, ledger, run=run, chance=chance)

    acknowledged = set(ledger.read_text().split("\n")[:-1])
    database = Database(database_url, deadline_s=20.0)
    rows = await database.fetch(sa.text("SELECT event_id, item_index FROM events"))
    lines = Counter(row.event_id for row in rows)
    assert len(acknowledged) > 100 * KILLS / 4
    assert acknowledged <= set(lines)
    assert set(lines.values()) == {2}
    assert len(rows) == len({tuple(row) for row in rows})
    if database.is_sqlite:
        assert (await database.fetch(sa.text("PRAGMA integrity_check")))[0][0] == "ok"

    again = await sql_stores(database, tenant="default", clock=FixedClock()).events.append(
        [event(event_id, "i1") for event_id in sorted(acknowledged)], create_unknown=True
    )
    assert set(again.statuses) == {EventStatus.DUPLICATE}
    await database.close()
