"""Run the fault matrix.

    python -m benchmarks.faults [--rows 1,4,14] [--short | --long] [--out result.json]

Prints row, fault, expected, seen and whether it passed, then one line of totals; exits 1 if a row failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks.faults import (
    rows_cache,
    rows_database,
    rows_disk,
    rows_limits,
    rows_load,
    rows_models,
    rows_soak,
)
from benchmarks.faults.rows import ROWS, Row, Scale, Seen
from benchmarks.quality.result import commit

MATRIX = (rows_database, rows_disk, rows_cache, rows_limits, rows_load, rows_models, rows_soak)
CI_ROWS = (5, 13, 16, 20, 26)
"""Of the short form: fast ones, of every part."""


async def ran(row: Row, scale: Scale) -> dict[str, Any]:
    """Run one row; what it raises is a failure, in words."""
    began = monotonic()
    try:
        seen = await row.run(scale)
    except Exception as error:  # noqa: BLE001  # a row that cannot be run has not passed
        seen = Seen()
        seen.check(f"{type(error).__name__}: {str(error)[:200]}", False)
        traceback.print_exc(file=sys.stderr)
    return {
        "row": row.number,
        "fault": row.fault,
        "expected": row.expected,
        "seen": "; ".join(seen.figures),
        "broken": seen.broken,
        "passed": seen.passed,
        "took_s": round(monotonic() - began, 1),
        **({"series": seen.series} if seen.series else {}),
    }


def shown(result: dict[str, Any]) -> str:
    """A row as a line."""
    verdict = "pass" if result["passed"] else "FAIL"
    told = [f"{result['row']:>2} {verdict}", result["fault"], f"expected: {result['expected']}"]
    return " | ".join([*told, f"seen: {result['seen']}", f"{result['took_s']} s"])


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--rows", help="numbers with commas between; all by default")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--short", action="store_true", help=f"rows {CI_ROWS} unless named, a tenth the size")
    length.add_argument("--long", action="store_true", help="the whole size, and an hour of each load")
    parser.add_argument(
        "--out",
        type=Path,
        help="write the results as JSON; rows of earlier runs that it holds are kept, each with its commit",
    )
    given = parser.parse_args()
    scale = Scale("short" if given.short else "long" if given.long else "usual")
    numbers = [int(part) for part in given.rows.split(",")] if given.rows else sorted(ROWS)
    if given.short and not given.rows:
        numbers = list(CI_ROWS)
    results = []
    for number in numbers:
        result = asyncio.run(ran(ROWS[number], scale))
        print(shown(result), flush=True)
        results.append(result)
        if given.out is not None:
            write(given.out, results, scale)
    failed = [result["row"] for result in results if not result["passed"]]
    print(f"{len(results)} rows, {len(results) - len(failed)} passed, {len(failed)} failed: {failed}")
    return 1 if failed else 0


def write(out: Path, results: list[dict[str, Any]], scale: Scale) -> None:
    """The results, beside those of rows that were not run now."""
    known = json.loads(out.read_text())["rows"] if out.exists() else []
    now = {result["row"] for result in results}
    at, of = datetime.now(UTC).isoformat(timespec="seconds"), commit()
    stamped = [{**result, "length": scale.length, "at": at, "commit": of} for result in results]
    rows = sorted([one for one in known if one["row"] not in now] + stamped, key=lambda one: one["row"])
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    document = {"command": "python -m benchmarks.faults", "machine": machine, "rows": rows}
    out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
