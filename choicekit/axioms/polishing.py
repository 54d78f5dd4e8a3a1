"""Violations made small, by steps that leave the axiom broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from choicekit.axioms._simpler import Check, polished, remembering
from choicekit.axioms.violation import Violation
from choicekit.domains._culture import whole


def polish(axiom: Check, rule: Callable[[Any], Any], violation: Violation, *, jointly: int = 4) -> Violation:
    """A violation made small: the profile the axiom was asked about, simplified by steps while the axiom is broken.

    Each step either withdraws an alternative; lets up to ``jointly`` voters stay away (half of a row, where more share
    a ballot), or one voter stay away while another exchanges two alternatives; puts equal ballots into one row;
    relabels the alternatives; or exchanges two of them on a ballot, so that ballots come nearer to the order of the
    columns. The first step after which the rule still breaks the axiom is taken, until there is none. With v different
    ballots about v^jointly profiles are asked about each time. What results need not be the smallest violation there
    is: another may be out of reach of such steps.

    A simpler profile that the rule or the axiom refuses with ``ValueError`` is no step. Profiles other than rankings,
    utilities and approvals are left as they are. Raises ``ValueError`` for ``jointly`` below 1.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abcd": 40, "bcda": 30, "dcba": 2})
    >>> small = polish(axioms.majority, rules.borda, axioms.majority(rules.borda, votes))
    >>> small.profiles[0].ranks.tolist(), small.profiles[0].weights.tolist()
    ([[0, 1, 2], [2, 0, 1]], [2.0, 1.0])
    """
    return polished(remembering(axiom, rule), violation, whole("jointly", jointly))
