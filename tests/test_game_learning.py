"""Learning in preference games: the updates by the book, and what their theorems promise on drawn games."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from choicekit.alignment import game_learning as learning
from choicekit.alignment.distances import kl
from choicekit.alignment.game_learning import Trajectory, comal, extragradient, inpo, mirror_descent, nash_md
from choicekit.alignment.games import equilibrium, exploitability, regularised_equilibrium

Array = np.ndarray
GAME = np.array([[0.5, 0.1, 0.8], [0.9, 0.5, 0.1], [0.2, 0.9, 0.5]])
EQUILIBRIUM = np.array([4, 3, 4]) / 11
START = np.array([0.2, 0.5, 0.3])


def drawn(rng: np.random.Generator, size: int, *lead: int) -> Array:
    upper = rng.uniform(0.02, 0.98, (*lead, size, size))
    above = np.triu(np.ones((size, size)), 1) > 0
    return np.asarray(np.where(above, upper, 0) + np.swapaxes(np.where(above, 1 - upper, 0), -1, -2) + np.eye(size) / 2)


def instances(count: int, seed: int) -> list[Any]:
    """Games, references and penalties."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(count):
        size = int(rng.integers(2, 7))
        found.append(
            pytest.param(drawn(rng, size), rng.dirichlet(np.ones(size)), float(np.exp(rng.uniform(-3, 0.7))), id=str(k))
        )
    return found


# --- The updates, by the book ---------------------------------------------------------------------------------------


def product(*factors: list[float]) -> list[float]:
    raw = [math.prod(each) for each in zip(*factors, strict=True)]
    return [x / sum(raw) for x in raw]


def powers(policy: list[float], exponent: float) -> list[float]:
    return [x**exponent for x in policy]


def pulled(game: Array, policy: list[float], rate: float) -> list[float]:
    return [math.exp(rate * sum(p * q for p, q in zip(row, policy, strict=True))) for row in game.tolist()]


def plain(game: Array, policy: list[float], reference: list[float], tau: float, rate: float) -> list[float]:
    return product(powers(policy, 1 - rate * tau), powers(reference, rate * tau), pulled(game, policy, rate))


def mixed(game: Array, policy: list[float], reference: list[float], tau: float, rate: float) -> list[float]:
    mixture = product(powers(policy, 1 - rate * tau), powers(reference, rate * tau))
    return product(mixture, pulled(game, mixture, rate))


def twice(game: Array, policy: list[float], reference: list[float], tau: float, rate: float) -> list[float]:
    half = plain(game, policy, reference, tau, rate)
    return product(powers(policy, 1 - rate * tau), powers(reference, rate * tau), pulled(game, half, rate))


METHODS: list[tuple[Callable[..., Trajectory], Callable[..., list[float]]]] = [
    (mirror_descent, plain), (nash_md, mixed), (extragradient, twice),
]  # fmt: skip


@pytest.mark.parametrize(("game", "reference", "tau"), instances(8, 1))
@pytest.mark.parametrize(("method", "step"), METHODS, ids=lambda it: getattr(it, "__name__", ""))
def test_updates_against_loops_over_lists(
    method: Callable[..., Trajectory], step: Callable[..., list[float]], game: Array, reference: Array, tau: float
) -> None:
    rates = np.random.default_rng(0).uniform(0.05, 1, 12) / max(1, tau)
    start = np.random.default_rng(1).dirichlet(np.ones(len(game)))
    aim = np.random.default_rng(2).dirichlet(np.ones(len(game)))
    found = method(game, reference, tau, steps=12, learning_rate=rates, start=start, target=aim)
    policies = [start.tolist()]
    for rate in rates:
        policies.append(step(game, policies[-1], reference.tolist(), tau, float(rate)))
    path = np.array(policies)
    np.testing.assert_allclose(found.policy.probabilities, path[-1], atol=1e-12)
    np.testing.assert_allclose(found.average.probabilities, path[:-1].mean(0), atol=1e-12)
    np.testing.assert_allclose(found.exploitability, exploitability(path, game), atol=1e-12)
    np.testing.assert_allclose(found.gap, exploitability(path, game, reference=reference, tau=tau), atol=1e-11)
    np.testing.assert_allclose(found.divergence, kl(aim, path), atol=1e-11)
    assert found.iterations == 12


