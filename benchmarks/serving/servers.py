"""The servers of a run, each a process of its own on loopback, ended by its own id."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

READY_WITHIN_S = 120.0
STOP_WITHIN_S = 15.0
LOOK_EVERY_S = 0.02
UNLIMITED = "1000000000"


class NotStartedError(Exception):
    """A server ended, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers.

    Attributes:
        started_s: From its start until it answered.
    """

    pid: int
    port: int
    started_s: float

    def memory_mb(self) -> float:
        """Resident memory now, in MB of 10^6 bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024 / 1e6


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(
    command: Sequence[str], *, port: int, path: str | None, environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Start a server, give it when it answers, end it afterwards.

    Args:
        command: The program and its arguments.
        port: Where it will listen.
        path: Asked until it answers 200; None: that it takes a connection is enough.
        environment: Added to this process's.

    Raises:
        NotStartedError: It ended, or did not answer in time.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, env={**os.environ, **(environment or {})}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            while not _answers(port, path):
                if process.poll() is not None or time.monotonic() - began > READY_WITHIN_S:
                    log.seek(0)
                    raise NotStartedError(log.read().decode(errors="replace")[-2000:])
                time.sleep(LOOK_EVERY_S)
            yield Running(process.pid, port, time.monotonic() - began)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A Redis that keeps nothing on disk; gives its address."""
    binary, port = shutil.which("redis-server"), free_port()
    if binary is None:
        raise NotStartedError("redis-server is missing: install the Debian package redis-server.")
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with running(command, port=port, path=None):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def baseline(name: str, *, redis_url: str = "") -> Iterator[Running]:
    """One of the applications of `baselines.py`."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.serving.baselines", name, "--port", str(port)]
    with running([*command, "--redis-url", redis_url], port=port, path=None) as server:
        yield server


@contextlib.contextmanager
def service(settings: Mapping[str, str], *options: str) -> Iterator[Running]:
    """`recserve serve` on these settings, ready."""
    port = free_port()
    environment = {f"RECSERVE_{name.upper()}": value for name, value in settings.items()}
    # As installed code has it: compiled once, not at each start.
    environment["PYTHONDONTWRITEBYTECODE"] = ""
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port), *options]
    with running(command, port=port, path="/readyz", environment=environment) as server:
        yield server


def _answers(port: int, path: str | None) -> bool:
    try:
        if path is None:
            with socket.create_connection(("127.0.0.1", port), timeout=1.0):
                return True
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5.0) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
