"""Bradley–Terry fits by group, partially pooled."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import luce
from choicekit.models import _hierarchy, _pooling
from choicekit.models._pooling import MARGINAL_GRID, POOLING_GRID, PRIOR_GRID
from choicekit.models.fit import Estimates, Fit
from choicekit.models.luce import Pairs, Ties
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label, frozen

__all__ = [
    "MARGINAL_GRID", "POOLING_GRID", "PRIOR_GRID", "TEST_VARIANCE", "GroupFits", "GroupScores", "Shuffled",
    "bradley_terry_by_group",
]  # fmt: skip

Floats = NDArray[np.float64]
Chosen = Literal["heldout", "marginal"]

#: The variance at which the heterogeneity statistic is computed, whatever the pooling.
TEST_VARIANCE = 1.0


class GroupScores(NamedTuple):
    """Scores of the population ``[m]`` and of each group ``[g, m]``.

    >>> GroupScores(np.zeros(2), np.zeros((3, 2))).groups.shape
    (3, 2)
    """

    population: Floats
    groups: Floats


class Shuffled(NamedTuple):
    """One permutation of the group labels: the heterogeneity statistic and the groups' scores ``[g, m]`` under it.

    >>> Shuffled(0.5, np.zeros((3, 2))).statistic
    0.5
    """

    statistic: float
    groups: Floats


@dataclass(frozen=True, eq=False)
class GroupFits:
    """Bradley–Terry fits of each group, shrunk towards the population's.

    The model: the population's scores μ have independent N(0, ``prior``) priors; group g's scores are μ + δ_g with
    δ_g independent N(0, ``pooling``), and describe the group's own comparisons. With ``pooling`` 0 every group has
    the population's scores. Where ``joint`` is false it is fitted in two steps: μ to everybody's comparisons (the one
    set of scores that describes them best), then each group around that. Where it is true μ and all δ_g are the
    model's joint mode, and μ is the centre of the groups, large and small.

    ``fits`` are in the order of ``groups``. ``shares[g]`` is the group's share of the voters where each voter is in
    one group, of the comparisons' weight otherwise. ``heldout`` lists (variance, mean log-likelihood of a held-out
    comparison) for each pooling variance tried, and is empty where none was tried. ``marginal`` lists (variance, log
    marginal likelihood) at the prior chosen, for each pooling variance tried by marginal likelihood or for the one
    given, and is empty where no variance was chosen so.

    The covariances behind the fits' intervals take both variances as known. In a joint fit they are of the joint
    posterior, so that a group's interval knows that the population is estimated too. In a fit of two steps they are
    conditional on the population's scores: right for "how far is this group from that population", too narrow for
    the group's scores themselves where the population's are uncertain (:meth:`bootstrap` leaves out neither).

    >>> from choicekit import domains
    >>> fits = bradley_terry_by_group(domains.three_groups().sample(voters=60, comparisons=20, rng=1))
    >>> fits.groups, fits.scores.shape
    (('first', 'minority', 'second'), (3, 6))
    """

    alternatives: tuple[Label, ...]
    groups: tuple[Label, ...]
    population: Fit
    fits: tuple[Fit, ...]
    shares: Floats
    prior: float
    pooling: float
    heldout: tuple[tuple[float, float], ...]
    marginal: tuple[tuple[float, float], ...]
    joint: bool
    _cells: _pooling.Cells = field(repr=False)
    _everybody: Floats = field(repr=False)

    @cached_property
    def scores(self) -> Floats:
        """The groups' scores ``[g, m]``.

        >>> votes = Comparisons(["a", "b"], ["b", "a"], group=["x", "y"])
        >>> bradley_terry_by_group(votes, prior=1.0, pooling=1.0).scores.round(2).tolist()
        [[0.34, -0.34], [-0.34, 0.34]]
        """
        return frozen(np.stack([fit.scores for fit in self.fits]))

    @property
    def exchangeable(self) -> str:
        """What :meth:`shuffled` permutes: ``"voters"``, ``"rows of each voter"`` or ``"rows"``.

        >>> votes = Comparisons(["a", "b"], ["b", "a"], group=["x", "y"])
        >>> bradley_terry_by_group(votes, prior=1.0, pooling=1.0).exchangeable
        'rows'
        """
        if not self._cells.nested:
            return "rows of each voter"
        return "voters" if self._cells.voters else "rows"

    def differences(self) -> tuple[Estimates, ...]:
        """Each group's scores less the population's, mean zero over the alternatives, in the order of ``groups``.

        The values are shrunk, as the fits are; the errors are those of δ_g in the posterior of the hierarchical model
        (normal approximation at the fitted scores, variances taken as known), which counts the uncertainty of the
        population. Raises ``ValueError`` where groups × alternatives² is above twenty million.

        >>> votes = Comparisons(["a"] * 9 + ["b"] * 9, ["b"] * 9 + ["a"] * 9, group=["x"] * 9 + ["y"] * 9)
        >>> apart = bradley_terry_by_group(votes, prior=1.0, pooling=1.0).differences()
        >>> [each.values.round(2).tolist() for each in apart]
        [[1.03, -1.03], [-1.03, 1.03]]
        >>> apart[0].standard_errors.round(2).tolist()
        [0.52, 0.52]
        """
        _hierarchy.check_size(len(self.groups), len(self.alternatives), "differences")
        count, won = self._cells.tally(np.ones(len(self._cells.edge)))
        apart = self.scores - self.population.scores
        model = _hierarchy.Hierarchy(
            self._cells.pairs, count, won, self.prior, self.pooling, self.population.scores, apart
        )
        return tuple(
            Estimates(self.alternatives, frozen(own), frozen(model.deviation_covariance(g)))
            for g, own in enumerate(apart)
        )

    def bootstrap(self, replicates: int, *, rng: int | np.random.Generator | None = None) -> Iterator[GroupScores]:
        """Refit to data resampled with replacement by voter (by row where there are no voters), one at a time.

        Where each voter is in one group the resampling is within groups. Resampling alone would be too sure of what
        the priors decide, so each replicate also draws the pooling variance in proportion to its held-out or
        marginal likelihood on a grid (where it was not given) and the centres of both priors from those priors. In a
        linear Gaussian model that samples the posterior exactly (randomise-then-optimise, Bardsley et al. 2014); how
        often intervals made from it cover the truth here is measured in ``benchmarks/interval_coverage.py``.

        >>> votes = Comparisons(["a", "b", "a"], ["b", "a", "b"], group=["x", "y", "x"])
        >>> fits = bradley_terry_by_group(votes, prior=1.0, pooling=1.0)
        >>> [draw.groups.shape for draw in fits.bootstrap(2, rng=0)]
        [(2, 2), (2, 2)]
        """
        generator = np.random.default_rng(rng)
        cells, size = self._cells, len(self.alternatives)
        tried, odds = self._odds()
        for _ in range(replicates):
            count, won = cells.tally(cells.resampled(generator))
            centre = generator.normal(0, math.sqrt(self.prior), size)
            start = self.population.scores
            variance = float(generator.choice(tried, p=odds))
            apart = generator.normal(0, math.sqrt(variance), (len(count), size))
            if self.joint:
                yield self._jointly(count, won, variance, (centre, apart))
                continue
            population = _hierarchy.refit(
                cells.pairs, count.sum(0), won.sum(0), self.alternatives, self.prior, centre, start
            ).scores
            yield GroupScores(population, self._group_scores(count, won, population + apart, variance))

    def shuffled(self, permutations: int, *, rng: int | np.random.Generator | None = None) -> Iterator[Shuffled]:
        """Refit with the group labels permuted, one permutation at a time: what chance alone would show.

        Where each voter is in one group, voters are shuffled between groups (sizes kept); where voters answer in
        several groups, each voter's labels are shuffled among that voter's rows; without voters, rows are shuffled.

        >>> votes = Comparisons(["a", "b"], ["b", "a"], group=["x", "y"])
        >>> fits = bradley_terry_by_group(votes, prior=1.0, pooling=1.0)
        >>> [round(draw.statistic, 6) == round(fits.statistic(), 6) for draw in fits.shuffled(2, rng=0)]
        [True, True]
        """
        generator = np.random.default_rng(rng)
        cells = self._cells
        for _ in range(permutations):
            count, won = cells.tally(np.ones(len(cells.edge)), cells.permuted(generator))
            tested = self._group_scores(count, won, self._everybody, TEST_VARIANCE)
            if self.joint:
                scores = self._jointly(count, won, self.pooling, None).groups
            elif self.pooling == TEST_VARIANCE:
                scores = tested
            else:
                scores = self._group_scores(count, won, self._everybody, self.pooling)
            yield Shuffled(self._statistic(count, won, tested), scores)

    def statistic(self) -> float:
        """How much better the groups are described by scores of their own than by one fit to everybody.

        Twice the gain in penalised log-likelihood, Σ_g 2[ℓ_g(μ + δ_g) − ‖δ_g‖²/(2v) − ℓ_g(μ)] at the maximising δ_g,
        with v = 1 whatever the pooling and μ the fit to everybody's comparisons: 0 where that suits every group, and
        compared with :meth:`shuffled` rather than with a table.

        >>> votes = Comparisons(["a", "b"], ["b", "a"], group=["x", "y"])
        >>> round(bradley_terry_by_group(votes, prior=1.0, pooling=0.0).statistic(), 4)
        0.6708
        """
        count, won = self._cells.tally(np.ones(len(self._cells.edge)))
        return self._statistic(count, won, self._group_scores(count, won, self._everybody, TEST_VARIANCE))

    def _statistic(self, count: Floats, won: Floats, scores: Floats) -> float:
        centre = self._everybody
        pairs, total = self._cells.pairs, 0.0
        for own, n, w in zip(scores, count, won, strict=True):
            gain = luce.loglik(pairs.first, pairs.second, n, w, own)
            gain -= luce.loglik(pairs.first, pairs.second, n, w, centre)
            total += 2 * gain - float(((own - centre) ** 2).sum()) / TEST_VARIANCE
        return total

    def _group_scores(self, count: Floats, won: Floats, centres: Floats, variance: float) -> Floats:
        """Each group's scores ``[g, m]``, shrunk to ``centres[m]`` or ``[g, m]``."""
        around = np.broadcast_to(centres, (len(count), len(self.alternatives)))
        if variance == 0:
            return around.copy()
        fits = [
            _hierarchy.refit(self._cells.pairs, n, w, self.alternatives, variance, centre, None)
            for n, w, centre in zip(count, won, around, strict=True)
        ]
        return np.stack([fit.scores for fit in fits])

    def _jointly(
        self, count: Floats, won: Floats, variance: float, centres: tuple[Floats, Floats] | None
    ) -> GroupScores:  # fmt: skip
        """The joint mode with this pooling variance and the priors centred there."""
        start = self.population.scores, self.scores - self.population.scores
        model = _hierarchy.joint(self._cells.pairs, count, won, self.prior, variance, start, centres)
        groups = model.population + model.deviations
        return GroupScores(model.population - model.population.mean(), groups - groups.mean(1)[:, None])

    def _odds(self) -> tuple[Floats, Floats]:
        """The pooling variances that a replicate may have, and how likely each is."""
        if self.heldout:
            tried, value = np.array(self.heldout).T
            value = value * self._cells.pairs.count.sum()
        else:
            on_grid = [pair for pair in self.marginal if pair[0] in (0.0, *MARGINAL_GRID)]
            chosen = on_grid if len(self.marginal) > 1 else [(self.pooling, 0.0)]
            tried, value = np.array(chosen).T
        odds = np.exp(value - value.max())
        return tried, odds / odds.sum()


