"""Lotteries that groups would agree on: Nash, Kalai and Smorodinsky, egalitarian, leximin and utilitarian bargains.

A lottery p over the alternatives gives group g the utility U_g · p. Hard constraints A p ≤ b hold for every answer,
whoever would gain by breaking them. With prompts ``[x, g, m]`` each is a bargain of its own and the answer is a policy
``[x, m]``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from choicekit.kernels import bargains
from choicekit.outcomes import Bargain, NotConverged
from choicekit.profiles import Batch, Utilities
from choicekit.profiles._columns import Floats, frozen, names
from choicekit.rules._bargains import Constraints, Table, laid, refuse, worth
from choicekit.rules._rule import rule

Solution = Literal["nash", "kalai_smorodinsky", "egalitarian", "leximin", "utilitarian"]

_NAMES = {
    "nash": "nash_lottery", "kalai_smorodinsky": "kalai_smorodinsky", "egalitarian": "egalitarian_lottery",
    "leximin": "leximin_lottery", "utilitarian": "utilitarian_lottery",
}  # fmt: skip
#: Prompts that are worth a thread.
_ENOUGH = 500
#: How far a certificate or a constraint may be off, relative to the utilities' or the constraint's size.
_ACCURACY = 1e-6


def bargain(
    utilities: ArrayLike,
    solution: Solution,
    *,
    weights: ArrayLike | None = None,
    disagreement: ArrayLike = 0.0,
    constraints: Constraints | None = None,
    alternatives: Any = None,
) -> Bargain:
    """The lottery that a bargaining solution picks, or one for each prompt, with the certificate that it is best.

    ``utilities[g, m]`` or, prompt by prompt, ``[x, g, m]``; ``weights[g]`` (default equal; a group of weight 0 is
    left out of the bargain); ``disagreement`` is what each group has without agreement: a number, ``[g]`` or
    ``[x, g]``, 0 by default, the zero of the utilities. ``constraints=(A, b)`` asks for A p ≤ b, with ``A[c, m]`` or
    ``[x, c, m]`` and ``b[c]`` or ``[x, c]``. ``solution`` is the name of a rule of this module without its
    "_lottery"; what each maximises stands there.

    ``multipliers[..., g]`` and ``constraint_multipliers[..., c]`` (μ, ν) are prices at which no alternative a is worth
    more than the lottery is: Σ_g μ_g (U_g(a) − d_g) + Σ_c ν_c (b_c − A_c(a)) has the same, largest value on the whole
    support. ``duality_gap`` is the distance of the answer's objective from the bound that this proves, computed anew
    from the answer: in utility for egalitarian, leximin and utilitarian bargains, in t for Kalai and Smorodinsky's,
    in mean logarithms of gains for Nash's.

    The engine is a primal–dual interior-point method (Mehrotra 1992), which solves small prompts by the ten thousand
    and single bargains over thousands of alternatives. It ends in the midst of the best lotteries where there are
    several; ``unique`` says whether there are. Raises ``ValueError`` for constraints that no lottery meets, naming the
    rows in conflict, and, for Nash and Kalai–Smorodinsky, where no lottery gives every group a gain, naming the
    groups; ``NotConverged`` where an answer cannot be certified to 1e-6 of the utilities' range.

    Source: Mehrotra 1992 (doi:10.1137/0802028).

    >>> found = bargain([[[1, 0, 0.6], [0, 1, 0.6]], [[1, 0, 0.4], [0, 1, 0.4]]], "egalitarian")
    >>> found.probabilities.round(6).tolist(), found.utilities.round(6).tolist()
    ([[0.0, 0.0, 1.0], [0.5, 0.5, 0.0]], [[0.6, 0.6], [0.5, 0.5]])
    >>> bargain([[1, 0], [0, 1]], "nash", constraints=([[1, 0]], [0.2])).probabilities.round(6).tolist()
    [0.2, 0.8]
    """
    if solution not in _NAMES:
        raise ValueError(f"bargain: needed a solution among {', '.join(map(repr, _NAMES))}, got {solution!r}")
    table = laid(_NAMES[solution], utilities, weights, disagreement, constraints)
    labels = names(alternatives, table.utilities.shape[2])
    p, multipliers, prices, unique, ideal, stages = _solved(table, solution)
    gap = np.maximum(_gap(table, solution, p, multipliers, prices, ideal), stages)
    groups = table.utilities.shape[1]
    every = np.zeros((len(p), groups))
    every[:, table.counted] = multipliers
    fields: dict[str, Any] = {
        "probabilities": p, "utilities": np.einsum("xm,xgm->xg", p, table.utilities), "disagreement": table.base,
        "multipliers": every, "constraint_multipliers": prices, "duality_gap": gap,
    }  # fmt: skip
    if ideal is not None:
        fields["ideal"] = np.full((len(p), groups), np.nan)
        fields["ideal"][:, table.counted] = ideal + table.base[:, table.counted]
    kept: dict[str, Any] = {
        name: frozen(np.array(values if table.batched else values[0])) for name, values in fields.items()
    }
    if not table.batched:
        kept["duality_gap"] = float(gap[0])
    found = Bargain(labels, unique=frozen(unique) if table.batched else bool(unique[0]), **kept)
    _certified(table, solution, found, gap)
    return found


def _solved(
    table: Table, solution: str
) -> tuple[Floats, Floats, Floats, np.ndarray[Any, np.dtype[np.bool_]], Floats | None, Floats]:
    """p, multipliers, prices, uniqueness, the ideal gains and what later stages lack; refuses where there is none."""
    gains, rows, ideal = table.gains, table.rows, None
    prompts, groups, size = gains.shape
    none = np.zeros(prompts)
    if solution == "utilitarian":
        goal = np.einsum("g,xgm->xm", table.shares, gains)[:, None]
        p, prices, status, unique = _threaded(
            lambda part: bargains.best(gains[part, :0], np.zeros(0), goal[part], _part(rows, part)), prompts
        )
        found = p[:, 0], np.tile(table.shares, (prompts, 1)), prices[:, 0], unique[:, 0], None, none
    elif solution == "nash":
        nothing = np.zeros((prompts, 1, size))
        p, prices, status, unique = _threaded(
            lambda part: bargains.best(gains[part], table.shares, nothing[part], _part(rows, part)), prompts
        )
        mean = np.einsum("xm,xgm->xg", p[:, 0], gains)
        multipliers = table.shares / np.where(mean > 0, mean, np.inf)
        found = p[:, 0], multipliers, prices[:, 0], unique[:, 0], None, none
    else:
        status = np.zeros(prompts, np.int64)
        scale = np.ones((prompts, groups))
        if solution == "kalai_smorodinsky":
            each, _, status, _ = _threaded(
                lambda part: bargains.best(gains[part], np.zeros(groups), gains[part], _part(rows, part)), prompts
            )
            ideal = np.einsum("xgm,xgm->xg", each, gains)
            scale = np.where(ideal > 0, ideal, 1.0)
        _refused(table, solution, status)
        scaled, depth = gains / scale[..., None], 1 if solution == "egalitarian" else groups
        p, multipliers, prices, status, unique, stages = _threaded(
            lambda part: bargains.leximin(scaled[part], _part(rows, part), depth), prompts
        )
        found = p, multipliers / scale, prices, unique, ideal, stages
    _refused(table, solution, status)
    return found[0], found[1], found[2] / table.sizes, found[3], found[4], found[5]


def _part(rows: Floats, part: slice) -> Floats:
    """The prompts' rows of some of them; rows that all prompts share are there once."""
    return rows[part] if len(rows) > 1 else rows


