"""Mixtures of preference models: types of voters, found by EM."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from choicekit.models import _electorates, _em, _mixing
from choicekit.outcomes import NotConverged
from choicekit.profiles import Comparisons, Rankings
from choicekit.profiles._columns import Label, frozen, short
from choicekit.profiles.counts import PairCounts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Assignment = Literal["soft", "hard"]


@dataclass(frozen=True, eq=False)
class Mixture:
    """A fitted mixture: K types of voters, each with a preference model of its own.

    Every voter belongs to one component k, with probability ``shares[k]``, and then prefers by ``scores[k, m]``
    (log-strengths with mean zero) throughout. Components stand in order of falling share; nothing else names them.

    ``responsibilities[n, k]`` are the probabilities, given a voter's ballots, that the voter belongs to k (0 or 1 with
    hard assignment). ``loglik`` is Σ_voters log Σ_k share_k·P_k(ballots); ``history`` holds what was maximised, pass by
    pass: ``loglik`` plus the priors' log-densities less constants (hard: the log-likelihood given the assignment),
    which never falls. ``residual`` is the largest entry of its gradient, per comparison or voter it stands on.
    ``restarts`` are the objectives that the restarts came to (on at most ``sample`` voters). ``parameters`` counts
    free parameters. ``coefficients[c + 1, k]`` say how log-shares depend on the concomitants, a constant first, each
    row with sum zero; ``None`` without concomitants. ``warnings`` says what makes the components doubtful.

    >>> import choicekit as ck
    >>> votes = ck.Comparisons(["a", "b"] * 12, ["b", "a"] * 12, voter=[0, 1, 2, 3] * 6)
    >>> fit = ck.models.mixtures.mixture(votes, components=2)
    >>> fit.shares.round(2).tolist(), sorted(fit.assign().tolist())
    ([0.5, 0.5], [0, 0, 1, 1])
    """

    model: Literal["bradley_terry", "plackett_luce"]
    alternatives: tuple[Label, ...]
    voters: tuple[Label, ...]
    scores: Floats
    shares: Floats
    responsibilities: Floats
    loglik: float
    history: tuple[float, ...] = field(repr=False)
    converged: bool
    iterations: int
    residual: float
    prior: float | None
    assignment: Assignment
    ties: _electorates.Ties
    parameters: int
    comparisons: float
    size: float
    restarts: Floats
    coefficients: Floats | None
    warnings: tuple[str, ...]

    @property
    def bic(self) -> float:
        """−2·loglik + parameters·log(number of voters): lower is better (Schwarz 1978, doi:10.1214/aos/1176344136).

        Voters, not comparisons, are what is drawn independently. Meant for maximum likelihood: with a strong prior
        the log-likelihood is lower than its maximum, and the index a little higher.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons(["a", "b"], ["b", "a"], voter=[0, 1])
        >>> fit = ck.models.mixtures.mixture(votes, components=1)
        >>> fit.bic == 2 * 2 * math.log(2) + 1 * math.log(2)
        True
        """
        return -2 * self.loglik + self.parameters * math.log(self.size)

    @property
    def found(self) -> int:
        """How many restarts came within 0.1 of the best objective; where it is 1, more restarts may find better.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons(["a", "b"], ["b", "a"], voter=[0, 1])
        >>> ck.models.mixtures.mixture(votes, components=1).found
        1
        """
        return int((self.restarts >= self.restarts.max() - _mixing.SAME).sum())

    def assign(self) -> Ints:
        """The most probable component of each voter, ``[n]``, the first of them where several are.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons(["a", "b"], ["b", "a"], voter=[0, 1])
        >>> ck.models.mixtures.mixture(votes, components=1).assign().tolist()
        [0, 0]
        """
        return np.asarray(self.responsibilities.argmax(1), np.int64)

    def responsibilities_for(
        self, votes: Comparisons | PairCounts | Rankings, *, concomitants: _electorates.Concomitants | None = None
    ) -> Floats:
        """The probabilities ``[n, k]`` that other voters belong to the components, given their ballots.

        Raises ``KeyError`` for alternatives that the mixture does not know, and where comparisons lack voters;
        ``TypeError`` for rankings where it was fitted to comparisons, or the other way round; ``ValueError`` for
        concomitants that it was not fitted with, and where those that it was fitted with are not given.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons(["a", "b"] * 12, ["b", "a"] * 12, voter=[0, 1, 2, 3] * 6)
        >>> fit = ck.models.mixtures.mixture(votes, components=2)
        >>> new = ck.Comparisons(["a", "b"] * 6, ["b", "a"] * 6, voter=["eve"] * 12)    # now one, now the other
        >>> fit.responsibilities_for(new).round(2).tolist()
        [[0.5, 0.5]]
        """
        return self._place(votes, concomitants)[0]

    def loglik_for(
        self, votes: Comparisons | PairCounts | Rankings, *, concomitants: _electorates.Concomitants | None = None
    ) -> Floats:
        """The log-likelihood ``[n]`` of other voters' ballots, voter by voter: log Σ_k share_k·P_k(ballots).

        Raises as :meth:`responsibilities_for`.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons(["a", "b"] * 12, ["b", "a"] * 12, voter=[0, 1, 2, 3] * 6)
        >>> fit = ck.models.mixtures.mixture(votes, components=2)
        >>> new = ck.Comparisons(["a"], ["b"], voter=["eve"])
        >>> bool(abs(fit.loglik_for(new)[0] - math.log(0.5)) < 1e-6)
        True
        """
        return self._place(votes, concomitants)[1]

    def _place(
        self, votes: Comparisons | PairCounts | Rankings, concomitants: _electorates.Concomitants | None
    ) -> tuple[Floats, Floats]:
        if isinstance(votes, Rankings) != (self.model == "plackett_luce"):
            raise TypeError(f"mixture: it was fitted to the {self.model} model, which does not speak of {type(votes)}")
        lacking = [label for label in votes.alternatives if label not in self.alternatives]
        if lacking:
            raise KeyError(f"mixture: it knows nothing of {len(lacking)} alternatives, such as {short(lacking, 4)}")
        if (concomitants is None) != (self.coefficients is None):
            raise ValueError("concomitants: give them where the mixture was fitted with them, and only there")
        place = {label: column for column, label in enumerate(self.alternatives)}
        scores = np.ascontiguousarray(self.scores[:, [place[label] for label in votes.alternatives]])
        if isinstance(votes, Rankings):
            electorate: _em.Electorate = _electorates.ballots(votes, concomitants)
        else:
            keys = _electorates.pair_keys(votes, votes.alternatives)
            electorate = _electorates.pair_votes(votes, votes.alternatives, keys, self.ties, concomitants)
        logs = np.log(np.maximum(self.shares, 1e-300))[None]
        parameters = _em.Parameters(scores, logs if self.coefficients is None else self.coefficients)
        return _mixing.placed(electorate, parameters, False)


def mixture(
    comparisons: Comparisons | PairCounts,
    *,
    components: int,
    assignment: Assignment = "soft",
    prior: float | None = 1.0,
    ties: _electorates.Ties = "half",
    restarts: int = 10,
    concomitants: _electorates.Concomitants | None = None,
    concomitant_prior: float = 100.0,
    sample: int = 10_000,
    tolerance: float = 1e-6,
    limit: int = 2_000,
    rng: int | np.random.Generator = 0,
) -> Mixture:
    """Types of voters: a mixture of Bradley–Terry models by EM over voters.

    A voter of component k, which has probability share_k, prefers a to b with probability σ(s_ka − s_kb) in each
    comparison independently. Maximises Σ_voters log Σ_k share_k·P_k(the voter's comparisons) − Σ s²/(2·prior). An
    E-step computes the responsibilities, an M-step fits each component to the comparisons weighted by them; steps are
    lengthened by squared extrapolation where that raises the objective. Cost: linear in comparisons times components.

    Parameters
    ----------
    comparisons : with voters; or their counts by voter.
    components : K, the number of types; see :func:`~choicekit.models.mixture_choice.choose_components`.
    assignment : ``"soft"``; or ``"hard"``, where each round gives every voter wholly to the component under which
        their comparisons are likeliest, without regard to shares, until assignments repeat (Chakraborty et al. 2024).
    prior : variance of Gaussian priors on all scores, or ``None`` for maximum likelihood.
    ties : ``"half"`` counts a tie as half a win each way, ``"drop"`` leaves ties out.
    restarts : from how many starts to climb, half of them from clusters of voters, half from random ones. The best is
        then climbed to the end. EM finds local maxima: more restarts find better ones (see ``Mixture.found``).
    concomitants : covariates of voters ``[n, c]`` in the order of ``comparisons.voters``, or a mapping from voter to
        vector. Shares are then softmax(constant_k + coefficients_k·x), a multinomial logit (Dayton and Macready 1988).
    concomitant_prior : variance of Gaussian priors on its coefficients, not on the constants.
    sample : restarts look at so many voters at most, drawn at random; the last climb at all.
    tolerance : bound on :attr:`Mixture.residual`.
    limit : how many passes over the data the last climb may take.

    Warns (``UserWarning``, kept in ``warnings``) where the components are not identified or doubtful: voters with one
    comparison each, too few comparisons for so many components, components that coincide or have hardly a voter, more
    parameters than cells, restarts of equal likelihood that differ.

    Raises
    ------
    NoFiniteEstimate : without a prior, where some component's wins go one way only.
    NotConverged : the tolerance was not met within ``limit`` passes; carries the partial mixture.
    KeyError : comparisons without voters, or voters without concomitants.
    ValueError : options out of range, fewer voters than components.

    Source: Dempster, Laird and Rubin 1977; for hard assignment Chakraborty et al. 2024, arXiv:2402.08925.

    >>> from choicekit import domains
    >>> votes = domains.three_groups().sample(voters=150, comparisons=60, rng=0)
    >>> fit = mixture(votes, components=3)
    >>> fit.shares.round(1).tolist(), fit.converged
    ([0.6, 0.3, 0.1], True)
    """
    options = _mixing.checked(
        "mixture", components=components, assignment=assignment, prior=prior, ties=ties, restarts=restarts,
        concomitant_prior=concomitant_prior, sample=sample, tolerance=tolerance, limit=limit, rng=rng,
        concomitants=concomitants is not None,
    )  # fmt: skip
    keys = _electorates.pair_keys(comparisons, comparisons.alternatives)
    votes = _electorates.pair_votes(comparisons, comparisons.alternatives, keys, ties, concomitants)
    return announced(
        fit(_mixing.source(votes, comparisons.alternatives, comparisons.voters, options.hard), options), options.name
    )


def plackett_luce_mixture(
    rankings: Rankings,
    *,
    components: int,
    assignment: Assignment = "soft",
    prior: float | None = 1.0,
    restarts: int = 10,
    concomitants: _electorates.Concomitants | None = None,
    concomitant_prior: float = 100.0,
    sample: int = 10_000,
    tolerance: float = 1e-6,
    limit: int = 2_000,
    rng: int | np.random.Generator = 0,
) -> Mixture:
    """Types of voters: a mixture of Plackett–Luce models of rankings by EM.

    A voter of component k ranks by choosing the best, then the best of the rest and so on: a, out of what is left,
    with probability e^{s_ka} / Σ_left e^{s_kb}. Rankings are strict, full or of the best few; what is not ranked stays
    below all that is, to the end. Each row is a voter (numbered from 0) whose weight is the number of voters with that
    very ballot. Scores climb by minorise–maximise steps (Hunter 2004, doi:10.1214/aos/1079120141). Options, warnings
    and errors are those of :func:`mixture`. Also warns where there are fewer than 2K alternatives, for which mixtures
    of K Plackett–Luce models of whole rankings are not identified (Zhao, Piech and Xia 2016, arXiv:1603.07323).

    Raises ``ValueError`` for ties, or where no ranking prefers anything to anything.

    Source: Mollica and Tardella 2017 (doi:10.1007/s11336-016-9530-0) for mixtures of Plackett–Luce models.

    >>> votes = Rankings.from_orders({"abcd": 30, "abdc": 10, "dcba": 12, "dcab": 8})
    >>> fit = plackett_luce_mixture(votes, components=2)
    >>> fit.shares.round(2).tolist(), fit.assign().tolist()
    ([0.67, 0.33], [0, 0, 1, 1])
    """
    options = _mixing.checked(
        "plackett_luce_mixture", components=components, assignment=assignment, prior=prior, ties="half",
        restarts=restarts, concomitant_prior=concomitant_prior, sample=sample, tolerance=tolerance, limit=limit,
        rng=rng, concomitants=concomitants is not None,
    )  # fmt: skip
    votes = _electorates.ballots(rankings, concomitants)
    voters = tuple(range(len(votes.times)))
    source = _mixing.source(votes, rankings.alternatives, voters, options.hard)
    return announced(fit(source, options), options.name)


def fit(source: _mixing.Source, options: _mixing.Options) -> Mixture:
    """The mixture of checked options, converged or not, without a word about its warnings.

    >>> votes = Comparisons(["a", "b"], ["b", "a"], voter=[0, 1])
    >>> mixture(votes, components=1).converged
    True
    """
    found = _mixing.find(source, options)
    components, columns = options.components, source.columns
    return Mixture(
        model="bradley_terry" if isinstance(source.family, _electorates.PairFamily) else "plackett_luce",
        alternatives=source.alternatives,
        voters=source.voters,
        scores=frozen(found.parameters.scores),
        shares=frozen(found.shares),
        responsibilities=frozen(found.responsibilities),
        loglik=float(found.each @ source.times),
        history=found.climb.history,
        converged=found.climb.converged,
        iterations=found.climb.passes,
        residual=found.climb.residual,
        prior=options.prior,
        assignment="hard" if options.hard else "soft",
        ties=options.ties,
        parameters=components * (len(source.alternatives) - 1) + (components - 1) * columns,
        comparisons=float(source.sizes @ source.times),
        size=float(source.times.sum()),
        restarts=frozen(found.restarts),
        coefficients=frozen(found.parameters.coefficients) if columns > 1 else None,
        warnings=found.warnings,
    )


def announced(fitted: Mixture, name: str) -> Mixture:
    """The mixture itself, once its warnings are given; ``NotConverged`` where it has not.

    >>> votes = Comparisons(["a", "b"], ["b", "a"], voter=[0, 1])
    >>> announced(mixture(votes, components=1), "mixture").warnings
    ()
    """
    if not fitted.converged:
        raise NotConverged(
            f"{name}: residual {fitted.residual:.1e} after {fitted.iterations} passes, above the tolerance; raise "
            "limit=, loosen tolerance=, or ask for fewer components. The partial mixture is in .partial",
            fitted,
        )
    for doubt in fitted.warnings:
        warnings.warn(f"{name}: {doubt}", UserWarning, stacklevel=3)
    return fitted
