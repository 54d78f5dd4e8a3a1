"""Rankings, approvals, utilities and margins: what they take, what they refuse, and what they forget."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import choicekit as ck

NAN = float("nan")
GOOD: dict[Any, Any] = {
    ck.Rankings: [[0, 1], [1, 0], [0, -1]],
    ck.Approvals: [[1, 0], [1, 1], [0, 0]],
    ck.Utilities: [[0.5, 1], [2, 2], [NAN, 0]],
}
KINDS = [*GOOD, ck.Margins]


def array(profile: Any) -> Any:
    return profile.ranks if isinstance(profile, ck.Rankings) else profile.values


# --- Construction -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", GOOD)
def test_by_default_weights_are_one_and_labels_are_numbers(kind: Any) -> None:
    profile = kind(GOOD[kind])
    assert profile.weights.tolist() == [1, 1, 1]
    assert profile.alternatives == (0, 1)
    np.testing.assert_array_equal(array(profile), GOOD[kind])


@pytest.mark.parametrize("kind", GOOD)
def test_weights_and_labels_are_kept(kind: Any) -> None:
    profile = kind(GOOD[kind], weights=[0, 2.5, 1], alternatives="xy")
    assert profile.weights.tolist() == [0, 2.5, 1]
    assert profile.alternatives == ("x", "y")


def test_array_types() -> None:
    assert ck.Rankings([[0.0, 1.0]]).ranks.dtype == np.int64
    assert ck.Approvals([[1, 0]]).values.dtype == np.bool_
    assert ck.Approvals(np.array([[True, False]])).values.tolist() == [[True, False]]
    assert ck.Utilities([[1, 0]]).values.dtype == np.float64


def test_orders_may_be_weighted_tied_and_truncated() -> None:
    votes = ck.Rankings.from_orders({("b", frozenset("ac")): 2, ("c",): 0.5})
    assert votes.alternatives == ("a", "b", "c")
    assert votes.ranks.tolist() == [[1, 0, 1], [-1, -1, 0]]
    assert votes.weights.tolist() == [2, 0.5]


def test_alternatives_of_orders_may_be_fixed() -> None:
    votes = ck.Rankings.from_orders(["ba"], alternatives="cba")
    assert votes.alternatives == ("c", "b", "a")
    assert votes.ranks.tolist() == [[-1, 0, 1]]


def test_labels_that_do_not_sort_keep_their_order() -> None:
    assert ck.Rankings.from_orders([["x", 1], [None, "x"]]).alternatives == ("x", 1, None)


# --- Refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("weights", [[1, 2], [1, 2, -1], [1, 2, NAN], [1, 2, float("inf")], [0, 0, 0]])
def test_wrong_weights_are_refused(kind: Any, weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights: "):
        kind(GOOD[kind], weights)


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize(
    ("labels", "message"), [("abc", "needed 2 labels, one a column, got 3"), ("aa", "'a' is there 2 times")]
)
def test_wrong_labels_are_refused(kind: Any, labels: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"alternatives: .*{message}"):
        kind(GOOD[kind], alternatives=labels)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", [[], [[]], [0, 1], [[[0, 1]]], 0])
def test_wrong_shapes_are_refused(kind: Any, values: Any) -> None:
    with pytest.raises(ValueError, match=r"needed a non-empty array indexed \["):
        kind(values)


@pytest.mark.parametrize("ranks", [[[0, 0.5]], [[0, -2]]])
def test_ranks_are_whole_numbers(ranks: Any) -> None:
    with pytest.raises(ValueError, match="rankings: ranks must be whole numbers, 0 for best, -1 for unranked"):
        ck.Rankings(ranks)


@pytest.mark.parametrize("values", [[[0, 2]], [[NAN, 1]], [[-1, 0]], [[0.5, 1]]])
def test_approvals_are_true_or_false(values: Any) -> None:
    with pytest.raises(ValueError, match="approvals: each value must be true or false"):
        ck.Approvals(values)


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
def test_utilities_are_finite_or_missing(value: float) -> None:
    with pytest.raises(ValueError, match=r"utilities: values must be finite \(NaN = no opinion\)"):
        ck.Utilities([[value, 1]])


@pytest.mark.parametrize(
    "values", [[[0, 1], [1, 0]], [[1]], [[0, NAN], [NAN, 0]], [[0, 1, 2], [-1, 0, 2]], [[0, float("inf")], [-1, 0]]]
)
def test_margins_are_antisymmetric(values: Any) -> None:
    with pytest.raises(ValueError, match=r"margins: needed (a finite square matrix|values\[a, b\] == -values)"):
        ck.Margins(values)


@pytest.mark.parametrize(
    ("orders", "message"),
    [(["abd"], "order 0 ranks 'd', which is not among"), (["ab", "aba"], "order 1 ranks 'a' twice")],
)
def test_wrong_orders_are_refused(orders: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=f"rankings: {message}"):
        ck.Rankings.from_orders(orders, alternatives="abc")


@pytest.mark.parametrize("orders", [[], {}, [""]])
def test_no_orders_are_refused(orders: Any) -> None:
    with pytest.raises(ValueError, match="rankings: needed a non-empty array"):
        ck.Rankings.from_orders(orders)


# --- Immutability -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_profiles_are_copies_and_read_only(kind: Any) -> None:
    given_ = np.array([[0.0, 1.0], [-1.0, 0.0]]) if kind is ck.Margins else np.array([[0.0, 1.0], [1.0, 0.0]])
    before = given_.tolist()
    profile = kind(given_)
    given_ += 5
    assert array(profile).tolist() == before
    with pytest.raises(ValueError, match="read-only"):
        array(profile)[0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        profile.alternatives = ("x", "y")


@pytest.mark.parametrize("kind", GOOD)
def test_weights_are_copies_and_read_only(kind: Any) -> None:
    weights = np.array([1.0, 2.0, 3.0])
    profile = kind(GOOD[kind], weights)
    weights[0] = 9
    assert profile.weights.tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="read-only"):
        profile.weights[0] = 9


# --- The arrows that forget ---------------------------------------------------------------------------------------


@given(
    st.integers(1, 5).flatmap(
        lambda size: st.lists(
            st.lists(st.sampled_from([NAN, -1.5, 0.0, -0.0, 1e-300, 2.0, 2e9]), min_size=size, max_size=size),
            min_size=1,
            max_size=4,
        )
    )
)
def test_rankings_keep_exactly_the_order_of_utilities(values: list[list[float]]) -> None:
    ranks = ck.Utilities(values).to_rankings().ranks
    for row, order in zip(values, ranks.tolist(), strict=True):
        for mine, rank in zip(row, order, strict=True):
            assert (rank == -1) == (mine != mine)
            for other, level in zip(row, order, strict=True):
                if rank >= 0 and level >= 0:
                    assert (mine > other) == (rank < level)


def test_ranks_of_utilities_count_from_zero_without_gaps() -> None:
    assert ck.Utilities([[9, 1, 9, NAN, 4]]).to_rankings().ranks.tolist() == [[0, 2, 0, -1, 1]]


def test_approved_are_above_the_others() -> None:
    votes = ck.Approvals([[0, 1, 1], [1, 1, 1], [0, 0, 0]], weights=[1, 2, 3], alternatives="abc")
    rankings = votes.to_rankings()
    assert rankings.ranks.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert rankings.to_margins().values.tolist() == [[0, -1, -1], [1, 0, 0], [1, 0, 0]]


def test_margins_put_the_ranked_above_the_unranked() -> None:
    votes = ck.Rankings([[0, -1, -1], [1, 0, 1]], weights=[2, 0.5], alternatives="abc")
    assert votes.to_margins().values.tolist() == [[0, 1.5, 2], [-1.5, 0, 0.5], [-2, -0.5, 0]]


def test_utilities_forget_down_to_margins_by_way_of_rankings() -> None:
    profile = ck.Utilities([[3, NAN, 1], [0, 5, 5]], weights=[2, 1], alternatives="abc")
    assert profile.to_margins().values.tolist() == [[0, 1, 1], [-1, 0, -2], [-1, 2, 0]]


@pytest.mark.parametrize("kind", [ck.Approvals, ck.Utilities])
def test_arrows_keep_weights_and_labels(kind: Any) -> None:
    profile = kind([[0, 1], [1, 0]], weights=[3, 1], alternatives="xy")
    rankings = profile.to_rankings()
    assert rankings.weights.tolist() == [3, 1]
    assert rankings.alternatives == rankings.to_margins().alternatives == ("x", "y")


@pytest.mark.parametrize(
    ("values", "winner"),
    [
        ([[0, 1, 2], [-1, 0, 5], [-2, -5, 0]], "a"),
        ([[0, -1, 2], [1, 0, 1], [-2, -1, 0]], "b"),
        ([[0, 0, 2], [0, 0, 1], [-2, -1, 0]], None),
        ([[0, 1, -1], [-1, 0, 1], [1, -1, 0]], None),
    ],
)
def test_a_condorcet_winner_beats_every_other(values: Any, winner: str | None) -> None:
    assert ck.Margins(values, "abc").condorcet_winner == winner
