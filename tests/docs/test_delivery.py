"""The compose file and the image name settings, targets and services that exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import Settings
from deploy.image_rehearsal import Container, check_worker, started

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_compose_settings_exist(compose: dict[str, Any]) -> None:
    known = {f"RECSERVE_{name.upper()}" for name in Settings.model_fields}
    named = {key for service in compose["services"].values() for key in service.get("environment", {})}
    assert {key for key in named if key.startswith("RECSERVE_")} - known == set()


def test_compose_build_targets_exist_in_the_image(compose: dict[str, Any]) -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.MULTILINE))
    built = {service["build"]["target"] for service in compose["services"].values() if "build" in service}
    assert built == {"api", "trainer"}
    assert built <= targets


def test_compose_waits_for_services_that_exist(compose: dict[str, Any]) -> None:
    services = compose["services"]
    waited = {name for service in services.values() for name in service.get("depends_on", {})}
    assert waited <= set(services)
    assert {"postgres", "redis", "migrate", "api", "worker"} == set(services)


def test_compose_has_no_secret_of_its_own(compose: dict[str, Any]) -> None:
    environment = compose["services"]["api"]["environment"]
    assert "${POSTGRES_PASSWORD" in environment["RECSERVE_DATABASE_URL"]
    for name in ("RECSERVE_USER_TOKEN_SECRET", "RECSERVE_ERASURE_SECRET"):
        assert environment[name].startswith(f"${{{name}:?"), "asked for, never made up"


def test_compose_asks_for_nothing_that_the_example_does_not_name() -> None:
    asked = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))
    example = (ROOT / ".env.example").read_text()
    assert asked == set(re.findall(r"^(\w+)=$", example, re.MULTILINE))


def test_image_copies_exist_and_users_are_unprivileged() -> None:
    copied = re.findall(r"^COPY (\S+) ", DOCKERFILE, re.MULTILINE)
    assert [source for source in copied if not (ROOT / source).exists()] == []
    users = [line.split()[1] for line in DOCKERFILE.splitlines() if line.startswith("USER")]
    assert users[-1] == "65532:65532"


def test_api_target_installs_no_training_packages() -> None:
    assert "train.txt" not in DOCKERFILE.partition("AS trainer")[0]
    pinned = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements/serve.txt").read_text(), re.MULTILINE))
    assert pinned & {"tensorflow-cpu", "keras", "polars", "matplotlib", "scipy", "tf2onnx"} == set()


def test_requirements_are_hashed_and_name_no_index() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        body = path.read_text()
        assert "--index-url" not in body
        assert "://" not in body, path.name
        unhashed = re.findall(r"^[a-z0-9][^\s;]*==[^\\\n]+$", body, re.MULTILINE)
        assert unhashed == [], path.name


def a_container(script: str, home: Path) -> Container:
    return Container(home, dict(os.environ), command=[sys.executable, "-uc", script])


TERMINABLE = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit({code}));"


def test_rehearsal_ends_where_a_process_does_not_end_well(tmp_path: Path) -> None:
    script = TERMINABLE.format(code=3) + "print('ready'); signal.pause()"
    running = started(a_container(script, tmp_path), output=subprocess.PIPE)
    process = running.__enter__()
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    with pytest.raises(SystemExit, match="exit code after SIGTERM: 3, and not 0"):
        running.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("raise SystemExit('no such command')", "did not start, but said: no such command"),
        ("print('worker.started'); print('job.started'); signal.pause()", "job.started, and not None"),
    ],
)
def test_rehearsal_ends_where_a_worker_does_not_wait(tmp_path: Path, script: str, said: str) -> None:
    with pytest.raises(SystemExit, match=said):
        check_worker(a_container(TERMINABLE.format(code=0) + script, tmp_path))
