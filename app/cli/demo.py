"""`recserve demo`: the public commands in a row, on the bundled shop, in a folder of its own."""

from __future__ import annotations

import json
import os
import socket
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.children import Child, children_end_with_us, run_to_end
from app.cli.console import FailedError, answer, load_settings, run, say
from app.cli.schema import migrate_database
from app.cli.walk import Service, Walk
from app.domain.errors import InvalidInputError
from app.domain.types import KeyKind, VersionState

if TYPE_CHECKING:
    from app.settings import Settings

DATA = Path(__file__).resolve().parents[2] / "data/online_retail/online_retail.parquet"
SHOPPER = "13069"
READY_WITHIN_S = 60.0
PRIVATE_MODE = 0o600
STAGES = 5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Walk the curl lines itself, stop, and say whether all held.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its database, models and keys.")] = Path(
        "var/demo"
    ),
    data: Annotated[Path, typer.Option(help="The Online Retail file.")] = DATA,
) -> None:
    """Import a real shop's year of sales, train on it, serve it, and print curl lines to try.

    What stands in the folder from an earlier run is used again; remove the folder to begin anew. It has its
    own database and models whatever RECSERVE_DATABASE_URL and RECSERVE_ARTIFACTS_URL say; the other settings
    hold.

    \b
    Examples:
      recserve demo
      RECSERVE_PORT=8081 recserve demo
      recserve demo --check
    """
    with children_end_with_us():
        stage = _Stages(_place(folder, data))
        stage.migrate()
        stage.import_data()
        stage.train()
        keys = stage.keys()
        service = stage.start()
        try:
            walk = Walk(Service(stage.place.address, keys), shopper=SHOPPER)
            walk.prepare()
            _print_how_to(stage.place, keys, walk)
            if check:
                walk.check()
                say("Everything held: the event changed the next list.")
            else:
                _serve_until_stopped(service)
        finally:
            service.stop()
        if check and service.returncode not in {0, None}:
            raise FailedError(f"The service ended with code {service.returncode}.")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the demo lives, and the settings that say so.

    Attributes:
        environment: For the commands that run as children.
    """

    folder: Path
    data: Path
    settings: Settings
    environment: dict[str, str]

    @property
    def address(self) -> str:
        """The service's base address."""
        return f"http://{self.settings.host}:{self.settings.port}"

    @property
    def database(self) -> Path:
        """The demo's database file."""
        return self.folder / "recserve.db"

    def remembered(self, name: str) -> dict[str, Any]:
        """What an earlier run noted; empty where there was none."""
        try:
            noted = json.loads((self.folder / f"{name}.json").read_text())
        except (OSError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}

    def remember(self, name: str, value: dict[str, Any]) -> None:
        """Note something for the next run, for the owner's eyes alone."""
        path = self.folder / f"{name}.json"
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_EXCL, PRIVATE_MODE), "w") as file:
            json.dump(value, file, indent=2)
        partial.replace(path)


