"""Rules that add up points for places on a ballot."""

from __future__ import annotations

from choicekit.outcomes import Scores
from choicekit.profiles import Batch, Rankings
from choicekit.profiles._columns import frozen
from choicekit.rules._rule import Floats, rule


def _plurality(many: Batch) -> Floats:
    return many.first_places()


def _borda(many: Batch) -> Floats:
    # above + level/2 = (all + above − below)/2
    size = many.values.shape[2]
    scores: Floats = 0.5 * (many.weights.sum() * (size - 1) + many.margins().sum(-1))
    return scores


@rule(batch=_plurality)
def plurality(profile: Rankings) -> Scores:
    """The weight of the ballots on which an alternative comes first.

    score(a) = Σ_i w_i [a is first on ballot i] / (how many are tied for first on it). A ballot that ranks nothing
    counts for nobody.

    >>> votes = Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})
    >>> plurality(votes).scores.tolist(), plurality(votes).winners
    ([3.0, 2.0, 2.0], ('a',))
    """
    return Scores(profile.alternatives, frozen(_plurality(Batch(profile.ranks[None], profile.weights))[0]))


@rule(batch=_borda)
def borda(profile: Rankings) -> Scores:
    """How many alternatives an alternative is ranked above, summed over the ballots.

    score(a) = Σ_i w_i (|{b below a on ballot i}| + ½ |{b ≠ a level with a on ballot i}|). The unranked are below every
    ranked alternative and level with each other, so that each ballot of weight 1 gives m(m − 1)/2 points.

    Source: Borda 1784, Young 1974 (doi:10.1016/0022-0531(74)90073-8).

    >>> votes = Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})
    >>> borda(votes).scores.tolist()      # a: 3·2 + 2·0 + 2·1
    [8.0, 7.0, 6.0]
    """
    return Scores(profile.alternatives, frozen(_borda(Batch(profile.ranks[None], profile.weights))[0]))