def test_inpo_is_mirror_descent_with_the_inverse_step() -> None:
    one = inpo(GAME, START, 0.1, eta=4.0, steps=30, target=EQUILIBRIUM)
    other = mirror_descent(GAME, START, 0.1, learning_rate=0.25, steps=30, target=EQUILIBRIUM)
    np.testing.assert_array_equal(one.policy.probabilities, other.policy.probabilities)
    step = product(powers([0.2, 0.5, 0.3], 1.0), pulled(GAME, [0.2, 0.5, 0.3], 0.25))
    np.testing.assert_allclose(inpo(GAME, START, 0.1, eta=4.0, steps=1).policy.probabilities, step, atol=1e-14)


def test_a_batch_of_contexts_is_one_by_one_and_records_every_so_often() -> None:
    rng = np.random.default_rng(5)
    games, references = drawn(rng, 4, 2, 3), rng.dirichlet(np.ones(4), (2, 3))
    aims = equilibrium(games).policy.probabilities
    for method in (mirror_descent, nash_md, inpo, extragradient):
        found = method(games, references, 0.2, steps=20, every=5, target=aims)
        assert found.gap.shape == found.exploitability.shape == (5, 2, 3)
        assert found.converged.shape == (2, 3)
        for x in np.ndindex(2, 3):
            alone = method(games[x], references[x], 0.2, steps=20, target=aims[x])
            np.testing.assert_allclose(found.policy.probabilities[x], alone.policy.probabilities, atol=1e-14)
            np.testing.assert_allclose(found.gap[(slice(None), *x)], alone.gap[::5], atol=1e-14)
            assert found.divergence is not None
            assert alone.divergence is not None
            np.testing.assert_allclose(found.divergence[(slice(None), *x)], alone.divergence[::5], atol=1e-12)
    many = comal(games, references, 0.2, rounds=3, steps=10, target=aims)
    assert many.divergence is not None
    assert many.divergence.shape == many.gap.shape == (4, 2, 3)
    alone = comal(games[1, 2], references[1, 2], 0.2, rounds=3, steps=10, target=aims[1, 2])
    np.testing.assert_allclose(many.policy.probabilities[1, 2], alone.policy.probabilities, atol=1e-14)
    np.testing.assert_allclose(many.average.probabilities[1, 2], alone.average.probabilities, atol=1e-14)


def test_what_is_not_available_stays_so() -> None:
    for method in (mirror_descent, nash_md, inpo, extragradient, comal):
        found = method(GAME, [0.5, 0.5, 0], 0.1, steps=50)
        assert found.policy.probabilities[2] == 0
        assert np.isfinite(found.gap).all()
        assert found.policy.probabilities[1] > 0.9


# --- What the theorems promise ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("game", "reference", "tau"), instances(25, 2))
def test_nash_md_keeps_its_recursion_and_its_rate(game: Array, reference: Array, tau: float) -> None:
    aim = regularised_equilibrium(game, reference, tau)
    steps = np.arange(600)
    decaying, constant = 2 / (tau * (steps + 2)), np.full(600, 0.3 * min(1.0, 1 / tau))
    for rates in (decaying, constant):
        found = nash_md(game, reference, tau, steps=600, learning_rate=rates, target=aim)
        away = found.divergence
        assert away is not None
        assert (away[1:] <= (1 - rates * tau) * away[:-1] + 2 * rates**2 + 1e-10).all()
    away = nash_md(game, reference, tau, steps=600, target=aim).divergence
    assert away is not None
    assert (away[1:] <= 8 / (tau**2 * (np.arange(600) + 2)) + 1e-10).all()


