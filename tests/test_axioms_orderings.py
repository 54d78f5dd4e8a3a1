"""Axioms of orderings against their definitions on complete domains, and by what is known of rules."""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import choicekit as ck
from choicekit import axioms, domains, rules
from choicekit.axioms import Violation, _ordered
from choicekit.axioms._readings import Ask, places, read_ordering

Rule = Callable[[ck.Rankings], Any]
Ballots = tuple[tuple[int, ...], ...]

WHOLE = [
    axioms.weak_pareto, axioms.unanimity_of_orderings, axioms.independence_of_irrelevant_alternatives,
    axioms.positive_association, axioms.pairwise_majority_consistency, axioms.condorcet_of_orderings,
    axioms.local_independence, axioms.agenda_independence, axioms.anonymity_of_orderings,
    axioms.neutrality_of_orderings, axioms.reversal_of_orderings, axioms.reinforcement_of_orderings,
    axioms.nondictatorship_of_orderings, axioms.citizens_sovereignty, axioms.minimal_liberalism_of_orderings,
]  # fmt: skip


def ballots_of(profile: ck.Rankings) -> Ballots:
    """One ballot a voter, so that a row of weight 3 is three rows."""
    return tuple(
        tuple(row)
        for row, weight in zip(profile.ranks.tolist(), profile.weights.tolist(), strict=True)
        for _ in range(int(weight))
    )


def first_voter(profile: ck.Rankings) -> ck.Scores:
    return ck.Scores(profile.alternatives, -np.array(ballots_of(profile)[0], float))


def last_voter(profile: ck.Rankings) -> ck.Scores:
    return ck.Scores(profile.alternatives, -np.array(ballots_of(profile)[-1], float))


def as_listed(profile: ck.Rankings) -> tuple[Any, ...]:
    return profile.alternatives


def all_level(profile: ck.Rankings) -> list[set[Any]]:
    return [set(profile.alternatives)]


def kemeny(profile: ck.Rankings) -> tuple[Any, ...]:
    """The first of the Kemeny orders in the order of the alternatives."""
    place = {label: at for at, label in enumerate(sorted(profile.alternatives))}
    return min(rules.kemeny(profile).orders, key=lambda order: [place[label] for label in order])


def everywhere(axiom: axioms.Axiom, rule: Rule, voters: int, alternatives: int, **how: Any) -> Violation | None:
    """The first violation on all profiles of a size."""
    ask = Ask(rule, axiom.about)
    for profile in domains.every(voters=voters, alternatives=alternatives, **how):
        found = axiom.examine(ask, profile)
        if found or axiom.kind == "existential":
            return found
    return None


def spoilt(base: Rule, seed: int, share: int) -> Rule:
    """A rule with another, random weak order on about so many of a hundred profiles (voters and labels named)."""

    def rule(profile: ck.Rankings) -> Any:
        drawn = zlib.crc32(repr((seed, profile.alternatives, ballots_of(profile))).encode())
        if drawn % 100 >= share:
            return base(profile)
        dice = random.Random(drawn)
        return ck.Scores(profile.alternatives, np.array([dice.randrange(3) for _ in profile.alternatives], float))

    return rule


