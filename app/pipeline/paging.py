"""Cursors of lists: what was shown already travels with them, so that no process has to keep it.

A cursor is the digest of its question and a 32-bit mark of each item shown. Two items may share a mark, and
the second is then passed over: one item in four billion for each item shown.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from app.domain.errors import FieldError, InvalidInputError
from app.domain.recommendations import RecommendationRequest, parts
from app.pipeline.catalogue import CatalogueSnapshot
from app.pipeline.columns import IntArray

SHOWN_AT_MOST = 500
DIGEST_BYTES = 8
_LITTLE = np.dtype("<u4")
_FREE = ("n", "cursor", "fields", "explain", "diversity")
"""What of a request may differ from one page to the next."""
_ASKED = tuple(part.name for part in fields(RecommendationRequest) if part.name not in _FREE)


def shown_before(request: RecommendationRequest, *, at: str = "") -> NDArray[np.uint32]:
    """uint32 (items,): the marks of what earlier pages showed.

    Raises:
        InvalidInputError: The cursor is none, or of another list.
    """
    if request.cursor is None:
        return np.zeros(0, dtype=np.uint32)
    try:
        raw = base64.b64decode(
            request.cursor + "=" * (-len(request.cursor) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, ValueError):
        raw = b""
    body = len(raw) - DIGEST_BYTES
    if body <= 0 or body % _LITTLE.itemsize or body > SHOWN_AT_MOST * _LITTLE.itemsize:
        raise _refuse(at, "is not a cursor that a list gave")
    if raw[:DIGEST_BYTES] != _digest(request):
        raise _refuse(at, "is of another list: only n, fields, explain and diversity may differ")
    return np.frombuffer(raw[DIGEST_BYTES:], dtype=_LITTLE).astype(np.uint32)


def next_cursor(
    request: RecommendationRequest, positions: IntArray, catalogue: CatalogueSnapshot
) -> str | None:
    """Where the next page starts; None where this one is not full, or as many were shown as may be."""
    if len(positions) < request.n:
        return None
    shown = np.concatenate([shown_before(request), catalogue.marks[positions]])
    if len(shown) >= SHOWN_AT_MOST:
        return None
    raw = _digest(request) + shown.astype(_LITTLE).tobytes()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _digest(request: RecommendationRequest) -> bytes:
    asked = {name: getattr(request, name) for name in _ASKED}
    text = json.dumps(asked, sort_keys=True, ensure_ascii=False, default=parts)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def _refuse(at: str, reason: str) -> InvalidInputError:
    return InvalidInputError("The cursor is not valid.", [FieldError(f"{at}/cursor", reason)])
