"""Rules on utilities and grades beside pref_voting and svvamp."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import choicekit as ck
from choicekit.rules import cardinal, grades

pytestmark = pytest.mark.peers
CASES = 120


def drawn(seed: int, highest: int) -> tuple[NDArray[np.int64], ck.Utilities]:
    """Grades from 0 to the highest, each of which somebody gives (pref_voting asks for it)."""
    rng = np.random.default_rng(seed)
    voters, size = int(rng.integers(3, 12)), int(rng.integers(2, 6))
    table = rng.integers(0, highest + 1, (voters, size))
    return table, ck.Utilities(table)


def graded(table: NDArray[np.int64], highest: int) -> Any:
    peer = pytest.importorskip("pref_voting.grade_profiles", reason="peer: pip install pref_voting")
    ballots = [{a: int(grade) for a, grade in enumerate(row)} for row in table]
    return peer.GradeProfile(ballots, list(range(highest + 1)))


@pytest.mark.parametrize("highest", [1, 5])
def test_score_voting_approval_and_medians(highest: int) -> None:
    peer = pytest.importorskip("pref_voting.grade_methods", reason="peer: pip install pref_voting")
    for seed in range(CASES):
        table, profile = drawn(seed, highest)
        theirs = graded(table, highest)
        assert list(grades.range_voting(profile).winners) == peer.score_voting(theirs)
        median = peer.score_voting(theirs, evaluation_method="median")
        assert list(grades.median_grade(profile).winners) == median
        if highest == 1:
            assert list(cardinal.approval(ck.Approvals(table)).winners) == peer.approval(theirs)


def test_star() -> None:
    """But for level runoffs between unequal totals, which go to the higher total here and to both there."""
    peer = pytest.importorskip("pref_voting.grade_methods", reason="peer: pip install pref_voting")
    compared = 0
    for seed in range(CASES):
        table, profile = drawn(seed, 5)
        totals = table.sum(0)
        pairs = [(a, b) for a in range(len(totals)) for b in range(a) if totals[a] != totals[b]]
        if any((table[:, a] > table[:, b]).sum() == (table[:, a] < table[:, b]).sum() for a, b in pairs):
            continue
        compared += 1
        assert list(grades.star(profile).winners) == peer.star(graded(table, 5))
    assert compared > CASES // 3


def test_majority_judgement_refines_the_majority_gauge() -> None:
    """pref_voting breaks ties of the median by the larger of the two shares alone (the majority-gauge).

    Where its answer is one alternative, and the two shares of no tied alternative are equal, it is ours.
    """
    peer = pytest.importorskip("pref_voting.grade_methods", reason="peer: pip install pref_voting")
    compared = 0
    for seed in range(CASES):
        table, profile = drawn(seed, 5)
        if len(table) % 2 == 0:
            continue  # of an even number its gauge may contradict the majority-value
        theirs = peer.majority_judgement(graded(table, 5))
        medians = grades.median_grade(profile)
        tied = [profile.alternatives.index(label) for label in medians.winners]
        best = medians.scores.max()
        more, less = (table[:, tied] > best).sum(0), (table[:, tied] < best).sum(0)
        if len(theirs) > 1 or (more == less).any():
            continue
        compared += 1
        assert list(grades.majority_judgement(profile).winners) == theirs
    assert compared > CASES // 5


def test_tie_breaks_of_the_median() -> None:
    """Fabre's differences and their norms; pref_voting's relative shares divide by zero where p = q = 0."""
    peer = pytest.importorskip("pref_voting.grade_methods", reason="peer: pip install pref_voting")
    for seed in range(CASES):
        table, profile = drawn(seed, 5)
        theirs = graded(table, 5)
        typical = peer.greatest_median(theirs, tb_func=peer.tiebreaker_diff)
        usual = peer.greatest_median(theirs, tb_func=peer.tiebreaker_normalized_difference)
        assert set(typical) <= set(grades.typical_judgement(profile).winners)  # theirs compares rounded differences
        assert set(usual) <= set(grades.usual_judgement(profile).winners)


def test_utilitarian_relative_egalitarian_and_leximin() -> None:
    peer = pytest.importorskip("pref_voting.utility_methods", reason="peer: pip install pref_voting")
    profiles = pytest.importorskip("pref_voting.utility_profiles", reason="peer: pip install pref_voting")
    for seed in range(CASES):
        table, profile = drawn(seed, 7)
        if (table.min(1) == table.max(1)).any():
            continue  # theirs divides by zero for an indifferent voter
        theirs = profiles.UtilityProfile([{a: float(u) for a, u in enumerate(row)} for row in table])
        assert list(cardinal.utilitarian(profile).winners) == peer.sum_utilitarian(theirs)
        assert list(cardinal.egalitarian(profile).winners) == peer.maximin(theirs)
        assert list(cardinal.leximin(profile).winners) == peer.lexicographic_maximin(theirs)
        # its sums of shares are not rounded, so that a tie may be lost
        assert set(peer.relative_utilitarian(theirs)) <= set(cardinal.relative_utilitarian(profile).winners)


def test_nash_with_a_status_quo() -> None:
    """Their status quo is the first alternative; their product underflows where there are many voters."""
    peer = pytest.importorskip("pref_voting.utility_methods", reason="peer: pip install pref_voting")
    profiles = pytest.importorskip("pref_voting.utility_profiles", reason="peer: pip install pref_voting")
    for seed in range(CASES):
        table = np.random.default_rng(seed).integers(1, 7, (5, 4))
        table[:, 0] = 0
        theirs = profiles.UtilityProfile([{a: float(u) for a, u in enumerate(row)} for row in table])
        ours = cardinal.nash(ck.Utilities(table), disagreement=table[:, 0])
        assert list(ours.winners) == peer.nash(theirs)


def test_range_voting_and_star_of_svvamp(monkeypatch: pytest.MonkeyPatch) -> None:
    # svvamp imports it for its figures, and it does not go with a newer matplotlib
    monkeypatch.setitem(sys.modules, "tikzplotlib", types.ModuleType("tikzplotlib"))
    svvamp = pytest.importorskip("svvamp", reason="peer: pip install svvamp")
    compared = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        table = rng.random((int(rng.integers(3, 12)), int(rng.integers(2, 6))))
        theirs = svvamp.Profile(preferences_ut=table, sort_voters=False)
        profile = ck.Utilities(table)
        score = svvamp.RuleRangeVoting(rescale_grades=False)(theirs)
        assert grades.range_voting(profile).winners == (int(score.w_),)
        runoff = svvamp.RuleSTAR(rescale_grades=False)(theirs)
        if len(table) % 2:  # with an even number it breaks level runoffs by label
            compared += 1
            assert grades.star(profile).winners == (int(runoff.w_),)
            medians = svvamp.RuleMajorityJudgment(rescale_grades=False)(theirs)
            assert grades.majority_judgement(profile).winners == (int(medians.w_),)
    assert compared > 10
