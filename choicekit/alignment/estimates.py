"""Gaps as estimates: from fitted rewards, with what the fit does not know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._tabular import tilt
from choicekit.alignment.gaps import gap
from choicekit.alignment.policies import rlhf_policy
from choicekit.models import _hierarchy
from choicekit.models.fit import Fit, quantile
from choicekit.models.groups import GroupFits
from choicekit.models.resampling import bootstrap
from choicekit.outcomes import Policy
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GapDraws:
    """Gaps ``draws[b, g]`` of refits to resampled data, beside ``gaps[g]``, those of the data.

    >>> GapDraws((0,), np.array([1.0]), np.array([[1.0], [2.0]])).bias.tolist()
    [0.5]
    """

    groups: tuple[Label, ...]
    gaps: Floats
    draws: Floats

    @property
    def bias(self) -> Floats:
        """By how much the draws' mean exceeds the estimate ``[g]``, and so about how much the estimate is too large.

        >>> GapDraws((0,), np.array([1.0]), np.array([[0.5], [1.0]])).bias.tolist()
        [-0.25]
        """
        return np.asarray(self.draws.mean(0) - self.gaps, np.float64)

    def interval(self, level: float = 0.95) -> Floats:
        """Intervals ``[g, 2]``: the draws' quantiles less twice the bias, cut off at 0.

        A gap of noisy rewards is too large, and that of a refit to resampled data twice as much too large; quantiles
        of the draws as they are would be too high, and at a gap of 0 never cover it. Raises ``ValueError`` unless
        0 < level < 1.

        >>> GapDraws((0,), np.array([1.0]), np.arange(101.0)[:, None] / 50).interval(0.9).round(6).tolist()
        [[0.1, 1.9]]
        """
        quantile(level)
        ends = np.quantile(self.draws, [(1 - level) / 2, (1 + level) / 2], axis=0).T
        return np.asarray(np.maximum(ends - 2 * self.bias[:, None], 0.0), np.float64)


@dataclass(frozen=True, eq=False)
class GapEstimates:
    """Each group's gap at its fitted rewards, and how well that is known.

    ``gaps[g]`` are those of the fitted rewards, in their units. ``bias[g]`` is by how much noise in the rewards makes
    them too large on average, to second order; ``covariance[g, g]`` theirs, to first order, and ``standard_errors``
    have the second order as well, which is all there is at a gap of 0. ``policy`` is the policy they are gaps of.
    ``of`` says whose gap: ``"policy"``, the one given, which is taken as it is; or ``"pooled"``, the optimum of the
    pooled reward that more of the same data would lead to.

    >>> from choicekit import domains, models
    >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
    >>> found = gap_from_fit(models.bradley_terry_by_group(votes), beta=1.0)
    >>> found.groups, found.gaps.round(2).tolist(), found.standard_errors.round(2).tolist()
    (('first', 'minority', 'second'), [0.12, 0.68, 0.1], [0.02, 0.13, 0.03])
    """

    groups: tuple[Label, ...]
    gaps: Floats
    bias: Floats
    covariance: Floats
    standard_errors: Floats
    policy: Policy
    of: str
    _problem: _Problem = field(repr=False)

    def interval(self, level: float = 0.95) -> Floats:
        """Normal intervals ``[g, 2]`` around the gaps less their bias, cut off at 0.

        They are good where the rewards' errors are small beside β, or the gap is many errors from 0. Near 0 a gap is
        no normal variable but like a sum of squares, and an interval that begins at 0 does not show that there is
        none. Raises ``ValueError`` unless 0 < level < 1.

        >>> from choicekit import domains, models
        >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
        >>> gap_from_fit(models.bradley_terry_by_group(votes), beta=1.0).interval().round(2).tolist()
        [[0.07, 0.16], [0.4, 0.91], [0.04, 0.14]]
        """
        half, middle = quantile(level) * self.standard_errors, self.gaps - self.bias
        return np.asarray(np.maximum(np.stack([middle - half, middle + half], axis=1), 0.0), np.float64)

    def bootstrap(
        self,
        replicates: int = 500,
        *,
        comparisons: Mapping[Label, Comparisons] | Sequence[Comparisons] | None = None,
        rng: int | np.random.Generator = 0,
    ) -> GapDraws:
        """Gaps of refits to data drawn anew by voter: of the groups, and of the pooled policy where gaps are its.

        Of fits by :func:`~choicekit.models.bradley_terry_by_group` as its own ``bootstrap`` has it, within groups and
        priors included. Of separate fits, each with ``comparisons`` (the data it was fitted to, in the same order or
        under the same names), by voter where they have voters and by comparison where not; replicates without a
        finite estimate are left out.

        Raises ``ValueError`` where separate fits come without their data, and where the policy is the optimum of a
        pooled fit that would have to be refitted together with separate fits: fit by group instead.

        >>> from choicekit import domains, models
        >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
        >>> found = gap_from_fit(models.bradley_terry_by_group(votes, prior=1.0, pooling=1.0), beta=1.0)
        >>> found.bootstrap(20, rng=0).draws.shape
        (20, 3)
        """
        problem, ground = self._problem, self.policy.reference
        if isinstance(problem.source, GroupFits):
            drawn: Iterator[tuple[Floats, Floats]] = iter(problem.source.bootstrap(replicates, rng=rng))
        elif self.of == "pooled":
            raise ValueError(
                "bootstrap: the pooled fit would have to be refitted to the draws of separate fits; fit them together "
                "with models.bradley_terry_by_group, or give the policy as it is"
            )
        else:
            drawn = _apart(problem, comparisons, replicates, rng)
        found = []
        for population, rewards in drawn:
            policy = rlhf_policy(population, ground, problem.beta) if self.of == "pooled" else self.policy
            found.append(gap(rewards, policy, ground, problem.beta).gaps)
        return GapDraws(self.groups, self.gaps, np.stack(found))


class _Problem(NamedTuple):
    source: GroupFits | tuple[Fit, ...]
    groups: tuple[Label, ...]
    fits: tuple[Fit, ...]
    beta: float


def gap_from_fit(
    fits: GroupFits | Mapping[Label, Fit] | Sequence[Fit],
    policy: Policy | ArrayLike | Fit | None = None,
    *,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
) -> GapEstimates:
    """Each group's alignment gap under one policy, from fitted rewards, with errors by the delta method.

    gap_g = β·log Σ ρ·e^{r_g/β} − ⟨π, r_g⟩ + β·KL(π‖ρ). Its gradient in r_g is π_g* − π, and in the pooled reward r̂ of
    which π is the optimum π∘(c − ⟨π, c⟩)/β with c = r̂ − r_g; errors are those of the fits carried through it, and the
    second derivatives give the bias, ½·tr(H·Cov), and ½·tr((H·Cov)²) of the variance.

    Parameters
    ----------
    fits : one of each group, over the same alternatives: of :func:`~choicekit.models.bradley_terry_by_group`, or fitted
        apart, which are taken as independent. The alternatives are the response set of one context; where a fit has
        several contexts' answers, set the reference to 0 for those of others.
    policy : probabilities or a Policy: what is deployed, taken as known, though it may come from the same data (to
        first order that makes no difference). A Fit: the optimum of its scores, which are uncertain too; it must be
        the fit to the comparisons of all groups together. ``None``: the population of ``bradley_terry_by_group``.
    reference, beta : of the KL penalty, as in :func:`~choicekit.alignment.gaps.gap`.

    Assumptions. Each group follows its own Bradley–Terry model and comparisons are independent given that; a fit with
    another covariance (:func:`~choicekit.models.sandwich`) brings that one, with a policy that is given. A pooled fit
    is correlated with the groups': its score equations are their sum, so that Cov(r_g, r̂) = C_g·L_g·Ĉ and Cov(r̂) =
    Ĉ(Σ L_g + 1/prior)Ĉ, with L_g the information of group g at its own rewards, and C the fits' covariances. Partially
    pooled fits have the covariances of their posterior, with the prior's variances as known; in a fit of two steps
    those of the population, as it was fitted, are carried into the groups. Shrunken rewards make gaps smaller, which
    no interval here makes good.

    Raises ``ValueError`` for fits over different alternatives or of components fitted apart, no policy where one is
    needed, and a pooled fit that is not of the groups' comparisons, or has effects or other errors.

    Sources: Chakraborty et al. 2024, arXiv:2402.08925 (the gap); the errors are the delta method's (Huber 1967 for the
    pooled fit, which is of no model the groups follow).

    >>> import choicekit as ck
    >>> from choicekit import models
    >>> votes = {"x": ck.Comparisons(["a"] * 75 + ["b"] * 25, ["b"] * 75 + ["a"] * 25)}
    >>> found = gap_from_fit({"x": models.bradley_terry(votes["x"])}, [0.5, 0.5])       # ± ¼·√(4/75), and a little
    >>> found.gaps.round(4).tolist(), found.standard_errors.round(4).tolist()
    ([0.1438], [0.0582])
    """
    problem = _problem(fits, beta)
    size = len(problem.fits[0].alternatives)
    rewards = np.stack([fit.scores for fit in problem.fits])
    pooled = problem.source.population if policy is None and isinstance(problem.source, GroupFits) else policy
    if pooled is None:
        raise ValueError("gap_from_fit: needed a policy, or the pooled fit it is made from; got neither")
    if isinstance(pooled, Fit):
        if pooled.alternatives != problem.fits[0].alternatives:
            raise ValueError("gap_from_fit: the pooled fit is over other alternatives than the groups'")
        made = rlhf_policy(pooled.scores, reference, beta)
    else:
        ground = rlhf_policy(np.zeros(size), reference, beta).reference
        made = Policy(np.array(pooled, np.float64), ground, beta)
    if made.probabilities.shape != (size,):
        raise ValueError(f"gap_from_fit: needed a policy of {size} probabilities, got {made.probabilities.shape}")
    found = gap(rewards, made, made.reference, beta)
    if not np.isfinite(found.gaps).all():
        raise ValueError("gap_from_fit: the policy answers what the reference rules out; every gap is infinite")
    behind = problem.source.population if isinstance(problem.source, GroupFits) else None
    errors = _errors(problem, pooled if isinstance(pooled, Fit) else behind)
    scores = pooled.scores if isinstance(pooled, Fit) else None
    covariance, bias, variance = _propagated(errors, rewards, scores, made, beta)
    return GapEstimates(
        problem.groups, found.gaps, bias, covariance, np.sqrt(np.maximum(variance, 0.0)), made,
        "policy" if scores is None else "pooled", problem,
    )  # fmt: skip


def _problem(fits: GroupFits | Mapping[Label, Fit] | Sequence[Fit], beta: float) -> _Problem:
    if isinstance(fits, GroupFits):
        return _Problem(fits, fits.groups, fits.fits, beta)
    each: tuple[Any, ...] = tuple(fits.values()) if isinstance(fits, Mapping) else tuple(cast(Iterable[Any], fits))
    names = tuple(fits) if isinstance(fits, Mapping) else tuple(range(len(each)))
    if not all(isinstance(fit, Fit) for fit in each):
        raise TypeError(
            "gap_from_fit: needed GroupFits, or a fit of each group as of models.bradley_terry, in a list or by group"
        )
    if not each:
        raise ValueError("gap_from_fit: needed a fit of at least one group, got none")
    if any(fit.alternatives != each[0].alternatives for fit in each):
        raise ValueError("gap_from_fit: the groups' fits are over different alternatives")
    if any(fit.components is not None and np.ptp(fit.components) > 0 for fit in each):
        raise ValueError(
            "gap_from_fit: a fit has components fitted apart, whose rewards have no common zero; fit one context alone"
        )
    return _Problem(each, names, each, beta)


class _Errors(NamedTuple):
    """r_g = own_g + S_g r̂ up to constants: Cov(own_g) and Cov(own_g, r̂) ``[g, m, m]``, S_g ``[g, m, m]``, Cov(r̂)."""

    own: Floats
    cross: Floats
    carried: Floats
    pooled: Floats

    def joint(self, g: int) -> Floats:
        """Cov of (r_g, r̂), ``[2m, 2m]``."""
        cross, carried = self.cross[g], self.carried[g]
        shared = cross @ carried.T
        own = self.own[g] + shared + shared.T + carried @ self.pooled @ carried.T
        both = cross + carried @ self.pooled
        return np.block([[own, both], [both.T, self.pooled]])


def _errors(problem: _Problem, pooled: Fit | None) -> _Errors:
    fits, size = problem.fits, len(problem.fits[0].alternatives)
    groups, none = len(fits), np.zeros((len(fits), size, size))
    if pooled is None:
        own = np.stack([fit.covariance for fit in fits])
        return _Errors(own, none, none, np.zeros((size, size)))
    source = problem.source
    if isinstance(source, GroupFits):
        if pooled is not source.population:
            raise ValueError(
                "gap_from_fit: with fits by group the pooled fit is their population; leave the policy out, or give "
                "another one as probabilities"
            )
        if source.pooling == 0:
            same = np.broadcast_to(np.eye(size), none.shape)
            return _Errors(none, none, same, pooled.covariance)
        part = pooled._likelihood
        if isinstance(part, _hierarchy.Part):
            own = np.stack([_centred(source.pooling * left) for left in part.model.shrinkage])
            return _Errors(own, none, part.model.shrinkage, pooled.covariance)
        informations = [_information(fit, source.pooling) for fit in fits]
        carried = np.stack([fit.covariance for fit in fits]) / source.pooling
    else:
        told = sum(fit.comparisons for fit in fits)
        if not np.isclose(told, pooled.comparisons, rtol=1e-9):
            raise ValueError(
                f"gap_from_fit: needed the pooled fit to be of the groups' comparisons together, {told:g} of them; got "
                f"one of {pooled.comparisons:g}. Give its policy as probabilities to take it as it is"
            )
        if any(fit.errors != "information" or fit.effects for fit in (*fits, pooled)):
            raise ValueError(
                "gap_from_fit: a pooled fit needs fits without effects whose covariances are from the information; "
                "give its policy as probabilities to take it as it is"
            )
        informations, carried = [_information(fit, fit.prior) for fit in fits], none
    shrunk = pooled.covariance
    middle = sum(informations, np.zeros((size, size))) + (0.0 if pooled.prior is None else np.eye(size) / pooled.prior)
    own = np.stack([fit.covariance for fit in fits])
    cross = np.stack([own[g] @ informations[g] @ shrunk for g in range(groups)])
    return _Errors(own, cross, carried, _centred(shrunk @ middle @ shrunk))


def _information(fit: Fit, prior: float | None) -> Floats:
    """The information of the data: the inverse of the covariance less the prior's, among vectors of mean zero."""
    size = len(fit.alternatives)
    inverse = np.linalg.pinv(fit.covariance, rcond=1e-10, hermitian=True)
    return np.asarray(inverse - (0.0 if prior is None else _centred(np.eye(size)) / prior), np.float64)


