"""Every store in memory: for tests of what stands above them, which need no database."""

from __future__ import annotations

from app.adapters.memory_admin import (
    MemoryAuditLog,
    MemoryJobStore,
    MemoryKeyStore,
    MemoryModelVersionStore,
)
from app.adapters.memory_catalogue import MemoryItemLog, MemoryItemStore
from app.adapters.memory_definitions import MemoryDefinitionStore
from app.adapters.memory_events import MemoryEventLog, MemoryEventStore
from app.adapters.memory_exposures import MemoryExposureStore
from app.adapters.memory_state import MemoryState
from app.adapters.memory_users import MemoryUserStore
from app.domain.ports import Clock, Stores

__all__ = [
    "MemoryAuditLog",
    "MemoryDefinitionStore",
    "MemoryEventLog",
    "MemoryEventStore",
    "MemoryExposureStore",
    "MemoryItemLog",
    "MemoryItemStore",
    "MemoryJobStore",
    "MemoryKeyStore",
    "MemoryModelVersionStore",
    "MemoryState",
    "MemoryUserStore",
    "memory_stores",
]


def memory_stores(*, clock: Clock) -> Stores:
    """Empty stores of one tenant over the same rows."""
    state = MemoryState()
    return Stores(
        events=MemoryEventStore(state, clock=clock),
        event_log=MemoryEventLog(state),
        items=MemoryItemStore(state, clock=clock),
        item_log=MemoryItemLog(state),
        users=MemoryUserStore(state, clock=clock),
        keys=MemoryKeyStore(),
        jobs=MemoryJobStore(clock=clock),
        versions=MemoryModelVersionStore(clock=clock),
        definitions=MemoryDefinitionStore(clock=clock),
        exposures=MemoryExposureStore(state),
        audit=MemoryAuditLog(clock=clock),
    )
