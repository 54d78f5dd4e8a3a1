"""The screen for non-attitudes: agreement by hand, rates of the tests, refusals."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from choicekit.alignment.attitudes import attitude_screen


def test_stability_and_chance_by_hand() -> None:
    """Ann yes yes no, bob no no, eve once: (1/3 + 1)/2, and all ways to deal three no and two yes."""
    found = attitude_screen(["q"] * 6, list("aaabbe"), ["yes", "yes", "no", "no", "no", "yes"])
    assert found.repeats.tolist() == [2]
    assert found.stability[0] == pytest.approx(2 / 3)
    dealt = [
        np.mean([np.mean([x == y for x, y in combinations(part, 2)]) for part in (said[:3], said[3:])])
        for said in permutations(["yes", "yes", "no", "no", "no"])
    ]
    assert found.chance[0] == pytest.approx(np.mean(dealt))
    exact = np.mean(np.array(dealt) >= 2 / 3 - 1e-12)
    assert found.stability_p[0] == pytest.approx(exact, abs=0.06)


def test_reliability_of_a_mixture_is_the_share_with_an_attitude() -> None:
    """Two answers agree beyond chance for those with attitudes alone (Converse's model), halves alike."""
    rng = np.random.default_rng(0)
    voters, share = 20_000, 0.3
    first = rng.integers(0, 2, voters)
    second = np.where(rng.random(voters) < share, first, rng.integers(0, 2, voters))
    found = attitude_screen(
        ["q"] * (2 * voters), np.tile(np.arange(voters), 2), np.concatenate([first, second]), permutations=20
    )
    assert found.reliability[0] == pytest.approx(share, abs=0.03)


def test_rates_are_kept() -> None:
    """Coins, with a loaded marginal, asked twice in random orders: 5 in 100 tests of each kind err, give or take."""
    rng = np.random.default_rng(1)
    stable, order = 0, 0
    for _ in range(200):
        found = attitude_screen(
            ["q"] * 60, np.tile(np.arange(30), 2), (rng.random(60) < 0.7).astype(int), order=rng.integers(0, 2, 60),
            permutations=99, rng=rng,
        )  # fmt: skip
        stable += found.stability_p[0] <= 0.05
        order += found.order_p[0] <= 0.05
    assert stable <= 20  # 10 expected; more than 20 with probability 0.001
    assert order <= 20


def test_order_effects_are_found_and_counted_by_hand() -> None:
    """Nine in ten take what is shown first; the repeat of a voter does not count."""
    answer, order = ["A"] * 9 + ["B"] + ["B"] * 9 + ["A"] + ["A"], ["AB"] * 10 + ["BA"] * 10 + ["AB"]
    found = attitude_screen(["q"] * 21, [*range(20), 10], answer, order=order)
    assert found.order_effect[0] == pytest.approx(0.8)
    assert found.order_bound == ("q",)


def test_several_questions_share_the_rate() -> None:
    """Holm: one clear effect among ten questions is named, and the adjusted p-values are at least the raw."""
    rng = np.random.default_rng(2)
    question, voter = np.repeat(np.arange(10), 40), np.tile(np.arange(40), 10)
    order = rng.integers(0, 2, 400)
    answer = np.where(question == 3, order, rng.integers(0, 2, 400))
    found = attitude_screen(question, voter, answer, order=order)
    alone = [
        attitude_screen(
            question[question == q], voter[question == q], answer[question == q], order=order[question == q]
        )
        for q in range(10)
    ]
    assert found.order_bound == (3,)
    assert found.order_p[3] == pytest.approx(10 * alone[3].order_p[0])
    assert np.isnan(found.stability).all()
    assert found.unproven == ()


def test_answers_that_are_all_alike_tell_nothing() -> None:
    found = attitude_screen(["q"] * 4, ["a", "a", "b", "b"], ["yes"] * 4)
    assert found.stability[0] == found.chance[0] == 1.0
    assert np.isnan(found.reliability[0])
    assert found.stability_p[0] == 1.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"voter": ["a"]}, "voter: needed 2 entries, one an answer, got 1"),
        ({"order": ["a"]}, "order: needed 2 entries, one an answer, got 1"),
        ({"rate": 1e-4}, "rate: needed a number from 1/.1 . permutations. to below 1, got 0.0001"),
        ({"answer": ["x", None]}, "answer: 1 of 2 labels are missing"),
    ],
)
def test_bad_input(change: dict[str, object], says: str) -> None:
    good: dict[str, object] = {"question": ["q", "q"], "voter": ["a", "b"], "answer": ["x", "y"]}
    with pytest.raises(ValueError, match=says):
        attitude_screen(**{**good, **change})  # type: ignore[arg-type]
