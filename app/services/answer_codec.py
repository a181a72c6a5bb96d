"""Answers as bytes for the cache and the wire, and the key under which each is kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace
from operator import attrgetter
from typing import NamedTuple

import msgspec
from pydantic import TypeAdapter

from app.domain.recommendations import (
    Reason,
    Recommendation,
    RecommendationRequest,
    RecommendedItem,
    ServedBy,
    parts,
)

FORMAT = "5"
"""Changed with the meaning of the bytes, so that two releases never read each other's lists."""
# The routes' own writer of JSON, so that a kept list is, byte for byte, what a route would answer.
_WIRE = TypeAdapter(Recommendation)
_KEPT_HEAD = b'{"scenario":'
_SERVED_BY = b'"served_by":"%b"'
_BY_CACHE = _SERVED_BY % ServedBy.CACHE.encode()
# A kept list may have a second line, which is not answered: its propensities.
_LINE, _LINE_END = b"\n", b"]"
_NOT_WRITTEN = {"recommendation_id", "propensities"}
# What a request may ask beside scenario and length; the subject is told apart by the stamps.
_REST = attrgetter(
    *(part.name for part in fields(RecommendationRequest) if part.name not in {"scenario", "n", "subject"})
)
_PLAIN = _REST(RecommendationRequest())


def list_key(
    request: RecommendationRequest,
    *,
    model_version: str | None,
    counts_version: str | None,
    steering_version: str,
    arm: tuple[str, str] | None = None,
) -> str:
    """What tells this list from every other one of the same subject."""
    asked = f"{FORMAT}|{request.scenario}|{request.n}|{model_version}|{counts_version}|{steering_version}"
    if arm is not None:
        asked += f"|{arm[0]}/{arm[1]}"
    rest = _REST(request)
    return asked if rest == _PLAIN else f"{asked}|{_digest(rest)}"


def _digest(rest: object) -> str:
    asked = json.dumps(rest, sort_keys=True, ensure_ascii=False, default=parts)
    return hashlib.blake2b(asked.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Made:
    """A list that was made, without an id yet: whoever shares it gets one of their own.

    Args:
        answer: The list; its id says nothing.
    """

    __slots__ = ("_unnamed", "answer")

    def __init__(self, answer: Recommendation) -> None:
        self.answer = answer
        self._unnamed: bytes | None = None

    def named(self, recommendation_id: str) -> Recommendation:
        """The answer under an id."""
        return replace(self.answer, recommendation_id=recommendation_id)

    def body(self, recommendation_id: str) -> bytes:
        """What a route writes for the answer under an id."""
        return _named(self._written(), recommendation_id)

    @property
    def kept_body(self) -> bytes:
        """As it will be given out of the cache, but for an id."""
        # A quote inside of a text is escaped, so the first such member is the answer's own.
        body = self._written().replace(_SERVED_BY % self.answer.served_by.encode(), _BY_CACHE, 1)
        chances = self.answer.propensities
        return body + _LINE + json.dumps(chances).encode() if chances else body

    def _written(self) -> bytes:
        if self._unnamed is None:
            self._unnamed = _WIRE.dump_json(self.answer, exclude=_NOT_WRITTEN)
        return self._unnamed


def on_the_wire(body: bytes, recommendation_id: str) -> bytes | None:
    """What a route answers with a kept list under a new id; None where the bytes are no list."""
    if not body.startswith(_KEPT_HEAD):
        return None
    return _named(_parted(body)[0] if body.endswith(_LINE_END) else body, recommendation_id)


def _named(body: bytes, recommendation_id: str) -> bytes:
    return b'{"recommendation_id":"%b",%b' % (recommendation_id.encode(), body[1:])


def _parted(body: bytes) -> tuple[bytes, bytes]:
    """A kept list as it is answered, and the line behind it."""
    answer, _, line = body.partition(_LINE)
    return answer, line


class Facts(NamedTuple):
    """What is written down of an answer that was shown."""

    scenario: str
    experiment: str | None
    variant: str
    model_version: str | None
    served_by: str
    item_ids: tuple[str, ...]
    propensities: tuple[float | None, ...]


class _KeptItem(msgspec.Struct):
    item_id: str


class _Kept(msgspec.Struct):
    scenario: str
    variant: str
    model_version: str | None
    served_by: str
    items: list[_KeptItem]
    experiment: str | None = None


_KEPT = msgspec.json.Decoder(_Kept)
_CHANCES = msgspec.json.Decoder(tuple[float | None, ...])


def facts(body: bytes) -> Facts | None:
    """Those of a kept list, read at a fraction of what all of it takes; None where the bytes are no list."""
    try:
        answer, line = _parted(body)
        kept = _KEPT.decode(answer)
        chances = _CHANCES.decode(line) if line else ()
    except msgspec.DecodeError:
        return None
    return Facts(
        kept.scenario,
        kept.experiment,
        kept.variant,
        kept.model_version,
        kept.served_by,
        tuple(item.item_id for item in kept.items),
        chances or (1.0,) * len(kept.items),
    )


def facts_of(answer: Recommendation) -> Facts:
    """Those of an answer."""
    return Facts(
        answer.scenario,
        answer.experiment,
        answer.variant,
        answer.model_version,
        answer.served_by.value,
        tuple(item.item_id for item in answer.items),
        answer.propensities or (1.0,) * len(answer.items),
    )


def decoded(body: bytes, recommendation_id: str) -> Recommendation | None:
    """The answer under a new id, or None where the bytes are none."""
    try:
        body, line = _parted(body)
        kept = json.loads(body)
        chances = _CHANCES.decode(line) if line else ()
        items = tuple(_item(item) for item in kept.pop("items"))
        served_by = ServedBy(kept.pop("served_by"))
        return Recommendation(
            recommendation_id=recommendation_id,
            served_by=served_by,
            items=items,
            propensities=chances,
            **kept,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _item(fields: dict[str, object]) -> RecommendedItem:
    item = RecommendedItem(**fields)  # type: ignore[arg-type]  # written by `Made`; a stranger's names raise
    if isinstance(item.reason, dict):
        item = replace(item, reason=Reason(**item.reason))
    return item
