"""Input that breaks services: values, whole bodies, and parts of an address. Row by row, over every route."""

from __future__ import annotations

import gzip
import json
from typing import Any

CANARY = "canaryxq7"
"""Stands in every nasty input that can hold it; no answer, log line or metric may repeat it."""


class Raw(str):
    """JSON text to be put into a body as it is, where no Python value would give it."""

    __slots__ = ()


VALUES: dict[str, Any] = {
    "lone high surrogate": Raw(f'"{CANARY}\\ud800"'),
    "lone low surrogate": Raw(f'"\\udc00{CANARY}"'),
    "swapped surrogates": Raw(f'"{CANARY}\\ude00\\ud83d"'),
    "NUL": f"{CANARY}\x00",
    "control character": f"{CANARY}\x1b[31m",
    "line break": f"{CANARY}\r\nX-Injected: 1",
    "right-to-left override": f"\u202e{CANARY}",
    "line separator": f"{CANARY}\u2028",
    "not NFC": f"{CANARY}e\u0301",
    "10 KB": CANARY + "x" * 10_240,
    "129 bytes": CANARY + "é" * 60,
    "empty": "",
    "noncharacter": f"{CANARY}\ufdd0",
    "emoji": f"{CANARY}👩\u200d👩\u200d👧",
    "SQL": f"{CANARY}' OR '1'='1'; DROP TABLE events; --",
    "template": f"{CANARY}{{{{7*7}}}}${{jndi:ldap://x}}%s%n",
    "path": f"../../{CANARY}/etc/passwd",
    "pickle": "gASVIAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAVlY2hvIIWUUpQu",
    "NaN": Raw("NaN"),
    "Infinity": Raw("-Infinity"),
    "1e999": Raw("1e999"),
    "2^63": 2**63,
    "-2^63-1": -(2**63) - 1,
    "2^64": 2**64,
    "5000 digits": Raw("9" * 5000),
    "5000 decimals": Raw("0." + "9" * 5000),
    "1e308": 1e308,
    "minus zero": Raw("-0.0"),
    "minus one": -1,
    "zero": 0,
    "a billion": 10**9,
    "true": True,
    "null": None,
    "a list": [CANARY],
    "an object": {"surprise": CANARY},
    "nested list of 201": Raw("[" * 201 + "]" * 201),
    "nested object of 201": Raw('{"a":' * 201 + "1" + "}" * 201),
    "named twice": Raw('{"a":1,"a":2}'),
    "names that are not text": Raw('{"\\ud800":1,"\\u0000":2}'),
    "10,000 members": {str(n): n for n in range(10_000)},
    "no offset": "2026-11-24T10:00:00",
    "leap second": "2016-12-31T23:59:60Z",
    "1969": "1969-12-31T23:59:59Z",
    "9999": "9999-12-31T23:59:59Z",
    "beyond 9999": "9999-12-31T23:59:59-12:00",
    "year 0": "0000-01-01T00:00:00Z",
    "epoch": 1_764_000_000,
}

ALWAYS = frozenset(
    {"lone high surrogate", "NUL", "1e999", "2^63", "10 KB", "null", "an object", "named twice"}
)
"""Values that every field meets, however small the share of the rest is."""

