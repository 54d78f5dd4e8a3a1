"""Mixtures of comparisons that do not fit into memory: shards of voters, read again in every pass."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from choicekit.models import _electorates, _em, _mixing, mixtures
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label
from choicekit.profiles.counts import PairCounts, union
from choicekit.shards import reduce

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Shard = Callable[[], PairCounts | Comparisons] | PairCounts | Comparisons | str | os.PathLike[str]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Plan:
    """What all shards of voters have in common: ``alternatives``, and ``keys``, the pairs that met in any of them.

    A pair of codes low < high is the key low·m + high; keys are sorted. ``concomitants`` is a mapping from voter to
    vector, or ``None``.

    >>> Plan(("a", "b"), np.array([1])).hard
    False
    """

    alternatives: tuple[Label, ...]
    keys: Ints
    ties: _electorates.Ties = "half"
    concomitants: Mapping[Any, Any] | None = None
    hard: bool = False


def expected(parameters: _em.Parameters, counts: PairCounts | Comparisons, *, plan: Plan) -> _em.Expected:
    """The E-step over one shard of voters: sums that add up over shards, ``expected(…) + expected(…)``.

    >>> votes = Comparisons(["a", "a", "b"], ["b", "b", "a"], voter=[0, 1, 1])
    >>> at = _em.Parameters(np.zeros((2, 2)), np.zeros((1, 2)))
    >>> seen = expected(at, votes.counts("voter"), plan=Plan(("a", "b"), np.array([1])))
    >>> seen.tallies.tolist(), seen.members.tolist()        # half of everything in each of two equal components
    ([[[1.0, 0.5]], [[1.0, 0.5]]], [1.0, 1.0])
    """
    return _em.expect(_votes(plan, counts), parameters, plan.hard)


def mixture_of_shards(
    shards: Sequence[Shard],
    *,
    components: int,
    assignment: mixtures.Assignment = "soft",
    prior: float | None = 1.0,
    ties: _electorates.Ties = "half",
    restarts: int = 10,
    concomitants: Mapping[Any, Any] | None = None,
    concomitant_prior: float = 100.0,
    sample: int = 10_000,
    tolerance: float = 1e-6,
    limit: int = 2_000,
    rng: int | np.random.Generator = 0,
    executor: Any = None,
) -> mixtures.Mixture:
    """A mixture of Bradley–Terry models of data that do not fit into memory.

    ``shards`` are the comparisons of some voters each, no voter in two of them: paths of saved counts by voter
    (:meth:`PairCounts.save`), functions that read and return counts or comparisons, or these themselves. Every pass
    reads each of them once and keeps nothing of it but sums, which :func:`choicekit.statistics.reduce` adds up:
    ``executor`` is as there (threads by default; processes, joblib, Dask, Ray and Spark). Memory: the shards being
    read, plus the responsibilities ``[n, k]`` and the restarts' ``sample`` of voters. Everything else is as in
    :func:`mixture`, and so is the result.

    Raises ``ValueError`` too where there are no shards, or two of them share a voter.

    >>> left = Comparisons(["a", "b"] * 6, ["b", "a"] * 6, voter=["v", "w"] * 6)
    >>> right = Comparisons(["a", "b"] * 6, ["b", "a"] * 6, voter=["x", "y"] * 6)
    >>> fit = mixture_of_shards([lambda: left.counts("voter"), lambda: right.counts("voter")], components=2)
    >>> fit.voters, fit.shares.round(2).tolist()
    (('v', 'w', 'x', 'y'), [0.5, 0.5])
    """
    options = _mixing.checked(
        "mixture_of_shards", components=components, assignment=assignment, prior=prior, ties=ties, restarts=restarts,
        concomitant_prior=concomitant_prior, sample=sample, tolerance=tolerance, limit=limit, rng=rng,
        concomitants=concomitants is not None,
    )  # fmt: skip
    if concomitants is not None and not isinstance(concomitants, Mapping):
        raise TypeError("concomitants: shards need a mapping from voter to vector, an array has no order to follow")
    if not shards:
        raise ValueError("mixture_of_shards: needed at least one shard, got none")

    def each(function: Callable[[T], R], pieces: Sequence[T]) -> list[R]:
        return reduce(pieces, partial(_alone, function), executor=executor)

    alternatives = union([label for labels in each(_labels, shards) for label in labels])
    surveys = each(partial(_survey, alternatives, ties), shards)
    plan = _plan(alternatives, surveys, ties, concomitants, options.hard)
    ends = np.cumsum([len(survey.voters) for survey in surveys])

    def drawn(rows: Ints) -> _electorates.PairVotes:
        wanted = np.split(rows, np.searchsorted(rows, ends[:-1]))
        own = [part - (end - len(survey.voters)) for part, end, survey in zip(wanted, ends, surveys, strict=True)]
        return _electorates.joined(each(partial(_drawn, plan), list(zip(shards, own, strict=True))))

    def look(parameters: _em.Parameters) -> _em.Expected:
        return reduce(shards, partial(_seen, plan, parameters), executor=executor)

    def placed(parameters: _em.Parameters, hard: bool) -> tuple[Floats, Floats]:
        found = each(partial(_placed, plan, parameters, hard), shards)
        return np.concatenate([part[0] for part in found]), np.concatenate([part[1] for part in found])

    size = len(alternatives)
    family = _electorates.PairFamily(plan.keys // size, plan.keys % size, size)
    sizes = np.concatenate([survey.sizes for survey in surveys])
    source = _mixing.Source(
        alternatives=alternatives, voters=tuple(voter for survey in surveys for voter in survey.voters),
        family=family, sizes=sizes, times=(sizes > 0).astype(np.float64), cells=sum(s.cells for s in surveys),
        columns=1 + np.size(next(iter(concomitants.values()))) if concomitants else 1,
        look=look, drawn=drawn, placed=placed, parts=lambda tallies, _: family.parts(tallies, _mixing.LEAST),
    )  # fmt: skip
    return mixtures.announced(mixtures.fit(source, options), options.name)


@dataclass(frozen=True, eq=False)
class _Survey:
    """What the first pass learns of a shard."""

    voters: tuple[Label, ...]
    keys: Ints
    sizes: Floats
    cells: int


def _alone(function: Callable[[T], R], piece: T) -> list[R]:
    """In a list of its own, since lists are joined where sums are taken."""
    return [function(piece)]


def _read(shard: Shard) -> PairCounts | Comparisons:
    if isinstance(shard, PairCounts | Comparisons):
        return shard
    return PairCounts.load(shard) if isinstance(shard, str | os.PathLike) else shard()


def _labels(shard: Shard) -> tuple[Label, ...]:
    return _read(shard).alternatives


def _survey(alternatives: tuple[Label, ...], ties: _electorates.Ties, shard: Shard) -> _Survey:
    counts = _read(shard)
    keys = _electorates.pair_keys(counts, alternatives)
    rows = _present(counts)
    votes = _electorates.pair_votes(counts, alternatives, keys, ties, None, rows)
    voters = counts.voters if rows is None else tuple(counts.voters[row] for row in rows.tolist())
    return _Survey(voters, keys, votes.sizes(), votes.cells())


def _present(counts: PairCounts | Comparisons) -> Ints | None:
    """The voters who have a cell in the shard, ``None`` where all its voters do."""
    if counts.voter is None:
        return None
    rows = np.flatnonzero(np.bincount(counts.voter, minlength=len(counts.voters)))
    return None if len(rows) == len(counts.voters) else rows


def _plan(
    alternatives: tuple[Label, ...], surveys: list[_Survey], ties: _electorates.Ties,
    concomitants: Mapping[Any, Any] | None, hard: bool,
) -> Plan:  # fmt: skip
    several = sum(len(survey.voters) for survey in surveys) - len({v for survey in surveys for v in survey.voters})
    if several:
        raise ValueError(
            f"mixture_of_shards: {several} voters stand in more than one shard; partition the comparisons by voter"
        )
    return Plan(alternatives, np.unique(np.concatenate([s.keys for s in surveys])), ties, concomitants, hard)


def _votes(plan: Plan, counts: PairCounts | Comparisons) -> _electorates.PairVotes:
    rows = _present(counts)
    return _electorates.pair_votes(counts, plan.alternatives, plan.keys, plan.ties, plan.concomitants, rows)


def _seen(plan: Plan, parameters: _em.Parameters, shard: Shard) -> _em.Expected:
    return expected(parameters, _read(shard), plan=plan)


def _drawn(plan: Plan, piece: tuple[Shard, Ints]) -> _electorates.PairVotes:
    return _votes(plan, _read(piece[0])).subset(piece[1])


def _placed(plan: Plan, parameters: _em.Parameters, hard: bool, shard: Shard) -> tuple[Floats, Floats]:
    return _mixing.placed(_votes(plan, _read(shard)), parameters, hard)
