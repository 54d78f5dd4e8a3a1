"""Checks of representation: definitions by every group of voters, implications, what rules guarantee."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import reference_committees as reference
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import ballots

import choicekit as ck
from choicekit import representation as rep
from choicekit.rules.multiwinner import proportional_approval, sequential_proportional_approval
from choicekit.rules.phragmen import leximax_phragmen, sequential_phragmen
from choicekit.rules.shares import equal_shares

Check = Callable[..., rep.Unrepresented | None]
CHECKS: dict[str, Check] = {
    "JR": rep.justified_representation,
    "PJR": rep.proportional_justified_representation,
    "EJR": rep.extended_justified_representation,
    "EJR+": rep.extended_justified_representation_plus,
    "core": rep.core,
}


@st.composite
def elections(draw: st.DrawFn, voters: int = 6, alternatives: int = 5) -> tuple[ck.Approvals, tuple[int, ...]]:
    """Approvals, some weights 0, and any committee."""
    width = draw(st.integers(1, alternatives))
    rows = draw(st.lists(st.lists(st.booleans(), min_size=width, max_size=width), min_size=1, max_size=voters))
    weights = draw(st.lists(st.integers(0, 4), min_size=len(rows), max_size=len(rows)))
    assume(any(weights))
    committee = draw(st.lists(st.integers(0, width - 1), min_size=1, unique=True))
    return ck.Approvals(rows, np.array(weights) / 2), tuple(sorted(committee))


@pytest.mark.parametrize("axiom", CHECKS)
@given(election=elections())
@settings(max_examples=120)
def test_axioms_by_the_book(axiom: str, election: tuple[ck.Approvals, tuple[int, ...]]) -> None:
    profile, committee = election
    rows = [frozenset(np.flatnonzero(row).tolist()) for row in profile.values]
    weights = [Fraction(w) for w in profile.weights.tolist()]
    found = CHECKS[axiom](profile, committee)
    assert (found is not None) == reference.fails(axiom, rows, weights, len(profile.alternatives), committee)
    if found is not None:
        is_witness(found, axiom, profile, committee)


def is_witness(found: rep.Unrepresented, axiom: str, profile: ck.Approvals, committee: tuple[int, ...]) -> None:
    """That the group named is one that is not represented."""
    group = profile.values[list(found.voters)]
    chosen = np.isin(np.arange(len(profile.alternatives)), committee)
    named = list(found.alternatives)
    assert found.weight == profile.weights[list(found.voters)].sum() >= found.needed - 1e-9
    assert found.needed == pytest.approx(found.seats * profile.weights.sum() / len(committee))
    assert (profile.weights[list(found.voters)] > 0).all()
    held = group[:, chosen].sum(1)
    if axiom == "core":
        assert len(named) == found.seats
        assert (group[:, named].sum(1) > held).all()
        assert "better off with" in str(found)
        return
    assert group[:, named].all()
    assert "agree on" in str(found)
    if axiom == "PJR":
        assert len(named) == found.seats
        assert (group.any(0) & chosen).sum() < found.seats
    else:
        assert (held < found.seats).all()
        assert len(named) == (1 if axiom in ("JR", "EJR+") else found.seats)
    if axiom == "JR":
        assert found.seats == 1
    if axiom == "EJR+":
        assert not chosen[named].any()


@given(election=elections(voters=8, alternatives=6))
def test_stronger_axioms_imply_weaker_ones(election: tuple[ck.Approvals, tuple[int, ...]]) -> None:
    profile, committee = election
    holds = {axiom: check(profile, committee) is None for axiom, check in CHECKS.items()}
    for strong, weak in (("EJR+", "EJR"), ("core", "EJR"), ("EJR", "PJR"), ("PJR", "JR")):
        assert holds[weak] or not holds[strong], (strong, weak)


GUARANTEES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "PAV": (proportional_approval, ("EJR+", "EJR", "PJR", "JR")),
    "equal shares": (equal_shares, ("EJR+", "EJR", "PJR", "JR")),
    "equal shares, utilitarian": (lambda p, size: equal_shares(p, size=size, completion="utilitarian"), ("EJR+",)),
    "sequential Phragmén": (sequential_phragmen, ("PJR", "JR")),
    "leximax Phragmén": (leximax_phragmen, ("PJR", "JR")),
}


@pytest.mark.parametrize("name", GUARANTEES)
@given(election=elections(voters=8, alternatives=6))
def test_rules_represent_as_was_proved(name: str, election: tuple[ck.Approvals, tuple[int, ...]]) -> None:
    # Aziz et al. 2017, Brill et al. 2024, Peters and Skowron 2020, Brill and Peters 2023
    profile, committee = election
    rule, axioms = GUARANTEES[name]
    for elected in rule(profile, size=len(committee)).committees:
        for axiom in axioms:
            assert CHECKS[axiom](profile, elected) is None, (axiom, elected)


def test_loads_fail_extended_justified_representation() -> None:
    # Brill, Freeman, Janson and Lackner 2024: the first four voters deserve two of twelve seats and agree on a and b
    many = [f"c{number}" for number in range(1, 13)]
    counts = [(["a", "b", "c1"], 2), (["a", "b", "c2"], 2), (many, 6), (many[1:], 5), (many[2:], 9)]
    labels = ["a", "b", *many]
    profile = ck.Approvals([[x in ballot for x in labels] for ballot, _ in counts], [n for _, n in counts], labels)
    found = sequential_phragmen(profile, size=12)
    assert found.committees == (tuple(many),)
    assert rep.proportional_justified_representation(profile, many) is None
    failure = rep.extended_justified_representation(profile, many)
    assert failure is not None
    assert (failure.voters, failure.alternatives, failure.seats) == ((0, 1), ("a", "b"), 2)
    for committee in equal_shares(profile, size=12).committees:
        assert rep.extended_justified_representation(profile, committee) is None


def test_known_failures() -> None:
    # a party of half the voters has no member
    halves = ck.Approvals([[1, 1, 0]] * 2 + [[0, 0, 1]] * 2, alternatives="abc")
    for check in CHECKS.values():
        found = check(halves, "ab")
        assert found is not None
        assert found.alternatives == ("c",)
        assert found.voters == (2, 3)
        assert found.seats == 1
        assert check(halves, "ac") is None
    assert str(rep.justified_representation(halves, "ab")) == (
        "justified representation fails: ballots of weight 2 (2 deserve 1 seat) agree on 'c'"
    )
    # PJR without EJR: four voters agree on two, each has one of the two members that they have together
    rows = [[1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 1, 0, 1, 0, 0], [1, 1, 0, 1, 0, 0]]
    split = ck.Approvals(rows)
    committee = (2, 3)
    assert rep.proportional_justified_representation(split, committee) is None
    found = rep.extended_justified_representation(split, committee)
    assert found is not None
    assert found.seats == 2
    assert found.alternatives == (0, 1)
    assert sequential_proportional_approval(split, size=2).committees[0] == (0, 1)


def test_the_core_by_integer_programmes() -> None:
    rng = np.random.default_rng(4)
    stable = 0
    for _ in range(60):
        profile = ck.Approvals(rng.random((7, 6)) < 0.45, rng.integers(0, 4, 7) + np.eye(7, dtype=int)[0])
        committee = rng.choice(6, 3, replace=False).tolist()
        by_sets, by_programme = rep.core(profile, committee), rep.core(profile, committee, nodes=0)
        assert (by_sets is None) == (by_programme is None)
        if by_programme is not None:
            is_witness(by_programme, "core", profile, tuple(committee))
        stable += by_sets is None
    assert 0 < stable < 60


def test_limits_are_told() -> None:
    profile = ck.Approvals(np.ones((6, 12)))
    with pytest.raises(RuntimeError, match="allow more with nodes="):
        rep.extended_justified_representation(ck.Approvals(np.eye(6)[:, [0, 1, 2, 3, 4, 5] * 2]), range(6), nodes=1)
    with pytest.raises(ValueError, match="names 'z', not among the alternatives"):
        rep.justified_representation(profile, ["z"])
    for committee in ([], [1, 1]):
        with pytest.raises(ValueError, match="needed a committee of one or more different alternatives"):
            rep.core(profile, committee)


# --- Local stability ----------------------------------------------------------------------------------------------


def test_local_stability_of_sixty_to_forty() -> None:
    votes = ck.Rankings.from_orders({"0123": 60, "3210": 40})
    values = [rep.local_stability(votes, members) for members in ("0", "01", "012", "03")]
    assert values == pytest.approx([0.4, 0.8, 1.2, 0.0])


@pytest.mark.parametrize("unranked", ["below", "absent"])
@given(profile=ballots(), draw=st.data())
def test_local_stability_by_the_book(unranked: Any, profile: ck.Rankings, draw: st.DataObject) -> None:
    width = len(profile.alternatives)
    committee = draw.draw(st.lists(st.integers(0, width - 1), min_size=1, unique=True))

    def prefers(row: list[int], a: int, b: int) -> bool:
        if row[a] < 0 or (row[b] < 0 and unranked == "absent"):
            return False
        return row[b] < 0 or row[a] < row[b]

    pairs = list(zip(profile.ranks.tolist(), profile.weights.tolist(), strict=True))
    shares = [
        sum(w for row, w in pairs if all(prefers(row, a, b) for b in committee)) / profile.weights.sum()
        for a in range(width)
        if a not in committee
    ]
    expected = len(committee) * max(shares, default=0.0)
    assert rep.local_stability(profile, committee, unranked=unranked) == pytest.approx(expected)
    if len(committee) == 1:
        assert expected <= 1
