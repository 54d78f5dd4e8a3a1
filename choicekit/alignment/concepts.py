"""What each voter's answers go by: a policy on concepts for each, and where disagreement comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.outcomes import NotConverged
from choicekit.profiles._columns import Column, Label, encode, frozen

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Parts into which a voter's answers are split to see how well the rest predicts them.
_FOLDS = 5


@dataclass(frozen=True)
class DisagreementSplit:
    """How likely two voters drawn at random are to answer a question differently, by where that comes from.

    With p_v(x) the probability that voter v says yes in context x, two voters drawn independently differ with
    probability 2·E[p(1 − p)] + 2·Var(p), and the variance between voters is that within groups plus that between
    groups' means:

    - ``operational`` = 2·E[p(1 − p)]: what the voter's own policy leaves open, so slips and concepts that are missing;
    - ``ambiguity`` = 2·Var(p) within groups: people of one group who read the concepts differently;
    - ``pluralism`` = 2·Var(p) between groups: groups that weigh the concepts differently.

    ``total`` is their sum, a probability (averaged over the contexts).

    >>> DisagreementSplit(operational=0.125, ambiguity=0.0625, pluralism=0.25).total
    0.4375
    """

    operational: float
    ambiguity: float
    pluralism: float

    @property
    def total(self) -> float:
        """The probability that two voters drawn independently answer differently.

        >>> DisagreementSplit(0.25, 0.0, 0.25).total
        0.5
        """
        return self.operational + self.ambiguity + self.pluralism


@dataclass(frozen=True, eq=False)
class ConceptDifferences:
    """Whether groups weigh each concept differently, by permuting the voters among the groups.

    ``spread[d]`` is the standard deviation between groups of the mean weight of concept d, groups counted by their
    voters; ``p_values[d]`` the share of permutations (and the data) with at least that spread; ``adjusted[d]`` the same
    for the largest standardised spread of any concept (max-T), so that all concepts can be looked at at once.

    >>> ConceptDifferences(np.array([1.0]), np.array([0.01]), np.array([0.01])).adjusted.tolist()
    [0.01]
    """

    spread: Floats
    p_values: Floats
    adjusted: Floats


@dataclass(frozen=True, eq=False)
class AnnotatorPolicies:
    """Each voter's policy P(yes | c) = σ(w_v·c + b_v) on a shared space of concepts.

    ``weights[v, d]`` and ``intercepts[v]`` are ridge-penalised maximum-likelihood estimates; ``answers[v]`` how many
    answers each is from; ``accuracy[v]`` the share of a voter's answers that a policy fitted to the voter's other
    answers (five parts in turn) predicts, and ``majority[v]`` what always giving that voter's commoner answer would
    reach. ``groups[v]`` numbers the voter's group in ``group_names``.

    >>> found = annotator_policies([[1.0], [-1.0]] * 10, [True, False] * 10, ["ann"] * 20)
    >>> found.voters, found.accuracy.tolist(), bool(found.weights[0, 0] > 1)
    (('ann',), [1.0], True)
    """

    voters: tuple[Label, ...]
    weights: Floats
    intercepts: Floats
    answers: Ints
    accuracy: Floats
    majority: Floats
    group_names: tuple[Label, ...]
    groups: Ints

    def probabilities(self, concepts: ArrayLike) -> Floats:
        """P(yes) ``[v, x]`` of each voter in contexts with these concepts ``[x, d]``.

        >>> found = annotator_policies([[1.0], [-1.0]] * 10, [True, False] * 10, ["ann"] * 20)
        >>> found.probabilities([[0.0]]).round(3).tolist()
        [[0.5]]
        """
        table = _table(concepts, self.weights.shape[1])
        return _logistic(self.weights @ table.T + self.intercepts[:, None])

    def split(self, concepts: ArrayLike) -> DisagreementSplit:
        """Where disagreement in contexts with these concepts ``[x, d]`` comes from, each voter counting alike.

        Estimates of policies are noisy, which adds to both variances, and the ridge pulls them together, which takes
        away: with few answers a voter neither part is to be taken as exact.

        >>> yes = np.r_[[True, False] * 10, [False, True] * 10]                  # b sees it the other way round
        >>> who = ["a"] * 20 + ["b"] * 20
        >>> found = annotator_policies([[1.0], [-1.0]] * 20, yes, who, group=who)
        >>> split = found.split([[1.0]])
        >>> round(split.ambiguity, 12), split.pluralism > split.operational
        (0.0, True)
        """
        chance = self.probabilities(concepts)
        sizes = np.bincount(self.groups, minlength=len(self.group_names)).astype(np.float64)
        means = np.stack([chance[self.groups == g].mean(0) for g in range(len(sizes))])
        within = ((chance - means[self.groups]) ** 2).mean()
        between = (sizes / sizes.sum()) @ ((means - chance.mean(0)) ** 2)
        noise = (chance * (1 - chance)).mean()
        return DisagreementSplit(float(2 * noise), float(2 * within), float(2 * between.mean()))

    def concept_differences(self, *, permutations: int = 999, rng: int | np.random.Generator = 0) -> ConceptDifferences:
        """Test for each concept whether the groups' mean weights differ by more than chance.

        Under the hypothesis that the groups' labels are exchangeable among voters the p-values are valid at any number
        of voters. Raises ``ValueError`` with one group only.

        >>> concept, yes, voter, group = [], [], [], []
        >>> for v in range(8):
        ...     concept += [[1.0], [-1.0]] * 10
        ...     yes += [v < 4, v >= 4] * 10
        ...     voter += [v] * 20
        ...     group += ["A" if v < 4 else "B"] * 20
        >>> found = annotator_policies(concept, yes, voter, group=group).concept_differences()
        >>> bool(found.p_values[0] < 0.06)                 # 2 of the 70 ways to split eight voters are as far apart
        True
        """
        if len(self.group_names) < 2:
            raise ValueError("concept_differences: needed two groups or more, got one; pass group= to the fit")
        if permutations < 1:
            raise ValueError(f"permutations: needed at least 1, got {permutations}")
        generator = np.random.default_rng(rng)
        orders = [np.arange(len(self.groups)), *(generator.permutation(len(self.groups)) for _ in range(permutations))]
        spreads = np.stack([self._spread(self.groups[order]) for order in orders])
        scale = np.maximum(spreads.std(0), 1e-300)
        largest = ((spreads - spreads.mean(0)) / scale).max(1)
        slack = 1 - 1e-9  # equal spreads count as equal
        alone = (spreads >= slack * spreads[0]).mean(0)
        standard = (spreads[0] - spreads.mean(0)) / scale
        together = (largest[:, None] >= standard - 1e-9).mean(0)
        return ConceptDifferences(*(frozen(np.asarray(each)) for each in (spreads[0], alone, together)))

    def _spread(self, groups: Ints) -> Floats:
        sizes = np.bincount(groups, minlength=len(self.group_names)).astype(np.float64)
        totals = np.zeros((len(sizes), self.weights.shape[1]))
        np.add.at(totals, groups, self.weights)
        apart = (totals / sizes[:, None] - self.weights.mean(0)) ** 2
        found: Floats = np.sqrt(sizes / sizes.sum() @ apart)
        return found


def annotator_policies(
    concepts: ArrayLike,
    answers: ArrayLike,
    voter: Column,
    *,
    group: Column | None = None,
    ridge: float = 1.0,
) -> AnnotatorPolicies:
    """Fit to each voter a logistic policy on a shared space of concepts.

    ``concepts[n, d]`` describes what was judged (1 where a concept is present, or a degree), ``answers[n]`` is true for
    yes, ``voter[n]`` who answered, ``group[n]`` the voter's group. Each voter's log-likelihood less
    ½·``ridge``·(‖w‖² + b²) is maximised by Newton's method; ``ridge`` > 0 keeps the estimate finite where a voter
    always says the same. The policies are interpretable only as far as the concepts are, and concepts that always come
    together share their weight.

    Raises ``ValueError`` for columns of different lengths, numbers that are not finite, answers that are not yes or no,
    and a voter in two groups; ``NotConverged`` should Newton's method fail.

    Source: Oesterling et al. 2026, arXiv:2605.05329, proposes policies of annotators on shared concepts and to tell
    operational failure, ambiguity and pluralism apart by them. The estimator and the split into shares are ours.

    >>> found = annotator_policies([[1.0, 0.0], [0.0, 1.0]] * 20, [True, False] * 20, ["ann", "bob"] * 20)
    >>> found.weights.round(2).tolist()                             # ann saw the first concept only, bob the second
    [[1.32, 0.0], [0.0, -1.32]]
    """
    table = _table(concepts, None)
    said = np.asarray(answers)
    if said.shape != (len(table),) or not np.isin(said, (0, 1)).all():
        raise ValueError(f"answers: needed yes (1, true) or no (0, false) for each of {len(table)} rows")
    if not (np.isfinite(ridge) and ridge > 0):
        raise ValueError(f"ridge: needed a positive number, got {ridge!r}")
    names, who = _codes("voter", voter, len(table))
    group_names, which = _codes("group", ["all"] * len(table) if group is None else group, len(table))
    groups = np.full(len(names), -1)
    groups[who] = which
    if (groups[who] != which).any():
        row = int(np.flatnonzero(groups[who] != which)[0])
        raise ValueError(f"group: voter {names[who[row]]!r} is in more than one group; needed one group a voter")
    design = np.column_stack([table, np.ones(len(table))])
    yes = said.astype(np.float64)
    order = np.argsort(who, kind="stable")
    bounds = np.searchsorted(who[order], np.arange(len(names) + 1))
    fits, right = np.zeros((len(names), design.shape[1])), np.zeros(len(names))
    for v in range(len(names)):
        own = order[bounds[v] : bounds[v + 1]]
        fits[v] = _ridge_logistic(design[own], yes[own], ridge)
        right[v] = _predicted(design[own], yes[own], ridge)
    number = np.diff(bounds)
    share = np.bincount(who, weights=yes) / number
    return AnnotatorPolicies(
        names, frozen(fits[:, :-1].copy()), frozen(fits[:, -1].copy()), frozen(number), frozen(right),
        frozen(np.maximum(share, 1 - share)), group_names, frozen(groups),
    )  # fmt: skip


def _ridge_logistic(design: Floats, yes: Floats, ridge: float) -> Floats:
    """The maximum of Σ log P(answer) − ½·ridge·‖w‖²; every step is halved until the objective has risen."""
    weights = np.zeros(design.shape[1])

    def objective(at: Floats) -> float:
        score = design @ at
        return float(yes @ score - np.logaddexp(0, score).sum() - 0.5 * ridge * at @ at)

    now = objective(weights)
    for _ in range(100):
        chance = _logistic(design @ weights)
        slope = design.T @ (yes - chance) - ridge * weights
        if np.abs(slope).max() <= 1e-10 * (len(yes) + ridge):
            return weights
        bend = (design * (chance * (1 - chance))[:, None]).T @ design + ridge * np.eye(len(weights))
        step = np.linalg.solve(bend, slope)
        while (new := objective(weights + step)) < now - 1e-12 * abs(now) and np.abs(step).max() > 1e-12:
            step /= 2
        weights, now = weights + step, new
    raise NotConverged(
        f"annotator_policies: gradient {np.abs(slope).max():.1e} after 100 steps; rescale concepts", None
    )


def _predicted(design: Floats, yes: Floats, ridge: float) -> float:
    """The share of answers that a fit to the other parts predicts; an even chance counts half."""
    part = np.arange(len(yes)) % min(_FOLDS, len(yes))
    right = 0.0
    for fold in range(part.max() + 1):
        out = part == fold
        if out.all():
            return 0.5  # a single answer, and nothing to predict it from
        score = design[out] @ _ridge_logistic(design[~out], yes[~out], ridge)
        right += float((((score > 0) == (yes[out] > 0)) * (np.abs(score) > 1e-9) + 0.5 * (np.abs(score) <= 1e-9)).sum())
    return right / len(yes)


def _logistic(score: Floats) -> Floats:
    found: Floats = 0.5 * (1 + np.tanh(score / 2))
    return found


def _table(concepts: ArrayLike, width: int | None) -> Floats:
    table = np.array(concepts, np.float64)
    if table.ndim != 2 or 0 in table.shape or not np.isfinite(table).all() or width not in (None, table.shape[1]):
        wanted = "one column a concept" if width is None else f"{width} columns"
        raise ValueError(f"concepts: needed finite numbers, one row a context and {wanted}, got shape {table.shape}")
    return table


def _codes(name: str, column: Column, number: int) -> tuple[tuple[Label, ...], Ints]:
    codes, labels = encode(name, column)
    if len(codes) != number:
        raise ValueError(f"{name}: needed {number} entries, one a row, got {len(codes)}")
    return labels, codes.astype(np.int64)
