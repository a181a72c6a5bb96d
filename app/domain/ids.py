"""Ids that the service makes itself."""

from __future__ import annotations

import os
import time

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _CROCKFORD for low in _CROCKFORD)


def new_ulid() -> str:
    """A ULID: 26 characters that sort by their millisecond, 80 bits of them random.

    Every list has one, so it is made with few steps.

    Source: https://github.com/ulid/spec.
    """
    value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big")
    pairs = _PAIRS
    return (
        f"{pairs[value >> 120 & 1023]}{pairs[value >> 110 & 1023]}{pairs[value >> 100 & 1023]}"
        f"{pairs[value >> 90 & 1023]}{pairs[value >> 80 & 1023]}{pairs[value >> 70 & 1023]}"
        f"{pairs[value >> 60 & 1023]}{pairs[value >> 50 & 1023]}{pairs[value >> 40 & 1023]}"
        f"{pairs[value >> 30 & 1023]}{pairs[value >> 20 & 1023]}{pairs[value >> 10 & 1023]}"
        f"{pairs[value & 1023]}"
    )


def new_request_id() -> str:
    """32 random hexadecimal digits."""
    return os.urandom(16).hex()
