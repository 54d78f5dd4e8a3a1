"""Expectation and maximisation over voters: sums that add up, steps that never lower the objective, checked leaps.

A mixture has ``scores[k, m]`` and log-shares that are linear in covariates of the voter (in a constant alone where
there are none). What the data say enters through sums over voters (``Expected``), so a pass over shards of voters is a
map and an addition. The likelihood itself enters through an electorate (what a voter's ballots say of each component)
and a family (how scores answer to the sums).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import mixtures as kernels

Floats = NDArray[np.float64]


class Electorate(Protocol):
    """Voters in memory: ``times[n]`` says how often each counts, ``covariates[n, c]`` start with a column of ones."""

    @property
    def times(self) -> Floats: ...

    @property
    def covariates(self) -> Floats | None: ...

    def logs(self, scores: Floats) -> Floats:
        """The log-likelihood ``[n, k]`` of each voter's ballots at ``scores[k, m]``."""
        ...

    def tallies(self, shares: Floats, scores: Floats) -> Floats:
        """What the family needs, ``[k, …]``: sums over voters, those of component k weighted by ``shares[n, k]``."""
        ...


class Family(Protocol):
    """How the scores of a component answer to tallies that were made at ``scores``."""

    def refit(self, scores: Floats, tallies: Floats, precision: float, tolerance: float) -> Floats:
        """Scores that raise (best: maximise) the expected log-likelihood − ½·precision·‖scores‖², each mean zero."""
        ...

    def surpluses(self, tallies: Floats, scores: Floats) -> tuple[Floats, Floats]:
        """The gradient ``[k, m]`` of the expected log-likelihood, and on how many outcomes each entry stands."""
        ...


@dataclass(frozen=True, eq=False)
class Parameters:
    """``scores[k, m]``, and ``coefficients[c, k]`` of the log-shares, each row with sum zero."""

    scores: Floats
    coefficients: Floats

    def log_shares(self, covariates: Floats | None) -> Floats:
        """Logs of the shares of components: a row for each voter, or one for all without covariates."""
        linear = self.coefficients[:1] if covariates is None else covariates @ self.coefficients
        peak = linear.max(1, keepdims=True)
        return np.asarray(linear - peak - np.log(np.exp(linear - peak).sum(1, keepdims=True)), np.float64)


@dataclass(frozen=True, eq=False)
class Expected:
    """Sums over voters that a step needs; those of two shards of voters add up to those of their union.

    ``tallies[k, …]`` are the outcomes weighted by responsibility (for pairs ``[k, pair, 2]``: won and lost by the
    first), ``loglik`` the log-likelihood, ``members[k]`` the sums of responsibilities and ``voters`` how many voters.
    With covariates x, ``slope[c, k]`` = Σ x(r − π), ``bend[ck, ck]`` the information of the shares and
    ``moments[c, c]`` = Σ xxᵀ; without, these are empty.

    >>> one = Expected(np.ones((1, 1, 2)), -1.0, np.ones(1), 1.0, *[np.empty((0, 0))] * 3)
    >>> (one + one).tallies.tolist(), (one + one).loglik
    ([[[2.0, 2.0]]], -2.0)
    """

    tallies: Floats
    loglik: float
    members: Floats
    voters: float
    slope: Floats
    bend: Floats
    moments: Floats

    def __add__(self, other: Expected) -> Expected:
        return Expected(
            self.tallies + other.tallies, self.loglik + other.loglik, self.members + other.members,
            self.voters + other.voters, self.slope + other.slope, self.bend + other.bend, self.moments + other.moments,
        )  # fmt: skip


