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


def sampled(
    hidden: np.ndarray,
    items: tuple[np.ndarray, np.ndarray],
    target: np.ndarray,
    drawn: np.ndarray,
    *,
    log_q: np.ndarray,
) -> np.ndarray:
    from models import losses

    vectors, bias = items
    return np.asarray(
        losses.sampled_softmax(
            hidden,
            (target, vectors[target], bias[target]),
            (drawn, vectors[drawn], bias[drawn]),
            log_expected=log_q[drawn],
        )
    )


def test_sampled_softmax_against_a_loop() -> None:
    hidden, vectors = RNG.normal(size=(3, 4)).astype(np.float32), RNG.normal(size=(8, 4)).astype(np.float32)
    bias, log_q = RNG.normal(size=8).astype(np.float32), RNG.normal(size=8).astype(np.float32)
    target, drawn = np.array([1, 2, 7], np.int32), np.array([2, 3, 3, 5], np.int32)
    wanted = []
    for place, item in zip(hidden, target, strict=True):
        own = place @ vectors[item] + bias[item]
        others = [place @ vectors[j] + bias[j] - log_q[j] for j in drawn if j != item]
        wanted.append(logsumexp(np.array([own, *others])) - own)
    np.testing.assert_allclose(
        sampled(hidden, (vectors, bias), target, drawn, log_q=log_q), wanted, rtol=1e-4
    )


def test_sampled_softmax_over_every_item_is_the_full_one() -> None:
    from models import losses

    hidden, vectors = RNG.normal(size=(3, 4)).astype(np.float32), RNG.normal(size=(8, 4)).astype(np.float32)
    bias, target = np.zeros(8, np.float32), np.array([1, 2, 7], np.int32)
    whole = losses.softmax_cross_entropy(hidden @ vectors.T, target)
    got = sampled(
        hidden, (vectors, bias), target, np.arange(8, dtype=np.int32), log_q=np.zeros(8, np.float32)
    )
    np.testing.assert_allclose(got, whole, rtol=1e-4)


def test_gaussian_kl_is_zero_at_the_prior_and_the_formula_elsewhere() -> None:
    from models import losses

    mean, log_variance = np.array([[0, 0], [1, -2]], np.float32), np.array([[0, 0], [0.5, -1]], np.float32)
    wanted = [0.0, 0.5 * (1 + np.exp(0.5) - 1 - 0.5 + 4 + np.exp(-1) - 1 + 1)]
    np.testing.assert_allclose(losses.gaussian_kl(mean, log_variance), wanted, rtol=1e-5, atol=1e-7)
