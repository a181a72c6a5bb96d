"""What a search in the catalogue looks through: the same text on every database."""

from __future__ import annotations

import unicodedata


def folded(text: str) -> str:
    """Without regard to case.

    >>> folded("Straße") == folded("STRASSE")
    True
    """
    return unicodedata.normalize("NFC", text.casefold())


def search_text(item_id: str, title: str | None) -> str:
    """An item's title and id, folded, apart from each other by a line break."""
    return folded(f"{item_id}\n{title or ''}")
