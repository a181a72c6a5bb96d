"""The losses the networks are fitted with. Pure functions of tensors, one value an example."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

Tensor = Any
Items = tuple[Tensor, Tensor, Tensor]
"""Ids int32 (m,), vectors float32 (m, d), biases float32 (m,)."""
Criterion = Callable[..., Tensor]
"""States, targets' and negatives' `Items`, and `log_expected`, to the loss of each place."""
MASKED = -1e9


def sampled_softmax(
    hidden: Tensor,
    positive: Items,
    negative: Items,
    *,
    log_expected: Tensor,
) -> Tensor:
    r"""Cross-entropy of each target against negatives that the whole batch shares.

    .. math:: -\log \frac{e^{s_y}}{e^{s_y} + \sum_{j \in N, j \neq y} e^{s_j - \log q_j}}

    The sum is an unbiased estimate of the one over all items but the target, so the loss is on the scale of
    the softmax over all items.

    Args:
        hidden: float32 (places, d).
        positive: The targets' ids int32 (places,), vectors float32 (places, d), biases float32 (places,).
        negative: The same of the negatives: (s,), (s, d), (s,).
        log_expected: log q, how often each negative is expected in a draw, float32 (s,).

    Returns:
        float32 (places,).

    Source:
        Bengio and Senécal, "Adaptive importance sampling to accelerate training of a neural probabilistic
        language model", IEEE TNN 2008; negatives shared by the batch. The target is not drawn but always
        there, hence it is not corrected, as argued in arXiv 2507.09331.
    """
    own, others = _scores(hidden, positive, negative, correction=log_expected)
    peak = ops.stop_gradient(ops.max(others, axis=1))  # (P,)
    against = ops.log(ops.sum(ops.exp(others - ops.expand_dims(peak, 1)), axis=1)) + peak
    # In one sum with the others the target's own term would swallow them, and with them a small loss.
    return ops.softplus(against - own)


def generalised_bce(
    hidden: Tensor,
    positive: Items,
    negative: Items,
    *,
    log_expected: Tensor,
    n_items: int,
    calibration: float,
) -> Tensor:
    r"""Binary cross-entropy with a damped positive part: few negatives then make nothing overconfident.

    .. math::
        -\frac{1}{|N|} \Big(\beta \log \sigma(s_y) + \sum_{j \in N, j \neq y} \log(1 - \sigma(s_j))\Big),
        \quad \beta = \alpha \Big(t \big(1 - \tfrac1\alpha\big) + \tfrac1\alpha\Big),
        \quad \alpha = \frac{|N|}{n - 1}

    Args:
        hidden: float32 (places, d).
        positive: The targets.
        negative: The negatives, which the whole batch shares.
        log_expected: Not read: the negatives are to be drawn alike.
        n_items: n.
        calibration: t, 0 for plain binary cross-entropy to 1 for the softmax's probabilities.

    Returns:
        float32 (places,).

    Source:
        Petrov and Macdonald, "gSASRec: reducing overconfidence in sequential recommendation trained with
        negative sampling", RecSys 2023, eq. 11 and 18, arXiv 2308.07192. Deviation: negatives shared by the
        batch.
    """
    del log_expected
    count = ops.cast(ops.shape(negative[0])[0], "float32")
    alpha = ops.minimum(count / max(n_items - 1, 1), 1.0)
    beta = alpha * (calibration * (1.0 - 1.0 / alpha) + 1.0 / alpha)
    own, others = _scores(hidden, positive, negative, correction=0.0)
    return (beta * ops.softplus(-own) + ops.sum(ops.softplus(others), axis=1)) / count


def _scores(
    hidden: Tensor, positive: Items, negative: Items, *, correction: Tensor | float
) -> tuple[Tensor, Tensor]:
    """Of the targets (places,) and of the negatives (places, s), `MASKED` where one is the place's target."""
    own_idx, own_vector, own_bias = positive
    other_idx, other_vector, other_bias = negative
    own = ops.sum(hidden * own_vector, axis=-1) + own_bias
    others = ops.matmul(hidden, ops.transpose(other_vector)) + (other_bias - correction)
    is_own = ops.equal(ops.expand_dims(own_idx, 1), ops.expand_dims(other_idx, 0))  # (P, S)
    return own, ops.where(is_own, MASKED, others)


def softmax_cross_entropy(scores: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy over all items.

    Args:
        scores: float32 (places, n + 1).
        target: int32 (places,).

    Returns:
        float32 (places,).
    """
    picked = ops.squeeze(ops.take_along_axis(scores, ops.expand_dims(target, 1), axis=1), axis=1)
    return ops.logsumexp(scores, axis=1) - picked


def multinomial(scores: Tensor, target: Tensor, target_weight: Tensor) -> Tensor:
    r"""Negative multinomial log-likelihood of a bag of items.

    .. math:: -\sum_k w_k \log \mathrm{softmax}(s)_{y_k}

    Args:
        scores: float32 (batch, n + 1).
        target: int32 (batch, k), 0 where padded.
        target_weight: float32 (batch, k), 0 where padded.

    Returns:
        float32 (batch,).

    Source:
        Liang et al., "Variational autoencoders for collaborative filtering", WWW 2018, eq. 2, arXiv
        1802.05814.
    """
    picked = ops.take_along_axis(scores, target, axis=1)  # (B, K)
    log_total = ops.logsumexp(scores, axis=1, keepdims=True)
    return ops.sum(target_weight * (log_total - picked), axis=1)


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""Divergence of a diagonal Gaussian from the standard one.

    .. math:: \tfrac12 \sum_d (\mu_d^2 + \sigma_d^2 - 1 - \log \sigma_d^2)

    Args:
        mean: float32 (batch, d).
        log_variance: float32 (batch, d).

    Returns:
        float32 (batch,).
    """
    return 0.5 * ops.sum(ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance, axis=1)
