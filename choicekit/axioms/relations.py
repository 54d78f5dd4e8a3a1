"""Axioms of what a rule answers at all: an ordering of every profile, a relation that is complete and transitive.

The last four read a *relation*, which says of two alternatives whether the first is at least as good: a Boolean matrix
``[m, m]``, :class:`~choicekit.Margins` (a margin no less than 0), or any ordering, which has all these properties.
"""

from __future__ import annotations

import itertools

from choicekit.axioms import _readings as readings
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._orders import complete
from choicekit.axioms._readings import Ask
from choicekit.outcomes import Labels
from choicekit.profiles import Rankings


@axiom(kind="intra", about=readings.answer)
def unrestricted_domain(ask: Ask, profile: Rankings) -> Clash | None:
    """The rule answers every profile with an ordering of all alternatives.

    Asked about one profile it looks at that one: an exception, or an outcome that is no ordering, is the violation.
    Asked about every profile of a size it is Arrow's condition for that size. Ballots may have ties.

    Source: Arrow 1951.

    >>> import choicekit as ck
    >>> from choicekit import axioms
    >>> def careful(profile):
    ...     if len(profile.weights) > 1:
    ...         raise ValueError("they do not agree")
    ...     return profile.alternatives
    >>> print(axioms.unrestricted_domain(careful, ck.Rankings.from_orders({"ab": 2, "ba": 1})))
    careful violates unrestricted_domain: the rule gives no ordering
    the ballots: ValueError: they do not agree
      2: a > b
      1: b > a
    """
    profile = complete(profile, "unrestricted_domain")
    if isinstance(ask(profile), str):
        return Clash("the rule gives no ordering", (profile,), ("the ballots",))
    return None


@axiom(kind="intra", about=readings.relation)
def completeness(ask: Ask, profile: Rankings) -> Clash | None:
    """Of any two alternatives one is at least as good as the other.

    Source: Arrow 1951.

    >>> import choicekit as ck
    >>> from choicekit import axioms
    >>> def unanimous(profile):      # at least as good only where nobody disagrees
    ...     return profile.supports().T == 0
    >>> axioms.completeness(unanimous, ck.Rankings.from_orders({"ab": 2, "ba": 1})).reason
    'neither a nor b is at least as good as the other'
    """
    profile = complete(profile, "completeness")
    held = set(ask(profile))
    for a, b in itertools.combinations(profile.alternatives, 2):
        if (a, b) not in held and (b, a) not in held:
            reason = f"neither {a} nor {b} is at least as good as the other"
            return Clash(reason, (profile,), ("the ballots",), (a, b))
    return None


@axiom(kind="intra", about=readings.relation, implies=("quasi_transitivity",))
def transitivity(ask: Ask, profile: Rankings) -> Clash | None:
    """Where a is at least as good as b and b as c, a is at least as good as c.

    Source: Arrow 1951; that majorities break it, Condorcet 1785.

    >>> import choicekit as ck
    >>> from choicekit import axioms
    >>> print(axioms.transitivity(ck.Rankings.to_margins, ck.Rankings.from_orders(["abc", "bca", "cab"])))
    to_margins violates transitivity: a is at least as good as b, and b as c, but a is not at least as good as c
    the ballots: a > b, b > c, c > a
      1: a > b > c
      1: b > c > a
      1: c > a > b
    """
    profile = complete(profile, "transitivity")
    held = set(ask(profile))
    for a, b, c in itertools.permutations(profile.alternatives, 3):
        if (a, b) in held and (b, c) in held and (a, c) not in held:
            reason = f"{a} is at least as good as {b}, and {b} as {c}, but {a} is not at least as good as {c}"
            return Clash(reason, (profile,), ("the ballots",), (a, b, c))
    return None


@axiom(kind="intra", about=readings.relation, implies=("acyclicity",))
def quasi_transitivity(ask: Ask, profile: Rankings) -> Clash | None:
    """Where a is better than b and b than c, a is better than c; being level need not carry over.

    Source: Sen 1970.

    >>> import choicekit as ck
    >>> from choicekit import axioms
    >>> votes = ck.Rankings.from_orders(["abc", "bca"])      # b beats c, the other pairs tie
    >>> axioms.quasi_transitivity(ck.Rankings.to_margins, votes) is None
    True
    >>> axioms.transitivity(ck.Rankings.to_margins, votes).alternatives
    ('c', 'a', 'b')
    """
    profile = complete(profile, "quasi_transitivity")
    better = strictly(ask(profile))
    for a, b, c in itertools.permutations(profile.alternatives, 3):
        if (a, b) in better and (b, c) in better and (a, c) not in better:
            reason = f"{a} is better than {b}, and {b} than {c}, but {a} is not better than {c}"
            return Clash(reason, (profile,), ("the ballots",), (a, b, c))
    return None


@axiom(kind="intra", about=readings.relation)
def acyclicity(ask: Ask, profile: Rankings) -> Clash | None:
    """No alternatives are each better than the next and the last better than the first.

    Source: Sen 1970.

    >>> import choicekit as ck
    >>> from choicekit import axioms
    >>> axioms.acyclicity(ck.Rankings.to_margins, ck.Rankings.from_orders(["abc", "bca", "cab"])).reason
    'a is better than b, b than c, c than a'
    """
    profile = complete(profile, "acyclicity")
    better = strictly(ask(profile))
    for length in range(3, len(profile.alternatives) + 1):
        for ring in itertools.permutations(profile.alternatives, length):
            steps = list(zip(ring, (*ring[1:], ring[0]), strict=True))
            if all(step in better for step in steps):
                (first, second), *rest = steps
                reason = f"{first} is better than {second}, " + ", ".join(f"{a} than {b}" for a, b in rest)
                return Clash(reason, (profile,), ("the ballots",), ring)
    return None


def strictly(pairs: tuple[Labels, ...]) -> set[Labels]:
    """The pairs of a relation whose first is better than the second.

    >>> strictly((("a", "b"), ("b", "c"), ("c", "b")))
    {('a', 'b')}
    """
    held = set(pairs)
    return {(a, b) for a, b in held if (b, a) not in held}
