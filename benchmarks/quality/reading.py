"""Text files to arrays, a line at a time: bad lines are named by number, and nothing else is lost."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.errors import RefusedError

NAMED = 20
"""Bad lines that are named; the others are counted."""
BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Notes:
    """What was passed over in a file.

    Attributes:
        path: The file.
        lines: Lines read, empty ones included.
        empty: Lines without a character that shows.
        bad: Lines that could not be used.
        named: The first of them, by number and reason.
        joined: Lines of a user that an earlier line had named already.
    """

    path: Path
    lines: int = 0
    empty: int = 0
    bad: int = 0
    named: list[str] = field(default_factory=list)
    joined: int = 0

    def refuse(self, number: int, reason: str) -> None:
        """Count a line that cannot be used."""
        self.bad += 1
        if len(self.named) < NAMED:
            self.named.append(f"line {number}: {reason}")

    def sentences(self) -> list[str]:
        """What to tell, a sentence each."""
        name, said = self.path.name, []
        if self.bad:
            more = f"; and {self.bad - len(self.named)} more" if self.bad > len(self.named) else ""
            lines = "line was" if self.bad == 1 else "lines were"
            said.append(f"{name}: {self.bad} bad {lines} left out ({'; '.join(self.named)}{more}).")
        if self.empty:
            said.append(f"{name}: {self.empty} empty line{'s' * (self.empty > 1)} passed over.")
        if self.joined:
            plural = "s" * (self.joined > 1)
            said.append(f"{name}: {self.joined} line{plural} of users named before, joined to theirs.")
        return said

    def to_json(self) -> dict[str, object]:
        """For the results file."""
        return {"lines": self.lines, "empty": self.empty, "bad": self.bad, "first_bad": self.named}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of items in two flat arrays.

    Attributes:
        item: int32 (total,), places in `items`.
        offsets: int64 (rows + 1,), row r is ``item[offsets[r]:offsets[r + 1]]``.
        items: Every item's own name, by its first place in the file.
        users: Every row's user; empty where rows have none.
        notes: What was passed over.
    """

    item: NDArray[np.int32]
    offsets: NDArray[np.int64]
    items: list[str]
    users: list[str]
    notes: Notes

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """int64 (rows,)."""
        return np.diff(self.offsets)


class _Names:
    """Numbers names by first use, from 0, without a Python call for each."""

    def __init__(self) -> None:
        self.numbers: defaultdict[str, int] = defaultdict()
        self.numbers.default_factory = self.numbers.__len__

    def of(self, names: list[str]) -> Iterator[int]:
        return map(self.numbers.__getitem__, names)


def check_readable(path: Path) -> None:
    """See that there is a file with something in it, without reading it.

    Raises:
        RefusedError: There is not.
    """
    try:
        if path.is_dir():
            raise RefusedError(f"{path} is a folder, not a file.")
        with path.open("rb"):
            size = path.stat().st_size
    except FileNotFoundError:
        raise RefusedError(f"{path} does not exist.") from None
    except OSError as error:
        raise RefusedError(f"{path} cannot be read: {error.strerror}.") from None
    if path.is_file() and not size:
        raise RefusedError(f"{path} is empty.")


def user_rows(path: Path) -> Rows:
    """Lines of ``user item item …``; the lines of one user are joined in the file's order.

    Raises:
        RefusedError: Nothing in the file can be used.
    """
    notes, names, users = Notes(path), _Names(), _Names()
    item, owner, lengths = array("i"), array("q"), array("q")
    for number, text in lines(path, notes):
        words = _words(number, text, notes)
        if words is None:
            continue
        if len(words) < 2:
            notes.refuse(number, "a user and no item")
            continue
        notes.joined += words[0] in users.numbers
        owner.append(users.numbers[words[0]])
        item.extend(names.of(words[1:]))
        lengths.append(len(words) - 1)
    _see_some(lengths, notes, "user item item …")
    values, row = np.frombuffer(item, np.int32), np.frombuffer(owner, np.int64)
    sizes = np.frombuffer(lengths, np.int64)
    if notes.joined:
        values = values[np.argsort(np.repeat(row, sizes), kind="stable")]
        sizes = np.bincount(row, weights=sizes).astype(np.int64)
    return Rows(values, _offsets(sizes), list(names.numbers), list(users.numbers), notes)


