"""`recserve migrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.console import FailedError, answer, load_settings, say
from app.domain.errors import InvalidInputError

OWN_FOLDER = Path("var")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(migrate)


def migrate(
    *,
    revision: Annotated[str, typer.Option(help="Where to stop.")] = "head",
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL of all migrations instead.")] = False,
) -> None:
    """Bring the database to the newest schema; nothing happens where it has it already.

    \b
    Examples:
      recserve migrate
      RECSERVE_DATABASE_URL=postgresql://me:secret@localhost/shop recserve migrate
      recserve migrate --sql > migrations.sql
    """
    url = _checked(load_settings().database_url)
    if sql:
        from migrations import run

        answer(run.sql(url))
        return
    from app.cli.opened import require_sqlite

    require_sqlite(url)
    folder = _new_folder(url)
    at = migrate_database(url, revision)
    if folder is not None:
        say(f"Made the folder {folder}, which was not there.")
    say(f"The database is at revision {at}.")


def migrate_database(url: str, revision: str = "head") -> str:
    """Bring a database to a revision; returns its name.

    Raises:
        FailedError: The database is down, or cannot be brought there.
    """
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    from migrations import newest, run

    try:
        run.upgrade(url, revision)
    except (SQLAlchemyError, OSError, CommandError) as error:
        raise FailedError(f"The database could not be migrated: {_first_line(error)}") from error
    return newest.head() if revision == "head" else revision


def _new_folder(url: str) -> Path | None:
    """The folder that a SQLite file needs and that is not there; the default one may be made unsaid."""
    from app.adapters.sql.engine import async_url

    parsed = async_url(url)
    folder = Path(str(parsed.database)).parent
    if parsed.get_backend_name() != "sqlite" or folder.exists() or folder == OWN_FOLDER:
        return None
    return folder


def _checked(url: str) -> str:
    from app.adapters.sql.engine import async_url

    try:
        async_url(url)
    except InvalidInputError as error:
        raise InvalidInputError(f"RECSERVE_DATABASE_URL: {error}") from None
    return url


def _first_line(error: Exception) -> str:
    origin = getattr(error, "orig", None) or error
    return (str(origin).splitlines() or [type(origin).__name__])[0]