def test_nash_md_on_the_cyclic_game() -> None:
    aim = regularised_equilibrium(GAME, START, 0.5)
    away = nash_md(GAME, START, 0.5, steps=2000, target=aim).divergence
    assert away is not None
    assert (away[1:] <= 8 / (0.25 * (np.arange(2000) + 2)) + 1e-12).all()
    assert away[-1] < 1e-3


@pytest.mark.parametrize(("game", "reference", "tau"), instances(25, 3))
def test_extragradient_is_linear_in_the_last_iterate(game: Array, reference: Array, tau: float) -> None:
    aim = regularised_equilibrium(game, reference, tau)
    for rate in (1 / (tau + 0.5), 0.3 / (tau + 0.5)):
        found = extragradient(game, reference, tau, steps=400, learning_rate=rate, target=aim)
        away = found.divergence
        assert away is not None
        assert (away <= (1 - rate * tau) ** np.arange(401) * away[0] + 1e-9).all()
    assert extragradient(game, reference, tau, steps=3000).converged


@pytest.mark.parametrize(("game", "reference", "tau"), instances(25, 4))
def test_regularised_mirror_descent_has_the_inner_rate(game: Array, reference: Array, tau: float) -> None:
    aim = regularised_equilibrium(game, reference, tau)
    rate = tau / (tau**2 + 0.5)
    for eta in (rate, 0.3 * rate):
        away = mirror_descent(game, reference, tau, steps=400, learning_rate=eta, target=aim).divergence
        assert away is not None
        assert (away[1:] <= (1 - eta * tau / 2) ** np.arange(400) * away[0] + 1e-9).all()


@pytest.mark.parametrize(("game", "reference", "tau"), instances(12, 5))
def test_inpo_comes_to_the_regularised_equilibrium(game: Array, reference: Array, tau: float) -> None:
    eta = (tau**2 + 0.5) / tau
    found = inpo(game, reference, tau, eta=eta, steps=int(60 * eta / tau) + 100)
    assert found.converged
    aim = regularised_equilibrium(game, reference, tau).probabilities
    np.testing.assert_allclose(found.policy.probabilities, aim, atol=1e-3)
    assert kl(aim, found.policy.probabilities) <= 1e-7


@pytest.mark.parametrize(("game", "reference", "tau"), instances(20, 6))
def test_the_average_of_multiplicative_weights(game: Array, reference: Array, tau: float) -> None:
    """Exploitability ≤ log m/(ηT) + η/8 from a uniform start; log 1/min π_0 from another."""
    del tau
    for start, width in ((None, math.log(len(game))), (reference, -math.log(reference.min()))):
        for rate, steps in ((0.5, 300), (0.05, 2000)):
            found = mirror_descent(game, start, steps=steps, learning_rate=rate)
            assert exploitability(found.average, game) <= width / (rate * steps) + rate / 8 + 1e-12


def test_the_last_iterate_of_multiplicative_weights_moves_away() -> None:
    """KL(π*‖π) never falls where π* has full support, as in cycles of three."""
    rng = np.random.default_rng(7)
    for _ in range(20):
        ab, bc, ca = rng.uniform(0.55, 0.95, 3)
        game = np.array([[0.5, ab, 1 - ca], [1 - ab, 0.5, bc], [ca, 1 - bc, 0.5]])
        aim = equilibrium(game).policy
        found = mirror_descent(game, rng.dirichlet(np.ones(3)), steps=1500, learning_rate=0.3, target=aim)
        assert found.divergence is not None
        assert (np.diff(found.divergence) >= -1e-10).all()
        assert found.divergence[-1] > found.divergence[0]
        assert not found.converged
        assert exploitability(found.average, game) < 0.2 * found.exploitability[-1]


