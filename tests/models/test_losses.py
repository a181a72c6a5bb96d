"""Losses against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

RNG = np.random.default_rng(0)


def logsumexp(values: np.ndarray) -> float:
    top = values.max()
    return float(top + np.log(np.exp(values - top).sum()))


def test_multinomial_is_the_weighted_log_likelihood() -> None:
    from models import losses

    scores = RNG.normal(size=(3, 6)).astype(np.float32)
    target = np.array([[1, 2, 0], [5, 0, 0], [3, 3, 4]], np.int32)
    weight = np.array([[1, 2, 0], [0.5, 0, 0], [1, 1, 1]], np.float32)
    wanted = [
        -sum(w * (row[t] - logsumexp(row)) for t, w in zip(ts, ws, strict=True))
        for row, ts, ws in zip(scores, target, weight, strict=True)
    ]
    np.testing.assert_allclose(losses.multinomial(scores, target, weight), wanted, rtol=1e-5)


def test_softmax_cross_entropy_is_minus_the_log_share() -> None:
    from models import losses

    scores, target = RNG.normal(size=(4, 5)).astype(np.float32), np.array([1, 2, 3, 4], np.int32)
    wanted = [logsumexp(row) - row[t] for row, t in zip(scores, target, strict=True)]
    np.testing.assert_allclose(losses.softmax_cross_entropy(scores, target), wanted, rtol=1e-5)


def asked(
    hidden: np.ndarray, items: tuple[np.ndarray, np.ndarray], target: np.ndarray, drawn: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """What both losses take: states, targets, negatives."""
    vectors, bias = items
    return hidden, (target, vectors[target], bias[target]), (drawn, vectors[drawn], bias[drawn])


def sampled(
    hidden: np.ndarray,
    items: tuple[np.ndarray, np.ndarray],
    target: np.ndarray,
    drawn: np.ndarray,
    *,
    log_q: np.ndarray,
) -> np.ndarray:
    from models import losses

    arguments = asked(hidden, items, target, drawn)
    return np.asarray(losses.sampled_softmax(*arguments, log_expected=log_q[drawn]))


def drawn_case() -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    hidden, vectors = RNG.normal(size=(3, 4)).astype(np.float32), RNG.normal(size=(8, 4)).astype(np.float32)
    bias = RNG.normal(size=8).astype(np.float32)
    return hidden, (vectors, bias), np.array([1, 2, 3], np.int32), np.array([2, 3, 3, 5], np.int32)


def slow_sampled(
    hidden: np.ndarray,
    items: tuple[np.ndarray, np.ndarray],
    target: np.ndarray,
    drawn: np.ndarray,
    *,
    log_q: np.ndarray,
) -> list[float]:
    vectors, bias = items
    losses = []
    for place, item in zip(hidden, target, strict=True):
        own = place @ vectors[item] + bias[item]
        others = [place @ vectors[j] + bias[j] - log_q[j] for j in drawn if j != item]
        losses.append(logsumexp(np.array([own, *others])) - own)
    return losses


def test_sampled_softmax_against_a_loop() -> None:
    case, log_q = drawn_case(), RNG.normal(size=8).astype(np.float32)
    np.testing.assert_allclose(sampled(*case, log_q=log_q), slow_sampled(*case, log_q=log_q), rtol=1e-4)


def test_sampled_softmax_has_the_slope_of_finite_differences() -> None:
    import tensorflow as tf

    hidden, items, target, drawn = drawn_case()
    log_q = RNG.normal(size=8).astype(np.float32)
    with tf.GradientTape() as tape:
        states = tf.constant(hidden)
        tape.watch(states)
        from models import losses

        arguments = asked(states, items, target, drawn)
        total = tf.reduce_sum(losses.sampled_softmax(*arguments, log_expected=log_q[drawn]))
    slope, step = tape.gradient(total, states).numpy(), 1e-4
    for place in np.ndindex(*hidden.shape):
        moved = np.zeros(hidden.shape)
        moved[place] = step
        up, down = (
            sum(slow_sampled(hidden + sign * moved, items, target, drawn, log_q=log_q)) for sign in (1, -1)
        )
        assert slope[place] == pytest.approx((up - down) / (2 * step), abs=2e-3)


@pytest.mark.parametrize("rarity", [-7.0, -14.0, -17.0, -40.0])
def test_sampled_softmax_of_a_rare_target_that_was_drawn_is_exact(rarity: float) -> None:
    import tensorflow as tf

    from models import losses

    scores = np.array([0.0, 8.0, -8.0, -7.5, -7.0, -6.0], np.float32)
    items = scores[:, None], np.zeros(6, np.float32)
    target, drawn = np.array([1], np.int32), np.array([1, 2, 1, 3, 4, 5], np.int32)
    log_q = np.array([0.0, rarity, 0.1, 0.2, -0.3, 0.0], np.float32)
    wanted = slow_sampled(np.ones((1, 1)), items, target, drawn, log_q=log_q)
    states = tf.constant(np.ones((1, 1), np.float32))
    with tf.GradientTape() as tape:
        tape.watch(states)
        got = losses.sampled_softmax(*asked(states, items, target, drawn), log_expected=log_q[drawn])
    np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-4)
    # d/ds of log(1 + e^(a - s)), with the others' mean score under their shares of the sum in a.
    others = [number for number in drawn if number != 1]
    shares = np.exp(scores[others] - log_q[others].astype(np.float64))
    slope = -np.expm1(-np.array(wanted)) * ((shares @ scores[others]) / shares.sum() - 8.0)
    np.testing.assert_allclose(np.asarray(tape.gradient(got, states))[0], slope, rtol=1e-3)


def test_sampled_softmax_is_nothing_where_only_the_target_was_drawn() -> None:
    hidden, items, target, _ = drawn_case()
    drawn = np.array([2, 2], np.int32)
    got = sampled(hidden, items, target, drawn, log_q=np.full(8, -17.0, np.float32))
    assert got[1] == 0.0
    assert np.isfinite(got).all()


def test_sampled_softmax_over_every_item_is_the_full_one() -> None:
    from models import losses

    hidden, vectors = RNG.normal(size=(3, 4)).astype(np.float32), RNG.normal(size=(8, 4)).astype(np.float32)
    bias, target = np.zeros(8, np.float32), np.array([1, 2, 7], np.int32)
    whole = losses.softmax_cross_entropy(hidden @ vectors.T, target)
    got = sampled(
        hidden, (vectors, bias), target, np.arange(8, dtype=np.int32), log_q=np.zeros(8, np.float32)
    )
    np.testing.assert_allclose(got, whole, rtol=1e-4)


def test_generalised_bce_against_a_loop() -> None:
    from models import losses

    hidden, (vectors, bias), target, drawn = drawn_case()
    n_items, calibration = 7, 0.75
    alpha = 4 / (n_items - 1)
    beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
    wanted = []
    for place, item in zip(hidden, target, strict=True):
        own = 1 / (1 + np.exp(-(place @ vectors[item] + bias[item])))
        others = [1 / (1 + np.exp(-(place @ vectors[j] + bias[j]))) for j in drawn if j != item]
        wanted.append(-(beta * np.log(own) + sum(np.log(1 - other) for other in others)) / 4)
    arguments = asked(hidden, (vectors, bias), target, drawn)
    got = losses.generalised_bce(
        *arguments, log_expected=np.zeros(4, np.float32), n_items=n_items, calibration=calibration
    )
    np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-4)


def test_gaussian_kl_is_zero_at_the_prior_and_the_formula_elsewhere() -> None:
    from models import losses

    mean, log_variance = np.array([[0, 0], [1, -2]], np.float32), np.array([[0, 0], [0.5, -1]], np.float32)
    wanted = [0.0, 0.5 * (1 + np.exp(0.5) - 1 - 0.5 + 4 + np.exp(-1) - 1 + 1)]
    np.testing.assert_allclose(losses.gaussian_kl(mean, log_variance), wanted, rtol=1e-5, atol=1e-7)
