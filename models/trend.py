"""How much more an item is wanted lately than over all time: catalogues and seasons move on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.base import Interactions
from models.rows import demand

LONG_HALF_LIFE_DAYS = 365.0


def trend(interactions: Interactions, *, half_life_days: float) -> NDArray[np.float32]:
    r"""The share of an item's demand that is recent, beside that of all items.

    .. math:: \tau_j = \frac{1}{\rho} \cdot \frac{p_j(h) + \rho\,\bar l}{p_j(365) + \bar l}, \qquad
        \rho = \frac{\sum_j p_j(h)}{\sum_j p_j(365)}

    with :math:`p_j(h)` the demand of item j that counts half after h days and :math:`\bar l` the mean label:
    an item without a line, or a history without times, has a trend of 1.

    Args:
        interactions: The training slice.
        half_life_days: h.

    Returns:
        float32 (n_items + 1,), > 0; row 0 is 1.
    """
    if not len(interactions):
        return np.ones(interactions.n_items + 1, np.float32)
    recent = demand(interactions, half_life_days=half_life_days).astype(np.float64)
    longer = demand(interactions, half_life_days=LONG_HALF_LIFE_DAYS).astype(np.float64)
    one_line = float(interactions.weight.mean())
    # After years without a line both sums round to nothing; what is left then is no trend.
    share = max(recent.sum(), 1e-30) / max(longer.sum(), 1e-30)
    return np.asarray((recent / share + one_line) / (longer + one_line), dtype=np.float32)
