"""What was shown, in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from app.adapters.memory_state import MemoryState
from app.domain.exposures import CARTS, CLICKS, PURCHASES, REFUNDS, Cell, Exposure, Outcome, Response, Takings
from app.domain.types import Event


class MemoryExposureStore:
    """Exposures in a dictionary."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def append(self, shown: Sequence[Exposure]) -> None:
        """Store a group; one that is there already stays as it is."""
        for exposure in shown:
            self._state.exposures.setdefault(exposure.recommendation_id, exposure)

    async def forget(self, before: datetime, *, most: int) -> int:
        """Delete at most so many that were shown before; how many there were."""
        rows = sorted(self._state.exposures.values(), key=lambda one: one.shown_at)
        old = [one.recommendation_id for one in rows if one.shown_at < before][:most]
        for recommendation_id in old:
            del self._state.exposures[recommendation_id]
        return len(old)

    async def outcomes(self, since: datetime, until: datetime, *, scenario: str | None) -> list[Outcome]:
        """What came of the lists shown from `since` to before `until`, by cell."""
        cells: dict[Cell, list[Exposure]] = {}
        for one in self._state.exposures.values():
            if since <= one.shown_at < until and scenario in {None, one.scenario}:
                cell = Cell(one.scenario, one.experiment or "", one.variant, one.model_version or "")
                cells.setdefault(cell, []).append(one)
        return [self._outcome(cell, cells[cell]) for cell in sorted(cells)]

    async def responses(self, experiment: str, since: datetime, until: datetime) -> list[Response]:
        """What the people did who met each variant in that time, by variant."""
        variants: dict[str, list[Exposure]] = {}
        for one in self._state.exposures.values():
            if one.experiment == experiment and since <= one.shown_at < until:
                variants.setdefault(one.variant, []).append(one)
        return [self._response(variant, variants[variant]) for variant in sorted(variants)]

    def _response(self, variant: str, shown: Sequence[Exposure]) -> Response:
        heard = [(one.person, event) for one in shown for event in self._events_of(one)]

        def with_any(names: Iterable[str]) -> int:
            return len({person for person, event in heard if event.name in names})

        return Response(
            variant,
            people=len({one.person for one in shown}),
            lists=len(shown),
            clicked=with_any(CLICKS),
            carted=with_any(CARTS),
            bought=with_any(PURCHASES),
            takings=_takings(heard),
        )

    def _outcome(self, cell: Cell, shown: Sequence[Exposure]) -> Outcome:
        heard = {one.recommendation_id: self._events_of(one) for one in shown}

        def with_any(names: Iterable[str]) -> int:
            return sum(any(event.name in names for event in found) for found in heard.values())

        return Outcome(
            cell,
            impressions=len(shown),
            clicks=with_any(CLICKS),
            carts=with_any(CARTS),
            purchases=with_any(PURCHASES),
            sessions=len({one.session for one in shown}),
            takings=_takings(
                [(one.session, event) for one in shown for event in heard[one.recommendation_id]]
            ),
        )

    def _events_of(self, exposure: Exposure) -> list[Event]:
        rows = self._state.events.values()
        return [row.event for row in rows if row.event.recommendation_id == exposure.recommendation_id]


def _takings(heard: Sequence[tuple[str, Event]]) -> tuple[Takings, ...]:
    spent: dict[str | None, dict[str, Decimal]] = {}
    for session, event in heard:
        if event.name in {*PURCHASES, *REFUNDS}:
            by_session = spent.setdefault(event.currency, {})
            by_session[session] = by_session.get(session, Decimal(0)) + _amount(event)
    return tuple(
        Takings(currency, sum(amounts.values(), Decimal(0)), sum(float(one) ** 2 for one in amounts.values()))
        for currency, amounts in sorted(spent.items(), key=lambda pair: pair[0] or "")
    )


def _amount(event: Event) -> Decimal:
    lines = (
        line.price * Decimal(1 if line.quantity is None else line.quantity)
        for line in event.items
        if line.price is not None
    )
    amount = event.value if event.value is not None else sum(lines, Decimal(0))
    return -amount if event.name in REFUNDS else amount
