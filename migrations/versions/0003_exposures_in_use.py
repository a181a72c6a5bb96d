"""Find exposures by time, and events by the list they name."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# No release has written a list or a log yet, so nobody waits for the locks.
IGNORED = "-- squawk-ignore require-concurrent-index-creation\n"


def upgrade() -> None:
    op.execute(f"{IGNORED}CREATE INDEX ix_exposures_shown_at ON exposures (tenant, shown_at)")
    op.execute(
        f"{IGNORED}CREATE INDEX ix_events_recommendation_id ON events (tenant, recommendation_id)"
        " WHERE recommendation_id IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_index("ix_events_recommendation_id", table_name="events")
    op.drop_index("ix_exposures_shown_at", table_name="exposures")
