"""Rankings as stages of choice: counted once, with the likelihood they give, and whether it has a finite maximum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from graphlib import TopologicalSorter

import numpy as np
from numpy.typing import NDArray

from choicekit import graphs
from choicekit.kernels import stages as kernels
from choicekit.kernels import tied_stages
from choicekit.outcomes import NoFiniteEstimate, no_finite_estimate
from choicekit.profiles import Rankings
from choicekit.profiles._columns import Label, short
from choicekit.solvers import linear_program

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_WAYS_OUT = "a prior (prior=1.0), more rankings across them, or one component alone"
_ROUNDS = 100


@dataclass(frozen=True, eq=False)
class Stages:
    """Distinct ballots that hold a choice, and what they say altogether.

    ``order, level, begin, rest`` are as in :mod:`choicekit.kernels.stages`, ``weight[b]`` that of a ballot. ``sizes``
    are 1 and the sizes of tied sets there were. ``observed[m + q]``: how often each was chosen (a share of a tie), and
    how often each larger size was; ``met[m + q]``: how often they could have been. ``most[k]``: the largest number of
    alternatives that k were chosen from. ``total`` is the number of stages. All are weighted.
    """

    order: Ints
    level: Ints
    begin: Ints
    weight: Floats
    rest: NDArray[np.bool_]
    sizes: Ints
    observed: Floats
    met: Floats
    most: Ints
    total: float

    @property
    def size(self) -> int:
        return len(self.observed) - len(self.sizes) + 1

    @property
    def by_products(self) -> bool:
        """Whether the information is put together from its products with each unit vector."""
        return len(self.sizes) > 1 and bool(self.rest.any())

    def evaluate(self, at: Floats, along: Floats | None = None) -> tuple[float, Floats, Floats, Floats]:
        """At scores and logs ``at[m + q]``: the log-likelihood, its gradient, an upper bound on the diagonal of the
        information, and the information times ``along[m + q]``."""
        size = self.size
        scores = at[:size] - at[:size].max()
        along = np.zeros(len(at)) if along is None else along
        linear = float(self.observed[:size] @ scores + self.observed[size:] @ at[size:])
        if len(self.sizes) == 1:
            mass, expected, diagonal, product = kernels.strict(
                self.order, self.begin, self.weight, self.rest, scores, along
            )
            return linear - mass, self.observed - expected, diagonal, product
        mass, chosen, counts = tied_stages.tied(
            self.order, self.level, self.begin, self.weight, self.rest, scores, self.sizes, logs(at, size),
            along[:size], logs(along, size),
        )  # fmt: skip
        expected, product = np.concatenate([chosen, counts[:, 1:]], axis=1)
        return linear - mass, self.observed - expected, expected, product

    def information(self, at: Floats) -> Floats:
        """The negative Hessian ``[m + q, m + q]`` of the log-likelihood; the same expected and observed."""
        size = self.size
        scores = at[:size] - at[:size].max()
        if len(self.sizes) == 1:
            return kernels.strict_hessian(self.order, self.begin, self.weight, self.rest, scores)
        found = tied_stages.tied_hessian(
            self.order, self.level, self.begin, self.weight, self.rest, scores, self.sizes, logs(at, size)
        )
        kept = np.delete(np.arange(len(found)), size)
        return found[np.ix_(kept, kept)]

    def guess(self) -> Floats:
        """log δ of the larger sizes that makes ties about as frequent as they were, were all scores equal."""
        usual = max(2.0, float(self.met[: self.size].sum()) / self.total)  # how many there were to choose from
        single = self.total - self.observed[self.size :].sum()
        sets = [
            math.lgamma(usual + 1) - math.lgamma(k + 1) - math.lgamma(max(usual - k, 0) + 1) for k in self.sizes[1:]
        ]
        return np.asarray(np.log(self.observed[self.size :] / single) - np.array(sets) + math.log(usual), np.float64)

    def widest(self, step: Floats) -> float:
        """The largest difference of a change of scores between two alternatives of one ballot, where it is above 2."""
        whole = float(step.max() - step.min())
        if whole <= 2 or self.rest.any():
            return whole
        taken, starts = step[self.order], self.begin[:-1]
        return float((np.maximum.reduceat(taken, starts) - np.minimum.reduceat(taken, starts)).max())


def logs(at: Floats, size: int) -> Floats:
    """log δ of the sizes 1 (which is 0), and of the larger ones."""
    return np.concatenate([[0.0], at[size:]])


def ballots(
    ranks: Ints, weights: Floats, below: bool, *, merged: bool = True
) -> tuple[Ints, Ints, Ints, Floats, NDArray[np.bool_], Ints]:
    """``order, level, begin, weight, rest`` of the ballots that hold a choice, and the first row of each."""
    size = ranks.shape[1]
    order, level, begin = kernels.orders(ranks, below)
    length = np.diff(begin)
    holds = (length > 1) | (below & (length == 1) & (size > 1))
    weight = weights
    if merged:
        first = kernels.merge(order, level, begin)
        weight = np.asarray(np.bincount(first, weights, len(weights)), np.float64)
        holds &= weight > 0
    rows = np.flatnonzero(holds)
    entries = np.repeat(holds, length)
    starts = np.concatenate([[0], np.cumsum(length[rows])])
    rest = np.asarray(below & (length[rows] < size), np.bool_) & np.ones(len(rows), np.bool_)
    return order[entries], level[entries], starts, weight[rows], rest, rows


def stages_of(rankings: Rankings, below: bool) -> Stages:
    """The stages of rankings. Raises ``ValueError`` where there are none."""
    order, level, begin, weight, rest, _ = ballots(rankings.ranks, rankings.weights, below)
    if not len(weight):
        raise ValueError(
            "plackett_luce: no ranking holds a choice: each needs two alternatives, or with unranked='below' one that "
            "stands above the unranked"
        )
    size = len(rankings.alternatives)
    observed, met, chosen, there, most = kernels.tally(order, level, begin, weight, rest, size)
    larger = np.flatnonzero(chosen[2:] > 0) + 2
    could = np.array([there[k:].sum() for k in larger])
    return Stages(
        order, level, begin, weight, rest,
        sizes=np.concatenate([[1], larger]).astype(np.int64),
        observed=np.concatenate([observed, chosen[larger]]),
        met=np.concatenate([met, could]),
        most=most,
        total=float(there.sum()),
    )  # fmt: skip


def require_finite_ties(stages: Stages, alternatives: tuple[Label, ...]) -> None:
    """Raise ``NoFiniteEstimate`` where log δ of some size would grow without bound at any scores: where sizes as
    large were possible, never was one chosen from those whose log δ is known to be finite."""
    reach = int(stages.most[1])
    for k in stages.sizes[1:].tolist():
        if k > reach:
            raise NoFiniteEstimate(
                f"no finite maximum-likelihood estimate exists: whenever {k} alternatives could tie for a place, at "
                f"least {k} did, so that the tie parameter of {k} is infinite, whatever the prior on the scores. Ways "
                "out: more rankings, leaving those tied ballots out, or breaking their ties by hand",
                (alternatives,),
            )
        reach = max(reach, int(stages.most[k]))


def require_finite(stages: Stages, alternatives: tuple[Label, ...]) -> None:
    """Raise ``NoFiniteEstimate`` unless scores and logs have a finite maximum-likelihood estimate."""
    size = stages.size
    count, label = components(stages, ties=True)
    if count > 1:
        parts = _in_order(stages)
        named = tuple(tuple(alternatives[a] for a in part) for part in parts)
        raise no_finite_estimate(named, _WAYS_OUT)
    if len(stages.sizes) == 1:
        return
    count, label = components(stages, ties=False)
    if count == 1:
        return
    basis = np.zeros((size, count))
    basis[np.arange(size), label] = 1.0
    away = recession(stages, basis)
    if away is not None:
        moved = basis @ away[:count]
        parts = [np.flatnonzero(np.isclose(moved, value)).tolist() for value in np.unique(moved.round(6))[::-1]]
        named = tuple(tuple(alternatives[a] for a in part) for part in parts if part)
        shown = " > ".join("{" + short(part, 4) + "}" for part in named[:4])
        raise NoFiniteEstimate(
            f"no finite maximum-likelihood estimate exists: across {shown} rankings show wins and ties but no wins the "
            f"other way, and a larger gap with more ties fits ever better. Ways out: {_WAYS_OUT}",
            named,
        )


def require_finite_effects(
    stages: Stages, alternatives: tuple[Label, ...], names: tuple[str, ...], design: Floats
) -> None:
    """The same with scores = ``design`` [m, k] @ β: the rankings must not be separable along some β."""
    away = recession(stages, design)
    if away is None:
        return
    away = away / (np.abs(away[: len(names)]).max() or 1.0)
    shown = ", ".join(f"{name} {value:+.3g}" for name, value in zip(names, away, strict=False) if abs(value) > 1e-6)
    raise NoFiniteEstimate(
        "no finite maximum-likelihood estimate exists: every choice in the rankings agrees with the direction "
        f"({shown or 'of the tie parameters'}) of the features' effects, so that its size is unbounded. Ways out: a "
        "prior (prior=1.0), fewer features, or more rankings",
        (alternatives,),
    )


def recession(stages: Stages, basis: Floats) -> Floats | None:
    """A direction (u, g), scores ``basis`` @ u with log δ + g, along which no stage's likelihood ever falls and some
    rises: then, and only then, the maximum is not attained. ``None`` if none is.

    A linear programme with a row for each set a stage could have chosen, made as they are needed: the gradient at any
    point is Σ over sets with positive weights of what separates the chosen from them, and so positive along such.
    """
    scale = np.abs(basis).max(0)
    width, extra = basis.shape[1], len(stages.sizes) - 1
    scaled = basis / scale
    gradient = stages.evaluate(np.zeros(len(stages.observed)))[1] / stages.total
    cost = -np.concatenate([scaled.T @ gradient[: stages.size], gradient[stages.size :]])
    rows = np.zeros((1, width + extra))
    nothing = (np.zeros((1, width + extra)), np.zeros(1))
    bounds = [(-1.0, 1.0)] * (width + extra)
    for _ in range(_ROUNDS):
        found = linear_program(cost, at_most=(-rows, np.zeros(len(rows))), equal=nothing, bounds=bounds)
        if -cost @ found <= 1e-7:
            return None
        more = _violated(stages, scaled, found)
        if not len(more):
            return np.concatenate([found[:width] / scale, found[width:]])
        rows = np.concatenate([rows, more])
    return None


def _violated(stages: Stages, basis: Floats, direction: Floats, most: int = 300) -> Floats:
    """Rows (chosen set − best set) of the stages that fall furthest along a direction, without repetition."""
    width = basis.shape[1]
    scores, extra = basis @ direction[:width], np.concatenate([[0.0], direction[width:]])
    ends, best, sets, shortfall = tied_stages.slacks(
        stages.order, stages.level, stages.begin, stages.rest, scores, np.argsort(-scores), stages.sizes, extra
    )
    worst = np.argsort(-shortfall, kind="stable")[: 20 * most]
    found: dict[bytes, Floats] = {}
    for s in worst[shortfall[worst] > 1e-6].tolist():
        k = stages.sizes[best[s]]
        tier, top = stages.order[ends[s, 0] : ends[s, 1]], sets[s, :k]
        ties = (stages.sizes == len(tier)).astype(float) - (stages.sizes == k)
        row = np.concatenate([basis[tier].mean(0) - basis[top].mean(0), ties[1:]])
        found.setdefault(row.tobytes(), row)
        if len(found) == most:
            break
    return np.array(list(found.values())).reshape(len(found), len(direction))


def meeting(stages: Stages) -> Ints:
    """For each alternative the number of the part it is in, where parts never meet at a stage."""
    source, target, nodes = _edges(stages, ties=True)
    _, label = graphs.components(source, target, nodes, strong=False)
    return np.asarray(np.unique(label[: stages.size], return_inverse=True)[1], np.int64)


def components(stages: Stages, *, ties: bool) -> tuple[int, Ints]:
    """How many strongly connected components "ranked above" has among the alternatives, and each one's; with ``ties``
    a tie counts both ways, without it counts for nothing."""
    size = stages.size
    if ties and size <= 1_000 and size * int(stages.rest.sum()) <= 10**8:
        pairs = kernels.above(stages.order, stages.level, stages.begin, stages.rest, size)
        source, target, nodes = *np.nonzero(pairs), size
    else:
        source, target, nodes = _edges(stages, ties=ties)
    _, label = graphs.components(source, target, nodes, strong=True)
    parts, mine = np.unique(label[:size], return_inverse=True)
    return len(parts), mine.astype(np.int64)


def _edges(stages: Stages, *, ties: bool) -> tuple[Ints, Ints, int]:
    """Edges whose paths are "ranked above". From ``size`` on, nodes are helpers: the inner ones of a binary tree over
    the alternatives, then one for each tier, which stands for what comes after it."""
    order, begin, size = stages.order, stages.begin, stages.size
    ballot = np.repeat(np.arange(len(begin) - 1), np.diff(begin))
    same = ballot[1:] == ballot[:-1]
    level = same & (stages.level[1:] == stages.level[:-1])
    tier = np.concatenate([[0], np.cumsum(~level)])
    leaves = 1 << (size - 1).bit_length()
    after = size + leaves + tier
    if ties:
        source = [order[:-1][same], order[1:][level]]
        target = [order[1:][same], order[:-1][level]]
    else:
        follows = np.isin(tier, tier[1:][same & ~level])  # tiers with one before them on their ballot
        source = [order, after[follows] - 1]
        target = [after, order[follows]]
    if stages.rest.any():
        last = (stages.level == stages.level[begin[1:] - 1][ballot]) & stages.rest[ballot]
        more = _to_the_others(stages, after[begin[1:] - 1], leaves)
        source += [order[last], more[0]]
        target += [after[last], more[1]]
    return np.concatenate(source), np.concatenate(target), size + leaves + int(tier[-1]) + 1


def _to_the_others(stages: Stages, helper: Ints, leaves: int) -> tuple[Ints, Ints]:
    """Edges from each ballot's helper, where the others stand below, to all others: the ranked ones cut the row of
    alternatives into intervals, and each interval is a few subtrees."""
    size, rows = stages.size, np.flatnonzero(stages.rest)
    ballot = np.repeat(np.arange(len(stages.rest)), np.diff(stages.begin))
    cuts = np.sort(
        np.concatenate([(ballot * (size + 1) + stages.order)[stages.rest[ballot]], rows * (size + 1) + size])
    )
    owner, high = cuts // (size + 1), cuts % (size + 1)
    low = np.where(np.append(-1, owner[:-1]) == owner, np.append(-1, high[:-1]) + 1, 0)
    root, low, high = helper[owner], low + leaves, high + leaves
    inner = np.arange(1, leaves)
    source, target = [size + inner, size + inner], [2 * inner, 2 * inner + 1]
    while (low < high).any():
        odd = (low < high) & (low % 2 == 1)
        source.append(root[odd])
        target.append(low[odd])
        low = low + odd
        odd = (low < high) & (high % 2 == 1)
        high = high - odd
        source.append(root[odd])
        target.append(high[odd])
        low, high = low // 2, high // 2
    out, to = np.concatenate(source), np.concatenate(target)
    real = to < leaves + size
    return out[real], np.where(to >= leaves, to - leaves, size + to)[real]


def _in_order(stages: Stages) -> list[list[int]]:
    """The components as lists of alternatives, in an order in which "above" goes forward only."""
    source, target, nodes = _edges(stages, ties=True)
    parts, of = graphs.components(source, target, nodes, strong=True)
    ahead: dict[int, set[int]] = {part: set() for part in range(parts)}
    crossing = of[source] != of[target]
    for a, b in np.unique(np.stack([of[source], of[target]])[:, crossing], axis=1).T.tolist():
        ahead[b].add(a)
    members: dict[int, list[int]] = {}
    for alternative, part in enumerate(of[: stages.size].tolist()):
        members.setdefault(part, []).append(alternative)
    return [members[part] for part in TopologicalSorter(ahead).static_order() if part in members]
