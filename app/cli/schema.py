"""`recserve migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.console import FailedError, answer, load_settings, say


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
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    from migrations import run

    url = load_settings().database_url
    if sql:
        answer(run.sql(url))
        return
    try:
        run.upgrade(url, revision)
    except (SQLAlchemyError, OSError, CommandError) as error:
        raise FailedError(f"The database could not be migrated: {_first_line(error)}") from error
    say(f"The database is at revision {run.head() if revision == 'head' else revision}.")


def _first_line(error: Exception) -> str:
    origin = getattr(error, "orig", None) or error
    return (str(origin).splitlines() or [type(origin).__name__])[0]
