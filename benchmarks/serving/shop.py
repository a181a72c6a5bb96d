"""The made-up shop that is served in a run: where its parts are, and how its things are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MODEL, VERSION = "sasrec", "sasrec-bench"


@dataclass(frozen=True, slots=True)
class Shop:
    """What is made.

    Attributes:
        folder: Holds `shop.db`, `artifacts/`, `scratch/` and `key`.
        items: Catalogue.
        users: With a history each.
        events_per_user: Views, each of one item.
    """

    folder: Path
    items: int = 12_000
    users: int = 2000
    events_per_user: int = 20

    @property
    def settings(self) -> dict[str, str]:
        """The service's settings for it, without their prefix."""
        return {
            "database_url": f"sqlite:///{self.folder / 'shop.db'}",
            "artifacts_url": str(self.folder / "artifacts"),
            "scratch_dir": str(self.folder / "scratch"),
            "jobs": "worker",
        }

    @property
    def key(self) -> str:
        """A server key's text."""
        return (self.folder / "key").read_text()


def item_id(number: int) -> str:
    """The id of the item of this number, from 1."""
    return f"item-{number:07d}"
