from __future__ import annotations

from app.domain.breaker import Breaker


class Seconds:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_breaker_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(failures=3, open_s=1.0, monotonic=Seconds())
    assert [breaker.failed(), breaker.failed()] == [False, False]
    breaker.succeeded()
    assert [breaker.failed(), breaker.failed(), breaker.failed()] == [False, False, True]
    assert breaker.is_open
    assert not breaker.allows()


def test_breaker_lets_one_trial_through_and_closes_when_it_works() -> None:
    seconds = Seconds()
    breaker = Breaker(failures=1, open_s=1.0, monotonic=seconds)
    breaker.failed()
    seconds.at = 1.0
    assert [breaker.allows(), breaker.allows()] == [True, False]
    breaker.succeeded()
    assert breaker.allows()


def test_breaker_stays_open_when_the_trial_fails() -> None:
    seconds = Seconds()
    breaker = Breaker(failures=1, open_s=1.0, monotonic=seconds)
    breaker.failed()
    seconds.at = 1.0
    assert breaker.allows()
    seconds.at = 1.5
    assert breaker.failed() is False
    seconds.at = 2.0
    assert not breaker.allows()
    seconds.at = 2.5
    assert breaker.allows()


def test_breaker_counts_failures_close_together_once() -> None:
    seconds = Seconds()
    breaker = Breaker(failures=2, open_s=1.0, apart_s=0.01, monotonic=seconds)
    for _ in range(100):
        breaker.failed()
    assert not breaker.is_open
    seconds.at = 0.02
    assert breaker.failed()
