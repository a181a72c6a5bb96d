"""Perform the Dockerfile's own steps in a clean directory and start what the image would start.

    python -m deploy.image_rehearsal                    # both targets, then `recserve serve` on SQLite
    python -m deploy.image_rehearsal --target api --keep

For machines without a container engine. The instructions are read from the Dockerfile, so the rehearsal
cannot drift from it; `/srv/recserve` stands for the rehearsal's directory, and the base image is this
machine's Python 3.11. As root, USER steps drop to that uid, so that a file the image could not write fails
here too.
"""

from __future__ import annotations

import argparse
import json
import os
import re
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


def start(box: Container) -> None:
    """Migrate, start the image's command, wait for its health check, ask for a list, stop it."""
    port = free_port()
    box.env |= {"RECSERVE_HOST": "127.0.0.1", "RECSERVE_PORT": str(port)}
    run = {"cwd": box.home, "env": box.env, **drop_to(box.uid)}
    migrate = [*box.command[:-1], "migrate"]
    subprocess.run(migrate, check=True, **run)
    process = subprocess.Popen(box.command, start_new_session=True, **run)
    try:
        took = wait_healthy(box, process, port)
        resident = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
        print(f"  healthy after {took:.1f} s, {resident / 1e6:.0f} MB resident, uid {box.uid}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/popular", timeout=5)
        except urllib.error.HTTPError as error:
            print(f"  GET /v1/popular without a key: {error.code}")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        print(f"  stopped with exit code {process.wait(timeout=30)}")


def size_mb(folder: Path) -> float:
    """Bytes of all files below, in MB."""
    return (
        sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        / 1e6
    )


def readable(folder: Path) -> None:
    """Let the image's uid enter the temporary directory, as it could in the image."""
    folder.chmod(0o755)


def main() -> int:
    """Rehearse the targets asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", choices=["api", "trainer"], action="append")
    parser.add_argument("--keep", action="store_true", help="leave the directory and print it")
    arguments = parser.parse_args()
    for target in arguments.target or ["api", "trainer"]:
        home = Path(tempfile.mkdtemp(prefix=f"recserve-{target}-"))
        readable(home)
        try:
            print(f"{target}:", flush=True)
            box = build(target, home)
            print(f"  {size_mb(home / '.venv'):.0f} MB of packages")
            if target == "api":
                start(box)
            else:
                subprocess.run(
                    [*box.command, "--help"], cwd=home, env=box.env, check=True, **drop_to(box.uid)
                )
        finally:
            if arguments.keep:
                print(f"  kept in {home}")
            else:
                shutil.rmtree(home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
