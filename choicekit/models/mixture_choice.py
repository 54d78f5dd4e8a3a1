"""How many types of voters, and whether two mixtures found the same ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from choicekit.models import _electorates, _mixing, mixtures
from choicekit.profiles import Comparisons, Rankings
from choicekit.profiles._columns import Label, frozen, short
from choicekit.profiles.counts import PairCounts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Votes = Comparisons | PairCounts | Rankings


@dataclass(frozen=True, eq=False)
class ComponentChoice:
    """How well mixtures with different numbers of components describe voters they were not fitted to.

    ``held_out[i]`` is the log-likelihood per comparison (per choice for rankings) of voters left out of the fit, with
    ``candidates[i]`` components, and ``errors[i]`` its standard error over voters. Candidates are compared on the same
    voters, so what matters is ``behind[i]``, how far one is behind the best, and ``behind_errors[i]``, the standard
    error of that difference. ``bic[i]`` belongs to ``mixtures[i]``, the fit to everybody.

    >>> from choicekit import domains
    >>> votes = domains.three_groups().sample(voters=90, comparisons=60, rng=0)
    >>> choice = choose_components(votes, candidates=[1, 2], restarts=2)
    >>> choice.best, choice.best_by_bic, bool(choice.behind[0] > 3 * choice.behind_errors[0])
    (2, 2, True)
    """

    candidates: tuple[int, ...]
    held_out: Floats
    errors: Floats
    behind: Floats
    behind_errors: Floats
    bic: Floats
    mixtures: tuple[mixtures.Mixture, ...]
    converged: tuple[bool, ...]

    @property
    def best(self) -> int:
        """The number of components with the highest held-out log-likelihood.

        >>> nothing = np.zeros(2)
        >>> ComponentChoice((1, 2), np.array([-0.7, -0.6]), *[nothing] * 3, nothing, (), (True, True)).best
        2
        """
        return self.candidates[int(self.held_out.argmax())]

    @property
    def best_by_bic(self) -> int:
        """The number of components with the lowest BIC.

        >>> nothing = np.zeros(2)
        >>> ComponentChoice((1, 2), *[nothing] * 4, np.array([10.0, 12.0]), (), (True, True)).best_by_bic
        1
        """
        return self.candidates[int(self.bic.argmin())]

    @property
    def simplest(self) -> int:
        """The smallest number that is no more than one standard error of the difference behind the best.

        Source: the one-standard-error rule of Breiman, Friedman, Olshen and Stone 1984, applied to differences.

        >>> nothing = np.zeros(2)
        >>> ComponentChoice((1, 2), nothing, nothing, np.array([0.1, 0]), np.array([0.2, 0]), nothing, (), ()).simplest
        1
        """
        return min(k for k, gap, error in zip(self.candidates, self.behind, self.behind_errors, strict=True)
                   if gap <= error)  # fmt: skip


def choose_components(
    votes: Votes,
    candidates: Iterable[int] = range(1, 6),
    *,
    folds: int = 5,
    assignment: mixtures.Assignment = "soft",
    prior: float | None = 1.0,
    ties: _electorates.Ties = "half",
    restarts: int = 10,
    concomitants: _electorates.Concomitants | None = None,
    concomitant_prior: float = 100.0,
    sample: int = 10_000,
    tolerance: float = 1e-6,
    limit: int = 2_000,
    rng: int | np.random.Generator = 0,
) -> ComponentChoice:
    """The number of components, by the likelihood of new voters and by BIC.

    Voters are dealt into ``folds``. Each fold is left out in turn, a mixture is fitted to the other voters, and the
    left-out voters' ballots get the log-likelihood log Σ_k share_k·P_k(ballots): what is measured is how well the
    mixture predicts everything a *new voter* says, not a known voter's next comparison. (A voter about whom nothing
    is known yet is a draw from the mixture; one about whom something is known is predicted by the components weighted
    by their responsibilities, which needs comparisons held out within voters.) Everything is summed and divided by
    the number of comparisons held out. BIC is that of the fit to all voters.

    ``votes`` are comparisons with voters (or counts by voter), or strict rankings; a row of rankings is left out as a
    whole. Other options are those of :func:`~choicekit.models.mixtures.mixture`. Mixtures with more components than
    the data hold may not converge: that raises nothing here, ``converged`` says where all fits did.

    Raises ``ValueError`` for no candidates, fewer than 2 folds, and more folds than voters; without a prior,
    ``NoFiniteEstimate`` where any fold's fit has no finite maximum.

    Source: Smyth 2000 (doi:10.1023/A:1008940618127) for cross-validated likelihood.

    >>> votes = Rankings.from_orders(["abcd"] * 20 + ["dcba"] * 10 + ["abdc"] * 5)
    >>> choose_components(votes, candidates=[1, 2], folds=3).best
    2
    """
    numbers = tuple(candidates)
    name = "choose_components"
    options = [
        _mixing.checked(
            name, components=number, assignment=assignment, prior=prior, ties=ties, restarts=restarts,
            concomitant_prior=concomitant_prior, sample=sample, tolerance=tolerance, limit=limit, rng=0,
            concomitants=concomitants is not None,
        )
        for number in numbers
    ]  # fmt: skip
    if isinstance(votes, Rankings):
        electorate: _electorates.PairVotes | _electorates.Ballots = _electorates.ballots(votes, concomitants)
        voters: tuple[Label, ...] = tuple(range(len(electorate.times)))
    else:
        keys = _electorates.pair_keys(votes, votes.alternatives)
        electorate = _electorates.pair_votes(votes, votes.alternatives, keys, ties, concomitants)
        voters = votes.voters
    active = np.flatnonzero(electorate.times > 0)
    if not numbers or not isinstance(folds, int) or not 2 <= folds <= active.size:
        raise ValueError(
            f"{name}: needed candidates, and between 2 folds and as many as voters ({active.size}); got "
            f"{len(numbers)} candidates and {folds!r} folds"
        )
    draw = np.random.default_rng(rng)
    parts = np.array_split(draw.permutation(active), folds)
    each = np.zeros((len(numbers), len(voters)))
    fits, converged = [], []
    for row, option in enumerate(options):
        whole = mixtures.fit(_mixing.source(electorate, votes.alternatives, voters, option.hard), option)
        good = whole.converged
        for part in parts:
            rest = np.setdiff1d(active, part)
            kept = _mixing.source(electorate.subset(rest), votes.alternatives, tuple(rest.tolist()), option.hard)
            found = _mixing.find(kept, option)
            good &= found.climb.converged
            each[row, part] = _mixing.placed(electorate.subset(part), found.parameters, False)[1]
        fits.append(whole)
        converged.append(good)
    return _chosen(numbers, each, electorate, tuple(fits), tuple(converged))


def _chosen(
    numbers: tuple[int, ...], each: Floats, electorate: _electorates.PairVotes | _electorates.Ballots,
    fits: tuple[mixtures.Mixture, ...], converged: tuple[bool, ...],
) -> ComponentChoice:  # fmt: skip
    times, sizes = electorate.times, electorate.sizes()
    total, voters = float(sizes @ times), float(times.sum())

    def ratio(logs: Floats) -> tuple[Floats, Floats]:
        """Σ logs / Σ comparisons, and the standard error of that ratio over voters."""
        mean = logs @ times / total
        spread = ((logs - mean[:, None] * sizes) ** 2 @ times) * voters / max(voters - 1, 1.0)
        return np.asarray(mean, np.float64), np.asarray(np.sqrt(spread) / total, np.float64)

    held_out, errors = ratio(each)
    behind, behind_errors = ratio(each[int(held_out.argmax())] - each)
    bic = np.array([fit.bic for fit in fits])
    found = [frozen(array) for array in (held_out, errors, behind, behind_errors, bic)]
    return ComponentChoice(numbers, found[0], found[1], found[2], found[3], found[4], fits, converged)


@dataclass(frozen=True, eq=False)
class MixtureComparison:
    """Two mixtures side by side, whatever their components are called.

    ``pairs`` are matched components (of the first, of the second), ``distances`` the root mean square differences of
    their scores, ``share_differences`` first minus second. ``only_first`` and ``only_second`` are components without
    a partner. ``rand_index`` is the adjusted Rand index of the two assignments of the ``voters`` in common (Hubert and
    Arabie 1985, doi:10.1007/BF01908075): 1 where they agree, about 0 where chance would do as well; ``None`` where
    fewer than two voters are in common.

    >>> MixtureComparison(((0, 1), (1, 0)), np.array([0.3, 0.4]), np.zeros(2), (), (), None, 0).distance < 0.36
    True
    """

    pairs: tuple[tuple[int, int], ...]
    distances: Floats
    share_differences: Floats
    only_first: tuple[int, ...]
    only_second: tuple[int, ...]
    rand_index: float | None
    voters: int

    @property
    def distance(self) -> float:
        """The root mean square of ``distances``: 0 where the components are the same.

        >>> float(MixtureComparison(((0, 0),), np.array([0.25]), np.zeros(1), (), (), None, 0).distance)
        0.25
        """
        return float(np.sqrt((self.distances**2).mean()))


def compare_mixtures(a: mixtures.Mixture, b: mixtures.Mixture) -> MixtureComparison:
    """Match the components of two mixtures so that the sum of distances between their scores is the least.

    Components have no names: a refit, another start or another sample numbers them anew. Alternatives are matched by
    label and must be the same; voters are matched by label and may differ.

    Raises ``ValueError`` where the alternatives are not the same.

    Source: matching by the assignment problem, Stephens 2000 (doi:10.1111/1467-9868.00265).

    >>> votes = Comparisons(["a", "b"] * 12, ["b", "a"] * 12, voter=[0, 1, 2, 3] * 6)
    >>> fit = mixtures.mixture(votes, components=2)
    >>> same = compare_mixtures(fit, fit)
    >>> same.pairs, same.distance, same.rand_index
    (((0, 0), (1, 1)), 0.0, 1.0)
    """
    if set(a.alternatives) != set(b.alternatives):
        odd = sorted(set(a.alternatives) ^ set(b.alternatives), key=str)
        raise ValueError(
            f"compare_mixtures: needed the same alternatives, but only one of the two has {short(odd, 4)}; fit both to "
            "the same alternatives"
        )
    place = {label: column for column, label in enumerate(b.alternatives)}
    pairs, distances = _mixing.matched(a.scores, b.scores[:, [place[label] for label in a.alternatives]])
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    row = {voter: number for number, voter in enumerate(b.voters)}
    common = [(number, row[voter]) for number, voter in enumerate(a.voters) if voter in row]
    index = None
    if len(common) > 1:
        mine, theirs = (np.array(rows) for rows in zip(*common, strict=True))
        index = adjusted_rand_index(a.assign()[mine], b.assign()[theirs])
    return MixtureComparison(
        pairs=tuple(pairs),
        distances=frozen(distances),
        share_differences=frozen(a.shares[left] - b.shares[right]),
        only_first=tuple(k for k in range(len(a.shares)) if k not in left),
        only_second=tuple(k for k in range(len(b.shares)) if k not in right),
        rand_index=index,
        voters=len(common),
    )


def adjusted_rand_index(one: Ints, other: Ints) -> float:
    """Agreement of two partitions, corrected for chance: over pairs of voters, (agreed − expected)/(most − expected).

    1 where the partitions are the same, whatever the parts are called (and where both are trivial).

    Source: Hubert and Arabie 1985 (doi:10.1007/BF01908075).

    >>> adjusted_rand_index(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]))
    1.0
    >>> round(adjusted_rand_index(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])), 9)
    -0.5
    """
    table = np.zeros((int(one.max()) + 1, int(other.max()) + 1))
    np.add.at(table, (one, other), 1.0)
    together, rows, columns = (float((n * (n - 1) / 2).sum()) for n in (table, table.sum(1), table.sum(0)))
    expected = rows * columns / (len(one) * (len(one) - 1) / 2)
    most = (rows + columns) / 2
    return 1.0 if most == expected else (together - expected) / (most - expected)
