"""The policy for the least of the groups' rewards at each answer, which is not the max–min policy."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from choicekit.alignment._tabular import checked
from choicekit.alignment.norms import Norm
from choicekit.alignment.policies import rlhf_policy
from choicekit.outcomes import Policy


def pointwise_min_policy(
    rewards: ArrayLike, reference: ArrayLike | None = None, beta: float = 1.0, *, norms: Sequence[Norm] = ()
) -> Policy:
    """The KL-regularised policy of the reward min_g r_g, the least reward that any group gives an answer.

    π_i ∝ ρ_i·exp(min_g r_g,i/β) maximises E_π[min_g r_g] − β·KL(π‖ρ). Since E_π[min_g r_g] ≤ min_g E_π[r_g], this is a
    lower bound of what :func:`~choicekit.alignment.bargains.egalitarian_policy` with a disagreement of 0 maximises, so
    that in regularised value its worst-off group has at most what that policy leaves it. The difference is taking
    turns: where groups have opposite favourites the egalitarian policy mixes them, this one plays what offends nobody,
    however bland. Code that gives each sampled answer the least of several reward models' scores optimises this, not
    the max–min. With ``norms`` it is the best for min_g r_g among the policies that meet them, and the bound is that of
    the egalitarian policy under the same norms.

    ``rewards[..., g, m]`` must be comparable between groups, zero and unit; nothing is subtracted. ``reference[...,
    m]`` (default: uniform) and ``beta`` > 0 are the KL penalty's. Contexts are independent. ``norms`` are
    as in :class:`~choicekit.alignment.norms.Norm`. Raises ``ValueError`` for rewards that are not finite, a reference
    that is no distribution, or a ``beta`` that is not positive, and :class:`~choicekit.alignment.norms.Infeasible`
    where no policy meets the norms.

    Source: the formula is :func:`~choicekit.alignment.policies.rlhf_policy`'s for this reward; Chakraborty et al. 2024
    (arXiv:2402.08925) state the max–min objective that it is taken for.

    Two favourites and a bland answer. Mixing the favourites would give both groups 0.5; this gives both 0.05:

    >>> policy = pointwise_min_policy([[1, 0, 0.05], [0, 1, 0.05]], beta=0.001)
    >>> policy.probabilities.round(6).tolist()
    [0.0, 0.0, 1.0]
    """
    values, ground = checked(rewards, reference, beta, 2)
    return rlhf_policy(values.min(-2), ground, beta, norms=norms)
