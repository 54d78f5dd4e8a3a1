"""Rules that add up points for places on a ballot.

Two things must be agreed on before places have points: what alternatives get that are level on a ballot (``tied``),
and what a ballot says of those it leaves out (``unranked``).

* Level alternatives take the places p … q together. ``tied="averaged"``: each gets the mean of the points of those
  places, as under every order of them in turn; ``"optimistic"``: the points of p; ``"pessimistic"``: those of q.
* ``unranked="below"``: the unranked are level with each other after the last ranked one, and treated so;
  ``"absent"``: they get nothing, and the ranked get the points of their places from the top.

So for a truncated ballot and points that end in 0, ``"below"`` with ``"averaged"`` is what the literature calls the
average score, and ``"below"`` with ``"pessimistic"`` or ``"absent"`` is rounding up: the ranked keep their points from
the top and the unranked get 0. Borda's rule under ``"absent"`` is rounding down instead (Baumeister, Faliszewski,
Lang and Rothe 2012; Narodytska and Walsh 2014, arXiv:1405.7714).

A ballot that ranks nothing is, ``"below"``, one with all alternatives level, which moves all scores alike;
``"absent"``, nothing at all. Only plurality counts it for nobody either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np

from choicekit.kernels import positions
from choicekit.outcomes import Scores
from choicekit.profiles import Batch, Rankings
from choicekit.profiles._columns import frozen, short
from choicekit.profiles._ranks import Unranked, reading
from choicekit.rules._rule import Floats, rule

#: What alternatives level on a ballot get of the places they take together.
Tied: TypeAlias = Literal["averaged", "optimistic", "pessimistic"]


def _one(profile: Rankings) -> Batch:
    return Batch(profile._ranks[None], profile.weights)


def _places(many: Batch, tied: Tied, unranked: Unranked, start: int = positions.TOP) -> Floats:
    """The tally that all rules here share, ``[b, alternative, place]``."""
    if tied not in get_args(Tied):
        raise ValueError(f"tied: needed one of {short(get_args(Tied), 3)}, got {tied!r}")
    absent = reading(unranked) == "absent"
    code = get_args(Tied).index(tied)
    return many._tally(
        f"places {tied} {start}", unranked, lambda: positions.places(many.values, many.weights, code, absent, start)
    )


def _sum(many: Batch, points: Floats, tied: Tied, unranked: Unranked) -> Floats:
    return positions.weighed(_places(many, tied, unranked), points)


def _plurality(many: Batch, *, tied: Tied = "averaged", unranked: Unranked = "below") -> Floats:
    reading(unranked)
    if tied == "averaged":
        return many.first_places()
    return _sum(many, np.eye(1, many.values.shape[2])[0], tied, "absent")


def _veto(many: Batch, *, tied: Tied = "averaged", unranked: Unranked = "below") -> Floats:
    scores: Floats = 0.0 - _places(many, tied, unranked)[:, :, -1]
    return scores


def _borda(many: Batch, *, tied: Tied = "averaged", unranked: Unranked = "below") -> Floats:
    size = many.values.shape[2]
    if tied == "averaged" and reading(unranked) == "below":
        # above + level/2 = (all + above − below)/2
        scores: Floats = 0.5 * (many.weights.sum() * (size - 1) + many.margins().sum(-1))
        return scores
    return positions.weighed(_places(many, tied, unranked, positions.BOTTOM), np.arange(size, dtype=np.float64))


def _k_approval(many: Batch, *, k: int, tied: Tied = "averaged", unranked: Unranked = "below") -> Floats:
    size = many.values.shape[2]
    if not isinstance(k, int | np.integer) or not 1 <= k <= size:
        raise ValueError(f"k_approval: needed a whole number k from 1 to the {size} alternatives there are, got {k!r}")
    return _sum(many, (np.arange(size) < k).astype(np.float64), tied, unranked)


def _dowdall(many: Batch, *, tied: Tied = "averaged", unranked: Unranked = "below") -> Floats:
    return _sum(many, 1.0 / np.arange(1, many.values.shape[2] + 1), tied, unranked)


def _positional(
    many: Batch, *, points: Sequence[float] | Floats, tied: Tied = "averaged", unranked: Unranked = "below"
) -> Floats:
    size = many.values.shape[2]
    given = np.array(points, np.float64)
    if given.shape != (size,) or not np.isfinite(given).all():
        raise ValueError(f"positional: needed points for each of {size} places, best first, all finite, got {points!r}")
    return _sum(many, given, tied, unranked)


@rule(batch=_plurality)
def plurality(profile: Rankings, *, tied: Tied = "averaged", unranked: Unranked = "below") -> Scores:
    """The weight of the ballots on which an alternative comes first.

    score(a) = Σ_i w_i [a is first on ballot i] / (how many are tied for first on it). With ``tied="optimistic"`` each
    of those tied for first gets the whole weight, with ``"pessimistic"`` none of them any. A ballot that ranks nothing
    counts for nobody, under either reading of ``unranked``, between which plurality makes no difference.

    >>> votes = Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})
    >>> plurality(votes).scores.tolist(), plurality(votes).winners
    ([3.0, 2.0, 2.0], ('a',))
    """
    return Scores(profile.alternatives, frozen(_plurality(_one(profile), tied=tied, unranked=unranked)[0]))


@rule(batch=_veto)
def veto(profile: Rankings, *, tied: Tied = "averaged", unranked: Unranked = "below") -> Scores:
    """Minus the weight of the ballots on which an alternative comes last (antiplurality).

    The points are 0, …, 0, −1 and so ``tied="averaged"`` shares a last place among those level on it;
    ``"optimistic"`` spares them all, where they are several, and ``"pessimistic"`` counts it whole against each. With
    ``unranked="below"`` the unranked are last; with ``"absent"`` only a ballot that ranks all alternatives has a last
    one.

    >>> votes = Rankings.from_orders({"abc": 3, "bca": 2, "ca": 2})
    >>> veto(votes).scores.tolist(), veto(votes).winners
    ([-2.0, -2.0, -3.0], ('a', 'b'))
    """
    return Scores(profile.alternatives, frozen(_veto(_one(profile), tied=tied, unranked=unranked)[0]))


@rule(batch=_borda)
def borda(profile: Rankings, *, tied: Tied = "averaged", unranked: Unranked = "below") -> Scores:
    """How many alternatives an alternative is ranked above, summed over the ballots.

    score(a) = Σ_i w_i (|{b below a on ballot i}| + ½ |{b ≠ a level with a on ballot i}|). The unranked are below every
    ranked alternative and level with each other, so that each ballot of weight 1 gives m(m − 1)/2 points.

    ``tied="optimistic"`` counts those level with a as below it, ``"pessimistic"`` does not count them; truncated
    ballots are then rounded up: the unranked get 0. ``unranked="absent"`` counts, among the ranked alone, those below:
    rounding down, up to the one point more that some give each ranked alternative for standing above the unranked.

    Source: Borda 1784, Young 1974 (doi:10.1016/0022-0531(74)90073-8).

    >>> votes = Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})
    >>> borda(votes).scores.tolist()      # a: 3·2 + 2·0 + 2·1
    [8.0, 7.0, 6.0]
    >>> alone = Rankings.from_orders(["ab"], alternatives="abcd")
    >>> [borda(alone, tied=tied).scores.tolist() for tied in ("averaged", "pessimistic")]
    [[3.0, 2.0, 0.5, 0.5], [3.0, 2.0, 0.0, 0.0]]
    >>> borda(alone, unranked="absent").scores.tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    return Scores(profile.alternatives, frozen(_borda(_one(profile), tied=tied, unranked=unranked)[0]))


