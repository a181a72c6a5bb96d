"""What an experiment shows: its people split as they should be, and what each variant's did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.errors import FieldError, InvalidInputError, NotFoundError
from app.domain.exposures import Response
from app.domain.ports import Clock, DefinitionStore, ExposureStore
from app.domain.significance import sample_ratio
from app.domain.steering import Definition
from app.pipeline.experiments import Variant, experiment_of
from app.services.experiments import FROZEN, KIND, NO_EXPERIMENT

MISMATCH = 0.001
"""A split that chance makes more seldom than this is taken for a fault."""
WARNING = (
    "The people are not split as the weights say (p = {p:.2g}): something drops or doubles people of one "
    "variant. Do not trust the comparison until it is found."
)


@dataclass(frozen=True, slots=True)
class Trial:
    """An experiment's figures over lists answered from `since` to before `until`.

    Attributes:
        variants: As they are defined, the one that the others are compared with first.
        responses: One a variant.
        ratio_p: How likely a split as uneven would be by chance; None of nobody.
        warning: What speaks against any comparison.
    """

    name: str
    since: datetime
    until: datetime
    variants: tuple[Variant, ...]
    responses: tuple[Response, ...]
    ratio_p: float | None
    warning: str | None


class Trials:
    """The figures of experiments.

    Args:
        definitions: Where experiments are written.
        exposures: What was shown.
        clock: Wall time.
    """

    def __init__(self, *, definitions: DefinitionStore, exposures: ExposureStore, clock: Clock) -> None:
        self._definitions, self._exposures, self._clock = definitions, exposures, clock

    async def figures(self, name: str, *, since: datetime | None, until: datetime | None) -> Trial:
        """By variant; since who meets what was last written, until now, where no window is given.

        Raises:
            InvalidInputError: The window is empty.
            NotFoundError: No experiment was ever written under the name.
        """
        written = [one for one in await self._definitions.history(KIND, name) if one.body is not None]
        if not written:
            raise NotFoundError(NO_EXPERIMENT)
        variants = experiment_of(name, written[0].body or {}).variants
        until = until or self._clock.now()
        if since is not None and since >= until:
            raise InvalidInputError("The window is empty.", [FieldError("?since", "must be before until")])
        since = since or _begun(written)
        found = {one.variant: one for one in await self._exposures.responses(name, since, until)}
        nobody = (Response(one.name, 0, 0, 0, 0, 0) for one in variants)
        responses = tuple(found.get(one.variant, one) for one in nobody)
        ratio_p = sample_ratio([one.people for one in responses], [one.weight for one in variants])
        warning = WARNING.format(p=ratio_p) if ratio_p is not None and ratio_p < MISMATCH else None
        return Trial(name, since, until, variants, responses, ratio_p, warning)


def _begun(written: Sequence[Definition]) -> datetime:
    """When who meets what became as it is now: earlier lists are of another experiment of that name."""
    newest, begun = written[0].body or {}, written[0].at
    for one in written:
        if any((one.body or {}).get(part) != newest.get(part) for part in FROZEN):
            break
        begun = one.at
    return begun
