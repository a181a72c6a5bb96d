"""`recserve import --dataset online_retail`: the bundled shop, cleaned, moved in time, stored."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from app.cli.console import load_settings, progress_bar, say
from app.cli.storing import importer_of, ticking
from app.datasets.records import Record
from app.datasets.tally import Tally
from app.domain.errors import InvalidInputError
from app.domain.moments import rfc3339
from app.domain.types import JsonObject

if TYPE_CHECKING:
    from app.bootstrap import Foundation
    from app.datasets.online_retail import OnlineRetail


async def import_shop(
    file: Path, *, last_sale_at: datetime | None = None, dry_run: bool = False
) -> JsonObject:
    """Clean and import it: items, users, then events; returns the report.

    Events of it that stand already say how far its times were moved, and the rest is moved as far, so that
    an import that was stopped goes on as it began.

    Args:
        file: The Parquet file.
        last_sale_at: Moves all times so that the last sale is then; None leaves them as they are.
        dry_run: Store nothing.
    """
    from app.cli.opened import opened

    started, shop = monotonic(), _loaded(file)
    tally = Tally(accepted=shop.event_count() if dry_run else 0)
    report = _cleaned(file, shop) | {"dry_run": dry_run}
    if not dry_run:
        async with opened(load_settings()) as base:
            await _store(base, await _in_time(base, shop, last_sale_at), tally)
    return report | {
        "accepted": tally.accepted,
        "duplicates": tally.duplicates,
        "seconds": round(monotonic() - started, 1),
    }


def _loaded(file: Path) -> OnlineRetail:
    if not file.is_file():
        raise InvalidInputError(f"There is no file {file}.")
    try:
        import polars as pl

        from app.datasets.online_retail import load
    except ImportError as error:
        raise InvalidInputError(
            "This data set needs polars, which the group requirements/train.txt brings."
        ) from error
    try:
        return load(file)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InvalidInputError(f"{file} is not the Online Retail Parquet file.") from error


def _cleaned(file: Path, shop: OnlineRetail) -> JsonObject:
    return {
        "file": str(file),
        "dataset": "online_retail",
        "rows_read": shop.lines_read,
        "rejected_rows": sum(shop.rejected.values()),
        "rejected": [
            {"reason": reason.replace("_", " "), "rows": rows}
            for reason, rows in sorted(shop.rejected.items(), key=lambda pair: -pair[1])
        ],
        "spellings_merged": shop.spellings_merged,
        "items": len(shop.items()),
        "users": len(shop.users()),
        "events": shop.event_count(),
    }


async def _in_time(base: Foundation, shop: OnlineRetail, last_sale_at: datetime | None) -> OnlineRetail:
    """The till at the times of the events of it that stand, or at those asked for."""
    from app.bootstrap import make_dump
    from app.datasets.online_retail import ID_PREFIX

    standing = await make_dump(base).first_named(ID_PREFIX)
    by = None if standing is None else shop.moved_by(*standing)
    if by is None:
        return shop if last_sale_at is None else shop.ending_at(last_sale_at)
    moved = shop.moved(by)
    last = moved.last_sale_at()
    if last is not None and last != last_sale_at:
        say(f"Events of an earlier run stand; the rest is moved as they were: last sale {rfc3339(last)}.")
    return moved


async def _store(base: Foundation, shop: OnlineRetail, tally: Tally) -> None:
    importer, total = importer_of(base), shop.event_count()
    await importer.items((Record(i, item) for i, item in enumerate(shop.items())), Tally())
    await importer.users((Record(i, user) for i, user in enumerate(shop.users())), Tally())
    with progress_bar() as bar:
        task = bar.add_task("Importing events", total=total, note="")

        def tick() -> None:
            done = tally.accepted + tally.duplicates
            bar.update(task, completed=done, note=f"{done:,} of {total:,}")

        events = shop.events(received_at=datetime.now(UTC))
        await importer.events((Record(i, event) for i, event in enumerate(ticking(events, tick))), tally)