def _centred(matrix: Floats) -> Floats:
    out = matrix - matrix.mean(0) - matrix.mean(1)[:, None] + matrix.mean()
    return np.asarray(out, np.float64)


def _propagated(
    errors: _Errors, rewards: Floats, pooled: Floats | None, made: Policy, beta: float
) -> tuple[Floats, Floats, Floats]:
    """Covariance ``[g, g]`` to first order; bias and variance ``[g]`` to second order."""
    policy, groups = made.probabilities, len(rewards)
    best = tilt(rewards, made.reference, beta)
    slope = best - policy
    contrast = np.zeros_like(rewards) if pooled is None else pooled - rewards
    moved = policy * (contrast - (contrast @ policy)[:, None])  # π∘c̃
    through = np.einsum("gij,gi->gj", errors.carried, slope) + (0.0 if pooled is None else moved / beta)
    crossed = np.einsum("gij,gi->gj", errors.cross, slope) @ through.T
    covariance = np.diag(np.einsum("gi,gij,gj->g", slope, errors.own, slope))
    covariance = covariance + crossed + crossed.T + through @ errors.pooled @ through.T
    bias, variance = np.zeros(groups), np.diag(covariance).copy()
    for g in range(groups):
        own_bend, bend = (np.diag(p) - np.outer(p, p) for p in (best[g], policy))
        turned = np.diag(moved[g]) - np.outer(moved[g], policy) - np.outer(policy, moved[g])
        if pooled is None:
            product = own_bend @ errors.joint(g)[: len(policy), : len(policy)] / beta
        else:
            hessian = np.block([[own_bend, -bend], [-bend, bend + turned / beta]]) / beta
            product = hessian @ errors.joint(g)
        bias[g] = np.trace(product) / 2
        variance[g] += np.einsum("ij,ji->", product, product) / 2
    return np.asarray(covariance, np.float64), bias, variance


def _apart(
    problem: _Problem,
    comparisons: Mapping[Label, Comparisons] | Sequence[Comparisons] | None,
    replicates: int,
    rng: int | np.random.Generator,
) -> Iterator[tuple[Floats, Floats]]:
    """Rewards of separate fits, each refitted to draws from its own data."""
    if comparisons is None or len(comparisons) != len(problem.fits):
        raise ValueError(
            f"bootstrap: separate fits need comparisons, the data of each of the {len(problem.fits)} groups"
        )
    data = (
        [comparisons[name] for name in problem.groups] if isinstance(comparisons, Mapping) else list(comparisons)
    )  # fmt: skip
    drawn = []
    for fit, own, stream in zip(problem.fits, data, np.random.default_rng(rng).spawn(len(data)), strict=True):
        by_voter = own.voter is not None and len(own.voters) > 1
        draws = bootstrap(fit, own, by="voter" if by_voter else "comparison", replicates=replicates, rng=stream)
        drawn.append(draws.scores)
    kept = min(len(each) for each in drawn)
    for b in range(kept):
        yield np.zeros(0), np.stack([each[b] for each in drawn])
