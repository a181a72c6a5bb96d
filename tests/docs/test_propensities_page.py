"""The worked example of the page on propensities, with the real command between its two halves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.adapters.sql.engine import Database
from app.adapters.sql.stores import sql_stores
from tests.api.build import build_services
from tests.api.world import World, running
from tests.clocks import FixedClock
from tests.commands import Commands

PAGE = (Path(__file__).resolve().parents[2] / "docs/propensities.md").read_text()
BLOCKS = re.findall(r"^```(bash|python|text)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
FILE = "exposures.jsonl"


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    clock, database = FixedClock(), Database(sqlite_url, deadline_s=20.0)
    stores = sql_stores(database, tenant="default", clock=clock)
    with running(build_services(stores, clock, folder=tmp_path), stores, clock) as made:
        yield made
        made.run(database.close)


def test_page_prints_what_it_says(
    world: World,
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RECSERVE_DATABASE_URL", sqlite_url)
    monkeypatch.chdir(tmp_path)
    recserve, printed = Commands(capsys), []

    def client(*, base_url: str, headers: dict[str, str]) -> object:
        assert base_url.startswith("http://")
        world.client.headers.update(headers)
        return world.client

    names = {
        "httpx": SimpleNamespace(Client=client),
        "print": lambda *words: printed.append(" ".join(map(str, words)) + "\n"),
        "ADM": world.keys["adm"],
    }
    for kind, body in BLOCKS:
        if kind == "python":
            if FILE in body:
                world.run(world.services.exposures.flush)
                assert recserve("export", "exposures", FILE).code == 0
            printed.clear()
            exec(body.replace("import httpx\n", ""), names)
        elif kind == "text":
            assert "".join(printed) == body


def test_commands_write_what_they_say(
    world: World,
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RECSERVE_DATABASE_URL", sqlite_url)
    monkeypatch.chdir(tmp_path)
    world.call("POST", "/v1/items:batch", json={"items": [{"item_id": "i1"}, {"item_id": "i2"}]})
    world.call("POST", "/v1/recommendations", json={"scenario": "latest", "user_id": "u1"})
    world.call("POST", "/v1/recommendations", json={"scenario": "latest", "session_id": "s1", "n": 1})
    world.run(world.services.exposures.flush)
    commands = [line.split()[1:] for kind, body in BLOCKS if kind == "bash" for line in body.splitlines()]
    assert len(commands) == 3
    for command in commands:
        assert Commands(capsys)(*command).code == 0
    import polars as pl

    table = pl.read_csv("exposures.csv")
    assert table.columns == pl.read_parquet("exposures.parquet").columns
    assert table["propensity"].to_list() == [1.0] * 3
    assert table["index"].to_list() == [0, 1, 0]
    assert pl.read_ndjson(FILE)["propensities"].to_list() == [[1.0, 1.0], [1.0]]