def _threaded(solve: Callable[[slice], tuple[Any, ...]], prompts: int) -> tuple[Any, ...]:
    """Prompts solved in as many parts as there are processors; each is solved alike in any part."""
    workers = min(os.cpu_count() or 1, prompts // _ENOUGH)
    if workers < 2:
        return solve(slice(None))
    ends = np.linspace(0, prompts, workers + 1).astype(int).tolist()
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(solve, map(slice, ends[:-1], ends[1:])))
    return tuple(np.concatenate(each) for each in zip(*parts, strict=True))


def _refused(table: Table, solution: str, status: np.ndarray[Any, np.dtype[np.int64]]) -> None:
    """Say why there is no answer where there is none."""
    failed = np.flatnonzero(status)
    if failed.size:
        refuse(table, int(failed[0]), solution)
        raise NotConverged(
            f"{table.prompt(int(failed[0]))}: the interior-point method did not meet its tolerance"
            f"{f' ({failed.size} such prompts)' if table.batched else ''}; bring utilities and constraints to "
            "similar scales, and loosen constraints that can only just be met",
            None,
        )


def _gap(table: Table, solution: str, p: Floats, multipliers: Floats, prices: Floats, ideal: Floats | None) -> Floats:
    """How far the objective is from the bound that the multipliers prove, ``[x]``."""
    bound = worth(table, multipliers, prices)
    gains: Floats = np.einsum("xm,xgm->xg", p, table.gains)
    if solution == "nash":
        # by concavity Σ w log(s) ≤ Σ w log(w/μ) + log(bound), which is the value itself where μ = w/s
        lack: Floats = np.log(bound)
    elif solution == "utilitarian":
        lack = bound - gains @ table.shares
    else:
        lack = bound - (gains if ideal is None else gains / ideal).min(1)
    return np.maximum(lack, 0.0)


