"""The page on the API and the README say which calls are there, and which are not yet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.api.samples import SAMPLES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/api.md").read_text()
README = (ROOT / "README.md").read_text()
PATHS = [route.split(" ")[1] for route in SAMPLES]
# What the contract's table of the administration names.
ADMIN = (
    "retrain",
    "jobs",
    "models",
    "scenarios",
    "experiments",
    "keys",
    "settings/event-weights",
    "schedule",
    "cache",
    "metrics/online",
)


def not_there_yet() -> set[str]:
    return set(re.findall(r"^\| `(/v1/[a-z/-]+)` \|", PAGE.partition("## Not there yet")[2], re.MULTILINE))


@pytest.mark.parametrize("name", ADMIN)
def test_call_is_there_or_said_not_to_be(name: str) -> None:
    path = f"/v1/admin/{name}"
    there = any(other == path or other.startswith(f"{path}/") for other in PATHS)
    assert there != (path in not_there_yet())


def test_nothing_else_is_said_not_to_be_there() -> None:
    assert not_there_yet() <= {f"/v1/admin/{name}" for name in ADMIN}


def test_readme_says_not_yet_as_long_as_the_page_does() -> None:
    assert ("not there yet](docs/api.md#not-there-yet)" in README) == bool(not_there_yet())
    [experiments] = re.findall(r"^\| A/B tests.*$", README, re.MULTILINE)
    assert ("not yet" in experiments) == ("/v1/admin/experiments" in not_there_yet())
