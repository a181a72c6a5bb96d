"""Hold what is claimed of serving against its baselines, in one run on this machine.

    python -m benchmarks.serving --out result.json

Starts its own servers on loopback (Redis, the service, the baselines), each claim's sides in turns. Needs
wrk and redis-server (Debian's packages of the same names). Writes the table as JSON and, beside it, pictures.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.quality.result import commit, machine, write
from benchmarks.serving import answers, claims, footprint, freshness, ingest, pictures, together
from benchmarks.serving.claims import Claim
from benchmarks.serving.shop import Shop

SIZES = (1000, 12_000, 100_000)
"""Catalogues, in items, for which one list is timed."""
PARTS = ("answers", "together", "footprint", "freshness", "ingest")


def main() -> int:
    """Measure, print, write. 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="Of one run.")
    parser.add_argument("--events", type=int, default=1000, help="Whose effect is timed.")
    parser.add_argument("--only", choices=PARTS, action="append", help="Parts to measure; all by default.")
    parser.add_argument("--shops", type=Path, help="Where made-up shops are kept for the next run.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = given.shops or Path(name)
        found = []
        for claim in _claims(given, folder):
            print(line(claim), flush=True)
            found.append(claim)
        body: dict[str, Any] = {
            "machine": machine(),
            "commit": commit(),
            # Without the folders, which only this machine has.
            "command": re.sub(
                r" --(shops|out) \S+", "", " ".join(["python -m benchmarks.serving", *sys.argv[1:]])
            ),
            "claims": [claim.body() for claim in found],
        }
        write(body, given.out)  # Whatever becomes of the pictures.
        if not given.only:
            small = stocked(folder, 12_000)
            body["curve"] = answers.curve(small, seconds=given.seconds)
            body["offered"] = answers.under_offers(small, seconds=given.seconds)
            shops = (stocked(folder, items) for items in SIZES)
            body["sizes"] = [together.one_list(shop, seconds=given.seconds) for shop in shops]
            pictures.draw(body, given.out.with_suffix(".png"))
    write(body, given.out)
    return 0 if all(claim.holds for claim in found) else 1


def _claims(given: argparse.Namespace, folder: Path) -> Iterator[Claim]:
    parts = given.only or PARTS
    if "ingest" in parts:
        with tempfile.TemporaryDirectory() as own:
            yield from ingest.measured(Path(own), rounds=given.rounds, seconds=given.seconds)
    if parts == ["ingest"]:
        return
    small = stocked(folder, 12_000)
    if "answers" in parts:
        yield from answers.measured(small, rounds=given.rounds, seconds=given.seconds)
    if "footprint" in parts:
        yield from footprint.measured(small, rounds=given.rounds)
    if "freshness" in parts:
        yield freshness.measured(small, events=given.events)
    if "together" in parts:
        pace = {"rounds": given.rounds, "seconds": given.seconds}
        yield together.measured(small, claims.TOGETHER_12K, **pace)
        yield together.measured(stocked(folder, 100_000), claims.TOGETHER_100K, **pace)


def stocked(folder: Path, items: int) -> Shop:
    """A shop of this size, made where it is not there yet."""
    shop = Shop(folder / f"shop-{items}", items)
    if not (shop.folder / "key").exists():
        command = [sys.executable, "-m", "benchmarks.serving.stocking", "--folder", str(shop.folder)]
        subprocess.run([*command, "--items", str(items)], check=True, stdout=subprocess.DEVNULL)
    return shop


def line(claim: Claim) -> str:
    """A claim for the terminal."""
    bound = "at most" if claim.of.at_most else "at least"
    verdict = "holds" if claim.holds else "MISSED"
    beside = f" [{claim.baseline}]" if claim.baseline else ""
    value = f"{claim.value:.3g} {claim.of.unit} ({bound} {claim.of.target})"
    return f"{verdict:6} {claim.of.name}: {value}{beside} {json.dumps(claim.detail)}"


if __name__ == "__main__":
    sys.exit(main())
