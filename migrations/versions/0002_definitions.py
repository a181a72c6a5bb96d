"""Keep scenarios, rules and settings in versions, in one table; the two that nothing ever used go."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BYTE_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "definitions",
        sa.Column("tenant", BYTE_TEXT, nullable=False),
        sa.Column("kind", BYTE_TEXT, nullable=False),
        sa.Column("name", BYTE_TEXT, nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("body", sa.JSON(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", BYTE_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "kind", "name", "version", name="pk_definitions"),
    )
    # No release has read or written them, so there is no client to break.
    for table in ("scenarios", "rules"):
        op.execute(f"-- squawk-ignore ban-drop-table\nDROP TABLE {table}")


def downgrade() -> None:
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
    op.drop_table("definitions")
