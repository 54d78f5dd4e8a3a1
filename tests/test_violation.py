"""Violations: how they are printed, kept as JSON, and asked again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import choicekit as ck
from choicekit import axioms, rules
from choicekit.axioms import CommitteeProblem, RewardProblem, Scope, Verdict, Violation
from choicekit.axioms.violation import profile_from_dict, profile_to_dict, table

VOTES = ck.Rankings.from_orders({"abc": 3, "bca": 2, "cba": 2})


def about(profile: Any, outcome: Any = ("a",), reading: str = "winners") -> Violation:
    return Violation("an axiom", "a rule", "why", ("a",), (profile,), ("the ballots",), (outcome,), reading)


def found(axiom: Any, rule: Any, profile: Any) -> Violation:
    violation = axiom(rule, profile)
    assert violation is not None
    assert violation.replay()
    return violation  # type: ignore[no-any-return]


# Printing


def test_ballots_are_printed_with_how_many_cast_them() -> None:
    ranks = ck.Rankings([[0, 1, 2], [1, 1, 0], [0, -1, -1], [0, 1, 2], [2, 1, 0]], [1, 2, 0.5, 3, 0], "xyz")
    assert table(ranks) == ["4: x > y > z", "2: z > x = y", "0.5: x"]
    assert table(ck.Approvals([[1, 0, 1], [0, 0, 0]], None, "xyz")) == ["1: {x, z}", "1: {}"]
    assert table(ck.Utilities([[1, 0.5], [1 / 3, np.nan]], None, "xy")) == ["1: x 1, y 0.5", "1: x 0.333333, y nan"]
    assert table(CommitteeProblem(ck.Approvals([[1, 0]], [2], "xy"), 1)) == ["2: {x}", "1 seat"]
    problem = RewardProblem(ck.Rankings([[0, 1]], None, "xy"), [[1, 2], [0.5, 0]])
    assert table(problem) == ["1: x > y", "features of x: (1, 2)", "features of y: (0.5, 0)"]


def test_a_violation_prints_every_profile_with_what_was_said_of_it() -> None:
    violation = found(axioms.reversal_symmetry, rules.plurality, VOTES)
    assert str(violation).splitlines() == [
        "plurality violates reversal_symmetry: a is the only winner, and still is after every ballot is reversed",
        "the ballots: a wins", "  3: a > b > c", "  2: b > c > a", "  2: c > b > a",
        f"{violation.captions[1]}: a wins", "  3: c > b > a", "  2: a > c > b", "  2: a > b > c",
    ]  # fmt: skip
    assert violation.size == "7 voters on 3 alternatives"


@pytest.mark.parametrize(
    ("reading", "outcome", "said"),
    [("winners", ("a", "b"), "a and b win"), ("ordering", (("a", "b"), ("c",)), "a = b > c"),
     ("lottery", (0.5, 1 / 3, 1 / 6), "(0.5, 0.333333, 0.166667)"),
     ("committees", (("a", "b"), ("c",)), "{a, b} or {c}"),
     ("bargain", (1.0, 2.0), "(1, 2)"), ("answer", "ValueError: no", "ValueError: no"),
     ("relation", (("a", "b"), ("b", "c"), ("c", "b")), "a > b, b = c")],
)  # fmt: skip
def test_outcomes_are_printed_as_what_they_are(reading: str, outcome: Any, said: str) -> None:
    violation = about(VOTES, outcome, reading)
    assert f"the ballots: {said}\n" in str(violation)
    assert Violation.from_json(violation.to_json()).outcomes == violation.outcomes


# JSON

PROFILES: dict[str, Any] = {
    "rankings": ck.Rankings([[0, 1, 1], [-1, 0, -1]], [1.5, 0], "xyz"),
    "approvals": ck.Approvals([[1, 0], [0, 0]], None, ["yes", "no"]),
    "utilities": ck.Utilities([[0.1, -3.5e300, np.nan]], [2.0]),
    "committees": CommitteeProblem(ck.Approvals([[1, 0, 1]]), 2),
    "features": RewardProblem(ck.Rankings([[1, 0]]), [[0.25, -1], [1e-9, 3]]),
}


@pytest.mark.parametrize("kind", PROFILES)
def test_every_kind_of_profile_goes_through_json(kind: str) -> None:
    profile = PROFILES[kind]
    back = profile_from_dict(json.loads(json.dumps(profile_to_dict(profile), allow_nan=False)))
    assert type(back) is type(profile)
    assert profile_to_dict(back) == profile_to_dict(profile)
    assert table(back) == table(profile)
    violation = about(profile)
    assert str(Violation.from_json(violation.to_json())) == str(violation)


@pytest.mark.parametrize(
    "labels",
    [
        ("a", "b"),
        (3, 1),
        (0.5, 2.0),
        (True, False),
        (np.int64(4), np.int64(2)),
        (np.str_("x"), np.str_("y")),
        ("ü\n", ""),
    ],
)
def test_labels_keep_what_they_are(labels: Any) -> None:
    profile = ck.Rankings([[0, 1], [1, 0]], [2, 1], labels)
    violation = about(profile, (profile.alternatives[0],))
    back = Violation.from_json(violation.to_json())
    assert back.profiles[0].alternatives == profile.alternatives
    assert back.outcomes == violation.outcomes
    assert [type(label) for label in back.outcomes[0]] == [type(getattr(labels[0], "item", lambda: labels[0])())]
    assert back.replay(rules.plurality)
    assert not back.replay(rules.veto if len(labels) > 2 else lambda _: [labels[1]])


def test_other_labels_are_refused() -> None:
    with pytest.raises(TypeError, match="text, numbers or booleans, got"):
        about(ck.Rankings([[0, 1]], None, [("a", 1), ("b", 2)])).to_json()


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "Expecting value"), ("[]", "list"), ("3", "int"), ("{}", "'axiom' is missing"), ("null", "NoneType")],
)
def test_other_text_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Violation.from_json(text)


def test_broken_violations_are_refused() -> None:
    held = json.loads(about(VOTES).to_json())
    for key in held:
        with pytest.raises(ValueError, match=f"'{key}' is missing"):
            Violation.from_json(json.dumps({name: value for name, value in held.items() if name != key}))
    wrong: list[tuple[str, Any, str]] = [
        ("reading", "tea leaves", "no reading is called"), ("profiles", [], "has a caption"),
        ("outcomes", [], "has a caption"),
        ("profiles", [{"kind": "Runes"}], "is missing"), ("profiles", [3], "not subscriptable"),
        ("profiles", [held["profiles"][0] | {"kind": "Runes"}], "no kind 'Runes'"),
        ("profiles", [held["profiles"][0] | {"weights": [-1, 1, 1]}], "weights"),
    ]  # fmt: skip
    for key, value, says in wrong:
        with pytest.raises(ValueError, match=says):
            Violation.from_json(json.dumps(held | {key: value}))


# Replaying


def test_replay_asks_the_rule_again() -> None:
    violation = found(axioms.condorcet_winner, rules.plurality, VOTES)
    assert not violation.replay(rules.borda)  # b wins
    assert violation.replay(lambda _: "a")
    back = Violation.from_json(violation.to_json())
    assert back.replay(rules.plurality)
    with pytest.raises(TypeError, match=r"pass it, replay\(rule\)"):
        back.replay()


def test_replay_asks_about_every_profile() -> None:
    violation = found(axioms.reversal_symmetry, rules.plurality, VOTES)

    def but_not_reversed(profile: ck.Rankings) -> Any:
        return rules.plurality(profile) if profile.ranks[0, 0] == 0 else "b"

    assert not violation.replay(but_not_reversed)


def test_replay_of_one_alternative_asks_nobody() -> None:
    def of_two(profile: ck.Rankings) -> Any:
        if len(profile.alternatives) < 2:
            raise ValueError("too few")
        return profile.alternatives

    assert about(ck.Rankings([[0]], None, "a")).replay(of_two)


def test_lotteries_replay_up_to_rounding() -> None:
    violation = about(VOTES, (3 / 7 + 1e-12, 2 / 7, 2 / 7), "lottery")
    assert violation.replay(rules.random_dictatorship)
    assert not about(VOTES, (0.4, 0.3, 0.3), "lottery").replay(rules.random_dictatorship)


@given(st.data())
def test_violations_of_drawn_profiles_survive_json(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 4))
    ranks = data.draw(st.lists(st.permutations(range(size)), min_size=1, max_size=5))
    weights = data.draw(st.lists(st.integers(1, 3), min_size=len(ranks), max_size=len(ranks)))
    profile = ck.Rankings(ranks, weights, "abcd"[:size])
    axiom = data.draw(st.sampled_from([axioms.condorcet_winner, axioms.alpha, axioms.weak_pareto, axioms.monotonicity]))
    rule = data.draw(st.sampled_from([rules.borda, rules.plurality, rules.veto, rules.instant_runoff]))
    if axiom is axioms.weak_pareto and rule is rules.instant_runoff:
        return
    violation = axiom(rule, profile)
    if violation is not None:
        back = Violation.from_json(violation.to_json())
        assert back.replay(rule)
        assert str(back) == str(violation)
        assert back.to_json() == violation.to_json()
        assert axiom(rule, back.profiles[0]) is not None


# Verdicts


def test_in_a_list_verdicts_and_violations_take_a_line_each() -> None:
    kept, broken = axioms.check(rules.borda, [axioms.pareto, axioms.majority], voters=3, alternatives=3)
    assert repr(kept).startswith(
        "<verdict borda, pareto: holds for all 92 profiles of strict ballots of up to 3 voters"
    )
    assert repr(broken).startswith("<verdict borda, majority: violated by 3 voters on 3 alternatives, the smallest")
    assert repr(broken.violation) == (
        "<violation by 3 voters on 3 alternatives: borda violates majority: 0 is the favourite of more than half of "
        "the voters, and is not the only winner>"
    )


def test_on_utilities_a_violation_is_the_smallest_of_a_grid() -> None:
    found = axioms.check(rules.utilitarian, axioms.hammond_equity, voters=2, alternatives=2)
    assert found.minimal == "proved"
    assert found.summary.endswith("the smallest of all profiles of up to 2 voters with utilities 1, 2 or 3")


def test_scopes_in_words() -> None:
    assert str(Scope("strict")) == "no profile"
    scope = Scope("strict", sizes=((2, 3), (3, 3), (4, 1)), profiles=5, given=1)
    said = "all 5 profiles of strict ballots of up to 3 voters on 2 to 3 alternatives, and 1 voter on 4 alternatives"
    assert str(scope) == f"{said}, and the 1 profile given"
    assert str(Scope("weak", sizes=((3, 4),), profiles=2, least=3)).endswith("of 3 to 4 voters on 3 alternatives")
    assert Verdict("a", "r", "holds", scope).summary == f"holds for {scope}"
