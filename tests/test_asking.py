"""The value of a question, against enumeration and the laws of information."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from choicekit.alignment.asking import belief_after, value_of_asking
from choicekit.alignment.policies import rlhf_policy

Array = np.ndarray
TWO = np.array([[1, 0, 0.6], [0, 1, 0.6]])


class Case:
    """Rewards [g, m], a belief, a reference, a table of answers and a β."""

    def __init__(self, rewards: Array, belief: Array, ground: Array, confusion: Array, beta: float | None) -> None:
        self.rewards, self.belief, self.ground, self.confusion, self.beta = rewards, belief, ground, confusion, beta

    def options(self) -> dict[str, Any]:
        return {"beta": self.beta, "reference": self.ground}

    def best(self, belief: Array) -> float:
        """By the book: the largest entry, or β·log Σ ρ·e^{r/β}."""
        mixed = [sum(b * r[a] for b, r in zip(belief, self.rewards, strict=True)) for a in range(self.rewards.shape[1])]
        able = [a for a, likely in enumerate(self.ground) if likely > 0]
        if self.beta is None:
            return max(mixed[a] for a in able)
        top = max(mixed[a] for a in able)
        return top + self.beta * math.log(sum(self.ground[a] * math.exp((mixed[a] - top) / self.beta) for a in able))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    groups, size, answers = draw(st.integers(1, 4)), draw(st.integers(2, 5)), draw(st.integers(1, 3))
    number = st.floats(-4, 4, allow_subnormal=False)
    share = st.floats(0.01, 1)
    rewards = draw(arrays(np.float64, (groups, size), elements=number))
    belief = draw(arrays(np.float64, groups, elements=share))
    ground = draw(arrays(np.float64, size, elements=share))
    if draw(st.booleans()):
        ground[draw(st.integers(0, size - 1))] = 0
    confusion = draw(arrays(np.float64, (groups, answers), elements=share))
    return Case(
        rewards, belief / belief.sum(), ground / ground.sum(), confusion / confusion.sum(1, keepdims=True),
        draw(st.sampled_from([None, 0.2, 1.0, 5.0])),
    )  # fmt: skip


@given(cases())
def test_values_by_the_book(case: Case) -> None:
    found = value_of_asking(case.rewards, case.belief, confusion=case.confusion, **case.options())
    assert found.mixture == pytest.approx(case.best(case.belief), abs=1e-8)
    unit = np.eye(len(case.belief))
    perfect = sum(b * case.best(unit[g]) for g, b in enumerate(case.belief))
    assert found.perfect == pytest.approx(perfect, abs=1e-8)
    answered = 0.0
    for s in range(case.confusion.shape[1]):
        joint = [b * case.confusion[g, s] for g, b in enumerate(case.belief)]
        answered += sum(joint) * case.best(np.array(joint) / sum(joint))
    assert found.answered == pytest.approx(answered, abs=1e-8)
    assert found.gain == pytest.approx(answered - case.best(case.belief), abs=1e-8)


@given(cases())
def test_information_never_hurts(case: Case) -> None:
    noisy = value_of_asking(case.rewards, case.belief, confusion=case.confusion, **case.options())
    assert noisy.majority <= noisy.mixture
    assert noisy.mixture <= noisy.answered
    assert noisy.answered <= noisy.perfect + 1e-9
    truthful = value_of_asking(case.rewards, case.belief, **case.options())
    assert truthful.answered == pytest.approx(noisy.perfect, abs=1e-9)


@given(cases(), st.floats(0, 1))
def test_garbling_an_answer_makes_it_worth_less(case: Case, noise: float) -> None:
    """Blackwell: passing the answer through more noise cannot help."""
    answers = case.confusion.shape[1]
    channel = (1 - noise) * np.eye(answers) + noise / answers
    clear = value_of_asking(case.rewards, case.belief, confusion=case.confusion, **case.options())
    dim = value_of_asking(case.rewards, case.belief, confusion=case.confusion @ channel, **case.options())
    assert dim.gain <= clear.gain + 1e-9


@given(cases())
def test_an_answer_that_says_nothing_or_changes_nothing_is_worth_nothing(case: Case) -> None:
    groups = len(case.belief)
    deaf = np.broadcast_to(case.confusion[0], case.confusion.shape)
    assert value_of_asking(case.rewards, case.belief, confusion=deaf, **case.options()).gain == pytest.approx(
        0, abs=1e-9
    )
    # groups that agree but for the zero of their rewards
    same = case.rewards[0] + np.arange(groups)[:, None]
    assert value_of_asking(same, case.belief, **case.options()).gain == pytest.approx(0, abs=1e-9)
    sure = np.eye(groups)[0]
    assert value_of_asking(case.rewards, sure, **case.options()).gain == pytest.approx(0, abs=1e-9)


@given(cases(), st.floats(0, 1))
def test_the_best_value_is_convex_and_the_gain_concave_in_the_belief(case: Case, part: float) -> None:
    other = np.roll(case.belief, 1) ** 2
    other /= other.sum()
    ends = [value_of_asking(case.rewards, belief, **case.options()) for belief in (case.belief, other)]
    middle = value_of_asking(case.rewards, part * case.belief + (1 - part) * other, **case.options())
    assert middle.mixture <= part * ends[0].mixture + (1 - part) * ends[1].mixture + 1e-9
    assert middle.gain >= part * ends[0].gain + (1 - part) * ends[1].gain - 1e-9


@given(cases())
def test_the_policy_attains_the_mixtures_value(case: Case) -> None:
    found = value_of_asking(case.rewards, case.belief, **case.options())
    policy = found.policy.probabilities
    worth = float(policy @ (case.belief @ case.rewards))
    if case.beta is not None:
        able = policy > 0
        worth -= case.beta * float((policy[able] * np.log(policy[able] / case.ground[able])).sum())
        expected = rlhf_policy(case.belief @ case.rewards, case.ground, case.beta).probabilities
        np.testing.assert_allclose(policy, expected, atol=1e-12)
    assert worth == pytest.approx(float(found.mixture), abs=1e-8)
    assert (policy[case.ground == 0] == 0).all()


@given(cases(), st.floats(0.001, 0.5))
def test_at_the_threshold_the_gain_is_the_cost(case: Case, cost: float) -> None:
    found = value_of_asking(case.rewards, case.belief, cost=cost, **case.options())
    sure = float(found.threshold())
    assert bool(found.ask) == (not math.isnan(sure))
    if found.ask:
        leader = int(case.belief.argmax())
        assert case.belief[leader] - 1e-12 <= sure <= 1
        rest = np.delete(np.arange(len(case.belief)), leader)
        moved = case.belief.copy()
        moved[rest] *= (1 - sure) / case.belief[rest].sum()
        moved[leader] = sure
        at = value_of_asking(case.rewards, moved, cost=cost, **case.options())
        assert at.gain == pytest.approx(cost, abs=1e-7)
        more = 0.5 * moved + 0.5 * np.eye(len(moved))[leader]
        assert not value_of_asking(case.rewards, more, cost=cost, **case.options()).ask


def test_worked_values() -> None:
    found = value_of_asking(TWO, [0.5, 0.5], cost=0.3)
    assert (found.mixture, found.majority, found.perfect) == (0.6, 0.5, 1.0)
    assert found.gain == pytest.approx(0.4)
    assert found.ask
    # at p ≥ 0.6 the leader's favourite is best and asking is worth 1 − p: 0.3 at 0.7
    assert found.threshold() == pytest.approx(0.7)
    assert not value_of_asking(TWO, [0.8, 0.2], cost=0.3).ask
    assert not value_of_asking([[1.0, 0.0], [2.0, 0.0]], [0.5, 0.5]).ask


def test_contexts_of_a_batch_are_one_by_one() -> None:
    rng = np.random.default_rng(0)
    rewards, belief = rng.normal(size=(4, 3, 3, 5)), rng.dirichlet(np.ones(3), (4, 3))
    confusion, cost = rng.dirichlet(np.ones(2), (4, 3, 3)), rng.uniform(0, 0.4, (4, 3))
    for beta in (None, 0.7):
        many = value_of_asking(rewards, belief, cost=cost, beta=beta, confusion=confusion)
        sure = many.threshold()
        for at in np.ndindex(4, 3):
            one = value_of_asking(rewards[at], belief[at], cost=cost[at], beta=beta, confusion=confusion[at])
            for name in ("mixture", "majority", "answered", "perfect", "gain", "ask"):
                assert getattr(many, name)[at] == pytest.approx(getattr(one, name), abs=1e-12), name
            np.testing.assert_allclose(sure[at], one.threshold(), atol=1e-9)
    beliefs = rng.dirichlet(np.ones(3), 7)
    shared = value_of_asking(rewards[0, 0], beliefs)  # one table for many users
    for x, each in enumerate(beliefs):
        assert shared.gain[x] == pytest.approx(value_of_asking(rewards[0, 0], each).gain)


def test_simulated_users_earn_what_was_expected() -> None:
    """Draw users, let them answer with errors, act on the posterior: the mean reward is ``answered`` to 4 errors."""
    rng = np.random.default_rng(1)
    rewards, belief = rng.normal(size=(3, 4)), np.array([0.5, 0.3, 0.2])
    confusion = 0.7 * np.eye(3) + 0.1
    expected = value_of_asking(rewards, belief, confusion=confusion)
    users = rng.choice(3, 40_000, p=belief)
    told = (rng.random(users.size)[:, None] > confusion.cumsum(1)[users]).sum(1)
    posterior = belief[:, None] * confusion
    act = (posterior.T @ rewards).argmax(1)
    earned = rewards[users, act[told]]
    assert abs(earned.mean() - expected.answered) <= 4 * earned.std() / math.sqrt(users.size)
    assert expected.gain > 0.01


# --- Beliefs ------------------------------------------------------------------------------------------------------


@given(cases(), st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), max_size=6))
def test_bayes_by_the_book(case: Case, choices: list[tuple[int, int]]) -> None:
    found = belief_after(case.rewards, [a for a, _ in choices], [b for _, b in choices], prior=case.belief)
    likely = []
    for prior, own in zip(case.belief, case.rewards, strict=True):
        chance = prior
        for a, b in choices:
            chance *= 1 / (1 + math.exp(own[b] - own[a]))
        likely.append(chance)
    np.testing.assert_allclose(found, np.array(likely) / sum(likely), rtol=1e-9)


def test_the_belief_after_all_questions_averages_to_the_prior() -> None:
    """The expected posterior is the prior: over every sequence of three answers to the same question."""
    rewards, prior = np.array([[1.0, -0.5], [-2.0, 0.3], [0.1, 0.0]]), np.array([0.2, 0.5, 0.3])
    mean = np.zeros(3)
    for code in range(8):
        firsts = [code >> k & 1 for k in range(3)]
        seconds = [1 - a for a in firsts]
        chance = prior.copy()
        for a, b in zip(firsts, seconds, strict=True):
            chance *= 1 / (1 + np.exp(rewards[:, b] - rewards[:, a]))
        mean += chance.sum() * belief_after(rewards, firsts, seconds, prior=prior)
    np.testing.assert_allclose(mean, prior, atol=1e-12)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="belief: probabilities must sum"):
        value_of_asking(TWO, [0.5, 0.4])
    with pytest.raises(ValueError, match="belief: needed 2"):
        value_of_asking(TWO, [0.5, 0.4, 0.1])
    with pytest.raises(ValueError, match="cost"):
        value_of_asking(TWO, [0.5, 0.5], cost=-0.1)
    with pytest.raises(ValueError, match="beta"):
        value_of_asking(TWO, [0.5, 0.5], beta=0)
    with pytest.raises(ValueError, match="confusion: needed chances"):
        value_of_asking(TWO, [0.5, 0.5], confusion=np.eye(3))
    with pytest.raises(ValueError, match="confusion: probabilities"):
        value_of_asking(TWO, [0.5, 0.5], confusion=[[0.5, 0.5], [0.5, 0.4]])
    with pytest.raises(ValueError, match="as many chosen"):
        belief_after(TWO, [0, 1], [1])
    with pytest.raises(ValueError, match="from 0 to 2"):
        belief_after(TWO, [3], [1])
    with pytest.raises(ValueError, match="one user"):
        belief_after([TWO], [0], [1])
