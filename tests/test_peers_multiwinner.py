"""Committees beside abcvoting's and budgets beside pabutools'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import choicekit as ck
from choicekit import representation as rep
from choicekit.rules import multiwinner as mw
from choicekit.rules._ties import fixed_order
from choicekit.rules.phragmen import leximax_phragmen, sequential_phragmen
from choicekit.rules.shares import equal_shares, equal_shares_budget, greedy_budget

abcrules: Any = pytest.importorskip("abcvoting.abcrules", reason="peer: pip install abcvoting")
abcproperties: Any = pytest.importorskip("abcvoting.properties", reason="peer: pip install abcvoting")
preferences: Any = pytest.importorskip("abcvoting.preferences", reason="peer: pip install abcvoting")

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]

RULES: dict[str, tuple[Any, dict[str, Any]]] = {
    "av": (mw.approval_committee, {}),
    "sav": (mw.satisfaction_approval, {}),
    "pav": (mw.proportional_approval, {"algorithm": "branch-and-bound"}),
    "cc": (mw.approval_chamberlin_courant, {"algorithm": "branch-and-bound"}),
    "seqpav": (mw.sequential_proportional_approval, {}),
    "seqphragmen": (sequential_phragmen, {"algorithm": "standard-fractions"}),
    "monroe": (mw.monroe, {"algorithm": "brute-force"}),
    "equal-shares": (equal_shares, {"algorithm": "standard-fractions"}),
    "equal-shares-without-completion": (
        lambda profile, size: equal_shares(profile, size=size, completion=None),
        {"algorithm": "standard-fractions"},
    ),
    "equal-shares-with-av-completion": (
        lambda profile, size: equal_shares(profile, size=size, completion="utilitarian"),
        {"algorithm": "standard-fractions"},
    ),
}


def drawn(rng: np.random.Generator, *, weighted: bool) -> tuple[ck.Approvals, Any, int]:
    """Approvals of which every alternative has some, as theirs and ours, and a number of seats."""
    width = int(rng.integers(3, 7))
    rows = rng.random((int(rng.integers(3, 10)), width)) < rng.choice([0.3, 0.5])
    rows[rng.integers(len(rows), size=width), np.arange(width)] = True
    rows = rows[rows.any(1)]
    weights = rng.integers(1, 4, len(rows)) if weighted else np.ones(len(rows), int)
    theirs = preferences.Profile(width)
    for row, weight in zip(rows, weights.tolist(), strict=True):
        theirs.add_voter(preferences.Voter(np.flatnonzero(row).tolist(), weight=weight))
    return ck.Approvals(rows, weights), theirs, int(rng.integers(1, width))


# Monroe there takes voters one by one, whatever they weigh
WEIGHTED = [*(set(RULES) - {"monroe"})]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", RULES)
def test_committees_beside_abcvoting(name: str, weighted: bool) -> None:
    rng = np.random.default_rng(11)
    rule, options = RULES[name]
    for _ in range(15 if name == "monroe" else 60):
        ours, theirs, size = drawn(rng, weighted=weighted and name in WEIGHTED)
        expected = abcrules.compute(
            name, theirs, committeesize=size, resolute=False, max_num_of_committees=None, **options
        )
        found = rule(ours, size=size)
        assert sorted(found.committees) == sorted(tuple(sorted(each)) for each in expected)


def test_the_largest_load_beside_abcvoting() -> None:
    # the leximax rule there needs Gurobi, and did not end within ten minutes on nine voters with five alternatives;
    # the least largest load is what its first step, the minimax rule, finds
    rng = np.random.default_rng(16)
    for _ in range(25):
        ours, theirs, size = drawn(rng, weighted=False)
        expected = abcrules.compute(
            "minimaxphragmen", theirs, committeesize=size, resolute=False, max_num_of_committees=None,
            algorithm="pulp-cbc",
        )  # fmt: skip
        minimax = {tuple(sorted(each)) for each in expected}
        assert set(leximax_phragmen(ours, size=size).committees) <= minimax


def test_increments_beside_abcvoting() -> None:
    rng = np.random.default_rng(12)
    for _ in range(60):
        ours, theirs, size = drawn(rng, weighted=False)
        expected = abcrules.compute(
            "equal-shares-with-increment-completion", theirs, committeesize=size, resolute=True,
            algorithm="standard-fractions",
        )  # fmt: skip
        order = fixed_order(ours.alternatives)
        found = equal_shares(ours, size=size, completion="increments", ties=order)
        assert found.committees == (tuple(sorted(expected[0])),)


def test_chamberlin_courant_and_pav_of_more_voters() -> None:
    rng = np.random.default_rng(13)
    for _ in range(5):
        rows = rng.random((60, 14)) < 0.25
        rows[:14] |= np.eye(14, dtype=bool)
        theirs = preferences.Profile(14)
        theirs.add_voters([np.flatnonzero(row).tolist() for row in rows])
        for name, rule in (("pav", mw.proportional_approval), ("cc", mw.approval_chamberlin_courant)):
            expected = abcrules.compute(name, theirs, committeesize=5, resolute=False, max_num_of_committees=None)
            found = rule(ck.Approvals(rows), size=5)
            assert sorted(found.committees) == sorted(tuple(sorted(each)) for each in expected)


AXIOMS = {
    "jr": rep.justified_representation,
    "pjr": rep.proportional_justified_representation,
    "ejr": rep.extended_justified_representation,
    "ejr+": rep.extended_justified_representation_plus,
    "core": rep.core,
}


@pytest.mark.parametrize("axiom", AXIOMS)
def test_representation_beside_abcvoting(axiom: str) -> None:
    rng = np.random.default_rng(14)
    held = 0
    algorithm = {} if axiom in ("jr", "ejr+") else {"algorithm": "brute-force"}
    for _ in range(150):
        ours, theirs, size = drawn(rng, weighted=False)
        committee = rng.choice(len(ours.alternatives), size, replace=False).tolist()
        expected = abcproperties.check(axiom, theirs, committee, **algorithm)
        assert (AXIOMS[axiom](ours, committee) is None) == expected
        held += expected
    assert 0 < held < 150


def test_budgets_beside_pabutools() -> None:
    pabutools: Any = pytest.importorskip("pabutools.election", reason="peer: pip install pabutools")
    peers: Any = pytest.importorskip("pabutools.rules", reason="peer: pip install pabutools")
    tie: Any = pytest.importorskip("pabutools.tiebreaking", reason="peer: pip install pabutools")
    rng = np.random.default_rng(15)
    for _ in range(40):
        width = int(rng.integers(2, 7))
        rows = rng.random((int(rng.integers(2, 9)), width)) < 0.5
        rows[rng.integers(len(rows), size=width), np.arange(width)] = True
        costs, budget = rng.integers(1, 9, width).tolist(), int(rng.integers(8, 20))
        projects = [pabutools.Project(str(a), costs[a]) for a in range(width)]
        instance = pabutools.Instance(projects, budget_limit=budget)
        theirs = pabutools.ApprovalProfile(
            [pabutools.ApprovalBallot([projects[a] for a in np.flatnonzero(row)]) for row in rows]
        )
        ours = ck.Approvals(rows, alternatives=[str(a) for a in range(width)])
        order = fixed_order(ours.alternatives)
        for by, measure in (("cost", pabutools.Cost_Sat), ("cardinality", pabutools.Cardinality_Sat)):
            options = {"sat_class": measure, "tie_breaking": tie.lexico_tie_breaking}
            expected = peers.greedy_utilitarian_welfare(instance, theirs, **options)
            found = greedy_budget(ours, costs=costs, budget=budget, by=by, ties=order)
            assert list(found.committees[0]) == sorted(project.name for project in expected)
            expected = peers.method_of_equal_shares(instance, theirs, **options)
            shared = equal_shares_budget(ours, costs=costs, budget=budget, by=by, completion=None, ties=order)
            assert list(shared.committees[0]) == sorted(project.name for project in expected)
