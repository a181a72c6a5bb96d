"""A process for the kill test: `python -m tests.integration.killed_promotions FOLDER DATABASE_URL`.

Promotes a new version in a fork that kills itself at its nth system call of interest, for n = 1, 2, …, until
a fork gets to its end; after each it looks at what a fresh service would serve, and prints that as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from app import bootstrap
from app.bootstrap import Foundation
from app.domain.types import ModelVersion, VersionState
from app.settings import Settings
from tests.versions import make_version

POINTS = {"open", "os.mkdir", "os.rename", "os.scandir", "os.listdir", "os.remove", "shutil.rmtree"}
MOST = 300


def main(folder: Path, database_url: str) -> None:
    """Run all forks."""
    settings = Settings(
        database_url=database_url, artifacts_url=str(folder / "artifacts"), scratch_dir=folder / "scratch"
    )
    asyncio.run(promote(settings, make_version(folder / "made", "v0")))
    for point in range(1, MOST):
        made = make_version(folder / "made", f"v{point}")
        child = os.fork()
        if child == 0:
            kill_at(point)
            asyncio.run(promote(settings, made))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(json.dumps(asyncio.run(look(settings)) | {"point": point, "status": status}), flush=True)  # noqa: T201
        if status == 0:
            return


def kill_at(point: int) -> None:
    """Die at the nth point of interest from now on."""
    left = point

    def count(event: str, _: tuple[object, ...]) -> None:
        nonlocal left
        left -= event in POINTS
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


async def promote(settings: Settings, made: Path) -> None:
    """What a retraining does with a version that has passed the gate."""
    base = bootstrap.lay_foundation(settings, deadline_s=30.0)
    base.artifacts.publish(made, model="transitions", version=made.name)
    await base.stores.versions.add(ModelVersion(made.name, "transitions", VersionState.CANDIDATE))
    await base.stores.versions.activate(made.name, by="test")
    await base.close()


async def look(settings: Settings) -> dict[str, object]:
    """What a service that starts now serves."""
    base: Foundation = bootstrap.lay_foundation(settings, deadline_s=30.0)
    registry = bootstrap.make_models(base)
    await registry.refresh()
    live = await base.stores.versions.live()
    await base.close()
    return {
        "live": None if live is None else live.version,
        "serving": None if registry.current is None else registry.current.version,
        "refused": dict(registry.refused),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