def bradley_terry_by_group(
    comparisons: Comparisons,
    *,
    prior: float | Chosen = "heldout",
    pooling: float | Chosen = "heldout",
    joint: bool | None = None,
    ties: Ties = "half",
    folds: int = 5,
    rng: int | np.random.Generator | None = 0,
) -> GroupFits:
    """Fit the population and each of its groups, each group's scores shrunk towards the population's.

    Parameters
    ----------
    comparisons : the data; its partition in force gives the groups (without one, everybody is the group "everyone").
    prior, pooling : variances of the two Gaussian priors of :class:`GroupFits`; or ``"heldout"``: the one of
        ``PRIOR_GRID`` (``POOLING_GRID``) under which comparisons held out of the fit are most likely, folds made of
        whole voters where there are at least two; or ``"marginal"``: the one under which the data are most likely
        once μ and all δ_g are integrated out, between 1e-4 and 100 (or exactly 0 for the pooling).
    joint : fit μ and all δ_g together rather than in two steps (see :class:`GroupFits`); ``None`` means where a
        variance is chosen by marginal likelihood, since the joint model is the one whose likelihood that is.
    ties : ``"half"`` counts a tie as half a win each way, ``"drop"`` leaves ties out.
    folds : how many parts the data are held out in.
    rng : makes the folds.

    The marginal likelihood is Laplace's approximation around the joint mode, log p(data | μ̂ + δ̂) − ‖μ̂‖²/(2·prior) −
    Σ‖δ̂_g‖²/(2·pooling) − ½ log det(I + prior·Σ_g L_g K_g) − ½ Σ_g log det(I + pooling·L_g), with L_g the information
    of group g and K_g = (I + pooling·L_g)⁻¹. It is good where groups have a handful of comparisons an alternative,
    and rough where they have one or two; where a group's comparisons go one way only the likeliest pooling may be
    the largest tried. Comparisons count as independent given the
    scores; where the answers of a voter resemble each other more than the group's scores explain, ``"heldout"`` (by
    whole voters) is not misled and ``"marginal"`` is. A tie is half a win each way in it, as in the fit.

    Raises ``ValueError`` for variances that are not finite numbers (``prior`` > 0, ``pooling`` ≥ 0), for fewer than two
    folds, for modelled ties, for ``joint=False`` with a variance by marginal likelihood, and for a joint fit where
    groups × alternatives² is above twenty million; ``NotConverged`` where a fit stops early.

    Sources: the two-level model in Böckenholt 2001 (doi:10.1037/1082-989X.6.1.49); Laplace's approximation in Tierney
    and Kadane 1986 (doi:10.1080/01621459.1986.10478240).

    >>> votes = Comparisons(["a"] * 9 + ["b"] * 9, ["b"] * 9 + ["a"] * 9, group=["x"] * 9 + ["y"] * 9)
    >>> fits = bradley_terry_by_group(votes, prior=1.0)
    >>> fits.pooling > 0, fits.fits[0].winners, fits.fits[1].winners
    (True, ('a',), ('b',))
    >>> columns = list("aaabbbba"), list("bbbaaaab")                    # x says a, a, a, b and y says b, b, b, a
    >>> votes = Comparisons(*columns, weight=[5] * 8, group=["x"] * 4 + ["y"] * 4)
    >>> round(bradley_terry_by_group(votes, prior=1.0, pooling="marginal").pooling, 2)
    0.86
    """
    if ties not in ("half", "drop"):
        raise ValueError(f"bradley_terry_by_group: ties must be 'half' or 'drop', got {ties!r}")
    for name, value, least in (("prior", prior, 1e-300), ("pooling", pooling, 0.0)):
        if value not in ("heldout", "marginal") and not (isinstance(value, int | float) and least <= value < math.inf):
            raise ValueError(
                f"bradley_terry_by_group: {name} must be a variance, 'heldout' or 'marginal', got {value!r}"
            )
    if folds < 2:
        raise ValueError(f"bradley_terry_by_group: folds must be at least 2, got {folds}")
    integrated = "marginal" in (prior, pooling)
    if joint is False and integrated:
        raise ValueError(
            "bradley_terry_by_group: a marginal likelihood is that of the joint model; leave out joint=False, or "
            "choose both variances with 'heldout' or as numbers"
        )
    together = integrated or bool(joint)
    cells = _pooling.cells_of(comparisons, ties)
    names, pairs, size = comparisons.alternatives, cells.pairs, len(comparisons.alternatives)
    if together:
        _hierarchy.check_size(cells.groups, size, "bradley_terry_by_group")
    parts = list(_pooling.folded(cells, folds, np.random.default_rng(rng)))
    count, won = cells.tally(np.ones(len(cells.edge)))
    variance: float | None = None
    if prior == "heldout":
        variance = _pooling.likeliest(_pooling.prior_heldout(pairs, names, parts))
    elif prior != "marginal":
        variance = float(prior)
    spread = None if pooling in ("heldout", "marginal") else float(pooling)
    curve: tuple[tuple[float, float], ...] = ()
    if integrated:
        chosen = _pooling.by_marginal(pairs, count, won, size, variance, spread)
        variance = chosen.model.prior
        spread = spread if pooling == "heldout" else chosen.model.pooling
        curve = () if pooling == "heldout" else chosen.curve
    assert variance is not None
    tried = []
    if spread is None:
        tried = _pooling.pooling_heldout(pairs, names, parts, variance, together) if cells.groups > 1 else []
        spread = _pooling.likeliest(tried) if tried else 0.0
    everybody = _hierarchy.refit(pairs, count.sum(0), won.sum(0), names, variance, None, None)
    if together:
        population, fits = _joint_fits(cells.pairs, count, won, variance, spread, everybody)
    else:
        population, fits = everybody, _fits_around(everybody, cells.pairs, count, won, spread)
    return GroupFits(
        alternatives=names, groups=comparisons.groups or ("everyone",), population=population, fits=fits,
        shares=_pooling.shares_of(cells), prior=variance, pooling=spread, heldout=tuple(sorted(tried)), marginal=curve,
        joint=together, _cells=cells, _everybody=everybody.scores,
    )  # fmt: skip


