"""What no policy may do, whoever would gain: norms that hold in every context they cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._norms import held
from choicekit.alignment._tabular import distribution
from choicekit.outcomes import Policy

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, init=False)
class Norm:
    """A limit on what a policy costs on average: Σ_i π_i·cost_i ≤ limit in each context that the norm covers.

    ``cost[m]`` or ``cost[x, m]`` (finite, any unit; negative costs are merits), ``limit`` in the same unit, and
    ``contexts[x]`` booleans, ``None`` for a universal norm, which covers all. The limit is met in each covered context
    by itself, not on average over contexts. Policies that maximise something take ``norms=`` and maximise it among
    the policies that meet all of them; any other policy is brought to the nearest that does by :func:`admissible`. No
    reward or weight of a group loosens a norm.

    Raises ``ValueError`` for costs or limits that are not finite numbers and contexts that are not booleans.

    >>> Norm("harm", [0.0, 1.0, 0.2], 0.1)
    Norm('harm', limit=0.1, universal)
    """

    name: str
    cost: Floats
    limit: float
    contexts: Booleans | None

    def __init__(self, name: str, cost: ArrayLike, limit: float, contexts: ArrayLike | None = None) -> None:
        values = np.array(cost, np.float64)
        if not isinstance(name, str) or not name:
            raise ValueError(f"norm: needed a name, which conflicts are reported by, got {name!r}")
        if values.ndim < 1 or 0 in values.shape or not np.isfinite(values).all():
            raise ValueError(
                f"norm {name!r}: needed a finite cost for each alternative, [m] or [x, m], got shape {values.shape}"
            )
        if not np.isfinite(limit):
            raise ValueError(f"norm {name!r}: needed a finite limit, got {limit!r}")
        covered = None if contexts is None else np.array(contexts)
        if covered is not None:
            if covered.dtype != np.bool_ or covered.ndim < 1:
                raise ValueError(
                    f"norm {name!r}: needed contexts as booleans [x], true where it holds, got {covered.dtype} of "
                    f"shape {covered.shape}"
                )
            covered.flags.writeable = False
        values.flags.writeable = False
        for field, value in (("name", name), ("cost", values), ("limit", float(limit)), ("contexts", covered)):
            object.__setattr__(self, field, value)

    def __repr__(self) -> str:
        if self.contexts is None:
            return f"Norm({self.name!r}, limit={self.limit:g}, universal)"
        return f"Norm({self.name!r}, limit={self.limit:g}, {int(self.contexts.sum())} of {self.contexts.size} contexts)"


def forbid(name: str, alternatives: ArrayLike, contexts: ArrayLike | None = None) -> Norm:
    """The norm that some alternatives are never answered: cost 1 for each of them, limit 0.

    ``alternatives[m]`` or ``alternatives[x, m]`` are booleans, true for what is forbidden; ``contexts[x]`` as in
    :class:`Norm`. For rewards whose population is not counted over alternatives (all policies but the Borda policy,
    which still counts wins against forbidden ones) this is the same as taking them out of the reference.

    >>> norm = forbid("no medical dosage", [False, True, False])
    >>> norm.cost.tolist(), norm.limit
    ([0.0, 1.0, 0.0], 0.0)
    """
    chosen = np.asarray(alternatives)
    if chosen.dtype != np.bool_:
        raise ValueError(
            f"norm {name!r}: needed booleans, true for each forbidden alternative, got {chosen.dtype}; from positions: "
            "mask = np.zeros(m, bool); mask[positions] = True"
        )
    return Norm(name, chosen.astype(np.float64), 0.0, contexts)


class Infeasible(ValueError):
    """Limits that no policy can meet together.

    ``conflict`` are the names of a smallest set of them that already cannot be met (no set of fewer can be in
    conflict), ``context`` where, an index or a tuple of them, ``None`` where the limits are on means over contexts or
    there is but one context. ``loosening`` maps each name to how much its limit would have to give way in the cheapest
    way to make them agree (the least sum of what is given way, in shares of each norm's largest distance of a cost from
    its limit).

    >>> try:
    ...     admissible([0.5, 0.5], [Norm("some", [-1, 0], -0.7), Norm("little", [1, 0], 0.4)])
    ... except Infeasible as error:
    ...     print(error.conflict, {name: round(by, 3) for name, by in error.loosening.items()})
    ('some', 'little') {'some': 0.3, 'little': 0.0}
    """

    def __init__(self, message: str, conflict: tuple[str, ...], context: Any, loosening: dict[str, float]) -> None:
        super().__init__(message)
        self.conflict = conflict
        self.context = context
        self.loosening = loosening


def admissible(policy: Policy | ArrayLike, norms: Sequence[Norm]) -> Policy:
    """The admissible policy closest to a given one: the I-projection argmin KL(π‖policy) among those that meet norms.

    It is π ∝ policy·exp(−Σ_k ν_k·cost_k) with prices ν ≥ 0, positive only for norms that bind; they come back as
    ``norm_prices[..., k]``, in nats per unit of cost (the derivative of −KL in the limit). Alternatives that the
    policy never answers stay so. Since F(π*) − F(π) = β·KL(π‖π*) for the optimum π* of a reward with a KL penalty,
    the projection of π* is the optimum among admissible policies.

    ``policy[..., m]``; norms as in :class:`Norm`. The answer meets every norm to 1e-9 of its largest distance of a
    cost from the limit. Raises :class:`Infeasible` where no policy on the given one's support does.

    Source: Csiszár 1975 (doi:10.1214/aop/1176996454).

    >>> found = admissible([0.6, 0.2, 0.2], [Norm("harm", [1, 0, 0], 0.5)])
    >>> found.probabilities.round(9).tolist(), found.norm_prices.round(6).tolist()
    ([0.5, 0.25, 0.25], [0.405465])
    """
    reference = distribution("policy", policy)
    with np.errstate(divide="ignore"):
        found, prices = held(np.log(reference), reference, norms, 1.0)
    return Policy(found, reference, norm_prices=prices)
