"""The account of a choice: gains by loops, who pays, prices of floors and norms, and the words."""

from __future__ import annotations

import numpy as np
import pytest

from choicekit import alignment as al
from choicekit.alignment.choices import Choice, explain
from choicekit.alignment.constrained import constrained_policy
from choicekit.alignment.norms import Norm, forbid

Array = np.ndarray
TWO, SAFETY = np.array([[1, 0, 0.6], [0, 1, 0.6]]), np.array([[0, 0.5, 1.0], [1, 1, 0.5]])
SKEWED = np.array([[1, 0, 0.3], [0.5, 0.4, 0.1]])


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


def test_prices_from_a_mapping() -> None:
    assert account(prices={"b": 1.0, "a": 3.0}).binding == {"a": 3.0, "b": 1.0}
    assert list(account(prices={"b": 1.0, "a": 3.0}).binding) == ["a", "b"]
    barred = account(prices={"safety": np.inf, "tone": 0.1})
    assert str(barred).endswith("the safety floor bars some answers outright, at no finite price; the tone floor "
                                "binds with price 0.1")  # fmt: skip


def test_prices_of_a_policy_under_floors() -> None:
    """Passed as it is, or named; a floor that lies below what the policy gives anyway has no price."""
    policy = constrained_policy(TWO[0], SAFETY, [0.8, 0.1], beta=0.2)
    free = al.rlhf_policy(TWO[0], beta=0.2)
    found = explain(free, policy, TWO, beta=0.2, prices=policy)
    assert policy.multipliers is not None
    assert found.prices == {"floor 0": policy.multipliers[0], "floor 1": policy.multipliers[1]}
    assert list(found.binding) == ["floor 0"]
    assert f"; floor 0 binds with price {policy.multipliers[0]:.3g}" in str(found)
    named = explain(free, policy, TWO, beta=0.2, prices=policy, floor_names=["safety", "tone"])
    assert named.prices == {"safety": policy.multipliers[0], "tone": policy.multipliers[1]}
    assert str(named).endswith(f"; the safety floor binds with price {policy.multipliers[0]:.3g}")
    # without prices= there is nothing to say about floors
    assert explain(free, policy, TWO, beta=0.2).prices == {}


def test_floors_of_each_context_are_averaged() -> None:
    """The mean over contexts of [x, k] is what all floors lowered by a unit bring on average."""
    rng = np.random.default_rng(4)
    rewards, objective, share = rng.normal(size=(3, 2, 5)), rng.normal(size=(3, 1, 5)), np.array([0.5, 0.3, 0.2])
    floor, step = float(objective.mean()) + 0.4, 1e-5

    def at(level: float) -> al.ConstrainedPolicy:
        return constrained_policy(rewards[:, 0], objective, [level], beta=0.5, joint=False)

    policy = at(floor)
    found = explain(al.rlhf_policy(rewards[:, 0], beta=0.5), policy, rewards, beta=0.5, prices=policy,
                    floor_names=["care"], context_weights=share)  # fmt: skip
    brings = share @ (at(floor - step).value - at(floor + step).value) / (2 * step)
    assert found.prices["care"] == pytest.approx(brings, rel=1e-5)
    assert found.prices["care"] > 0.01
    # a context without weight has no say, though its price is infinite
    low = np.array([[0, 1.0], [0, 0.4]])
    barring = constrained_policy(np.array([[1.0, 0], [1, 0]]), low[:, None], [0.4], beta=1.0, joint=False)
    assert barring.multipliers is not None
    assert np.isinf(barring.multipliers).tolist() == [[False], [True]]
    both = np.array([[[1.0, 0], [0, 1]]] * 2)
    known = explain(barring, barring, both, prices=barring, context_weights=[1, 0])
    assert known.prices["floor 0"] == pytest.approx(barring.multipliers[0, 0])
    assert str(explain(barring, barring, both, prices=barring)).endswith("floor 0 bars some answers outright, at no "
                                                                         "finite price")  # fmt: skip
    with pytest.raises(ValueError, match="2 contexts of the rewards"):
        explain([1.0, 0], [1.0, 0], both, prices=policy)


@pytest.mark.parametrize("rule", [al.utilitarian_policy, al.egalitarian_policy])
def test_prices_of_norms_and_never_of_groups(rule: object) -> None:
    norms = [Norm("safety", [1.0, 0.2, 0.0], 0.2), Norm("length", [1.0, 1.0, 1.0], 2.0)]
    free, held = rule(SKEWED, beta=0.1), rule(SKEWED, beta=0.1, norms=norms)  # type: ignore[operator]
    found = explain(free, held, SKEWED, beta=0.1, norms=norms)
    assert found.prices == {}
    assert list(found.norm_prices) == ["safety", "length"]
    assert list(found.binding) == ["safety"]
    assert str(found).endswith(f"; the safety norm binds with price {held.norm_prices[0]:.3g}")
    assert "floor" not in str(found)
    step = 1e-5

    def best(limit: float) -> float:
        moved = rule(SKEWED, beta=0.1, norms=[Norm("safety", norms[0].cost, limit)])  # type: ignore[operator]
        return float(al.gap(SKEWED, moved, beta=0.1).values @ held.multipliers)

    # both are optima of the sum that multipliers weigh; to first order a change of the weights changes nothing
    slope = (best(0.2 + step) - best(0.2 - step)) / (2 * step)
    if rule is al.utilitarian_policy:
        assert found.norm_prices["safety"] == pytest.approx(slope, rel=1e-5)
    assert found.norm_prices["safety"] > 0.1
    # as prices= it says the same, and unnamed norms are numbered
    assert explain(free, held, SKEWED, beta=0.1, prices=held, norms=norms).binding == found.binding
    assert "; norm 0 binds with price" in str(explain(free, held, SKEWED, beta=0.1))
    # without norms there is nothing to say, and weights of groups are refused
    assert explain(held, free, SKEWED, beta=0.1).binding == {}
    assert "bind" not in str(explain(held, free, SKEWED, beta=0.1))
    with pytest.raises(ValueError, match="weights of groups"):
        explain(held, free, SKEWED, beta=0.1, prices=free)


