"""The tilts of a reference that bargains choose among, all contexts at once or each by itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._norms import laid
from choicekit.alignment._tabular import Floats, checked, normalised
from choicekit.alignment.norms import Norm
from choicekit.kernels import agreements, tilts
from choicekit.outcomes import Policy

Codes = NDArray[np.int64]
Solved: TypeAlias = tuple[Floats, Floats, Floats, Floats, Codes]

#: Contexts that are worth a thread.
_ENOUGH = 500
#: Gains below this share of the rewards' range count as none.
NOTHING = 1e-9


class Found(NamedTuple):
    """Of each block: prices ``mu[b, g]``, norms' prices ``nu[x, k]``, the optimum's bound, gap and status ``[b]``."""

    mu: Floats
    nu: Floats
    values: Floats
    gaps: Floats
    status: Codes


class Table:
    """Rewards counted from the reference's ``[x, g, m]``, in blocks of contexts that bargain together.

    ``shift[b, g]`` is what was taken off each group's value, ``base[b, g]`` what it is counted from, ``width[b]`` the
    range of the rewards, ``default[x, m]`` the admissible policy closest to the reference. ``groups`` counts those
    that came, also after some are left out.
    """

    def __init__(
        self, rewards: ArrayLike, reference: ArrayLike | None, beta: float, context_weights: ArrayLike | None,
        joint: bool, norms: Sequence[Norm], disagreement: ArrayLike | None = None,
    ) -> None:  # fmt: skip
        values, self.ground = checked(rewards, reference, beta, 2)
        self.beta, self.joint = float(beta), joint
        self.groups, size = values.shape[-2:]
        flat = np.ascontiguousarray(values.reshape(-1, self.groups, size))
        number = len(flat)
        self.reference = np.ascontiguousarray(self.ground.reshape(number, size))
        self.rows = laid(norms, self.ground)
        self.logs = self.rows.logs(self.reference)
        self.named = len(norms) > 0
        self.rewards, levels, ranges = tilts.counted(flat, self.reference)
        weights = normalised(context_weights, number)
        # rewards far smaller than beta move nothing that rounding would leave to see
        if joint:
            self.starts, self.contexts = np.array([0, number]), weights
            self.shift = (weights @ levels)[None]
            self.width = np.maximum(ranges.max(keepdims=True), 1e-5 * beta)
        else:
            self.starts, self.contexts = np.arange(number + 1), np.ones(number)
            self.shift, self.width = levels, np.maximum(ranges, 1e-5 * beta)
        self.base = self._base(disagreement)

    def _base(self, disagreement: ArrayLike | None) -> Floats:
        groups, blocks = self.groups, len(self.starts) - 1
        self.default, self.given = self.reference, disagreement is not None
        if self.named:
            self.default = tilts.projected(self.logs, self.rows.slacks)[0]
        if disagreement is None:
            return self.gained(self.default) if self.named else np.zeros((blocks, groups))
        base = np.asarray(disagreement, np.float64)
        leading = self.ground.shape[:-1]
        shapes = ((groups,),) if self.joint else ((groups,), (*leading, groups))
        if base.shape not in shapes or not np.isfinite(base).all():
            raise ValueError(
                f"disagreement: needed a finite value for each of {groups} groups"
                f"{'' if self.joint else ', or for each in each context'}, got shape {base.shape}"
            )
        found: Floats = np.ascontiguousarray(base.reshape(-1, groups) - self.shift)
        return found

    def gained(self, policy: Floats) -> Floats:
        """F_g(π) − F_g(ρ) of a policy ``[x, m]``, ``[b, g]``."""
        return agreements.averages(
            self.rewards, self.reference, self.contexts, np.ascontiguousarray(policy), self.starts, self.beta
        )

    def narrowed(self, groups: Codes) -> None:
        """Go on with some groups only."""
        self.rewards = np.take(self.rewards, groups, axis=1)
        self.base, self.shift = np.take(self.base, groups, axis=1), np.take(self.shift, groups, axis=1)

    def bounds(
        self, scale: Floats, width: Floats, tolerance: float, *, offset: int = -1, homogeneous: bool = True
    ) -> Found:
        """max t with F_g ≥ d_g + t·scale_g, or (``offset``) max F_offset with F_g ≥ d_g for the others."""
        return self._apart(
            lambda part, starts, slacks: agreements.bounds(
                starts, self.rewards[part], self.logs[part], self.contexts[part], slacks, self.base[self._blocks(part)],
                scale[self._blocks(part)], width[self._blocks(part)], self.width[self._blocks(part)], offset,
                homogeneous, self.beta, tolerance,
            )
        )  # fmt: skip

    def powers(self, shares: Floats, power: float, tolerance: float) -> Found:
        """max of the power mean of the gains."""
        return self._apart(
            lambda part, starts, slacks: agreements.powers(
                starts, self.rewards[part], self.logs[part], self.contexts[part], slacks, self.base[self._blocks(part)],
                shares, power, self.width[self._blocks(part)], self.beta, tolerance,
            )
        )  # fmt: skip

    def _blocks(self, part: slice) -> slice:
        return slice(None) if self.joint else part

    def _apart(self, kernel: Callable[[slice, Codes, Floats], Solved]) -> Found:
        """Blocks on threads, where there are many."""
        number, slacks = len(self.rewards), self.rows.slacks

        def one(part: slice) -> Solved:
            starts = self.starts if self.joint else np.arange(part.stop - part.start + 1)
            return kernel(part, starts, slacks[part] if len(slacks) > 1 else slacks)

        threads = 1 if self.joint else min(len(os.sched_getaffinity(0)), 1 + number // _ENOUGH)
        if threads == 1:
            return Found(*one(slice(0, number)))
        edges = np.linspace(0, number, 8 * threads + 1).astype(np.int64).tolist()
        parts = [slice(low, high) for low, high in pairwise(edges)]
        one(slice(0, 1))  # compiled once, before threads
        with ThreadPoolExecutor(threads) as pool:
            every: Any = zip(*pool.map(one, parts), strict=True)
            return Found(*map(np.concatenate, every))

    def policies(self, found: Found) -> tuple[Floats, Floats]:
        """π ``[x, m]`` of the prices found, and the norms' prices at them."""
        total = found.mu.sum(-1, keepdims=True)
        return agreements.answers(
            self.rewards, self.logs, self.rows.slacks, found.nu, np.ascontiguousarray(found.mu / total), self.beta
        )

    def penalised_once(self, found: Found) -> tuple[Floats, Floats]:
        """π ∝ ρ·exp(Σ μ_g r_g/β) and the norms' prices, where all share one penalty."""
        return agreements.answers(self.rewards, self.logs, self.rows.slacks, found.nu, found.mu, self.beta)

    def slackest(self, chosen: list[int], scale: Floats) -> tuple[float, bool]:
        """The best common slack of some floors in units of ``scale[g]``, and whether it is proved to be negative.

        By policies of a small penalty β, which can hide at most β·max −log ρ.
        """
        part = copy(self)
        part.width = np.ones(1)
        part.narrowed(np.array(chosen))
        part.base = part.base / scale[chosen]
        part.rewards = np.ascontiguousarray(part.rewards / scale[chosen][:, None])
        hidden = -float(np.log(self.reference[self.reference > 0].min()))
        one, best, least = np.ones_like(part.base), -np.inf, np.inf
        for beta in (1e-2, 1e-4, 1e-6):
            part.beta = beta
            found = part.bounds(one, one[0, :1], 1e-7, homogeneous=False)
            means = np.einsum("x,xm,xkm->k", part.contexts, part.penalised_once(found)[0], part.rewards)
            best = max(best, float((means - part.base[0]).min()))
            least = min(least, float(found.values[0]) + beta * hidden)
            if best >= 0:
                break
        return best, least < 0

    def answer(
        self, probabilities: Floats, multipliers: Floats | None, gap: float | None, nu: Floats, unit: Floats
    ) -> Policy:
        """``probabilities[x, m]``, ``multipliers[b, g]``; ``unit[b]`` turns prices of norms into the objective's."""
        leading = self.ground.shape[:-1]
        if multipliers is not None:
            groups = multipliers.shape[-1]
            multipliers = multipliers[0] if self.joint else multipliers.reshape(*leading, groups)
        prices = None
        if self.named:
            weight = self.beta * (np.full(len(nu), unit[0]) if self.joint else unit)
            prices = self.rows.prices(nu, weight[:, None], leading)
        return Policy(probabilities.reshape(self.ground.shape), self.ground, self.beta, multipliers, gap, prices)
