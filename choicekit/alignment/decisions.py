"""Whether people in every group can act on a probability: calibration within groups, and the utility of decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.outcomes import NotConverged
from choicekit.profiles._columns import Label, encode, frozen

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Subsets = Mapping[Label, Mask]


def crossed(**columns: Iterable[Any]) -> dict[Label, Mask]:
    """All rows, the rows of each value of each column, and of each combination of values of several columns.

    The subsets that :func:`multicalibration_error` and :func:`recalibrate` audit, such as groups of people and levels
    of their own confidence, and both together. Keys are tuples of (column, value); ``()`` is everybody. Combinations
    without rows are left out. Raises ``ValueError`` for columns of different length.

    >>> found = crossed(group=["x", "x", "y"], confidence=["low", "high", "low"])
    >>> len(found), found[(("group", "x"), ("confidence", "low"))].tolist()
    (8, [True, False, False])
    """
    coded = {name: encode(name, column) for name, column in columns.items()}
    sizes = {len(codes) for codes, _ in coded.values()}
    if len(sizes) != 1:
        raise ValueError(f"crossed: needed columns of one length, got lengths {sorted(sizes)}")
    found: dict[Label, Mask] = {(): np.ones(sizes.pop(), bool)}
    for several in range(1, len(coded) + 1):
        for names in combinations(coded, several):
            cell = np.zeros(len(found[()]), np.int64)
            for name in names:
                cell = cell * len(coded[name][1]) + coded[name][0]
            for value in np.unique(cell).tolist():
                rows = cell == value
                first = int(rows.argmax())
                found[tuple((name, coded[name][1][int(coded[name][0][first])]) for name in names)] = rows
    return found


class Cell(NamedTuple):
    """Rows of one subset with predictions in [``lower``, ``upper``): what was predicted there, what came, how many.

    >>> Cell("x", 0.5, 0.6, 0.55, 0.7, 20).gap.__round__(2)
    0.15
    """

    subset: Label
    lower: float
    upper: float
    predicted: float
    observed: float
    rows: int

    @property
    def gap(self) -> float:
        """How much more often it came than was predicted.

        >>> Cell("x", 0.0, 0.5, 0.25, 0.0, 8).gap
        -0.25
        """
        return self.observed - self.predicted


@dataclass(frozen=True, eq=False)
class Multicalibration:
    """How far probabilities are from calibrated in every audited cell.

    ``cells`` are the cells of at least ``least`` rows, the largest gap first; ``error`` is the largest absolute gap
    (0 where no cell is large enough), ``expected`` the largest over subsets of Σ rows·|gap| / Σ rows over its
    cells, the expected calibration error of a subset. ``skipped`` counts rows in cells too small to be audited, once
    for each subset.

    >>> multicalibration_error([0.5] * 4, [1, 1, 0, 1], {"all": np.ones(4, bool)}, least=1).error
    0.25
    """

    cells: tuple[Cell, ...]
    error: float
    expected: float
    skipped: int


def multicalibration_error(
    probabilities: ArrayLike, outcome: ArrayLike, subsets: Subsets, *, bins: int | ArrayLike = 10, least: int = 30
) -> Multicalibration:
    """The largest gap between what is predicted and what happens over subsets of people and levels of prediction.

    For each subset and each bin of the predictions, the mean outcome less the mean prediction among the rows in both.
    ``probabilities[r]`` are predictions of ``outcome[r]`` (0 or 1), ``subsets`` marks rows (:func:`crossed` makes them;
    they may overlap), ``bins`` is a number of equal bins or their edges between 0 and 1. Cells with fewer than
    ``least`` rows are not audited: among many small cells some gap is large by chance, √(p(1 − p)/n) in a typical one.

    Raises ``ValueError`` for columns that do not match, predictions outside [0, 1], outcomes other than 0 and 1, bin
    edges that do not rise, or ``least`` below 1.

    Source: Hébert-Johnson et al. 2018, arXiv:1711.08513 (multicalibration); subsets by human confidence: Corvelo Benz
    and Gomez Rodriguez 2023, arXiv:2306.00074.

    >>> rows = crossed(group=list("xxyy"))
    >>> found = multicalibration_error([0.5] * 4, [1, 1, 0, 0], rows, least=1)
    >>> found.error, found.cells[0].subset, [cell.gap for cell in found.cells if cell.subset == ()]
    (0.5, (('group', 'x'),), [0.0])
    """
    given, happened, masks, edges = _checked(probabilities, outcome, subsets, bins, least)
    bin_of = _bin(given, edges)
    cells, skipped, expected = [], 0, 0.0
    for name, mask in masks.items():
        count = np.bincount(bin_of[mask], minlength=len(edges) - 1)
        said = np.bincount(bin_of[mask], given[mask], len(edges) - 1)
        came = np.bincount(bin_of[mask], happened[mask], len(edges) - 1)
        enough = np.flatnonzero(count >= least)
        skipped += int(count[count < least].sum())
        own = [
            Cell(
                name,
                float(edges[b]),
                float(edges[b + 1]),
                float(said[b] / count[b]),
                float(came[b] / count[b]),
                int(count[b]),
            )
            for b in enough.tolist()
        ]
        expected = max(expected, sum(cell.rows * abs(cell.gap) for cell in own) / max(1, int(count[enough].sum())))
        cells += own
    cells.sort(key=lambda cell: -abs(cell.gap))
    return Multicalibration(tuple(cells), abs(cells[0].gap) if cells else 0.0, expected, skipped)


class Patch(NamedTuple):
    """One step of a recalibration: rows of ``subset`` with a probability in [lower, upper) move by ``shift``.

    >>> Patch("x", 0.4, 0.5, 0.05).shift
    0.05
    """

    subset: Label
    lower: float
    upper: float
    shift: float


@dataclass(frozen=True, eq=False)
class Recalibration:
    """A chain of patches, and what they make of the probabilities they were learnt on.

    ``probabilities[r]`` are the patched ones, ``patches`` the steps in order, ``error`` the largest gap left in an
    audited cell (on these rows; held-out rows have more) and ``brier`` the mean squared errors before and after.

    >>> found = recalibrate([0.5] * 4, [1, 1, 0, 0], crossed(group=list("xxyy")), alpha=0.1, least=1)
    >>> found.probabilities.tolist(), found.brier
    ([1.0, 1.0, 0.0, 0.0], (0.25, 0.0))
    """

    probabilities: Floats
    patches: tuple[Patch, ...]
    error: float
    brier: tuple[float, float]
    _edges: Floats

    def apply(self, probabilities: ArrayLike, subsets: Subsets) -> Floats:
        """The same patches in the same order to other rows, whose subsets have the same names.

        Raises ``ValueError`` where a patch's subset is not among ``subsets``, or probabilities are outside [0, 1].

        >>> found = recalibrate([0.5] * 4, [1, 1, 0, 0], crossed(group=list("xxyy")), alpha=0.1, least=1)
        >>> found.apply([0.5, 0.2], crossed(group=list("yy"))).tolist()
        Traceback (most recent call last):
            ...
        ValueError: apply: no subset (('group', 'x'),); give every subset that was patched, empty where none is in it
        >>> found.apply([0.5, 0.2], crossed(group=list("xy"))).tolist()
        [1.0, 0.2]
        """
        now = _probabilities(probabilities)
        for patch in self.patches:
            if patch.subset not in subsets:
                raise ValueError(
                    f"apply: no subset {patch.subset!r}; give every subset that was patched, empty where none is in it"
                )
            rows = subsets[patch.subset] & _within(now, patch.lower, patch.upper)
            now[rows] = np.clip(now[rows] + patch.shift, 0.0, 1.0)
        return now


def recalibrate(
    probabilities: ArrayLike,
    outcome: ArrayLike,
    subsets: Subsets,
    *,
    alpha: float = 0.05,
    bins: int | ArrayLike = 10,
    least: int = 30,
    limit: int = 10_000,
) -> Recalibration:
    """Patch probabilities until no audited cell has a gap above ``alpha``: iterative multicalibration.

    While some cell (a subset and a bin of the current probabilities, of at least ``least`` rows) has a gap above
    ``alpha``, the one with the largest count·gap² is shifted by its gap, and cut to [0, 1]. A patch lowers the mean
    squared error of n rows by at least count·gap²/n, so that at most n/(least·alpha²) patches are needed; the
    mean squared error never rises. Arguments are those of :func:`multicalibration_error`.

    On the rows it was learnt on the result is what it says. On others the error is larger, the more so the smaller
    ``least`` and ``alpha``: judge it by :func:`multicalibration_error` on rows held out.

    Raises ``ValueError`` as there and for an ``alpha`` outside (0, 1); ``NotConverged`` (``partial``: the
    :class:`Recalibration` so far) after ``limit`` patches.

    Source: Hébert-Johnson et al. 2018, arXiv:1711.08513 (the algorithm; here on the sample, with bins and a least
    count). For groups crossed with human confidence: *Fair decision utility in human-AI collaboration*, ICLR 2026, at
    second hand.

    >>> rows = crossed(group=["x"] * 50 + ["y"] * 50)
    >>> found = recalibrate([0.6] * 100, [1] * 40 + [0] * 10 + [1] * 20 + [0] * 30, rows, alpha=0.02)
    >>> found.probabilities[[0, 99]].round(6).tolist(), round(found.error, 6), len(found.patches)
    ([0.8, 0.4], 0.0, 2)
    """
    given, happened, masks, edges = _checked(probabilities, outcome, subsets, bins, least)
    if not 0 < alpha < 1:
        raise ValueError(f"recalibrate: alpha must lie between 0 and 1, got {alpha}; 0.05 is usual")
    names = list(masks)
    inside = np.stack([masks[name] for name in names]).astype(np.float64)
    now, patches, size = given.copy(), list[Patch](), len(edges) - 1
    bin_of, start = _bin(now, edges), float(((given - happened) ** 2).mean())
    sums = _sums(inside, bin_of, happened - now, size)
    while True:
        counts, surplus = sums
        gap = np.where(counts >= least, surplus / np.maximum(counts, 1), 0.0)
        error = float(np.abs(gap).max())
        if error <= alpha or len(patches) >= limit:
            brier = (start, float(((now - happened) ** 2).mean()))
            found = Recalibration(frozen(now), tuple(patches), error, brier, edges)
            if error <= alpha:
                return found
            raise NotConverged(f"recalibrate: a gap of {error:.3g} is left after {limit} patches; raise alpha", found)
        gain = np.where(np.abs(gap) > alpha, counts * gap**2, 0.0)
        at, b = np.unravel_index(int(gain.argmax()), gain.shape)
        patch = Patch(names[int(at)], float(edges[b]), float(edges[b + 1]), float(gap[at, b]))
        rows = np.flatnonzero(masks[patch.subset] & (bin_of == b))
        sums = sums - _sums(inside[:, rows], bin_of[rows], (happened - now)[rows], size)
        now[rows] = np.clip(now[rows] + patch.shift, 0.0, 1.0)
        bin_of[rows] = _bin(now[rows], edges)
        sums = sums + _sums(inside[:, rows], bin_of[rows], (happened - now)[rows], size)
        patches.append(patch)


def _sums(inside: Floats, bin_of: Ints, left: Floats, size: int) -> Floats:
    """How many rows each subset has in each bin, and the sum of what is left to predict there: [2, s, bin]."""
    marks = np.zeros((len(bin_of), 2 * size))
    marks[np.arange(len(bin_of)), bin_of] = 1.0
    marks[np.arange(len(bin_of)), size + bin_of] = left
    found: Floats = (inside @ marks).reshape(len(inside), 2, size).swapaxes(0, 1)
    return found


@dataclass(frozen=True, eq=False)
class DecisionUtilities:
    """What decisions that trust the probabilities earn, by group.

    A decision is 1 where that has the larger expected utility at the probability given. ``promised[g]`` is the mean
    expected utility by those probabilities, ``realised[g]`` the mean of what came, ``best[g]`` what the outcome known
    beforehand would have earned; ``share[g]`` is how often 1 was decided. ``discrepancy`` is the largest less the
    smallest realised utility of two groups, ``disappointment`` the largest |promised − realised|.

    >>> found = decision_utilities([0.9, 0.9, 0.9, 0.9], [1, 1, 1, 0], list("xxyy"), [[0, 0], [-1, 1]])
    >>> found.groups, found.realised.tolist(), found.discrepancy
    (('x', 'y'), [1.0, 0.0], 1.0)
    """

    groups: tuple[Label, ...]
    promised: Floats
    realised: Floats
    best: Floats
    share: Floats
    discrepancy: float
    disappointment: float


def decision_utilities(
    probabilities: ArrayLike, outcome: ArrayLike, group: Iterable[Any], utilities: ArrayLike
) -> DecisionUtilities:
    """The expected and the realised utility of best responses to probabilities, group by group.

    ``utilities[d][y]`` is what decision d ∈ {0, 1} earns when the outcome is y ∈ {0, 1}. With the threshold t at which
    both decisions are worth the same as an edge of the bins, and the probabilities of a group calibrated within α in
    every one of its bins, decisions are constant in a bin and |promised − realised| ≤ α·max_d |u_d1 − u_d0| for the
    group. That is all calibration promises: groups whose outcomes are harder to predict still earn less.

    Raises ``ValueError`` for columns that do not match, probabilities outside [0, 1], outcomes other than 0 and 1, or
    utilities that are not four finite numbers.

    Source: definitions (Bayes decisions); the inequality is derived here and checked in the tests.

    >>> found = decision_utilities([0.8, 0.2], [1, 0], ["x", "x"], [[1, 0], [0, 1]])
    >>> found.promised.tolist(), found.realised.tolist(), found.disappointment.__round__(6)
    ([0.8], [1.0], 0.2)
    """
    given, happened = _probabilities(probabilities), _outcomes(outcome)
    who, groups = encode("group", group)
    table = np.array(utilities, np.float64)
    if not given.shape == happened.shape == who.shape or not len(given):
        raise ValueError(
            f"decision_utilities: needed columns of one length, got {given.shape}, {happened.shape} and {who.shape}"
        )
    if table.shape != (2, 2) or not np.isfinite(table).all():
        raise ValueError(f"decision_utilities: needed utilities [decision][outcome], 2 × 2, got shape {table.shape}")
    hoped = np.outer(1 - given, table[:, 0]) + np.outer(given, table[:, 1])
    decided = (hoped[:, 1] > hoped[:, 0]).astype(np.int64)
    came = table[decided, happened.astype(np.int64)]
    known = table.max(0)[happened.astype(np.int64)]
    size = np.bincount(who)
    promised, realised, best, share = (
        np.asarray(np.bincount(who, column) / size, np.float64) for column in (hoped.max(1), came, known, decided)
    )
    return DecisionUtilities(
        groups, frozen(promised), frozen(realised), frozen(best), frozen(share), float(np.ptp(realised)),
        float(np.abs(promised - realised).max()),
    )  # fmt: skip


def quoted_discrepancy_bound(utilities: ArrayLike, *, alpha_human: float, alpha_group: float) -> float:
    """A bound on the discrepancy of utilities between groups as it is quoted: a calculator, not a checked claim.

    (u₁₁ − u₀₁ − u₁₀ + u₀₀) · (α_h/2 + (1 − α_h/2)(3α_g − α_g²)) with u_dy the utility of decision d at outcome y, α_h
    the level of alignment with human confidence and α_g that between groups. The theorem's assumptions and its
    definition of the discrepancy were not seen, so nothing here says that it bounds
    :class:`DecisionUtilities`.discrepancy.

    Raises ``ValueError`` for levels outside [0, 1] or utilities that are not four finite numbers.

    Source: *Fair decision utility in human-AI collaboration*, ICLR 2026, theorem 3.6, at second hand.

    >>> round(quoted_discrepancy_bound([[1, 0], [0, 1]], alpha_human=0.1, alpha_group=0.05), 6)
    0.38025
    """
    table = np.array(utilities, np.float64)
    if table.shape != (2, 2) or not np.isfinite(table).all():
        raise ValueError(f"utilities: needed [decision][outcome], 2 × 2, got shape {table.shape}")
    if not (0 <= alpha_human <= 1 and 0 <= alpha_group <= 1):
        raise ValueError(f"levels must lie between 0 and 1, got {alpha_human} and {alpha_group}")
    stake = table[1, 1] - table[0, 1] - table[1, 0] + table[0, 0]
    half = alpha_human / 2
    return float(stake * (half + (1 - half) * (3 * alpha_group - alpha_group**2)))


def _probabilities(given: ArrayLike) -> Floats:
    found = np.array(given, np.float64)
    if found.ndim != 1 or not ((found >= 0) & (found <= 1)).all():
        raise ValueError(f"probabilities: needed a column of numbers in [0, 1], got shape {found.shape}")
    return found


def _outcomes(given: ArrayLike) -> Floats:
    found = np.array(given, np.float64)
    if not np.isin(found, (0.0, 1.0)).all():
        raise ValueError("outcome: needed 0 or 1 in every row")
    return found


def _checked(
    probabilities: ArrayLike, outcome: ArrayLike, subsets: Subsets, bins: int | ArrayLike, least: int
) -> tuple[Floats, Floats, dict[Label, Mask], Floats]:
    given, happened = _probabilities(probabilities), _outcomes(outcome)
    masks = {name: np.asarray(mask, bool) for name, mask in subsets.items()}
    if given.shape != happened.shape or not masks or any(mask.shape != given.shape for mask in masks.values()):
        raise ValueError(
            f"needed an outcome and at least one subset, each with {len(given)} rows; got {happened.shape} and "
            f"{len(masks)} subsets"
        )
    count = np.asarray(bins)
    edges = np.linspace(0, 1, int(count) + 1) if count.ndim == 0 and count >= 1 else np.array(bins, np.float64)
    if edges.ndim != 1 or len(edges) < 2 or edges[0] != 0 or edges[-1] != 1 or (np.diff(edges) <= 0).any():
        raise ValueError(f"bins: needed a number, at least 1, or edges that rise from 0 to 1, got {bins!r}")
    if least < 1:
        raise ValueError(f"least: needed at least 1 row a cell, got {least}")
    return given, happened, masks, edges


def _bin(values: Floats, edges: Floats) -> Ints:
    """The bin of each value, the last one with its upper end."""
    return np.minimum(np.searchsorted(edges, values, side="right") - 1, len(edges) - 2)


def _within(values: Floats, lower: float, upper: float) -> Mask:
    inside: Mask = (values >= lower) & ((values < upper) | (upper == 1.0))
    return inside
