"""What the lists brought: clicks and sales that name the list they came from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.domain.errors import FieldError, InvalidInputError
from app.domain.exposures import Outcome
from app.domain.ports import Clock, ExposureStore

USUAL_WINDOW = timedelta(days=7)
_FIRST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OnlineFigures:
    """Outcomes of the lists shown from `since` to before `until`."""

    since: datetime
    until: datetime
    outcomes: tuple[Outcome, ...]


class Online:
    """The online figures.

    Args:
        exposures: What was shown.
        clock: Wall time.
    """

    def __init__(self, *, exposures: ExposureStore, clock: Clock) -> None:
        self._exposures = exposures
        self._clock = clock

    async def figures(
        self, *, since: datetime | None, until: datetime | None, scenario: str | None
    ) -> OnlineFigures:
        """By scenario, variant and model version; of the last seven days where no window is given.

        Raises:
            InvalidInputError: The window is empty.
        """
        until = until or self._clock.now()
        since = since or until - min(USUAL_WINDOW, until - _FIRST)
        if since >= until:
            raise InvalidInputError("The window is empty.", [FieldError("?since", "must be before until")])
        outcomes = await self._exposures.outcomes(since, until, scenario=scenario)
        return OnlineFigures(since, until, tuple(outcomes))
