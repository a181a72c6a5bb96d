"""What a person is told in one line, without a traceback."""

from __future__ import annotations


class RefusedError(Exception):
    """The command cannot be done as asked; `str(error)` says why."""
