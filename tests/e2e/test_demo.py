"""The demo as a person runs it, on a quarter of the shop and with a model that fits in seconds."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from tests.commands import spawn
from tests.servers import free_port

BUNDLE = Path(__file__).parents[2] / "data/online_retail/online_retail.parquet"
SHARE = 4
PATIENCE_S = 180


@dataclass(frozen=True)
class Demo:
    """A demo's own folder, data and port."""

    folder: Path
    data: Path
    port: int

    def start(self, *more: str) -> subprocess.Popen[str]:
        """Run `recserve demo`."""
        environment = {"RECSERVE_PORT": str(self.port), "RECSERVE_RETRAIN_MODEL": "transitions"}
        return spawn("demo", "--folder", self.folder, "--data", self.data, *more, environment=environment)

    def run(self, *more: str) -> tuple[int, str, str]:
        """Run it to its end."""
        child = self.start(*more)
        out, err = child.communicate(timeout=PATIENCE_S)
        return child.returncode, out, err


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    data = folder / "quarter.parquet"
    shop = pl.read_parquet(BUNDLE)
    shop.filter(pl.col("CustomerID").cast(pl.Int64) % SHARE == 1).write_parquet(data)
    return Demo(folder=folder / "var", data=data, port=free_port())


@pytest.fixture(scope="module")
def first_run(demo: Demo) -> tuple[int, str, str]:
    """The demo from nothing, with its own check."""
    return demo.run("--check")


def test_demo_check_holds_from_nothing(demo: Demo, first_run: tuple[int, str, str]) -> None:
    code, out, err = first_run
    assert code == 0, err
    assert "Everything held" in err
    assert out.count("curl ") == 3
    assert [line[:5] for line in err.splitlines() if line.startswith("[")] == [
        f"[{n}/5]" for n in range(1, 6)
    ]
    assert not listens(demo.port)


def test_demo_keeps_its_keys_for_their_owner(demo: Demo, first_run: tuple[int, str, str]) -> None:
    keys = demo.folder / "keys.json"
    assert keys.stat().st_mode & 0o777 == 0o600
    assert all(key in first_run[1] for key in json.loads(keys.read_text()).values())


@pytest.fixture
def serving(demo: Demo, first_run: tuple[int, str, str]) -> Iterator[subprocess.Popen[str]]:
    """A second demo, which serves until it is stopped."""
    assert first_run[0] == 0
    child = demo.start()
    assert child.stdout is not None
    seen = []
    while len(seen) < 3:
        line = child.stdout.readline()
        assert line, child.communicate()[1]
        seen += [line] if line.startswith("curl ") else []
    try:
        yield child
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_demo_reuses_what_stands_and_leaves_nothing_running(
    demo: Demo, serving: subprocess.Popen[str], number: signal.Signals
) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{demo.port}/readyz", timeout=10) as answered:
        assert answered.status == 200
    if number == signal.SIGINT:
        os.killpg(serving.pid, number)  # Ctrl-C goes to the whole group.
    else:
        serving.send_signal(number)
    _, err = serving.communicate(timeout=60)
    assert err.count("reused") == 3
    assert serving.returncode == (0 if number == signal.SIGINT else 128 + number)
    assert "Traceback" not in err
    assert not listens(demo.port)
    assert group_of(serving.pid) == []


def test_demo_killed_takes_its_service_along(demo: Demo, serving: subprocess.Popen[str]) -> None:
    service = children_of(serving.pid)
    serving.kill()
    serving.communicate(timeout=60)
    for pid in service:
        wait_gone(pid)
    assert not listens(demo.port)


def test_demo_says_which_setting_moves_it_from_a_taken_port(demo: Demo) -> None:
    with socket.create_server(("127.0.0.1", demo.port)):
        code, out, err = demo.run()
    assert (code, out) == (1, "")
    assert f"Port {demo.port} on 127.0.0.1 is taken" in err
    assert f"RECSERVE_PORT={demo.port + 1} make demo" in err


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def children_of(pid: int) -> list[int]:
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listing.read_text().split()]


def group_of(leader: int) -> list[int]:
    """Living processes of the session that `spawn` opened, and what they started in sessions of their own."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z" and leader in {int(fields[2]), int(fields[3])}:
            found.append(int(stat.parent.name))
    return found


def wait_gone(pid: int) -> None:
    """Return once the process has ended; it is not ours to wait for, so its entry is watched."""
    handle = os.pidfd_open(pid) if Path(f"/proc/{pid}").exists() else None
    if handle is None:
        return
    import select

    try:
        ended, _, _ = select.select([handle], [], [], 30)
        assert ended, f"process {pid} outlived the demo"
    finally:
        os.close(handle)
