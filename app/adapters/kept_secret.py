"""A secret that is made at first need and kept in a file for its owner alone."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

SECRET_BYTES = 32
PRIVATE_MODE = 0o600


def kept_secret(path: Path) -> bytes:
    """The secret in the file; made where there is no file, once however many processes ask.

    Raises:
        OSError: The file can be neither read nor made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        made = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_MODE)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(SECRET_BYTES))
        # A link, not a rename: of two processes the first one wins, and the file is never half written.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(made)
        made.unlink()
    return bytes.fromhex(path.read_text().strip())
