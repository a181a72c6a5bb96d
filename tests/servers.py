"""Private PostgreSQL and Redis for tests and benchmarks: own folder, free port, ended by their own id.

As root they drop to an unprivileged user, which PostgreSQL insists on. A missing binary fails the test and
names the Debian package that brings it; it never skips.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

STOP_S = 15.0


class ServerError(Exception):
    """A server's program is missing, or it did not start."""


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _binary(name: str, *, package: str) -> str:
    places = [os.environ.get("PATH", ""), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin")))]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        raise ServerError(f"{name} is missing: install the Debian package {package}.")
    resolved = Path(found).resolve()
    # redis-server is one of several names of a file that asks by which it was called.
    return str(resolved) if resolved.name == name else found


def _unprivileged() -> str | None:
    """The user to drop to, None where we are not root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class Server:
    """A server process of our own.

    Attributes:
        folder: Holds its data and its log.
        port: Where it listens, on 127.0.0.1.
    """

    name = "server"
    start_s = 30.0
    # The end that no parent can have told its children to ignore, as SIGQUIT is in a shell's background.
    at_once = signal.SIGKILL

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"recserve-{self.name}-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._user = _unprivileged()
        if self._user is not None:
            shutil.chown(self.folder, self._user)

    def command(self) -> list[str]:
        """What to run."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether it answers."""
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def pid(self) -> int:
        """The server's own process id."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self) -> None:
        """Run it and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=log,
                cwd=self.folder,
                user=self._user,
                extra_groups=[] if self._user else None,
                start_new_session=True,
            )
        self._wait(self._answers, self.start_s, "did not start")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait until it is gone."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL to it and to its own children."""
        self._signal_all(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(STOP_S)
        self._process = None

    def pause(self) -> None:
        """SIGSTOP to it and to its own children: sockets stay open, nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        """Stop and remove its folder; nothing in it is wanted any more."""
        self.stop(self.at_once)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, command: list[str]) -> None:
        """Run a tool as the server's user."""
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            cwd=self.folder,
            user=self._user,
            extra_groups=[] if self._user else None,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    def _signal_all(self, how: signal.Signals) -> None:
        for pid in (self.pid, *_children(self.pid)):
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                continue

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            log = (self.folder / "server.log").read_text(errors="replace")
            raise ServerError(f"{self.name} ended at once:\n{log[-2000:]}")
        return self.ready()

    def _wait(self, condition: Callable[[], bool], limit_s: float, complaint: str) -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > deadline:
                self.stop()
                raise ServerError(f"{self.name} {complaint} within {limit_s} s")
            time.sleep(0.02)


def _children(pid: int) -> list[int]:
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listing.read_text().split()] if listing.exists() else []


class PostgresServer(Server):
    """PostgreSQL with a user `recserve` who needs no password.

    Args:
        fsync: Wait for the disk. Where a server is killed and the machine is not, there is no need.
    """

    name = "postgresql"
    at_once = signal.SIGQUIT  # without a checkpoint, but its children and shared memory go too

    def __init__(self, *, fsync: bool = False) -> None:
        super().__init__()
        self._fsync = fsync
        self._bin = Path(_binary("postgres", package="postgresql")).parent
        self.run(
            [
                _binary("initdb", package="postgresql"),
                "--pgdata=data",
                "--username=recserve",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ]
        )

    def command(self) -> list[str]:
        """The server's program and its settings."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "fsync": "on" if self._fsync else "off",
            "max_connections": 100,
            "shared_buffers": "64MB",
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._bin / "postgres"), "-D", str(self.folder / "data"), *flags]

    def ready(self) -> bool:
        """Whether it takes connections."""
        probe = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(probe, check=False).returncode == 0

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """The fast shutdown by default: clients are sent away, and what is in memory goes to the disk."""
        super().stop(how)

    def url(self, database: str = "postgres") -> str:
        """The address of a database."""
        return f"postgresql://recserve@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Copy a database nobody is connected to; returns the copy's address."""
        self._psql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def _psql(self, statement: str) -> None:
        self.run([str(self._bin / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-d", self.url(), "-c", statement])


class RedisServer(Server):
    """Redis that keeps nothing on disk."""

    name = "redis"

    def command(self) -> list[str]:
        """No snapshots, no log of commands."""
        return [
            _binary("redis-server", package="redis-server"),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(self.folder),
        ]

    def url(self, database: int = 0) -> str:
        """The address of a numbered database."""
        return f"redis://127.0.0.1:{self.port}/{database}"
