"""The figures of docs/performance.md, written from the result file: `python -m benchmarks.serving.page`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULT, PAGE = ROOT / "benchmarks/results/serving.json", ROOT / "docs/performance.md"
_MARKED = re.compile(r"(<!-- serving -->\n).*?(<!-- end of serving -->)", re.DOTALL)


def written(page: str, body: dict[str, Any]) -> str:
    """The page with the run's table in its place."""
    return _MARKED.sub(lambda marks: f"{marks[1]}{chr(10).join(_lines(body))}\n{marks[2]}", page)


def _lines(body: dict[str, Any]) -> list[str]:
    head = ["| claim | measured | target | stretch | beside | |", "|---|---|---|---|---|---|"]
    return [
        *head,
        *(_row(claim) for claim in body["claims"]),
        "",
        f"{body['machine']}; `{body['command']}`.",
    ]


def _row(claim: dict[str, Any]) -> str:
    bound = "≤" if claim["at_most"] else "≥"
    unit = "" if claim["unit"] == "x" else f" {claim['unit']}"
    cells = [
        claim["name"],
        f"{claim['value']:.3g}{unit}",
        f"{bound} {claim['target']:g}",
        f"{bound} {claim['stretch']:g}",
        claim["baseline"] or "",
        "holds" if claim["holds"] else "missed",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Write the page."""
    PAGE.write_text(written(PAGE.read_text(), json.loads(RESULT.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
