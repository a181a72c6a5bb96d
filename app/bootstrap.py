"""The one place that picks adapters: settings in, use cases out.

Everything here only builds; what runs is started by whoever asked for it. Training code is imported by the
functions that a child or a command calls, so that an API process never loads it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import BaseModel, SecretStr

from app.adapters.artifacts import open_store
from app.adapters.child import ProcessLauncher
from app.adapters.clock import SystemClock
from app.adapters.kept_secret import kept_secret
from app.adapters.last_resort import LastResortFile
from app.adapters.memory_cache import MemoryListCache
from app.adapters.memory_quotas import MemoryQuotaStore
from app.adapters.revision import git_commit
from app.adapters.scorers.loader import FolderLoader, open_reference
from app.adapters.scorers.names import model_names
from app.adapters.scorers.policy import IndexPolicy
from app.adapters.scratch import make_scratch
from app.adapters.sql.dump import SqlDump
from app.adapters.sql.engine import Database
from app.adapters.sql.stores import sql_stores
from app.api.settings import ApiSettings
from app.domain.errors import InvalidInputError
from app.domain.fading import fading_of
from app.domain.ids import new_ulid
from app.domain.ports import ArtifactStore, Dump, ListCache, QuotaStore, ScorerLoader, Stores
from app.domain.steering import Schedule
from app.domain.types import Job, KeyKind
from app.domain.weights import DEFAULT_WEIGHTS, EventWeight
from app.services.catalogue import Catalogue
from app.services.catalogue_stamp import CatalogueStamp
from app.services.container import Services
from app.services.experiments import Experiments
from app.services.exposures import Exposures
from app.services.health import Health
from app.services.ingest import Ingest
from app.services.jobs import Jobs
from app.services.keys import Keys
from app.services.live_catalogue import LiveCatalogue
from app.services.models import ModelRegistry
from app.services.online import Online
from app.services.popularity import Popularity
from app.services.quotas import Quotas
from app.services.recommend import Recommend, RecommendSettings
from app.services.steering import LiveSteering, weights_over
from app.services.steering_admin import SteeringAdmin
from app.services.supervisor import Supervisor
from app.services.trials import Trials
from app.services.triggers import RetrainTriggers
from app.services.users import Users
from app.settings import Settings
from app.telemetry import Metrics, configure_logging

if TYPE_CHECKING:
    from app.training.job import Outside, Retraining

CHILD_DEADLINE_S = 30.0


@runtime_checkable
class Closable(Protocol):
    """Something that holds connections."""

    async def close(self) -> None:
        """Let go of them."""


@dataclass(frozen=True, slots=True)
class Foundation:
    """The adapters of a process."""

    settings: Settings
    metrics: Metrics
    clock: SystemClock
    database: Database
    stores: Stores
    cache: ListCache
    quotas: QuotaStore
    artifacts: ArtifactStore
    loader: ScorerLoader

    async def close(self) -> None:
        """Let go of every connection."""
        for shared in (self.cache, self.quotas):
            if isinstance(shared, Closable):
                await shared.close()
        await self.database.close()


def lay_foundation(
    settings: Settings, *, metrics: Metrics | None = None, deadline_s: float | None = None
) -> Foundation:
    """Open nothing yet, but know where everything is.

    Args:
        settings: The service's settings.
        metrics: Where to count; a new registry by default.
        deadline_s: How long one use of the database may take; that of a request by default.

    Raises:
        InvalidInputError: An address cannot be used; the message names its setting.
    """
    metrics, clock = metrics or Metrics(), SystemClock()
    url = settings.database_url
    with _named("database_url"):
        database = Database(url) if deadline_s is None else Database(url, deadline_s=deadline_s)
    with _named("redis_url"):
        cache, quotas = _cache(settings, metrics), _quotas(settings, metrics)
    with _named("artifacts_url"):
        artifacts = open_store(settings.artifacts_url, scratch=settings.scratch_dir)
    return Foundation(
        settings=settings,
        metrics=metrics,
        clock=clock,
        database=database,
        stores=sql_stores(database, tenant=settings.tenant, clock=clock),
        cache=cache,
        quotas=quotas,
        artifacts=artifacts,
        loader=FolderLoader(
            runtime=settings.runtime,
            index=IndexPolicy(settings.index_above_items, settings.index_least_recall),
            metrics=metrics,
        ),
    )


def check_workers(settings: Settings) -> None:
    """Refuse several processes that would each know something else.

    Raises:
        InvalidInputError: SQLite, or no Redis, with more than one.
    """
    if settings.workers > 1 and settings.database_url.startswith("sqlite"):
        raise InvalidInputError("RECSERVE_WORKERS: several processes need PostgreSQL; SQLite keeps to one.")
    if settings.workers > 1 and settings.redis_url is None:
        # Lists kept inside one process could not follow what another is told.
        raise InvalidInputError("RECSERVE_WORKERS: several processes need RECSERVE_REDIS_URL.")


def weights_of(settings: Settings) -> Mapping[str, EventWeight]:
    """The weights of events: the built-in ones under those of the settings."""
    own = {
        name: EventWeight(weight.weight, weight.half_life_days)
        for name, weight in settings.event_weights.items()
    }
    return {**DEFAULT_WEIGHTS, **own}


def schedule_of(settings: Settings) -> Schedule:
    """When models are trained again, where nothing else is written."""
    return Schedule(settings.retrain_every_s, settings.retrain_after_events)


def build(base: Foundation) -> Services:
    """Every use case of an API process, not started yet.

    Raises:
        InvalidInputError: The scratch folder cannot be used.
    """
    settings, stores = base.settings, base.stores
    _make_scratch(settings)
    steering, stamp = make_steering(base), CatalogueStamp(base.cache)
    models = make_models(base, wanted=lambda: steering.current.model_versions)
    ingest = Ingest(
        events=stores.events,
        cache=base.cache,
        stamp=stamp,
        create_unknown=settings.create_unknown,
        metrics=base.metrics,
    )
    catalogue = LiveCatalogue(items=stores.items, stamp=stamp, metrics=base.metrics)
    popularity = make_popularity(base, catalogue, steering)
    exposures = Exposures(
        store=stores.exposures,
        clock=base.clock,
        metrics=base.metrics,
        keep_days=settings.exposures_keep_days,
    )
    recommend = make_recommend(base, models, catalogue, popularity, steering, exposures=exposures)
    return Services(
        catalogue=Catalogue(items=stores.items, stamp=stamp),
        experiments=Experiments(
            definitions=stores.definitions,
            live=steering,
            models=models,
            audit=stores.audit,
            clock=base.clock,
        ),
        exposures=exposures,
        health=Health(items=stores.items, cache=base.cache, models=models, ingest=ingest),
        ingest=ingest,
        jobs=make_running_jobs(base) if settings.jobs == "embedded" else make_jobs(base),
        keys=make_keys(base),
        models=models,
        trials=Trials(definitions=stores.definitions, exposures=stores.exposures, clock=base.clock),
        online=Online(exposures=stores.exposures, clock=base.clock),
        quotas=make_quotas(base),
        recommend=recommend,
        steering=SteeringAdmin(
            definitions=stores.definitions,
            live=steering,
            popularity=popularity,
            recommend=recommend,
            cache=base.cache,
            audit=stores.audit,
            metrics=base.metrics,
            schedule=schedule_of(settings),
        ),
        users=make_users(base, exposures),
    )


def api_settings(settings: Settings) -> ApiSettings:
    """The part of the settings that the HTTP layer reads."""
    secret = settings.user_token_secret
    return ApiSettings(
        user_token_secret=None if secret is None else secret.get_secret_value(),
        cors_origins=settings.cors_origins,
        docs=settings.docs,
        most_in_flight=settings.most_in_flight,
    )


def make_quotas(base: Foundation) -> Quotas:
    """What keys may spend."""
    settings = base.settings
    return Quotas(
        store=base.quotas,
        fallback=MemoryQuotaStore(),
        per_minute={
            KeyKind.PUB: settings.limit_pub_per_minute,
            KeyKind.SEC: settings.limit_sec_per_minute,
            KeyKind.ADM: settings.limit_adm_per_minute,
        },
        metrics=base.metrics,
    )


def make_models(base: Foundation, *, wanted: Callable[[], Sequence[str]] = tuple) -> ModelRegistry:
    """The registry of model versions; `wanted` gives those that experiments ask."""
    return ModelRegistry(
        versions=base.stores.versions,
        artifacts=base.artifacts,
        loader=base.loader,
        audit=base.stores.audit,
        metrics=base.metrics,
        wanted=wanted,
        most_beside=base.settings.experiment_models,
    )


def make_keys(base: Foundation) -> Keys:
    """The API keys."""
    return Keys(keys=base.stores.keys, audit=base.stores.audit, clock=base.clock, metrics=base.metrics)


def make_dump(base: Foundation) -> Dump:
    """Whole tables, slice by slice."""
    return SqlDump(base.database, tenant=base.settings.tenant)


def make_users(base: Foundation, exposures: Exposures) -> Users:
    """The users. Raises `InvalidInputError` where the scratch folder cannot be used."""
    _make_scratch(base.settings)
    given = base.settings.erasure_secret
    secret = (
        kept_secret(base.settings.scratch_dir / "erasure.secret")
        if given is None
        else given.get_secret_value().encode()
    )
    return Users(
        users=base.stores.users,
        events=base.stores.events,
        cache=base.cache,
        audit=base.stores.audit,
        clock=base.clock,
        tenant=base.settings.tenant,
        secret=secret,
        new_id=new_ulid,
        settle=exposures.flush,
    )


def make_steering(base: Foundation) -> LiveSteering:
    """What is in force; not read yet."""
    return LiveSteering(
        definitions=base.stores.definitions,
        clock=base.clock,
        weights=weights_of(base.settings),
        fading=fading_of(base.settings.popularity_half_life_days),
        metrics=base.metrics,
    )


def make_popularity(base: Foundation, catalogue: LiveCatalogue, steering: LiveSteering) -> Popularity:
    """What many people did; not counted yet."""
    return Popularity(
        events=base.stores.events,
        catalogue=catalogue,
        clock=base.clock,
        weights=steering.weights,
        fading=lambda: steering.current.fading,
        last_resort=LastResortFile(base.settings.scratch_dir / "last_resort.json"),
        metrics=base.metrics,
        poll_s=base.settings.popularity_poll_s,
    )


def make_recommend(
    base: Foundation,
    models: ModelRegistry,
    catalogue: LiveCatalogue,
    popularity: Popularity,
    steering: LiveSteering,
    *,
    exposures: Exposures,
) -> Recommend:
    """Every list; it starts and stops the catalogue, the counts and the steering that it is given."""
    return Recommend(
        models=models,
        events=base.stores.events,
        catalogue=catalogue,
        popularity=popularity,
        cache=base.cache,
        clock=base.clock,
        steering=steering,
        exposures=exposures,
        metrics=base.metrics,
        settings=RecommendSettings(
            deadline_s=base.settings.recommend_deadline_s,
            # The rest is for the fallback list, where the database does not answer.
            database_deadline_s=0.8 * base.settings.recommend_deadline_s,
            history_limit=base.settings.history_limit,
        ),
    )


def make_jobs(base: Foundation) -> Jobs:
    """Retraining as callers see it; nothing runs the jobs yet."""
    return Jobs(
        jobs=base.stores.jobs,
        events=base.stores.events,
        audit=base.stores.audit,
        clock=base.clock,
        new_id=new_ulid,
        models=model_names(),
        default_model=base.settings.retrain_model,
        budget_s=base.settings.retrain_budget_s,
    )


def make_running_jobs(base: Foundation) -> Jobs:
    """Retraining with all that runs it: the supervisor of the children, the schedule, the event counter.

    Raises:
        InvalidInputError: The scratch folder cannot be used.
    """
    _make_scratch(base.settings)
    settings, jobs = base.settings, make_jobs(base)
    jobs.run_in_background(
        Supervisor(
            jobs=base.stores.jobs,
            launcher=ProcessLauncher(
                [sys.executable, "-m", "app.cli", "job-run"], environment=child_environment(settings)
            ),
            metrics=base.metrics,
            lease_s=settings.job_lease_s,
            timeout_s=settings.job_timeout_s,
        )
    )
    jobs.run_in_background(
        RetrainTriggers(
            jobs=base.stores.jobs,
            events=base.stores.events,
            clock=base.clock,
            metrics=base.metrics,
            retrain=lambda trigger: jobs.retrain(trigger=trigger),
            schedule=schedule_of(settings),
            definitions=base.stores.definitions,
        )
    )
    return jobs


def child_environment(settings: Settings) -> dict[str, str]:
    """This process's environment with exactly these settings in it."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("RECSERVE_")}
    given = {name: getattr(settings, name) for name in type(settings).model_fields}
    own = {f"RECSERVE_{name.upper()}": _env_text(value) for name, value in given.items() if value is not None}
    return {**others, "TF_CPP_MIN_LOG_LEVEL": "3", **own}