def _place(folder: Path, data: Path) -> Place:
    if not data.is_file():
        raise InvalidInputError(f"There is no file {data}: the demo runs in a checkout, or with --data FILE.")
    settings = load_settings()
    port = _free_port(settings.host, settings.port)
    own = {
        "database_url": f"sqlite:///{folder / 'recserve.db'}",
        "artifacts_url": str(folder / "artifacts"),
        "scratch_dir": str(folder / "scratch"),
        "redis_url": "",
        "port": str(port),
        "jobs": "embedded",
    }
    environment = {name: value for name, value in os.environ.items() if name != "RECSERVE_REDIS_URL"}
    environment |= {f"RECSERVE_{name.upper()}": value for name, value in own.items() if value}
    changed = settings.model_copy(
        update={**own, "scratch_dir": folder / "scratch", "port": port, "redis_url": None}
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FailedError(f"{folder} cannot be made: {error.strerror}.") from error
    place = Place(folder, data, changed, environment)
    if not place.database.exists():
        # Notes about a database that is gone are about nothing.
        for name in ("import", "keys"):
            (folder / f"{name}.json").unlink(missing_ok=True)
    return place


def _free_port(host: str, port: int) -> int:
    """The port itself where it is free, any free one for 0; found out before the long stages."""
    try:
        with socket.create_server((host, port)) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        raise FailedError(
            f"Port {port} on {host} is taken ({error.strerror}). "
            f"RECSERVE_PORT chooses another: RECSERVE_PORT={port + 1 if port < 65_535 else 8080} make demo"
        ) from error


class _Stages:
    """The five stages; each says in a line what it did."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._number = 0

    def _say(self, what: str, started: float) -> None:
        self._number += 1
        say(f"[{self._number}/{STAGES}] {what} ({monotonic() - started:.1f} s)")

    def migrate(self) -> None:
        """The schema."""
        started = monotonic()
        revision = migrate_database(self.place.settings.database_url)
        self._say(f"Database: {self.place.database} is at schema {revision}.", started)

    def import_data(self) -> None:
        """The year of sales, once."""
        started = monotonic()
        noted = self.place.remembered("import")
        if noted.get("done"):
            self._say(
                f"Data: reused {noted['events']:,} events imported on {noted['last_sale_at'][:10]}.", started
            )
            return
        # A stopped import goes on with the same moment, or its halves would lie apart in time.
        moment = noted.get("last_sale_at") or datetime.now(UTC).isoformat()
        self.place.remember("import", {"last_sale_at": moment})
        report = self._command(
            "import", str(self.place.data), "--dataset", "online_retail", "--shift-to", moment, "--json"
        )
        self.place.remember("import", {"last_sale_at": moment, "done": True, "events": report["events"]})
        self._say(
            f"Data: {report['events']:,} baskets and refunds, {report['items']:,} items, "
            f"{report['users']:,} customers; {report['rejected_rows']:,} of {report['rows_read']:,} lines "
            "left out.",
            started,
        )

    def train(self) -> None:
        """A model, unless one is live."""
        started = monotonic()
        live = run(_live_version(self.place.settings))
        if live is not None:
            self._say(f"Model: reused {live}.", started)
            return
        version = self._command("train", "--json")
        state = (
            "live" if version["state"] == VersionState.LIVE else f"not live: {version['gate'].get('summary')}"
        )
        self._say(f"Model: {version['version']} is {state}.", started)

    def keys(self) -> dict[str, str]:
        """Three keys, made once and kept for the owner's eyes."""
        started = monotonic()
        noted = self.place.remembered("keys")
        kept = {kind.value: str(noted.get(kind.value, "")) for kind in KeyKind}
        if all(kept.values()):
            self._say(f"Keys: reused the three in {self.place.folder / 'keys.json'}.", started)
            return kept
        made = run(_make_keys(self.place.settings))
        self.place.remember("keys", made)
        self._say(f"Keys: made three, kept in {self.place.folder / 'keys.json'}.", started)
        return made

    def start(self) -> Child:
        """The service, answering."""
        started = monotonic()
        quiet = {"RECSERVE_LOG_LEVEL": "WARNING", "RECSERVE_LOG_FORMAT": "console"}
        service = Child(_recserve("serve"), quiet | self.place.environment)
        try:
            service.wait_until(Service(self.place.address, {}).is_ready, within_s=READY_WITHIN_S)
        except BaseException:
            service.stop()
            raise
        self._say(f"Service: answering on {self.place.address}.", started)
        return service

    def _command(self, *arguments: str) -> dict[str, Any]:
        """Run a public command to its end; its progress goes to the terminal, its answer comes back."""
        output = run_to_end(_recserve(*arguments), self.place.environment)
        answered: dict[str, Any] = json.loads(output)
        return answered


def _recserve(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "app.cli", *arguments]


async def _live_version(settings: Settings) -> str | None:
    from app.bootstrap import make_models
    from app.cli.opened import opened

    async with opened(settings) as base:
        page = await make_models(base).page(limit=100, cursor=None)
        return next((row.version for row in page.rows if row.state is VersionState.LIVE), None)


async def _make_keys(settings: Settings) -> dict[str, str]:
    from app.bootstrap import make_keys
    from app.cli.opened import opened

    async with opened(settings) as base:
        keys, made = make_keys(base), {}
        for kind in KeyKind:
            _, made[kind.value] = await keys.create(kind, name="demo")
        return made


def _print_how_to(place: Place, keys: dict[str, str], walk: Walk) -> None:
    answer(
        f"""
The service    {place.address}
API pages      {place.address}/docs
Keys           {keys["pub"]}   a browser's: recommend, send events
               {keys["sec"]}   a server's: all but admin
               {keys["adm"]}   an administrator's

Paste these one after the other: a list, an event, and the list again.
"""
    )
    for line in walk.curl_lines():
        answer(line + "\n")


def _serve_until_stopped(service: Child) -> None:
    say("Ctrl-C stops the service.")
    try:
        code = service.wait()
    except KeyboardInterrupt:
        service.stop()
        say("The service is stopped.")
        raise typer.Exit(0) from None
    raise FailedError(f"The service ended by itself with code {code}.")