def _certified(table: Table, solution: str, found: Bargain, gap: Floats) -> None:
    """Raise ``NotConverged`` where the certificate or a constraint fails."""
    # utilities that differ by rounding only are held to what rounding leaves of them
    whole = np.abs(table.utilities).max((1, 2)) + np.abs(table.base).max(1)
    size = 1.0 if solution in ("nash", "kalai_smorodinsky") else np.ptp(table.gains, axis=(1, 2)) + 1e-6 * whole
    p = found.probabilities if table.batched else found.probabilities[None]
    over = -np.einsum("xm,xcm->xc", p, np.broadcast_to(table.rows, (len(p), *table.rows.shape[1:])))
    off = np.maximum(gap / np.where(size > 0, size, 1.0), over.max(1, initial=0.0))
    worst = int(off.argmax())
    if not off[worst] <= _ACCURACY:
        raise NotConverged(
            f"{table.prompt(worst)}: the answer is certified only to {off[worst]:.1e} of the size of the utilities or "
            "of a constraint; gains far smaller than the utilities that they are differences of are beyond the "
            "accuracy of the arithmetic",
            found,
        )


def _many(solution: Solution) -> Callable[..., Floats]:
    """A kernel for batches: the probabilities."""

    def kernel(many: Batch, **options: Any) -> Floats:
        return bargain(many.values, solution, weights=many.weights, **options).probabilities

    return kernel


def _one(profile: Utilities, solution: Solution, disagreement: ArrayLike, constraints: Constraints | None) -> Bargain:
    return bargain(
        profile.values, solution, weights=profile.weights, disagreement=disagreement, constraints=constraints,
        alternatives=profile.alternatives,
    )  # fmt: skip


@rule(batch=_many("nash"))
def nash_lottery(
    profile: Utilities, *, disagreement: ArrayLike = 0.0, constraints: Constraints | None = None
) -> Bargain:
    """The lottery with the greatest weighted Nash product of gains: max Σ_i w_i log(U_i · p − d_i), Σ_i w_i = 1.

    The only solution that is Pareto optimal, independent of the units and zeros of utilities and of irrelevant
    alternatives, and (with equal weights) symmetric. The utilities of voters of positive weight are unique, the
    lottery need not be. Its first-order conditions are Σ_i w_i (U_i(a) − d_i)/(U_i · p − d_i) ≤ 1 with equality on
    the support (with a price on each constraint where there are any), so that ``multipliers`` are w_i/gain_i.

    ``disagreement`` (a number or ``[n]``, default 0) and ``constraints=(A, b)`` are as in :func:`bargain`. Raises
    ``ValueError`` where no lottery gives every voter of positive weight a gain.

    Source: Nash 1950 (doi:10.2307/1907266); Kaneko and Nakamura 1979 (doi:10.2307/1914191).

    With 70 % of the weight the first voter gets a share of the lottery, not all of it:

    >>> found = nash_lottery(Utilities([[1, 0, 0.6], [0, 1, 0.6]], weights=[0.7, 0.3], alternatives="abc"))
    >>> found.probabilities.round(6).tolist(), found.utilities.round(6).tolist(), found.winners
    ([0.25, 0.0, 0.75], [0.7, 0.45], ('a', 'c'))
    """
    return _one(profile, "nash", disagreement, constraints)


