"""Why a training cannot be done at all."""

from __future__ import annotations


class NotEnoughDataError(Exception):
    """There are too few events to fit and to judge a model; the message says what is missing."""
