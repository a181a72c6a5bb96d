"""Perform the Dockerfile's own steps in a clean directory and start what the image would start.

    python -m deploy.image_rehearsal                    # both targets: `serve`, `worker` on its database
    python -m deploy.image_rehearsal --target api --keep

For machines without a container engine. The instructions are read from the Dockerfile, so the rehearsal
cannot drift from it; `/srv/recserve` stands for the rehearsal's directory, and the base image is this
machine's Python 3.11. As root, USER steps drop to that uid, so that a file the image could not write fails
here too. Whatever is not as it should be ends the rehearsal with 1 and a line that says what.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = "/srv/recserve"
IMAGE_UID = 65532
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
QUIET_S = 5.0


@dataclass
class Stage:
    """A build stage: its parent and its instructions in order."""

    parent: str
    steps: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Container:
    """What the steps so far have made."""

    home: Path
    env: dict[str, str]
    uid: int | None = None
    command: list[str] = field(default_factory=list)
    probe: list[str] = field(default_factory=list)

    def here(self, text: str) -> str:
        """The text with the image's home directory replaced by this one."""
        return text.replace(HOME, str(self.home))


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """The Dockerfile's instructions with continuation lines joined and comments dropped."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    for line in joined.splitlines():
        word, _, rest = line.strip().partition(" ")
        yield word.upper(), rest.strip()


def stages(text: str) -> dict[str, Stage]:
    """The file's stages by name."""
    found: dict[str, Stage] = {}
    name = ""
    for word, rest in instructions(text):
        if word == "FROM":
            parent, _, name = re.split(r"\s+", rest, maxsplit=2)
            found[name] = Stage(parent)
        else:
            found[name].steps.append((word, rest))
    return found


def steps_of(target: str, all_stages: dict[str, Stage]) -> list[tuple[str, str]]:
    """Every step that makes a target, parents first."""
    if target not in all_stages:
        return []
    stage = all_stages[target]
    return [*steps_of(stage.parent, all_stages), *stage.steps]


def drop_to(uid: int | None) -> dict[str, object]:
    """Arguments that make a child run under the image's uid where this process may do so."""
    return {"user": uid, "group": uid, "extra_groups": []} if uid and os.geteuid() == 0 else {}