async def run_job(settings: Settings, job_id: str) -> Job:
    """What a child does: run a claimed job to its end.

    Raises:
        NotFoundError: There is no such job.
        ConflictError: It does not run.
    """
    # Before all else: what follows takes seconds to import.
    from app.training.signs import give_signs_of_life

    give_signs_of_life()
    from app.training.job import JobRun

    configure_logging(settings.log_level, settings.log_format)
    async with retraining(settings) as (base, work):
        return await JobRun(jobs=base.stores.jobs, retraining=work).run(job_id)


@asynccontextmanager
async def retraining(settings: Settings) -> AsyncIterator[tuple[Foundation, Retraining]]:
    """What trains, judges and publishes, for a child or a command."""
    from app.training.job import Retraining

    base = lay_foundation(settings, deadline_s=CHILD_DEADLINE_S)
    try:
        weights = await weights_over(weights_of(settings), base.stores.definitions)
        yield base, Retraining(_outside(base, weights))
    finally:
        await base.close()


def _outside(base: Foundation, weights: Mapping[str, EventWeight]) -> Outside:
    from app.training.job import Outside

    settings = base.settings
    return Outside(
        event_log=base.stores.event_log,
        item_log=base.stores.item_log,
        versions=base.stores.versions,
        artifacts=base.artifacts,
        # Judged and opened as it will be served by default, whatever this process's own runtime is.
        loader=FolderLoader(runtime="onnx"),
        reference=open_reference,
        audit=base.stores.audit,
        clock=base.clock,
        weights=weights,
        scratch=settings.scratch_dir,
        git_commit=git_commit(),
        warm_start=settings.retrain_warm_start,
    )


