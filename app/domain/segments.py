"""Segments: people who have a country, a referring site or a kind of device in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

COUNTRY, REFERRER, DEVICE = "country", "referrer", "device"
KINDS = (COUNTRY, REFERRER, DEVICE)
"""The first one that enough people share says what is popular with somebody's like."""
LONGEST = 128
_ENDS = "/?#:"


class Segment(NamedTuple):
    """What its people share.

    Attributes:
        kind: One of `KINDS`.
        value: As events and requests write it; of a referrer the site alone (`site_of`).
    """

    kind: str
    value: str


def segments_of(country: str | None, referrer: str | None, device: str | None) -> Iterator[Segment]:
    """The segments that a request or an event names, in the order of `KINDS`."""
    site = None if referrer is None else site_of(referrer)
    for kind, value in zip(KINDS, (country, site, device), strict=True):
        if value:
            yield Segment(kind, value)


def site_of(referrer: str) -> str:
    """The host that a referrer names, as an address or by itself, without `www.`.

    The stores do the same in SQL.

    >>> site_of("https://www.Example.com:443/a?b"), site_of("example.com")
    ('example.com', 'example.com')
    """
    site = referrer.partition("://")[2] if "://" in referrer else referrer
    for end in _ENDS:
        site = site.partition(end)[0]
    return site.lower().removeprefix("www.")
