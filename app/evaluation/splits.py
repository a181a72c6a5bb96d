"""Where time is cut. Never a random split: a model is judged on what came after all it saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """Two moments, in days since 1970: training before the first, validation up to the second, then the test.

    Attributes:
        validation_from: The first moment of the validation slice.
        test_from: The first moment of the test slice.
        end: Just after the last event.
    """

    validation_from: float
    test_from: float
    end: float


def split_by_share(time: NDArray[np.float64], *, validation: float = 0.1, test: float = 0.1) -> TimeSplit:
    """Cut so that the last share of the events is the test and the one before the validation slice.

    A moment is never torn apart: events of the same time fall on the same side.

    Args:
        time: float64 (n,), in any order.
        validation: Share of the events.
        test: Share of the events.

    Raises:
        ValueError: A slice would be empty.
    """
    ordered = np.sort(time)
    count = len(ordered)
    if count == 0:
        raise ValueError("there are no events to split")
    first = float(ordered[int(count * (1.0 - test - validation))])
    second = float(ordered[min(int(count * (1.0 - test)), count - 1)])
    if not ordered[0] < first < second:
        raise ValueError("the events are too close in time to be split into three slices")
    return TimeSplit(first, second, float(np.nextafter(ordered[-1], np.inf)))
