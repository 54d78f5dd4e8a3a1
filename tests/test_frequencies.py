"""How often axioms are violated: published shares, all profiles by hand, intervals, and the best lie."""

from __future__ import annotations

import itertools
from functools import partial
from math import comb
from typing import Any

import numpy as np
import pytest

import choicekit as ck
from choicekit import axioms, domains, rules
from choicekit.axioms import frequency, manipulability
from choicekit.axioms._extensions import EVERY, prefers

AT_THREE: dict[str, Any] = {"alternatives": 3}


def last_voter(profile: ck.Rankings) -> Any:
    return profile.alternatives[profile.ranks[-1].argmin()]


# Exact shares


@pytest.mark.parametrize(
    ("n", "share"), [(9, 0.069016), (12, 0.047881), (15, 0.050264), (20, 0.016724), (25, 0.048159)]
)
def test_instant_runoff_fails_monotonicity_as_often_as_is_known(n: int, share: float) -> None:
    found = frequency(rules.instant_runoff, axioms.monotonicity, voters=n, **AT_THREE)
    assert found.share == pytest.approx(share, abs=5e-7)
    assert (found.draws, found.interval) == (0, None)
    assert found.profiles == comb(n + 5, 5)


@pytest.mark.parametrize("n", range(1, 9))
def test_instant_runoff_is_monotonic_up_to_eight_voters(n: int) -> None:
    assert frequency(rules.instant_runoff, axioms.monotonicity, voters=n, **AT_THREE).violated == 0


def test_in_the_impartial_anonymous_culture_each_anonymous_profile_counts_the_same() -> None:
    culture = domains.impartial_anonymous_culture
    found = frequency(rules.instant_runoff, axioms.monotonicity, voters=9, culture=culture, **AT_THREE)
    assert (found.violated, found.profiles) == (38, 2002)
    assert found.share == pytest.approx(0.018981, abs=5e-7)


@pytest.mark.parametrize(
    "axiom", [axioms.condorcet_winner, axioms.majority, axioms.strategyproofness_kelly, axioms.alpha]
)
@pytest.mark.parametrize("rule", [rules.borda, rules.plurality, lambda profile: rules.borda(profile).winners[0]])
def test_shares_are_those_of_all_ordered_profiles(axiom: Any, rule: Any) -> None:
    for m, n in ((2, 3), (3, 2), (3, 3)):
        hits = [axiom(rule, each) is not None for each in domains.every(voters=n, alternatives=m)]
        assert frequency(rule, axiom, voters=n, alternatives=m).share == pytest.approx(np.mean(hits), abs=1e-12)
        hits = [axiom(rule, ck.Rankings(np.repeat(each.ranks, each.weights.astype(int), 0))) is not None
                for each in domains.every(voters=n, alternatives=m, anonymous=True)]  # fmt: skip
        culture = domains.impartial_anonymous_culture
        found = frequency(rule, axiom, voters=n, alternatives=m, culture=culture)
        assert (found.violated, found.profiles) == (sum(hits), len(hits))


# Shares by draws


def test_intervals_cover_the_exact_share() -> None:
    exact = frequency(rules.borda, axioms.condorcet_winner, voters=5, **AT_THREE).share
    covered = 0
    for rng in range(60):
        by_draws = partial(domains.impartial_culture)  # not known to be the impartial culture, so it is drawn from
        found = frequency(
            rules.borda, axioms.condorcet_winner, voters=5, culture=by_draws, draws=60, rng=rng, **AT_THREE
        )
        assert found.interval is not None
        low, high = found.interval
        assert 0 <= low <= found.share <= high <= 1
        assert found.share == found.violated / found.draws
        covered += low <= exact <= high
    assert 52 <= covered <= 60


def test_wilsons_interval_of_no_hit() -> None:
    found = frequency(last_voter, axioms.unanimity, voters=2, draws=100, **AT_THREE)
    z = 1.959963984540054
    assert found.interval == pytest.approx((0, z * z / (100 + z * z)))


def test_rules_that_know_voters_and_large_sizes_are_drawn() -> None:
    found = frequency(last_voter, axioms.majority, voters=3, draws=400, **AT_THREE)
    # two or three of the first two voters' favourites agree against the last: 1/3 · 2/3
    assert found.interval is not None
    assert found.interval[0] <= 2 / 9 <= found.interval[1]
    for m, n in ((2, 256), (6, 2)):
        assert frequency(rules.plurality, axioms.majority, voters=n, alternatives=m, draws=3).draws == 3


