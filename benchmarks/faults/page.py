"""Write the matrix as it was last run into docs/reliability.md: `python -m benchmarks.faults.page`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE, RESULTS = ROOT / "docs/reliability.md", ROOT / "benchmarks/results/faults.json"
BEGIN, END = "<!-- faults -->", "<!-- /faults -->"


def table(document: dict[str, Any]) -> str:
    """The rows, and how many of them passed."""
    rows = document["rows"]
    lines = ["| row | fault | expected | seen | |", "|---|---|---|---|---|"]
    for row in rows:
        verdict = "pass" if row["passed"] else "**fails**"
        cells = [str(row["row"]), row["fault"], row["expected"], row["seen"], f"{verdict}, {row['length']}"]
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    passed = sum(row["passed"] for row in rows)
    commits = dict.fromkeys(row.get("commit", "")[:7] for row in rows)
    of = ", ".join(
        f"{name}: " + ", ".join(str(row["row"]) for row in rows if row.get("commit", "")[:7] == name)
        for name in commits
        if name
    )
    return "\n".join([*lines, "", f"{passed} of {len(rows)} rows passed. By commit, rows of {of}."])


def with_table(page: str, document: dict[str, Any]) -> str:
    """The page with this table in its place."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{table(document)}\n{END}{rest.split(END)[1]}"


def main() -> int:
    """Write it."""
    PAGE.write_text(with_table(PAGE.read_text(), json.loads(RESULTS.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