def test_norms_over_contexts_in_words() -> None:
    rng = np.random.default_rng(2)
    rewards, share = rng.normal(size=(3, 2, 4)), np.array([0.2, 0.5, 0.3])
    cost, step = rng.normal(size=(3, 4)), 1e-5
    cost -= cost.min(-1, keepdims=True)

    def at(limit: float) -> al.Policy:
        return al.utilitarian_policy(rewards, beta=0.5, norms=[Norm("safety", cost, limit)])

    free, policy = al.utilitarian_policy(rewards, beta=0.5), at(0.4)
    found = explain(free, policy, rewards, beta=0.5, norms=[Norm("safety", cost, 0.4)], context_weights=share)
    ends = [share @ al.gap(rewards, at(0.4 + move), beta=0.5).values.mean(-1) for move in (step, -step)]
    assert found.norm_prices["safety"] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)
    assert found.norm_prices["safety"] > 0.01
    barred = [forbid("dosage", [True, False, False, False])]
    text = str(explain(free, al.utilitarian_policy(rewards, beta=0.5, norms=barred), rewards, norms=barred))
    assert text.endswith("; the dosage norm bars some answers outright, at no finite price")
    loose = [Norm("safety", cost, 100.0)]
    text = str(explain(free, al.utilitarian_policy(rewards, norms=loose), rewards, norms=loose))
    assert text.endswith("; no norm binds")
    # a bargain that nobody gains by has no price to tell
    stays = al.nash_policy([[1, -1], [-1, 1]], norms=[Norm("safety", [1, 0], 0.9)])
    assert str(explain([0.5, 0.5], stays, [[1, -1], [-1, 1]])).endswith("; norm 0 has no price")


def test_the_mean_price_of_one_bargain_over_contexts_is_what_loosening_brings() -> None:
    rng = np.random.default_rng(6)
    rewards, cost, step = rng.normal(size=(3, 2, 4)), rng.normal(size=4), 1e-5
    tight = 0.8 * cost.min() + 0.2 * cost.mean()

    def at(limit: float) -> al.ConstrainedPolicy:
        return constrained_policy(rewards[:, 0], rewards[:, 1:], [0.1], beta=0.5, norms=[Norm("safety", cost, limit)])

    policy = at(tight)
    slope = float(at(tight + step).value - at(tight - step).value) / (2 * step)
    assert policy.norm_prices is not None
    assert slope == pytest.approx(policy.norm_prices.mean(), rel=1e-4)
    found = explain(policy, policy, rewards, beta=0.5, prices=policy, floor_names=["tone"])
    assert found.norm_prices["norm 0"] == pytest.approx(policy.norm_prices.mean())
    assert found.prices["tone"] > 0
    assert {"the tone floor binds", "norm 0 binds"} <= {part.split(" with")[0] for part in str(found).split("; ")}


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


A, B = Norm("a", [0, 1], 0.4), Norm("b", [0, 1], 0.4)
HELD = al.rlhf_policy([0.0, 1.0], norms=[A])
FLOORED = constrained_policy([0.0, 1.0], [[1.0, 0.0]], [0.6])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": ["a"]}, "groups"), ({"groups": ["a", "a"]}, "groups"), ({"before": [0.5, 0.6]}, "before"),
        ({"after": [0.5, 0.25, 0.25]}, "after"), ({"after": [1.5, -0.5]}, "after"), ({"beta": 0.0}, "beta"),
        ({"before": [[0.5, 0.5]] * 2}, "before: needed shape"), ({"prices": {"a": -1.0}}, "prices"),
        ({"prices": [0.4]}, "mapping"), ({"floor_names": ["a"]}, "floor_names"),
        ({"norms": [Norm("a", [0, 1], 0.5)]}, "made with them"), ({"after": HELD, "norms": [A, B]}, "1 different"),
        ({"after": HELD, "norms": [A], "prices": {"a": 1.0}}, "same name"),
        ({"prices": FLOORED, "floor_names": ["a", "b"]}, "floor_names: needed 1"),
        ({"prices": {"a": np.nan}}, "prices"),
        ({"context_weights": [1, 1]}, "weights"),
    ],
)  # fmt: skip
def test_bad_input(options: dict, message: str) -> None:
    given = {"before": [1.0, 0.0], "after": [0.0, 1.0], "rewards": [[1.0, 0.0], [0.0, 1.0]]} | options
    with pytest.raises(ValueError, match=message):
        explain(**given)
