"""The snippet of the README, run as it stands."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

from app.adapters.memory_stores import memory_stores
from app.domain.types import Item
from tests.api.build import build_services
from tests.api.world import World, running
from tests.clocks import FixedClock

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


def snippet() -> str:
    found = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def run(code: str, world: World) -> None:
    def client(*, base_url: str, headers: dict[str, str]) -> object:
        assert base_url.startswith("http://")
        world.client.headers.update(headers)
        return world.client

    names = {"httpx": SimpleNamespace(Client=client), "KEY": world.keys["sec"]}
    exec(code.replace("import httpx\n", ""), names)


def test_snippet_sends_an_event_and_shows_a_list(tmp_path: Path, capsys) -> None:
    clock = FixedClock()
    stores = memory_stores(clock=clock)
    with running(build_services(stores, clock, folder=tmp_path), stores, clock) as world:
        world.run(
            stores.items.put,
            [Item(item_id=f"i{n}", title=f"Mug {n}", price=Decimal(n)) for n in range(1, 12)],
        )
        run(snippet(), world)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Mug")]
    assert len(lines) == 8
    assert all(re.fullmatch(r"Mug \d+ \d+(\.\d+)?", line) for line in lines)


def test_snippet_is_short() -> None:
    assert len([line for line in snippet().splitlines() if line.strip()]) <= 8
