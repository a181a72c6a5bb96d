"""A version's `item_item.npz`: counted tables, scored in NumPy."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.adapters.scorers.queries import pad_left
from app.adapters.scorers.version import Infer, Version
from app.domain.errors import ArtifactRefusedError
from app.domain.types import Query
from models.item_item import ItemItem

TABLE_NAME = "item_item.npz"


def open_item_item(parts: Version, folder: Path) -> Infer:
    """What scores with the table.

    Raises:
        ArtifactRefusedError: The table cannot be read or is of other items.
    """
    return partial(_infer, read_table(folder / TABLE_NAME, n_items=len(parts.index)), parts)


def read_table(path: Path, *, n_items: int) -> ItemItem:
    """A table of so many items.

    Raises:
        ArtifactRefusedError: The table cannot be read or is of other items.
    """
    try:
        table = ItemItem.load(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ArtifactRefusedError(f"{path.name} cannot be read: {_plain(error)}.") from error
    if table.n_items != n_items:
        raise ArtifactRefusedError(f"{path.name} is of another number of items.")
    return table


def _infer(table: ItemItem, parts: Version, queries: Sequence[Query]) -> NDArray[np.float32]:
    return table.score(*pad_left(queries, parts.index, max_length=parts.max_length))


def _plain(error: Exception) -> str:
    """The table's own words; those of the operating system may hold a path."""
    return str(error) if type(error) is ValueError else "it is missing or damaged"
