from __future__ import annotations

import numpy as np
import pytest

from app.evaluation.splits import split_by_share


def test_the_last_tenths_are_the_slices() -> None:
    split = split_by_share(np.arange(100, dtype=np.float64))
    assert (split.validation_from, split.test_from) == (80.0, 90.0)
    assert split.end > 99.0


def test_events_of_one_moment_stay_together() -> None:
    time = np.repeat(np.arange(10, dtype=np.float64), 10)
    split = split_by_share(time, validation=0.15, test=0.15)
    assert split.test_from in time
    assert split.validation_from in time


@pytest.mark.parametrize("time", [[], [1.0], [1.0] * 50, [1.0, 2.0]])
def test_too_little_time_cannot_be_split(time: list[float]) -> None:
    with pytest.raises(ValueError, match="split"):
        split_by_share(np.array(time))
