"""The account of a choice: gains by loops, who pays, prices from several sources, and the words."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from choicekit import alignment as al
from choicekit.alignment.choices import Choice, explain
from choicekit.alignment.constrained import constrained_policy

Array = np.ndarray


@pytest.mark.parametrize("seed", range(30))
def test_gains_are_changes_of_mean_reward(seed: int) -> None:
    rng = np.random.default_rng(seed)
    contexts, groups, size = (int(rng.integers(1, top)) for top in (4, 5, 6))
    size += 1
    rewards, ground = rng.normal(size=(contexts, groups, size)), rng.dirichlet(np.ones(size), contexts)
    share, beta = rng.dirichlet(np.ones(contexts)), 0.7
    before, after = rng.dirichlet(np.ones(size), (2, contexts))
    found = explain(before, after, rewards, ground, beta, context_weights=share)
    gains = [
        sum(c * (q - p) @ r[g] for c, p, q, r in zip(share, before, after, rewards, strict=True))
        for g in range(groups)
    ]  # fmt: skip
    np.testing.assert_allclose(found.gains, gains, atol=1e-13)
    np.testing.assert_allclose(found.after - found.before, gains, atol=1e-13)
    assert set(found.gainers) == {g for g in range(groups) if gains[g] > 0}
    assert set(found.payers) == {g for g in range(groups) if gains[g] < 0}
    assert [gains[g] for g in found.gainers] == sorted((each for each in gains if each > 0), reverse=True)
    assert [gains[g] for g in found.payers] == sorted(each for each in gains if each < 0)
    assert found.pareto_improvement == (min(gains) >= 0 < max(gains))
    for moment, policies in enumerate((before, after)):
        divergence = sum(c * al.kl(p, q) for c, p, q in zip(share, policies, ground, strict=True))
        assert found.divergences[moment] == pytest.approx(divergence)
    assert found.penalty == pytest.approx(beta * (found.divergences[1] - found.divergences[0]))
    # with the penalty: what the regularised values of the gaps say
    values = [share @ al.gap(rewards, each, ground, beta).values for each in (before, after)]
    np.testing.assert_allclose(found.gains - found.penalty, values[1] - values[0], atol=1e-12)
    # the way back takes all of it away, whatever anybody's zero is
    back = explain(after, before, rewards + rng.normal(size=(groups, 1)), ground, beta, context_weights=share)
    np.testing.assert_allclose(back.gains, -found.gains, atol=1e-12)


def account(**options: object) -> Choice:
    return explain([1.0, 0.0], [0.9, 0.1], [[0.5, 0.0], [0.0, 2.1]], groups=["A", "B"], **options)  # type: ignore[arg-type]


def test_the_words() -> None:
    text = str(account(prices={"safety": 0.4, "tone": 0.0}))
    assert text == (
        "group B gains 0.21, group A pays 0.05; not a Pareto improvement; "
        "the policy is 0.368 nats from its reference, before it was 0.693; the safety floor binds with price 0.4"
    )
    assert str(account()).endswith("0.693")
    assert str(account(prices={"safety": 0.0})).endswith("no floor binds")
    both = str(account(prices={"tone": 0.1, "safety": 0.4}))
    assert both.endswith("the safety floor binds with price 0.4; the tone floor binds with price 0.1")
    assert "no group gains or pays; the same for all" in str(explain([1.0, 0.0], [1.0, 0.0], [[1.0, 0.0]]))
    assert "group 0 gains 1; a Pareto improvement" in str(explain([1.0, 0.0], [0.0, 1.0], [[0.0, 1.0]]))
    assert "group 0 pays 1; nobody gains" in str(explain([0.0, 1.0], [1.0, 0.0], [[0.0, 1.0]]))


def test_many_groups_are_summed_up() -> None:
    rewards = np.column_stack([np.zeros(20), np.concatenate([np.arange(1, 11), -np.arange(1, 11)])])
    text = str(explain([1.0, 0.0], [0.0, 1.0], rewards))
    assert "group 9 gains 10, " in text
    assert "group 4 gains 5 and 4 more gain less, group 19 pays 10" in text
    assert "group 14 pays 5 and 4 more pay less" in text


def test_small_changes_are_none() -> None:
    nearly = explain([0.5, 0.5], [0.5 - 1e-12, 0.5 + 1e-12], [[1.0, 0.0], [0.0, 1.0]])
    assert nearly.gainers == nearly.payers == ()
    # what the reference rules out sets no scale
    forbidden = explain([1.0, 0, 0], [0.9, 0.1, 0], [[1.0, 0.0, -1e12]], [0.5, 0.5, 0.0])
    assert forbidden.payers == (0,)
    wide = explain([0.5, 0.5], [0.4, 0.6], [[1.0, 0.0], [0.0, 3.0]], tolerance=0.2)
    assert (wide.gainers, wide.payers, wide.pareto_improvement) == ((1,), (), True)


def test_prices_from_results() -> None:
    prices = np.array([0.0, 0.25])
    named = SimpleNamespace(multipliers=prices, names=("safety", "privacy"))
    assert account(prices=named).binding == {"privacy": 0.25}
    assert account(prices=SimpleNamespace(multipliers=prices)).binding == {"floor 1": 0.25}
    assert account(prices=SimpleNamespace(multipliers={"tone": 2.0})).prices == {"tone": 2.0}
    assert account(prices=prices).prices == {"floor 0": 0.0, "floor 1": 0.25}
    assert str(account(prices=prices)).endswith("0.693; floor 1 binds with price 0.25")
    assert account(prices={"b": 1.0, "a": 3.0}).binding == {"a": 3.0, "b": 1.0}
    assert list(account(prices={"b": 1.0, "a": 3.0}).binding) == ["a", "b"]


def test_prices_of_a_policy_under_floors() -> None:
    """Passed as it is, or named; a floor that lies below what the policy gives anyway has no price."""
    rewards, safety = np.array([[1, 0, 0.6], [0, 1, 0.6]]), np.array([[0, 0.5, 1.0], [1, 1, 0.5]])
    policy = constrained_policy(rewards[0], safety, [0.8, 0.1], beta=0.2)
    found = explain(al.rlhf_policy(rewards[0], beta=0.2), policy, rewards, beta=0.2, prices=policy)
    assert policy.multipliers is not None
    assert found.prices == {"floor 0": policy.multipliers[0], "floor 1": policy.multipliers[1]}
    assert list(found.binding) == ["floor 0"]
    assert "; floor 0 binds with price" in str(found)
    per_context = constrained_policy(rewards[[0, 0]], safety[None].repeat(2, 0), [0.8, 0.1], beta=0.2, joint=False)
    with pytest.raises(ValueError, match="average them"):
        explain(policy, policy, rewards, prices=per_context)


@pytest.mark.parametrize("seed", range(10))
def test_the_price_of_a_floor_is_what_lowering_it_brings(seed: int) -> None:
    """π_λ ∝ ρ·e^{(r + λs)/β} is optimal at the floor E[s] ≥ b it meets; dJ/db = −λ, the meaning of ``prices``."""
    rng = np.random.default_rng(seed)
    reward, safety, ground = rng.normal(size=5), rng.normal(size=5), rng.dirichlet(np.ones(5))
    beta, price, step = 0.5, float(rng.uniform(0.2, 2)), 1e-4
    ends = []
    for each in (price - step, price + step):
        policy = al.rlhf_policy(reward + each * safety, ground, beta).probabilities
        ends.append((policy @ safety, policy @ reward - beta * al.kl(policy, ground)))
    assert -(ends[1][1] - ends[0][1]) / (ends[1][0] - ends[0][0]) == pytest.approx(price, rel=1e-5)


def test_policies_and_contexts_as_elsewhere() -> None:
    rewards = np.random.default_rng(0).normal(size=(2, 3, 2, 4))
    before, after = (al.rlhf_policy(rewards[..., g, :], beta=0.5) for g in (0, 1))
    found = explain(before, after, rewards, beta=0.5, groups=["a", "b"])
    assert found.gainers == ("b",)
    assert found.payers == ("a",)
    one = explain([1.0, 0, 0, 0], [0, 1.0, 0, 0], rewards)
    np.testing.assert_allclose(one.gains, (rewards[..., 1] - rewards[..., 0]).mean((0, 1)), atol=1e-12)
    with pytest.raises(ValueError, match="read-only"):
        found.after[0] = 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": ["a"]}, "groups"), ({"groups": ["a", "a"]}, "groups"), ({"before": [0.5, 0.6]}, "before"),
        ({"after": [0.5, 0.25, 0.25]}, "after"), ({"after": [1.5, -0.5]}, "after"), ({"beta": 0.0}, "beta"),
        ({"before": [[0.5, 0.5]] * 2}, "contexts"), ({"prices": {"a": -1.0}}, "prices"),
        ({"prices": [[1.0]]}, "prices"), ({"prices": {"a": np.nan}}, "prices"),
        ({"context_weights": [1, 1]}, "weights"),
    ],
)  # fmt: skip
def test_bad_input(options: dict, message: str) -> None:
    given = {"before": [1.0, 0.0], "after": [0.0, 1.0], "rewards": [[1.0, 0.0], [0.0, 1.0]]} | options
    with pytest.raises(ValueError, match=message):
        explain(**given)
