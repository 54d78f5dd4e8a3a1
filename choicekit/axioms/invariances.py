"""What of utilities an ordering may depend on: whether it changes when their zero, unit or whole scale does.

Each axiom names the changes that mean nothing. It looks at a finite family of them: shifts up by a power of two no
less than any utility and by 16 times that, and down by half of the lowest utility (by that power where some are
negative), so that positive ones stay so; factors 1/8, 1/2, 2 and 8; and increasing maps that widen or narrow one gap
between neighbouring utilities. A violation refutes the axiom; none says only that none of these changes matters here.
The changes of single voters come one voter at a time. Scores should differ by well more than the tolerance for ties,
1e-9 of the largest, or not at all: else a shift may turn a difference into a tie.

The less may be compared between voters, the more changes mean nothing: ordinal ⇒ cardinal noncomparability ⇒ unit
comparability ⇒ full comparability, and ordinal noncomparability ⇒ level comparability ⇒ full comparability. The finite
families do not contain one another so, and ``implies`` names only those that do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from choicekit.axioms import _readings as readings
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._orders import parting, stands
from choicekit.axioms._readings import Ask, places
from choicekit.axioms._utilities import changed, everybody, held, known, scalings, shifts, steps, voter, voting
from choicekit.profiles import Utilities
from choicekit.profiles._columns import Floats


@axiom(
    kind="neighbour", about=readings.ordering, ballots="utilities",
)  # fmt: skip
def ordinal_noncomparability(ask: Ask, profile: Utilities) -> Clash | None:
    """An increasing map of one voter's utilities, each voter's own, leaves the ordering: only rankings count.

    Source: Sen 1970; Sen 1977; the increasing maps that are looked at are named on top of this module.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> profile = ck.Utilities([[2, 1], [1, 4]], alternatives="ab")
    >>> print(axioms.ordinal_noncomparability(rules.utilitarian, profile))
    utilitarian violates ordinal_noncomparability: one voter's utilities from 2 up rise by 4, and the rule has a above \
b, not a below b
    the utilities: b > a
      1: a 2, b 1
      1: a 1, b 4
    the voter of a 2, b 1: utilities from 2 up rise by 4: a > b
      1: a 6, b 1
      1: a 1, b 4
    >>> axioms.ordinal_noncomparability(rules.borda, profile) is None
    True
    """
    profile = known(profile, "ordinal_noncomparability")
    return _one(ask, profile, lambda values: steps(values, profile))


@axiom(
    kind="neighbour", about=readings.ordering, ballots="utilities",
    implies=("ratio_scale_noncomparability",),
)  # fmt: skip
def cardinal_noncomparability(ask: Ask, profile: Utilities) -> Clash | None:
    """Multiplying one voter's utilities by a positive number, or adding one, each voter's own, leaves the ordering.

    Source: Sen 1970; Sen 1977; the numbers that are looked at are named on top of this module.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> profile = ck.Utilities([[2, 1], [1, 4]], alternatives="ab")
    >>> axioms.cardinal_noncomparability(rules.utilitarian, profile).reason
    "one voter's utilities are multiplied by 8, and the rule has a above b, not a below b"
    >>> axioms.cardinal_noncomparability(rules.relative_utilitarian, profile) is None
    True
    """
    profile = known(profile, "cardinal_noncomparability")
    return _one(ask, profile, lambda values: (*scalings(values), *shifts(values, profile)))


@axiom(kind="neighbour", about=readings.ordering, ballots="utilities")
def ratio_scale_noncomparability(ask: Ask, profile: Utilities) -> Clash | None:
    """Multiplying one voter's positive utilities by a positive number, each voter's own, leaves the ordering.

    Raises ``ValueError`` for utilities that are not positive.

    Source: Tsui and Weymark 1997; the numbers that are looked at are named on top of this module.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> profile = ck.Utilities([[2, 1], [1, 4]], alternatives="ab")
    >>> axioms.ratio_scale_noncomparability(rules.utilitarian, profile).reason
    "one voter's utilities are multiplied by 8, and the rule has a above b, not a below b"
    >>> axioms.ratio_scale_noncomparability(rules.nash, profile) is None
    True
    """
    profile = known(profile, "ratio_scale_noncomparability")
    if (held(profile) <= 0).any():
        raise ValueError(
            "ratio_scale_noncomparability: needed utilities above 0, which have a zero to be multiplied from; got "
            f"{held(profile).min():g}. Measure them from what voters have without an agreement"
        )
    return _one(ask, profile, scalings)


@axiom(
    kind="neighbour", about=readings.ordering, ballots="utilities"
)  # fmt: skip
def cardinal_unit_comparability(ask: Ask, profile: Utilities) -> Clash | None:
    """Adding a number to one voter's utilities, each voter's own, or multiplying all by one number leaves the ordering.

    Gains and losses may be compared between voters, levels may not.

    Source: d'Aspremont and Gevers 1977 (doi:10.2307/2297061).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> profile = ck.Utilities([[2, 1], [1, 4]], alternatives="ab")
    >>> axioms.cardinal_unit_comparability(rules.utilitarian, profile) is None
    True
    >>> axioms.cardinal_unit_comparability(rules.nash, profile).reason      # 2·1 < 1·4, but 2·(1 + 4) > 1·(4 + 4)
    "one voter's utilities rise by 4, and the rule has a above b, not a below b"
    """
    profile = known(profile, "cardinal_unit_comparability")
    return _one(ask, profile, lambda values: shifts(values, profile)) or _all(ask, profile, scalings(held(profile)))


@axiom(
    kind="neighbour", about=readings.ordering, ballots="utilities"
)  # fmt: skip
def ordinal_level_comparability(ask: Ask, profile: Utilities) -> Clash | None:
    """An increasing map of all voters' utilities, the same for all, leaves the ordering.

    It may be compared who is better off, not by how much.

    Source: d'Aspremont and Gevers 1977 (doi:10.2307/2297061).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> profile = ck.Utilities([[2, 1], [2, 4]], alternatives="ab")
    >>> axioms.ordinal_level_comparability(rules.leximin, profile) is None
    True
    >>> axioms.ordinal_level_comparability(rules.utilitarian, profile).reason      # 2 + 2 < 1 + 4, but 6 + 6 > 1 + 8
    "all voters' utilities from 2 up rise by 4, and the rule has a above b, not a below b"
    """
    profile = known(profile, "ordinal_level_comparability")
    return _all(ask, profile, steps(held(profile), profile))


@axiom(
    kind="neighbour", about=readings.ordering, ballots="utilities", implies=("common_translation", "common_scale")
)  # fmt: skip
def cardinal_full_comparability(ask: Ask, profile: Utilities) -> Clash | None:
    """Multiplying all utilities by one positive number, or adding one number to all, leaves the ordering.

    Source: d'Aspremont and Gevers 1977 (doi:10.2307/2297061).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> profile = ck.Utilities([[2, 1], [3, 8]], alternatives="ab")
    >>> axioms.cardinal_full_comparability(rules.nash, profile).reason      # 2·3 < 1·8, but 1½·2½ = ½·7½
    "all voters' utilities fall by 0.5, and the rule has a level with b, not a below b"
    """
    profile = known(profile, "cardinal_full_comparability")
    values = held(profile)
    return _all(ask, profile, (*scalings(values), *shifts(values, profile)))


@axiom(kind="neighbour", about=readings.ordering, ballots="utilities")
def common_translation(ask: Ask, profile: Utilities) -> Clash | None:
    """Adding one number to all utilities leaves the ordering.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> profile = ck.Utilities([[2, 1], [1, 4]], alternatives="ab")
    >>> axioms.common_translation(rules.utilitarian, profile) is None
    True
    """
    profile = known(profile, "common_translation")
    return _all(ask, profile, shifts(held(profile), profile))


@axiom(kind="neighbour", about=readings.ordering, ballots="utilities")
def common_scale(ask: Ask, profile: Utilities) -> Clash | None:
    """Multiplying all utilities by one positive number leaves the ordering.

    >>> import choicekit as ck
    >>> from choicekit import axioms
    >>> def who_has_enough(profile):      # how many voters have 3 or more
    ...     return ck.Scores(profile.alternatives, (profile.values >= 3).sum(0))
    >>> axioms.common_scale(who_has_enough, ck.Utilities([[2, 1], [1, 4]], alternatives="ab")).reason
    "all voters' utilities are multiplied by 0.125, and the rule has a level with b, not a below b"
    """
    profile = known(profile, "common_scale")
    return _all(ask, profile, scalings(held(profile)))


def _all(ask: Ask, profile: Utilities, moves: Iterable[tuple[Floats, str]]) -> Clash | None:
    """Whether all voters' utilities can become these without another ordering."""
    for values, what in moves:
        clash = _differs(ask, profile, everybody(profile, values), f"all voters' {what}", f"all {what}")
        if clash:
            return clash
    return None


def _one(ask: Ask, profile: Utilities, moves: Callable[[Floats], Iterable[tuple[Floats, str]]]) -> Clash | None:
    """Whether the utilities of any one voter can."""
    for row in voting(profile):
        for values, what in moves(profile.values[row]):
            other = changed(profile, {row: values})
            clash = _differs(ask, profile, other, f"one voter's {what}", f"{voter(profile, row)}: {what}")
            if clash:
                return clash
    return None


def _differs(ask: Ask, profile: Utilities, other: Utilities, what: str, caption: str) -> Clash | None:
    before, after = ask(profile), ask(other)
    pair = parting(before, after, profile.alternatives)
    if not pair:
        return None
    reason = f"{what}, and the rule has {stands(places(after), *pair)}, not {stands(places(before), *pair)}"
    return Clash(reason, (profile, other), ("the utilities", caption), pair)