class Twin:
    """Every axiom by the book on a whole domain: rank vectors of all profiles of n voters on alternatives 0 … m − 1."""

    def __init__(self, rule: Rule, n: int, m: int) -> None:
        self.rule, self.n, self.m = rule, n, m
        self.every = list(itertools.product(itertools.permutations(range(m)), repeat=n))
        self.pairs = list(itertools.permutations(range(m), 2))
        self.order = {ballots: self.ask(ballots) for ballots in self.every}

    def ask(self, ballots: Ballots, labels: tuple[int, ...] | None = None) -> list[int]:
        profile = ck.Rankings(np.array(ballots), None, labels)
        place = places(read_ordering(self.rule(profile), profile))
        return [place[label] for label in profile.alternatives]

    def sides(self, order: Any) -> dict[tuple[int, int], int]:
        return {(a, b): (order[a] > order[b]) - (order[a] < order[b]) for a, b in self.pairs}

    def weak_pareto(self) -> bool:
        return all(
            self.order[P][a] < self.order[P][b]
            for P in self.every for a, b in self.pairs if all(r[a] < r[b] for r in P)
        )  # fmt: skip

    def unanimity_of_orderings(self) -> bool:
        return all(self.sides(self.order[P]) == self.sides(P[0]) for P in self.every if len(set(P)) == 1)

    def independence_of_irrelevant_alternatives(self) -> bool:
        for a, b in self.pairs:
            said: dict[tuple[bool, ...], set[int]] = {}
            for P in self.every:
                said.setdefault(tuple(r[a] < r[b] for r in P), set()).add(self.sides(self.order[P])[a, b])
            if any(len(answers) > 1 for answers in said.values()):
                return False
        return True

    def positive_association(self) -> bool:
        """Any number of voters raise a by any number of places, all else as it was."""
        for P, Q in itertools.product(self.every, repeat=2):
            for a in range(self.m):
                rest = [b for b in range(self.m) if b != a]
                raised = all(
                    all((r[b] < r[c]) == (s[b] < s[c]) for b, c in itertools.combinations(rest, 2))
                    and all(s[a] < s[b] for b in rest if r[a] < r[b])
                    for r, s in zip(P, Q, strict=True)
                )
                before, after = self.sides(self.order[P]), self.sides(self.order[Q])
                if raised and any(after[a, b] > before[a, b] for b in rest):
                    return False
        return True

    def _margin(self, P: Ballots, a: int, b: int) -> int:
        return sum(1 if r[a] < r[b] else -1 for r in P)

    def pairwise_majority_consistency(self) -> bool:
        for P in self.every:
            for order in itertools.permutations(range(self.m)):
                agreed = all(self._margin(P, a, b) > 0 for a, b in itertools.combinations(order, 2))
                if agreed and any(self.order[P][a] >= self.order[P][b] for a, b in itertools.combinations(order, 2)):
                    return False
        return True

    def condorcet_of_orderings(self) -> bool:
        for P, a in itertools.product(self.every, range(self.m)):
            rest = [b for b in range(self.m) if b != a]
            for sign in (1, -1):
                beats = all(sign * self._margin(P, a, b) > 0 for b in rest)
                if beats and not all(sign * self.order[P][a] < sign * self.order[P][b] for b in rest):
                    return False
        return True

    def _keeps(self, P: Ballots, gone: int) -> bool:
        rest = tuple(b for b in range(self.m) if b != gone)
        fewer = tuple(tuple(sorted(r[b] for b in rest).index(r[b]) for b in rest) for r in P)
        after = dict(zip(rest, self.ask(fewer, rest), strict=True))
        before, then = self.sides(self.order[P]), dict.fromkeys(self.pairs, 0)
        then |= {(a, b): (after[a] > after[b]) - (after[a] < after[b]) for a, b in itertools.permutations(rest, 2)}
        return all(before[pair] == then[pair] for pair in itertools.permutations(rest, 2))

    def agenda_independence(self) -> bool:
        return all(self._keeps(P, a) for P in self.every for a in range(self.m))

    def local_independence(self) -> bool:
        for P, a in itertools.product(self.every, range(self.m)):
            places_of_others = [self.order[P][b] for b in range(self.m) if b != a]
            mine = self.order[P][a]
            if (mine < min(places_of_others) or mine > max(places_of_others)) and not self._keeps(P, a):
                return False
        return True

    def anonymity_of_orderings(self) -> bool:
        return all(
            self.order[P] == self.order[tuple(P[i] for i in who)]
            for P in self.every for who in itertools.permutations(range(self.n))
        )  # fmt: skip

    def neutrality_of_orderings(self) -> bool:
        for P, names in itertools.product(self.every, itertools.permutations(range(self.m))):
            renamed = tuple(tuple(r[names.index(a)] for a in range(self.m)) for r in P)
            if any(self.order[renamed][names[a]] != self.order[P][a] for a in range(self.m)):
                return False
        return True

    def reversal_of_orderings(self) -> bool:
        turned = {P: tuple(tuple(self.m - 1 - place for place in r) for r in P) for P in self.every}
        return all(
            self.sides(self.order[turned[P]]) == {pair: -s for pair, s in self.sides(self.order[P]).items()}
            for P in self.every
        )

    def reinforcement_of_orderings(self) -> bool:
        for P in self.every:
            for chosen in itertools.product((True, False), repeat=self.n):
                one = tuple(r for r, there in zip(P, chosen, strict=True) if there)
                two = tuple(r for r, there in zip(P, chosen, strict=True) if not there)
                if one and two and self.ask(one) == self.ask(two) != self.order[P]:
                    return False
        return True

    def nondictatorship_of_orderings(self) -> bool:
        return self.n < 2 or not any(
            all(self.sides(self.order[P]) == self.sides(P[d]) for P in self.every) for d in range(self.n)
        )

    def citizens_sovereignty(self) -> bool:
        return all(any(self.order[P][a] < self.order[P][b] for P in self.every) for a, b in self.pairs)

    def minimal_liberalism_of_orderings(self) -> bool:
        deciders = [
            d for d in range(self.n)
            if any(all(self.sides(self.order[P])[pair] == self.sides(P[d])[pair] for P in self.every)
                   for pair in self.pairs)
        ]  # fmt: skip
        return self.n < 2 or len(deciders) >= 2