@pytest.mark.parametrize(("game", "reference", "tau"), instances(12, 8))
def test_comal_never_moves_away(game: Array, reference: Array, tau: float) -> None:
    """KL(π*‖π) never rises; the mean of k exact rounds has exploitability of at most τ·log(1/min π_0)/k."""
    aim = equilibrium(game).policy.probabilities
    tau = max(tau, 0.1)
    rate = tau / (tau**2 + 0.5)
    found = comal(game, reference, tau, rounds=25, steps=int(80 / (rate * tau)), learning_rate=rate, target=aim)
    assert found.divergence is not None
    assert (np.diff(found.divergence) <= 1e-9).all()
    exact = [reference]
    for _ in range(25):
        exact.append(regularised_equilibrium(game, exact[-1], tau).probabilities)
    assert (np.diff(kl(aim, np.array(exact))) <= 1e-9).all()
    np.testing.assert_allclose(found.policy.probabilities, exact[-1], atol=1e-4)
    np.testing.assert_allclose(found.average.probabilities, np.mean(exact[:-1], 0), atol=1e-4)
    for k in (1, 5, 25):
        assert exploitability(np.mean(exact[1 : k + 1], 0), game) <= -tau * math.log(reference.min()) / k + 1e-9


def test_comal_arrives_on_drawn_games() -> None:
    rng = np.random.default_rng(9)
    games = drawn(rng, 4, 30)
    found = comal(games, rng.dirichlet(np.full(4, 5.0), 30), 0.1, rounds=150)
    assert (found.exploitability[-1] <= np.maximum(1e-8, 1e-2 * found.exploitability[0])).all()
    assert np.median(found.exploitability[-1]) <= 1e-8


def test_comal_on_the_published_game() -> None:
    found = comal(GAME, START, 0.1, target=EQUILIBRIUM)
    np.testing.assert_allclose(found.policy.probabilities, EQUILIBRIUM, atol=1e-11)
    assert found.exploitability[-1] <= 1e-11
    assert found.converged
    assert found.divergence is not None
    assert (np.diff(found.divergence) <= 1e-14).all()
    assert found.divergence[10] <= 1e-7
    assert found.iterations == 40 * 400
    biased = mirror_descent(GAME, START, 0.1, steps=3000)
    np.testing.assert_allclose(biased.policy.probabilities, [0.274917, 0.279723, 0.445360], atol=1e-6)
    assert biased.exploitability[-1] == pytest.approx(0.0294, abs=5e-5)
    cycling = mirror_descent(GAME, START, steps=3000)
    assert cycling.exploitability[-1] == pytest.approx(0.339, abs=5e-4)
    assert exploitability(cycling.average, GAME) == pytest.approx(0.0042, abs=1e-4)


def test_extragradient_without_penalty_comes_to_the_equilibrium() -> None:
    found = extragradient(GAME, START, 0.0, steps=4000, target=EQUILIBRIUM)
    assert found.converged
    assert found.divergence is not None
    assert (np.diff(found.divergence) <= 1e-12).all()


# --- What is refused ----------------------------------------------------------------------------------------------


def test_mistakes_are_refused() -> None:
    for method in (nash_md, inpo, comal):
        with pytest.raises(ValueError, match="tau"):
            method(GAME, START, 0.0)
    with pytest.raises(ValueError, match="tau"):
        extragradient(GAME, START, -1.0)
    with pytest.raises(ValueError, match="at most 1/τ"):
        mirror_descent(GAME, START, 2.0, learning_rate=0.6)
    with pytest.raises(ValueError, match="at most 1/τ"):
        inpo(GAME, START, 0.5, eta=0.4)
    with pytest.raises(ValueError, match="eta"):
        inpo(GAME, START, 0.5, eta=0.0)
    for rates in (0.0, [0.1, 0.2], np.nan):
        with pytest.raises(ValueError, match="learning_rate"):
            mirror_descent(GAME, steps=3, learning_rate=rates)
    with pytest.raises(ValueError, match="start"):
        mirror_descent(GAME, start=[0.5, 0.5, 0.0])
    with pytest.raises(ValueError, match="divisor"):
        mirror_descent(GAME, steps=10, every=3)
    with pytest.raises(ValueError, match="target"):
        nash_md(GAME, target=[0.5, 0.5])
    with pytest.raises(ValueError, match="rounds"):
        comal(GAME, rounds=0)
    with pytest.raises(ValueError, match=r"P \+ Pᵀ"):
        learning.mirror_descent([[0.5, 0.6], [0.6, 0.5]])