def _fits_around(everybody: Fit, pairs: Pairs, count: Floats, won: Floats, pooling: float) -> tuple[Fit, ...]:
    """Each group around the fit to everybody."""
    if pooling == 0:
        return (everybody,) * len(count)
    return tuple(
        _hierarchy.refit(pairs, n, w, everybody.alternatives, pooling, everybody.scores, None)
        for n, w in zip(count, won, strict=True)
    )


def _joint_fits(
    pairs: Pairs, count: Floats, won: Floats, prior: float, pooling: float, everybody: Fit
) -> tuple[Fit, tuple[Fit, ...]]:
    """The population and the groups at the mode of the hierarchical model, with the joint posterior's covariances."""
    size = len(everybody.scores)
    model = _hierarchy.joint(pairs, count, won, prior, pooling, (everybody.scores, np.zeros((len(count), size))))

    def fit(scores: Floats, group: int | None) -> Fit:
        return Fit(
            model="bradley_terry", alternatives=everybody.alternatives, scores=frozen(scores - scores.mean()),
            effects={}, converged=True, iterations=model.iterations, residual=model.residual,
            prior=prior if group is None else pooling,
            comparisons=float(count.sum() if group is None else count[group].sum()),
            errors="joint posterior", _likelihood=_hierarchy.Part(model, group),
        )  # fmt: skip

    population = fit(model.population, None)
    if pooling == 0:
        return population, (population,) * len(count)
    return population, tuple(fit(model.population + own, g) for g, own in enumerate(model.deviations))