BASES = [first_voter, last_voter, as_listed, all_level, rules.borda, rules.plurality, rules.copeland, kemeny]


@pytest.mark.parametrize("axiom", WHOLE, ids=lambda axiom: axiom.name)
def test_axioms_are_their_definitions_on_whole_domains(axiom: axioms.Axiom) -> None:
    verdicts = set()
    for number, (base, share) in enumerate(itertools.product(BASES, (0, 0, 2, 10, 60))):
        n, m = [(2, 3), (1, 3), (3, 2), (2, 2)][number % 4]
        rule = spoilt(base, number, share)
        found = everywhere(axiom, rule, n, m)
        verdicts.add(found is None)
        assert (found is None) == getattr(Twin(rule, n, m), axiom.name)(), (base, n, m, share)
    assert verdicts == {True, False}


@pytest.mark.parametrize("axiom", [axioms.independence_of_irrelevant_alternatives, axioms.anonymity_of_orderings],
                         ids=lambda axiom: axiom.name)  # fmt: skip
def test_equal_ballots_of_voters_whom_the_rule_tells_apart(axiom: axioms.Axiom) -> None:
    """The rule errs on one pair of profiles only, where the voter who moves has another's ballot before and after."""
    q, r = (0, 1, 2), (0, 2, 1)

    def rule(profile: ck.Rankings) -> Any:
        return all_level(profile) if ballots_of(profile) != (q, r, q) else [{0}, {1}, {2}]

    assert axiom(rule, ck.Rankings(np.array([q, r, q]))) is not None
    assert axiom(rule, ck.Rankings(np.array([q, r, r] if axiom.name.startswith("i") else [r, q, q]))) is not None


def test_only_dictators_constants_and_ties_are_independent() -> None:
    """Arrow's theorem and Wilson's, from the side of known rules."""
    for rule in (first_voter, last_voter, as_listed, all_level):
        for n, m in ((2, 3), (3, 3)):
            assert everywhere(axioms.independence_of_irrelevant_alternatives, rule, n, m) is None
    for rule in (rules.borda, rules.plurality, rules.copeland, rules.minimax, rules.veto, kemeny):
        found = everywhere(axioms.independence_of_irrelevant_alternatives, rule, 2, 3)
        if rule in (rules.copeland, rules.minimax, kemeny):
            found = found or everywhere(axioms.independence_of_irrelevant_alternatives, rule, 3, 3)
        assert found is not None
    assert everywhere(axioms.nondictatorship_of_orderings, first_voter, 2, 3).reason.startswith("voter 1 is a dictator")
    assert "voter 3" in everywhere(axioms.nondictatorship_of_orderings, last_voter, 3, 3).reason
    assert everywhere(axioms.citizens_sovereignty, all_level, 2, 3).alternatives == (0, 1)


