"""Juries: scores by loops over jurors and answers, verdicts by listing every jury, draws against the exact value."""

from __future__ import annotations

import itertools
import math
import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from choicekit import welfare
from choicekit.alignment import juries
from choicekit.alignment.juries import expected_verdict, jury_score, sampled_verdict, welfare_curve

Array = np.ndarray


# --- Scores ----------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32))
def test_scores_by_the_book(seed: int) -> None:
    rng = np.random.default_rng(seed)
    contexts, jurors, size = rng.integers(1, 5, 3)
    ratings, policy = rng.random((contexts, jurors, size)), rng.dirichlet(np.ones(size), contexts)
    weights = rng.random(contexts)
    pairs: list[tuple[Any, Any]] = [
        (welfare.utilitarian, lambda u: sum(u) / len(u)),
        (welfare.egalitarian, min),
        (welfare.nash, lambda u: sum(map(math.log, u)) / len(u)),
        (lambda u: welfare.power_mean(u, 0.5), lambda u: (sum(map(math.sqrt, u)) / len(u)) ** 2),
    ]
    for function, book in pairs:
        found = jury_score(ratings, policy, welfare=function, context_weights=weights)
        for x in range(contexts):
            after = sum(policy[x, y] * book(ratings[x, :, y].tolist()) for y in range(size))
            assert found.after[x] == pytest.approx(after)
            assert found.before[x] == pytest.approx(book((ratings[x] @ policy[x]).tolist()))
        assert found.mean == pytest.approx(np.average(found.after, weights=weights))
        assert (found.before >= found.after - 1e-12).all()  # all four are concave
        alone = [jury_score(ratings[x : x + 1], policy[x], welfare=function).after[0] for x in range(contexts)]
        assert found.after == pytest.approx(alone)


def test_answers_that_are_draws_count_alike_and_answers_never_given_do_not_count() -> None:
    rng = np.random.default_rng(0)
    ratings = rng.random((7, 4, 5))
    assert jury_score(ratings).after == pytest.approx(ratings.mean((1, 2)))
    assert jury_score(ratings[..., :1], welfare=welfare.egalitarian).after == pytest.approx(ratings[..., 0].min(1))
    ratings[0, 0, 0] = 0  # Nash welfare minus infinity
    policy = np.array([0, 0.25, 0.25, 0.25, 0.25])
    found = jury_score(ratings, policy, welfare=welfare.nash)
    assert np.isfinite(found.after).all()
    assert found.after == pytest.approx(jury_score(ratings[..., 1:], welfare=welfare.nash).after)
    low, high = found.interval(rng=0)
    assert low <= found.mean <= high


def test_weights_of_jurors_come_with_the_welfare_function() -> None:
    ratings = np.random.default_rng(1).random((3, 4, 2))
    found = jury_score(ratings, welfare=lambda u: welfare.utilitarian(u, [1, 0, 0, 3]))
    assert found.after == pytest.approx((ratings[:, 0] + 3 * ratings[:, 3]).mean(-1) / 4)


def test_the_curve_runs_from_the_worst_off_to_the_mean() -> None:
    rng = np.random.default_rng(2)
    for _ in range(30):
        ratings, policy = rng.random((5, 4, 3)), rng.dirichlet(np.ones(3), 5)
        found = welfare_curve(ratings, policy)
        assert (np.diff(found.after) >= -1e-12).all()
        assert (np.diff(found.before) >= -1e-12).all()
        assert found.after[0] == pytest.approx(jury_score(ratings, policy, welfare=welfare.egalitarian).mean)
        assert found.after[-1] == pytest.approx(found.before[-1]) == pytest.approx(jury_score(ratings, policy).mean)
        middle = jury_score(ratings, policy, welfare=lambda u: np.exp(welfare.nash(u))).mean
        assert found.after[3] == pytest.approx(middle)
        # scaling ratings scales the curve
        assert welfare_curve(3 * ratings, policy).after == pytest.approx(3 * found.after)
    equal = welfare_curve(np.full((2, 3, 2), 4.0))
    assert equal.after == pytest.approx(4)
    assert welfare_curve([[[1.0], [3.0]]], exponents=[1], weights=[3, 1]).after.tolist() == [1.5]


# --- Verdicts --------------------------------------------------------------------------------------------------


def every_jury(votes: list[float], groups: list[str], seats: dict[str, int]) -> list[list[float]]:
    chosen = [
        itertools.combinations([i for i, g in enumerate(groups) if g == group], seated)
        for group, seated in sorted(seats.items())
    ]
    return [[votes[i] for part in parts for i in part] for parts in itertools.product(*chosen)]


@st.composite
def pools(draw: st.DrawFn) -> tuple[Array, list[str], dict[str, int]]:
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    groups = [label for label, size in zip("abc", sizes, strict=False) for _ in range(size)]
    seats = {label: draw(st.integers(0, min(3, size))) for label, size in zip("abc", sizes, strict=False)}
    if not any(seats.values()):
        seats["a"] = 1
    votes = draw(st.lists(st.integers(0, draw(st.integers(1, 4))), min_size=len(groups), max_size=len(groups)))
    order = draw(st.permutations(range(len(groups))))
    return np.array(votes, float)[order], [groups[i] for i in order], seats


