"""Rules that eliminate alternatives round by round.

What an alternative needs in a round is counted among those that remain. *First places*: a ballot counts for the
alternative it ranks highest of those, in equal shares for those level there; one that ranks none of them is exhausted
and counts for nobody. The reading of ``unranked`` makes no difference to that. *Last places* and *margins* say
themselves what they make of it.

Where several are tied for last, ``ties`` says who goes out: in parallel universes (the default) each in turn, and who
wins in any of the courses is a winner; by a fixed order or a seeded lottery, the one that comes last in it.
``ties.universes`` of the outcome is how many states (sets of alternatives left) were looked at, and ``rounds`` is
filled where there was only one course. With ``eliminate="tied"`` all that are tied for last go out together instead
and, where that would be everyone, win together: the convention of many published results.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import elimination as kernels
from choicekit.outcomes import TIE_TOLERANCE, Labels, Round, TieBreak, Winners
from choicekit.profiles import Batch, Margins, Rankings
from choicekit.profiles._columns import frozen, short
from choicekit.profiles._ranks import Unranked, reading
from choicekit.rules._rule import Floats, Kernel, rule
from choicekit.rules._ties import parallel_universes

#: Who goes out where several are tied for last.
Eliminate: TypeAlias = Literal["one", "tied"]
#: What a ballot gives alternatives that are level on top of it.
Overvotes: TypeAlias = Literal["shared", "whole", "cut"]
Place: TypeAlias = NDArray[np.int64]
Way: TypeAlias = tuple[int, int, int, int, int]

EVERY_UNIVERSE = parallel_universes()


def place_of(ties: TieBreak, alternatives: Labels) -> Place:
    """Each alternative's number in the order that breaks ties; an empty array for parallel universes.

    >>> place_of(TieBreak("fixed order", order=("b", "a")), ("a", "b")).tolist(), place_of(EVERY_UNIVERSE, ("a",)).size
    ([1, 0], 0)
    """
    place = ties.ranks(alternatives)
    return np.zeros(0, np.int64) if place is None else place


def cut_short(name: str, budget: int | None) -> str:
    """What the outcome of a search that its budget ended says of itself.

    >>> cut_short("benham", 5)[:51]
    'benham: the budget of 5 ended the search of the cou'
    """
    return (
        f"{name}: the budget of {budget} ended the search of the courses that ties leave open; those listed win in "
        "some course, others may too"
    )


def without_rounding(margins: Floats) -> Floats:
    """Margins with those that count as ties made 0.

    >>> without_rounding(np.array([[0, 0.1 + 0.2 - 0.3, 1], [0.3 - 0.1 - 0.2, 0, 1], [-1, -1, 0]]))[0].tolist()
    [0.0, 0.0, 1.0]
    """
    least = TIE_TOLERANCE * np.abs(margins).max(axis=(-2, -1), keepdims=True)
    clean: Floats = np.where(np.abs(margins) <= least, 0.0, margins)
    return clean


@dataclass(frozen=True)
class _Elimination:
    """A way to eliminate: what the search and the account of the rounds are told, and what it looks at."""

    name: str
    who: int
    keep: int = kernels.ALL
    together: bool = False
    level_on_top: int = kernels.SHARED
    absent: bool = False

    def way(self, keep: int) -> Way:
        return self.who, keep, int(self.together), self.level_on_top, int(self.absent)

    @property
    def hurried(self) -> int:
        """Whom the search keeps: in an instant runoff it may stop at a majority, which no elimination undoes."""
        plain = self.who == kernels.FEWEST_FIRST and self.keep == kernels.ALL
        return kernels.MAJORITY if plain and self.level_on_top != kernels.WHOLE else self.keep

    def batch(self, many: Batch, margins: Floats | None, ties: TieBreak) -> Floats:
        labels = tuple(range(many.values.shape[2]))
        settled = ties.settled(labels)
        won, _, _, whole = kernels.elected(
            self.ballots(many.values), many.weights, self.majorities(margins, len(many)), self.way(self.hurried),
            place_of(settled, labels), settled.budget or 1,
        )  # fmt: skip
        if not whole.all():
            message = f"{cut_short(self.name, ties.budget)} (in {int((whole == 0).sum())} of {len(many)} profiles)"
            warnings.warn(message, RuntimeWarning, stacklevel=4)
        return won

    def ballots(self, ranks: NDArray[Any]) -> NDArray[Any]:
        """What the kernel reads, in one of two types of integers; nothing where it reads margins alone."""
        if self.who >= kernels.LEAST_BORDA:
            return frozen(np.zeros((len(ranks), 0, ranks.shape[2]), np.int8))
        return ranks if ranks.dtype == np.int8 else frozen(ranks.astype(np.int32))

    def majorities(self, margins: Floats | None, profiles: int) -> Floats:
        return np.zeros((profiles, 0, 0)) if margins is None else without_rounding(margins)

    def single(
        self, alternatives: Labels, ranks: NDArray[Any], weights: Floats, margins: Floats | None, ties: TieBreak | None
    ) -> Winners:
        settled = (ties or EVERY_UNIVERSE).settled(alternatives)
        place = place_of(settled, alternatives)
        majority = self.majorities(None if margins is None else margins[None], 1)
        ballots = self.ballots(ranks[None])
        won, opened, forked, whole = kernels.elected(
            ballots, weights, majority, self.way(self.hurried), place, settled.budget or 1
        )
        notes: tuple[str, ...] = ()
        if place.size == 0:
            settled = replace(settled, universes=int(opened[0]), complete=bool(whole[0]))
            notes = () if whole[0] else (cut_short(self.name, settled.budget),)
        rounds: tuple[Round, ...] = ()
        if not forked[0]:
            rounds = _rounds(alternatives, ballots[0], weights, majority[0], self.way(self.keep), place)
        winners = tuple(alternatives[a] for a in np.flatnonzero(won[0]).tolist())
        return Winners(alternatives, winners, None if ties is None else settled, rounds, notes)


def _rounds(
    alternatives: Labels, ranks: NDArray[Any], weights: Floats, margins: Floats, way: Way, place: Place
) -> tuple[Round, ...]:
    """The rounds of the one course there is; none where the courses part."""
    size = len(alternatives)
    order, level = np.zeros(ranks.shape, np.int32), np.zeros(ranks.shape, np.uint8)
    length = np.zeros(len(ranks), np.int64)
    kernels.prepared(ranks, way[3] == kernels.CUT, order, level, length)
    left, found = np.ones(size, np.uint8), []
    while True:
        scores, out = np.zeros(size), np.zeros(size, np.uint8)
        what = kernels.step(order, level, length, weights, margins, left, way, place.size > 0, scores, out)
        if what == kernels.FORK:
            if place.size == 0:
                return ()
            kernels.settle(out, place)
        if what != kernels.WON or left.sum() > 1:
            gone = out if what != kernels.WON else 0 * out
            those = [tuple(alternatives[a] for a in np.flatnonzero(marks).tolist()) for marks in (left, gone)]
            found.append(Round(those[0], frozen(scores[left > 0] + 0.0), those[1]))
        if what == kernels.WON:
            return tuple(found)
        left = left & (1 - out)


def _together(name: str, eliminate: Eliminate, ties: TieBreak) -> bool:
    """Whether the tied go out together; then nothing is left for ``ties`` to break."""
    if eliminate not in get_args(Eliminate):
        raise ValueError(f"eliminate: needed 'one' (of those tied for last) or 'tied' (all of them), got {eliminate!r}")
    if eliminate == "tied" and ties.method != "parallel universes":
        raise ValueError(
            f"{name}: with eliminate='tied' no tie is broken on the way, got ties by {ties.method}; leave ties out, or "
            "break a tie of the winners with break_ties(outcome, ties)"
        )
    return eliminate == "tied"


# --- First places ---------------------------------------------------------------------------------------------------


def _runoff_way(overvotes: Overvotes, eliminate: Eliminate, ties: TieBreak) -> _Elimination:
    if overvotes not in get_args(Overvotes):
        raise ValueError(f"overvotes: needed one of {short(get_args(Overvotes), 3)}, got {overvotes!r}")
    together = _together("instant_runoff", eliminate, ties)
    level = get_args(Overvotes).index(overvotes)
    return _Elimination("instant_runoff", kernels.FEWEST_FIRST, together=together, level_on_top=level)


def _instant_runoff(
    many: Batch, *, ties: TieBreak = EVERY_UNIVERSE, eliminate: Eliminate = "one", overvotes: Overvotes = "shared",
    unranked: Unranked = "below",
) -> Floats:  # fmt: skip
    reading(unranked)
    return _runoff_way(overvotes, eliminate, ties).batch(many, None, ties)


@rule(batch=_instant_runoff)
def instant_runoff(
    profile: Rankings,
    *,
    ties: TieBreak = EVERY_UNIVERSE,
    eliminate: Eliminate = "one",
    overvotes: Overvotes = "shared",
    unranked: Unranked = "below",
) -> Winners:
    """Eliminate the alternative with the fewest first places until one is left.

    Also called ranked-choice voting, the alternative vote or Hare's rule. To stop at a majority of first places would
    change no winner. ``overvotes`` says what alternatives level on top of a ballot get: ``"shared"``, equal shares of
    its weight; ``"whole"``, the whole weight each (approval instant runoff); ``"cut"``, nothing, because a ballot ends
    before its first tie, as in most public elections.

    In parallel universes, those tied for last that together hold fewer votes than any other go out in one round,
    because they do so one after the other in whatever order. Whether an alternative wins in some universe is NP-hard
    to say, hence the budget of ``ties``.

    Source: on parallel universes Conitzer, Rognlie and Xia 2009; on ballots with ties Delemazure and Peters 2024
    (arXiv:2404.11407).

    >>> votes = Rankings.from_orders({"abc": 4, "bca": 3, "cba": 2})
    >>> outcome = instant_runoff(votes)
    >>> outcome.winners, [(each.scores.tolist(), each.eliminated) for each in outcome.rounds]
    (('b',), [([4.0, 3.0, 2.0], ('c',)), ([4.0, 5.0], ('a',))])

    Where b and c are tied for last and a wins a runoff against b, but not one against c:

    >>> from choicekit.rules import fixed_order
    >>> tied = Rankings.from_orders({"abc": 4, "bca": 3, "cba": 1, "cab": 2})
    >>> instant_runoff(tied).winners, instant_runoff(tied, ties=fixed_order("abc")).winners
    (('a', 'c'), ('a',))
    """
    reading(unranked)
    way = _runoff_way(overvotes, eliminate, ties)
    return way.single(profile.alternatives, profile._ranks, profile.weights, None, None if way.together else ties)


def _on_both(name: str, keep: int) -> tuple[Callable[..., Winners], Kernel]:
    """A rule that counts first places and looks at majorities, on one profile and on many."""

    def way_of(eliminate: Eliminate, ties: TieBreak, kept: int) -> _Elimination:
        return _Elimination(name, kernels.FEWEST_FIRST, kept, together=_together(name, eliminate, ties))

    def single(
        profile: Rankings, ties: TieBreak, eliminate: Eliminate, unranked: Unranked, kept: int = keep
    ) -> Winners:
        way = way_of(eliminate, ties, kept)
        margins = profile.to_margins(unranked).values
        return way.single(
            profile.alternatives, profile._ranks, profile.weights, margins, None if way.together else ties
        )

    def batch(
        many: Batch, *, ties: TieBreak = EVERY_UNIVERSE, eliminate: Eliminate = "one", unranked: Unranked = "below",
        kept: int = keep,
    ) -> Floats:  # fmt: skip
        return way_of(eliminate, ties, kept).batch(many, many.margins(unranked), ties)

    return single, batch


_benham, _benham_batch = _on_both("benham", kernels.CONDORCET)
_alternative, _alternative_batch = _on_both("tideman_alternative", kernels.SMITH)
_smith_irv, _smith_irv_batch = _on_both("smith_irv", kernels.SMITH_ONCE)


@rule(batch=_benham_batch)
def benham(
    profile: Rankings,
    *,
    ties: TieBreak = EVERY_UNIVERSE,
    eliminate: Eliminate = "one",
    unranked: Unranked = "below",
) -> Winners:
    """Eliminate the alternative with the fewest first places until one beats all others that are left.

    ``unranked`` is read for the majorities.

    Source: Green-Armytage 2011 ("Four Condorcet-Hare hybrid methods for single-winner elections").

    >>> votes = Rankings.from_orders({"abc": 4, "bca": 3, "cba": 2})      # b beats a by 5 to 4 and c by 7 to 2
    >>> benham(votes).rounds[0].eliminated
    ('a', 'c')
    """
    return _benham(profile, ties, eliminate, unranked)


def _set_kept(within: Literal["smith", "schwartz"]) -> int:
    if within not in ("smith", "schwartz"):
        raise ValueError(f"within: needed 'smith' or 'schwartz', the set kept before each elimination, got {within!r}")
    return kernels.SMITH if within == "smith" else kernels.SCHWARTZ


def _tideman_batch(
    many: Batch, *, within: Literal["smith", "schwartz"] = "smith", ties: TieBreak = EVERY_UNIVERSE,
    eliminate: Eliminate = "one", unranked: Unranked = "below",
) -> Floats:  # fmt: skip
    options: dict[str, Any] = {"ties": ties, "eliminate": eliminate, "unranked": unranked, "kept": _set_kept(within)}
    return _alternative_batch(many, **options)


@rule(batch=_tideman_batch)
def tideman_alternative(
    profile: Rankings,
    *,
    within: Literal["smith", "schwartz"] = "smith",
    ties: TieBreak = EVERY_UNIVERSE,
    eliminate: Eliminate = "one",
    unranked: Unranked = "below",
) -> Winners:
    """Keep only the Smith set, eliminate its alternative with the fewest first places, and repeat until one is left.

    The Smith set is the smallest whose members beat all others; ``within="schwartz"`` keeps the Schwartz set, those
    that have a chain of majorities to each one that has a chain to them. Both are taken anew in every round, among
    those that are left. ``unranked`` is read for the majorities.

    Source: Tideman 2006 ("Collective Decisions and Voting"), Green-Armytage 2011.

    A cycle of a, b and c above d, which has the most first places:

    >>> votes = Rankings.from_orders({"abcd": 4, "bcad": 3, "cabd": 2, "dabc": 2, "dbca": 2, "dcab": 1})
    >>> [each.eliminated for each in tideman_alternative(votes).rounds]
    [('d',), ('c',), ('b',)]
    """
    return _alternative(profile, ties, eliminate, unranked, _set_kept(within))


@rule(batch=_smith_irv_batch)
def smith_irv(
    profile: Rankings,
    *,
    ties: TieBreak = EVERY_UNIVERSE,
    eliminate: Eliminate = "one",
    unranked: Unranked = "below",
) -> Winners:
    """An instant runoff among the Smith set, the smallest set whose members beat all others.

    The set is taken once, before the runoff. ``unranked`` is read for the majorities.

    Source: Green-Armytage 2011 ("Four Condorcet-Hare hybrid methods for single-winner elections").

    A centre c that beats both sides, and that an instant runoff eliminates first:

    >>> votes = Rankings.from_orders({"lcr": 4, "clr": 1, "crl": 1, "rcl": 3})
    >>> smith_irv(votes).winners, instant_runoff(votes).winners
    (('c',), ('l',))
    """
    return _smith_irv(profile, ties, eliminate, unranked)


# --- Last places ----------------------------------------------------------------------------------------------------


def _coombs_way(stop: bool, eliminate: Eliminate, ties: TieBreak, unranked: Unranked) -> _Elimination:
    keep = kernels.MAJORITY if stop else kernels.ALL
    together = _together("coombs", eliminate, ties)
    return _Elimination("coombs", kernels.MOST_LAST, keep, together, absent=reading(unranked) == "absent")


def _coombs(
    many: Batch, *, ties: TieBreak = EVERY_UNIVERSE, eliminate: Eliminate = "one", majority_stop: bool = True,
    unranked: Unranked = "below",
) -> Floats:  # fmt: skip
    return _coombs_way(majority_stop, eliminate, ties, unranked).batch(many, None, ties)


@rule(batch=_coombs)
def coombs(
    profile: Rankings,
    *,
    ties: TieBreak = EVERY_UNIVERSE,
    eliminate: Eliminate = "one",
    majority_stop: bool = True,
    unranked: Unranked = "below",
) -> Winners:
    """Eliminate the alternative with the most last places until one has a majority of first places.

    A majority is more than half the weight of the ballots that rank any alternative left. With ``majority_stop=False``
    eliminations go on until one is left, which may elect another. A last place is shared by those level on it; with
    ``unranked="below"`` the unranked are, with ``"absent"`` it is the last of the ranked that are left; a ballot on
    which all of these are level has none. The scores of a round are minus the last places, or, where a majority ends
    it, the first places.

    Source: Coombs 1964 ("A Theory of Data"), Grofman and Feld 2004 (doi:10.1016/j.electstud.2003.08.001).

    >>> votes = Rankings.from_orders({"abc": 4, "bca": 3, "cba": 2})
    >>> coombs(votes).winners, coombs(votes).rounds[0].scores.tolist()
    (('b',), [-5.0, 0.0, -4.0])
    """
    way = _coombs_way(majority_stop, eliminate, ties, unranked)
    return way.single(profile.alternatives, profile._ranks, profile.weights, None, None if way.together else ties)


# --- Borda scores ---------------------------------------------------------------------------------------------------


def _baldwin_way(eliminate: Eliminate, ties: TieBreak) -> _Elimination:
    return _Elimination("baldwin", kernels.LEAST_BORDA, together=_together("baldwin", eliminate, ties))


def _baldwin(
    many: Batch, *, ties: TieBreak = EVERY_UNIVERSE, eliminate: Eliminate = "one", unranked: Unranked = "below"
) -> Floats:
    return _baldwin_way(eliminate, ties).batch(many, many.margins(unranked), ties)


@rule(batch=_baldwin)
def baldwin(profile: Margins, *, ties: TieBreak = EVERY_UNIVERSE, eliminate: Eliminate = "one") -> Winners:
    """Eliminate the alternative with the lowest Borda score until one is left.

    The Borda score among those left is taken from the margins, Σ_b M(a, b), which is symmetric about 0 and orders the
    alternatives as points do. A Condorcet winner is never eliminated.

    Source: Baldwin 1926; that winning in some universe is NP-hard to say, Mattei, Narodytska and Walsh 2014.

    >>> votes = Margins([[0, 1, -4], [-1, 0, 5], [4, -5, 0]], "abc")      # a beats b, b beats c, c beats a
    >>> outcome = baldwin(votes)
    >>> outcome.winners, [(each.scores.tolist(), each.eliminated) for each in outcome.rounds]
    (('b',), [([-3.0, 4.0, -1.0], ('a',)), ([5.0, -5.0], ('c',))])
    """
    way = _baldwin_way(eliminate, ties)
    none = frozen(np.zeros((0, len(profile.alternatives)), np.int8))
    return way.single(profile.alternatives, none, frozen(np.zeros(0)), profile.values, None if way.together else ties)


def _nanson_way(at_average: Literal["out", "in"]) -> _Elimination:
    if at_average not in ("out", "in"):
        raise ValueError(f"at_average: needed 'out' (they are eliminated) or 'in' (they stay), got {at_average!r}")
    return _Elimination("nanson", kernels.NOT_ABOVE_AVERAGE if at_average == "out" else kernels.BELOW_AVERAGE)


def _nanson(many: Batch, *, at_average: Literal["out", "in"] = "out", unranked: Unranked = "below") -> Floats:
    return _nanson_way(at_average).batch(many, many.margins(unranked), EVERY_UNIVERSE)


@rule(batch=_nanson)
def nanson(profile: Margins, *, at_average: Literal["out", "in"] = "out") -> Winners:
    """Eliminate all alternatives that are not above the average Borda score, and repeat.

    It ends where one is left, or where all that are left have the average: these win together, so that there is never
    a tie to break on the way. ``at_average="out"`` (Nanson's weak rule) eliminates those at the average too, ``"in"``
    (the strict one) only those below it. Scores are as for :func:`baldwin`, whose average is 0. A Condorcet winner is
    never eliminated.

    Source: Nanson 1882; on the two readings Niou 1987 (doi:10.1007/BF00123006).

    >>> votes = Margins([[0, 1, 1, 2], [-1, 0, 3, -2], [-1, -3, 0, 4], [-2, 2, -4, 0]], "abcd")
    >>> [(each.scores.tolist(), each.eliminated) for each in nanson(votes).rounds]
    [([4.0, 0.0, 0.0, -4.0], ('b', 'c', 'd'))]
    >>> [each.eliminated for each in nanson(votes, at_average="in").rounds]
    [('d',), ('c',), ('b',)]
    """
    none = frozen(np.zeros((0, len(profile.alternatives)), np.int8))
    return _nanson_way(at_average).single(profile.alternatives, none, frozen(np.zeros(0)), profile.values, None)
