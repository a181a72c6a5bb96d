"""Which revision of the source this process runs, where it runs from a checkout."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 5.0


def git_commit() -> str | None:
    """The commit of the checkout; None for an installed package or without git."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return None
    try:
        # A fixed command in the checkout's own folder.
        found = subprocess.run(  # noqa: S603
            [git, "-C", str(ROOT), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
            timeout=TIMEOUT_S,
        )
    except (subprocess.SubprocessError, OSError):
        return None
    return found.stdout.strip() or None
