"""What makes a function a rule: what it is shown, what it refuses, how it travels."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import choicekit as ck
from choicekit import rules
from choicekit.outcomes import Scores

CYCLE = ck.Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})
PROFILES = {
    "Utilities": ck.Utilities([[2, 1, 0], [0, 1, 2]]),
    "Rankings": CYCLE,
    "Approvals": ck.Approvals([[1, 0, 0], [0, 1, 1]]),
    "Comparisons": ck.Comparisons(["a", "b", "c"], ["b", "c", "a"]),
    "Margins": CYCLE.to_margins(),
}
HOLDS = {
    "Utilities": {"Utilities"},
    "Rankings": {"Rankings", "Utilities", "Approvals"},
    "Approvals": {"Approvals"},
    "Comparisons": {"Comparisons"},
    "Margins": set(PROFILES),
}


@pytest.mark.parametrize("given_", PROFILES)
@pytest.mark.parametrize("needed", PROFILES)
def test_profiles_are_forgotten_never_invented(needed: str, given_: str) -> None:
    def seen(profile: Any) -> Any:
        return profile

    seen.__annotations__["profile"] = getattr(ck, needed)
    rule = rules.rule(seen)
    if given_ in HOLDS[needed]:
        assert type(rule(PROFILES[given_])) is getattr(ck, needed)
    else:
        pattern = f"^seen needs {needed}; {given_} cannot be turned into them without inventing .* Make the {needed}"
        with pytest.raises(TypeError, match=pattern):
            rule(PROFILES[given_])


@pytest.mark.parametrize("needed", ["Rankings", "Margins"])
def test_what_is_forgotten_is_what_the_profile_says(needed: str) -> None:
    @rules.rule
    def ranks(profile: ck.Rankings) -> Any:
        return profile.ranks.tolist()

    @rules.rule
    def values(profile: ck.Margins) -> Any:
        return profile.values.tolist()

    rule = ranks if needed == "Rankings" else values
    for profile in (PROFILES["Utilities"], PROFILES["Approvals"]):
        assert rule(profile) == rule(profile.to_rankings())
    assert values(PROFILES["Comparisons"]) == PROFILES["Comparisons"].to_margins().values.tolist()


def test_a_profile_of_the_right_kind_is_passed_as_it_is() -> None:
    @rules.rule
    def same(profile: ck.Rankings) -> bool:
        return profile is CYCLE

    assert same(CYCLE)


@pytest.mark.parametrize("thing", [[[0, 1]], None, np.zeros((2, 2)), {"abc": 3}])
def test_what_is_no_profile_is_refused_with_advice(thing: Any) -> None:
    with pytest.raises(TypeError, match=r"borda needs Rankings \(or Utilities or Approvals, .* build a profile first"):
        rules.borda(thing)


SOURCES = [
    "import choicekit as ck\ndef first(profile: ck.Rankings): return profile",
    "import choicekit as ck\ndef first(profile: 'ck.Rankings'): return profile",
    "from choicekit import Rankings\ndef first(profile: 'Rankings', *, k: int = 1): return profile",
    "from __future__ import annotations\nfrom choicekit import Rankings\ndef first(profile: Rankings): return profile",
    "from __future__ import annotations\nimport choicekit as ck\ndef first(votes: 'ck.Rankings') -> X: return votes",
    "from choicekit import Rankings as R\ndef first(votes: R): return votes",
    "from __future__ import annotations\nfrom choicekit import Rankings as R\ndef first(votes: R): return votes",
    "def first(profile: 'Rankings'): return profile",
    "import choicekit as ck\nclass C:\n  def __call__(self, votes: ck.Rankings): return votes\nfirst = C()",
]


@pytest.mark.parametrize("source", SOURCES)
def test_annotations_may_be_quoted_or_deferred(source: str) -> None:
    namespace: dict[str, Any] = {"__name__": "somewhere"}
    exec(compile(source, "somewhere.py", "exec", dont_inherit=True), namespace)
    rule = rules.rule(namespace["first"])
    assert rule.needs is ck.Rankings
    assert rule(CYCLE) is CYCLE


WRONG = [
    ("def first(profile): return profile", "got none"),
    ("def first(): return 1", "got none"),
    ("def first(profile: int): return profile", "got <class 'int'>"),
    ("def first(profile: 'Ballots'): return profile", "got 'Ballots'"),
    ("import choicekit as ck\ndef first(profile: ck.Rankings | ck.Margins): return profile", "got choicekit"),
    ("first = lambda profile: profile", "got none"),
]


@pytest.mark.parametrize(("source", "got"), WRONG)
def test_a_missing_or_unknown_annotation_is_refused_at_once(source: str, got: str) -> None:
    namespace: dict[str, Any] = {"__name__": "somewhere"}
    exec(compile(source, "somewhere.py", "exec", dont_inherit=True), namespace)
    listed = "one of Utilities, Rankings, Approvals, Comparisons, Margins$"
    with pytest.raises(TypeError, match=f"needed an annotation on its first parameter .*{got}.*{listed}"):
        rules.rule(namespace["first"])


def test_a_rule_of_ones_own_with_a_batch() -> None:
    def veto(many: ck.Batch) -> NDArray[np.float64]:
        worst = many.values == many.values.max(-1, keepdims=True)
        scores: NDArray[np.float64] = -np.einsum("n,bnm->bm", many.weights, worst)
        return scores

    @rules.rule(batch=veto)
    def antiplurality(profile: ck.Rankings) -> Scores:
        """Minus the weight of the ballots that put it last."""
        return Scores(profile.alternatives, veto(ck.Batch(profile.ranks[None], profile.weights))[0])

    assert antiplurality(CYCLE).scores.tolist() == [-2, -2, -3]
    assert antiplurality.batch(CYCLE.ranks[None], CYCLE.weights).tolist() == [[-2, -2, -3]]
    assert antiplurality.__name__ == "antiplurality"  # type: ignore[attr-defined]
    assert antiplurality.__doc__ == "Minus the weight of the ballots that put it last."


def test_options_are_passed_on_and_the_profile_may_be_named() -> None:
    @rules.rule
    def power(profile: ck.Utilities, *, exponent: float) -> Any:
        return (profile.values**exponent).sum(0).tolist()

    profile = ck.Utilities([[1, 2], [3, 4]])
    assert power(profile, exponent=2) == [10, 20]
    assert power(profile=profile, exponent=1) == [4, 6]


def test_rules_call_rules() -> None:
    @rules.rule
    def black(profile: ck.Rankings) -> Any:
        return profile.to_margins().condorcet_winner or rules.borda(profile).winners

    assert black(CYCLE) == ("a",)
    assert black(ck.Utilities([[0, 1]], alternatives="xy")) == "y"


def test_rules_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        rules.borda.needs = ck.Margins  # type: ignore[misc]


@pytest.mark.parametrize("name", [name for name in rules.__all__ if isinstance(getattr(rules, name), rules.Rule)])
def test_rules_know_their_names_and_travel_by_them(name: str) -> None:
    rule = getattr(rules, name)
    assert (rule.__name__, rule.__module__.rpartition(".")[0]) == (name, "choicekit.rules")
    assert rule.__doc__ == rule.function.__doc__
    assert pickle.loads(pickle.dumps(rule)) is rule
    assert copy.deepcopy(rule) is rule


def test_a_rule_that_cannot_be_imported_travels_by_its_parts() -> None:
    local = rules.Rule(len, ck.Margins)
    back = pickle.loads(pickle.dumps(local))
    assert back is not local
    assert (back.function, back.needs, back.kernel) == (len, ck.Margins, None)
