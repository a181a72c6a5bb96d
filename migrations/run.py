"""Migrating from code: the same in a checkout, in an installed package, and in tests."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alembic import command
from alembic.config import Config

from app.adapters.sql.engine import async_url, make_private_file

FOLDER = Path(__file__).parent


def config(url: str, *, output: io.StringIO | None = None) -> Config:
    """Alembic's configuration; there is no alembic.ini."""
    made = Config(output_buffer=output)
    made.set_main_option("script_location", str(FOLDER))
    made.set_main_option("path_separator", "os")
    # Not among the ini options, where a percent sign in a password would be read as a reference.
    made.attributes["url"] = url
    return made


def upgrade(url: str, revision: str = "head") -> None:
    """Bring a database up to a revision. Blocks until it is done.

    Raises:
        InvalidInputError: The address cannot be used.
    """
    parsed = async_url(url)
    if parsed.get_backend_name() == "sqlite":
        make_private_file(Path(str(parsed.database)))
    _apart(command.upgrade, url, revision)


def downgrade(url: str, revision: str) -> None:
    """Take a database back to a revision, `base` being the empty one. Blocks until it is done."""
    _apart(command.downgrade, url, revision)


def _apart(what: Callable[[Config, str], None], url: str, revision: str) -> None:
    # The environment runs an event loop of its own, and the caller's thread may have one already.
    with ThreadPoolExecutor(1, thread_name_prefix="migrate") as thread:
        thread.submit(what, config(url), revision).result()


def sql(url: str) -> str:
    """The SQL of all migrations for the database of the address, which is not contacted."""
    output = io.StringIO()
    command.upgrade(config(url, output=output), "head", sql=True)
    return output.getvalue()