def test_the_culture_is_named_with_its_options() -> None:
    urn = partial(domains.urn, alpha=0.5)
    found = frequency(rules.plurality, axioms.condorcet_winner, voters=3, culture=urn, draws=5, **AT_THREE)
    assert "of urn(alpha=0.5)'s profiles of 3 voters on 3 alternatives (" in str(found)
    assert "at 95 %)" in str(found)


def test_the_same_rng_draws_the_same() -> None:
    def once(rng: Any) -> int:
        culture = partial(domains.impartial_culture)
        return frequency(
            rules.borda, axioms.majority, voters=5, culture=culture, draws=80, rng=rng, **AT_THREE
        ).violated

    assert once(1) == once(1) == once(np.random.default_rng(1))
    assert len({once(rng) for rng in range(5)}) > 1


@pytest.mark.parametrize("axiom", [axioms.nondictatorship, axioms.strong_pareto, axioms.pareto_of_bargains])
def test_axioms_that_no_strict_profile_violates_are_refused(axiom: Any) -> None:
    with pytest.raises(ValueError, match="needed an axiom that profiles of strict rankings violate"):
        frequency(rules.borda, axiom, voters=2, **AT_THREE)


def test_one_axiom_is_asked_for_and_one_voter_is_one() -> None:
    with pytest.raises(TypeError, match="frequency: needed one axiom"):
        axioms.frequency(rules.borda, [axioms.pareto], voters=2, alternatives=2)  # type: ignore[arg-type]
    assert "profiles of 1 voter on 3 alternatives" in str(
        axioms.frequency(rules.veto, axioms.pareto, voters=1, alternatives=3)
    )


def test_names_of_alternatives_that_matter_are_seen() -> None:
    def unless_zero_stands(profile: ck.Rankings) -> Any:
        return profile.alternatives if 0 in profile.alternatives else rules.plurality(profile)

    hits = [axioms.alpha(unless_zero_stands, each) is not None for each in domains.every(voters=2, alternatives=3)]
    found = frequency(unless_zero_stands, axioms.alpha, voters=2, draws=300, **AT_THREE)
    assert found.interval is not None
    assert found.interval[0] <= np.mean(hits) <= found.interval[1]


# The best lie


def lies(rule: Any, extension: Any, profile: ck.Rankings) -> list[float]:
    """What each lie that is a gain gains, one voter a row."""
    labels, rows = profile.alternatives, profile.ranks.tolist()
    before, found = rule(profile).winners, []
    for i, ballot in itertools.product(range(len(rows)), itertools.permutations(range(len(labels)))):
        after = rule(ck.Rankings([*rows[:i], ballot, *rows[i + 1 :]], None, labels)).winners
        if prefers(extension, labels, rows[i], after, before):
            mean = [np.mean([rows[i][labels.index(a)] for a in chosen]) for chosen in (before, after)]
            found.append(float(mean[0] - mean[1]))
    return found


@pytest.mark.parametrize("extension", EVERY, ids=lambda each: each.name)
@pytest.mark.parametrize("rule", [rules.borda, rules.plurality])
def test_the_best_lie_gains_most_of_all(rule: Any, extension: Any) -> None:
    every = [lies(rule, extension, each) for each in domains.every(voters=3, alternatives=3)]
    found = manipulability(rule, voters=3, extension=extension.name, **AT_THREE)
    assert found.complete
    assert found.frequency.axiom == f"strategyproofness_{extension.name}"
    assert found.frequency.share == pytest.approx(np.mean([bool(each) for each in every]))
    best = max((gain for each in every for gain in each), default=None)
    if best is None:
        assert (found.lie, found.gain) == (None, 0.0)
        assert str(found) == str(found.frequency)
    else:
        assert found.gain == pytest.approx(best)
        assert found.lie is not None
        assert found.lie.replay()
        assert max(lies(rule, extension, found.lie.profiles[0])) == pytest.approx(best)
        assert f"the largest gain, {best:g} places:" in str(found)


def test_the_lie_is_looked_for_in_the_profiles_that_were_drawn() -> None:
    settings: dict[str, Any] = {"voters": 4, "extension": "optimist", "draws": 60, **AT_THREE}
    for rng in (0, np.random.default_rng(0)):
        found = manipulability(rules.borda, culture=partial(domains.impartial_culture), rng=rng, **settings)
        assert found.complete
        assert found.frequency.violated > 1
        assert found.lie is not None
    less = manipulability(rules.borda, culture=partial(domains.impartial_culture), searched=1, **settings)
    assert not less.complete
    assert "the largest gain found" in str(less)


def test_an_unknown_extension_is_refused() -> None:
    with pytest.raises(ValueError, match=r"needed one of singleton, kelly, .* got 'hope'"):
        manipulability(rules.borda, voters=3, extension="hope", **AT_THREE)
