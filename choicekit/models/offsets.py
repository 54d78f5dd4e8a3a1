"""Scores for every voter: the population's, and offsets of low rank."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.models import _variational
from choicekit.models.fit import Estimates, Prediction
from choicekit.models.luce import Ties
from choicekit.outcomes import NotConverged
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label, frozen, short

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Voter:
    """What a personal fit says of one voter: a normal posterior for the position, and the scores that follow.

    ``position[r]`` and ``covariance[r, r]`` are in the coordinates of the fit's axes, ``estimates`` the voter's scores
    with mean zero and their covariance. Both take the population's scores and the loadings as known. Intervals are
    therefore too narrow where those are uncertain: few voters, few comparisons, or alternatives with small loadings.

    >>> import choicekit as ck
    >>> votes = ck.Comparisons(list("aabb") * 2, list("bbaa") * 2, voter=[0, 0, 1, 1, 2, 2, 3, 3])
    >>> bob = personal(votes, rank=1).voter(3)
    >>> bob.estimates.values.shape, bob.position.shape, bob.comparisons
    ((2,), (1,), 2.0)
    """

    estimates: Estimates
    position: Floats
    covariance: Floats
    comparisons: float

    def predict(self, first: Any, second: Any) -> Prediction:
        """Chances that the voter prefers ``first`` to ``second``: two labels, or equally long lists of labels.

        The mean of σ over the normal posterior of the voter's log-odds, by Gauss–Hermite quadrature with 40 nodes;
        ``errors`` are the posterior's standard deviations of σ. Ties have probability 0, since the model has none.
        Raises ``KeyError`` for a label that is not there and ``ValueError`` for lists of unequal length.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons(list("aabb") * 2, list("bbaa") * 2, voter=[0, 0, 1, 1, 2, 2, 3, 3])
        >>> fit = personal(votes, rank=1)
        >>> bool(fit.voter(0).predict("a", "b").win[0] > 0.5 > fit.voter(1).predict("a", "b").win[0])
        True
        """
        i, j = _meetings(self.estimates.alternatives, first, second)
        values, covariance = self.estimates.values, self.estimates.covariance
        variance = covariance[i, i] + covariance[j, j] - 2 * covariance[i, j]
        return _chances(values[i] - values[j], variance)


@dataclass(frozen=True, eq=False)
class PersonalFit:
    """Scores of every voter: the population's, and an offset along a few axes.

    The model: voter v prefers i to j with log-odds (μ_i + U_i·z_v) − (μ_j + U_j·z_v), and positions z_v are
    independent N(0, I). ``scores[m]`` are the population's μ, with mean zero; ``loadings[m, r]`` are U, its columns
    the principal axes of the offsets: orthogonal, each with mean zero, the one that explains most first, its largest
    entry positive. ``positions[v, r]`` and ``covariances[v, r, r]`` are the posterior of each voter's position. They
    take the scores and loadings as known. A voter at 0 has the population's scores, one at 1 on an axis is a standard
    deviation off.

    ``elbo`` is the lower bound on the log of the joint density of comparisons, scores and loadings, without the
    constants of their priors, and ``history`` the bound at each step (:func:`personal` tells of two, the second
    tighter): it never falls. ``residual`` is the largest gradient of the bound by a score or a loading, per comparison.

    >>> import choicekit as ck
    >>> left, right = list("aab"), list("bcc")                  # half the voters say a > b > c, half the reverse
    >>> votes = ck.Comparisons((left + right) * 10, (right + left) * 10, voter=np.arange(20).repeat(3))
    >>> fit = personal(votes, rank=1)
    >>> fit.converged, fit.alternatives, np.abs(fit.scores).round(2).tolist(), fit.positions.shape
    (True, ('a', 'b', 'c'), [0.0, 0.0, 0.0], (20, 1))
    >>> fit.voter_scores[0].round(2).tolist() == (-fit.voter_scores[1]).round(2).tolist()
    True
    """

    alternatives: tuple[Label, ...]
    voters: tuple[Label, ...]
    scores: Floats
    loadings: Floats
    positions: Floats
    covariances: Floats
    prior: float
    offset_prior: float
    elbo: float
    history: tuple[float, ...]
    converged: bool
    iterations: int
    residual: float
    comparisons: float
    _counts: Floats = field(repr=False)

    @property
    def rank(self) -> int:
        """The number of axes.

        >>> import choicekit as ck
        >>> personal(ck.Comparisons(["a", "b"], ["b", "a"], voter=[0, 1]), rank=0).rank
        0
        """
        return int(self.loadings.shape[1])

    @cached_property
    def voter_scores(self) -> Floats:
        """The scores of every voter at the mean of their position, ``[v, m]``, each with mean zero.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons(["a", "b"], ["b", "a"], voter=[0, 1])
        >>> personal(votes, rank=0).voter_scores.tolist()
        [[0.0, 0.0], [0.0, 0.0]]
        """
        return frozen(self.scores + self.positions @ self.loadings.T)

    @property
    def variances(self) -> Floats:
        """The variance between voters along each axis, ``[r]``: of a score, averaged over alternatives.

        >>> import choicekit as ck
        >>> personal(ck.Comparisons(["a", "b"], ["b", "a"], voter=[0, 1]), rank=0).variances.tolist()
        []
        """
        return np.asarray((self.loadings**2).mean(0), np.float64)

    @property
    def shares(self) -> Floats:
        """The share of the variance between voters that each axis explains, ``[r]``: the columns' squares over all.

        Of the variance along the fitted axes, which are all that the model has; zeros where voters do not differ.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons(list("aabb") * 2, list("bbaa") * 2, voter=[0, 0, 1, 1, 2, 2, 3, 3])
        >>> personal(votes, rank=1).shares.tolist()
        [1.0]
        """
        total = float(self.variances.sum())
        return np.asarray(self.variances / total if total > 0 else np.zeros(self.rank), np.float64)

    def voter(self, label: Hashable) -> Voter:
        """What is known of one of the voters. Raises ``KeyError`` for one that is not there.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons(["a", "b"], ["b", "a"], voter=["ann", "bob"])
        >>> personal(votes, rank=0).voter("ann").estimates.values.tolist()
        [0.0, 0.0]
        """
        at = int(_codes("voter", self.voters, [label])[0])
        return self._voter(self.positions[at], self.covariances[at], float(self._counts[at]))

    def predict(self, voter: Any, first: Any, second: Any) -> Prediction:
        """Chances that each voter prefers ``first`` to ``second``: three labels, or equally long lists of labels.

        As :meth:`Voter.predict`, for many at once.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons(list("aabb") * 2, list("bbaa") * 2, voter=[0, 0, 1, 1, 2, 2, 3, 3])
        >>> win = personal(votes, rank=1).predict([0, 1], ["a", "a"], ["b", "b"]).win
        >>> bool(win[0] > 0.5 > win[1]), bool(abs(win.sum() - 1) < 1e-9)
        (True, True)
        """
        i, j = _meetings(self.alternatives, first, second)
        who = _codes("voter", self.voters, _several(self.voters, voter))
        if len(who) not in (1, len(i)) and len(i) != 1:
            raise ValueError(f"predict: needed as many voters as pairs, got {len(who)} voters and {len(i)} pairs")
        gap, apart = self.scores[i] - self.scores[j], self.loadings[i] - self.loadings[j]
        return _chances(*_log_odds(gap, apart, self.positions[who], self.covariances[who]))

    def locate(self, comparisons: Comparisons, *, ties: Ties = "half") -> Voter:
        """A new voter's position from their comparisons, with this fit's scores and loadings as they are.

        All rows are taken for one voter's. Raises ``ValueError`` for alternatives that the fit does not have, or
        where dropped ties leave nothing.

        >>> import choicekit as ck
        >>> left, right = list("aab"), list("bcc")
        >>> votes = ck.Comparisons((left + right) * 10, (right + left) * 10, voter=np.arange(20).repeat(3))
        >>> new = personal(votes, rank=1).locate(ck.Comparisons(["c", "b"], ["a", "a"]))
        >>> new.estimates.values.round(2).tolist() == sorted(new.estimates.values.round(2).tolist())
        True
        """
        unknown = [label for label in comparisons.alternatives if label not in self.alternatives]
        if unknown:
            raise ValueError(f"locate: the fit has no alternatives {short(unknown)}; leave out rows about them")
        cells = _variational.cells_of(comparisons, ties, self.alternatives, alone=True)
        found = _variational.settle(cells, np.column_stack([self.scores, self.loadings]))
        return self._voter(found.means[0], found.covariances[0], float(cells.count.sum()))

    def _voter(self, position: Floats, covariance: Floats, comparisons: float) -> Voter:
        scores = self.scores + self.loadings @ position
        spread = self.loadings @ covariance @ self.loadings.T
        return Voter(
            Estimates(self.alternatives, frozen(scores), frozen(spread)), position, covariance, comparisons
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class RankChoice:
    """Held-out likelihood of personal fits by rank.

    ``heldout[k]`` is the mean log-likelihood of a held-out comparison at ``candidates[k]`` axes, ``errors[k]`` the
    standard error (by voter) of how far that is below the best of them, and ``rank`` the smallest candidate that is
    below the best by no more than twice its error.

    >>> RankChoice((0, 1), np.array([-0.6, -0.5]), np.array([0.01, 0.0])).rank
    1
    """

    candidates: tuple[int, ...]
    heldout: Floats
    errors: Floats

    @property
    def rank(self) -> int:
        """The number of axes to use.

        >>> RankChoice((0, 1), np.array([-0.515, -0.5]), np.array([0.01, 0.0])).rank
        0
        """
        near = self.heldout.max() - self.heldout <= 2 * self.errors
        return min(rank for rank, good in zip(self.candidates, near.tolist(), strict=True) if good)


def personal(
    comparisons: Comparisons,
    *,
    rank: int = 2,
    prior: float = 1.0,
    offset_prior: float = 1.0,
    ties: Ties = "half",
    restarts: int = 2,
    tolerance: float = 1e-6,
    limit: int = 1000,
    rng: int | np.random.Generator | None = 0,
) -> PersonalFit:
    """Fit scores of the population and, for every voter, an offset of low rank (the model of :class:`PersonalFit`).

    Parameters
    ----------
    comparisons : the data; a voter column is needed, groups are not used.
    rank : the number of axes along which voters differ; 0 gives everybody the same scores.
    prior, offset_prior : variances of independent Gaussian priors on the scores and on the loadings.
    ties : ``"half"`` counts a tie as half a win each way, ``"drop"`` leaves ties out.
    restarts : how many random loadings to begin at. The bound may have several maxima; of these beginnings
        the one that is highest after ten steps is followed to the end.
    tolerance : bound on :attr:`PersonalFit.residual`.
    limit : the number of steps after which to give up.
    rng : draws the loadings to begin at.

    Positions are integrated out, scores and loadings are the most probable ones. The integral has no closed form, and
    is bounded from below: each voter's posterior is a normal one, the best for the bound. First under a coarser bound,
    log σ(x) ≥ log σ(ξ) + (x − ξ)/2 − tanh(ξ/2)/(4ξ)·(x² − ξ²) with a ξ for every voter and pair (Jaakkola and Jordan
    2000), whose steps are in closed form: posteriors, then each ξ² = E[log-odds²], then scores and loadings from a
    linear system of m·(rank + 1) equations. That bound alone makes offsets too small, the more so the fewer
    comparisons voters make. From near its top the climb therefore goes on with E[log σ] itself, by Gauss–Hermite
    quadrature with 12 nodes, in steps of the same form. Each step costs time in proportion to the number of (voter,
    pair) cells. With rank 0 nothing is integrated, and the fit is that of :func:`bradley_terry` with the same prior.

    Where data allow: an offset is learnt from comparisons of the same voter with one another, so that a single one
    each says nothing. Warns where some voters have fewer than two comparisons (they inform the scores, and their
    positions stay near 0). Raises ``ValueError`` without a voter column; where fewer than rank + 2 voters have two
    comparisons or more; for a rank above the number of alternatives − 1; for priors that are not positive numbers.
    Raises ``NotConverged`` with the partial fit where ``limit`` came first.

    Sources: Jaakkola and Jordan 2000, doi:10.1023/A:1008932416310; Anderson 1965, doi:10.1145/321296.321305, for the
    mixing of steps. That every beginning leads to the same end was seen in simulations; it is no theorem.

    >>> import choicekit as ck
    >>> votes = ck.Comparisons(list("aabb") * 2, list("bbaa") * 2, voter=[0, 0, 1, 1, 2, 2, 3, 3])
    >>> personal(votes, rank=1).positions.ravel().round(2).tolist()          # 0 and 2 like a, 1 and 3 like b
    [0.8, -0.8, 0.8, -0.8]
    >>> one = personal(votes, rank=0, prior=2.0)
    >>> bool(np.allclose(one.scores, ck.models.bradley_terry(votes, prior=2.0).scores))
    True
    """
    cells = _checked(comparisons, "personal", (rank,), prior, offset_prior, ties)
    if restarts < 1 or limit < 1:
        raise ValueError(f"personal: restarts and limit must be at least 1, got {restarts} and {limit}")
    few = int((cells.by_voter() < 2).sum())
    if rank and few:
        warnings.warn(
            f"personal: {few} of {cells.voters} voters have fewer than two comparisons; their positions say little "
            "and stay near 0. Leave them out, or gather more from each",
            stacklevel=2,
        )
    fit = _fit(cells, comparisons, rank, prior, offset_prior, restarts, tolerance, limit, np.random.default_rng(rng))
    if not fit.converged:
        raise NotConverged(
            f"personal: residual {fit.residual:.1e} after {fit.iterations} steps, above the tolerance {tolerance:.1e}; "
            "raise limit=, loosen tolerance= or lower rank=. The partial fit is in .partial",
            fit,
        )
    return fit


def choose_rank(
    comparisons: Comparisons,
    *,
    candidates: tuple[int, ...] = (0, 1, 2, 3),
    folds: int = 5,
    prior: float = 1.0,
    offset_prior: float = 1.0,
    ties: Ties = "half",
    restarts: int = 2,
    tolerance: float = 1e-4,
    limit: int = 1000,
    rng: int | np.random.Generator | None = 0,
) -> RankChoice:
    """How many axes a personal fit should have: the likelihood of comparisons held out from the same voters.

    The comparisons of every voter are dealt out to ``folds`` parts. Each part in turn is predicted from a fit to the
    others, at each voter's own posterior (:meth:`PersonalFit.predict`). Other options are as in :func:`personal`.

    Raises as :func:`personal`, for every candidate, and ``ValueError`` for fewer than two folds or no candidates.

    >>> import choicekit as ck
    >>> left, right = list("aab"), list("bcc")                  # half the voters say a > b > c, half the reverse
    >>> votes = ck.Comparisons((left + right) * 10, (right + left) * 10, voter=np.arange(20).repeat(3))
    >>> choose_rank(votes, candidates=(0, 1)).rank
    1
    """
    if folds < 2 or not candidates:
        raise ValueError(f"choose_rank: needed two folds or more and candidates, got {folds} and {candidates}")
    cells = _checked(comparisons, "choose_rank", candidates, prior, offset_prior, ties)
    generator = np.random.default_rng(rng)
    fold = _deal(cells.voter, folds, generator)
    told = np.zeros((len(candidates), cells.voters))
    who = np.repeat(np.arange(cells.voters), np.diff(cells.start))
    for part in range(folds):
        kept, out = cells.without(fold == part)
        met = np.flatnonzero(out.count)
        for k, rank in enumerate(candidates):
            fit = _fit(kept, comparisons, rank, prior, offset_prior, restarts, tolerance, limit, generator)
            pair = out.pair[met]
            apart = fit.loadings[out.first[pair]] - fit.loadings[out.second[pair]]
            gap = fit.scores[out.first[pair]] - fit.scores[out.second[pair]]
            win = _chances(*_log_odds(gap, apart, fit.positions[who[met]], fit.covariances[who[met]])).win
            said = out.won[met] * np.log(win) + (out.count - out.won)[met] * np.log1p(-win)
            told[k] += np.bincount(who[met], said, cells.voters)
    weight, total = cells.by_voter(), cells.by_voter().sum()
    heldout = told.sum(1) / total
    behind = told[int(heldout.argmax())] - told
    centred = behind - weight * (behind.sum(1) / total)[:, None]
    return RankChoice(tuple(candidates), frozen(heldout), frozen(np.sqrt((centred**2).sum(1)) / total))


def _checked(
    comparisons: Comparisons, name: str, ranks: tuple[int, ...], prior: float, offset_prior: float, ties: Ties
) -> _variational.Cells:  # fmt: skip
    """The counts, once the arguments are what is needed."""
    if not isinstance(comparisons, Comparisons) or comparisons.voter is None:
        raise ValueError(f"{name}: needed Comparisons that say who made each; give voter= when they are made")
    if ties not in ("half", "drop"):
        raise ValueError(f"{name}: ties must be 'half' or 'drop', got {ties!r}")
    for word, value in (("prior", prior), ("offset_prior", offset_prior)):
        if not (isinstance(value, int | float | np.number) and 0 < value < np.inf):
            raise ValueError(f"{name}: {word} must be a positive variance, got {value!r}")
    most = len(comparisons.alternatives) - 1
    for rank in ranks:
        if not isinstance(rank, int | np.integer) or not 0 <= rank <= most:
            raise ValueError(
                f"{name}: a rank must be a whole number from 0 to {most} (the alternatives less one), got {rank!r}"
            )
    cells = _variational.cells_of(comparisons, ties, comparisons.alternatives)
    able = int((cells.by_voter() >= 2).sum())
    if max(ranks) and able < max(ranks) + 2:
        raise ValueError(
            f"{name}: {max(ranks)} axes need {max(ranks) + 2} voters with two comparisons or more, got {able}; "
            "gather more from each voter, or use a lower rank (0 for one set of scores for all)"
        )
    return cells


def _fit(
    cells: _variational.Cells, comparisons: Comparisons, rank: int, prior: float, offset_prior: float, restarts: int,
    tolerance: float, limit: int, rng: np.random.Generator,
) -> PersonalFit:  # fmt: skip
    precision = np.array([1 / prior] + [1 / offset_prior] * rank)
    state = _variational.best_climb(cells, rank, precision, restarts, tolerance, limit, rng)
    loadings, turn = _variational.principal(state.w[:, 1:])
    scores, before = state.w[:, 0] - state.w[:, 0].mean(), state.posterior
    near = before._replace(means=before.means @ turn, covariances=turn.T @ before.covariances @ turn)
    found = _variational.settle(cells, np.column_stack([scores, loadings]), near)
    return PersonalFit(
        alternatives=comparisons.alternatives, voters=comparisons.voters, scores=frozen(scores),
        loadings=frozen(loadings), positions=frozen(found.means), covariances=frozen(found.covariances),
        prior=float(prior), offset_prior=float(offset_prior),
        elbo=float(found.bounds.sum() - 0.5 * (precision * np.column_stack([scores, loadings]) ** 2).sum()),
        history=state.history, converged=state.residual <= tolerance, iterations=state.iterations,
        residual=state.residual, comparisons=float(cells.count.sum()), _counts=frozen(cells.by_voter()),
    )  # fmt: skip


def _deal(voter: Ints, folds: int, rng: np.random.Generator) -> Ints:
    """A part for every row: the rows of each voter in a random order, dealt out from a random part on."""
    order = np.lexsort([rng.random(len(voter)), voter])
    starts = np.searchsorted(voter[order], np.arange(voter.max() + 1))
    fold = np.empty(len(voter), np.int64)
    fold[order] = np.arange(len(voter)) - starts[voter[order]] + rng.integers(0, folds, len(starts))[voter[order]]
    return fold % folds


def _several(labels: tuple[Label, ...], given: Any) -> list[Any]:
    """One label, or a list of them; a string is a label, and so is a tuple that is one."""
    if isinstance(given, str) or (isinstance(given, Hashable) and given in labels):
        return [given]
    return list(given) if hasattr(given, "__iter__") else [given]


def _codes(what: str, labels: tuple[Label, ...], wanted: list[Any]) -> Ints:
    position = {label: at for at, label in enumerate(labels)}
    unknown = [label for label in wanted if label not in position]
    if unknown:
        raise KeyError(f"no {what} {unknown[0]!r}; there are {short(labels)}")
    return np.array([position[label] for label in wanted], np.int64)


def _meetings(alternatives: tuple[Label, ...], first: Any, second: Any) -> tuple[Ints, Ints]:
    i, j = (_codes("alternative", alternatives, _several(alternatives, side)) for side in (first, second))
    if len(i) != len(j) and 1 not in (len(i), len(j)):
        raise ValueError(f"predict: needed two equally long lists, got {len(i)} and {len(j)} alternatives")
    one, other = np.broadcast_arrays(i, j)
    return one, other


def _log_odds(gap: Floats, apart: Floats, positions: Floats, covariances: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of the log-odds of pairs with gaps ``[n]`` between scores and ``[n, r]`` between loadings."""
    variance = ((apart[:, None] @ covariances)[:, 0] * apart).sum(1)
    return gap + (apart * positions).sum(1), variance


def _chances(mean: Floats, variance: Floats) -> Prediction:
    """E[σ] and its spread for normal log-odds."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()
    odds = mean[:, None] + np.sqrt(np.maximum(variance, 0.0))[:, None] * nodes
    win = 1 / (1 + np.exp(-odds))
    chance = win @ weights
    error = np.sqrt(((win - chance[:, None]) ** 2) @ weights)
    return Prediction(chance, np.zeros_like(chance), 1 - chance, np.stack([error, np.zeros_like(error), error], 1))
