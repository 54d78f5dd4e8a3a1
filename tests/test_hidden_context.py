"""Pooled comparisons of hidden contexts: Borda's order, the worked line, and the score equations of the fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import choicekit as ck
from choicekit import models
from choicekit.alignment.hidden_context import hidden_context_order, population_rewards

Array = np.ndarray
NARROW = np.array([[0.5, 0.6, 0.6], [0.4, 0.5, 0.95], [0.4, 0.05, 0.5]])


def tables(count: int, seed: int, low: float = 0.02) -> list[Array]:
    """Drawn tables of preferences."""
    rng = np.random.default_rng(seed)
    found = []
    for draw in range(count):
        upper = np.triu(rng.uniform(low, 1 - low, (2 + draw % 6,) * 2), 1)
        found.append(upper + np.tril(1 - upper.T, -1) + 0.5 * np.eye(len(upper)))
    return found


def comparisons(chances: Array, often: Array) -> ck.Comparisons:
    pairs = [(a, b) for a in range(len(chances)) for b in range(len(chances)) if a != b and chances[a, b] * often[a, b]]
    return ck.Comparisons(*zip(*pairs, strict=True), weight=[(chances * often)[pair] for pair in pairs])


# --- The order of hidden contexts ---------------------------------------------------------------------------------


@given(
    arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(-3, 3).map(float)),
    st.sampled_from([0.0, 0.5, 2.0]),
)
def test_counts_by_the_book(utilities: Array, noise: float) -> None:
    weights = np.arange(1.0, len(utilities) + 1)
    share, size = weights / weights.sum(), utilities.shape[1]
    found = hidden_context_order(utilities, weights, noise=noise)
    for a in range(size):
        total = 0.0
        for b in range(size):
            chance = 0.0
            for q, own in zip(share, utilities, strict=True):
                if noise:
                    chance += q / (1 + np.exp((own[b] - own[a]) / noise))
                else:
                    chance += q * (1.0 if own[a] > own[b] else 0.5 if own[a] == own[b] else 0.0)
            assert found.preferences[a, b] == pytest.approx(chance, abs=1e-12)
            total += chance / size
        assert found.borda[a] == pytest.approx(total, abs=1e-12)
        assert found.expected[a] == pytest.approx(sum(share * utilities[:, a]), abs=1e-12)
    for a in range(size):
        for b in range(size):
            against = found.expected[a] > found.expected[b] + 1e-9 and found.borda[a] < found.borda[b] - 1e-9
            assert found.reversed[a, b] == against


def gamble_on_a_line(size: int, risky: float = 0.8) -> Array:
    """Utilities of midpoints of [0, 1]: a itself below ``risky``, above 2a or 0 by a coin that is independent for each
    pair of alternatives: the parities of the bits of z and j, for z = 0, …, 2^k − 1."""
    line = (np.arange(size) + 0.5) / size
    gambles = np.flatnonzero(line >= risky)
    bits = int(np.ceil(np.log2(len(gambles) + 1)))
    z = np.arange(2**bits)
    utilities = np.tile(line, (2**bits, 1))
    for j, a in enumerate(gambles, start=1):
        parity = np.array([bin(each & j).count("1") % 2 for each in z])
        utilities[:, a] = 2 * line[a] * parity
    return utilities


def test_borda_counts_of_the_line_whose_end_is_a_gamble() -> None:
    """By hand a + 0.1 below 0.8 and 0.475 + (a − 0.8)/4 above, though the mean utility is a everywhere."""
    size = 400
    line = (np.arange(size) + 0.5) / size
    found = hidden_context_order(gamble_on_a_line(size))
    np.testing.assert_allclose(found.expected, line, atol=1e-12)
    by_hand = np.where(line < 0.8, line + 0.1, 0.475 + (line - 0.8) / 4)
    np.testing.assert_allclose(found.borda, by_hand, atol=1e-12)
    # each gamble is ranked below all of (0.425, 0.8), which are worth less
    sure, gambles = (line > 0.425) & (line < 0.8), line >= 0.8
    assert found.reversed[np.ix_(gambles, sure)].all()
    assert not found.reversed[np.ix_(sure, gambles)].any()
    assert found.regret == pytest.approx(line[-1] - line[319])


def test_nothing_is_reversed_where_all_want_the_same() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        base = rng.normal(size=5)
        spread = np.exp(rng.normal(size=(4, 1)))
        found = hidden_context_order(base * spread + rng.normal(size=(4, 1)))
        assert found.reversed_share == 0
        assert found.regret == 0
        np.testing.assert_array_equal(np.argsort(found.borda), np.argsort(base))


def test_contexts_of_a_batch_are_one_by_one() -> None:
    utilities = np.random.default_rng(1).normal(size=(3, 2, 4, 5))
    weights = [1, 2, 3, 4]
    many = hidden_context_order(utilities, weights)
    for at in np.ndindex(3, 2):
        one = hidden_context_order(utilities[at], weights)
        np.testing.assert_allclose(many.borda[at], one.borda, atol=1e-14)
        np.testing.assert_array_equal(many.reversed[at], one.reversed)


def test_blocks_of_contexts_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from choicekit.alignment import hidden_context

    utilities, weights = np.random.default_rng(2).normal(size=(50, 4)), np.arange(50.0)
    whole = hidden_context_order(utilities, weights).preferences
    monkeypatch.setattr(hidden_context, "_BLOCK", 100)
    np.testing.assert_allclose(hidden_context_order(utilities, weights).preferences, whole, atol=1e-14)


@pytest.mark.parametrize("bad", [[1.0, 2.0], [[np.nan, 1.0]], np.zeros((0, 3))])
def test_bad_utilities(bad: Array) -> None:
    with pytest.raises(ValueError, match="utilities: needed finite numbers"):
        hidden_context_order(bad)


def test_bad_noise() -> None:
    with pytest.raises(ValueError, match="noise"):
        hidden_context_order([[1.0, 2.0]], noise=-1)


# --- Rewards fitted to a population -------------------------------------------------------------------------------


def test_the_fit_has_bordas_order_and_expects_as_many_wins_as_there_are() -> None:
    for chances in tables(200, 3):
        fitted = population_rewards(chances)
        np.testing.assert_array_equal(np.argsort(fitted), np.argsort(chances.sum(1)))
        expected = 1 / (1 + np.exp(fitted - fitted[:, None]))
        np.testing.assert_allclose(expected.sum(1), chances.sum(1), atol=1e-8)
        assert fitted.sum() == pytest.approx(0, abs=1e-9)


def test_pooled_hidden_contexts_are_fitted_in_bordas_order_not_that_of_mean_utility() -> None:
    rng = np.random.default_rng(4)
    against = 0
    for _ in range(60):
        utilities = rng.normal(size=(6, 4)) * np.exp(rng.normal(size=(6, 1)))
        found = hidden_context_order(utilities, noise=0.3)
        fitted = population_rewards(found.preferences)
        np.testing.assert_array_equal(np.argsort(fitted), np.argsort(found.borda))
        against += not np.array_equal(np.argsort(fitted), np.argsort(found.expected))
    assert against > 20


def test_the_worked_table() -> None:
    np.testing.assert_allclose(population_rewards(NARROW), [0.302, 0.525, -0.827], atol=5e-4)
    often = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 0.1], [1.0, 0.1, 1.0]])
    assert population_rewards(NARROW, often).argmax() == 0


def test_beside_the_fit_to_rows() -> None:
    rng = np.random.default_rng(5)
    for chances in tables(25, 6):
        size = len(chances)
        often = rng.integers(1, 20, (size, size)).astype(float)
        often += often.T
        rows = comparisons(chances, often)
        np.testing.assert_allclose(
            population_rewards(chances, often), models.bradley_terry(rows).scores, rtol=0, atol=1e-7
        )
        np.testing.assert_allclose(
            population_rewards(chances, often, prior=2.0),
            models.bradley_terry(rows, prior=2.0).scores,
            rtol=0,
            atol=1e-7,
        )


def test_a_model_that_holds_is_found_whatever_is_compared() -> None:
    rng = np.random.default_rng(7)
    for _ in range(40):
        rewards = rng.normal(0, 3, 5)
        chances = 1 / (1 + np.exp(rewards - rewards[:, None]))
        often = np.exp(rng.normal(0, 5, (5, 5)))
        found = population_rewards(chances, often + often.T)
        np.testing.assert_allclose(found, rewards - rewards.mean(), atol=1e-5)


def test_tables_of_a_batch_are_one_by_one() -> None:
    rng = np.random.default_rng(8)
    many = np.stack([table for table in tables(24, 9) if len(table) == 4])
    often = rng.uniform(0.1, 1, (4, 4))
    often += often.T
    for prior in (None, 1.0):
        together = population_rewards(many, often, prior=prior)
        for x, table in enumerate(many):
            np.testing.assert_allclose(together[x], population_rewards(table, often, prior=prior), atol=1e-12)


def test_a_chain_is_connected_and_a_missing_pair_is_not_guessed() -> None:
    chain = np.zeros((3, 3))
    chain[[0, 1, 1, 2], [1, 0, 2, 1]] = 1
    found = population_rewards([[0.5, 0.7, 0.01], [0.3, 0.5, 0.7], [0.99, 0.3, 0.5]], chain)
    np.testing.assert_allclose(np.diff(found), -np.log(7 / 3), atol=1e-8)


@pytest.mark.parametrize(
    ("chances", "often"),
    [
        ([[0.5, 1.0], [0.0, 0.5]], np.ones((2, 2))),
        (NARROW, np.diag([1.0, 1, 1])),
        (np.full((3, 3), 0.5), [[0, 1, 0], [1, 0, 0], [0, 0, 0]]),
    ],
)
def test_no_finite_fit(chances: Array, often: Array) -> None:
    with pytest.raises(ValueError, match="no finite rewards"):
        population_rewards(chances, often)
    assert np.isfinite(population_rewards(chances, often, prior=1.0)).all()


@pytest.mark.parametrize(
    ("chances", "options", "message"),
    [
        ([[0.5, 0.7], [0.7, 0.5]], {}, r"P\[0, 1\] \+ P\[1, 0\] = 1\.4"),
        ([[0.6, 0.7], [0.3, 0.4]], {}, r"P\[0, 0\] \+ P\[0, 0\] = 1\.2"),
        ([[0.5, 1.2], [-0.2, 0.5]], {}, "between 0 and 1"),
        ([0.5, 0.5], {}, "square"),
        (NARROW, {"sampling": [[0, 1], [1, 0]]}, "sampling: needed non-negative"),
        (NARROW, {"sampling": [[0, 1, 1], [2, 0, 1], [1, 1, 0]]}, "transpose"),
        (NARROW, {"prior": 1.0}, "sampling: needed with a prior"),
        (NARROW, {"prior": 0.0, "sampling": np.ones((3, 3))}, "prior"),
    ],
)
def test_bad_tables(chances: Array, options: dict[str, Array], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        population_rewards(chances, **options)


def test_it_says_when_it_did_not_converge() -> None:
    with pytest.raises(ck.NotConverged, match="score equations missed") as caught:
        population_rewards(NARROW, limit=2)
    assert caught.value.partial.shape == (3,)
