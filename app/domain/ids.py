"""Ids that the service makes itself."""

from __future__ import annotations

import os
import threading
import time

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# 256 is a multiple of 32: each letter is as likely as any other.
_LETTER_OF = bytes(ord(_CROCKFORD[byte % 32]) for byte in range(256))
_AT_ONCE = 256
_ULID_LETTERS, _REQUEST_DIGITS = 16, 32


class _Supply:
    """Random letters and digits for many ids at a time: each call of the system costs as much as an id."""

    def __init__(self) -> None:
        self._moment, self._moment_text = -1, ""
        self._letters = self._digits = ""
        self._letter = self._digit = 0

    def ulid(self) -> str:
        """As `new_ulid`."""
        moment = time.time_ns() // 1_000_000
        if moment != self._moment:
            self._moment, self._moment_text = moment, _text_of(moment)
        start = self._letter
        if start >= len(self._letters):
            self._letters = os.urandom(_AT_ONCE * _ULID_LETTERS).translate(_LETTER_OF).decode("ascii")
            start = 0
        self._letter = end = start + _ULID_LETTERS
        return self._moment_text + self._letters[start:end]

    def request_id(self) -> str:
        """As `new_request_id`."""
        start = self._digit
        if start >= len(self._digits):
            self._digits = os.urandom(_AT_ONCE * _REQUEST_DIGITS // 2).hex()
            start = 0
        self._digit = end = start + _REQUEST_DIGITS
        return self._digits[start:end]


def _text_of(moment: int) -> str:
    return "".join(_CROCKFORD[moment >> shift & 31] for shift in range(45, -1, -5))


class _Supplies(threading.local):
    """One a thread: two that take at once must not get the same."""

    def __init__(self) -> None:
        self.own = _Supply()

    def forget(self) -> None:
        """Begin anew."""
        self.own = _Supply()


_supplies = _Supplies()
# A process that is forked must not go on with its parent's.
os.register_at_fork(after_in_child=_supplies.forget)


def new_ulid() -> str:
    """A ULID: 26 characters that sort by their millisecond, 80 bits of them random.

    Source: https://github.com/ulid/spec.
    """
    return _supplies.own.ulid()


def new_request_id() -> str:
    """32 random hexadecimal digits."""
    return _supplies.own.request_id()