BROKEN = {
    "borda": {"independence_of_irrelevant_alternatives", "pairwise_majority_consistency", "condorcet_of_orderings"},
    "plurality": {"independence_of_irrelevant_alternatives", "pairwise_majority_consistency", "condorcet_of_orderings",
                  "weak_pareto", "unanimity_of_orderings", "reversal_of_orderings"},
    "veto": {"independence_of_irrelevant_alternatives", "pairwise_majority_consistency", "condorcet_of_orderings",
             "weak_pareto", "unanimity_of_orderings", "reversal_of_orderings"},
    "copeland": {"independence_of_irrelevant_alternatives"},
    "minimax": {"independence_of_irrelevant_alternatives", "pairwise_majority_consistency", "weak_pareto",
                "condorcet_of_orderings", "unanimity_of_orderings", "reversal_of_orderings"},
    "schulze": {"independence_of_irrelevant_alternatives", "reversal_of_orderings"},
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_which_rules_break_what_on_three_alternatives(name: str) -> None:
    """Up to five voters; all of these break independence of the agenda, and all fail to be locally independent."""
    caught = set()
    for axiom in WHOLE[:-3]:
        if any(everywhere(axiom, getattr(rules, name), n, 3, anonymous=True) for n in (1, 2, 3, 4, 5)):
            caught.add(axiom.name)
    expected = BROKEN[name] | {"local_independence", "agenda_independence"}
    assert caught - {"reinforcement_of_orderings"} == expected
    assert "reinforcement_of_orderings" not in caught or name == "minimax"


def test_kemeny_is_locally_independent_and_borda_is_not() -> None:
    """Young and Levenglick 1978, Young 1988; ties between Kemeny orders broken by label."""
    for n, m in ((1, 3), (2, 3), (3, 3), (4, 3), (2, 4)):
        for axiom in (axioms.local_independence, axioms.reinforcement_of_orderings):
            assert everywhere(axiom, kemeny, n, m, anonymous=True) is None
    for rule in (rules.borda, rules.plurality):
        assert everywhere(axioms.reinforcement_of_orderings, rule, 4, 3, anonymous=True) is None
        assert any(everywhere(axioms.local_independence, rule, n, 3, anonymous=True) for n in (2, 3, 4, 5))
    assert everywhere(axioms.agenda_independence, kemeny, 3, 3) is not None
    assert everywhere(axioms.pairwise_majority_consistency, kemeny, 3, 3, anonymous=True) is None
    assert everywhere(axioms.condorcet_of_orderings, kemeny, 3, 3, anonymous=True) is None


def test_minimax_does_not_reinforce() -> None:
    found = next(
        filter(
            None,
            (everywhere(axioms.reinforcement_of_orderings, rules.minimax, n, 3, anonymous=True) for n in range(2, 9)),
        )
    )
    whole, one, two = found.outcomes
    assert one == two != whole
    assert sorted(ballots_of(found.profiles[1]) + ballots_of(found.profiles[2])) == sorted(
        ballots_of(found.profiles[0])
    )


def test_implications_hold_where_both_are_examined() -> None:
    known = {axiom.name: axiom for axiom in WHOLE}
    for number, (base, share) in enumerate(itertools.product(BASES, (0, 5))):
        rule = spoilt(base, number, share)
        satisfied = {axiom.name for axiom in WHOLE if everywhere(axiom, rule, 2, 3) is None}
        for name in satisfied:
            assert set(known[name].implies) <= satisfied, (base, share, name)


@given(st.lists(st.permutations("abc"), min_size=1, max_size=4), st.integers(0, 6), st.randoms())
def test_order_of_ballots_and_names_do_not_matter(orders: list[list[str]], which: int, dice: random.Random) -> None:
    chosen = [axioms.independence_of_irrelevant_alternatives, axioms.positive_association, axioms.local_independence,
              axioms.reversal_of_orderings, axioms.condorcet_of_orderings, axioms.agenda_independence,
              axioms.reinforcement_of_orderings]  # fmt: skip
    axiom, rule = chosen[which], dice.choice([rules.borda, rules.plurality, rules.copeland])
    verdict = axiom(rule, ck.Rankings.from_orders(orders)) is None
    shuffled = dice.sample(orders, len(orders))
    assert (axiom(rule, ck.Rankings.from_orders(shuffled)) is None) == verdict
    renamed = [[{"a": "c", "b": "a", "c": "b"}[label] for label in order] for order in orders]
    assert (axiom(rule, ck.Rankings.from_orders(renamed)) is None) == verdict
    counted = {order: orders.count(list(order)) for order in map(tuple, orders)}
    assert (axiom(rule, ck.Rankings.from_orders(counted)) is None) == verdict


@pytest.mark.parametrize("axiom", WHOLE, ids=lambda axiom: axiom.name)
def test_a_row_of_weight_three_is_three_voters(axiom: axioms.Axiom) -> None:
    one = ck.Rankings([[0, 1, 2], [2, 0, 1]], [3, 1])
    many = ck.Rankings([[0, 1, 2]] * 3 + [[2, 0, 1]])
    for rule in (rules.borda, rules.plurality, as_listed, kemeny, first_voter, rules.minimax):
        assert (axiom(rule, one) is None) == (axiom(rule, many) is None)
    empty = ck.Rankings([[0, 1, 2], [1, 2, 0], [2, 0, 1]], [3, 0, 1])
    assert (axiom(rules.borda, empty) is None) == (axiom(rules.borda, many) is None)


@pytest.mark.parametrize("axiom", WHOLE, ids=lambda axiom: axiom.name)
def test_gaps_between_ranks_say_nothing(axiom: axioms.Axiom) -> None:
    dense = np.array([[0, 1, 2], [2, 0, 1], [0, 1, 2]])
    gaps = np.array([[5, 9, 20], [7, 0, 6], [0, 2, 3]])
    for seed in range(12):
        rule = spoilt(rules.borda, seed, 50)
        one, two = (axiom(rule, ck.Rankings(ranks[:2])) for ranks in (dense, gaps))
        assert (one and str(one)) == (two and str(two))
    same = (axiom(rules.plurality, ck.Rankings(ranks[[0, 2]])) for ranks in (dense, gaps))
    assert len({found and str(found) for found in same}) == 1


def test_violations_replay_and_survive_json() -> None:
    seen = set()
    for number, axiom in enumerate([*WHOLE, axioms.unrestricted_domain]):
        rule = spoilt(rules.plurality, number, 60) if axiom is not axioms.unrestricted_domain else rules.uncovered_set
        if axiom.kind == "existential":
            rule = {"n": first_voter, "c": as_listed, "m": rules.borda}[axiom.name[0]]
        found = everywhere(axiom, rule, 2, 3)
        assert found is not None, axiom.name
        assert found.replay()
        again = Violation.from_json(found.to_json())
        assert again.replay(rule)
        assert again.outcomes == found.outcomes
        assert str(again) == str(found)
        seen.add(found.reason)
    assert len(seen) == len(WHOLE) + 1


def test_an_ordering_of_every_profile() -> None:
    def fails(profile: ck.Rankings) -> Any:
        if len(set(ballots_of(profile))) > 1:
            raise ArithmeticError(f"at {id(profile)}")
        return rules.borda(profile)

    found = everywhere(axioms.unrestricted_domain, fails, 2, 2)
    assert found.profiles[0].ranks.tolist() == [[0, 1], [1, 0]]
    assert found.outcomes[0].startswith("ArithmeticError")
    assert found.replay()
    assert everywhere(axioms.unrestricted_domain, rules.borda, 2, 3) is None
    assert axioms.unrestricted_domain(rules.uncovered_set, ck.Rankings([[0, 1]])).outcomes[0].startswith("TypeError")


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=3, max_size=3))
def test_relations_by_the_book(rows: list[list[bool]]) -> None:
    at_least = np.array(rows)
    held = lambda a, b: at_least[a, b]  # noqa: E731
    better = lambda a, b: at_least[a, b] and not at_least[b, a]  # noqa: E731
    three = list(itertools.permutations(range(3), 3))
    expected = {
        "completeness": all(held(a, b) or held(b, a) for a, b in itertools.combinations(range(3), 2)),
        "transitivity": all(held(a, c) for a, b, c in three if held(a, b) and held(b, c)),
        "quasi_transitivity": all(better(a, c) for a, b, c in three if better(a, b) and better(b, c)),
        "acyclicity": not any(better(a, b) and better(b, c) and better(c, a) for a, b, c in three),
    }
    profile = ck.Rankings([[0, 1, 2]])
    for name, satisfied in expected.items():
        found = getattr(axioms, name)(lambda _: at_least, profile)
        assert (found is None) == satisfied
        assert found is None or Violation.from_json(found.to_json()).replay(lambda _: at_least)
        assert not satisfied or all(expected[weaker] for weaker in getattr(axioms, name).implies)


