"""When to ask people whom they belong to, or what they want, instead of acting on a guess."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._tabular import Floats, checked, distribution, divergence, normalised, tilt
from choicekit.outcomes import Policy
from choicekit.profiles._columns import frozen

#: Gains below this share of a context's largest reward are rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Asking:
    """What it is worth to ask a user, context by context; all in the units of the rewards.

    ``mixture[...]`` is the value of the best policy for the belief as it stands, ``majority[...]`` that of acting as if
    the user were of the most likely group (the first of several), ``answered[...]`` that of acting on the answer, the
    cost not yet paid, and ``perfect[...]`` the same were the answer the truth. ``gain[...]`` = answered − mixture ≥ 0
    is the most the question should cost, and ``ask[...]`` whether it costs less. ``policy`` is the best without asking.

    >>> found = value_of_asking([[1.0, 0.0, 0.6], [0.0, 1.0, 0.6]], [0.7, 0.3], cost=0.1)
    >>> found.mixture.item(), found.perfect.item(), found.gain.round(6).item(), bool(found.ask)
    (0.7, 1.0, 0.3, True)
    """

    mixture: Floats
    majority: Floats
    answered: Floats
    perfect: Floats
    gain: Floats
    ask: NDArray[np.bool_]
    policy: Policy
    cost: Floats
    _problem: _Problem = field(repr=False)

    def threshold(self) -> Floats:
        """How sure of the most likely group one must be, ``[...]``, for asking not to pay.

        The belief is moved from where it is towards certainty of that group, the others keeping their proportions; the
        answer is that group's probability where the gain has fallen to the cost. NaN where asking does not pay as it
        is. For truthful answers the gain is concave along the way, so there is one such probability and asking pays
        below it, down to the present belief; for noisy ones there may be several, of which this is one.

        >>> found = value_of_asking([[1.0, 0.0], [0.0, 1.0]], [0.6, 0.4], cost=0.1)
        >>> found.threshold().round(6).item()                     # 1 − p = 0.1
        0.9
        """
        here = self._problem.belief
        leader = np.eye(here.shape[-1])[here.argmax(-1)]
        low, high = np.zeros(here.shape[:-1]), np.ones(here.shape[:-1])
        for _ in range(60):
            middle = (low + high) / 2
            moved = here + middle[..., None] * (leader - here)
            pays = self._problem.gain(moved) > self.cost
            low, high = np.where(pays, middle, low), np.where(pays, high, middle)
        sure = ((here + low[..., None] * (leader - here)) * leader).sum(-1)
        return np.asarray(np.where(self.ask, sure, np.nan))


@dataclass(frozen=True, eq=False)
class _Problem:
    values: Floats
    ground: Floats
    beta: float | None
    belief: Floats
    confusion: Floats | None

    def best(self, belief: Floats) -> Floats:
        """max_π Σ_g b_g F_g(π) for beliefs that need not sum to one."""
        mixed = np.einsum("...g,...gm->...m", belief, self.values)
        if self.beta is None:
            found: Floats = np.where(self.ground > 0, mixed, -np.inf).max(-1)
            return found
        mass = belief.sum(-1)
        safe = np.where(mass > 0, mass, 1.0)
        with np.errstate(divide="ignore"):
            logs = np.log(self.ground) + mixed / (safe * self.beta)[..., None]
        level: Floats = self.beta * mass * np.logaddexp.reduce(logs, axis=-1)
        return level

    def perfect(self, belief: Floats) -> Floats:
        alone = [self.best(belief * unit) for unit in np.eye(belief.shape[-1])]
        return np.asarray(np.sum(alone, axis=0))

    def answered(self, belief: Floats) -> Floats:
        if self.confusion is None:
            return self.perfect(belief)
        told = [self.best(belief * self.confusion[..., s]) for s in range(self.confusion.shape[-1])]
        return np.asarray(np.sum(told, axis=0))

    def gain(self, belief: Floats) -> Floats:
        found: Floats = np.maximum(self.answered(belief) - self.best(belief), 0.0)
        certain: Floats = np.where(found > _ROUNDING * np.abs(self.values).max((-2, -1)), found, 0.0)
        return certain

    def value(self, policy: Floats, belief: Floats) -> Floats:
        """Σ_g b_g F_g(π)."""
        reached = np.einsum("...m,...gm,...g->...", policy, self.values, belief)
        return np.asarray(reached if self.beta is None else reached - self.beta * divergence(policy, self.ground))

    def policy(self, belief: Floats) -> Floats:
        mixed = np.einsum("...g,...gm->...m", belief, self.values)
        if self.beta is not None:
            return tilt(mixed, self.ground, self.beta)
        able = np.where(self.ground > 0, mixed, -np.inf)
        best = able >= able.max(-1, keepdims=True)
        return np.asarray(best / best.sum(-1, keepdims=True))


def value_of_asking(
    rewards: ArrayLike,
    belief: ArrayLike,
    *,
    cost: ArrayLike = 0.0,
    beta: float | None = None,
    reference: ArrayLike | None = None,
    confusion: ArrayLike | None = None,
) -> Asking:
    """The expected value of asking a user for their group, against acting on the belief as it is.

    With the belief b over groups, a policy is worth Σ_g b_g F_g(π), where F_g(π) = ⟨π, r_g⟩ − β·KL(π‖ρ), or ⟨π, r_g⟩
    alone with ``beta=None``; V(b) is the best. Without asking one has V(b). A truthful answer gives Σ_g b_g V(e_g). An
    answer s that members of g give with chance C[g, s] gives Σ_s P(s) V(b | s), the belief updated by Bayes' rule. V is
    convex, so that an answer is never worth less than nothing; it is worth nothing where it could not change what is
    done.

    ``rewards[..., g, m]`` are the groups' (in one unit: they are averaged over the belief); ``belief[..., g]``
    probabilities; ``cost[...]`` what asking costs, in the units of the rewards; ``reference[..., m]`` (default
    uniform) says what is available where its probability is not 0; ``confusion[..., g, s]`` the chances of answers,
    rows summing to 1 (``None``: truthful). A question need not be about groups: "which of these two do you prefer?" has
    C[g] = (σ(r_g,a − r_g,b), σ(r_g,b − r_g,a)). Assumed: rewards and belief are right, and there is one question.

    Raises ``ValueError`` for a belief or a confusion that is no distribution, or a negative cost.

    Source: Raiffa and Schlaifer 1961, *Applied Statistical Decision Theory* (the value of information).

    An answer that is wrong one time in ten, and one that is wrong every other time:

    >>> people = [[1.0, 0.0], [0.0, 1.0]]
    >>> for wrong in (0.1, 0.5):
    ...     found = value_of_asking(people, [0.6, 0.4], confusion=[[1 - wrong, wrong], [wrong, 1 - wrong]])
    ...     print(found.mixture.item(), found.answered.round(6).item(), found.gain.round(6).item())
    0.6 0.9 0.3
    0.6 0.6 0.0
    """
    values, ground = checked(rewards, reference, 1.0 if beta is None else beta, 2)
    groups = values.shape[-2]
    likely = distribution("belief", belief, groups)
    shape = np.broadcast_shapes(likely.shape[:-1], values.shape[:-2])
    price = np.array(cost, np.float64)
    if not np.isfinite(price).all() or (price < 0).any():
        raise ValueError(f"cost: needed what asking costs, in units of the rewards and not below 0, got {cost!r}")
    errors = None if confusion is None else np.array(confusion, np.float64)
    if errors is not None:
        if errors.shape[-2:-1] != (groups,):
            raise ValueError(f"confusion: needed chances [..., {groups}, answer], got shape {errors.shape}")
        errors = distribution("confusion", errors)
        shape = np.broadcast_shapes(shape, errors.shape[:-2])
    shape = np.broadcast_shapes(shape, price.shape)
    likely = np.broadcast_to(likely, (*shape, groups))
    problem = _Problem(values, np.broadcast_to(ground, (*shape, ground.shape[-1])), beta, likely, errors)
    leader = np.eye(groups)[likely.argmax(-1)]
    gain = problem.gain(likely)
    mixture = problem.best(likely)
    policy = Policy(frozen(problem.policy(likely)), problem.ground, beta)
    price = np.broadcast_to(price, shape)
    return Asking(
        mixture=frozen(np.array(mixture)),
        majority=frozen(np.array(np.minimum(problem.value(problem.policy(leader), likely), mixture))),
        answered=frozen(np.array(mixture + gain)),
        perfect=frozen(np.array(np.maximum(problem.perfect(likely), mixture))),
        gain=frozen(np.array(gain)),
        ask=frozen(np.array(gain > price)),
        policy=policy,
        cost=price,
        _problem=problem,
    )


def belief_after(
    rewards: ArrayLike, chosen: ArrayLike, rejected: ArrayLike, *, prior: ArrayLike | None = None
) -> Floats:
    """The probability of each group, ``[g]``, after choices that a user has made, by Bayes' rule.

    b_g ∝ prior_g·Π_t σ(r_g,chosen − r_g,rejected): the user follows the Bradley–Terry model with the rewards of their
    group, choices independent. ``rewards[g, m]``; ``chosen[t]`` and ``rejected[t]`` are numbers of alternatives;
    ``prior[g]`` (default equal). Raises ``ValueError`` for lists of unequal length or numbers out of range.

    >>> belief_after([[np.log(3), 0.0], [0.0, np.log(3)]], [0, 0, 0], [1, 1, 1]).round(4).tolist()        # 27 : 1
    [0.9643, 0.0357]
    """
    values, _ = checked(rewards, None, 1.0, 2)
    if values.ndim != 2:
        raise ValueError(f"rewards: needed one user's table [group, alternative], got shape {values.shape}")
    won, lost = (np.array(each) if np.size(each) else np.zeros(0, np.int64) for each in (chosen, rejected))
    if won.dtype.kind not in "iu" or lost.dtype.kind not in "iu":
        raise ValueError(f"needed whole numbers of alternatives, got {won.dtype} chosen and {lost.dtype} rejected")
    both = np.concatenate([won.ravel(), lost.ravel()])
    if won.ndim != 1 or won.shape != lost.shape or (both < 0).any() or (both >= values.shape[1]).any():
        raise ValueError(
            f"needed as many chosen as rejected, numbers from 0 to {values.shape[1] - 1}, got shapes {won.shape} and "
            f"{lost.shape}"
        )
    with np.errstate(divide="ignore"):
        logs = np.log(normalised(prior, len(values))) - np.logaddexp(0, values[:, lost] - values[:, won]).sum(1)
    found: Floats = np.exp(logs - np.logaddexp.reduce(logs))
    found /= found.sum()
    return found
