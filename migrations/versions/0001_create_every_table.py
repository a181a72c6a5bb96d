"""Create every table."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The types as they are at this revision; later changes to the code's own types do not reach back here.
BYTE_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
MONEY = sa.Numeric(18, 4).with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("tenant", BYTE_TEXT, nullable=False),
        sa.Column("key_id", BYTE_TEXT, nullable=False),
        sa.Column("kind", BYTE_TEXT, nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("name", BYTE_TEXT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "key_id", name="pk_api_keys"),
    )
    op.create_table(
        "audit_log",
        sa.Column("seq", ROW_NUMBER, sa.Identity(always=True), nullable=False),
        sa.Column("tenant", BYTE_TEXT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", BYTE_TEXT, nullable=False),
        sa.Column("action", BYTE_TEXT, nullable=False),
        sa.Column("target", BYTE_TEXT, nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit_log"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_log_seq", "audit_log", ["tenant", "seq"], unique=False)
    op.create_table(
        "counters",
        sa.Column("tenant", BYTE_TEXT, nullable=False),
        sa.Column("name", BYTE_TEXT, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name="pk_counters"),
    )
    op.create_table(
        "events",
        sa.Column("seq", ROW_NUMBER, sa.Identity(always=True), nullable=False),
        sa.Column("tenant", BYTE_TEXT, nullable=False),
        sa.Column("event_id", BYTE_TEXT, nullable=False),
        sa.Column("item_index", sa.BigInteger(), nullable=False),
        sa.Column("name", BYTE_TEXT, nullable=False),
        sa.Column("user_id", BYTE_TEXT, nullable=True),
        sa.Column("anonymous_id", BYTE_TEXT, nullable=True),
        sa.Column("session_id", BYTE_TEXT, nullable=True),
        sa.Column("item_id", BYTE_TEXT, nullable=True),
        sa.Column("list_position", sa.BigInteger(), nullable=True),
        sa.Column("quantity", sa.Double(), nullable=True),
        sa.Column("price", MONEY, nullable=True),
        sa.Column("value", MONEY, nullable=True),
        sa.Column("currency", BYTE_TEXT, nullable=True),
        sa.Column("recommendation_id", BYTE_TEXT, nullable=True),
        sa.Column("happened_at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("context", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
        sa.UniqueConstraint("tenant", "event_id", "item_index", name="uq_events_tenant_event_id_item_index"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_events_anonymous_id",
        "events",
        ["tenant", "anonymous_id", "happened_at", "seq"],
        unique=False,
        postgresql_where=sa.text("anonymous_id IS NOT NULL"),
        sqlite_where=sa.text("anonymous_id IS NOT NULL"),
    )
    op.create_index(
        "ix_events_session_id",
        "events",
        ["tenant", "session_id", "happened_at", "seq"],
        unique=False,
        postgresql_where=sa.text("session_id IS NOT NULL"),
        sqlite_where=sa.text("session_id IS NOT NULL"),
    )
    op.create_index(
        "ix_events_user_id",
        "events",
        ["tenant", "user_id", "happened_at", "seq"],
        unique=False,
        postgresql_where=sa.text("user_id IS NOT NULL"),
        sqlite_where=sa.text("user_id IS NOT NULL"),
    )
    op.create_table(
        "experiments",
        sa.Column("tenant", BYTE_TEXT, nullable=False),
        sa.Column("experiment_id", BYTE_TEXT, nullable=False),
        sa.Column("scenario", BYTE_TEXT, nullable=False),
        sa.Column("state", BYTE_TEXT, nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "experiment_id", name="pk_experiments"),
    )
    op.create_table(
        "exposures",
        sa.Column("tenant", BYTE_TEXT, nullable=False),
        sa.Column("recommendation_id", BYTE_TEXT, nullable=False),
        sa.Column("user_id", BYTE_TEXT, nullable=True),
        sa.Column("anonymous_id", BYTE_TEXT, nullable=True),
        sa.Column("session_id", BYTE_TEXT, nullable=True),
        sa.Column("scenario", BYTE_TEXT, nullable=False),
        sa.Column("variant", BYTE_TEXT, nullable=True),
        sa.Column("experiment_id", BYTE_TEXT, nullable=True),
        sa.Column("model_version", BYTE_TEXT, nullable=True),
        sa.Column("served_by", BYTE_TEXT, nullable=False),
        sa.Column("item_ids", sa.JSON(), nullable=False),
        sa.Column("propensities", sa.JSON(), nullable=False),
        sa.Column("shown_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "recommendation_id", name="pk_exposures"),
    )
    op.create_index(
        "ix_exposures_anonymous_id",
        "exposures",
        ["tenant", "anonymous_id"],
        unique=False,
        postgresql_where=sa.text("anonymous_id IS NOT NULL"),
        sqlite_where=sa.text("anonymous_id IS NOT NULL"),
    )
    op.create_index(
        "ix_exposures_user_id",
        "exposures",
        ["tenant", "user_id"],
        unique=False,
        postgresql_where=sa.text("user_id IS NOT NULL"),
        sqlite_where=sa.text("user_id IS NOT NULL"),
    )
    op.create_table(
        "items",
        sa.Column("tenant", BYTE_TEXT, nullable=False),
        sa.Column("item_id", BYTE_TEXT, nullable=False),
        sa.Column("title", BYTE_TEXT, nullable=True),
        sa.Column("description", BYTE_TEXT, nullable=True),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("price", MONEY, nullable=True),
        sa.Column("currency", BYTE_TEXT, nullable=True),
        sa.Column("image_url", BYTE_TEXT, nullable=True),
        sa.Column("url", BYTE_TEXT, nullable=True),
        sa.Column("brand", BYTE_TEXT, nullable=True),
        sa.Column("in_stock", sa.Boolean(), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("published_at", MOMENT, nullable=True),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("cold", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("search_text", BYTE_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "item_id", name="pk_items"),
    )
    op.create_index("ix_items_revision", "items", ["tenant", "revision"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("tenant", BYTE_TEXT, nullable=False),
        sa.Column("job_id", BYTE_TEXT, nullable=False),
        sa.Column("state", BYTE_TEXT, nullable=False),
        sa.Column("model", BYTE_TEXT, nullable=False),
        sa.Column("promote", BYTE_TEXT, nullable=False),
        sa.Column("trigger", BYTE_TEXT, nullable=False),
        sa.Column("stage", BYTE_TEXT, nullable=True),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("seconds_left", sa.Double(), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("error", BYTE_TEXT, nullable=True),
        sa.Column("version", BYTE_TEXT, nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "job_id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_created_at", "jobs", ["tenant", "created_at", "job_id"], unique=False)
    op.create_index(
        "uq_jobs_active",
        "jobs",
        ["tenant"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
        sqlite_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "model_versions",
        sa.Column("tenant", BYTE_TEXT, nullable=False),
        sa.Column("version", BYTE_TEXT, nullable=False),
        sa.Column("model", BYTE_TEXT, nullable=False),
        sa.Column("state", BYTE_TEXT, nullable=False),
        sa.Column("window_start", MOMENT, nullable=True),
        sa.Column("window_end", MOMENT, nullable=True),
        sa.Column("event_count", sa.BigInteger(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("gate", sa.JSON(), nullable=False),
        sa.Column("reason", BYTE_TEXT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("activated_at", MOMENT, nullable=True),
        sa.Column("activated_by", BYTE_TEXT, nullable=True),
        sa.Column("activation", sa.BigInteger(), nullable=False),
        sa.Column("job_id", BYTE_TEXT, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "version", name="pk_model_versions"),
    )
    op.create_index(
        "ix_model_versions_created_at", "model_versions", ["tenant", "created_at", "version"], unique=False
    )
    op.create_index(
        "uq_model_versions_live",
        "model_versions",
        ["tenant"],
        unique=True,
        postgresql_where=sa.text("state = 'live'"),
        sqlite_where=sa.text("state = 'live'"),
    )
    op.create_table(
        "rules",
        sa.Column("tenant", BYTE_TEXT, nullable=False),
        sa.Column("rule_id", BYTE_TEXT, nullable=False),
        sa.Column("scenario", BYTE_TEXT, nullable=True),
        sa.Column("kind", BYTE_TEXT, nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=True),
        sa.Column("ends_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "rule_id", name="pk_rules"),
    )
    op.create_table(
        "scenarios",
        sa.Column("tenant", BYTE_TEXT, nullable=False),
        sa.Column("name", BYTE_TEXT, nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name="pk_scenarios"),
    )
    op.create_table(
        "tombstones",
        sa.Column("tenant", BYTE_TEXT, nullable=False),
        sa.Column("digest", BYTE_TEXT, nullable=False),
        sa.Column("erased_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "digest", name="pk_tombstones"),
    )
    op.create_table(
        "users",
        sa.Column("tenant", BYTE_TEXT, nullable=False),
        sa.Column("user_id", BYTE_TEXT, nullable=False),
        sa.Column("country", BYTE_TEXT, nullable=True),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("cold", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "user_id", name="pk_users"),
    )
    op.create_table(
        "user_aliases",
        sa.Column("tenant", BYTE_TEXT, nullable=False),
        sa.Column("anonymous_id", BYTE_TEXT, nullable=False),
        sa.Column("user_id", BYTE_TEXT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "user_id"], ["users.tenant", "users.user_id"], name="fk_user_aliases_users"
        ),
        sa.PrimaryKeyConstraint("tenant", "anonymous_id", name="pk_user_aliases"),
    )
    op.create_index("ix_user_aliases_user_id", "user_aliases", ["tenant", "user_id"], unique=False)


def downgrade() -> None:
    op.drop_table("user_aliases")
    op.drop_table("users")
    op.drop_table("tombstones")
    op.drop_table("scenarios")
    op.drop_table("rules")
    op.drop_table("model_versions")
    op.drop_index(
        "uq_jobs_active",
        table_name="jobs",
        postgresql_where=sa.text("state IN ('queued', 'running')"),
        sqlite_where=sa.text("state IN ('queued', 'running')"),
    )
    op.drop_table("jobs")
    op.drop_table("items")
    op.drop_table("exposures")
    op.drop_table("experiments")
    op.drop_table("events")
    op.drop_table("counters")
    op.drop_table("audit_log")
    op.drop_table("api_keys")