@contextmanager
def _named(setting: str) -> Iterator[None]:
    """Put the setting's name before what is wrong with it."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(f"RECSERVE_{setting.upper()}: {error}") from None


def _make_scratch(settings: Settings) -> None:
    with _named("scratch_dir"):
        make_scratch(settings.scratch_dir)


def _cache(settings: Settings, metrics: Metrics) -> ListCache:
    if settings.redis_url is None:
        return MemoryListCache(ttl_s=settings.cache_ttl_s, entries=settings.cache_entries)
    # The client costs 18 MB, which a process without Redis need not pay.
    from app.adapters.redis_cache import RedisListCache

    return RedisListCache(
        settings.redis_url.get_secret_value(),
        tenant=settings.tenant,
        ttl_s=settings.cache_ttl_s,
        metrics=metrics,
    )


def _quotas(settings: Settings, metrics: Metrics) -> QuotaStore:
    if settings.redis_url is None:
        return MemoryQuotaStore()
    from app.adapters.redis_quotas import RedisQuotaStore

    return RedisQuotaStore(settings.redis_url.get_secret_value(), tenant=settings.tenant, metrics=metrics)


def _env_text(value: Any) -> str:  # noqa: ANN401 (a setting of any type)
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return json.dumps(
            {name: part.model_dump() if isinstance(part, BaseModel) else part for name, part in value.items()}
        )
    if isinstance(value, tuple | list):
        return json.dumps(list(value))
    return str(value)
