"""`recserve import` and `export` on real databases: totals, reports, stops, and what is said of mistakes."""

from __future__ import annotations

import asyncio
import csv
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import pytest

from app.adapters.sql.dump import SqlDump
from app.adapters.sql.engine import Database
from app.domain.types import StoredEvent
from tests.commands import Commands, spawn

T = TypeVar("T")
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def recserve(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    """The commands over a fresh database, once on each engine."""
    monkeypatch.setenv("RECSERVE_DATABASE_URL", database_url)
    return Commands(capsys)


@pytest.fixture
def sqlite_recserve(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    """The commands over a fresh SQLite file."""
    monkeypatch.setenv("RECSERVE_DATABASE_URL", sqlite_url)
    return Commands(capsys)


def ask(url: str, work: Callable[[SqlDump], Coroutine[Any, Any, T]]) -> T:
    """Read from a database."""

    async def main() -> T:
        database = Database(url, deadline_s=20.0)
        try:
            return await work(SqlDump(database, tenant="default"))
        finally:
            await database.close()
            await asyncio.sleep(0)

    return asyncio.run(main())


def stored_events(url: str) -> list[StoredEvent]:
    return ask(url, lambda dump: dump.events(after=0, limit=100_000))


def orders(path: Path, *, count: int, bad: int = 0) -> Path:
    """A shop's file of orders, two lines each, `bad` of them without a customer, with names of its own."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["order", "customer", "date", "sku", "pieces", "each"])
        for place in range(count):
            at = (START + timedelta(minutes=place)).isoformat()
            customer = "" if place < bad else f"c{place % 17}"
            for line in range(2):
                sku = f"sku-{(place * 7 + line) % 50}"
                writer.writerow([f"o{place}", customer, at, sku, line + 1, "2.50"])
    return path


ORDERS = [
    *("--kind", "events", "--set", "event=purchase", "--set", "currency=eur"),
    *("--map", "event_id=order", "--map", "user_id=customer", "--map", "timestamp=date"),
    *("--map", "item_id=sku", "--map", "quantity=pieces", "--map", "price=each"),
]


def test_import_stores_orders_once(recserve: Commands, database_url: str, tmp_path: Path) -> None:
    file = orders(tmp_path / "orders.csv", count=1_200, bad=3)
    first = recserve("import", file, *ORDERS, "--json")
    assert first.code == 0
    assert {key: first.json[key] for key in ("rows_read", "accepted", "duplicates", "rejected_rows")} == {
        "rows_read": 2_400,
        "accepted": 1_197,
        "duplicates": 0,
        "rejected_rows": 6,
    }
    assert first.json["rejected"] == [
        {
            "reason": "user_id, anonymous_id and session_id are all missing",
            "rows": 6,
            "first_lines": [2, 3, 4, 5, 6],
        }
    ]
    again = recserve("import", file, *ORDERS, "--json").json
    assert (again["accepted"], again["duplicates"]) == (0, 1_197)
    events = stored_events(database_url)
    assert len(events) == 1_197
    event = events[0].event
    assert (event.event_id, event.name, event.currency, event.user_id) == ("o3", "purchase", "EUR", "c3")
    assert [(line.item_id, line.quantity, line.price) for line in event.items] == [
        ("sku-21", 1.0, Decimal("2.5")),
        ("sku-22", 2.0, Decimal("2.5")),
    ]


def test_import_dry_run_stores_nothing(recserve: Commands, database_url: str, tmp_path: Path) -> None:
    file = orders(tmp_path / "orders.csv", count=5)
    report = recserve("import", file, *ORDERS, "--dry-run", "--json").json
    assert (report["dry_run"], report["accepted"], report["rows_read"]) == (True, 5, 10)
    assert stored_events(database_url) == []


def test_import_keeps_rejected_rows(sqlite_recserve: Commands, tmp_path: Path) -> None:
    file = orders(tmp_path / "orders.csv", count=3, bad=1)
    done = sqlite_recserve("import", file, *ORDERS, "--rejected", tmp_path / "bad.jsonl")
    assert done.code == 0
    assert "6 rows read" in done.err
    assert "2 rows left out" in done.err
    kept = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert [(row["line"], row["row"]["order"]) for row in kept] == [(2, "o0"), (3, "o0")]


def test_import_ends_with_1_when_no_row_can_be_used(sqlite_recserve: Commands, tmp_path: Path) -> None:
    assert sqlite_recserve("import", orders(tmp_path / "o.csv", count=2, bad=2), *ORDERS).code == 1


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("kind", ["events", "items", "users"])
def test_export_comes_back_the_same(
    sqlite_recserve: Commands, sqlite_url: str, tmp_path: Path, ending: str, kind: str
) -> None:
    file = orders(tmp_path / "orders.csv", count=30)
    (tmp_path / "items.csv").write_text(
        "item_id,title,categories,price,currency,in_stock,published_at\n"
        'sku-1,"Mug, red",mugs|red,3.10,EUR,no,2026-01-02T03:04:05Z\n'
        "sku-2,Bag,,,,,\n"
    )
    (tmp_path / "users.csv").write_text("user_id,country,attributes.tier\nc1,France,gold\n")
    sqlite_recserve("import", file, *ORDERS)
    sqlite_recserve("import", tmp_path / "items.csv", "--kind", "items")
    sqlite_recserve("import", tmp_path / "users.csv", "--kind", "users")
    first, second = tmp_path / f"first.{ending}", tmp_path / f"second.{ending}"
    assert sqlite_recserve("export", kind, first).code == 0
    read = sqlite_recserve("import", first, "--kind", kind, "--json").json
    assert read["rejected_rows"] == 0
    assert read["rows_read"] > 0
    assert sqlite_recserve("export", kind, second).code == 0
    assert _comparable(first) == _comparable(second)


def _comparable(file: Path) -> list[dict[str, object]]:
    readers = {".jsonl": pl.read_ndjson, ".csv": pl.read_csv, ".parquet": pl.read_parquet}
    frame = readers[file.suffix](file)
    return frame.drop("received_at", "updated_at", "cold", strict=False).to_dicts()


def test_export_to_stdout_is_pure_json(sqlite_recserve: Commands, tmp_path: Path) -> None:
    sqlite_recserve("import", orders(tmp_path / "orders.csv", count=3), *ORDERS)
    done = sqlite_recserve("export", "events", "-")
    assert [json.loads(line)["event_id"] for line in done.out.splitlines()] == ["o0", "o1", "o2"]


def test_import_goes_on_after_a_kill_without_doubling(sqlite_url: str, tmp_path: Path) -> None:
    file = orders(tmp_path / "orders.csv", count=8_000)
    environment = {"RECSERVE_DATABASE_URL": sqlite_url}
    victim = spawn("import", file, *ORDERS, environment=environment)
    while victim.poll() is None and len(ask(sqlite_url, lambda dump: dump.events(after=0, limit=2))) < 2:
        pass
    victim.send_signal(signal.SIGKILL)
    victim.communicate(timeout=30)
    before = len(stored_events(sqlite_url))
    assert 0 < before < 8_000, "the import was not stopped on its way"
    second = spawn("import", file, *ORDERS, "--json", environment=environment)
    out, err = second.communicate(timeout=120)
    report = json.loads(out)
    assert (report["duplicates"], report["accepted"]) == (before, 8_000 - before), err
    assert len(stored_events(sqlite_url)) == 8_000


def test_import_stops_cleanly_on_ctrl_c(sqlite_url: str, tmp_path: Path) -> None:
    file = orders(tmp_path / "orders.csv", count=8_000)
    child = spawn("import", file, *ORDERS, environment={"RECSERVE_DATABASE_URL": sqlite_url})
    while child.poll() is None and not ask(sqlite_url, lambda dump: dump.events(after=0, limit=1)):
        pass
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "Stopped."
    assert "Traceback" not in err


def test_import_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from app.cli import run; run(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )

    def peak_kb(count: int) -> int:
        file = orders(tmp_path / f"{count}.csv", count=count)
        command = [sys.executable, "-c", script, "import", str(file), *ORDERS, "--dry-run"]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert peak_kb(25_000) - peak_kb(1_000) < 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.csv", "--kind", "events"], "There is no file none.csv"),
        (["orders.csv"], "--kind events, items or users"),
        (["orders.csv", "--kind", "events"], "events need event"),
        (["orders.csv", "--kind", "events", "--map", "timestamp=when"], "no column when"),
        (["orders.csv", "--kind", "events", "--map", "colour=sku"], "events have no field colour"),
        (["orders.csv", "--kind", "items", "--map", "item_id"], "FIELD=VALUE"),
        (["orders.xlsx", "--kind", "items"], "format of orders.xlsx is not known"),
        (["orders.csv", "--kind", "events", "--timezone", "Mars/Base"], "no time zone Mars/Base"),
        (["orders.csv", "--kind", "events", "--event-name", "view"], "THEIRS=OURS"),
        (["orders.csv", "--kind", "users", "--shift-to-now"], "go with --dataset"),
        (["orders.csv", "--dataset", "online_retail", "--kind", "items"], "--kind does not go with"),
        (["orders.csv", "--dataset", "online_retail"], "not the Online Retail Parquet file"),
        (["orders.csv", "--kind", "things"], "things"),
    ],
)
def test_import_says_what_is_wrong(
    sqlite_recserve: Commands,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    orders(tmp_path / "orders.csv", count=1)
    (tmp_path / "orders.xlsx").write_text("not a sheet")
    monkeypatch.chdir(tmp_path)
    done = sqlite_recserve("import", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_import_dataset_stores_a_shop_once(
    sqlite_recserve: Commands, sqlite_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "till.parquet"
    minute = datetime(2011, 12, 9, 12, 50)  # noqa: DTZ001  # the file's times name no zone
    pl.DataFrame(
        {
            "Description": ["RED MUG", "RED MUG", "BLUE BAG", "POSTAGE", "RED MUG"],
            "Quantity": [2, 1, 3, 1, -1],
            "InvoiceDate": [minute, minute, minute, minute, minute + timedelta(minutes=5)],
            "UnitPrice": [1.5, 1.5, 2.0, 18.0, 1.5],
            "CustomerID": [12346.0] * 5,
            "Country": ["France"] * 5,
        }
    ).write_parquet(file)
    moment = "2026-11-24T10:00:00Z"
    arguments = ["import", file, "--dataset", "online_retail", "--shift-to", moment, "--json"]
    first, again = sqlite_recserve(*arguments).json, sqlite_recserve(*arguments).json
    assert (first["items"], first["users"], first["accepted"], first["rejected_rows"]) == (2, 1, 2, 1)
    assert (again["accepted"], again["duplicates"]) == (0, 2)
    purchase, refund = (stored.event for stored in stored_events(sqlite_url))
    assert purchase.happened_at == datetime(2026, 11, 24, 10, tzinfo=UTC)
    assert (purchase.name, len(purchase.items), refund.name) == ("purchase", 2, "refund")


@pytest.mark.parametrize(("kind", "column"), [("items", "item_id"), ("users", "user_id")])
def test_import_counts_a_row_twice_in_the_file_alike_when_dry(
    sqlite_recserve: Commands, tmp_path: Path, kind: str, column: str
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"{column}\na\na\nb\n")
    dry = sqlite_recserve("import", file, "--kind", kind, "--dry-run", "--json").json
    real = sqlite_recserve("import", file, "--kind", kind, "--json").json
    assert (dry["accepted"], dry["duplicates"]) == (real["accepted"], real["duplicates"]) == (2, 1)


def test_import_names_the_encoding_as_it_was_asked_for(sqlite_recserve: Commands, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes("item_id,title\na,M\u00fcsli\n".encode("latin-1"))
    said = sqlite_recserve("import", file, "--kind", "items").err
    assert "is not utf-8 text" in said
    assert "utf-8-sig" not in said


def a_till(file: Path, *, baskets: int) -> Path:
    minute = datetime(2011, 1, 1, 9, 0)  # noqa: DTZ001  # the file's times name no zone
    pl.DataFrame(
        {
            "Description": ["RED MUG" if n % 2 else "BLUE BAG" for n in range(baskets)],
            "Quantity": [2] * baskets,
            "InvoiceDate": [minute + timedelta(minutes=n) for n in range(baskets)],
            "UnitPrice": [1.5] * baskets,
            "CustomerID": [12346.0 + n % 50 for n in range(baskets)],
            "Country": ["France"] * baskets,
        }
    ).write_parquet(file)
    return file


def test_import_dataset_goes_on_after_a_kill_at_the_first_runs_times(sqlite_url: str, tmp_path: Path) -> None:
    count = 6_000
    command = ["import", a_till(tmp_path / "till.parquet", baskets=count), "--dataset", "online_retail"]
    environment = {"RECSERVE_DATABASE_URL": sqlite_url}
    victim = spawn(*command, "--shift-to-now", environment=environment)
    while victim.poll() is None and not ask(sqlite_url, lambda dump: dump.events(after=0, limit=1)):
        pass
    victim.send_signal(signal.SIGKILL)
    victim.communicate(timeout=30)
    assert 0 < len(stored_events(sqlite_url)) < count, "the import was not stopped on its way"
    out, err = spawn(*command, "--shift-to-now", "--json", environment=environment).communicate(timeout=120)
    assert json.loads(out)["events"] == count, err
    assert "Events of an earlier run stand" in err
    moved = {
        stored.event.happened_at
        - datetime.strptime(f"{stored.event.event_id.split('-')[3]}Z", "%Y%m%d%H%M%z")
        for stored in stored_events(sqlite_url)
    }
    assert len(moved) == 1