JSON = "application/json"
BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", JSON),
    "blank": (b" \r\n\t ", JSON),
    "cut off": (b'{"a": "' + CANARY.encode(), JSON),
    "not JSON": (f"<{CANARY}/>".encode(), JSON),
    "two documents": (b"{}{}", JSON),
    "trailing comma": (b'{"a":1,}', JSON),
    "comment": (b"{/* */}", JSON),
    "null": (b"null", JSON),
    "a number": (b"1", JSON),
    "a text": (json.dumps(CANARY).encode(), JSON),
    "a list": (b"[]", JSON),
    "an unknown field": (json.dumps({"surprise": CANARY}).encode(), JSON),
    "10,000 unknown fields": (json.dumps({f"f{n}": CANARY for n in range(10_000)}).encode(), JSON),
    "UTF-16": (json.dumps({"a": CANARY}).encode("utf-16"), JSON),
    "UTF-16 without a mark": (json.dumps({"a": CANARY}).encode("utf-16-be"), JSON),
    "UTF-32": (json.dumps({"a": CANARY}).encode("utf-32"), JSON),
    "byte order mark": (b"\xef\xbb\xbf{}", JSON),
    "Latin-1": (b'{"a":"\xe9"}', JSON),
    "encoded surrogate": (b'{"a":"\xed\xa0\x80"}', JSON),
    "overlong": (b'{"a":"\xc0\xaf"}', JSON),
    "named twice": (b'{"a":1,"a":2}', JSON),
    "deep": (b"[" * 100_000, JSON),
    "deep and closed": (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, JSON),
    "deep inside": (b'{"context":' + b"[" * 30 + b"]" * 30 + b"}", JSON),
    "gzip": (gzip.compress(b"{}"), JSON),
    "too large": (b'{"a":"' + b"x" * (512 * 1024) + b'"}', JSON),
    "no media type": (b"{}", ""),
    "form": (f"a={CANARY}".encode(), "application/x-www-form-urlencoded"),
    "text": (b"{}", "text/plain"),
    "XML": (b"<a/>", "application/xml"),
    "other charset": (b"{}", "application/json; charset=utf-16"),
    "odd media type": (b"{}", f"application/json; {CANARY}={CANARY}"),
    "nonsense media type": (b"{}", ";;;=" + CANARY),
}

PATH_PARTS: dict[str, str] = {
    "NUL": f"{CANARY}%00",
    "control character": f"{CANARY}%0d%0aX:1",
    "not UTF-8": f"{CANARY}%ff",
    "surrogate": f"{CANARY}%ed%a0%80",
    "overlong": f"{CANARY}%c0%af",
    "right-to-left override": f"%E2%80%AE{CANARY}",
    "not NFC": f"{CANARY}e%CC%81",
    "10 KB": CANARY + "x" * 10_240,
    "129 bytes": CANARY + "%C3%A9" * 60,
    "noncharacter": f"{CANARY}%EF%B7%90",
    "encoded slash": f"{CANARY}%2F..%2F..",
    "twice encoded": f"{CANARY}%252F%2500",
    "dots": "..%2f..%2f" + CANARY,
    "percent": f"{CANARY}%25",
    "half an escape": f"{CANARY}%e",
    "blank": "%20",
    "colon": f"{CANARY}:batch",
    "query inside": f"{CANARY}%3Fa%3D1",
    "SQL": f"{CANARY}'%20OR%201=1--",
    "emoji": f"{CANARY}%F0%9F%91%A9",
}

QUERY_VALUES: dict[str, str] = {
    "NUL": f"{CANARY}%00",
    "line break": f"{CANARY}%0a",
    "not UTF-8": f"{CANARY}%ff",
    "surrogate": f"{CANARY}%ed%a0%80",
    "right-to-left override": f"%E2%80%AE{CANARY}",
    "not NFC": f"{CANARY}e%CC%81",
    "10 KB": CANARY + "x" * 10_240,
    "empty": "",
    "zero": "0",
    "minus one": "-1",
    "a billion": "1000000000",
    "2^63": str(2**63),
    "5000 digits": "9" * 5000,
    "a fraction": "1.5",
    "an exponent": "1e3",
    "NaN": "nan",
    "infinity": "inf",
    "other digits": "%D9%A1%D9%A0",
    "underscore": "1_0",
    "plus": "%2B5",
    "blank around": "%205%20",
    "SQL": f"{CANARY}'%20OR%201=1--",
    "like": "%25_%5C",
    "bracket": "[]",
    "cursor": "eyJhIjoxfQ",
    "cursor of other kinds": "WyJhIiwgMV0",
    "cursor with a surrogate": "WyJcdWQ4MDAiXQ",
    "cursor with a big number": "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5XQ",
    "deep cursor": "W1tbW1tbW1tbW1tbW1tbW1tbW1tb",
}


def encode(value: Any) -> bytes:
    """JSON of a value that may hold `Raw` parts."""
    return _text(value).encode("utf-8", "surrogatepass")


def _text(value: Any) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_text(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return json.dumps(value)


def leaves(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of every part of a body, containers included, the root left out."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [at] if at else []
    for key, part in inner:
        found += leaves(part, (*at, key))
    return found


def replaced(value: Any, at: tuple[str | int, ...], new: Any) -> Any:
    """The body with another value in one place."""
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = replaced(value[at[0]], at[1:], new)
    return copy