def test_what_can_be_read_as_a_relation() -> None:
    votes = ck.Rankings.from_orders(["abc", "bca", "cab"])
    assert axioms.transitivity(rules.borda, votes) is None
    assert axioms.acyclicity(ck.Rankings.to_margins, votes).outcomes == ((("a", "b"), ("b", "c"), ("c", "a")),)
    even = ck.Rankings.from_orders(["ab", "ba"])
    assert str(axioms.transitivity.about.show(axioms.transitivity.about.read(even.to_margins(), even))) == "a = b"
    with pytest.raises(ValueError, match="matrix"):
        axioms.completeness(lambda _: np.ones((2, 2), bool), votes)
    with pytest.raises(ValueError, match="matrix"):
        axioms.completeness(lambda _: np.ones((3, 3)), votes)


def test_ballots_with_ties() -> None:
    votes = ck.Rankings.from_orders([["a", {"b", "c"}], [{"a", "b", "c"}]])
    assert axioms.strong_pareto(rules.borda, votes) is None
    assert axioms.strong_pareto(all_level, votes).alternatives == ("a", "b")
    assert axioms.weak_pareto(all_level, votes) is None
    assert axioms.pareto_indifference(as_listed, votes).alternatives == ("b", "c")
    assert axioms.pareto_indifference(rules.borda, votes) is None
    opposed = ck.Rankings.from_orders([["a", {"b", "c"}], [{"b", "c"}, "a"]])  # a - c - b and the second: a above b
    found = axioms.independence_of_irrelevant_alternatives(rules.borda, opposed)
    assert found is not None
    assert found.alternatives == ("a", "b")
    assert axioms.independence_of_irrelevant_alternatives(all_level, votes) is None
    assert axioms.reversal_of_orderings(rules.borda, votes) is None
    with pytest.raises(ValueError, match="strict"):
        axioms.positive_association(rules.borda, votes)