@given(pools())
def test_the_expected_verdict_is_the_mean_over_every_jury(pool: Any) -> None:
    votes, groups, seats = pool
    said = [statistics.median(jury) for jury in every_jury(votes.tolist(), groups, seats)]
    assert expected_verdict(votes, groups, seats) == pytest.approx(statistics.fmean(said))
    # turned round, votes give the verdict turned round
    assert expected_verdict(-votes, groups, seats) == pytest.approx(-statistics.fmean(said))


def test_majorities_are_medians_of_zeros_and_ones() -> None:
    rng = np.random.default_rng(3)
    for _ in range(40):
        votes, groups = rng.integers(0, 2, 8).astype(float), list("aaabbbbb")
        seats = {"a": int(rng.integers(0, 4)), "b": int(rng.integers(1, 5))}
        said = [(sum(jury) > len(jury) / 2) + 0.5 * (sum(jury) == len(jury) / 2) for jury in
                every_jury(votes.tolist(), groups, seats)]  # fmt: skip
        assert expected_verdict(votes, groups, seats) == pytest.approx(np.mean(said))


def test_batches_are_one_by_one_and_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    votes, groups, seats = rng.normal(size=(2, 6, 9)), list("abcabcabc"), {"a": 2, "b": 1, "c": 3}
    found, drawn = expected_verdict(votes, groups, seats), sampled_verdict(votes, groups, seats, draws=64)
    assert found.shape == drawn.mean.shape == (2, 6)
    for place in np.ndindex(2, 6):
        assert found[place] == pytest.approx(expected_verdict(votes[place], groups, seats))
        assert drawn.mean[place] == pytest.approx(sampled_verdict(votes[place], groups, seats, draws=64).mean)
    monkeypatch.setattr(juries, "_BLOCK", 200)
    assert expected_verdict(votes, groups, seats) == pytest.approx(found)


def test_draws_agree_with_the_exact_value_as_their_interval_says() -> None:
    rng = np.random.default_rng(5)
    votes, groups, seats = rng.normal(size=(300, 12)), list("aaabbbbbcccc"), {"a": 3, "b": 1, "c": 1}
    exact = expected_verdict(votes, groups, seats)
    found = sampled_verdict(votes, groups, seats, draws=400, rng=1)
    low, high = found.interval(0.9).T
    # one set of juries for all contexts, but votes are independent between contexts
    assert 0.8 < np.mean((low <= exact) & (exact <= high)) < 0.98
    every = np.array(
        [[statistics.median(jury) for jury in every_jury(row.tolist(), groups, seats)] for row in votes[:20]]
    )
    assert found.deviation[:20] == pytest.approx(every.std(-1), rel=0.25)


def test_any_verdict_and_the_composition_matter() -> None:
    votes = np.array([1.0, 1, 1, 0, 0, 0])
    groups = list("aaabbb")
    assert expected_verdict(votes, groups, {"a": 2, "b": 1}) == 1
    assert expected_verdict(votes, groups, {"a": 1, "b": 2}) == 0
    assert expected_verdict(votes, groups, {"a": 1, "b": 1}) == 0.5
    unanimous = sampled_verdict(votes, groups, {"a": 2}, verdict=lambda v: v.min(-1))
    assert unanimous.mean == 1
    means = sampled_verdict(
        np.arange(6.0), groups, {"a": 1, "b": 3}, verdict=lambda v: v.mean(-1), draws=3000, rng=np.random.default_rng(0)
    )
    assert means.mean == pytest.approx((1 + 3 + 4 + 5) / 4, abs=0.02)


def test_large_pools_need_no_listing() -> None:
    votes, groups = np.arange(600) % 2.0, ["a", "a", "b", "b"] * 150
    assert expected_verdict(votes, groups, {"a": 7, "b": 6}) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: jury_score([[1.0, 2.0]]), "ratings: needed"),
        (lambda: jury_score([[[np.nan]]]), "ratings: needed finite"),
        (lambda: jury_score([[[1.0, 2.0]]], [[1.0]]), "policy: needed shape"),
        (lambda: jury_score([[[1.0, 2.0]]], [0.5, 0.6]), "policy: probabilities must sum"),
        (lambda: jury_score([[[1.0]]], welfare=lambda u: u), "welfare: must take"),
        (lambda: welfare_curve([[[-1.0], [1.0]]]), "utilities of at least 0"),
        (lambda: expected_verdict([1, 0], ["a"], {"a": 1}), "groups: needed one label"),
        (lambda: expected_verdict([1, 0], ["a", "b"], {"c": 1}), "'c' in no row"),
        (lambda: expected_verdict([1, 0], ["a", "b"], {"a": 2}), "2 for group 'a', which has 1 members"),
        (lambda: expected_verdict([1, 0], ["a", "b"], {"a": 0}), "not all 0"),
        (lambda: expected_verdict([1, 0], ["a", "b"], {"a": 0.5}), "whole numbers"),  # type: ignore[dict-item]
        (lambda: expected_verdict([1, np.nan], ["a", "b"], {"a": 1}), "votes: needed finite"),
        (lambda: sampled_verdict([1, 0], ["a", "b"], {"a": 1}, draws=1), "at least 2 juries"),
        (lambda: sampled_verdict([1, 0], ["a", "b"], {"a": 1}, verdict=lambda v: v), "verdict: must take"),
        (lambda: sampled_verdict([1, 0], ["a", "b"], {"a": 1}).interval(0), "level: needed"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
