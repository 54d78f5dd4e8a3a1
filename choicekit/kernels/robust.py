"""Group-robust gradient descent on a log-linear policy.

``features[B, d]`` are those of the chosen answer less those of the rejected one, ``group[B]`` numbers the groups and
``sizes[g]`` counts their comparisons. Losses are means over a group.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DPO, IPO = 0, 1


@jit
def group_losses(
    features: Floats, group: Ints, sizes: Floats, kind: int, beta: float, parameters: Floats
) -> tuple[Floats, Floats]:
    """The mean loss of each group, and its gradients ``[g, d]``."""
    width = features.shape[1]
    losses, slopes = np.zeros(len(sizes)), np.zeros((len(sizes), width))
    for i in range(len(group)):
        ratio = 0.0
        for k in range(width):
            ratio += features[i, k] * parameters[k]
        if kind == DPO:
            small = np.exp(-abs(beta * ratio))
            loss = max(-beta * ratio, 0.0) + np.log1p(small)
            slope = -beta * (small if ratio > 0 else 1.0) / (1.0 + small)
        else:
            missing = ratio - 0.5 / beta
            loss, slope = missing * missing, 2.0 * missing
        g = group[i]
        losses[g] += loss
        for k in range(width):
            slopes[g, k] += slope * features[i, k]
    for g in range(len(sizes)):
        losses[g] /= sizes[g]
        for k in range(width):
            slopes[g, k] /= sizes[g]
    return losses, slopes


@jit
def descend(
    features: Floats, group: Ints, sizes: Floats, kind: int, beta: float, parameters: Floats, weights: Floats,
    baselines: Floats, rate: float, step: float, iterations: int,
) -> tuple[Floats, Floats, Floats, Floats]:  # fmt: skip
    """Weights by exponentiated gradient and then parameters by gradient, so many times; ``step`` 0 keeps the weights.

    Returns the parameters, the weights, the mean of the weights over the second half, and the largest loss less
    baseline before each iteration and after the last. At least one iteration.
    """
    theta, share = parameters.copy(), weights.copy()
    middle = np.zeros(len(weights))
    worst = np.empty(iterations + 1)
    for t in range(iterations + 1):
        losses, slopes = group_losses(features, group, sizes, kind, beta, theta)
        losses -= baselines
        worst[t] = losses.max()
        if t == iterations:
            break
        if step > 0:
            share = share * np.exp(step * (losses - worst[t]))
            share /= share.sum()
        if 2 * (t + 1) > iterations:
            middle += share
        for g in range(len(sizes)):
            for k in range(len(theta)):
                theta[k] -= rate * share[g] * slopes[g, k]
    return theta, share, middle / middle.sum(), worst
