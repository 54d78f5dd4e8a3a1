"""Rules that look for a majority in a fixed number of steps: a second round of two, or places one after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import positions, runoffs
from choicekit.outcomes import TIE_TOLERANCE, Round, TieBreak, Winners
from choicekit.profiles import Batch, Rankings
from choicekit.profiles._columns import frozen
from choicekit.profiles._ranks import Unranked, reading
from choicekit.rules._rule import Floats, rule
from choicekit.rules.elimination import EVERY_UNIVERSE, Place, place_of, without_rounding


def _second_round(many: Batch, place: Place) -> tuple[Floats, Place, Place]:
    return runoffs.top_two(many.first_places(), without_rounding(many.margins()), place)


def _two_round_runoff(many: Batch, *, ties: TieBreak = EVERY_UNIVERSE, unranked: Unranked = "below") -> Floats:
    reading(unranked)
    labels = tuple(range(many.values.shape[2]))
    return _second_round(many, place_of(ties.settled(labels), labels))[0]


@rule(batch=_two_round_runoff)
def two_round_runoff(profile: Rankings, *, ties: TieBreak = EVERY_UNIVERSE, unranked: Unranked = "below") -> Winners:
    """The majority's choice between the two alternatives with the most first places (plurality with runoff).

    First places are counted as in :func:`~choicekit.rules.instant_runoff`, with equal shares; the second round is held
    on the same ballots, where one that ranks only one of the two counts for it (under either reading of ``unranked``)
    and one that has them level for neither. It is always held: a majority of first places wins it too. In parallel
    universes every pair that may be the first two runs, and two that tie in a runoff both win; there are at most
    m(m − 1)/2 pairs, so that the budget of ``ties`` is not needed.

    >>> votes = Rankings.from_orders({"abc": 4, "bca": 3, "cba": 2})
    >>> [(each.scores.tolist(), each.eliminated) for each in two_round_runoff(votes).rounds]
    [([4.0, 3.0, 2.0], ('c',)), ([4.0, 5.0], ('a',))]
    """
    reading(unranked)
    labels = profile.alternatives
    settled = ties.settled(labels)
    place = place_of(settled, labels)
    many = Batch(profile._ranks[None], profile.weights)
    won, ran, pair = _second_round(many, place)
    winners = tuple(labels[a] for a in np.flatnonzero(won[0]).tolist())
    if place.size == 0:
        settled = replace(settled, universes=max(1, int(ran[0])), complete=True)
    rounds: tuple[Round, ...] = ()
    if ran[0] == 1:
        a, b = pair[0].tolist()
        two = (labels[a], labels[b])
        others = tuple(label for label in labels if label not in two)
        held = many.supports()[0]
        rounds = (
            Round(labels, many.first_places()[0], others),
            Round(two, frozen(np.array([held[a, b], held[b, a]])), tuple(each for each in two if each not in winners)),
        )
    return Winners(labels, winners, settled, rounds)


def _steps(many: Batch) -> tuple[Floats, Place, NDArray[np.bool_]]:
    """The weight with an alternative among the first k places ``[b, m, k]``, the deciding k ``[b]``, who wins."""
    place = many._tally(
        "places averaged 0", "absent",
        lambda: positions.places(many.values, many.weights, positions.AVERAGED, True, positions.TOP),
    )  # fmt: skip
    within = np.cumsum(place, axis=-1)
    total = within[:, :, 0].sum(-1)
    reached = (within > (0.5 + TIE_TOLERANCE) * total[:, None, None]).any(1)
    last = np.where(reached.any(-1), reached.argmax(-1), within.shape[-1] - 1)
    found = np.take_along_axis(within, last[:, None, None], axis=-1)[:, :, 0]
    best = found.max(-1, keepdims=True)
    return within, last, found >= best * (1.0 - TIE_TOLERANCE)


def _bucklin(many: Batch, *, unranked: Unranked = "below") -> Floats:
    reading(unranked)
    return _steps(many)[2].astype(np.float64)


@rule(batch=_bucklin)
def bucklin(profile: Rankings, *, unranked: Unranked = "below") -> Winners:
    """The alternative that most ballots have among their first k places, for the least k at which one has a majority.

    At step k = 1, 2, … score(a) is the weight of the ballots with a among their first k places, and a majority is
    more than half the weight of the ballots that rank anything; where no step has one, the last decides. Alternatives
    level on a ballot that take the places p … q share those of them that are within k equally; an unranked one is among
    nobody's first places (under either reading of ``unranked``). All with the highest score at the deciding step win:
    there is no tie to break on the way. ``rounds`` are the steps.

    Source: Hoag and Hallett 1926 ("Proportional Representation", on the Grand Junction system of 1909).

    >>> votes = Rankings.from_orders({"abc": 4, "bca": 3, "cba": 2})
    >>> bucklin(votes).winners, [each.scores.tolist() for each in bucklin(votes).rounds]
    (('b',), [[4.0, 3.0, 2.0], [4.0, 9.0, 5.0]])
    """
    reading(unranked)
    within, last, won = _steps(Batch(profile._ranks[None], profile.weights))
    rounds = tuple(Round(profile.alternatives, frozen(within[0, :, k].copy()), ()) for k in range(int(last[0]) + 1))
    return Winners(
        profile.alternatives, tuple(profile.alternatives[a] for a in np.flatnonzero(won[0]).tolist()), rounds=rounds
    )
