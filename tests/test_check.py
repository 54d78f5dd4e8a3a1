"""Checks of axioms against a search through every profile by hand; what verdicts say; where theorems lead."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import reference_axioms_single as book

import choicekit as ck
from choicekit import axioms, domains, rules
from choicekit.axioms import Axiom, _domains
from choicekit.axioms._readings import Ask, winners
from choicekit.axioms.checking import _strongest_first

Rule = Callable[[Any], Any]
EVERY = axioms.every_axiom()
OF_WINNERS = [axiom for axiom in EVERY if axiom.about is winners and axiom.ballots == "strict"]
SOME = [
    axioms.monotonicity, axioms.condorcet_winner, axioms.majority, axioms.pareto, axioms.reinforcement, axioms.alpha,
    axioms.participation_kelly, axioms.strategyproofness_optimist, axioms.reversal_symmetry, axioms.nondictatorship,
    axioms.independence_of_clones, axioms.positive_involvement, axioms.cancellation,
]  # fmt: skip


def remembering(rule: Rule, *, named: bool = False) -> Rule:
    """The rule, asked about each profile (up to the order of the voters) once."""
    known: dict[Any, Any] = {}

    def answer(profile: ck.Rankings) -> Any:
        cast = [tuple(row) for row, weight in zip(profile.ranks.tolist(), profile.weights.tolist(), strict=True)
                for _ in range(int(weight))]  # fmt: skip
        key = (profile.alternatives, tuple(cast) if named else tuple(sorted(cast)))
        if key not in known:
            known[key] = rule(profile)
        return known[key]

    return answer


def tops(profile: ck.Rankings) -> set[Any]:
    points = Counter(dict.fromkeys(profile.alternatives, 0.0))
    for row, weight in zip(profile.ranks, profile.weights.tolist(), strict=True):
        points[profile.alternatives[row.argmin()]] += weight
    return {a for a in points if points[a] == max(points.values())}


def by_number(profile: ck.Rankings) -> Any:
    return min(tops(profile))


def last_voter(profile: ck.Rankings) -> Any:
    return profile.alternatives[profile.ranks[-1].argmin()]


def unless_zero_stands(profile: ck.Rankings) -> Any:
    """What wins depends on the names of the alternatives."""
    return set(profile.alternatives) if 0 in profile.alternatives else tops(profile)


@cache
def drawn(seed: int, named: bool = False) -> Rule:
    return remembering(book.asked(book.drawn_rule(seed, named=named)), named=named)


def first_violation(axiom: Axiom, rule: Rule, voters: int, alternatives: int) -> Any:
    """The first of all profiles with named voters, few alternatives first, then few voters."""
    for m, n in itertools.product(range(2, alternatives + 1), range(1, voters + 1)):
        found = axioms.counterexample(axiom, rule, domains.every(voters=n, alternatives=range(m)))
        if found:
            return found
    return None


def size(violation: Any) -> tuple[int, float]:
    return len(violation.profiles[0].alternatives), violation.voters


def same_as_by_hand(axiom: Axiom, rule: Rule, voters: int = 3, alternatives: int = 3) -> str:
    verdict = axioms.check(rule, axiom, voters=voters, alternatives=alternatives)
    wanted = first_violation(axiom, rule, voters, alternatives)
    assert verdict.status == ("violated" if wanted else "holds"), (axiom, wanted)
    if wanted:
        assert size(verdict.violation) == size(wanted), axiom
        assert verdict.minimal == "proved"
        assert verdict.violation is not None
        assert verdict.violation.replay()
        assert axiom(rule, verdict.violation.profiles[0])
    else:
        assert verdict.violation is verdict.minimal is None
    return verdict.status


# Against all profiles


@pytest.mark.parametrize("seed", range(9))
def test_drawn_rules_are_found_out_as_by_hand(seed: int) -> None:
    found = {same_as_by_hand(axiom, drawn(seed)) for axiom in SOME}
    assert "violated" in found


@pytest.mark.parametrize("seed", [1, 4, 5])
def test_drawn_rules_that_know_who_voted_what_are_found_out_as_by_hand(seed: int) -> None:
    for axiom in SOME:
        same_as_by_hand(axiom, drawn(seed, named=True), voters=2)


@pytest.mark.parametrize("rule", [tops, by_number, last_voter, unless_zero_stands, rules.borda, rules.copeland])
def test_rules_are_found_out_as_by_hand(rule: Rule) -> None:
    found = {same_as_by_hand(axiom, remembering(rule, named=rule is last_voter), voters=2) for axiom in SOME}
    assert found == {"violated", "holds"}


def test_where_names_of_alternatives_matter_the_table_is_not_trusted() -> None:
    """Only 1 and 2 stand: by columns it would be as if 0 and 1 did."""
    found = axioms.check(unless_zero_stands, axioms.alpha, voters=2, alternatives=3).violation
    assert found is not None
    assert found.profiles[1].alternatives == (1, 2)
    assert found.replay()


def test_orderings_lotteries_and_scans_agree_with_their_profiles_one_by_one() -> None:
    for axiom, rule in [
        (axioms.independence_of_irrelevant_alternatives, rules.borda),
        (axioms.weak_pareto, rules.borda),
        (axioms.sd_strategyproofness_strong, rules.random_dictatorship),
        (axioms.condorcet_lottery, rules.random_dictatorship),
    ]:
        same_as_by_hand(axiom, rule, voters=3 if axiom.about.name == "ordering" else 2)


@pytest.mark.parametrize(
    ("axiom", "rule"),
    [(axioms.later_no_harm, rules.borda), (axioms.later_no_harm, rules.instant_runoff),
     (axioms.justified_representation, rules.approval_committee), (axioms.strong_pareto, rules.plurality),
     (axioms.pareto_indifference_of_utilities, rules.utilitarian),
     (axioms.ordinal_noncomparability, rules.utilitarian)],
)  # fmt: skip
def test_other_ballots_are_gone_through_too(axiom: Axiom, rule: Rule) -> None:
    verdict = axioms.check(rule, axiom, voters=2, alternatives=3)
    wanted = None
    for m, n in ((2, 1), (2, 2), (3, 1), (3, 2)):
        wanted = wanted or axioms.counterexample(axiom, rule, _domains.profiles(axiom.ballots, m, n, False))
    assert verdict.status == ("violated" if wanted else "holds")
    if wanted:
        assert verdict.violation is not None
        assert size(verdict.violation) == size(wanted)


def test_each_domain_has_as_many_profiles_as_it_says() -> None:
    for ballots, (m, n), anonymous in itertools.product(
        ("strict", "weak", "truncated", "utilities", "approvals", "committees"), ((2, 2), (3, 2)), (False, True)
    ):
        found = list(_domains.profiles(ballots, m, n, anonymous))  # type: ignore[arg-type]
        assert len(found) == _domains.number(ballots, m, n, anonymous)  # type: ignore[arg-type]
        assert len(
            {axioms.Violation("", "", "", (), (each,), ("",), ((),), "winners").to_json() for each in found}
        ) == len(found)


# What a verdict says


def test_a_verdict_is_not_true_or_false() -> None:
    verdict = axioms.check(tops, axioms.majority, voters=2, alternatives=2)
    with pytest.raises(TypeError, match=r"ask for verdict\.status, which is 'holds'"):
        bool(verdict)


def test_the_scope_counts_the_profiles() -> None:
    for rule, anonymous in ((tops, True), (last_voter, False)):
        scope = axioms.check(rule, axioms.resoluteness, voters=1, alternatives=3).scope
        assert scope.profiles == 2 + 6
        scope = axioms.check(rule, axioms.unanimity, voters=3, alternatives=3).scope
        each = [domains.count(voters=n, alternatives=m, anonymous=anonymous) for m in (2, 3) for n in (1, 2, 3)]
        assert scope.profiles == sum(each)
        assert scope.sizes == ((2, 3), (3, 3))
        assert bool(scope.symmetry) == anonymous


def test_ranges_are_looked_at_from_their_lower_ends() -> None:
    verdict = axioms.check(tops, axioms.majority, voters=(2, 3), alternatives=(3, 3))
    assert verdict.scope.profiles == 21 + 56
    assert "of 2 to 3 voters on 3 alternatives" in str(verdict.scope)
    found = axioms.check(rules.borda, axioms.majority, voters=(4, 6), alternatives=(3, 4))
    assert (found.violation and size(found.violation), found.minimal) == ((3, 5), None)
    with pytest.raises(ValueError, match="voters: needed a whole number of at least 3, got 2"):
        axioms.check(tops, axioms.majority, voters=(3, 2))
    with pytest.raises(ValueError, match="alternatives: needed a whole number of at least 2"):
        axioms.check(tops, axioms.majority, alternatives=1)


def test_a_rule_need_not_answer_sizes_that_are_not_asked_for() -> None:
    def of_three(profile: ck.Rankings) -> set[Any]:
        return tops(profile) if len(profile.alternatives) == 3 else set()

    wanted = [axioms.monotonicity, axioms.participation_kelly]
    verdicts = axioms.check(of_three, wanted, voters=3, alternatives=(3, 3))
    assert [verdict.status for verdict in verdicts] == ["holds", "holds"]
    assert verdicts[0].scope.profiles == 6 + 21 + 56
    with pytest.raises(ValueError, match="the rule named nobody"):
        axioms.check(of_three, axioms.alpha, voters=3, alternatives=(3, 3))
    for k, least in ((3, 3), (4, 4)):
        verdict = axioms.check(partial(rules.k_approval, k=k), axioms.pareto, alternatives=(least, 4), voters=2)
        assert verdict.violation is not None
        assert size(verdict.violation) == (least, 1)


def test_the_rule_is_asked_as_often_as_the_scope_says() -> None:
    for axiom, budget in ((axioms.monotonicity, 200_000), (axioms.alpha, 500), (axioms.weak_pareto, 300)):
        calls = 0

        def counted(profile: ck.Rankings) -> Any:
            nonlocal calls
            calls += 1
            return rules.borda(profile)

        verdict = axioms.check(counted, axiom, voters=4, alternatives=3, budget=budget, draws=3)
        assert verdict.scope.asked == calls - 3 * (verdict.violation is not None) * len(
            verdict.violation.profiles if verdict.violation else ()
        )
        if verdict.status != "violated":
            assert calls < 1.2 * budget + 3 * 200


def test_where_the_budget_ends_profiles_are_drawn() -> None:
    verdict = axioms.check(tops, axioms.monotonicity, voters=6, alternatives=4, budget=400, draws=40)
    assert verdict.status == "not refuted"
    assert verdict.scope.bound == pytest.approx(1 - 0.05 ** (1 / 40))
    assert (verdict.scope.draws, verdict.scope.drawn, verdict.scope.culture) == (40, (4, 6), "impartial_culture")
    assert "at most 0.0722" in verdict.summary
    found = axioms.check(rules.borda, axioms.condorcet_winner, voters=(9, 9), alternatives=(4, 4), budget=1, draws=50)
    assert found.minimal == "locally"
    assert found.violation is not None
    assert found.violation.replay()
    assert size(found.violation) <= (4, 9)


def test_draws_do_not_depend_on_what_else_is_asked() -> None:
    settings: dict[str, Any] = {"voters": 7, "alternatives": 4, "budget": 50, "draws": 30}
    for rng in (3, 4):
        alone = [axioms.check(rules.plurality, axiom, rng=rng, **settings) for axiom in SOME]
        together = axioms.check(rules.plurality, SOME, rng=rng, **settings)
        for one, other in zip(alone, together, strict=True):
            assert one.status == other.status
            assert str(one.violation) == str(other.violation)


def test_several_axioms_at_once_say_what_each_says_alone() -> None:
    for rule in (tops, drawn(7), drawn(2)):
        together = axioms.check(rule, SOME, voters=3, alternatives=3)
        for axiom, verdict in zip(SOME, together, strict=True):
            alone = axioms.check(rule, axiom, voters=3, alternatives=3)
            assert verdict.axiom == axiom.name
            assert (verdict.status, str(verdict.violation)) == (alone.status, str(alone.violation))
            assert verdict.scope.profiles == alone.scope.profiles


def test_what_follows_is_said_to_follow() -> None:
    wanted = [axioms.unanimity, axioms.majority, axioms.smith, axioms.condorcet_winner]
    verdicts = axioms.check(rules.copeland, wanted, voters=3, alternatives=3)
    assert [verdict.status for verdict in verdicts] == ["holds"] * 4
    assert verdicts[2].evidence == ("exhaustive",)
    assert verdicts[3].evidence == ("implied by smith, which was examined",)
    assert "smith, which was examined" in verdicts[0].evidence[0]


def test_existential_axioms_need_a_complete_domain() -> None:
    verdict = axioms.check(tops, axioms.nondictatorship, voters=5, alternatives=4, budget=10**7)
    assert verdict.status == "not refuted"
    assert dict(verdict.scope.sizes) == {2: 5, 3: 5, 4: 3}  # 24⁴ profiles are too many
    assert verdict.scope.bound is None
    assert verdict.scope.draws == 0


def test_a_dictator_is_named() -> None:
    verdict = axioms.check(last_voter, axioms.nondictatorship, voters=3, alternatives=3)
    assert verdict.violation is not None
    assert "voter 2" in verdict.violation.reason
    found = axioms.check(last_voter, axioms.anonymity, voters=3, alternatives=3)
    assert (found.status, found.scope.symmetry) == ("violated", "")


def test_the_callers_profiles_are_looked_at_instead() -> None:
    given = [ck.Rankings.from_orders({"abc": 3, "bca": 2, "cba": 2}), ck.Rankings.from_orders({"xy": 2})]
    verdict = axioms.check(rules.plurality, [axioms.condorcet_winner, axioms.majority], profiles=iter(given))
    assert [each.status for each in verdict] == ["violated", "holds"]
    assert verdict[0].violation is not None
    assert verdict[0].violation.profiles[0] is given[0]
    assert str(verdict[1].scope) == "the 2 profiles given"


def test_progress_is_told() -> None:
    told: list[Any] = []
    axioms.check(
        tops, [axioms.majority, axioms.pareto], voters=2, alternatives=2, progress=lambda *each: told.append(each)
    )
    assert told[-1] == ("", 2, 2)
    assert [each[1:] for each in told] == [(0, 2), (1, 2), (2, 2)]


def test_large_electorates_of_two_alternatives_are_gone_through() -> None:
    verdict = axioms.check(rules.plurality, axioms.homogeneity, voters=(84, 90), alternatives=2)
    assert (verdict.status, verdict.scope.sizes) == ("holds", ((2, 90),))


# Rules that go wrong


def test_what_a_rule_raises_says_on_which_ballots() -> None:
    def fails(profile: ck.Rankings) -> Any:
        return rules.borda(profile) if len(profile.weights) < 3 else {}[0]

    for axiom in (axioms.majority, axioms.nondictatorship, axioms.weak_pareto):
        with pytest.raises(KeyError) as error:
            axioms.check(fails, axiom)
        assert "was asked about the ballots\n  " in error.value.__notes__[0]


@pytest.mark.parametrize(
    ("answer", "says"), [(None, "named None"), ([7], "named 7"), ({0: 1}, "with a dict"), ([], "nobody")]
)
def test_nonsense_is_refused(answer: Any, says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=says) as error:
        axioms.check(lambda _: answer, axioms.majority)
    assert "1: 0 > 1" in error.value.__notes__[0]


@pytest.mark.parametrize("axiom", [axioms.monotonicity, axioms.anonymity, axioms.weak_pareto])
@pytest.mark.parametrize("rng", range(4))
def test_a_rule_at_random_is_refused(axiom: Axiom, rng: int) -> None:
    generator = np.random.default_rng(rng)

    def random(profile: ck.Rankings) -> Any:
        order = generator.permutation(len(profile.alternatives)).tolist()
        return order[0] if axiom.about is winners else order

    with pytest.raises(RuntimeError, match="does not answer alike each time"):
        axioms.check(random, axiom, voters=4, alternatives=4)


def test_what_is_no_axiom_is_refused() -> None:
    for wrong in ("monotonicity", max, [axioms.pareto, len]):
        with pytest.raises(TypeError, match="needed axioms"):
            axioms.check(tops, wrong)  # type: ignore[call-overload]
    assert axioms.check(tops, []) == ()


def test_what_is_no_rule_is_refused() -> None:
    votes = ck.Rankings.from_orders({"ab": 1})
    wrong: list[Callable[[Any], Any]] = [
        lambda rule: axioms.check(rule, axioms.pareto),
        lambda rule: axioms.pareto(rule, votes),
        lambda rule: axioms.frequency(rule, axioms.pareto, voters=1, alternatives=2),
        lambda rule: axioms.counterexample(axioms.pareto, rule, [votes]),
        axioms.applicable,
    ]
    for call in wrong:
        with pytest.raises(TypeError, match=r"needed a rule, a function of a profile such as .*; got 'borda'"):
            call("borda")
        with pytest.raises(TypeError, match="the rule and the axiom have changed places"):
            call(axioms.pareto)


def test_profiles_of_another_kind_are_refused_by_their_type() -> None:
    ranked, liked = ck.Rankings.from_orders({"ab": 1}), ck.Approvals([[1, 0]])
    for axiom, profile, says in (
        (axioms.majority, {"ab": 1}, "majority: needed Rankings for a profile, got dict"),
        (axioms.weak_pareto, ranked.to_margins(), "weak_pareto: needed Rankings for a profile, got Margins"),
        (axioms.strong_pareto, ck.Utilities([[1, 2]]), "strong_pareto: needed Rankings for a profile, got Utilities"),
        (axioms.priceability, liked, "priceability: needed CommitteeProblem for a profile, got Approvals"),
        (axioms.pareto_of_rewards, ranked, "pareto_of_rewards: needed RewardProblem for a profile, got Rankings"),
        (axioms.pareto_of_bargains, ranked, "pareto_of_bargains: needed Utilities for a profile, got Rankings"),
    ):
        with pytest.raises(TypeError, match=says):
            axiom(rules.borda, profile)


def test_what_a_rule_raises_on_an_unusual_profile_is_not_the_profiles_fault() -> None:
    def breaks(_: Any) -> Any:
        raise TypeError("my own fault")

    @axioms.axiom(kind="intra", about=axioms.readings.winners)
    def somebody(ask: Any, profile: Any) -> None:
        ask(profile)

    with pytest.raises(TypeError, match="my own fault"):
        somebody(breaks, ck.Approvals([[1, 0]]))


@pytest.mark.parametrize(
    ("scores", "says"),
    [([np.nan, 1.0], r"the rule gave the scores nan, 1\.0; needed a number for each of 0, 1"),
     ([np.nan, np.nan], r"the rule gave the scores nan, nan; needed a number for each of 0, 1"),
     ([1.0], r"scores: needed one number for each of 2 alternatives, got shape \(1,\)"),
     ([3.0, 2.0, 1.0], r"scores: needed one number for each of 2 alternatives, got shape \(3,\)")],
)  # fmt: skip
def test_scores_that_order_nothing_are_no_order(scores: list[float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        axioms.check(lambda profile: ck.Scores(profile.alternatives, np.array(scores)), axioms.weak_pareto)


def test_no_profiles_are_no_evidence() -> None:
    used = domains.every(voters=1, alternatives=2)
    assert axioms.check(tops, axioms.majority, profiles=used).status == "holds"
    with pytest.raises(ValueError, match="needed at least one profile, got none; a generator can be gone through only"):
        axioms.check(tops, axioms.majority, profiles=used)
    with pytest.raises(ValueError, match="counterexample: needed at least one profile"):
        axioms.counterexample(axioms.majority, tops, [])
    with pytest.raises(TypeError, match="needed several profiles, as in a list, got Rankings"):
        axioms.check(tops, axioms.majority, profiles=ck.Rankings([[0, 1]]))  # type: ignore[call-overload]


@pytest.mark.parametrize("wrong", [(1, 2, 3), [4], "34", ()])
def test_sizes_are_a_number_or_a_pair(wrong: Any) -> None:
    for name in ("voters", "alternatives"):
        with pytest.raises(TypeError, match=rf"{name}: needed a whole number, or a pair \(from, to\) of them, got"):
            axioms.check(tops, axioms.majority, **{name: wrong})
    with pytest.raises(ValueError, match="draws: needed a whole number of at least 0, got -1"):
        axioms.check(tops, axioms.majority, draws=-1)


def test_symmetry_is_said_of_as_many_profiles_as_there_are() -> None:
    every = {m: sum(domains.count(voters=n, alternatives=m) for n in range(1, 5)) for m in (2, 3)}
    for widths, number in ((3, every[2] + every[3]), ((3, 3), every[3])):
        scope = axioms.check(tops, axioms.majority, voters=4, alternatives=widths).scope
        assert scope.symmetry == f"anonymous and neutral on all {number:,} small profiles"


def test_large_sizes_are_known_to_be_too_large_at_once() -> None:
    verdict = axioms.check(tops, axioms.majority, voters=(5000, 5000), alternatives=(3, 9), draws=3)
    assert (verdict.status, verdict.scope.profiles, verdict.scope.draws) == ("not refuted", 0, 3)


# The catalogue


def test_implications_name_axioms_and_go_round_in_no_circle() -> None:
    named = {axiom.name: axiom for axiom in EVERY}
    assert len(named) == len(EVERY)
    for axiom in EVERY:
        assert set(axiom.implies) <= set(named), axiom
        assert all(named[weaker].ballots in (axiom.ballots, "strict") for weaker in axiom.implies), axiom
    order = _strongest_first(EVERY)
    place = {EVERY[i].name: at for at, i in enumerate(order)}
    assert sorted(order) == list(range(len(EVERY)))
    assert all(place[axiom.name] < place[weaker] for axiom in EVERY for weaker in axiom.implies)


@pytest.mark.parametrize("seed", range(14))
def test_implications_of_the_catalogue_hold_of_drawn_rules(seed: int) -> None:
    """Where the stronger axiom has no violation on all profiles of the sizes, the weaker one has none."""
    stronger = [axiom for axiom in OF_WINNERS if axiom.implies]
    weaker = {name for axiom in stronger for name in axiom.implies}
    wanted = [axiom for axiom in OF_WINNERS if axiom.implies or axiom.name in weaker]
    rule = drawn(seed) if seed < 9 else (tops, rules.borda, rules.copeland, rules.smith, rules.veto)[seed - 9]
    holds = {each.name: axioms.check(rule, each, voters=3, alternatives=3).status == "holds" for each in wanted}
    for axiom in stronger:
        for name in axiom.implies:
            assert holds[name] or not holds[axiom.name], (axiom.name, name)


def test_an_axiom_that_says_something_else_is_refused() -> None:
    @axioms.axiom(kind="intra", about=axioms.readings.winners)
    def truthful(ask: Any, profile: Any) -> Any:
        return len(ask(profile)) > 0

    with pytest.raises(TypeError, match="truthful: an axiom answers with a Clash, or None where all is well; got True"):
        truthful(tops, ck.Rankings([[0, 1]]))
    with pytest.raises(ValueError, match="axiom: kind is one of intra, neighbour, global, existential, got 'local'"):
        axioms.axiom(kind="local", about=axioms.readings.winners)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="axiom: ballots is one of strict, weak"):
        axioms.axiom(kind="intra", about=axioms.readings.winners, ballots="strickt")  # type: ignore[arg-type]


def test_an_axiom_of_ones_own_is_checked_as_any() -> None:
    @axioms.axiom(kind="intra", about=axioms.readings.winners)
    def somebodys_favourite_wins(ask: Ask, profile: ck.Rankings) -> axioms.Clash | None:
        favourites = {profile.alternatives[row.argmin()] for row in profile.ranks}
        if favourites & set(ask(profile)):
            return None
        return axioms.Clash("nobody's favourite wins", (profile,), ("the ballots",))

    assert axioms.check(tops, somebodys_favourite_wins, voters=3, alternatives=3).status == "holds"
    found = axioms.check(rules.borda, somebodys_favourite_wins, voters=4, alternatives=4)
    assert found.violation is not None
    assert size(found.violation) == (4, 2)  # a > b > c > d and d > b > …: b
    stronger = axioms.axiom(kind="intra", about=axioms.readings.winners, implies=("somebodys_favourite_wins",))(
        axioms.resoluteness.function
    )
    verdicts = axioms.check(by_number, [somebodys_favourite_wins, stronger], voters=2, alternatives=2)
    assert verdicts[0].evidence == ("implied by resoluteness, which was examined",)


# Where a theorem leads

CONDORCET = ["black", "copeland", "llull", "minimax", "kemeny", "schulze", "ranked_pairs", "split_cycle", "baldwin",
             "nanson", "smith", "uncovered_set", "stable_voting", "river", "benham", "smith_irv"]  # fmt: skip


@pytest.mark.parametrize("name", CONDORCET)
def test_the_chain_leads_to_a_violation_of_participation(name: str) -> None:
    ask = Ask(getattr(rules, name), winners)
    found = axioms.follow(axioms.participation_lexicographic, ask)
    assert found is not None
    assert len(found.profiles[0].alternatives) == 4
    assert found.voters <= 25
    assert ask.calls < 600
    assert found.replay()
    assert found.profiles[1].weights.sum() == found.voters + 1
    ranks = found.profiles[1].ranks[-1]
    before, after = (min(outcome) for outcome in found.outcomes)
    assert ranks[before] < ranks[after]  # who joined would rather have stayed away


@pytest.mark.parametrize("name", ["borda", "plurality", "veto", "dowdall"])
def test_the_chain_leads_nowhere_for_rules_of_scores(name: str) -> None:
    assert axioms.follow(axioms.participation_lexicographic, Ask(getattr(rules, name), winners)) is None


def test_check_follows_the_chain_where_four_alternatives_are_asked_for() -> None:
    settings: dict[str, Any] = {"voters": 1, "budget": 2_000, "draws": 1}
    rule = rules.ranked_pairs
    found = axioms.check(rule, axioms.participation_lexicographic, alternatives=(4, 4), **settings)
    assert (found.status, found.evidence[-1]) == ("violated", "Moulin's chain")
    assert found.minimal is None
    other = axioms.check(rule, axioms.participation_lexicographic, alternatives=3, **settings)
    assert "Moulin's chain" not in other.evidence


# Which axioms


def test_applicable_axioms_are_those_whose_outcome_the_rule_gives() -> None:
    def names(rule: Rule) -> set[str]:
        return {axiom.name for axiom in axioms.applicable(rule)}

    assert "monotonicity" in names(tops)
    assert not {"weak_pareto", "sd_efficiency", "unrestricted_domain"} & names(tops)
    assert {"weak_pareto", "unrestricted_domain", "monotonicity"} <= names(rules.borda)
    assert not {"scale_invariance_of_bargains", "justified_representation"} & names(rules.borda)
    assert {"sd_efficiency", "ex_post_efficiency"} <= names(rules.random_dictatorship)
    assert names(lambda _: 1 / 0) == set()
