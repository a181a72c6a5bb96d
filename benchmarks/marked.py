"""A table of a page between its marks: ``<!-- name -->`` and ``<!-- end of name -->``."""

from __future__ import annotations

from pathlib import Path


def with_table(text: str, mark: str, table: str) -> str:
    """The page with the table between its marks replaced.

    Args:
        text: The page.
        mark: The table's name.
        table: Markdown.

    Raises:
        ValueError: The page has no such marks.
    """
    start, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    if start not in text or end not in text:
        raise ValueError(f"the page has no table {mark!r}")
    before, _, rest = text.partition(start)
    return f"{before}{start}\n{table}\n{end}{rest.partition(end)[2]}"


def write(page: Path, mark: str, table: str) -> None:
    """Put the table into the page."""
    page.write_text(with_table(page.read_text(encoding="utf-8"), mark, table), encoding="utf-8")