@rule(batch=_many("kalai_smorodinsky"))
def kalai_smorodinsky(
    profile: Utilities, *, disagreement: ArrayLike = 0.0, constraints: Constraints | None = None
) -> Bargain:
    """The lottery that gives all the same, greatest share t of their ideal gains: U_i · p ≥ d_i + t (I_i − d_i).

    I_i is the most that voter i can get from a lottery that meets the constraints and under which nobody is below the
    disagreement; it comes back as ``ideal``. For two voters the shares are equal. For more they need not be, and the
    greatest least share alone may waste what costs nobody anything (it is weakly Pareto optimal only); the answer then
    maximises the second least share, and so on (Imai's lexicographic completion), which is Pareto optimal.
    ``multipliers`` and ``duality_gap`` prove the least share. Weights only say who counts.

    ``disagreement`` (a number or ``[n]``, default 0) and ``constraints=(A, b)`` are as in :func:`bargain`. Raises
    ``ValueError`` where no lottery gives every voter a gain.

    Source: Kalai and Smorodinsky 1975 (doi:10.2307/1914280); Imai 1983 (doi:10.2307/1911997).

    >>> found = kalai_smorodinsky(Utilities([[1, 0, 1], [0, 1, 0.7]]))      # on the line from (0, 0) to (1, 1)
    >>> found.utilities.round(5).tolist(), found.ideal.round(5).tolist()
    ([0.76923, 0.76923], [1.0, 1.0])
    """
    return _one(profile, "kalai_smorodinsky", disagreement, constraints)


@rule(batch=_many("egalitarian"))
def egalitarian_lottery(
    profile: Utilities, *, disagreement: ArrayLike = 0.0, constraints: Constraints | None = None
) -> Bargain:
    """A lottery whose worst-off voter gains most: max_p min_i (U_i · p − d_i).

    It is an optimal strategy of a zero-sum game against an adversary who picks the voter; ``multipliers`` are the
    adversary's: weights that sum to 1 at which no lottery has a greater weighted mean of gains. Where several are
    optimal the answer lies in their midst (``unique`` is false); it is weakly Pareto optimal only, and
    :func:`leximin_lottery` is the completion that is. No voter need gain. Weights only say who counts.

    ``disagreement`` (a number or ``[n]``, default 0) and ``constraints=(A, b)`` are as in :func:`bargain`.

    Source: Kalai 1977 (doi:10.2307/1913954); von Neumann 1928 (doi:10.1007/BF01448847).

    >>> found = egalitarian_lottery(Utilities([[4, 0], [1, 2]]))      # 4p = p + 2(1 − p)
    >>> found.probabilities.round(6).tolist(), found.utilities.round(6).tolist(), found.multipliers.round(6).tolist()
    ([0.4, 0.6], [1.6, 1.6], [0.2, 0.8])
    """
    return _one(profile, "egalitarian", disagreement, constraints)


@rule(batch=_many("leximin"))
def leximin_lottery(
    profile: Utilities, *, disagreement: ArrayLike = 0.0, constraints: Constraints | None = None
) -> Bargain:
    """The lottery whose least gain is greatest, of those the one whose second least gain is greatest, and so on.

    1. Maximise the least gain of the voters who are free.
    2. Those with a positive price in a strictly complementary dual solution have this gain in every such lottery:
       they are held at it. A voter who merely happens to be at the level stays free.
    3. Again among the lotteries left, until all are held.

    Gains of the voters of positive weight are unique and Pareto optimal; weights only say who counts.
    ``multipliers`` prove the first level, ``duality_gap`` is the largest of all levels, each among the lotteries that
    those before left.

    ``disagreement`` (a number or ``[n]``, default 0) and ``constraints=(A, b)`` are as in :func:`bargain`.

    Source: Sen 1970; Imai 1983 (doi:10.2307/1911997); the freezing of levels as in Ogryczak, Pióro and Tomaszewski
    2005.

    That the third voter gets the last alternative costs the others nothing:

    >>> leximin_lottery(Utilities([[1, 0, 0], [0, 1, 1], [2, 3, 4]])).utilities.round(6).tolist()
    [0.5, 0.5, 3.0]
    """
    return _one(profile, "leximin", disagreement, constraints)


@rule(batch=_many("utilitarian"))
def utilitarian_lottery(profile: Utilities, *, constraints: Constraints | None = None) -> Bargain:
    """A lottery with the greatest weighted mean of utilities: max Σ_i w_i U_i · p, Σ_i w_i = 1.

    Without constraints it is the even lottery over the alternatives of the greatest mean; with ``constraints=(A, b)``
    (see :func:`bargain`) it mixes as far as they make it. Where several are optimal the answer lies in their midst,
    and ``unique`` is false. ``multipliers`` are the weights.

    Source: Harsanyi 1955 (doi:10.1086/257678).

    >>> profile = Utilities([[4, 0, 0], [0, 2, 1]], alternatives="abc")
    >>> utilitarian_lottery(profile).winners
    ('a',)
    >>> utilitarian_lottery(profile, constraints=([[1, 0, 0]], [0.25])).probabilities.round(6).tolist()
    [0.25, 0.75, 0.0]
    """
    return _one(profile, "utilitarian", 0.0, constraints)