def copy(box: Container, source: Path, target: Path) -> None:
    """COPY one file or folder of the checkout, without what .dockerignore leaves out."""
    into = box.home / target
    into.parent.mkdir(parents=True, exist_ok=True)
    if (ROOT / source).is_dir():
        shutil.copytree(ROOT / source, into, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(ROOT / source, into)


def perform(box: Container, word: str, rest: str) -> None:
    """Carry out one instruction."""
    if word == "ENV":
        for pair in shlex.split(rest):
            key, _, value = pair.partition("=")
            box.env[key] = box.here(value).replace("$PATH", box.env["PATH"])
    elif word == "COPY":
        copy(box, *(Path(part) for part in rest.split()))
    elif word == "RUN":
        print(f"  RUN {rest[:100]}", flush=True)
        subprocess.run(
            ["sh", "-ec", box.here(rest)], cwd=box.home, env=box.env, check=True, **drop_to(box.uid)
        )
    elif word == "USER":
        box.uid = int(rest.partition(":")[0])
    elif word == "CMD":
        box.command = json.loads(rest)
    elif word == "HEALTHCHECK" and "CMD" in rest:
        box.probe = json.loads(rest[rest.index("CMD") + 3 :])


def python_home() -> str:
    """The folder of a Python 3.11 or newer with venv that the image's uid may run too."""
    check = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
    for folder in os.environ["PATH"].split(os.pathsep):
        python = Path(folder, "python3").resolve()
        if not python.is_file():
            continue
        try:
            subprocess.run(
                [python, "-c", check], check=True, capture_output=True, cwd="/", **drop_to(IMAGE_UID)
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return folder
    raise SystemExit("no python3 with venv that an unprivileged user may run (Debian: python3-venv)")


def build(target: str, home: Path) -> Container:
    """Perform all steps of a target under `home`."""
    kept = ("PIP_CERT", "SSL_CERT_FILE", "LANG")
    kept_env = {key: os.environ[key] for key in kept if key in os.environ}
    box = Container(home, kept_env | {"HOME": str(home), "PATH": f"{python_home()}:{os.environ['PATH']}"})
    for word, rest in steps_of(target, stages((ROOT / "Dockerfile").read_text())):
        perform(box, word, rest)
    return box


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_healthy(box: Container, process: subprocess.Popen[bytes], port: int) -> float:
    """Seconds until the image's own health check passes; raises where it never does."""
    started = time.monotonic()
    probe = [part.replace("8080", str(port)) for part in box.probe]
    while time.monotonic() - started < START_TIMEOUT_S:
        if process.poll() is not None:
            raise SystemExit(f"the service ended at once with exit code {process.returncode}")
        done = subprocess.run(probe, cwd=box.home, env=box.env, capture_output=True, check=False)
        if done.returncode == 0:
            return time.monotonic() - started
    raise SystemExit(f"the health check did not pass within {START_TIMEOUT_S:.0f} s")


def expect(what: str, found: object, wanted: object) -> None:
    """Say what was found; anything else than what was wanted ends the rehearsal."""
    if found != wanted:
        raise SystemExit(f"{what}: {found}, and not {wanted}")
    print(f"  {what}: {found}", flush=True)


def inside(box: Container, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end as the image's user."""
    return subprocess.run(
        command, cwd=box.home, env=box.env, capture_output=True, text=True, check=False, **drop_to(box.uid)
    )


def recserve(box: Container, *arguments: str) -> str:
    """The answer of one of the image's commands, which must succeed."""
    done = inside(box, *box.command[:-1], *arguments)
    if done.returncode != 0:
        raise SystemExit(f"recserve {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def status(address: str, key: str | None = None) -> int:
    """The status that a GET is answered with."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def resident_mb(process: subprocess.Popen[bytes]) -> float:
    """Its memory."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


@contextlib.contextmanager
def started(box: Container, *, output: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The image's command, as its user; SIGTERM at the end must give 0."""
    run = {"cwd": box.home, "env": box.env, "stdout": output, **drop_to(box.uid)}
    # Without a buffer, so that a line that waits to be read is one that `select` sees.
    process = subprocess.Popen(
        box.command, start_new_session=True, stderr=subprocess.STDOUT, bufsize=0, **run
    )
    try:
        yield process
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        expect("exit code after SIGTERM", process.wait(timeout=STOP_TIMEOUT_S), 0)
        print(f"  stopped in {time.monotonic() - asked:.1f} s")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def check_api(box: Container) -> None:
    """Start the service, ask it with and without a key, stop it."""
    port = free_port()
    box.env |= {"RECSERVE_HOST": "127.0.0.1", "RECSERVE_PORT": str(port)}
    base = f"http://127.0.0.1:{port}"
    key = json.loads(recserve(box, "keys", "create", "--kind", "sec", "--json"))["key"]
    with started(box) as process:
        took = wait_healthy(box, process, port)
        print(f"  healthy after {took:.1f} s, {resident_mb(process):.0f} MB resident, uid {box.uid}")
        expect("GET /healthz", status(f"{base}/healthz"), 200)
        expect("GET /v1/popular without a key", status(f"{base}/v1/popular"), 401)
        expect("GET /v1/popular with a key", status(f"{base}/v1/popular", key), 200)


def check_worker(box: Container) -> None:
    """Start the worker on a queue that is empty, see it wait, stop it."""
    with started(box, output=subprocess.PIPE) as process:
        began = time.monotonic()
        first = next_line(process, START_TIMEOUT_S)
        if first is None or "worker.started" not in first:
            raise SystemExit(f"the worker did not start, but said: {first}")
        print(f"  working after {time.monotonic() - began:.1f} s, {resident_mb(process):.0f} MB resident")
        # It tells of each job that it claims, and of a queue that it cannot read.
        expect(f"said with nothing to do for {QUIET_S:.0f} s", next_line(process, QUIET_S), None)
        expect("still running", process.poll() is None, True)


def next_line(process: subprocess.Popen[bytes], timeout_s: float) -> str | None:
    """The next line that it prints; None where it prints none in time."""
    output = process.stdout
    if output is None or not select.select([output], [], [], timeout_s)[0]:
        return None
    return output.readline().decode(errors="replace").strip()


def size_mb(folder: Path) -> float:
    """Bytes of all files below, in MB."""
    return (
        sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        / 1e6
    )


def readable(folder: Path) -> None:
    """Let the image's uid enter the temporary directory, as it could in the image."""
    folder.chmod(0o755)


def give_to(folder: Path, uid: int) -> None:
    """Let the image's uid write there where this process may say so, as a volume of its would be."""
    if os.geteuid() == 0:
        os.chown(folder, uid, uid)


def rehearse(target: str, data: Path, *, keep: bool) -> None:
    """Build one target and check what it would start, on the database in `data`."""
    home = Path(tempfile.mkdtemp(prefix=f"recserve-{target}-"))
    readable(home)
    began = time.monotonic()
    try:
        print(f"{target}:", flush=True)
        box = build(target, home)
        print(f"  built in {time.monotonic() - began:.0f} s, {size_mb(home / '.venv'):.0f} MB of packages")
        box.env["RECSERVE_DATABASE_URL"] = f"sqlite:///{data}/recserve.db"
        works = inside(box, "python", "-c", "import tensorflow").returncode == 0
        expect("import tensorflow works", works, target == "trainer")
        recserve(box, "migrate")
        (check_api if target == "api" else check_worker)(box)
    finally:
        if keep:
            print(f"  kept in {home}")
        else:
            shutil.rmtree(home)


def main() -> int:
    """Rehearse the targets asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", choices=["api", "trainer"], action="append")
    parser.add_argument("--keep", action="store_true", help="leave the directory and print it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recserve-data-") as data:
        give_to(Path(data), IMAGE_UID)
        for target in arguments.target or ["api", "trainer"]:
            rehearse(target, Path(data), keep=arguments.keep)
    return 0


if __name__ == "__main__":
    sys.exit(main())
