"""The part of a problem that batch answers share."""

from __future__ import annotations

from app.api.values import Answer


class FieldErrorAnswer(Answer):
    """A field at fault: where, and what is wrong with it."""

    pointer: str
    reason: str
