"""Axioms of orderings made of utilities: agreement, names, unconcerned voters, transfers, and other alternatives.

A utility profile has one column for each alternative, the utility that it gives each voter. Axioms that compare
utility vectors which the profile does not hold put them into a column of it. They look at a finite family of such
changes, which each names: a violation refutes the axiom, none says only that none of these changes breaks it here.
Differences below 1e-6 of the largest utility are not judged, since rules take scores within 1e-9 of the largest for
level. Continuity is about limits, which no finite number of profiles shows, and is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from choicekit.axioms import _readings as readings
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._orders import parting, side, stands
from choicekit.axioms._readings import Ask, places
from choicekit.axioms._utilities import alike, changed, clear, elsewhere, held, known, voter, voting
from choicekit.profiles import Utilities
from choicekit.profiles._columns import Floats, Label

#: Where Hammond's axiom puts the worse-off and the better-off voter between what they had, as shares of the gap.
_CLOSER = ((1 / 64, 1 / 64), (1 / 8, 1 / 8), (1 / 8, 7 / 8), (1 / 2, 1 / 2))


@axiom(kind="intra", about=readings.ordering, ballots="utilities")
def weak_pareto_of_utilities(ask: Ask, profile: Utilities) -> Clash | None:
    """Where every voter has a higher utility from a than from b, a is above b in the ordering.

    >>> import choicekit as ck
    >>> from choicekit import axioms
    >>> def most_equal(profile):      # the smaller the spread, the better
    ...     return ck.Scores(profile.alternatives, -profile.values.std(0))
    >>> axioms.weak_pareto_of_utilities(most_equal, ck.Utilities([[3, 1], [2, 1]], alternatives="ab")).reason
    'every voter is better off with a than with b, and the rule has a below b'
    """
    profile = known(profile, "weak_pareto_of_utilities")
    place, gap = places(ask(profile)), clear(profile)
    for a, b in itertools.permutations(range(len(profile.alternatives)), 2):
        x, y = profile.alternatives[a], profile.alternatives[b]
        more = held(profile)[:, a] - held(profile)[:, b]
        if len(more) and (more > gap).all() and side(place, x, y) != 1:
            reason = f"every voter is better off with {x} than with {y}, and the rule has {stands(place, x, y)}"
            return Clash(reason, (profile,), ("the utilities",), (x, y))
    return None


@axiom(kind="intra", about=readings.ordering, ballots="utilities", implies=("weak_pareto_of_utilities",))
def strong_pareto_of_utilities(ask: Ask, profile: Utilities) -> Clash | None:
    """Where no voter has a lower utility from a than from b and some have a higher one, a is above b in the ordering.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> axioms.strong_pareto_of_utilities(rules.egalitarian, ck.Utilities([[1, 1], [2, 3]], alternatives="ab")).reason
    'no voter is worse off with b than with a and some are better off, and the rule has b level with a'
    """
    profile = known(profile, "strong_pareto_of_utilities")
    place, gap = places(ask(profile)), clear(profile)
    for a, b in itertools.permutations(range(len(profile.alternatives)), 2):
        x, y = profile.alternatives[a], profile.alternatives[b]
        more = held(profile)[:, a] - held(profile)[:, b]
        if (more >= 0).all() and (more > gap).any() and side(place, x, y) != 1:
            reason = f"no voter is worse off with {x} than with {y} and some are better off, and the rule has "
            return Clash(reason + stands(place, x, y), (profile,), ("the utilities",), (x, y))
    return None


@axiom(kind="intra", about=readings.ordering, ballots="utilities")
def pareto_indifference_of_utilities(ask: Ask, profile: Utilities) -> Clash | None:
    """Alternatives from which every voter has the same utility are level in the ordering.

    >>> import choicekit as ck
    >>> from choicekit import axioms
    >>> profile = ck.Utilities([[1, 1], [2, 2]], alternatives="ab")
    >>> axioms.pareto_indifference_of_utilities(lambda profile: profile.alternatives, profile).reason
    'every voter is as well off with a as with b, and the rule has a above b'
    """
    profile = known(profile, "pareto_indifference_of_utilities")
    place = places(ask(profile))
    for a, b in itertools.combinations(range(len(profile.alternatives)), 2):
        x, y = profile.alternatives[a], profile.alternatives[b]
        if len(held(profile)) and (held(profile)[:, a] == held(profile)[:, b]).all() and side(place, x, y):
            reason = f"every voter is as well off with {x} as with {y}, and the rule has {stands(place, x, y)}"
            return Clash(reason, (profile,), ("the utilities",), (x, y))
    return None


@axiom(kind="neighbour", about=readings.ordering, ballots="utilities", anonymous=False)
def anonymity_of_utilities(ask: Ask, profile: Utilities) -> Clash | None:
    """When two voters exchange their utilities from one alternative, the ordering stays the same.

    So it counts how many voters have which utility from an alternative, not who. (Rules that look at a voter's
    utilities from several alternatives together, such as Borda's, break it.) Looks at every two voters of equal weight
    and every alternative; all exchanges are made of these.

    Source: d'Aspremont and Gevers 1977 (doi:10.2307/2297061).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> profile = ck.Utilities([[2, 1], [1, 4]], alternatives="ab")
    >>> axioms.anonymity_of_utilities(rules.utilitarian, profile) is None
    True
    >>> axioms.anonymity_of_utilities(rules.borda, profile).reason
    'two voters exchange their utilities from a, and the rule has a below b, not a level with b'
    """
    profile = known(profile, "anonymity_of_utilities")
    before = ask(profile)
    for one, two in alike(profile):
        for column, label in enumerate(profile.alternatives):
            here, there = profile.values[one].copy(), profile.values[two].copy()
            if here[column] == there[column]:
                continue
            here[column], there[column] = there[column], here[column]
            other = changed(profile, {one: here, two: there})
            after = ask(other)
            pair = parting(before, after, profile.alternatives)
            if pair:
                what = f"exchange their utilities from {label}"
                caption = f"{voter(profile, one)} and {voter(profile, two)} {what}"
                reason = f"two voters {what}, and the rule has {stands(places(after), *pair)}, not "
                reason += stands(places(before), *pair)
                return Clash(reason, (profile, other), ("the utilities", caption), pair)
    return None


@axiom(kind="neighbour", about=readings.ordering, ballots="utilities")
def separability_of_utilities(ask: Ask, profile: Utilities) -> Clash | None:
    """How a and b stand does not depend on the utility of a voter who has the same from both.

    Looks at every such voter with every other utility that anybody has, with one above all and one below. Zero may
    be special to a rule: the Nash product is separable where utilities are positive.

    Source: d'Aspremont and Gevers 1977 (doi:10.2307/2297061), elimination of indifferent individuals.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> profile = ck.Utilities([[1, 2], [4, 3], [1, 1]], alternatives="ab")
    >>> axioms.separability_of_utilities(rules.leximin, profile) is None
    True
    >>> axioms.separability_of_utilities(rules.egalitarian, profile).reason
    'a voter to whom a and b are worth the same has 2 from both, not 1, and the rule has a below b, not a level with b'
    """
    profile = known(profile, "separability_of_utilities")
    before = places(ask(profile))
    for a, b in itertools.combinations(range(len(profile.alternatives)), 2):
        x, y = profile.alternatives[a], profile.alternatives[b]
        for row in voting(profile):
            old = float(profile.values[row, a])
            for level in elsewhere(profile) if profile.values[row, b] == old else []:
                new = profile.values[row].copy()
                new[[a, b]] = level
                other = changed(profile, {row: new})
                after = places(ask(other))
                if side(before, x, y) != side(after, x, y):
                    reason = (
                        f"a voter to whom {x} and {y} are worth the same has {level:g} from both, not {old:g}, and the "
                        f"rule has {stands(after, x, y)}, not {stands(before, x, y)}"
                    )
                    caption = f"{voter(profile, row)} has {level:g} from {x} and {y}"
                    return Clash(reason, (profile, other), ("the utilities", caption), (x, y))
    return None


@axiom(kind="neighbour", about=readings.ordering, ballots="utilities")
def binary_independence(ask: Ask, profile: Utilities) -> Clash | None:
    """How a and b stand depends on nothing but the voters' utilities from a and b.

    Arrow's independence of irrelevant alternatives for utilities. Looks at every voter with another utility from a
    third alternative: every one that anybody has, one above all and one below.

    Source: Sen 1970; d'Aspremont and Gevers 1977 (doi:10.2307/2297061).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> profile = ck.Utilities([[2, 1, 0], [0, 2, 2]], alternatives="abc")
    >>> axioms.binary_independence(rules.utilitarian, profile) is None
    True
    >>> axioms.binary_independence(rules.relative_utilitarian, profile).reason      # 1 + 0 and 0 + 1, then ½ + 0
    'a voter has 4, not 1, from b, and the rule has a below c, not a level with c'
    """
    profile = known(profile, "binary_independence")
    before = places(ask(profile))
    for row, (column, third) in itertools.product(voting(profile), enumerate(profile.alternatives)):
        old = float(profile.values[row, column])
        for level in elsewhere(profile) if len(profile.alternatives) > 2 else []:
            if level == old:
                continue
            new = profile.values[row].copy()
            new[column] = level
            other = changed(profile, {row: new})
            after = places(ask(other))
            rest = tuple(label for label in profile.alternatives if label != third)
            for x, y in itertools.combinations(rest, 2):
                if side(before, x, y) != side(after, x, y):
                    reason = (
                        f"a voter has {level:g}, not {old:g}, from {third}, and the rule has {stands(after, x, y)}, "
                        f"not {stands(before, x, y)}"
                    )
                    caption = f"{voter(profile, row)} has {level:g} from {third}"
                    return Clash(reason, (profile, other), ("the utilities", caption), (x, y))
    return None


@axiom(kind="neighbour", about=readings.ordering, ballots="utilities")
def replication_invariance(ask: Ask, profile: Utilities) -> Clash | None:
    """With every voter two or three times over the ordering stays the same.

    Source: Dalton 1920.

    >>> import choicekit as ck
    >>> from choicekit import axioms
    >>> def at_least_three(profile):
    ...     return ck.Scores(profile.alternatives, profile.values.sum(0) >= 3)
    >>> axioms.replication_invariance(at_least_three, ck.Utilities([[1, 1], [1, 2]], alternatives="ab")).reason
    'with every voter 2 times over the rule has a level with b, not a below b'
    """
    profile = known(profile, "replication_invariance")
    before = ask(profile)
    for times in (2, 3):
        values, weights = [profile.values] * times, [profile.weights] * times
        other = Utilities(np.concatenate(values), np.concatenate(weights), profile.alternatives)
        after = ask(other)
        pair = parting(before, after, profile.alternatives)
        if pair:
            reason = f"with every voter {times} times over the rule has {stands(places(after), *pair)}, not "
            reason += stands(places(before), *pair)
            return Clash(reason, (profile, other), ("the utilities", f"every voter {times} times over"), pair)
    return None


@axiom(kind="neighbour", about=readings.ordering, ballots="utilities")
def pigou_dalton(ask: Ask, profile: Utilities) -> Clash | None:
    """A transfer of utility from a better-off to a worse-off voter that does not reverse them is no worse.

    For every alternative a, every other one b and every two voters of equal weight who differ in a, b becomes a with a
    quarter, or half, of the gap given over; b is to be no lower than a then.

    Source: Pigou 1912, Dalton 1920.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> def best_off(profile):
    ...     return ck.Scores(profile.alternatives, profile.values.max(0))
    >>> profile = ck.Utilities([[1, 0], [5, 0]], alternatives="ab")
    >>> print(axioms.pigou_dalton(best_off, profile))
    best_off violates pigou_dalton: b is a with 1 given by a better-off voter to one who stays no better off, and the \
rule has b below a
    the utilities: a > b
      1: a 1, b 0
      1: a 5, b 0
    b becomes a with the transfer: a > b
      1: a 1, b 2
      1: a 5, b 4
    >>> axioms.pigou_dalton(rules.utilitarian, profile) is None
    True
    """
    return _transfer(ask, known(profile, "pigou_dalton"), 0)


@axiom(kind="neighbour", about=readings.ordering, ballots="utilities", implies=("pigou_dalton",))
def strict_pigou_dalton(ask: Ask, profile: Utilities) -> Clash | None:
    """A transfer of utility from a better-off to a worse-off voter that does not reverse them is better.

    Looks at the transfers of :func:`pigou_dalton` between voters who differ by more than a thousandth of the largest
    utility; b is to be above a then.

    Source: Pigou 1912, Dalton 1920.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> profile = ck.Utilities([[1, 0], [5, 0]], alternatives="ab")
    >>> axioms.strict_pigou_dalton(rules.utilitarian, profile).reason
    'b is a with 1 given by a better-off voter to one who stays no better off, and the rule has b level with a'
    >>> axioms.strict_pigou_dalton(rules.generalised_gini, profile) is None
    True
    """
    return _transfer(ask, known(profile, "strict_pigou_dalton"), 1)


def _transfer(ask: Ask, profile: Utilities, least: int) -> Clash | None:
    """Whether b, made of a by a transfer, stands at least so (0 no lower, 1 above)."""
    for (a, x), (b, y), poor, rich in _unequal(profile, 1000 * clear(profile) if least else clear(profile)):
        gap = float(profile.values[rich, a] - profile.values[poor, a])
        for given in (gap / 4, gap / 2):
            at = {poor: float(profile.values[poor, a]) + given, rich: float(profile.values[rich, a]) - given}
            other = _copied(profile, a, b, at)
            place = places(ask(other))
            if side(place, y, x) < least:
                what = f"{y} is {x} with {given:g} given by a better-off voter to one who stays no better off"
                reason = f"{what}, and the rule has {stands(place, y, x)}"
                return Clash(reason, (profile, other), ("the utilities", f"{y} becomes {x} with the transfer"), (x, y))
    return None


@axiom(kind="neighbour", about=readings.ordering, ballots="utilities")
def hammond_equity(ask: Ask, profile: Utilities) -> Clash | None:
    """Where a better-off voter loses, however much, and a worse-off one gains, however little, and stays no better off,
    that is no worse.

    For every alternative a, every other one b and every two voters of equal weight who differ in a, b becomes a with
    both between what they had: a 64th of the gap above the worse-off, an eighth, half of it, or an eighth from either
    end; b is to be no lower than a then.

    Source: Hammond 1976.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> profile = ck.Utilities([[1, 0], [5, 0]], alternatives="ab")
    >>> axioms.hammond_equity(rules.utilitarian, profile).reason
    'b is a with one voter raised from 1 to 1.0625, one lowered from 5 to 1.0625, and the rule has b below a'
    >>> axioms.hammond_equity(rules.leximin, profile) is None
    True
    """
    profile = known(profile, "hammond_equity")
    for (a, x), (b, y), poor, rich in _unequal(profile, 1000 * clear(profile)):
        low, high = float(profile.values[poor, a]), float(profile.values[rich, a])
        for up, left in _CLOSER:
            at = {poor: low + up * (high - low), rich: low + left * (high - low)}
            other = _copied(profile, a, b, at)
            place = places(ask(other))
            if side(place, y, x) < 0:
                reason = (
                    f"{y} is {x} with one voter raised from {low:g} to {at[poor]:g}, one lowered from {high:g} to "
                    f"{at[rich]:g}, and the rule has {stands(place, y, x)}"
                )
                return Clash(
                    reason, (profile, other), ("the utilities", f"{y} becomes {x} with these two nearer"), (x, y)
                )
    return None


def _unequal(profile: Utilities, gap: float) -> Iterator[tuple[tuple[int, Label], tuple[int, Label], int, int]]:
    """Alternatives a and b, and two voters of equal weight, the first worse off with a by more than the gap."""
    for a, b in itertools.permutations(enumerate(profile.alternatives), 2):
        for one, two in alike(profile):
            poor, rich = sorted((one, two), key=lambda row: float(profile.values[row, a[0]]))
            if profile.values[rich, a[0]] - profile.values[poor, a[0]] > gap:
                yield a, b, poor, rich


def _copied(profile: Utilities, a: int, b: int, at: dict[int, float]) -> Utilities:
    """The column b becomes the column a, and one voter each of some rows has another utility there."""
    values = profile.values.copy()
    values[:, b] = values[:, a]
    rows: dict[int, Floats] = {}
    for row, utility in at.items():
        rows[row] = values[row].copy()
        rows[row][b] = utility
    return changed(Utilities(values, profile.weights, profile.alternatives), rows)