@rule(batch=_k_approval)
def k_approval(profile: Rankings, *, k: int, tied: Tied = "averaged", unranked: Unranked = "below") -> Scores:
    """The weight of the ballots that have an alternative among their first k places.

    The points are 1 for each of the first k places. Raises ``ValueError`` where k is no whole number from 1 to m.

    >>> votes = Rankings.from_orders({"abcd": 3, "bcda": 2, "cabd": 2})
    >>> k_approval(votes, k=2).scores.tolist()
    [5.0, 5.0, 4.0, 0.0]
    """
    return Scores(profile.alternatives, frozen(_k_approval(_one(profile), k=k, tied=tied, unranked=unranked)[0]))


@rule(batch=_dowdall)
def dowdall(profile: Rankings, *, tied: Tied = "averaged", unranked: Unranked = "below") -> Scores:
    """Points 1, 1/2, 1/3, … for the places on each ballot, added up, as in Nauru.

    Nauru's voters must rank all; for shorter ballots ``unranked="absent"`` gives the unranked nothing, where
    ``"below"`` shares the points of the remaining places among them.

    Source: Fraenkel and Grofman 2014 (doi:10.1080/10361146.2014.900530).

    >>> dowdall(Rankings.from_orders({"abcd": 6, "dcba": 6})).scores.tolist()      # a: 6·1 + 6/4
    [7.5, 5.0, 5.0, 7.5]
    """
    return Scores(profile.alternatives, frozen(_dowdall(_one(profile), tied=tied, unranked=unranked)[0]))


@rule(batch=_positional)
def positional(
    profile: Rankings,
    *,
    points: Sequence[float] | Floats,
    tied: Tied = "averaged",
    unranked: Unranked = "below",
) -> Scores:
    """The points of an alternative's places on the ballots, added up: score(a) = Σ_i w_i points[place of a on i].

    ``points[m]`` are for the places best first; they may be any finite numbers, also negative or rising. Raises
    ``ValueError`` where there are not as many as alternatives.

    Source: Young 1975 (doi:10.1137/0128067), who characterises these rules by reinforcement and continuity.

    >>> votes = Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})
    >>> positional(votes, points=[5, 2, 0]).scores.tolist()      # a: 3·5 + 2·0 + 2·2
    [19.0, 16.0, 14.0]
    >>> positional(Rankings([[0, 0, 1]]), points=[5, 2, 0], tied="optimistic").scores.tolist()
    [5.0, 5.0, 0.0]
    """
    many = _one(profile)
    return Scores(profile.alternatives, frozen(_positional(many, points=points, tied=tied, unranked=unranked)[0]))
