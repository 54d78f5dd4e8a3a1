"""Whom a policy fails, and by how much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._tabular import checked, distribution, divergence, normalised
from choicekit.kernels import gaps as kernels
from choicekit.outcomes import Policy

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Gaps:
    """What each group loses under one policy, compared with the policy made for it alone.

    With F_g(π) = ⟨π, r_g⟩ − β·KL(π‖ρ) and π_g* its maximiser, ``gaps[..., g]`` = F_g(π_g*) − F_g(π) ≥ 0, in the units
    of the rewards. ``values`` and ``optima`` are F_g(π) and F_g(π_g*); ``divergences`` are β·KL(π‖π_g*), the same
    quantity as ``gaps`` by another route: they agree to rounding, which the tests check.

    >>> found = gap([[1.0, 0.0], [0.0, 1.0]], [0.5, 0.5], beta=1.0)
    >>> found.worst, found.spread
    (0, 0.0)
    """

    gaps: Floats
    divergences: Floats
    values: Floats
    optima: Floats

    @property
    def worst(self) -> int:
        """The index of the group with the largest gap, averaged over leading axes.

        >>> gap([[1.0, 0.0], [0.0, 1.0]], [0.9, 0.1], beta=1.0).worst
        1
        """
        return int(self.gaps.reshape(-1, self.gaps.shape[-1]).mean(0).argmax())

    @property
    def spread(self) -> float:
        """The largest gap minus the smallest, averaged over leading axes.

        >>> round(gap([[1.0, 0.0], [0.0, 1.0]], [0.9, 0.1], beta=1.0).spread, 3)
        0.8
        """
        return float(np.ptp(self.gaps.reshape(-1, self.gaps.shape[-1]).mean(0)))


def gap(rewards: ArrayLike, policy: Policy | ArrayLike, reference: ArrayLike | None = None, beta: float = 1.0) -> Gaps:
    """The alignment gap of a policy for each group: F_g(π_g*) − F_g(π) = β·KL(π‖π_g*).

    ``rewards[..., g, m]`` are the groups' rewards, ``policy[..., m]`` what is deployed, ``reference[..., m]`` (default:
    uniform) and ``beta`` the KL penalty's. A leading axis holds contexts, and so do the results ``[..., g]``.

    Raises ``ValueError`` for a policy that is not a distribution; a gap is infinite where the policy answers what the
    reference rules out.

    Source: Chakraborty et al. 2024, arXiv:2402.08925 (the alignment gap); the identity is that of
    :func:`~choicekit.alignment.policies.rlhf_policy`.

    >>> from choicekit.alignment import rlhf_policy
    >>> found = gap([[0.0, 1.0], [1.0, 0.0]], rlhf_policy([0.0, 1.0], beta=0.5), beta=0.5)
    >>> found.gaps.round(6).tolist(), found.divergences.round(6).tolist()
    ([0.0, 0.761594], [0.0, 0.761594])
    """
    values, ground = checked(rewards, reference, beta, 2)
    rows, shape = _contexts(values, policy, ground)
    lost, apart, reached, optima = kernels.gaps(*rows, float(beta))
    return Gaps(lost.reshape(shape), apart.reshape(shape), reached.reshape(shape), optima.reshape(shape))


def _contexts(
    values: Floats, policy: Policy | ArrayLike, ground: Floats
) -> tuple[tuple[Floats, Floats, Floats], tuple[int, ...]]:
    """Rewards ``[x, g, m]``, policy and reference ``[x or 1, m]``, the policy checked; and the shape ``[..., g]``."""
    groups, size = values.shape[-2:]
    probabilities = distribution("policy", policy, size)
    lead = np.broadcast_shapes(values.shape[:-2], probabilities.shape[:-1])
    rewards = np.broadcast_to(values, (*lead, groups, size)).reshape(-1, groups, size)
    answered, offered = (_rows(np.broadcast_to(each, (*lead, size))) for each in (probabilities, ground))
    return (rewards, answered, offered), (*lead, groups)


def _rows(values: Floats) -> Floats:
    """``[x, m]``, or ``[1, m]`` where all contexts have the same row."""
    sides = zip(values.strides[:-1], values.shape[:-1], strict=True)
    if all(stride == 0 or length == 1 for stride, length in sides):
        return np.ascontiguousarray(values[(0,) * (values.ndim - 1)][None])
    return np.ascontiguousarray(values.reshape(-1, values.shape[-1]))


def win_rates(rewards: ArrayLike, policy: Policy | ArrayLike, reference: ArrayLike | None = None) -> Floats:
    """How often each group prefers the policy's answer to the reference's: Σ_ij π_i ρ_j σ(r_g,i − r_g,j), ``[..., g]``.

    Both draw independently, so a policy equal to the reference has ½.

    >>> win_rates([[np.log(3), 0.0]], [1.0, 0.0]).round(4).tolist()      # (½ + ¾)/2
    [0.625]
    """
    values, ground = checked(rewards, reference, 1.0, 2)
    rows, shape = _contexts(values, policy, ground)
    return kernels.win_rates(*rows).reshape(shape)


@dataclass(frozen=True)
class Collapse:
    """How far a policy is from the population's own choice shares.

    ``divergence`` is KL(shares‖policy) in nats, ``total_variation`` half the absolute difference, ``entropy_ratio``
    the policy's entropy over the shares' (below 1: less varied than the people). Averages over contexts.

    >>> preference_collapse([0.5, 0.5], [0.5, 0.5])
    Collapse(divergence=0.0, total_variation=0.0, entropy_ratio=1.0)
    """

    divergence: float
    total_variation: float
    entropy_ratio: float


def preference_collapse(
    policy: Policy | ArrayLike, shares: ArrayLike, context_weights: ArrayLike | None = None
) -> Collapse:
    """The preference-collapse index of a policy against the population's choice shares.

    ``policy[..., m]``, ``shares[..., m]`` (see :func:`~choicekit.alignment.policies.choice_shares`), broadcast;
    ``context_weights`` weigh a leading axis (default equal).

    Source: Xiao et al. 2025, arXiv:2405.16455 (the phenomenon and the divergence from preference matching).

    Sixty people in a hundred prefer A; a policy at β = 0.1 says A 98.3 % of the time:

    >>> found = preference_collapse([0.98295, 0.01705], [0.6, 0.4])
    >>> round(found.divergence, 3), round(found.total_variation, 3), round(found.entropy_ratio, 3)
    (0.966, 0.383, 0.128)
    """
    p, q = np.broadcast_arrays(distribution("shares", shares), distribution("policy", policy))
    weigh = normalised(context_weights, p[..., 0].size).reshape(p.shape[:-1])
    entropies = [-np.where(each > 0, each * np.log(np.where(each > 0, each, 1)), 0).sum(-1) for each in (q, p)]
    measures = (divergence(p, q), 0.5 * np.abs(p - q).sum(-1), *entropies)
    mean = [float((weigh * np.where(weigh > 0, each, 0)).sum()) for each in measures]
    return Collapse(mean[0], mean[1], mean[2] / mean[3] if mean[3] > 0 else 1.0)