def expect(electorate: Electorate, parameters: Parameters, hard: bool = False) -> Expected:
    """The E-step over voters in memory."""
    covariates, times = electorate.covariates, electorate.times
    priors = parameters.log_shares(covariates)
    shares, each = kernels.share_out(electorate.logs(parameters.scores), priors, hard)
    shares *= times[:, None]
    slope = bend = moments = np.empty((0, 0))
    if covariates is not None and not hard:
        chance = np.exp(priors)
        weighted = covariates * times[:, None]
        slope = covariates.T @ shares - weighted.T @ chance
        moments = weighted.T @ covariates
        columns = range(len(parameters.scores))
        bend = np.block(
            [[(weighted * (chance[:, k] * ((k == j) - chance[:, j]))[:, None]).T @ covariates for j in columns]
             for k in columns]
        )  # fmt: skip
    return Expected(
        tallies=electorate.tallies(shares, parameters.scores), loglik=float(each @ times), members=shares.sum(0),
        voters=float(times.sum()), slope=slope, bend=bend, moments=moments,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Rules:
    """What is maximised, and how: the family, the priors' precisions, soft or hard assignment."""

    family: Family
    precision: float
    ridge: float
    hard: bool

    def value(self, at: Parameters, seen: Expected) -> float:
        """The objective: log-likelihood plus log-densities of the priors, less constants."""
        penalty = self.precision * float((at.scores**2).sum()) + self.ridge * float((at.coefficients[1:] ** 2).sum())
        return seen.loglik - 0.5 * penalty

    def residual(self, at: Parameters, seen: Expected) -> float:
        """The largest entry of the objective's gradient (Fisher's identity), per outcome or voter it stands on."""
        surplus, met = self.family.surpluses(seen.tallies, at.scores)
        scale = met + self.precision
        known = scale > 0
        largest = np.abs(surplus - self.precision * at.scores)[known] / scale[known]
        worst = float(largest.max(initial=0.0))
        if self.hard:
            return worst
        if not len(seen.moments):
            gap = seen.members / seen.voters - np.exp(at.log_shares(None)[0])
            return max(worst, float(np.abs(gap).max()))
        sizes = np.sqrt(np.diag(seen.moments) * seen.voters)
        slope = np.abs(seen.slope - self.penalties(at) * at.coefficients) / np.maximum(sizes, 1e-300)[:, None]
        return max(worst, float(slope.max()))

    def penalties(self, at: Parameters) -> Floats:
        """The precision of each coefficient ``[c, 1]``: none for the constant."""
        out = np.full((len(at.coefficients), 1), self.ridge)
        out[0] = 0.0
        return out

    def advance(self, at: Parameters, seen: Expected, tolerance: float = 1e-11) -> Parameters:
        """The M-step, with the scores to a tolerance on their gradient (per outcome)."""
        scores = self.family.refit(at.scores, seen.tallies, self.precision, tolerance)
        if len(seen.moments):
            return Parameters(scores, self._lean(at, seen))
        logs = np.log(np.maximum(seen.members, 1e-12 * seen.voters))
        return Parameters(scores, (logs - logs.mean())[None])

    def _lean(self, at: Parameters, seen: Expected) -> Floats:
        """One Newton step for the coefficients, shortened to what a bound on the curvature allows (Böhning 1992)."""
        rows, columns = at.coefficients.shape
        penalties = self.penalties(at)
        slope = (seen.slope - penalties * at.coefficients).T.ravel()
        ridge = np.diag(np.tile(penalties[:, 0], columns))
        even = np.kron(np.full((columns, columns), 1 / columns), seen.moments + np.diag(penalties[:, 0]))
        step = np.linalg.lstsq(seen.bend + ridge + even, slope, rcond=None)[0]
        bound = 0.5 * np.kron(np.eye(columns) - 1 / columns, seen.moments) + ridge
        rise, cost = float(slope @ step), float(step @ bound @ step)
        length = min(1.0, 1.9 * rise / cost) if cost > 0 and rise > 0 else 0.0
        moved = at.coefficients + length * step.reshape(columns, rows).T
        return np.asarray(moved - moved.mean(1, keepdims=True), np.float64)


@dataclass(frozen=True, eq=False)
class Climb:
    """Where EM came to, and how."""

    parameters: Parameters
    expected: Expected
    history: tuple[float, ...]
    converged: bool
    passes: int
    residual: float


def climb(
    start: Parameters, look: Callable[[Parameters], Expected], rules: Rules, tolerance: float, limit: int
) -> Climb:
    """EM from ``start`` until the residual meets the tolerance, or ``limit`` passes.

    With hard assignment a residual of 0 says that the scores are the best for the voters who are assigned by them: a
    round repeats itself. With soft assignment every two steps are followed by a leap along them (squared extrapolation,
    Varadhan and Roland 2008, doi:10.1111/j.1467-9469.2007.00585.x), which is taken back where the objective is lower.
    """
    here, seen = start, look(start)
    history, passes, reach = [rules.value(here, seen)], 1, 4.0
    while True:
        residual = rules.residual(here, seen)
        if residual <= tolerance or passes >= limit:
            return Climb(here, seen, tuple(history), residual <= tolerance, passes, residual)
        one = rules.advance(here, seen, _near(residual))
        seen_one = look(one)
        passes += 1
        history.append(rules.value(one, seen_one))
        residual = rules.residual(one, seen_one)
        if rules.hard or residual <= tolerance or passes >= limit:
            here, seen = one, seen_one
            continue
        two = rules.advance(one, seen_one, _near(residual))
        goal, stride = _leap(here, one, two, reach)
        seen = look(goal)
        passes += 1
        if stride > 1.0:
            if rules.value(goal, seen) >= history[-1]:
                reach = 4 * reach if stride >= reach else reach
            else:
                reach, goal, seen = max(reach / 4, 2.0), two, look(two)
                passes += 1
        here = goal
        history.append(rules.value(here, seen))


def _near(residual: float) -> float:
    """How exactly to maximise while the whole is that far from its end."""
    return max(_EXACT * residual, 1e-13)


def _leap(here: Parameters, one: Parameters, two: Parameters, reach: float) -> tuple[Parameters, float]:
    """The point of squared extrapolation, its stride kept between 1 (which is ``two`` itself) and ``reach``."""
    moves = [
        (b - a, (c - b) - (b - a))
        for a, b, c in ((getattr(here, name), getattr(one, name), getattr(two, name)) for name in _FIELDS)
    ]
    first, bend = (math.sqrt(sum(float((move[i] ** 2).sum()) for move in moves)) for i in (0, 1))
    stride = min(first / bend, reach) if bend > 0 else 1.0
    if not stride > 1.0:
        return two, 1.0
    scores, coefficients = (
        getattr(here, name) + 2 * stride * move + stride**2 * turn
        for name, (move, turn) in zip(_FIELDS, moves, strict=True)
    )
    return Parameters(scores, coefficients), stride


_EXACT = 0.01
_FIELDS = ("scores", "coefficients")
