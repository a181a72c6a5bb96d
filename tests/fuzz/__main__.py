"""Fuzz the running service over its own OpenAPI: ``python -m tests.fuzz --examples 10``.

Starts the real thing, `recserve serve`, on a free port over a fresh SQLite file, makes one key of each kind,
and lets Schemathesis loose on every route with each of them. Exit code 1 where a check fails or anything
crashes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from urllib.error import URLError
from urllib.request import urlopen

CONFIG = Path(__file__).with_name("schemathesis.toml")
SCHEMATHESIS = Path(sys.executable).with_name("st")
KINDS = ("pub", "sec", "adm")
START_S = 60.0


def main() -> int:
    """Fuzz with each kind of key; 0 where all held."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz every route.")
    parser.add_argument("--examples", type=int, default=10, help="random cases a route, with an admin key")
    parser.add_argument("--seed", type=int, help="repeat a run by the seed it printed")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="kinds of key")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recserve-fuzz-") as name:
        folder = Path(name)
        environment = settings(folder)
        recserve("migrate", environment=environment)
        keys = {kind: make_key(kind, environment) for kind in given.kinds}
        with serving(environment, folder) as address:
            failed = [kind for kind in given.kinds if not holds(address, kind, keys[kind], given)]
        crashed = [line for line in (folder / "serve.log").read_text().splitlines() if '"error"' in line]
    print(*crashed, sep="\n")
    print(f"fuzz: failed with {', '.join(failed)}" if failed else "fuzz: every check held")
    return 1 if failed or crashed else 0


def settings(folder: Path) -> dict[str, str]:
    """The environment of a service that keeps everything in this folder."""
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    others = {name: value for name, value in os.environ.items() if not name.startswith("RECSERVE_")}
    return others | {
        "RECSERVE_DATABASE_URL": f"sqlite:///{folder}/recserve.db",
        "RECSERVE_ARTIFACTS_URL": str(folder / "artifacts"),
        "RECSERVE_SCRATCH_DIR": str(folder / "scratch"),
        "RECSERVE_PORT": str(port),
        # retrainings are queued, and nobody is there to run them
        "RECSERVE_JOBS": "worker",
        "RECSERVE_DRAIN_S": "0",
        "RECSERVE_LOG_LEVEL": "ERROR",
        # What is looked for is behind the limits, and thousands of requests come from one address.
        "RECSERVE_LIMIT_PUB_PER_MINUTE": "1000000",
        "RECSERVE_LIMIT_SEC_PER_MINUTE": "1000000",
        "RECSERVE_LIMIT_ADM_PER_MINUTE": "1000000",
        "RECSERVE_USER_TOKEN_SECRET": "the secret of the fuzzed shop, long enough",
    }


def recserve(*arguments: str, environment: dict[str, str]) -> str:
    """Run a command of the service; its output."""
    call = [sys.executable, "-m", "app.cli", *arguments]
    return subprocess.run(call, env=environment, check=True, capture_output=True, text=True).stdout


def make_key(kind: str, environment: dict[str, str]) -> str:
    """A new key."""
    answer = recserve("keys", "create", "--kind", kind, "--json", environment=environment)
    return str(json.loads(answer)["key"])


@contextmanager
def serving(environment: dict[str, str], folder: Path) -> Iterator[str]:
    """The service, from its first ready answer to its stop; its address."""
    address = f"http://127.0.0.1:{environment['RECSERVE_PORT']}"
    with (folder / "serve.log").open("w") as log:
        child = subprocess.Popen([sys.executable, "-m", "app.cli", "serve"], env=environment, stderr=log)
        try:
            wait_until_ready(address, child)
            yield address
        finally:
            child.terminate()
            child.wait(30)


def wait_until_ready(address: str, child: subprocess.Popen[bytes]) -> None:
    """Return once it is ready. Raises `RuntimeError` where it is not in time."""
    limit = time.monotonic() + START_S
    while time.monotonic() < limit and child.poll() is None:
        try:
            with urlopen(f"{address}/readyz", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError("The service did not start.")


def holds(address: str, kind: str, key: str, given: argparse.Namespace) -> bool:
    """Whether every check held with this key."""
    # what a key may not do is refused before anything is parsed, so the smaller kinds need fewer cases
    examples = given.examples if kind == "adm" else max(2, given.examples // 5)
    call = [SCHEMATHESIS, "--config-file", CONFIG, "--no-color", "run", f"{address}/openapi.json"]
    call += ["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(examples)]
    if given.seed is not None:
        call += ["--seed", str(given.seed)]
    print(f"fuzz: with a {kind} key", flush=True)
    return subprocess.run(call, env=os.environ | {"RECSERVE_FUZZ_KEY": key}, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
