"""What the imports share: the service's own stores, and a tick while rows go by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from app.services.importing import Importer

if TYPE_CHECKING:
    from app.bootstrap import Foundation

TICK_ROWS = 500
T = TypeVar("T")


def importer_of(base: Foundation) -> Importer:
    """The import use case over the stores."""
    stores = base.stores
    return Importer(
        events=stores.events,
        items=stores.items,
        users=stores.users,
        cache=base.cache,
        create_unknown=base.settings.create_unknown,
    )


def ticking(rows: Iterator[T], tick: Callable[[], None]) -> Iterator[T]:
    """The rows, with a call every `TICK_ROWS` of them and at the end."""
    for place, row in enumerate(rows):
        if place % TICK_ROWS == 0:
            tick()
        yield row
    tick()
