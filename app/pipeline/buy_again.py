"""What a shopper is about to need again, by the time between their own purchases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

import numpy as np

from app.pipeline.catalogue import CatalogueSnapshot
from app.pipeline.columns import FloatArray

SECONDS_PER_DAY = 86_400.0
ONE_ORDER_DAYS = 0.5
"""Purchases of one item nearer than that are one order."""
SPREAD = 0.7
"""In natural logarithms: an item is half as due at twice its interval, and at half of it, as in due time."""
OTHERS_INTERVAL = 0.5
"""What an item bought once counts, whose interval is that of what the shopper did buy again."""


def buy_again(
    bought: Mapping[str, Sequence[datetime]], now: datetime, catalogue: CatalogueSnapshot
) -> FloatArray | None:
    """float64 (items,): how due each item is, 0 to 1, -inf for what was never bought.

    None where the shopper has bought nothing again, so that nothing says how long anything lasts.

    Args:
        bought: When each item was bought, oldest first.
        now: The time of asking.
        catalogue: The items.
    """
    gaps = {item_id: _gaps(moments) for item_id, moments in bought.items()}
    own = {item_id: float(np.median(found)) for item_id, found in gaps.items() if found}
    if not own:
        return None
    usual = float(np.median([*own.values()]))
    scores: FloatArray = np.full(len(catalogue), -np.inf)
    for item_id, moments in bought.items():
        place = catalogue.position(item_id)
        if place >= 0:
            elapsed = max((now - moments[-1]).total_seconds() / SECONDS_PER_DAY, ONE_ORDER_DAYS)
            certainty = 1.0 if item_id in own else OTHERS_INTERVAL
            distance = np.log(elapsed / own.get(item_id, usual)) / SPREAD
            scores[place] = certainty * np.exp(-0.5 * distance**2)
    return scores


def _gaps(moments: Sequence[datetime]) -> list[float]:
    """Days between orders."""
    seconds = ((later - earlier).total_seconds() for earlier, later in pairwise(moments))
    days = (gap / SECONDS_PER_DAY for gap in seconds)
    return [gap for gap in days if gap >= ONE_ORDER_DAYS]
