"""Group-robust preference optimisation: the policy whose worst-off group has the least loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._robust import Loss, least, minimax, two_losses
from choicekit.alignment._tabular import Floats, normalised
from choicekit.kernels import robust as kernels
from choicekit.outcomes import NotConverged
from choicekit.profiles._columns import frozen

Ints = NDArray[np.int64]
Objective = Literal["pooled", "importance", "robust", "excess"]
OBJECTIVES = ("pooled", "importance", "robust", "excess")


@dataclass(frozen=True, eq=False)
class GroupRobustStep:
    """One update of group weights on a batch, and the loss to differentiate.

    ``weights[G]`` are the new weights q', ``loss`` = Σ_g q'_g·``group_losses[g]``, and ``gradient[B]`` its derivative
    by each comparison's loss with q' held fixed, which is what to pass on to a model. ``absent[G]`` is true for groups
    without a comparison in the batch.

    >>> step = group_robust_step([0.9, 0.3], [0, 1], [0.5, 0.5], [1, 1], 0.01, normalisation="mean")
    >>> step.gradient.round(4).tolist(), step.absent.tolist()
    ([0.5015, 0.4985], [False, False])
    """

    weights: Floats
    loss: float
    gradient: Floats
    group_losses: Floats
    absent: NDArray[np.bool_]


def group_robust_step(
    losses: ArrayLike,
    group: ArrayLike,
    weights: ArrayLike,
    sizes: ArrayLike,
    step: float,
    *,
    normalisation: Literal["importance", "mean"] = "importance",
    baseline: ArrayLike | None = None,
    adjustment: float = 0.0,
) -> GroupRobustStep:
    """One step of group-robust DPO or IPO on a minibatch: weights of groups by exponentiated gradient, and the loss.

    1. The loss of group g on the batch: (N/N_g)·Σ_{i in g} ℓ_i (``"importance"``), or the mean of its ℓ_i and 0 for a
       group that is absent (``"mean"``).
    2. q'_g ∝ q_g·exp(step·(loss_g + adjustment/√N_g)).
    3. The loss to differentiate is Σ_g q'_g·loss_g, with q' held fixed.

    ``losses[B]`` are those of single comparisons (:func:`~choicekit.alignment.direct.dpo_loss`,
    :func:`~choicekit.alignment.direct.ipo_loss`), ``group[B]`` numbers from 0 to G − 1, ``weights[G]`` the q so far
    (equal at the start) and ``sizes[G]`` the numbers N_g in the whole training set, N their sum. ``baseline[G]`` is
    taken off each comparison's loss: with the loss that each group cannot avoid, what is compared is excess loss
    (:func:`group_robust_fit`). It moves the weights, never the gradient at given weights. ``adjustment`` is the
    generalisation adjustment of Sagawa et al. 2020 (arXiv:1911.08731).

    Two things to know. The importance form is not divided by the batch's size B: over uniform batches its mean is B
    times the group's mean loss, so ``step`` has another scale in each form. And a group absent from the batch counts
    as one with loss 0: present groups gain weight at its cost whatever its own loss is. With group means nothing makes
    up for that and a small group's weight can vanish because it is small; in the importance form its rare appearances
    count N/N_g as much, so that the exponents are right on average.

    Raises ``ValueError`` for arguments that do not match.

    Source: Ramesh et al. 2024, arXiv:2405.20304, as in the authors' code.

    >>> found = group_robust_step([0.9, 0.8, 0.2, 0.3, 0.25, 0.15], [0, 0, 1, 1, 1, 1], [0.5, 0.5], [20, 80], 0.01)
    >>> found.group_losses.round(6).tolist(), found.weights.round(6).tolist(), round(found.loss, 6)
    ([8.5, 1.125], [0.518429, 0.481571], 4.948415)
    """
    single, code = np.array(losses, np.float64), np.array(group)
    share, size = np.array(weights, np.float64), np.array(sizes, np.float64)
    _check_step(single, code, share, size, step, normalisation, adjustment)
    base = _baseline(baseline, len(share))
    code = code.astype(np.int64)
    counts = np.bincount(code, minlength=len(share)).astype(np.float64)
    factor = size.sum() / size if normalisation == "importance" else 1 / np.maximum(counts, 1)
    found = factor * (np.bincount(code, single, len(share)) - counts * base)
    exponent = step * (found + adjustment / np.sqrt(size))
    moved = share * np.exp(exponent - exponent[share > 0].max())
    moved /= moved.sum()
    return GroupRobustStep(
        frozen(moved), float(moved @ found), frozen((moved * factor)[code]), frozen(found), frozen(counts == 0)
    )


@dataclass(frozen=True, eq=False)
class GroupRobustFit:
    """A log-linear policy fitted to groups' comparisons by full-batch descent, with a bound on how far it is from best.

    ``parameters[d]`` and ``weights[G]`` are the last iterates, ``group_losses[G]`` the groups' mean losses there and
    ``baselines[G]`` what was taken off them (0 unless ``objective="excess"``). ``worst_path[iterations + 1]`` is the
    largest loss less baseline before each iteration and at the end. ``value`` is the objective reached, ``bound`` a
    proved lower bound of its least value: ``duality_gap`` = value − bound ≥ 0, and ``converged`` says that it is at
    most the tolerance asked for.

    >>> fit = group_robust_fit([[1.0], [0.0], [1.0]], [[0.0], [1.0], [0.0]], [0, 1, 0], rate=0.5, step=0.1)
    >>> fit.converged, bool(abs(fit.parameters[0]) < 1e-6), fit.group_losses.round(4).tolist()
    (True, True, [0.6931, 0.6931])
    """

    parameters: Floats
    weights: Floats
    group_losses: Floats
    baselines: Floats
    worst_path: Floats
    value: float
    bound: float
    converged: bool
    objective: Objective

    @property
    def duality_gap(self) -> float:
        """How far the objective is above the proved lower bound of its least value, at least 0.

        >>> fit = group_robust_fit([[1.0], [0.0]], [[0.0], [1.0]], [0, 1], rate=0.5, step=0.1)
        >>> fit.duality_gap < 1e-6
        True
        """
        return max(self.value - self.bound, 0.0)

    @property
    def excess(self) -> Floats:
        """Each group's mean loss less its baseline, ``[G]``.

        >>> group_robust_fit([[1.0], [0.0]], [[0.0], [1.0]], [0, 1]).excess.round(4).tolist()
        [0.6931, 0.6931]
        """
        return self.group_losses - self.baselines


def group_robust_fit(
    features_chosen: ArrayLike,
    features_rejected: ArrayLike,
    group: ArrayLike,
    *,
    loss: Loss = "dpo",
    beta: float = 1.0,
    objective: Objective = "robust",
    rate: float = 0.1,
    step: float = 0.01,
    iterations: int = 1000,
    start: ArrayLike | None = None,
    groups: int | None = None,
    tolerance: float = 1e-4,
) -> GroupRobustFit:
    """A log-linear policy π ∝ ρ·exp(⟨θ, φ⟩) fitted to groups' comparisons, for their average or for the worst of them.

    ========== ================================================================================
    objective  minimised over θ, with L_g the mean loss of group g
    ========== ================================================================================
    pooled     Σ_g (N_g/N)·L_g: plain DPO or IPO, where a group counts by its size
    importance Σ_g L_g/G: every group counts alike
    robust     max_g L_g (GR-DPO, GR-IPO)
    excess     max_g (L_g − b_g), b_g the least loss of group g on its own, over all θ
    ========== ================================================================================

    The last two alternate q_g ∝ q_g·exp(step·(L_g − b_g)) and θ ← θ − rate·Σ_g q_g·∇L_g, from equal weights, on all the
    data in every iteration: no randomness. With raw losses an indifferent or noisy group, whose loss nothing brings
    down, decides the maximum and the others are given up for it; its excess does not.

    ``features_chosen[B, d]`` and ``features_rejected[B, d]`` are φ of the two answers of a comparison; the policy's
    h = ⟨θ, φ(chosen) − φ(rejected)⟩, whatever the reference ρ. ``group[B]`` numbers from 0 to ``groups`` − 1 (default:
    the largest that occurs), each with at least one comparison. ``start[d]`` defaults to 0, the reference policy.

    The losses are convex in θ. ``bound`` comes from the conjugate dual at given group weights (DPO) or from the normal
    equations (IPO), and costs about a Newton fit: ``converged`` is a proof up to rounding, and false is said where the
    iterations did not suffice. Where a group's comparisons are linearly separable its least DPO loss is 0 and no
    finite θ has it.

    Raises ``NotConverged`` with the last parameters where a rate too large drives them beyond all bounds (IPO), and
    ``ValueError`` for arguments that do not match.

    Source: Ramesh et al. 2024, arXiv:2405.20304; the update is that of the authors' code with all data in each batch
    and group means. The excess objective is a minimax regret and not the paper's.

    Nine in ten of the first group choose A, the second is indifferent. The robust policy is indifferent too; the excess
    one gives both the same regret:

    >>> first, second = np.repeat([1.0, -1.0], [9, 1]), np.repeat([1.0, -1.0], [5, 5])
    >>> chosen, group = np.concatenate([first, second])[:, None] / 2, np.repeat([0, 1], 10)
    >>> found = [group_robust_fit(chosen, -chosen, group, objective=o, rate=0.5, step=0.5, iterations=4000)
    ...          for o in ("robust", "excess")]
    >>> [round(float(fit.parameters[0]), 2) for fit in found], found[1].excess.round(3).tolist()
    ([0.0, 0.92], [0.102, 0.102])
    """
    deltas, code, sizes = _comparisons(features_chosen, features_rejected, group, groups)
    _check_fit(loss, objective, {"beta": beta, "rate": rate, "step": step, "tolerance": tolerance}, iterations)
    count, width = len(sizes), deltas.shape[1]
    theta = np.zeros(width) if start is None else np.array(start, np.float64)
    if theta.shape != (width,) or not np.isfinite(theta).all():
        raise ValueError(f"start: needed {width} finite parameters, one a feature, got shape {theta.shape}")
    kind = kernels.DPO if loss == "dpo" else kernels.IPO
    baselines = np.zeros(count)
    if objective == "excess":
        for g in range(count):
            mine = deltas[code == g]
            baselines[g] = least(mine, np.full(len(mine), 1 / len(mine)), loss, beta)
    adapts = objective in ("robust", "excess")
    share = sizes / sizes.sum() if objective == "pooled" else np.full(count, 1 / count)
    theta, last, middle, path = kernels.descend(
        deltas, code, sizes, kind, beta, theta, share, baselines, rate, step if adapts else 0.0, iterations
    )
    if not (np.isfinite(theta).all() and np.isfinite(path).all()):
        raise NotConverged(f"group_robust_fit: the descent left all bounds; use a rate below {rate:g}", theta)
    losses = kernels.group_losses(deltas, code, sizes, kind, beta, theta)[0]
    excess = losses - baselines
    value = float(excess.max() if adapts else share @ excess)
    trials = (last, middle) if adapts else (share,)
    bound = max(least(deltas, (q / sizes)[code], loss, beta) - float(q @ baselines) for q in trials)
    converged = value - bound <= tolerance
    for array in (theta, last, losses, baselines, path):
        frozen(array)
    return GroupRobustFit(theta, last, losses, baselines, path, value, bound, converged, objective)


@dataclass(frozen=True, eq=False)
class RobustLogOdds:
    """The exact solution for two responses: ``log_odds[...]`` of the first against the reference's, times β.

    ``losses[..., g]`` are the groups' DPO losses there, ``excess[..., g]`` those less the entropies of their own
    choices, ``multipliers[..., g]`` weights of groups for whose average loss the log-odds are best, and ``duality_gap``
    how far the objective is from the bound that they prove (0 up to rounding).

    >>> found = robust_log_odds([0.9, 0.3], objective="robust")
    >>> found.multipliers.round(6).tolist(), bool(found.duality_gap < 1e-12)
    ([0.333333, 0.666667], True)
    """

    log_odds: Floats
    losses: Floats
    excess: Floats
    multipliers: Floats
    duality_gap: Floats


def robust_log_odds(
    shares: ArrayLike, weights: ArrayLike | None = None, *, objective: Objective = "robust"
) -> RobustLogOdds:
    """The best log-odds θ = β·(log-odds of A under π − under ρ) between two responses A and B, exactly.

    Group g prefers A with probability p_g, and its DPO loss is L_g(θ) = p_g·log(1 + e^{−θ}) + (1 − p_g)·log(1 + e^θ).
    The objectives are those of :func:`group_robust_fit`, with H(p_g), the entropy of the group's choice, for the loss
    that it cannot avoid. For ``"pooled"`` θ = logit(Σ_g w_g·p_g), for ``"importance"`` logit(mean p). The minimax
    problems are convex in one number: the answer is one group's own logit(p_g), or where two groups' losses cross,
    found by bisection on σ(θ) and then solved exactly for those two.

    ``shares[..., g]`` are the p_g; each leading entry is a problem of its own (group losses that average over contexts
    are for :func:`group_robust_fit`). ``weights[g]`` (default equal) matter for ``"pooled"`` alone. The policy on
    (A, B) is ``rlhf_policy([θ, 0], reference, beta)``. θ is infinite where all groups say the same without exception.

    Raises ``ValueError`` for shares outside 0 to 1.

    Source: Ramesh et al. 2024, arXiv:2405.20304 (the robust objective).

    One group always says A, a tenth of the people always B; robustness forgets the sizes:

    >>> robust_log_odds([1.0, 0.0], [0.9, 0.1], objective="pooled").log_odds.round(4).item()     # ln 9
    2.1972
    >>> abs(robust_log_odds([1.0, 0.0]).log_odds.item()) < 1e-12
    True

    An indifferent group captures the maximum, and takes nothing from it; in excess loss it does not:

    >>> robust_log_odds([0.95, 0.5]).log_odds.round(4).item()
    0.0
    >>> found = robust_log_odds([0.95, 0.5], objective="excess")
    >>> found.log_odds.round(3).item(), found.excess.round(4).tolist()
    (1.099, [0.144, 0.144])
    """
    from scipy import special

    chance = np.array(shares, np.float64)
    if chance.ndim < 1 or 0 in chance.shape or not ((chance >= 0) & (chance <= 1)).all():
        raise ValueError(f"shares: needed probabilities [..., group] from 0 to 1, got shape {chance.shape}")
    if objective not in OBJECTIVES:
        raise ValueError(f"objective: needed one of {', '.join(OBJECTIVES)}, got {objective!r}")
    entropies: Floats = special.entr(chance) + special.entr(1 - chance)
    share = normalised(weights if objective == "pooled" else None, chance.shape[-1])
    if objective in ("pooled", "importance"):
        multipliers = np.broadcast_to(share, chance.shape).copy()
        odds = special.logit((chance * share).sum(-1))
    else:
        odds, multipliers = minimax(chance, entropies if objective == "excess" else np.zeros(chance.shape))
    mean = (multipliers * chance).sum(-1)
    losses = two_losses(chance, odds)
    base = entropies if objective == "excess" else 0.0
    reached = (losses - base).max(-1) if objective in ("robust", "excess") else (multipliers * losses).sum(-1)
    bound = special.entr(mean) + special.entr(1 - mean) - (multipliers * base).sum(-1)
    return RobustLogOdds(odds, losses, losses - entropies, multipliers, np.maximum(reached - bound, 0.0))


def _comparisons(
    chosen: ArrayLike, rejected: ArrayLike, group: ArrayLike, groups: int | None
) -> tuple[Floats, Ints, Floats]:
    """Differences of features ``[B, d]``, groups ``[B]`` and their sizes."""
    first, second = np.array(chosen, np.float64), np.array(rejected, np.float64)
    if first.ndim != 2 or first.shape != second.shape or 0 in first.shape:
        raise ValueError(f"features: needed two arrays [comparison, feature], got {first.shape} and {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("features: needed finite numbers")
    code = np.array(group)
    count = groups if groups is not None else int(code.max(initial=0)) + 1 if code.dtype.kind in "iu" else 0
    _check_groups(code, len(first), count)
    sizes = np.bincount(code, minlength=count).astype(np.float64)
    if (sizes == 0).any():
        raise ValueError(f"group: group {int(sizes.argmin())} has no comparisons; number only groups that have some")
    return first - second, code.astype(np.int64), sizes


def _check_groups(code: NDArray[np.generic], length: int, count: int) -> None:
    if code.shape != (length,) or code.dtype.kind not in "iu":
        raise ValueError(f"group: needed {length} whole numbers, one a comparison, got {code.dtype} {code.shape}")
    if length and (int(code.min()) < 0 or int(code.max()) >= count):
        raise ValueError(f"group: needed numbers from 0 to {count - 1}, got {int(code.min())} to {int(code.max())}")


def _baseline(baseline: ArrayLike | None, count: int) -> Floats:
    base = np.zeros(count) if baseline is None else np.array(baseline, np.float64)
    if base.shape != (count,) or not np.isfinite(base).all():
        raise ValueError(f"baseline: needed {count} finite losses, one a group, got shape {base.shape}")
    return base


def _check_step(
    losses: Floats, code: NDArray[np.generic], weights: Floats, sizes: Floats, step: float, normalisation: str,
    adjustment: float,
) -> None:  # fmt: skip
    if losses.ndim != 1 or len(losses) == 0 or not np.isfinite(losses).all():
        raise ValueError(f"losses: needed finite numbers [comparison], got shape {losses.shape}")
    normalised(weights, weights.size if weights.ndim == 1 else 0)
    if abs(float(weights.sum()) - 1) > 1e-6:
        raise ValueError(f"weights: must sum to 1, got {float(weights.sum()):.6g}; divide by the sum")
    if sizes.shape != weights.shape or not (np.isfinite(sizes) & (sizes > 0)).all():
        raise ValueError(f"sizes: needed {len(weights)} numbers of comparisons above 0, got {sizes.tolist()!r}")
    _check_groups(code, len(losses), len(weights))
    if normalisation not in ("importance", "mean"):
        raise ValueError(f"normalisation: needed 'importance' or 'mean', got {normalisation!r}")
    if not (np.isfinite(step) and step >= 0 and np.isfinite(adjustment) and adjustment >= 0):
        raise ValueError(f"step, adjustment: needed finite numbers, at least 0, got {step!r} and {adjustment!r}")


def _check_fit(loss: str, objective: str, numbers: dict[str, float], iterations: int) -> None:
    if loss not in ("dpo", "ipo"):
        raise ValueError(f"loss: needed 'dpo' or 'ipo', got {loss!r}")
    if objective not in OBJECTIVES:
        raise ValueError(f"objective: needed one of {', '.join(OBJECTIVES)}, got {objective!r}")
    for name, number in numbers.items():
        if not (np.isfinite(number) and number > 0):
            raise ValueError(f"{name}: needed a positive number, got {number!r}")
    if not isinstance(iterations, int | np.integer) or iterations < 1:
        raise ValueError(f"iterations: needed a whole number from 1, got {iterations!r}")
