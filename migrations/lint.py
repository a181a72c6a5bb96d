"""`python -m migrations.lint`: squawk over the SQL that the migrations run on PostgreSQL."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from migrations.run import sql

# Alembic makes its own table, with a varchar that squawk would rather see as text.
_BOOKKEEPING = re.compile(r"CREATE TABLE alembic_version \(.*?\);", re.DOTALL)


def squawk() -> str:
    """Where squawk stands: beside this Python, or on the path."""
    beside = Path(sysconfig.get_path("scripts")) / "squawk"
    found = str(beside) if beside.exists() else shutil.which("squawk")
    if not found:
        sys.exit("squawk is missing; install the development requirements.")
    return found


def main() -> int:
    """Lint; the exit code is squawk's."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "migrations.sql"
        file.write_text(_BOOKKEEPING.sub("", sql("postgresql://localhost/recserve")))
        command = [squawk(), "--config", str(Path(__file__).parent.parent / ".squawk.toml"), str(file)]
        return subprocess.run(command, check=False).returncode  # noqa: S603  # our own file


if __name__ == "__main__":
    sys.exit(main())
