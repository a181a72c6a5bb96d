"""The popular items on disk, for a start while the database is away."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import structlog

from app.domain.types import Item

_log = structlog.get_logger(__name__)

TIMES = ("published_at", "created_at", "updated_at")


class LastResortFile:
    """A JSON file of items, replaced by rename, so that it is never half written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> list[Item]:
        """The items, most popular first; empty where the file is missing or is none of ours."""
        try:
            rows = json.loads(self._path.read_bytes())
            return [_item(row) for row in rows]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
            _log.warning("last_resort.unreadable", error=type(error).__name__)
            return []

    def save(self, items: Sequence[Item]) -> None:
        """Replace them in one step. Raises `OSError`."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        fresh.write_text(json.dumps([_row(item) for item in items], ensure_ascii=False), encoding="utf-8")
        fresh.replace(self._path)


def _row(item: Item) -> dict[str, object]:
    times = {name: getattr(item, name) for name in TIMES}
    written = {name: None if at is None else at.isoformat() for name, at in times.items()}
    return asdict(item) | written | {"price": None if item.price is None else str(item.price)}


def _item(row: dict[str, object]) -> Item:
    price, categories = row["price"], row["categories"]
    times = {name: None if row[name] is None else datetime.fromisoformat(str(row[name])) for name in TIMES}
    known = row | times
    known["price"] = None if price is None else Decimal(str(price))
    known["categories"] = tuple(map(str, categories)) if isinstance(categories, list) else ()
    return Item(**known)  # type: ignore[arg-type]  # written by `_row`; a stranger's names raise
