"""The page of worked examples, run from top to bottom against the bundled shop's newest month."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.adapters.memory_stores import memory_stores
from app.datasets.online_retail import load
from app.domain.types import Event
from tests.api.build import build_services
from tests.api.world import World, running
from tests.clocks import NOON, FixedClock

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/worked_examples.md").read_text()
BUNDLE = ROOT / "data/online_retail/online_retail.parquet"
DAYS = 30
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """The service, and a customer who bought something again and again."""
    clock = FixedClock()
    stores = memory_stores(clock=clock)
    bundle = load(BUNDLE, last_sale_at=NOON - timedelta(hours=1))
    since = NOON - timedelta(days=DAYS)
    events = [event for event in bundle.events(received_at=NOON) if event.happened_at > since]
    folder = tmp_path_factory.mktemp("worked")
    with running(build_services(stores, clock, folder=folder), stores, clock) as made:
        made.run(stores.items.put, bundle.items())
        made.run(stores.events.append, events, create_unknown=True)
        made.run(made.services.recommend._load)
        made.run(made.services.recommend._popularity.refresh_baskets)
        yield made, _buys_again(events)


def _buys_again(events: list[Event]) -> str:
    times = Counter(
        (event.user_id, line.item_id) for event in events if event.name == "purchase" for line in event.items
    )
    most = max(times.values())
    return min(user for (user, _), count in times.items() if count == most and user is not None)


def test_page_prints_what_it_says(world: tuple[World, str]) -> None:
    made, buyer = world

    def client(*, base_url: str, headers: dict[str, str]) -> Any:
        assert base_url.startswith("http://")
        made.client.headers.update(headers)
        return made.client

    printed: list[str] = []

    def show(*words: object) -> None:
        printed.append(" ".join(map(str, words)) + "\n")

    fake = SimpleNamespace(Client=client)
    names = {"httpx": fake, "print": show, "ADM": made.keys["adm"], "BUYER": buyer}
    for kind, body in BLOCK.findall(PAGE):
        if kind == "text":
            assert "".join(printed) == body
        else:
            printed.clear()
            exec(body.replace("import httpx\n", ""), names)


def test_every_part_prints_something() -> None:
    parts = PAGE.split("\n## ")[1:]
    assert len(parts) == 9
    assert all(re.search(r"^```text\n.+\n^```$", part, re.DOTALL | re.MULTILINE) for part in parts)
