"""Every store of one tenant over one database."""

from __future__ import annotations

from app.adapters.sql.audit import SqlAuditLog
from app.adapters.sql.definitions import SqlDefinitionStore
from app.adapters.sql.engine import Database
from app.adapters.sql.event_log import SqlEventLog
from app.adapters.sql.events import SqlEventStore
from app.adapters.sql.exposures import SqlExposureStore
from app.adapters.sql.item_log import SqlItemLog
from app.adapters.sql.items import SqlItemStore
from app.adapters.sql.jobs import SqlJobStore
from app.adapters.sql.keys import SqlKeyStore
from app.adapters.sql.users import SqlUserStore
from app.adapters.sql.versions import SqlModelVersionStore
from app.domain.ports import Clock, Stores


def sql_stores(database: Database, *, tenant: str, clock: Clock) -> Stores:
    """The tenant's stores. The caller closes the database."""
    return Stores(
        events=SqlEventStore(database, tenant=tenant, clock=clock),
        event_log=SqlEventLog(database.url, tenant=tenant),
        items=SqlItemStore(database, tenant=tenant, clock=clock),
        item_log=SqlItemLog(database.url, tenant=tenant),
        users=SqlUserStore(database, tenant=tenant, clock=clock),
        keys=SqlKeyStore(database, tenant=tenant),
        jobs=SqlJobStore(database, tenant=tenant, clock=clock),
        versions=SqlModelVersionStore(database, tenant=tenant, clock=clock),
        definitions=SqlDefinitionStore(database, tenant=tenant, clock=clock),
        exposures=SqlExposureStore(database, tenant=tenant),
        audit=SqlAuditLog(database, tenant=tenant, clock=clock),
    )
