"""The scratch folder: made at start, so that one that cannot be written is known before it is needed."""

from __future__ import annotations

import os
from pathlib import Path

from app.domain.errors import InvalidInputError


def make_scratch(folder: Path) -> None:
    """Make the folder where it does not exist.

    Raises:
        InvalidInputError: It cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(f"The folder cannot be made: {error.strerror}.") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidInputError("The folder cannot be written to.")
