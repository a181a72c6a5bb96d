"""Every table of the service. A tenant column stands first in each key.

Times are UTC; `seq` numbers rise and are never given twice. JSON columns are text on both databases, so that
a value comes back as it was put in.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.adapters.sql.columns import ByteText, Money, Real, RowNumber, UtcDateTime

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _tenant(*, key: bool = True) -> sa.Column[str]:
    return sa.Column("tenant", ByteText, primary_key=key, nullable=False)


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, ByteText, primary_key=True, nullable=False)


def _text(name: str, *, nullable: bool = True) -> sa.Column[str]:
    return sa.Column(name, ByteText, nullable=nullable)


def _moment(name: str, *, nullable: bool = True) -> sa.Column[sa.DateTime]:
    return sa.Column(name, UtcDateTime(), nullable=nullable)


def _json(name: str) -> sa.Column[sa.JSON]:
    return sa.Column(name, sa.JSON(), nullable=False)


# One row per event line; a line without an item stands for an event without items.
events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", RowNumber, sa.Identity(always=True), primary_key=True),
    _tenant(key=False),
    _text("event_id", nullable=False),
    sa.Column("item_index", sa.BigInteger(), nullable=False),
    _text("name", nullable=False),
    _text("user_id"),
    _text("anonymous_id"),
    _text("session_id"),
    _text("item_id"),
    sa.Column("list_position", sa.BigInteger()),
    sa.Column("quantity", Real),
    sa.Column("price", Money()),
    sa.Column("value", Money()),
    _text("currency"),
    _text("recommendation_id"),
    _moment("happened_at", nullable=False),
    _moment("received_at", nullable=False),
    sa.Column("context", sa.JSON(none_as_null=True)),
    sa.UniqueConstraint("tenant", "event_id", "item_index"),
    sqlite_autoincrement=True,
)
for _person in ("user_id", "anonymous_id", "session_id"):
    sa.Index(
        f"ix_events_{_person}",
        events.c.tenant,
        events.c[_person],
        events.c.happened_at,
        events.c.seq,
        postgresql_where=events.c[_person].is_not(None),
        sqlite_where=events.c[_person].is_not(None),
    )
sa.Index(
    "ix_events_recommendation_id",
    events.c.tenant,
    events.c.recommendation_id,
    postgresql_where=events.c.recommendation_id.is_not(None),
    sqlite_where=events.c.recommendation_id.is_not(None),
)

items = sa.Table(
    "items",
    metadata,
    _tenant(),
    _key("item_id"),
    _text("title"),
    _text("description"),
    _json("categories"),
    sa.Column("price", Money()),
    _text("currency"),
    _text("image_url"),
    _text("url"),
    _text("brand"),
    sa.Column("in_stock", sa.Boolean(), nullable=False),
    sa.Column("hidden", sa.Boolean(), nullable=False),
    _moment("published_at"),
    _json("attributes"),
    _moment("created_at", nullable=False),
    _moment("updated_at", nullable=False),
    sa.Column("revision", sa.BigInteger(), nullable=False),
    sa.Column("cold", sa.Boolean(), nullable=False),
    sa.Column("deleted", sa.Boolean(), nullable=False),
    _text("search_text", nullable=False),
)
sa.Index("ix_items_revision", items.c.tenant, items.c.revision)

# The catalogue's revision, the order of activations: taken and locked in one statement.
counters = sa.Table(
    "counters",
    metadata,
    _tenant(),
    _key("name"),
    sa.Column("value", sa.BigInteger(), nullable=False),
)

users = sa.Table(
    "users",
    metadata,
    _tenant(),
    _key("user_id"),
    _text("country"),
    _json("attributes"),
    _moment("created_at", nullable=False),
    _moment("updated_at", nullable=False),
    sa.Column("cold", sa.Boolean(), nullable=False),
)

user_aliases = sa.Table(
    "user_aliases",
    metadata,
    _tenant(),
    _key("anonymous_id"),
    _text("user_id", nullable=False),
    _moment("created_at", nullable=False),
    sa.ForeignKeyConstraint(["tenant", "user_id"], ["users.tenant", "users.user_id"]),
)
sa.Index("ix_user_aliases_user_id", user_aliases.c.tenant, user_aliases.c.user_id)

tombstones = sa.Table(
    "tombstones",
    metadata,
    _tenant(),
    _key("digest"),
    _moment("erased_at", nullable=False),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    _tenant(),
    _key("key_id"),
    _text("kind", nullable=False),
    _json("scopes"),
    sa.Column("digest", sa.LargeBinary(), nullable=False),
    _text("name"),
    _moment("created_at", nullable=False),
    _moment("expires_at"),
    _moment("revoked_at"),
    _moment("last_used_at"),
)

_ACTIVE_JOB = sa.text("state IN ('queued', 'running')")
jobs = sa.Table(
    "jobs",
    metadata,
    _tenant(),
    _key("job_id"),
    _text("state", nullable=False),
    _text("model", nullable=False),
    _text("promote", nullable=False),
    _text("trigger", nullable=False),
    _text("stage"),
    sa.Column("progress", Real, nullable=False),
    sa.Column("seconds_left", Real),
    _json("detail"),
    _text("error"),
    _text("version"),
    sa.Column("cancel_requested", sa.Boolean(), nullable=False),
    _moment("created_at", nullable=False),
    _moment("started_at"),
    _moment("finished_at"),
    _moment("lease_until"),
)
# One queued or running job a tenant: the database itself refuses the second.
sa.Index("uq_jobs_active", jobs.c.tenant, unique=True, postgresql_where=_ACTIVE_JOB, sqlite_where=_ACTIVE_JOB)
sa.Index("ix_jobs_created_at", jobs.c.tenant, jobs.c.created_at, jobs.c.job_id)

_LIVE_VERSION = sa.text("state = 'live'")
model_versions = sa.Table(
    "model_versions",
    metadata,
    _tenant(),
    _key("version"),
    _text("model", nullable=False),
    _text("state", nullable=False),
    _moment("window_start"),
    _moment("window_end"),
    sa.Column("event_count", sa.BigInteger(), nullable=False),
    _json("metrics"),
    _json("gate"),
    _text("reason"),
    _moment("created_at", nullable=False),
    _moment("activated_at"),
    _text("activated_by"),
    sa.Column("activation", sa.BigInteger(), nullable=False),
    _text("job_id"),
)
sa.Index(
    "uq_model_versions_live",
    model_versions.c.tenant,
    unique=True,
    postgresql_where=_LIVE_VERSION,
    sqlite_where=_LIVE_VERSION,
)
sa.Index(
    "ix_model_versions_created_at",
    model_versions.c.tenant,
    model_versions.c.created_at,
    model_versions.c.version,
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("seq", RowNumber, sa.Identity(always=True), primary_key=True),
    _tenant(key=False),
    _moment("at", nullable=False),
    _text("actor", nullable=False),
    _text("action", nullable=False),
    _text("target", nullable=False),
    _json("detail"),
    sqlite_autoincrement=True,
)
sa.Index("ix_audit_log_seq", audit_log.c.tenant, audit_log.c.seq)

# Scenarios, rules and settings in versions: the newest of a name counts, one without a body says it is gone.
definitions = sa.Table(
    "definitions",
    metadata,
    _tenant(),
    _key("kind"),
    _key("name"),
    sa.Column("version", sa.BigInteger(), primary_key=True, autoincrement=False, nullable=False),
    sa.Column("body", sa.JSON(none_as_null=True)),
    sa.Column("revision", sa.BigInteger(), nullable=False),
    _moment("at", nullable=False),
    _text("by", nullable=False),
)

experiments = sa.Table(
    "experiments",
    metadata,
    _tenant(),
    _key("experiment_id"),
    _text("scenario", nullable=False),
    _text("state", nullable=False),
    _json("definition"),
    _moment("created_at", nullable=False),
    _moment("started_at"),
    _moment("ended_at"),
)

# What was shown to whom, so that clicks and sales can be attributed.
exposures = sa.Table(
    "exposures",
    metadata,
    _tenant(),
    _key("recommendation_id"),
    _text("user_id"),
    _text("anonymous_id"),
    _text("session_id"),
    _text("scenario", nullable=False),
    _text("variant"),
    _text("experiment_id"),
    _text("model_version"),
    _text("served_by", nullable=False),
    _json("item_ids"),
    _json("propensities"),
    _moment("shown_at", nullable=False),
)
sa.Index("ix_exposures_shown_at", exposures.c.tenant, exposures.c.shown_at)
for _person in ("user_id", "anonymous_id"):
    sa.Index(
        f"ix_exposures_{_person}",
        exposures.c.tenant,
        exposures.c[_person],
        postgresql_where=exposures.c[_person].is_not(None),
        sqlite_where=exposures.c[_person].is_not(None),
    )
