"""Amounts as every store keeps them: exact, with four decimals."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from app.domain.errors import InvalidInputError

MONEY_SCALE = 4
MAX_MONEY = Decimal(10) ** 14
_QUANTUM = Decimal(1).scaleb(-MONEY_SCALE)


def exact_money(value: Decimal) -> Decimal:
    """The amount with four decimals.

    Raises:
        InvalidInputError: It is not finite, or 10^14 or more.
    """
    if not value.is_finite() or abs(value) >= MAX_MONEY:
        raise InvalidInputError("An amount is out of range.")
    return _quantized(value)


@lru_cache(maxsize=4096)
def _quantized(value: Decimal) -> Decimal:
    return value.quantize(_QUANTUM, rounding=ROUND_HALF_EVEN)


def plain_money(value: Decimal) -> Decimal:
    """Without trailing zeros and without an exponent.

    >>> plain_money(Decimal("9.5000")), plain_money(Decimal("100.0000"))
    (Decimal('9.5'), Decimal('100'))
    """
    short = value.normalize()
    return short.quantize(Decimal(1)) if short == short.to_integral_value() else short


def stored_money(value: Decimal | None) -> Decimal | None:
    """What an amount comes back as.

    Raises:
        InvalidInputError: It is not finite, or 10^14 or more.
    """
    return None if value is None else plain_money(exact_money(value))
