"""Several processes behind one port, over one PostgreSQL and one Redis."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app import bootstrap
from app.domain.errors import InvalidInputError
from app.domain.types import KeyKind
from app.settings import Settings
from tests.commands import spawn
from tests.servers import free_port
from tests.waiting import until

PATH = "/v1/users/u1/recommendations"
START_S = 90.0


@pytest.fixture
def settings(tmp_path: Path, postgres_url: str, redis_url: str) -> Settings:
    return Settings(
        database_url=postgres_url,
        redis_url=redis_url,  # type: ignore[arg-type]  # a secret
        artifacts_url=str(tmp_path / "artifacts"),
        scratch_dir=tmp_path / "scratch",
        erasure_secret="e" * 32,  # type: ignore[arg-type]  # a secret
        port=free_port(),
        workers=2,
        drain_s=0.0,
        recommend_deadline_s=20.0,
    )


@pytest.fixture
def service(settings: Settings) -> Iterator[int]:
    """Its process id."""
    with spawn("serve", environment=bootstrap.child_environment(settings)) as child:
        try:
            yield child.pid
        finally:
            child.kill()
            child.communicate()


def children_of(pid: int) -> set[int]:
    """The serving processes."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()}


def counted(exposition: str) -> float:
    """Requests for the list, by all processes."""
    lines = [line for line in exposition.splitlines() if line.startswith("recserve_http_requests_total")]
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if f'route="{PATH.replace("u1", "{user_id}")}"' in line
    )


async def test_workers_share_keys_lists_and_figures_and_die_and_stop_as_one(
    settings: Settings, service: int
) -> None:
    base = bootstrap.lay_foundation(settings, deadline_s=20.0)
    _, key = await bootstrap.make_keys(base).create(KeyKind.SEC)
    await base.close()
    headers = {"Authorization": f"Bearer {key}"}
    address = f"http://127.0.0.1:{settings.port}"

    async def call(path: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=address, timeout=20) as client:  # a connection of its own
            return await client.get(path, headers=headers)

    async def is_up() -> bool:
        try:
            return (await call("/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    await until(is_up, within_s=START_S)
    await until(lambda: len(children_of(service)) == 2, within_s=START_S)

    async def is_known() -> bool:
        return (await call(PATH)).status_code == 200

    await until(is_known)
    before = counted((await call("/metrics")).text)
    await asyncio.gather(*(call(PATH) for _ in range(40)))

    async def all_are_counted() -> bool:
        return counted((await call("/metrics")).text) == before + 40

    await until(all_are_counted)

    first, second = sorted(children_of(service))
    os.kill(first, signal.SIGKILL)
    await until(lambda: len(children_of(service) - {first, second}) == 1, within_s=START_S)
    await until(is_up, within_s=START_S)
    assert await all_are_counted(), "what the dead one answered is not forgotten"

    serving = children_of(service)
    os.kill(service, signal.SIGTERM)
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in serving), within_s=30)


@pytest.mark.parametrize(
    "given",
    [
        {"database_url": "sqlite:///x.db", "redis_url": "redis://localhost"},
        {"database_url": "postgresql://localhost/x"},
    ],
)
def test_workers_that_could_not_agree_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError, match="RECSERVE_WORKERS"):
        bootstrap.check_workers(Settings(workers=2, **given))  # type: ignore[arg-type]  # as the environment has it
