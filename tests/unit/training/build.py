"""Logs of events for tests of the training."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

START = datetime(2026, 1, 1, tzinfo=UTC)


def log(*lines: tuple[str, str, str, float], values: dict[int, float] | None = None) -> pl.DataFrame:
    """A log of ``(user, item, event name, days after the start)``."""
    return pl.DataFrame(
        {
            "seq": range(len(lines)),
            "user_key": [f"user:{user}" for user, _, _, _ in lines],
            "item_id": [item for _, item, _, _ in lines],
            "name": [name for _, _, name, _ in lines],
            "happened_at": [START + timedelta(days=days) for _, _, _, days in lines],
            "quantity": [1.0] * len(lines),
            "value": [(values or {}).get(number) for number in range(len(lines))],
        },
        schema_overrides={"value": pl.Float64},
    )
