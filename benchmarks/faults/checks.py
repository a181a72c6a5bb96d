"""What has to hold in many rows."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.faults.http import LOST
from benchmarks.faults.load import Asked, Ingest, p99_ms
from benchmarks.faults.place import Place
from benchmarks.faults.rows import Seen

MAY_ANSWER = {202, 503}


async def check_stored(seen: Seen, place: Place) -> None:
    """Nothing acknowledged is lost, nothing is there twice."""
    acknowledged = set().union(*(ledger.acknowledged for ledger in place.ledgers))
    stored = await place.stored()
    lost = acknowledged - stored.keys()
    doubled = [name for name, lines in stored.items() if lines != 1]
    seen.note(f"{len(acknowledged):,} acknowledged")
    seen.check(f"{len(lost)} lost", not lost and bool(acknowledged))
    seen.check(f"{len(doubled)} doubled", not doubled)
    if place.postgres is None:
        integrity = await place.integrity()
        seen.check(f"integrity {integrity}", integrity == "ok")


def check_answers(seen: Seen, asked: Sequence[Asked], *, what: str = "lists", right: int = 200) -> None:
    """Every one was answered with the right status."""
    bad = [one.reply.status for one in asked if one.reply.status != right]
    seen.check(f"{len(bad)} of {len(asked):,} {what} other than {right}", not bad and bool(asked))


def check_slowness(seen: Seen, calm: Sequence[Asked], faulty: Sequence[Asked], *, times: float) -> None:
    """The slowest hundredth against the calm one."""
    before, during = p99_ms(calm), p99_ms(faulty)
    seen.check(f"p99 {during:.0f} ms, calm {before:.0f} ms", during < times * before)


def check_statuses(seen: Seen, ingest: Ingest) -> None:
    """Events were answered as the contract says."""
    strange = {status for status in ingest.statuses if status not in {*MAY_ANSWER, LOST}}
    seen.check(f"events answered {dict(sorted(ingest.statuses.items()))}", not strange)
    seen.check(f"{ingest.without_retry_after} 503 without Retry-After", not ingest.without_retry_after)


def check_service(seen: Seen, place: Place) -> None:
    """Nothing crashed and nothing was left unhandled."""
    logs = "".join(service.log for service in place.services)
    count = logs.count("Traceback") + logs.count("http.request.crashed")
    seen.check(f"{count} tracebacks", count == 0)
