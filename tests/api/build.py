"""The use cases over any stores, composed as the service composes them, with no job runner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app import bootstrap
from app.adapters.artifacts import open_store
from app.adapters.memory_cache import MemoryListCache
from app.adapters.memory_quotas import MemoryQuotaStore
from app.adapters.scorers.loader import FolderLoader
from app.domain.ports import Stores
from app.services.container import Services
from app.settings import Settings
from app.telemetry import Metrics
from tests.clocks import FixedClock


def build_services(stores: Stores, clock: FixedClock, *, folder: Path, **settings: Any) -> Services:
    """Every use case. `folder` takes what the service would keep on disk."""
    # Patient: tests share two cores, and a late list is another one.
    given = {
        "recommend_deadline_s": 20.0,
        "jobs": "worker",
        "limit_pub_per_minute": 10**9,
        "limit_adm_per_minute": 10**9,
        "erasure_secret": "e" * 32,
        "scratch_dir": folder / "scratch",
    } | settings
    base = bootstrap.Foundation(
        settings=Settings(**given),
        metrics=Metrics(),
        clock=clock,
        database=None,
        stores=stores,
        quotas=MemoryQuotaStore(),
        cache=MemoryListCache(ttl_s=60, entries=1000),
        artifacts=open_store(str(folder / "artifacts"), scratch=folder / "scratch"),
        loader=FolderLoader(),
    )
    return bootstrap.build(base)
