"""What was shown, in SQL, and what the log of events says came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.adapters.sql.engine import Database
from app.adapters.sql.exposure_writing import write_exposures
from app.adapters.sql.space import FreeSpace
from app.adapters.sql.tables import events, exposures
from app.domain.exposures import CARTS, CLICKS, PURCHASES, REFUNDS, Cell, Exposure, Outcome, Response, Takings
from app.domain.money import MONEY_SCALE
from app.domain.types import Subject

LONG_READ_S = 60.0
_CELL = ("scenario", "experiment", "variant", "model_version")
_FLAGS = {"clicks": CLICKS, "carts": CARTS, "purchases": PURCHASES}


class SqlExposureStore:
    """One tenant's exposures."""

    def __init__(self, database: Database, *, tenant: str) -> None:
        self._database = database
        self._tenant = tenant
        self._space = FreeSpace(database)
        # SQLite keeps amounts as ten-thousandths.
        self._unit = 10**MONEY_SCALE if database.is_sqlite else 1

    async def append(self, shown: Sequence[Exposure]) -> None:
        """Store a group in one transaction; one that is there already stays as it is."""
        if not shown:
            return
        await self._space.require()
        await write_exposures(self._database, self._tenant, shown)

    async def forget(self, before: datetime, *, most: int) -> int:
        """Delete at most so many that were shown before; how many there were."""
        old = (
            sa.select(exposures.c.recommendation_id)
            .where(exposures.c.tenant == self._tenant, exposures.c.shown_at < before)
            .order_by(exposures.c.shown_at)
            .limit(most)
        )
        statement = sa.delete(exposures).where(
            exposures.c.tenant == self._tenant, exposures.c.recommendation_id.in_(old)
        )

        async def work(connection: AsyncConnection) -> int:
            return (await connection.execute(statement)).rowcount

        return await self._database.write(work)

    async def outcomes(self, since: datetime, until: datetime, *, scenario: str | None) -> list[Outcome]:
        """What came of the lists shown from `since` to before `until`, by cell."""
        shown = _shown(self._tenant, since, until, scenario)
        counted = await self._database.fetch(_counts(self._tenant, shown), deadline_s=LONG_READ_S)
        taken: dict[Cell, list[Takings]] = {}
        for row in await self._database.fetch(_takings(self._tenant, shown, _CELL), deadline_s=LONG_READ_S):
            taken.setdefault(_cell(row), []).append(self._taken(row))
        found = [
            Outcome(
                cell := _cell(row),
                impressions=row.impressions,
                clicks=int(row.clicks),
                carts=int(row.carts),
                purchases=int(row.purchases),
                sessions=row.sessions,
                takings=tuple(sorted(taken.get(cell, ()), key=lambda one: one.currency or "")),
            )
            for row in counted
        ]
        return sorted(found, key=lambda outcome: outcome.cell)

    async def responses(self, experiment: str, since: datetime, until: datetime) -> list[Response]:
        """What the people did who met each variant in that time, by variant."""
        shown = _met(self._tenant, experiment, since, until)
        counted = await self._database.fetch(_people(self._tenant, shown), deadline_s=LONG_READ_S)
        taken: dict[str, list[Takings]] = {}
        takings = _takings(self._tenant, shown, ("variant",))
        for row in await self._database.fetch(takings, deadline_s=LONG_READ_S):
            taken.setdefault(row.variant, []).append(self._taken(row))
        return [
            Response(
                row.variant,
                people=row.people,
                lists=int(row.lists),
                clicked=int(row.clicks),
                carted=int(row.carts),
                bought=int(row.purchases),
                takings=tuple(sorted(taken.get(row.variant, ()), key=lambda one: one.currency or "")),
            )
            for row in counted
        ]

    def _taken(self, row: sa.Row[Any]) -> Takings:
        total = Decimal(str(round(row.total / self._unit, MONEY_SCALE)))
        return Takings(row.currency, total, row.squares / self._unit**2)


def exposure_of(row: sa.Row[Any]) -> Exposure:
    """The exposure of its row."""
    return Exposure(
        recommendation_id=row.recommendation_id,
        subject=Subject(row.user_id, row.session_id, row.anonymous_id),
        scenario=row.scenario,
        variant=row.variant,
        model_version=row.model_version,
        served_by=row.served_by,
        item_ids=tuple(row.item_ids),
        shown_at=row.shown_at,
        experiment=row.experiment_id,
        propensities=tuple(row.propensities),
    )


def _cell(row: sa.Row[Any]) -> Cell:
    return Cell(row.scenario, row.experiment, row.variant, row.model_version)


