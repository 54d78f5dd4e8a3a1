"""From voters to a fitted mixture: options, restarts, the climb, and what makes components doubtful."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from choicekit import solvers
from choicekit.kernels import mixtures as kernels
from choicekit.models import _electorates, _em
from choicekit.outcomes import no_finite_estimate
from choicekit.profiles._columns import Label

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SAME = 0.1  # log-likelihoods closer than this say the same
LEAST = 1e-6  # comparisons: a component in which less than this speaks for a win has no such win
_COINCIDE = 0.01  # root mean square difference of scores
_DIFFER = 0.25
_FEW = 1.5  # voters


@dataclass(frozen=True)
class Options:
    """The checked options of a fit."""

    name: str
    components: int
    hard: bool
    prior: float | None
    ties: _electorates.Ties
    restarts: int
    ridge: float
    sample: int
    tolerance: float
    limit: int
    rng: int | np.random.Generator

    def rules(self, family: _em.Family) -> _em.Rules:
        """What is maximised."""
        return _em.Rules(family, 0.0 if self.prior is None else 1 / self.prior, self.ridge, self.hard)


def checked(
    name: str, *, components: int, assignment: str, prior: float | None, ties: _electorates.Ties, restarts: int,
    concomitant_prior: float, sample: int, tolerance: float, limit: int, rng: int | np.random.Generator,
    concomitants: bool,
) -> Options:  # fmt: skip
    """Options that make sense, or a ``ValueError`` that says which does not."""
    for option, number in (("components", components), ("restarts", restarts), ("sample", sample), ("limit", limit)):
        if not isinstance(number, int | np.integer) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{name}: {option} must be a whole number of at least 1, got {number!r}")
    for option, value in (("prior", prior), ("concomitant_prior", concomitant_prior), ("tolerance", tolerance)):
        good = isinstance(value, int | float | np.number) and 0 < value < math.inf
        if not good and not (option == "prior" and value is None):
            hint = " or None" if option == "prior" else ""
            raise ValueError(f"{name}: {option} must be a positive number{hint}, got {value!r}")
    if assignment not in ("soft", "hard"):
        raise ValueError(f"{name}: assignment must be 'soft' or 'hard', got {assignment!r}")
    if ties not in ("half", "drop"):
        raise ValueError(f"{name}: ties must be 'half' or 'drop', got {ties!r}")
    if assignment == "hard" and concomitants:
        raise ValueError(f"{name}: hard assignment looks at no shares, so concomitants have no part in it; use 'soft'")
    return Options(
        name, int(components), assignment == "hard", prior, ties, int(restarts), 1 / concomitant_prior, int(sample),
        float(tolerance), int(limit), rng,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Source:
    """Voters to fit to, in memory or not. ``sizes[n]`` are comparisons (choices) of each, ``cells`` distinct ones."""

    alternatives: tuple[Label, ...]
    voters: tuple[Label, ...]
    family: _electorates.PairFamily | _electorates.BallotFamily
    sizes: Floats
    times: Floats
    cells: int
    columns: int
    look: Callable[[_em.Parameters], _em.Expected]
    drawn: Callable[[Ints], _electorates.PairVotes | _electorates.Ballots]
    placed: Callable[[_em.Parameters, bool], tuple[Floats, Floats]]
    parts: Callable[[Floats, Floats], list[list[int]]]


def source(
    votes: _electorates.PairVotes | _electorates.Ballots, alternatives: tuple[Label, ...], voters: tuple[Label, ...],
    hard: bool,
) -> Source:  # fmt: skip
    """A source in memory."""
    if isinstance(votes, _electorates.PairVotes):
        family: _electorates.PairFamily | _electorates.BallotFamily = votes.family
    else:
        family = _electorates.BallotFamily()

    def parts(tallies: Floats, shares: Floats) -> list[list[int]]:
        if isinstance(votes, _electorates.PairVotes):
            return votes.family.parts(tallies, LEAST)
        return votes.parts(shares * votes.times, LEAST)

    return Source(
        alternatives, voters, family, votes.sizes(), votes.times, votes.cells(),
        1 if votes.covariates is None else votes.covariates.shape[1],
        partial(_em.expect, votes, hard=hard), votes.subset, partial(placed, votes), parts,
    )  # fmt: skip


def placed(electorate: _em.Electorate, parameters: _em.Parameters, hard: bool) -> tuple[Floats, Floats]:
    """Responsibilities ``[n, k]`` and log-likelihoods ``[n]`` of voters."""
    priors = parameters.log_shares(electorate.covariates)
    return kernels.share_out(electorate.logs(parameters.scores), priors, hard)


@dataclass(frozen=True, eq=False)
class Found:
    """The best climb, components in order of falling share, and where all restarts came to."""

    parameters: _em.Parameters
    shares: Floats
    responsibilities: Floats
    each: Floats
    climb: _em.Climb
    restarts: Floats
    warnings: tuple[str, ...]


def find(source: Source, options: Options) -> Found:
    """Restarts on a sample of voters, and the climb from the best of them on all."""
    active = np.flatnonzero(source.times > 0)
    if not active.size:
        raise ValueError(f"{options.name}: no comparison is left once ties are dropped; use ties='half'")
    if options.components > active.size:
        raise ValueError(
            f"{options.name}: needed at least as many voters with comparisons as components, got {active.size} voters "
            f"for {options.components}; ask for fewer components"
        )
    rules = options.rules(source.family)
    if options.prior is None:
        pooled = _em.Parameters(np.zeros((1, len(source.alternatives))), np.zeros((source.columns, 1)))
        _refuse_infinite(source, options, source.look(pooled).tallies[0], np.ones(len(source.times)), "")
    ends = _restarted(source, options, rules, active)
    values = np.array([end.history[-1] for end in ends])
    best = ends[int(values.argmax())]
    climb = _em.climb(best.parameters, source.look, rules, options.tolerance, options.limit)
    parameters, seen = climb.parameters, climb.expected
    if options.hard:  # log-shares have no part in the rounds: those of the last assignment
        parameters = rules.advance(parameters, seen)
        parameters = _em.Parameters(climb.parameters.scores, parameters.coefficients)
    shares = seen.members / seen.voters
    order = np.argsort(-shares, kind="stable")
    parameters = _em.Parameters(parameters.scores[order], parameters.coefficients[:, order])
    soft, each = source.placed(parameters, False)
    responsibilities = source.placed(parameters, True)[0] if options.hard else soft
    if options.prior is None:
        for place, k in enumerate(order.tolist()):
            who = f"component {place} of {options.components} (share {shares[k]:.3g}): "
            _refuse_infinite(source, options, seen.tallies[k], responsibilities[:, place], who)
    alike = [end.parameters.scores for end, value in zip(ends, values, strict=True) if value >= values.max() - SAME]
    return Found(
        parameters, shares[order], responsibilities, each, climb, values,
        _doubts(source, parameters.scores, seen.members[order], alike),
    )  # fmt: skip


def _restarted(source: Source, options: Options, rules: _em.Rules, active: Ints) -> list[_em.Climb]:
    rng = np.random.default_rng(options.rng)
    rows = active
    if active.size > options.sample:
        rows = np.sort(rng.choice(active, max(options.sample, options.components), replace=False))
    electorate = source.drawn(rows)
    look = partial(_em.expect, electorate, hard=options.hard)
    one = _em.Rules(source.family, max(rules.precision, 0.01), options.ridge, False)
    begin = _em.Parameters(np.zeros((1, len(source.alternatives))), np.zeros((source.columns, 1)))
    pooled = _em.climb(begin, partial(_em.expect, electorate), one, 1e-6, 200).parameters
    tolerance, limit = max(options.tolerance, 1e-4), min(options.limit, 300)
    if options.components == 1:
        return [_em.climb(pooled, look, rules, tolerance, limit)]
    starts = (
        _electorates.seeds(
            electorate, source.family, pooled.scores[0], options.components, rules.precision, start % 2 == 0, rng
        )
        for start in range(options.restarts)
    )
    return [_em.climb(start, look, rules, tolerance, limit) for start in starts]


def _refuse_infinite(source: Source, options: Options, tallies: Floats, shares: Floats, who: str) -> None:
    parts = source.parts(tallies, shares)
    if len(parts) > 1:
        named = tuple(tuple(source.alternatives[a] for a in part) for part in parts)
        fewer = ", fewer components" if options.components > 1 else ""
        error = no_finite_estimate(named, f"a prior (prior=1.0), more comparisons{fewer}")
        error.args = (f"{options.name}: {who}{error.args[0]}",)
        raise error


def matched(a: Floats, b: Floats) -> tuple[list[tuple[int, int]], Floats]:
    """Rows of a and b put side by side so that distances add up to the least; root mean square distances."""
    distances = np.sqrt(((a[:, None] - b[None]) ** 2).mean(2))
    pairs = solvers.assignment(distances)
    return pairs, np.array([distances[pair] for pair in pairs])


def _doubts(source: Source, scores: Floats, members: Floats, alike: list[Floats]) -> tuple[str, ...]:
    """Why the components may not be what they seem: each with its cause and a way out."""
    components, size = scores.shape
    if components == 1:
        return ()
    doubts = []
    sizes = source.sizes[source.times > 0]
    ballots = isinstance(source.family, _electorates.BallotFamily)
    what = "choice" if ballots else "comparison"
    if sizes.max() <= 1:
        doubts.append(
            f"not identified: no voter makes more than one {what}, so the data are one table of probabilities that "
            f"many mixtures share; a mixture needs voters with several {what}s each"
        )
    elif not ballots and size == 2 and sizes.max() < 2 * components - 1:
        doubts.append(
            f"not identified: {components} components of one pair need voters with at least {2 * components - 1} "
            f"comparisons (Blischke 1964), the most is {sizes.max():g}; ask for fewer components"
        )
    if ballots and size < 2 * components:
        doubts.append(
            f"not identified: {components} components of rankings need at least {2 * components} alternatives (Zhao, "
            f"Piech and Xia 2016), there are {size}; ask for fewer components"
        )
    free = components * (size - 1) + (components - 1) * source.columns
    if free > source.cells:
        cells = "choices" if ballots else "cells (voter, pair) that were seen"
        doubts.append(
            f"more free parameters ({free}) than {cells} ({source.cells}): the data alone cannot "
            "hold the components; ask for fewer, or gather more"
        )
    apart = np.sqrt(((scores[:, None] - scores[None]) ** 2).mean(2))
    close = [(j, k) for k in range(components) for j in range(k) if apart[j, k] < _COINCIDE]
    if close:
        doubts.append(
            f"components {close[0][0]} and {close[0][1]} coincide (their scores differ by {apart[close[0]]:.1g}), so "
            "that how voters divide between them means nothing; ask for fewer components"
        )
    few = np.flatnonzero(members < _FEW)
    if few.size:
        doubts.append(
            f"component {few[0]} is held by {members[few[0]]:.2g} voters ({few.size} such components), too few to be a "
            "type; ask for fewer components or more restarts"
        )
    furthest = max((float(matched(alike[0], other)[1].max()) for other in alike[1:]), default=0.0)
    if furthest > _DIFFER:
        doubts.append(
            f"restarts of equal likelihood came to different components (scores differ by up to {furthest:.2g}): the "
            "data do not choose between them; ask for fewer components, or gather more comparisons a voter"
        )
    return tuple(doubts)
