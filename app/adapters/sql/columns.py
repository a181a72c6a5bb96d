"""Column types that hold the same values, in the same order, on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.domain.money import MONEY_SCALE, exact_money, plain_money

_MOMENT_WIDTH = len("2026-11-24 10:00:00.000000")

# Text that compares by bytes: the default on SQLite, the C collation on PostgreSQL.
ByteText = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
# A row number: SQLite numbers rows by itself only for INTEGER.
RowNumber = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# 64-bit floats under both names.
Real: sa.Double[float] = sa.Double()


@lru_cache(maxsize=1024)
def utc_text(moment: datetime) -> str:
    """UTC, microseconds, of fixed width, so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")[:_MOMENT_WIDTH]


def scaled_money(value: Decimal) -> int:
    """The amount in ten-thousandths, SQLite's form."""
    return _scaled(exact_money(value))


@lru_cache(maxsize=4096)
def _scaled(exact: Decimal) -> int:
    return int(exact.scaleb(MONEY_SCALE))


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept in UTC: `timestamptz`, or text of fixed width on SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on SQLite, timestamptz elsewhere."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.Text())
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ANN401  # as in the base class
        """To what the driver takes."""
        if value is None:
            return None
        return utc_text(value) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ANN401  # as in the base class
        """From what the driver gives."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        moment: datetime = value.astimezone(UTC)
        return moment


class Money(TypeDecorator[Decimal]):
    """An exact amount with four decimals: `numeric(18,4)`, or ten-thousandths as integer on SQLite."""

    impl = sa.Numeric(18, MONEY_SCALE)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """An integer on SQLite, numeric elsewhere."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.Integer())
        return dialect.type_descriptor(sa.Numeric(18, MONEY_SCALE))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:  # noqa: ANN401  # as in the base class
        """To what the driver takes."""
        if value is None:
            return None
        return scaled_money(value) if dialect.name == "sqlite" else exact_money(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Decimal | None:  # noqa: ANN401  # as in the base class
        """From what the driver gives."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return plain_money(Decimal(value).scaleb(-MONEY_SCALE))
        return plain_money(value)
