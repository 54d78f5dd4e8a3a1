"""Policies that give every part of a population its share, from pairwise comparisons alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from choicekit.alignment._tabular import Floats, distribution, preference_matrix
from choicekit.alignment.norms import Norm, admissible
from choicekit.outcomes import TIE_TOLERANCE, Policy


def feasible_shares(preferences: ArrayLike) -> Floats:
    """The largest share of the population that may have an alternative as its first choice, ``[..., m]``.

    u(a) = min over b ≠ a of P(a, b): whoever has a first prefers it to each b, so that the share w(a) of those who do
    is at most u(a). Comparisons of pairs say no more than that about w without assumptions. Σ_a u(a) can exceed 1. A
    single alternative has 1.

    ``preferences[..., m, m]``: P(a, b) is the share of the population preferring a to b, those who are indifferent
    counting half for each, so that P + Pᵀ = 1 and the diagonal is ½. Raises ``ValueError`` for any other matrix.

    Source: Kim, Zhang, Ozdaglar and Parrilo 2025 (arXiv:2506.05619; as quoted).

    >>> feasible_shares([[0.5, 0.4, 0.4], [0.6, 0.5, 0.9], [0.6, 0.1, 0.5]]).tolist()
    [0.4, 0.6, 0.1]
    """
    shares = preference_matrix(preferences)
    size = shares.shape[-1]
    least: Floats = np.where(np.eye(size) > 0, 1.0, shares).min(-1)
    return least


def population_proportional_policy(preferences: ArrayLike, beta: float = 0.0, *, norms: Sequence[Norm] = ()) -> Policy:
    """Each alternative in proportion to the largest share of the population that may have it first.

    π(a) ∝ u(a)·exp(β·u(a)) with u the :func:`feasible_shares`. β = 0 is proportional: with Σu = s every alternative
    then has at least 1/s of the share that has it first (:func:`proportionality_level`), and no policy guarantees a
    larger part of all u(a) at once. A larger β favours the largest shares, and ``beta=inf`` leaves those alone, alike
    where they tie.

    Here ``beta`` sharpens as it grows; it is not the weight of a KL penalty, and there is no reference: the policy's
    ``reference`` is uniform and its ``beta`` ``None``. ``preferences[..., m, m]`` is as in :func:`feasible_shares`, a
    leading axis holds contexts. Raises ``ValueError`` for other matrices, for a negative β, and where all u are 0
    (every alternative is beaten unanimously by some other).

    With ``norms`` it is the policy closest to this one, in KL(π‖this one), among those on its support that meet them
    (:func:`~choicekit.alignment.norms.admissible`; ``norm_prices`` come back, in nats). The part that β = 0 guarantees
    is then lost, and with it every other claim above. Raises :class:`~choicekit.alignment.norms.Infeasible` where no
    policy on its support meets the norms.

    Source: Kim, Zhang, Ozdaglar and Parrilo 2025 (arXiv:2506.05619; as quoted).

    Two voters of five prefer r to g to b, three prefer b to r to g; u = (0.4, 0, 0.6):

    >>> jury = [[0.5, 1.0, 0.4], [0.0, 0.5, 0.4], [0.6, 0.6, 0.5]]
    >>> population_proportional_policy(jury).probabilities.round(6).tolist()
    [0.4, 0.0, 0.6]
    >>> population_proportional_policy(jury, beta=10).probabilities.round(4).tolist()
    [0.0828, 0.0, 0.9172]
    """
    if not beta >= 0:
        raise ValueError(
            f"population_proportional_policy: beta: needed a number of at least 0, or infinity, got {beta!r}"
        )
    shares = feasible_shares(preferences)
    most = shares.max(-1, keepdims=True)
    if not (most > 0).all():
        where = np.argwhere(most[..., 0] <= 0)[0].tolist()
        place = f" in context {', '.join(map(str, where))}" if where else ""
        raise ValueError(
            f"population_proportional_policy: needed an alternative that some prefer to each other one{place}, but "
            "every one is beaten unanimously by some other; no population of rankings has such preferences"
        )
    if np.isinf(beta):
        scores = (shares >= most * (1 - TIE_TOLERANCE)).astype(np.float64)
    else:
        scores = shares * np.exp(beta * (shares - most))
    size = shares.shape[-1]
    found, reference = scores / scores.sum(-1, keepdims=True), np.full(shares.shape, 1 / size)
    if not norms:
        return Policy(found, reference)
    closest = admissible(found, norms)
    return Policy(closest.probabilities, reference, norm_prices=closest.norm_prices)


def proportionality_level(policy: Policy | ArrayLike, shares: ArrayLike) -> Floats:
    """The α of population-proportional alignment, min π(a)/w(a) over all a that anybody has first, ``[...]``.

    Every part of the population then has at least α times its share of the answers. With w the shares of first choices
    (which sum to 1) α is at most 1, and 1 only for π = w, the random dictatorship. With w the :func:`feasible_shares`
    it is what the policy guarantees when only comparisons are known: first-choice shares are no larger, so that their
    own level is no smaller.

    ``policy[..., m]``; ``shares[..., m]`` ≥ 0, not all 0 in any context; contexts broadcast. Raises ``ValueError``
    for others.

    Source: Kim, Zhang, Ozdaglar and Parrilo 2025 (arXiv:2506.05619; as quoted).

    >>> proportionality_level([0.9, 0.1, 0.0], [0.6, 0.4, 0.0]).item()
    0.25
    """
    first = np.asarray(shares, np.float64)
    if first.ndim < 1 or not np.isfinite(first).all() or (first < 0).any() or not (first.sum(-1) > 0).all():
        raise ValueError(f"shares: needed non-negative numbers [..., m], not all 0, got shape {first.shape}")
    probabilities = distribution("policy", policy, first.shape[-1])
    probabilities, first = np.broadcast_arrays(probabilities, first)
    counted = first > 0
    level: Floats = np.where(counted, probabilities / np.where(counted, first, 1.0), np.inf).min(-1)
    return level
