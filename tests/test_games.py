"""Preference games: equilibria by their certificates, by hand and beside linear programmes and rules."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import choicekit as ck
from choicekit import rules
from choicekit.alignment import _games as inside
from choicekit.alignment.games import (
    equilibrium,
    exploitability,
    game_value,
    matrix_game,
    psi_conditions,
    psi_game,
    regularised_equilibrium,
)
from choicekit.alignment.policies import maximal_lottery_policy, preferences
from choicekit.outcomes import NotConverged, Policy
from choicekit.solvers import linear_program

Array = np.ndarray
CYCLE = np.array([[0.5, 0.1, 0.8], [0.9, 0.5, 0.1], [0.2, 0.9, 0.5]])


def drawn(rng: np.random.Generator, size: int, *lead: int, ties: bool = False) -> Array:
    """P with entries of 0.02 to 0.98; with ties from a few values."""
    upper = rng.choice([0.2, 0.5, 0.8], (*lead, size, size)) if ties else rng.uniform(0.02, 0.98, (*lead, size, size))
    above = np.triu(np.ones((size, size)), 1) > 0
    low = np.swapaxes(np.where(above, 1 - upper, 0), -1, -2)
    return np.asarray(np.where(above, upper, 0) + low + 0.5 * np.eye(size))


@st.composite
def games(draw: st.DrawFn) -> Array:
    return drawn(np.random.default_rng(draw(st.integers(0, 10**6))), draw(st.integers(2, 7)), ties=draw(st.booleans()))


def odd_margins(rng: np.random.Generator, size: int) -> Array:
    """Shares of 99 ballots, so that no margin is 0 and all are odd."""
    votes = np.triu(rng.integers(0, 100, (size, size)), 1)
    return np.where(np.triu(np.ones((size, size)), 1) > 0, votes / 99, (1 - votes / 99).T) * (1 - np.eye(size)) + (
        0.5 * np.eye(size)
    )


# --- Exploitability -----------------------------------------------------------------------------------------------


@given(games(), st.integers(0, 100))
def test_exploitability_is_the_best_answer_by_the_book(game: Array, seed: int) -> None:
    policy = np.random.default_rng(seed).dirichlet(np.ones(len(game)))
    wins = [sum(game[a][b] * policy[b] for b in range(len(game))) for a in range(len(game))]
    found = exploitability(policy, game)
    assert found >= 0
    assert math.isclose(found, max(wins) - 0.5, abs_tol=1e-12)


@given(games(), st.integers(0, 100), st.sampled_from([0.02, 0.3, 2.0]))
def test_regularised_exploitability_is_the_best_answer_of_many(game: Array, seed: int, tau: float) -> None:
    rng = np.random.default_rng(seed)
    policy, reference = rng.dirichlet(np.ones(len(game))), rng.dirichlet(np.ones(len(game)))

    def payoff(mine: Array) -> float:
        price = sum(a * math.log(a / b) for a, b in zip(mine, reference, strict=True) if a > 0)
        own = sum(a * math.log(a / b) for a, b in zip(policy, reference, strict=True) if a > 0)
        return float(mine @ game @ policy) - tau * price + tau * own - 0.5

    best = reference * np.exp((game @ policy - 1) / tau)
    found = exploitability(policy, game, reference=reference, tau=tau)
    assert math.isclose(found, payoff(best / best.sum()), abs_tol=1e-9)
    assert all(payoff(rng.dirichlet(np.ones(len(game)))) <= found + 1e-9 for _ in range(20))
    assert exploitability(policy, game, reference=reference, tau=1e-7) <= exploitability(policy, game) + 1e-5


def test_an_alternative_that_is_not_available_cannot_answer() -> None:
    game = np.array([[0.5, 0.5, 0.1], [0.5, 0.5, 0.1], [0.9, 0.9, 0.5]])
    assert exploitability([1, 0, 0], game) == pytest.approx(0.4)
    assert exploitability([1, 0, 0], game, reference=[0.5, 0.5, 0]) == 0
    assert exploitability([0, 0, 1], game, reference=[0.5, 0.5, 0], tau=0.1) == np.inf


# --- Equilibria ---------------------------------------------------------------------------------------------------


@given(games())
def test_an_equilibrium_is_the_maximal_lottery(game: Array) -> None:
    found = equilibrium(game)
    policy = found.policy.probabilities
    assert policy.sum() == pytest.approx(1, abs=1e-12)
    assert (policy >= 0).all()
    assert found.exploitability <= 1e-9
    assert (game @ policy).max() <= 0.5 + 1e-9
    lottery = rules.maximal_lottery(ck.Margins(game - game.T))
    np.testing.assert_allclose(policy, lottery.probabilities, atol=1e-9)
    assert bool(found.unique) == lottery.unique


@given(games())
def test_support_lies_in_the_smith_set_and_condorcet_winners_are_sure(game: Array) -> None:
    policy = equilibrium(game).policy.probabilities
    margins = ck.Margins(game - game.T)
    assert set(np.flatnonzero(policy > 1e-9)) <= set(rules.smith(margins).winners)
    if margins.condorcet_winner is not None:
        assert policy[margins.condorcet_winner] == 1


@given(st.floats(0.51, 0.99), st.floats(0.51, 0.99), st.floats(0.51, 0.99))
def test_a_cycle_of_three_in_closed_form(ab: float, bc: float, ca: float) -> None:
    game = np.array([[0.5, ab, 1 - ca], [1 - ab, 0.5, bc], [ca, 1 - bc, 0.5]])
    expected = np.array([bc, ca, ab]) - 0.5
    np.testing.assert_allclose(equilibrium(game).policy.probabilities, expected / expected.sum(), atol=1e-9)


def test_ballots_of_a_condorcet_cycle() -> None:
    """Of 123, 231 and 312 each gets the margin between the other two: (1 − 2w₃, 1 − 2w₁, 1 − 2w₂), of sum 1."""
    for weights in ((0.3, 0.3, 0.4), (0.45, 0.2, 0.35), ((1 - 0.1) / 3, (1 - 0.1) / 3, (1 + 0.2) / 3)):
        ballots = [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
        game = np.full((3, 3), 0.0) + 0.5 * np.eye(3)
        for weight, order in zip(weights, ballots, strict=True):
            for i in range(3):
                for j in range(i + 1, 3):
                    game[order[i], order[j]] += weight
        expected = 1 - 2 * np.array([weights[2], weights[0], weights[1]])
        np.testing.assert_allclose(equilibrium(game).policy.probabilities, expected, atol=1e-9)
        assert equilibrium(game).exploitability <= 1e-12


@pytest.mark.parametrize(
    ("ballots", "answer"),
    [
        ({"rgb": 2, "brg": 3}, {"b": 1.0}),
        ({"rb": 2, "br": 3}, {"b": 1.0}),
        ({"rgb": 1, "gbr": 1, "brg": 1}, {"r": 1 / 3, "g": 1 / 3, "b": 1 / 3}),
    ],
    ids=["majority, and with an irrelevant alternative", "two alternatives", "cyclic"],
)
def test_populations_of_colours(ballots: dict[str, int], answer: dict[str, float]) -> None:
    """The four populations of the maximal-lottery experiments of 2025, two of which are the same ballots."""
    votes = ck.Rankings.from_orders(ballots)
    margins = votes.to_margins()
    game = 0.5 + margins.values / (2 * sum(ballots.values()))
    found = dict(zip(margins.alternatives, equilibrium(game).policy.probabilities, strict=True))
    assert found == pytest.approx({label: answer.get(label, 0.0) for label in margins.alternatives}, abs=1e-12)


def test_a_batch_is_one_by_one() -> None:
    rng = np.random.default_rng(3)
    many = drawn(rng, 5, 2, 7)
    found = equilibrium(many)
    assert found.policy.probabilities.shape == (2, 7, 5)
    assert found.unique.shape == found.exploitability.shape == (2, 7)
    for x in np.ndindex(2, 7):
        np.testing.assert_allclose(found.policy.probabilities[x], equilibrium(many[x]).policy.probabilities, atol=1e-12)


# --- Large games --------------------------------------------------------------------------------------------------


def clones(rng: np.random.Generator, size: int) -> Array:
    """Four alternatives of a kind that tie among themselves, so that there are many equilibria."""
    return np.asarray(np.kron(odd_margins(rng, size // 4) - 0.5, np.ones((4, 4))) + 0.5)


def noisy(rng: np.random.Generator, size: int) -> Array:
    """Bradley–Terry with noise of its own on the log-odds of each pair."""
    scores, noise = rng.normal(size=size), np.triu(rng.normal(size=(size, size)), 1)
    return np.asarray(1 / (1 + np.exp(-(scores[:, None] - scores + noise - noise.T))))


def few_voters(rng: np.random.Generator, size: int) -> Array:
    """Shares of an even number of voters, with many ties."""
    rewards = rng.normal(size=(6, size))
    return np.asarray((0.5 + 0.5 * np.sign(rewards[:, :, None] - rewards[:, None, :])).mean(0))


def majorities(rng: np.random.Generator, size: int) -> Array:
    return np.asarray(0.5 + 0.5 * np.sign(odd_margins(rng, size) - 0.5))


KINDS: list[Callable[[np.random.Generator, int], Array]] = [odd_margins, noisy, clones, few_voters, majorities]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_interior_point_method_agrees_with_the_simplex_method(
    kind: Callable[[np.random.Generator, int], Array], seed: int
) -> None:
    game = kind(np.random.default_rng(seed), 60)
    margins = (game - game.T)[None]
    scaled = margins[0] / np.abs(margins).max()
    strategy, unique = inside.large(scaled)
    assert (strategy @ scaled).min() >= -1e-12
    lottery = rules.maximal_lottery(ck.Margins(margins[0]))
    assert unique == lottery.unique
    np.testing.assert_allclose(strategy, lottery.probabilities, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_several_hundred_responses(kind: Callable[[np.random.Generator, int], Array]) -> None:
    game = kind(np.random.default_rng(5), 400)
    found = equilibrium(game)
    assert found.exploitability <= 1e-12
    assert (found.policy.probabilities >= 0).all()
    assert bool(found.unique) == (kind not in (clones, few_voters))
    if kind is clones:
        shares = found.policy.probabilities.reshape(-1, 4)
        np.testing.assert_allclose(shares, np.repeat(shares[:, :1], 4, 1), atol=1e-9)  # the largest entropy


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_two_thousand_responses(kind: Callable[[np.random.Generator, int], Array]) -> None:
    assert equilibrium(kind(np.random.default_rng(0), 2000)).exploitability <= 1e-12


# --- Regularised equilibria ---------------------------------------------------------------------------------------


@given(games(), st.integers(0, 100), st.sampled_from([0.02, 0.1, 1.0, 10.0]))
def test_the_regularised_equilibrium_meets_its_equation(game: Array, seed: int, tau: float) -> None:
    reference = np.random.default_rng(seed).dirichlet(np.ones(len(game)) * 2)
    policy = regularised_equilibrium(game, reference, tau)
    answer = np.log(reference) + game @ policy.probabilities / tau
    answer = np.exp(answer - answer.max())
    np.testing.assert_allclose(policy.probabilities, answer / answer.sum(), atol=1e-8)
    assert exploitability(policy, game, reference=reference, tau=tau) <= 1e-9


def test_payoffs_of_four_times_the_share_have_four_times_the_weight() -> None:
    rng = np.random.default_rng(0)
    rewards, reference = rng.normal(size=(5, 3, 4)), rng.dirichlet(np.ones(4))
    mine = regularised_equilibrium(preferences(rewards), reference, 0.05).probabilities
    theirs = maximal_lottery_policy(rewards, reference, 4 * 0.05).probabilities
    np.testing.assert_allclose(mine, theirs, atol=1e-9)


def test_between_reference_and_equilibrium() -> None:
    reference = np.array([0.2, 0.5, 0.3])
    np.testing.assert_allclose(regularised_equilibrium(CYCLE, reference, 1e4).probabilities, reference, atol=1e-4)
    near = regularised_equilibrium(CYCLE, reference, 1e-3).probabilities
    np.testing.assert_allclose(near, np.array([4, 3, 4]) / 11, atol=2e-3)
    some = regularised_equilibrium(CYCLE, reference, 0.1)
    np.testing.assert_allclose(some.probabilities, [0.274917, 0.279723, 0.445360], atol=1e-6)
    assert exploitability(some, CYCLE) == pytest.approx(0.0294, abs=5e-5)


def test_what_the_reference_rules_out_is_never_played() -> None:
    found = regularised_equilibrium(CYCLE, [0.5, 0.5, 0], 0.1).probabilities
    assert found[2] == 0
    assert found[1] > 0.5


# --- Matrix games and Ψ ----------------------------------------------------------------------------------------------


def by_programme(payoffs: Array) -> float:
    rows, columns = payoffs.shape
    found = linear_program(
        np.append(np.zeros(rows), -1.0),
        at_most=(np.hstack([-payoffs.T, np.ones((columns, 1))]), np.zeros(columns)),
        equal=(np.append(np.ones(rows), 0.0)[None], np.ones(1)),
        bounds=[(0, None)] * rows + [(None, None)],
    )
    return float(found[-1])


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (5, 2), (4, 4), (7, 6)])
def test_matrix_games_against_a_linear_programme(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    whole = rng.integers(-3, 4, (20, *shape)).astype(float)  # degenerate
    for payoffs in (100 * rng.normal(size=(20, *shape)) + 1000, whole, np.ones((1, *shape))):
        found = matrix_game(payoffs)
        assert (found.duality_gap <= 1e-9 * np.ptp(payoffs)).all()
        np.testing.assert_allclose(found.rows.sum(-1), 1, atol=1e-12)
        np.testing.assert_allclose(found.columns.sum(-1), 1, atol=1e-12)
        for k, game in enumerate(payoffs):
            scale = max(1.0, np.abs(game).max())
            assert found.value[k] == pytest.approx(by_programme(game), abs=1e-8 * scale)
            assert (found.rows[k] @ game).min() == pytest.approx(found.value[k], abs=1e-9 * scale)
            assert (game @ found.columns[k]).max() <= found.value[k] + found.duality_gap[k] + 1e-9 * scale


@given(games())
def test_every_preference_game_is_worth_one_half(game: Array) -> None:
    assert game_value(game) == pytest.approx(0.5, abs=1e-9)


def log_odds(t: Array) -> Array:
    return np.asarray(np.log(t / (1 - t)))


@given(games())
def test_symmetric_payoffs_stay_in_the_smith_set(game: Array) -> None:
    smith = set(rules.smith(ck.Margins(game - game.T)).winners)
    for psi in (lambda t: t, log_odds, lambda t: np.sign(t - 0.5)):
        found = psi_game(game, psi)
        assert found.symmetric
        assert found.duality_gap <= 1e-8
        assert set(np.flatnonzero(found.policy.probabilities > 1e-7)) <= smith
    np.testing.assert_allclose(
        psi_game(game, lambda t: t).policy.probabilities, equilibrium(game).policy.probabilities, atol=1e-9
    )


@given(games(), st.sampled_from([np.sqrt, lambda t: t**3]))
def test_payoffs_that_are_not_symmetric_are_played_safely(game: Array, psi: Callable[[Array], Array]) -> None:
    found = psi_game(game, psi)
    payoffs = psi(game)
    assert (found.policy.probabilities @ payoffs).min() == pytest.approx(by_programme(payoffs), abs=1e-8)
    assert (payoffs @ found.opponent).max() <= found.value + found.duality_gap + 1e-9
    winner = ck.Margins(game - game.T).condorcet_winner
    if winner is not None:
        assert found.policy.probabilities[winner] == pytest.approx(1)


def test_the_square_root_leaves_the_smith_set() -> None:
    game = np.full((4, 4), 0.5)
    for a in range(3):
        game[a, (a + 1) % 3], game[(a + 1) % 3, a] = 0.99, 0.01
        game[a, 3], game[3, a] = 0.51, 0.49
    found = psi_game(game, np.sqrt)
    assert not found.symmetric
    np.testing.assert_allclose(found.policy.probabilities, [0, 0, 0, 1], atol=1e-12)
    assert found.value == pytest.approx(0.7)
    np.testing.assert_allclose(equilibrium(game).policy.probabilities, [1 / 3, 1 / 3, 1 / 3, 0], atol=1e-9)


def test_conditions_on_psi() -> None:
    def of(psi: Callable[[Array], Array]) -> tuple[bool, bool, bool]:
        found = psi_conditions(psi)
        return found.condorcet, found.mixes, found.smith

    assert of(lambda t: t) == of(log_odds) == of(lambda t: np.sign(t - 0.5)) == (True, True, True)
    assert of(np.sqrt) == (True, False, False)
    assert of(np.square) == (True, True, False)
    assert of(lambda t: (t - 0.5) ** 2) == of(lambda t: -t) == of(lambda t: 0 * t) == (False, False, False)
    away = psi_conditions(lambda t: np.where(t > 0.8, -1.0, t)).witnesses["condorcet"]
    assert away > 0.8


# --- What is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("game", "says"),
    [
        ([[0.5, 0.7], [0.4, 0.5]], r"P\[0, 1\] \+ P\[1, 0\] = 1.1"),
        ([[0.0, 0.7], [0.3, 0.0]], "diagonal"),
        ([[0.5, 7], [3, 0.5]], "divide by how many"),
        ([[0.5, np.nan], [np.nan, 0.5]], "shares between 0 and 1"),
        ([0.5, 0.5], "square matrices"),
        ([[0.5, 0.5]], "square matrices"),
    ],
)
def test_what_is_no_preference_matrix_is_refused(game: list[list[float]], says: str) -> None:
    for ask in (equilibrium, regularised_equilibrium, lambda it: exploitability([1, 0], it)):
        with pytest.raises(ValueError, match=says):
            ask(game)


def test_other_mistakes_are_refused() -> None:
    for policy in ([0.5, 0.4, 0.0], [1.5, -0.5, 0], [0.5, 0.5]):
        with pytest.raises(ValueError, match="policy: "):
            exploitability(policy, CYCLE)
    with pytest.raises(ValueError, match="tau"):
        regularised_equilibrium(CYCLE, tau=0.0)
    with pytest.raises(ValueError, match="reference"):
        regularised_equilibrium(CYCLE, [0.5, 0.6, 0.2])
    with pytest.raises(ValueError, match="shape"):
        exploitability(np.full((2, 3), 1 / 3), np.stack([CYCLE] * 3))
    with pytest.raises(ValueError, match="payoffs"):
        matrix_game([[np.inf, 0.0]])
    with pytest.raises(ValueError, match="psi"):
        psi_game([[0.5, 1.0], [0.0, 0.5]], lambda t: np.where(t > 0, 1.0, -np.inf))
    with pytest.raises(ValueError, match="psi"):
        psi_conditions(lambda t: t[:1])
    with pytest.raises(ValueError, match="points"):
        psi_conditions(np.sqrt, points=2)
    with pytest.raises(NotConverged) as refusal:
        regularised_equilibrium(CYCLE, tau=0.1, tolerance=0.0)
    assert isinstance(refusal.value.partial, Policy)