def test_independence_with_ties_is_seen_from_one_end_at_least() -> None:
    """The order as listed where anybody holds all level, no order else."""

    def rule(profile: ck.Rankings) -> Any:
        return as_listed(profile) if any(len(set(r)) == 1 for r in ballots_of(profile)) else all_level(profile)

    for n in (1, 2):
        assert everywhere(axioms.independence_of_irrelevant_alternatives, rule, n, 3, ballots="weak") is not None
        assert everywhere(axioms.independence_of_irrelevant_alternatives, rule, n, 3) is None


def test_one_alternative_or_one_voter() -> None:
    alone, single = ck.Rankings([[0]], [2]), ck.Rankings([[0, 1, 2]])
    for axiom in WHOLE:
        assert axiom(rules.borda, alone) is None
    assert axioms.nondictatorship_of_orderings(first_voter, single) is None
    assert axioms.minimal_liberalism_of_orderings(first_voter, single) is None


def test_refusals() -> None:
    for axiom in WHOLE:
        with pytest.raises(ValueError, match=axiom.name):
            axiom(rules.borda, ck.Rankings([[0, -1], [1, 0]]))
    many = ck.Rankings([[0, 1, 2, 3]], [4])
    for axiom in (
        axioms.nondictatorship_of_orderings,
        axioms.citizens_sovereignty,
        axioms.minimal_liberalism_of_orderings,
    ):
        with pytest.raises(ValueError, match="331,776"):
            axiom(rules.borda, many)
        with pytest.raises(ValueError, match="whole"):
            axiom(rules.borda, ck.Rankings([[0, 1]], [1.5]))
    with pytest.raises(ValueError, match="ways to part"):
        axioms.reinforcement_of_orderings(rules.borda, ck.Rankings([list(range(4))] * 18))


@pytest.mark.parametrize(("n", "m"), [(1, 3), (2, 2), (2, 3), (3, 3)])
def test_tables_say_what_the_axioms_say(n: int, m: int) -> None:
    seen = set()
    for number, (base, share) in enumerate(itertools.product(BASES, (0, 2))):
        rule = spoilt(base, number, share)
        table = _ordered.tabulated(rule, n, tuple(range(m)))
        profiles = list(domains.every(voters=n, alternatives=m))
        assert len(table) == len(profiles) == _ordered.size(n, m)
        assert (_ordered.chosen(len(table) // 2, n, m) == profiles[len(table) // 2].ranks).all()
        found = _ordered.dependent(table, n)
        assert (found is None) == (everywhere(axioms.independence_of_irrelevant_alternatives, rule, n, m) is None)
        if found:
            one, two, a, b = found
            here, there = (profiles[p].ranks for p in (one, two))
            assert ((here[:, a] < here[:, b]) == (there[:, a] < there[:, b])).all()
            assert np.sign(int(table[one, a]) - table[one, b]) != np.sign(int(table[two, a]) - table[two, b])
        missed = _ordered.ignored(table, n)
        assert (missed is None) == (everywhere(axioms.weak_pareto, rule, n, m) is None)
        if missed:
            p, a, b = missed
            assert (profiles[p].ranks[:, a] < profiles[p].ranks[:, b]).all()
            assert table[p, a] >= table[p, b]
        ruled = _ordered.dictators(table, n)
        assert n == 1 or bool(ruled) == (everywhere(axioms.nondictatorship_of_orderings, rule, n, m) is not None)
        seen.add((found is None, missed is None, bool(ruled)))
    assert len(seen) > 2
    with pytest.raises(ValueError, match="at most"):
        _ordered.tabulated(rules.borda, 6, tuple(range(4)))
