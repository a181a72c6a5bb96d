"""Every setting of the service, read from `RECSERVE_*` in `bootstrap.py` and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class WeightSetting(BaseModel):
    """Weight and half-life of one event type."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight: float = Field(ge=-1000, le=1000, description="Above 0 for the item, below 0 against it.")
    half_life_days: float = Field(gt=0, le=36_500, description="Days after which it counts half.")


class Settings(BaseSettings):
    """The service's settings. Each is an environment variable with the prefix `RECSERVE_`."""

    model_config = SettingsConfigDict(env_prefix="RECSERVE_", frozen=True, extra="forbid")

    database_url: str = Field(
        default="sqlite:///var/recserve.db",
        description="`sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`.",
    )
    redis_url: SecretStr | None = Field(
        default=None, description="`redis://HOST:PORT/0`; unset: the cache lives in the process."
    )
    artifacts_url: str = Field(
        default="artifacts",
        description="Where model versions are kept: a folder, or an fsspec URL whose package is installed "
        "(`s3://` needs s3fs).",
    )
    tenant: str = Field(default="default", min_length=1, max_length=64, description="The tenant served.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65_535, description="Port to listen on.")
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes that serve; more than one needs PostgreSQL and Redis.",
    )
    user_token_secret: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Signs the user tokens that go with `pub` keys (HS256); unset: browsers are guests.",
    )
    erasure_secret: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Keys the digests of erased users' ids; unset: made once, kept in the scratch folder.",
    )
    cors_origins: tuple[str, ...] = Field(
        default=(), description="Origins whose pages may call with a `pub` key, exact, as a JSON list."
    )
    runtime: Literal["onnx", "keras"] = Field(default="onnx", description="What runs the network.")
    index_above_items: int = Field(
        default=100_000,
        ge=1,
        description="Items that a model's catalogue has at most to be scored whole; above, an index finds "
        "what is scored.",
    )
    index_least_recall: float = Field(
        default=0.95,
        ge=0,
        le=1,
        description="Of the true best 100, the share that the index has to find when it is made; below, "
        "scores are exact and slower.",
    )
    event_weights: dict[str, WeightSetting] = Field(
        default_factory=dict, description="Overrides of weight and half-life by event type, as JSON."
    )
    create_unknown: bool = Field(
        default=True,
        description="Events create the items and users they name first; off: an unknown item rejects its "
        "event, an unknown user's events are kept without a user.",
    )
    history_limit: int = Field(
        default=200, ge=1, le=2000, description="Newest interactions the model is asked with."
    )
    recommend_deadline_s: float = Field(
        default=0.3, gt=0, description="Seconds after which a list is answered from the simpler sources."
    )
    cache_ttl_s: float = Field(default=300.0, gt=0, description="Seconds a cached list is kept at most.")
    cache_entries: int = Field(
        default=20_000, ge=1, description="Lists kept at most by the cache in the process."
    )
    popularity_half_life_days: float = Field(
        default=14.0, gt=0, description="Days after which a sale counts half in popular lists."
    )
    popularity_poll_s: float = Field(
        default=5.0, gt=0, description="Seconds between two looks for new events, for popular lists."
    )
    exposures_keep_days: float = Field(
        default=90.0, gt=0, le=36_500, description="Days that answered lists are kept for the online figures."
    )
    experiment_models: int = Field(
        default=1,
        ge=0,
        le=8,
        description="Model versions that experiments may keep loaded beside the live one in each process.",
    )
    retrain_model: str = Field(
        default="auto", description="What a retraining fits where the call names nothing."
    )
    retrain_budget_s: float = Field(
        default=45.0,
        ge=1,
        le=86_400,
        description="Seconds that the recipe `auto` has for all its fits where the call names none.",
    )
    retrain_warm_start: Literal["auto", "never"] = Field(
        default="never",
        description="auto: a retraining starts from the live version's weights where it can; never: always "
        "from nothing.",
    )
    retrain_every_s: float | None = Field(
        default=None, gt=0, description="Retrain on this schedule, in seconds; unset: no schedule."
    )
    retrain_after_events: int | None = Field(
        default=None, gt=0, description="Retrain once so many events came since the last one; unset: never."
    )
    jobs: Literal["embedded", "worker"] = Field(
        default="embedded",
        description="Who runs retraining jobs: this process's child, or `recserve worker`.",
    )
    job_lease_s: float = Field(
        default=30.0, gt=1, description="A job without a heartbeat so long has failed."
    )
    job_timeout_s: float = Field(default=7200.0, gt=1, description="A job that takes longer is stopped.")
    drain_s: float = Field(default=5.0, ge=0, description="Seconds of serving after SIGTERM before the stop.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least level that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="Log lines for machines or for people."
    )
    limit_pub_per_minute: int | None = Field(
        default=600, ge=1, description="Requests a minute of a `pub` key from one address."
    )
    limit_sec_per_minute: int | None = Field(
        default=600_000, ge=1, description="Requests a minute of a `sec` key."
    )
    limit_adm_per_minute: int | None = Field(
        default=6000, ge=1, description="Requests a minute of an `adm` key."
    )
    most_in_flight: int = Field(
        default=256,
        ge=8,
        description="Requests in the works at once at most; beyond it the less urgent get 503.",
    )
    docs: bool = Field(default=True, description="Serve `/docs` and `/openapi.json`.")
    scratch_dir: Path = Field(
        default=Path("var/scratch"), description="For snapshots and versions while they are made or fetched."
    )