def session_rows(path: Path) -> Rows:
    """Lines of ``item item …``, a session each.

    Raises:
        RefusedError: Nothing in the file can be used.
    """
    notes, names = Notes(path), _Names()
    item, lengths = array("i"), array("q")
    for number, text in lines(path, notes):
        words = _words(number, text, notes)
        if words is not None:
            item.extend(names.of(words))
            lengths.append(len(words))
    _see_some(lengths, notes, "item item …")
    sizes = np.frombuffer(lengths, np.int64)
    return Rows(np.frombuffer(item, np.int32), _offsets(sizes), list(names.numbers), [], notes)


def prefix_rows(path: Path) -> Rows:
    """Lines of ``prefix<TAB>target``; each row is the prefix and then its target.

    Raises:
        RefusedError: Nothing in the file can be used.
    """
    notes, names = Notes(path), _Names()
    item, lengths = array("i"), array("q")
    for number, text in lines(path, notes):
        parts = [list(filter(None, part.split(" "))) for part in text.split("\t")]
        if len(parts) != 2:
            notes.refuse(number, f"{len(parts) - 1} tabs, where one stands between prefix and target")
        elif not parts[0]:
            notes.refuse(number, "no prefix")
        elif len(parts[1]) != 1:
            notes.refuse(number, f"{len(parts[1])} targets, where one is wanted")
        else:
            words = parts[0] + parts[1]
            item.extend(names.of(words))
            lengths.append(len(words))
    _see_some(lengths, notes, "item item …<TAB>item")
    sizes = np.frombuffer(lengths, np.int64)
    return Rows(np.frombuffer(item, np.int32), _offsets(sizes), list(names.numbers), [], notes)


def item_attributes(path: Path) -> tuple[dict[str, list[str]], Notes]:
    """A TSV whose header names at least ``item`` and ``attributes``, the latter with ``|`` between them.

    Returns:
        Each item's attributes, each once, and what was passed over.

    Raises:
        RefusedError: The header lacks a column, or no line can be used.
    """
    notes, found = Notes(path), dict[str, list[str]]()
    numbered = lines(path, notes)
    _, header = next(numbered, (1, ""))
    columns = [name.strip() for name in header.split("\t")]
    lacking = [name for name in ("item", "attributes") if name not in columns]
    if lacking:
        raise RefusedError(
            f"{path}: the header must name the columns item and attributes, with tabs between; "
            f"it lacks {' and '.join(lacking)}."
        )
    key, value = columns.index("item"), columns.index("attributes")
    for number, text in numbered:
        cells = text.split("\t")
        if len(cells) <= max(key, value):
            notes.refuse(number, f"{len(cells)} columns, where the header has {len(columns)}")
        elif not (name := cells[key].strip()):
            notes.refuse(number, "no item")
        elif name in found:
            notes.refuse(number, f"item {name} once more")
        else:
            found[name] = list(dict.fromkeys(filter(None, map(str.strip, cells[value].split("|")))))
    if not found:
        raise RefusedError(_nothing(notes, "item<TAB>attributes"))
    return found, notes


def lines(path: Path, notes: Notes) -> Iterator[tuple[int, str]]:
    """Lines with something in them, by number from 1, without their end."""
    check_readable(path)
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            notes.lines = number
            try:
                text = raw.removeprefix(BOM if number == 1 else b"").decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                notes.refuse(number, "not UTF-8")
                continue
            if not text.strip():
                notes.empty += 1
            elif "\0" in text:
                notes.refuse(number, "a NUL character")
            else:
                yield number, text


def _words(number: int, text: str, notes: Notes) -> list[str] | None:
    """What stands between the spaces; None where a tab says that the file is of another form."""
    if "\t" in text:
        notes.refuse(number, "a tab, where spaces separate")
        return None
    # Not split(): a name may hold any other space that Unicode knows.
    return list(filter(None, text.split(" ")))


def _see_some(lengths: array[int], notes: Notes, form: str) -> None:
    if not lengths:
        raise RefusedError(_nothing(notes, form))


def _nothing(notes: Notes, form: str) -> str:
    why = f" ({notes.named[0]})" if notes.named else ""
    return f"{notes.path}: no line of its {notes.lines} is of the form '{form}'{why}."


def _offsets(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
