from __future__ import annotations

import pytest

from app.training.fit import stretch
from app.training.pace import Pace


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def pace(clock: Clock, *, deadline_s: float | None = None, **training: float | str) -> Pace:
    return Pace({"learning_rate": 0.1, **training}, epochs=10, horizon=10, deadline_s=deadline_s, clock=clock)


def test_the_rate_stays_without_a_decay() -> None:
    assert [pace(Clock()).rate(number, 0.5) for number in (1, 5, 10)] == [0.1, 0.1, 0.1]


def test_a_linear_decay_ends_at_zero() -> None:
    falling = pace(Clock(), decay="linear")
    assert [falling.rate(1, 0.0), falling.rate(6, 0.0), falling.rate(10, 1.0)] == pytest.approx(
        [0.1, 0.05, 0]
    )


def test_a_cosine_decay_is_slow_at_both_ends() -> None:
    falling = pace(Clock(), decay="cosine")
    assert falling.rate(2, 0.0) > 0.09
    assert falling.rate(6, 0.0) == pytest.approx(0.05)
    assert falling.rate(10, 0.0) < 0.01


def test_the_rate_rises_over_the_warm_up() -> None:
    rising = pace(Clock(), warm_up=0.2)
    assert [rising.rate(2, 0.0), rising.rate(3, 0.0)] == pytest.approx([0.05, 0.1])
    assert rising.rate(1, 0.0) > 0


def test_fewer_epochs_are_planned_when_the_time_is_short() -> None:
    clock = Clock()
    short = pace(clock, deadline_s=45.0, decay="linear")
    for done in (1, 2):
        clock.now += 10.0
        short.look(done)
    assert short.epochs == 4
    assert short.rate(4, 1.0) == pytest.approx(0.0)


def test_what_came_before_the_first_epoch_counts() -> None:
    clock = Clock()
    late = Pace({"learning_rate": 0.1}, epochs=10, horizon=10, deadline_s=45.0, clock=clock, began=50.0)
    assert late.is_late()
    assert not pace(clock, deadline_s=45.0).is_late()


def test_a_slow_first_epoch_is_not_held_against_the_others() -> None:
    clock = Clock()
    begun = pace(clock, deadline_s=45.0, decay="linear")
    clock.now += 15.0
    begun.look(1)
    assert begun.epochs == 3
    clock.now += 3.0
    begun.look(2)
    assert (begun.epochs, begun.rate(6, 0.0)) == (10, pytest.approx(0.05))


def test_a_distant_deadline_changes_nothing() -> None:
    clock = Clock()
    long = pace(clock, deadline_s=1e6, decay="linear")
    clock.now += 20.0
    long.look(2)
    assert (long.epochs, long.rate(6, 0.0)) == (10, pytest.approx(0.05))


def test_the_time_is_used_up_after_the_deadline() -> None:
    clock = Clock()
    short = pace(clock, deadline_s=5.0)
    assert not short.is_late()
    clock.now += 5.1
    assert short.is_late()


STEPS = [(0, 1, 1), (2000, 200, 1), (2000, 175, 1), (2000, 16, 11), (5, 1, 1)]


@pytest.mark.parametrize(("least_steps", "batches", "times"), STEPS)
def test_epochs_are_stretched_until_there_are_steps_enough(
    least_steps: int, batches: int, times: int
) -> None:
    assert stretch({"epochs": 12, "least_steps": least_steps}, batches) == times