def _shown(tenant: str, since: datetime, until: datetime, scenario: str | None) -> sa.Subquery:
    """The lists of the window, each with its cell and its session (`Exposure.session`)."""
    table = exposures.c
    session = _named("session_id", "user_id", "anonymous_id")
    statement = sa.select(
        table.recommendation_id,
        table.scenario,
        table.variant,
        sa.func.coalesce(table.experiment_id, "").label("experiment"),
        sa.func.coalesce(table.model_version, "").label("model_version"),
        session.label("session"),
    ).where(table.tenant == tenant, table.shown_at >= since, table.shown_at < until)
    if scenario is not None:
        statement = statement.where(table.scenario == scenario)
    return statement.subquery("shown")


def _met(tenant: str, experiment: str, since: datetime, until: datetime) -> sa.Subquery:
    """The lists of an experiment, each with its variant and, as its session, its `Exposure.person`."""
    table = exposures.c
    person = _named("user_id", "session_id", "anonymous_id")
    return (
        sa.select(table.recommendation_id, table.variant, person.label("session"))
        .where(
            table.tenant == tenant,
            table.experiment_id == experiment,
            table.shown_at >= since,
            table.shown_at < until,
        )
        .subquery("met")
    )


def _named(*columns: str) -> sa.ColumnElement[str]:
    """The first of the ids that is given, with its kind; else the list itself."""
    kinds = [(column.partition("_")[0], exposures.c[column]) for column in columns]
    whole = sa.literal("list:") + exposures.c.recommendation_id
    return sa.func.coalesce(*(sa.literal(f"{kind}:") + column for kind, column in kinds), whole)


def _of(tenant: str, shown: sa.Subquery) -> sa.ColumnElement[bool]:
    return sa.and_(events.c.tenant == tenant, events.c.recommendation_id == shown.c.recommendation_id)


def _heard(tenant: str, shown: sa.Subquery) -> sa.Subquery:
    """Of each list that events name, whether any of them is of each kind."""
    return (
        sa.select(
            shown.c.recommendation_id,
            *(
                sa.func.max(sa.case((events.c.name.in_(names), 1), else_=0)).label(flag)
                for flag, names in _FLAGS.items()
            ),
        )
        .join(events, _of(tenant, shown))
        .group_by(shown.c.recommendation_id)
        .subquery("heard")
    )


def _people(tenant: str, shown: sa.Subquery) -> sa.Select[Any]:
    heard = _heard(tenant, shown)
    by_person = (
        sa.select(
            shown.c.variant,
            sa.func.count().label("lists"),
            *(sa.func.max(sa.func.coalesce(heard.c[flag], 0)).label(flag) for flag in _FLAGS),
        )
        .outerjoin(heard, heard.c.recommendation_id == shown.c.recommendation_id)
        .group_by(shown.c.variant, shown.c.session)
        .subquery("by_person")
    )
    one = by_person.c
    return (
        sa.select(
            one.variant,
            sa.func.count().label("people"),
            *(sa.func.sum(one[name]).label(name) for name in ("lists", *_FLAGS)),
        )
        .group_by(one.variant)
        .order_by(one.variant)
    )


def _counts(tenant: str, shown: sa.Subquery) -> sa.Select[Any]:
    heard = _heard(tenant, shown)
    cell = [shown.c[name] for name in _CELL]
    return (
        sa.select(
            *cell,
            sa.func.count().label("impressions"),
            *(sa.func.coalesce(sa.func.sum(heard.c[flag]), 0).label(flag) for flag in _FLAGS),
            sa.func.count(shown.c.session.distinct()).label("sessions"),
        )
        .outerjoin(heard, heard.c.recommendation_id == shown.c.recommendation_id)
        .group_by(*cell)
    )


def _takings(tenant: str, shown: sa.Subquery, by_names: Sequence[str]) -> sa.Select[Any]:
    """What each session spent, added up by those columns and currency."""
    whole = sa.cast(events.c.value, sa.Double)
    price = sa.cast(events.c.price, sa.Double)
    # An event's value stands in each of its lines; without one, the lines are added up.
    amount = sa.case(
        (events.c.value.is_(None), price * sa.func.coalesce(events.c.quantity, 1.0)),
        (events.c.item_index == 0, whole),
        else_=0.0,
    )
    signed = sa.case((events.c.name.in_(REFUNDS), -amount), else_=amount)
    spent = sa.func.coalesce(sa.func.sum(signed), 0.0).label("spent")
    cell = [shown.c[name] for name in by_names]
    by_session = (
        sa.select(*cell, shown.c.session, events.c.currency, spent)
        .join(events, _of(tenant, shown))
        .where(events.c.name.in_((*PURCHASES, *REFUNDS)))
        .group_by(*cell, shown.c.session, events.c.currency)
        .subquery("spent")
    )
    by = [by_session.c[name] for name in (*by_names, "currency")]
    spent_by = by_session.c.spent
    return sa.select(
        *by, sa.func.sum(spent_by).label("total"), sa.func.sum(spent_by * spent_by).label("squares")
    ).group_by(*by)
