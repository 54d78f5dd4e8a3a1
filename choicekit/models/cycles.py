"""How intransitive a population is: comparisons split into what scores explain and what goes in circles."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from choicekit import graphs
from choicekit.kernels import cycles as kernels
from choicekit.models.luce import bradley_terry
from choicekit.outcomes import NotConverged
from choicekit.profiles import Comparisons, PairCounts
from choicekit.profiles._columns import Label, frozen

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_TOLERANCE = 1e-10
_LIMIT = 20_000
_LARGEST = 5_000


@dataclass(frozen=True)
class CyclicTriangle:
    """Three alternatives around which preferences go: the first over the second, that over the third, and back.

    ``flows`` are the log-odds of the three steps (one may be negative: a triangle can be cyclic in part), ``curl`` is
    their sum, and ``error`` its standard error.

    >>> CyclicTriangle(("rock", "scissors", "paper"), (1.0, 1.0, 1.0), 3.0, 0.5).curl
    3.0
    """

    alternatives: tuple[Label, Label, Label]
    flows: tuple[float, float, float]
    curl: float
    error: float


@dataclass(frozen=True, eq=False)
class Hodge:
    """Log-odds of the pairs that met, split: ``flow`` = gradient + ``curl`` + ``harmonic``, one number an edge.

    The edge e goes from alternative ``first[e]`` to ``second[e]``; its ``flow`` is the log-odds of the first, its
    ``weight`` the number of comparisons. The gradient is ``potential[first] − potential[second]``; ``curl`` goes around
    triangles; ``harmonic`` goes around longer cycles that triangles do not fill. The three are orthogonal in
    Σ weight·flow², and ``consistent``, ``curl_share`` and ``harmonic_share`` are their parts of it, which sum to 1 (NaN
    where every flow is 0).

    Sampling noise alone makes cycles. ``noise[replicates]`` is the cyclic part of data drawn from a Bradley–Terry
    model, which has no cycles at all, with as many comparisons, relative to Σ weight·flow² of the real data;
    ``noise_share`` is its mean, ``p_value`` the share of such data that are as cyclic as the real ones, and
    ``debiased_share`` the cyclic share once what noise adds to both parts is taken off, at least 0.

    >>> import choicekit as ck
    >>> game = ck.Comparisons(["rock", "scissors", "paper"] * 30, ["scissors", "paper", "rock"] * 30)
    >>> found = hodge(game)
    >>> round(found.cyclic_share, 9), found.noise_share < 0.01, found.p_value < 0.01
    (1.0, True, True)
    """

    alternatives: tuple[Label, ...]
    first: Ints
    second: Ints
    flow: Floats
    weight: Floats
    potential: Floats
    curl: Floats
    harmonic: Floats
    consistent: float
    curl_share: float
    harmonic_share: float
    noise: Floats
    noise_share: float
    debiased_share: float
    p_value: float
    _variance: Floats = field(repr=False)

    @property
    def gradient(self) -> Floats:
        """The consistent part of the flow: differences of the potential.

        >>> import choicekit as ck
        >>> hodge(ck.Comparisons(["a"] * 3 + ["b"], ["b"] * 3 + ["a"]), replicates=0).gradient.round(4).tolist()
        [0.8473]
        """
        found: Floats = self.potential[self.first] - self.potential[self.second]
        return found

    @property
    def cyclic_share(self) -> float:
        """The share of what scores do not explain: around triangles and around longer cycles.

        >>> import choicekit as ck
        >>> hodge(ck.Comparisons(["a"] * 3 + ["b"], ["b"] * 3 + ["a"]), replicates=0).cyclic_share
        0.0
        """
        return self.curl_share + self.harmonic_share

    def triangles(self, count: int = 10) -> tuple[CyclicTriangle, ...]:
        """The triangles whose curl is the most standard errors away from 0, the clearest first: ``count`` at most.

        Raises ``ValueError`` for a count below 1.

        >>> import choicekit as ck
        >>> game = ck.Comparisons(["rock", "scissors", "paper"] * 30, ["scissors", "paper", "rock"] * 30)
        >>> hodge(game, replicates=0).triangles()[0].alternatives
        ('paper', 'rock', 'scissors')
        """
        if count < 1:
            raise ValueError(f"triangles: count must be at least 1, got {count}")
        start = _starts(self.first, len(self.alternatives))
        found = []
        for edges, curl, error in zip(
            *kernels.largest_curls(start, self.second, self.flow, self._variance, count), strict=True
        ):
            ij, jk, ik = edges.tolist()
            i, j, k = int(self.first[ij]), int(self.second[ij]), int(self.second[jk])
            steps = (float(self.flow[ij]), float(self.flow[jk]), -float(self.flow[ik]))
            if curl < 0:
                j, k, steps = k, j, (-steps[2], -steps[1], -steps[0])
            named = (self.alternatives[i], self.alternatives[j], self.alternatives[k])
            found.append(CyclicTriangle(named, steps, abs(float(curl)), float(error)))
        return tuple(found)


def hodge(
    data: Comparisons | PairCounts,
    *,
    pseudo: float = 0.5,
    ties: Literal["half", "drop"] = "half",
    replicates: int = 200,
    rng: int | np.random.Generator | None = 0,
) -> Hodge:
    """Split the log-odds of all pairs into a consistent and a cyclic part, and compare the cyclic one with noise.

    The flow of a pair is log((won + ``pseudo``) / (lost + ``pseudo``)), finite where one side won every time. Its
    weight is the number of comparisons. The potential minimises Σ weight·(flow − potential_first + potential_second)²;
    with a Bradley–Terry population and many comparisons it tends to the scores, and nothing is left. What is left is
    projected on the flows around triangles; the rest is harmonic.

    The comparison with noise draws ``replicates`` data sets from the Bradley–Terry fit to the decided comparisons
    (with ``pseudo`` wins added each way where it has no finite maximum), each pair compared and tied as often as it
    was. With 0 replicates ``noise_share``, ``debiased_share`` and ``p_value`` are NaN.

    Parameters
    ----------
    pseudo : wins added to each side of each pair; 0 where no pair went one way only.
    ties : ``"half"`` counts a tie as half a win each way, ``"drop"`` leaves ties out.
    rng : draws the replicates.

    Raises ``ValueError`` for a negative ``pseudo``, an infinite flow, negative ``replicates``, no comparison left,
    weights that are not whole numbers (unless ``replicates`` is 0), and more than 5,000 alternatives;
    ``NotConverged`` should the projection stop early.

    Source: Jiang, Lim, Yao and Ye 2011 (doi:10.1007/s10107-010-0419-x).

    >>> import choicekit as ck
    >>> winners, losers = [*"ab" * 20, *"bc" * 20, *"a" * 35, *"c" * 5], [*"ba" * 20, *"cb" * 20, *"c" * 35, *"a" * 5]
    >>> found = hodge(ck.Comparisons(winners, losers))              # a and b level, b and c too, but a far above c
    >>> round(found.consistent, 3), round(found.cyclic_share, 3), found.p_value < 0.05
    (0.667, 0.333, True)
    >>> (found.potential[0] - found.potential).round(4).tolist()    # 2/3 of log(35.5 / 5.5) to c
    [0.0, 0.6216, 1.2432]
    """
    if not 0 <= pseudo < math.inf:
        raise ValueError(f"hodge: pseudo must be a number of at least 0, got {pseudo!r}")
    if replicates < 0:
        raise ValueError(f"hodge: replicates must be at least 0, got {replicates}")
    pairs = _pairs(data, ties)
    size = len(pairs.alternatives)
    if size > _LARGEST:
        raise ValueError(f"hodge: {size} alternatives need a dense {size} × {size} matrix; the limit is {_LARGEST}")
    first, second = pairs.first.astype(np.int64), pairs.second.astype(np.int64)
    tied = pairs.tied / 2 + pseudo
    up, down = pairs.won + tied, pairs.lost + tied
    if not (np.minimum(up, down) > 0).all():
        at = int(np.argmin(np.minimum(up, down)))
        raise ValueError(
            f"hodge: {pairs.alternatives[first[at]]!r} and {pairs.alternatives[second[at]]!r} went one way only, so "
            "their log-odds are infinite; pass pseudo=0.5"
        )
    flow, weight = np.log(up) - np.log(down), np.asarray(pairs.won + pairs.lost + pairs.tied, np.float64)
    solve = _Solver(first, second, weight, size)
    potential = solve.potential(flow)
    left = flow - (potential[first] - potential[second])
    harmonic = _harmonic(first, second, weight, left, size)
    norms = [float((weight * part**2).sum()) for part in (flow - left, left - harmonic, harmonic)]
    total = sum(norms) or math.nan
    noise, spare = _noise(pairs, solve, pseudo, replicates, np.random.default_rng(rng))
    cyclic = norms[1] + norms[2]
    larger = float((noise >= cyclic * (1 - 1e-12)).sum())
    kept = max(cyclic - spare[1], 0.0), max(norms[0] - spare[0], 0.0)
    return Hodge(
        alternatives=pairs.alternatives, first=frozen(first), second=frozen(second), flow=frozen(flow),
        weight=frozen(weight), potential=frozen(potential), curl=frozen(left - harmonic), harmonic=frozen(harmonic),
        consistent=norms[0] / total, curl_share=norms[1] / total, harmonic_share=norms[2] / total,
        noise=frozen(noise / total), noise_share=float(noise.mean() / total) if replicates else math.nan,
        debiased_share=kept[0] / (sum(kept) or math.nan) if replicates else math.nan,
        p_value=(1 + larger) / (1 + replicates) if replicates and not math.isnan(total) else math.nan,
        _variance=1 / up + 1 / down,
    )  # fmt: skip


class _Solver:
    """Weighted least squares on a comparison graph: potentials with mean zero in each connected part."""

    def __init__(self, first: Ints, second: Ints, weight: Floats, size: int) -> None:
        self.first, self.second, self.weight, self.size = first, second, weight, size
        laplacian = np.zeros((size, size))
        laplacian[first, second] = laplacian[second, first] = -weight
        diagonal = -laplacian.sum(1)
        _, part = graphs.components(first, second, size, strong=False)
        # Each part's constant vector gets a curvature of its own, like the others', and the divergence has none of it.
        scale = float(diagonal.sum()) / size
        laplacian[part[:, None] == part] += scale / size
        laplacian[np.diag_indices(size)] += diagonal
        self.inverse = np.linalg.inv(laplacian)

    def divergence(self, flow: Floats) -> Floats:
        pull = self.weight * flow
        return np.asarray(
            np.bincount(self.first, pull, self.size) - np.bincount(self.second, pull, self.size), np.float64
        )

    def potential(self, flow: Floats) -> Floats:
        return np.asarray(self.inverse @ self.divergence(flow), np.float64)

    def energies(self, flow: Floats) -> tuple[float, float]:
        """Σ weight·part² of the consistent part and of the rest."""
        divergence = self.divergence(flow)
        consistent = float(divergence @ self.inverse @ divergence)
        return consistent, max(float((self.weight * flow**2).sum()) - consistent, 0.0)


def _pairs(data: Comparisons | PairCounts, ties: str) -> PairCounts:
    """One cell a pair."""
    if ties not in ("half", "drop"):
        raise ValueError(f"hodge: ties must be 'half' or 'drop', got {ties!r}")
    counts = data.counts() if isinstance(data, Comparisons) else data
    if counts.by:
        size = len(counts.alternatives)
        key, cell = np.unique(counts.first.astype(np.int64) * size + counts.second, return_inverse=True)
        won, lost, tied = (
            np.bincount(cell, part, len(key)).astype(part.dtype) for part in (counts.won, counts.lost, counts.tied)
        )
        counts = PairCounts(counts.alternatives, key // size, key % size, won, lost, tied)
    if ties == "half":
        met = counts
    else:
        decided = np.flatnonzero(counts.won + counts.lost > 0)
        met = PairCounts(
            counts.alternatives, counts.first[decided], counts.second[decided], counts.won[decided],
            counts.lost[decided], np.zeros_like(counts.tied[decided]),
        )  # fmt: skip
    if not len(met):
        raise ValueError("hodge: no comparison is left" + (" once ties are dropped" if ties == "drop" else ""))
    return met


def _starts(first: Ints, size: int) -> Ints:
    return np.searchsorted(first, np.arange(size + 1)).astype(np.int64)


def _harmonic(first: Ints, second: Ints, weight: Floats, left: Floats, size: int) -> Floats:
    """The part of a flow without divergence that goes around no triangle."""
    if len(first) == size * (size - 1) // 2:
        return np.zeros(len(left))  # every cycle of a complete graph is filled with triangles
    found, iterations, residual = kernels.without_curl(_starts(first, size), second, weight, left, _TOLERANCE, _LIMIT)
    if residual > 1e-6:
        raise NotConverged(
            f"hodge: the projection on triangles left a curl of {residual:.1e} of the first after {iterations} steps",
            found,
        )
    return np.asarray(found, np.float64)


def _noise(
    pairs: PairCounts, solve: _Solver, pseudo: float, replicates: int, rng: np.random.Generator
) -> tuple[Floats, tuple[float, float]]:
    """The cyclic part of data from the Bradley–Terry fit, and what noise adds to both parts on average."""
    if not replicates:
        return np.zeros(0), (math.nan, math.nan)
    if pairs.won.dtype.kind != "i":
        raise ValueError(
            "hodge: needed whole counts to draw such counts again; with fractional weights pass replicates=0"
        )
    chance = _consistent_chances(pairs, pseudo)
    decided = (pairs.won + pairs.lost).astype(np.int64)
    tied = pairs.tied / 2 + pseudo

    def flow(won: NDArray[Any]) -> Floats:
        # without pseudo wins a replicate may go one way only; half a win stands in
        spare = 0.5 if not pseudo else 0.0
        low, high = won + tied, decided - won + tied
        return np.asarray(np.log(np.maximum(low, spare)) - np.log(np.maximum(high, spare)), np.float64)

    found = np.array([solve.energies(flow(rng.binomial(decided, chance))) for _ in range(replicates)])
    truth = solve.energies(flow(decided * chance))
    return found[:, 1].copy(), (float(found[:, 0].mean() - truth[0]), float(found[:, 1].mean()))


def _consistent_chances(pairs: PairCounts, pseudo: float) -> Floats:
    """P(first over second) under the Bradley–Terry fit to the decided comparisons, smoothed where it has no maximum."""
    size = len(pairs.alternatives)
    first, second = pairs.first.astype(np.int64), pairs.second.astype(np.int64)
    up, down = pairs.won > 0, pairs.lost > 0
    ways = np.concatenate([first[up], second[down]]), np.concatenate([second[up], first[down]])
    # Where every edge lies within a strongly connected part, each part has a finite maximum of its own.
    _, strong = graphs.components(*ways, size, strong=True)
    if (strong[first] == strong[second]).all():
        decided = replace(pairs, tied=np.zeros_like(pairs.tied))
    else:
        extra = pseudo or 0.5
        decided = replace(pairs, won=pairs.won + extra, lost=pairs.lost + extra, tied=np.zeros(len(pairs)))
    kept = np.flatnonzero(decided.won + decided.lost > 0)
    fit = bradley_terry(
        PairCounts(pairs.alternatives, decided.first[kept], decided.second[kept], decided.won[kept],
                   decided.lost[kept], decided.tied[kept]),
        parts="separate", tolerance=1e-9,
    )  # fmt: skip
    gap = fit.scores[first] - fit.scores[second]
    return np.asarray(1 / (1 + np.exp(-gap)), np.float64)
