"""One objective among policies that reach floors on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._norms import held
from choicekit.alignment._tabular import checked
from choicekit.alignment._tilts import Table
from choicekit.alignment.norms import Infeasible, Norm
from choicekit.alignment.policies import regularised_value
from choicekit.kernels.tilts import SOLVED
from choicekit.outcomes import NotConverged, Policy

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class ConstrainedPolicy(Policy):
    """A policy that reaches floors, what they cost, and the proof that it is best.

    ``attained[k]`` are the means of the objectives, ``slack[k]`` how far above the floors they are, ``value`` the mean
    of ⟨π, r⟩ − β·KL(π‖ρ); ``multipliers[k]`` are the floors' prices, by how much the value falls for each unit that a
    floor is raised: 0 where there is slack. ``duality_gap`` is the dual's bound of the value minus the value. With
    ``joint=False`` each is ``[x, k]``, ``value`` is ``[x]`` and ``duality_gap`` the largest.

    >>> found = constrained_policy([1, 0, 0.6], [[0, 1, 0.6]], [0.2], beta=0.1)
    >>> found.attained.round(3).tolist(), found.slack.round(3).tolist(), found.multipliers.round(3).tolist()
    ([0.2], [0.0], [0.544])
    """

    attained: Floats
    slack: Floats
    value: Floats


def constrained_policy(
    rewards: ArrayLike,
    objectives: ArrayLike,
    floors: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    context_weights: ArrayLike | None = None,
    joint: bool = True,
    norms: Sequence[Norm] = (),
    tolerance: float = 1e-9,
) -> ConstrainedPolicy:
    """The policy that is best for one reward among those that reach a floor on each of several others.

    Maximises the mean over contexts of ⟨π, r⟩ − β·KL(π‖ρ) subject to mean ⟨π, r_k⟩ ≥ b_k. The dual is the minimum over
    λ ≥ 0 of the mean of β·log Σ_i ρ_i·exp((r + Σ_k λ_k r_k)_i/β) − λ·b; the policy is π ∝ ρ·exp((r + λr_k)/β).

    ``rewards[m]`` or ``[x, m]``, ``objectives[k, m]`` or ``[x, k, m]`` and ``floors[k]`` in the objectives' units;
    ``context_weights[x]`` (default equal). With ``joint=False`` the floors hold in each context by itself, as norms do.
    ``norms`` are kept besides (see :class:`~choicekit.alignment.norms.Norm`).

    Floors are met to ``tolerance`` times the range of an objective. Raises
    :class:`~choicekit.alignment.norms.Infeasible` where no admissible policy reaches the floors, naming a smallest
    set of them that conflicts ("floor 0", …) and what can be reached; ``NotConverged`` where floors leave so little
    room that the dual is not solved to ``tolerance``.

    Source: Agnihotri, Jain, Ramachandran and Wen 2025, arXiv:2505.10892 (the problem, from the abstract; the dual is
    Lagrange's).

    >>> found = constrained_policy([1, 0, 0.6], [[0, 1, 0.6]], [0.5], beta=0.1)
    >>> found.attained.round(5).tolist(), found.multipliers.round(5).tolist()
    ([0.5], [0.87717])
    """
    own, ground = checked(rewards, reference, beta, 1)
    others, floor = _objectives(objectives, floors, own)
    if not joint:
        return _apart(own, others, floor, ground, beta, norms)
    stacked = np.concatenate([own[..., None, :], others], axis=-2)
    number = len(floor)
    table = Table(stacked, ground, beta, context_weights, True, norms, np.append(0.0, floor))
    ranges = np.maximum(np.ptp(table.rewards, axis=-1).max(0), 1e-12)
    ranges[0] = max(ranges[0], 1e-5 * beta)
    scale = (ranges / ranges[0])[None]
    found = table.bounds(scale, ranges[:1], tolerance, offset=0, homogeneous=False)
    if found.status[0] != SOLVED:
        _refuse(table, floor, ranges)
    probabilities, nu = table.penalised_once(found)
    attained = np.einsum("x,xm,xkm->k", table.contexts, probabilities, table.rewards) + table.shift[0]
    value = np.asarray(
        table.contexts @ regularised_value(own, probabilities.reshape(ground.shape), ground, beta).ravel()
    )
    policy = table.answer(probabilities, found.mu[:, 1:], 0.0, nu, np.ones(1))
    bound = found.values[0]
    result = ConstrainedPolicy(
        policy.probabilities, ground, beta, found.mu[0, 1:], max(float(bound - value), 0.0), policy.norm_prices,
        attained=attained[1:], slack=attained[1:] - floor, value=value,
    )  # fmt: skip
    if found.status[0] != SOLVED:
        raise NotConverged(
            f"constrained_policy: {number} floors missed by at most {float(-result.slack.min()):.1e}, duality gap "
            f"{result.duality_gap:.1e}; lower a floor, or use a larger beta or tolerance",
            result,
        )
    return result


def _objectives(objectives: ArrayLike, floors: ArrayLike, rewards: Floats) -> tuple[Floats, Floats]:
    others, floor = np.asarray(objectives, np.float64), np.asarray(floors, np.float64)
    shape = rewards.shape
    wanted = f"[k, {shape[-1]}]" + (
        f" or [{', '.join(map(str, shape[:-1]))}, k, {shape[-1]}]" if len(shape) > 1 else ""
    )
    fits = others.ndim >= 2 and others.shape[-1] == shape[-1] and others.shape[:-2] in ((), shape[:-1])
    if not fits or 0 in others.shape or not np.isfinite(others).all():
        raise ValueError(f"objectives: needed finite numbers {wanted}, got shape {others.shape}")
    if floor.shape != (others.shape[-2],) or not np.isfinite(floor).all():
        raise ValueError(f"floors: needed {others.shape[-2]} finite numbers, one an objective, got {floors!r}")
    return np.broadcast_to(others, (*shape[:-1], *others.shape[-2:])), floor


def _apart(
    own: Floats, others: Floats, floor: Floats, ground: Floats, beta: float, norms: Sequence[Norm]
) -> ConstrainedPolicy:
    """Floors in each context are norms on what is lost."""
    number = len(floor)
    rows = [Norm(f"floor {k}", -others[..., k, :], -floor[k]) for k in range(number)]
    with np.errstate(divide="ignore"):
        probabilities, prices = held(np.log(ground) + own / beta, ground, [*rows, *norms], beta)
    attained = np.einsum("...m,...km->...k", probabilities, others)
    value = regularised_value(own, probabilities, ground, beta)
    every = np.asarray(prices)
    costs = np.stack([_over(norm, own.shape) for norm in [*rows, *norms]], axis=-1)
    # alternatives that a floor bars outright have no finite price, and no part in the bound
    with np.errstate(invalid="ignore", divide="ignore"):
        priced = np.where(np.isinf(every)[..., None, :], np.where(costs > 0, np.inf, 0.0), every[..., None, :] * costs)
        logits = np.log(ground) + (own - priced.sum(-1)) / beta
    bound = beta * np.logaddexp.reduce(logits, axis=-1)
    return ConstrainedPolicy(
        probabilities, ground, beta, every[..., :number], max(float((bound - value).max()), 0.0),
        every[..., number:] if norms else None, attained=attained, slack=attained - floor, value=value,
    )  # fmt: skip


def _over(norm: Norm, shape: tuple[int, ...]) -> Floats:
    """What each alternative costs above the limit, 0 where the norm does not hold."""
    cost = np.broadcast_to(norm.cost - norm.limit, shape)
    return cost if norm.contexts is None else np.where(norm.contexts[..., None], cost, 0.0)


def _refuse(table: Table, floor: Floats, ranges: Floats) -> None:
    """Raise ``Infeasible`` where it can be proved, naming a smallest conflict."""
    number = len(floor)
    worst, proved = table.slackest(list(range(1, number + 1)), ranges)
    if not proved:
        return
    chosen = next(
        set_ for count in range(1, number + 1) for set_ in combinations(range(number), count)
        if count == number or table.slackest([1 + k for k in set_], ranges)[1]
    )  # fmt: skip
    worst, _ = table.slackest([1 + k for k in chosen], ranges)
    alone = [floor[k] + ranges[1 + k] * table.slackest([1 + k], ranges)[0] for k in chosen]
    names = tuple(f"floor {k}" for k in chosen)
    give = {name: float(-worst * ranges[1 + k]) for name, k in zip(names, chosen, strict=True)}
    reach = ", ".join(
        f"objective {k} at most {best:.4g} (floor {floor[k]:.4g})" for k, best in zip(chosen, alone, strict=True)
    )
    lower = ", ".join(f"{name} by {by:.4g}" for name, by in give.items())
    raise Infeasible(
        f"constrained_policy: no policy reaches {' and '.join(names)}{' together' if len(names) > 1 else ''}; by "
        f"itself a policy can bring {reach}; lower {lower}",
        names, None, give,
    )  # fmt: skip
