"""`recserve keys`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from app.cli.console import answer, answer_json, load_settings, run, say, table
from app.domain.moments import rfc3339
from app.domain.types import ApiKey, JsonObject, KeyKind

app = typer.Typer(
    help="Make, list and revoke API keys.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


@app.command()
def create(
    *,
    kind: Annotated[
        KeyKind, typer.Option(help="pub: a browser's, sec: a server's, adm: an administrator's.")
    ],
    name: Annotated[str | None, typer.Option(help="What it is for, in your words.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; unset: never.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown this once; only its digest is stored.

    \b
    Examples:
      recserve keys create --kind sec --name "shop backend"
      KEY=$(recserve keys create --kind pub --json | jq -r .key)
    """
    key, secret = run(_create(kind, name, days))
    if as_json:
        answer_json({"key": secret} | _shown(key))
        return
    answer(secret)
    say(f"This is the only time the key is shown. Its id, for `recserve keys revoke`: {key.key_id}")


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List all keys, newest first.

    \b
    Examples:
      recserve keys list
      recserve keys list --json
    """
    keys = [_shown(key) for key in run(_list())]
    if as_json:
        answer_json({"keys": keys})
        return
    columns = ("key_id", "kind", "state", "name", "created_at", "last_used_at", "expires_at")
    table(columns, [[key[column] for column in columns] for key in keys])


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Revoke a key; every process refuses it within seconds.

    \b
    Example:
      recserve keys revoke 3fk29a
    """
    run(_revoke(key_id))
    if as_json:
        answer_json({"key_id": key_id, "state": "revoked"})
    else:
        say(f"Key {key_id} is revoked.")


async def _create(kind: KeyKind, name: str | None, days: int | None) -> tuple[ApiKey, str]:
    from app.bootstrap import make_keys
    from app.cli.opened import opened

    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    async with opened(load_settings()) as base:
        return await make_keys(base).create(kind, name=name, expires_at=expires_at)


async def _list() -> list[ApiKey]:
    from app.bootstrap import make_keys
    from app.cli.opened import opened

    async with opened(load_settings()) as base:
        return await make_keys(base).list()


async def _revoke(key_id: str) -> None:
    from app.bootstrap import make_keys
    from app.cli.opened import opened

    async with opened(load_settings()) as base:
        await make_keys(base).revoke(key_id)


def _shown(key: ApiKey) -> JsonObject:
    now = datetime.now(UTC)
    state = "active"
    if key.expires_at is not None and key.expires_at <= now:
        state = "expired"
    if key.revoked_at is not None:
        state = "revoked"
    return {
        "key_id": key.key_id,
        "kind": key.kind.value,
        "state": state,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": rfc3339(key.created_at),
        "last_used_at": rfc3339(key.last_used_at),
        "expires_at": rfc3339(key.expires_at),
    }
