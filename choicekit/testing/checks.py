"""A rule held to an axiom: an assertion for one profile, and a search over drawn ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from choicekit.axioms import Violation
from choicekit.axioms._readings import runnable
from choicekit.axioms._simpler import Check, polished, remembering
from choicekit.testing._hypothesis import hypothesis
from choicekit.testing._sizes import bounds

if TYPE_CHECKING:
    from choicekit.testing._hypothesis import SearchStrategy


def assert_axiom(axiom: Check, rule: Callable[[Any], Any], profile: Any) -> None:
    """Assert that a rule does not break an axiom on a profile and its whole neighbourhood.

    The neighbourhood is the axiom's own: every ballot that one voter could have cast instead, every voter who could
    stay away, and so on. Made for tests in which Hypothesis draws the profile; what it finds there is as small as
    Hypothesis shrinks it, and :func:`find_violation` goes further. Raises ``AssertionError`` with the violation in
    words, and what the axiom raises for a profile that it does not speak of.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 3, "bca": 2})
    >>> assert_axiom(axioms.majority, rules.plurality, votes)
    >>> assert_axiom(axioms.majority, rules.borda, votes)
    Traceback (most recent call last):
        ...
    AssertionError: borda violates majority: ...
    """
    violation = axiom(runnable(rule, "assert_axiom"), profile)
    if violation is not None:
        raise AssertionError(str(violation))


def find_violation(
    axiom: Check,
    rule: Callable[[Any], Any],
    *,
    profiles: SearchStrategy[Any],
    rng: int | np.random.Generator | None = None,
    examples: int = 1000,
) -> Violation | None:
    """A small violation of an axiom by a rule, looked for among drawn profiles; ``None`` where none was found.

    Hypothesis draws up to ``examples`` profiles, until the neighbourhood of one holds a violation; :func:`polish` makes
    it small. ``None`` proves nothing: other profiles may hold a violation. The same ``rng`` (a whole number) draws the
    same profiles with the same version of Hypothesis. Raises what the axiom raises for profiles that it does not speak
    of, and ``ImportError`` without Hypothesis.

    >>> from choicekit import axioms, rules, testing
    >>> drawn = testing.rankings(voters=(1, 9), alternatives="abcd")
    >>> print(find_violation(axioms.majority, rules.borda, profiles=drawn, rng=0))
    borda violates majority: ...
    >>> find_violation(axioms.majority, rules.plurality, profiles=drawn, rng=0, examples=50) is None
    True
    """
    library = hypothesis()
    most, _ = bounds("examples", examples)
    settings = library.settings(
        max_examples=most, database=None, derandomize=False, deadline=None, phases=[library.Phase.generate]
    )
    look = remembering(axiom, runnable(rule, "find_violation"))
    chance = random.Random(int(np.random.default_rng(rng).integers(2**63)))
    try:
        found = library.find(profiles, lambda profile: look(profile) is not None, settings=settings, random=chance)
    except library.errors.NoSuchExample:
        return None
    violation = look(found)
    return None if violation is None else polished(look, violation, 4)
