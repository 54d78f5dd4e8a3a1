"""The audit: its numbers recomputed by hand, the truth within its intervals, and honest notes where it cannot know."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import choicekit as ck
from choicekit import alignment, domains, ingest, models
from choicekit.audit import Audit
from choicekit.audit import audit as run

Array = np.ndarray
FEW: dict[str, Any] = {"replicates": 20, "permutations": 20}


def softmax(values: Array) -> Array:
    weight = np.exp(values - values.max())
    return weight / weight.sum()


def log_mean_exp(values: Array, ground: Array) -> float:
    top = values.max()
    return float(top + np.log(ground @ np.exp(values - top)))


def value(rewards: Array, policy: Array, ground: Array, beta: float) -> float:
    """⟨π, r⟩ − β·KL(π‖ρ)."""
    inside = policy > 0
    return float(policy @ rewards - beta * (policy[inside] @ np.log(policy[inside] / ground[inside])))


def gap_by_hand(rewards: Array, policy: Array, ground: Array, beta: float) -> float:
    return beta * log_mean_exp(rewards / beta, ground) - value(rewards, policy, ground, beta)


def kinds(found: Audit) -> list[str]:
    return [note["kind"] for note in found.to_dict()["notes"]]


def sound(found: Audit) -> dict[str, Any]:
    """What every audit must satisfy, whatever the data; its document."""
    document = found.to_dict()
    assert json.loads(found.to_json()) == document
    shares = np.array([group["share"] for group in document["groups"]])
    assert shares.sum() == pytest.approx(1)
    assert sum(group["comparisons"] for group in document["groups"]) == pytest.approx(document["data"]["weight"])
    assert list(zip(*found.table().values(), strict=True)) == [
        tuple(group[name] for name in found.table()) for group in document["groups"]
    ]
    pooled = document["rules"][0]
    assert pooled["rule"] == "pooled_reward"
    for group, row in zip(document["groups"], pooled["groups"], strict=True):
        assert {name: group[name] for name in row} == row
    for rule in document["rules"]:
        gaps = np.array([row["gap"] for row in rule["groups"]])
        rates = np.array([row["win_rate"] for row in rule["groups"]])
        assert (gaps >= 0).all()
        assert ((rates >= 0) & (rates <= 1)).all()
        assert rule["worst_gap"] == gaps.max()
        assert rule["worst_group"] == rule["groups"][int(gaps.argmax())]["group"]
        assert rule["average_gap"] == pytest.approx(gaps @ shares)
        assert rule["spread"] == pytest.approx(np.ptp(gaps))
        assert rule["worst_win_rate"] == rates.min()
        assert rule["average_win_rate"] == pytest.approx(rates @ shares)
        mean_difference = (shares[:, None] * shares * np.abs(rates[:, None] - rates)).sum()
        assert rule["gini"] == pytest.approx(mean_difference / (2 * (rates @ shares)), abs=1e-12)
        (worst,) = [row for row in rule["groups"] if row["group"] == rule["worst_group"] and row["gap"] == gaps.max()][
            :1
        ]
        assert (rule["worst_gap_low"], rule["worst_gap_high"]) == (worst["gap_low"], worst["gap_high"])
        assert rule["change"] == pytest.approx(rule["worst_gap"] - pooled["worst_gap"])
        assert rule["price"] == pytest.approx(rule["average_gap"] - pooled["average_gap"])
        for name in ("average_gap", "change", "price"):
            assert rule[f"{name}_low"] <= rule[name] <= rule[f"{name}_high"]
        for row in rule["groups"]:
            if row["gap_low"] is None:
                assert row["gap_high"] is None
            else:
                assert 0 <= row["gap_low"] <= row["gap"] <= row["gap_high"]
    for arm in document["alternatives"]:
        assert arm["reward_low"] <= arm["reward"] <= arm["reward_high"]
    contexts = max(1, document["data"]["contexts"] or 1)
    assert sum(arm["pooled_probability"] for arm in document["alternatives"]) == pytest.approx(contexts)
    assert sum(arm["choice_share"] for arm in document["alternatives"]) == pytest.approx(contexts)
    for name, values in found.training_table().items():
        assert len(values) == document["data"]["comparisons"], name
    return document


@pytest.fixture(scope="module")
def votes() -> ck.Comparisons:
    return domains.three_groups().sample(voters=90, comparisons=20, rng=0)


@pytest.fixture(scope="module")
def found(votes: ck.Comparisons) -> Audit:
    return run(votes, **FEW)


# --- The truth ----------------------------------------------------------------------------------------------------


def true_gaps(population: domains.Population, beta: float = 0.1) -> dict[Any, float]:
    """Gaps of the policy that a single reward model learns from the whole population, without any noise."""
    pooled = models.bradley_terry_by_group(population.everything(), prior=1e8, pooling=0.0).population
    assert pooled.alternatives == population.alternatives
    size = len(population.alternatives)
    ground = np.full(size, 1 / size)
    policy = softmax(pooled.scores / beta)
    return {
        group: gap_by_hand(rewards, policy, ground, beta)
        for group, rewards in zip(population.groups, population.rewards, strict=True)
    }


def test_the_minority_is_failed_by_the_truth() -> None:
    gaps = true_gaps(domains.three_groups())
    assert max(gaps, key=lambda group: gaps[group]) == "minority"
    assert gaps["minority"] > 10 * gaps["second"] > gaps["first"] > 0


def test_the_demonstration_finds_the_truth() -> None:
    population = domains.three_groups()
    document = sound(run(population.sample(voters=400, comparisons=20, rng=0)))
    truth = true_gaps(population)
    for group in document["groups"]:
        assert group["gap_low"] <= truth[group["group"]] <= group["gap_high"]
        assert group["voters"] == {"first": 240, "second": 120, "minority": 40}[group["group"]]
    assert document["rules"][0]["worst_group"] == "minority"
    assert document["heterogeneity"]["p_value"] < 0.01
    pooled = models.bradley_terry_by_group(population.everything(), prior=1e8, pooling=0.0).population
    rewards = dict(zip(pooled.alternatives, pooled.scores, strict=True))
    covered = [
        arm["reward_low"] <= rewards[arm["alternative"]] <= arm["reward_high"] for arm in document["alternatives"]
    ]
    assert sum(covered) >= 5


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    population = domains.three_groups()
    truth = true_gaps(population)
    held = total = 0
    for seed in range(6):
        rows = run(population.sample(voters=120, comparisons=25, rng=seed), replicates=60, permutations=20).table()
        for group, low, high in zip(rows["group"], rows["gap_low"], rows["gap_high"], strict=True):
            held += low <= truth[group] <= high
            total += 1
    assert total == 18
    assert held >= 14  # 95 % of 18 is 17.1; 13 or fewer would have a chance below 1 in 500


def test_fairer_rules_are_fairer_by_their_own_measure(found: Audit) -> None:
    worst = dict(zip(found.measured.policies, found.measured.gaps.max(1), strict=True))
    assert worst["minimax_regret"] == pytest.approx(min(worst.values()))
    assert worst["minimax_regret"] < 0.5 * worst["pooled_reward"]
    rules = {rule["rule"]: rule for rule in found.to_dict()["rules"]}
    assert rules["minimax_regret"]["change_high"] < 0
    assert rules["minimax_regret"]["price_low"] > 0


def test_a_population_without_differences_is_said_to_show_none() -> None:
    groups = domains.three_groups()
    alike = domains.Population(groups.alternatives, groups.groups, groups.rewards[[0, 0, 0]], groups.shares)
    said = []
    for seed in range(4):
        result = run(alike.sample(voters=90, comparisons=20, rng=seed), replicates=20, permutations=40)
        document = sound(result)
        said.append("no difference shown" in kinds(result))
        assert said[-1] == (document["heterogeneity"]["p_value"] > 0.05)
    assert sum(said) >= 3


# --- The numbers of the document ----------------------------------------------------------------------------------


def test_an_audit_is_sound(found: Audit) -> None:
    document = sound(found)
    assert document["schema"] == "choicekit.audit/1"
    assert document["source"] is None
    assert document["data"] == {
        "comparisons": 1800, "weight": 1800.0, "ties": 0.0, "alternatives": 6, "voters": 90, "groups": 3,
        "contexts": None, "group_column": "group",
    }  # fmt: skip
    settings = document["settings"]
    assert (settings["beta"], settings["level"], settings["reference"]) == (0.1, 0.95, "uniform")
    assert (settings["replicates"], settings["permutations"]) == (20, 20)
    assert found.worst_group == "minority"


def test_gaps_and_win_rates_are_those_of_the_policies(found: Audit) -> None:
    document, shares = found.to_dict(), found.fits.shares
    ground, beta = np.full(6, 1 / 6), 0.1
    scores = found.fits.scores
    np.testing.assert_allclose(shares, [0.6, 0.1, 0.3])
    by_hand = {
        "pooled_reward": softmax(found.fits.population.scores / beta),
        "random_dictatorship": sum(s * softmax(own / beta) for s, own in zip(shares, scores, strict=True)),
    }
    for k, rule in enumerate(document["rules"]):
        policy = found.measured.policies[rule["rule"]].probabilities[0]
        if rule["rule"] in by_hand:
            np.testing.assert_allclose(policy, by_hand[rule["rule"]], atol=1e-12)
        for g, (row, own) in enumerate(zip(rule["groups"], scores, strict=True)):
            fitted = gap_by_hand(own, policy, ground, beta)
            assert found.measured.gaps[k, g] == pytest.approx(fitted, abs=1e-9)
            if rule["rule"] == "pooled_reward":
                assert document["groups"][g]["fitted_gap"] == pytest.approx(fitted, abs=1e-9)
            chance = 1 / (1 + np.exp(own[None, :] - own[:, None]))
            assert row["win_rate"] == pytest.approx(policy @ chance @ ground, abs=1e-12)
        if rule["multipliers"] is not None:
            mixed = softmax(np.array(rule["multipliers"]) @ scores / beta)
            np.testing.assert_allclose(policy, mixed, atol=1e-9)


def test_estimates_are_means_and_intervals_quantiles_over_refits(votes: ck.Comparisons, found: Audit) -> None:
    """The generator makes the folds first and then the draws."""
    generator, ground = np.random.default_rng(0), np.full(6, 1 / 6)
    fits = models.bradley_terry_by_group(votes, rng=generator)
    gaps = []
    for draw in fits.bootstrap(20, rng=generator):
        policy = softmax(draw.population / 0.1)
        gaps.append([gap_by_hand(own, policy, ground, 0.1) for own in draw.groups])
    low, high = np.quantile(gaps, [0.025, 0.975], axis=0)
    for g, group in enumerate(found.to_dict()["groups"]):
        assert group["gap"] == pytest.approx(np.mean(gaps, axis=0)[g], abs=1e-9)
        assert group["gap_low"] == pytest.approx(min(low[g], group["gap"]), abs=1e-9)
        assert group["gap_high"] == pytest.approx(max(high[g], group["gap"]), abs=1e-9)


def test_each_rule_is_the_policy_of_its_name(found: Audit) -> None:
    scores, shares, made = found.fits.scores, found.fits.shares, found.measured.policies
    optima = [0.1 * log_mean_exp(own / 0.1, np.full(6, 1 / 6)) for own in scores]
    expected = {
        "borda": alignment.borda_policy(scores, beta=0.1, weights=shares),
        "egalitarian": alignment.egalitarian_policy(scores, beta=0.1),
        "minimax_regret": alignment.egalitarian_policy(scores, beta=0.1, disagreement=optima),
        "nash": alignment.nash_policy(scores, beta=0.1, weights=shares),
        "maximal_lottery": alignment.maximal_lottery_policy(scores, beta=0.1, weights=shares),
    }
    for name, policy in expected.items():
        np.testing.assert_allclose(made[name].probabilities[0], policy.probabilities, atol=1e-6)


def test_alternatives_and_readings_are_tallied(votes: ck.Comparisons, found: Audit) -> None:
    wins, met = dict.fromkeys(votes.alternatives, 0.0), dict.fromkeys(votes.alternatives, 0.0)
    for winner, loser in zip(votes.winner.tolist(), votes.loser.tolist(), strict=True):
        wins[votes.alternatives[winner]] += 1
        for side in (winner, loser):
            met[votes.alternatives[side]] += 1
    document = found.to_dict()
    rows = {row["alternative"]: row for row in document["alternatives"]}
    assert {name: row["wins"] for name, row in rows.items()} == wins
    assert {name: row["comparisons"] for name, row in rows.items()} == met
    rewards = [row["reward"] for row in document["alternatives"]]
    assert rewards == sorted(rewards, reverse=True)
    shares = found.fits.shares @ np.array([softmax(own) for own in found.fits.scores])
    for a, name in enumerate(votes.alternatives):
        assert rows[name]["reward"] == found.fits.population.scores[a]
        assert rows[name]["group_rewards"] == found.fits.scores[:, a].tolist()
        assert rows[name]["choice_share"] == pytest.approx(shares[a])
    first = {reading["reading"]: reading["first"] for reading in document["readings"]}
    assert first["most wins"] == [max(wins, key=lambda name: wins[name])]
    assert first["highest win rate"] == [max(wins, key=lambda name: wins[name] / met[name])]
    assert first["pooled Bradley–Terry reward"] == [document["alternatives"][0]["alternative"]]


def test_ties_are_half_a_win_each_way() -> None:
    tied = ck.Comparisons(["a", "b", "a"], ["b", "c", "c"], tie=[True, False, True], weight=[2, 1, 4])
    rows = {row["alternative"]: row for row in run(tied, **FEW).to_dict()["alternatives"]}
    assert {name: (row["wins"], row["comparisons"]) for name, row in rows.items()} == {
        "a": (3, 6), "b": (2, 3), "c": (2, 5),
    }  # fmt: skip


def test_the_collapse_index_along_the_path(found: Audit) -> None:
    collapse = found.to_dict()["collapse"]
    shares = found.fits.shares @ np.array([softmax(own) for own in found.fits.scores])
    pooled = found.fits.population.scores
    betas = [step["beta"] for step in collapse["path"]]
    assert betas == sorted(betas)
    assert 0.1 in betas
    for step in collapse["path"]:
        logs = pooled / step["beta"] - log_mean_exp(pooled / step["beta"], np.ones(6))
        assert step["index"] == pytest.approx(shares @ (np.log(shares) - logs), rel=1e-9)
        policy = np.exp(logs)
        assert step["total_variation"] == pytest.approx(0.5 * np.abs(policy - shares).sum())
        inside = policy[policy > 0]
        entropy = -(inside * np.log(inside)).sum()
        assert step["entropy_ratio"] == pytest.approx(entropy / -(shares @ np.log(shares)), abs=1e-9)
        gaps = [gap_by_hand(own, policy, np.full(6, 1 / 6), step["beta"]) for own in found.fits.scores]
        np.testing.assert_allclose(step["gaps"], gaps, atol=1e-8)
        order = [found.comparisons.alternatives.index(name) for name in collapse["shown"]]
        np.testing.assert_allclose(step["probabilities"], policy[order], rtol=1e-9)
    now = next(step for step in collapse["path"] if step["beta"] == 0.1)
    assert all(collapse[name] == now[name] for name in ("index", "total_variation", "entropy_ratio"))


def test_p_values_count_shuffles_at_least_as_extreme(found: Audit) -> None:
    document, drawn = found.to_dict(), found.drawn
    shuffled = drawn.statistics
    assert document["heterogeneity"]["p_value"] == (1 + (shuffled >= found.fits.statistic()).sum()) / 21
    assert document["heterogeneity"]["expected"] == pytest.approx(shuffled.mean())
    for g, group in enumerate(document["groups"]):
        assert group["p_value"] == (1 + (drawn.shuffled[:, g] >= group["fitted_gap"]).sum()) / 21
        assert group["chance_gap"] == pytest.approx(drawn.shuffled[:, g].mean())


def test_where_nothing_differs_nothing_is_extreme() -> None:
    """Ties only: every gap at the fitted rewards is 0, shuffled or not."""
    votes = ck.Comparisons(["a", "b"] * 9, ["b", "c"] * 9, tie=[True] * 18, group=["x", "y", "z"] * 6, voter=range(18))
    document = sound(run(votes, **FEW))
    assert [group["p_value"] for group in document["groups"]] == [1.0] * 3
    assert [group["fitted_gap"] for group in document["groups"]] == pytest.approx([0] * 3, abs=1e-9)
    assert document["heterogeneity"]["p_value"] == 1.0


def test_training_margins_are_score_differences(votes: ck.Comparisons, found: Audit) -> None:
    table = found.training_table()
    pooled = dict(zip(found.fits.alternatives, found.fits.population.scores, strict=True))
    for row in range(0, len(votes), 97):
        chosen, rejected = table["chosen"][row], table["rejected"][row]
        assert chosen == votes.alternatives[votes.winner[row]]
        assert rejected == votes.alternatives[votes.loser[row]]
        assert table["pooled_margin"][row] == pytest.approx(pooled[chosen] - pooled[rejected])
        for label, scores in zip(found.fits.groups, found.fits.scores, strict=True):
            own = dict(zip(found.fits.alternatives, scores, strict=True))
            assert table[f"margin:{label}"][row] == pytest.approx(own[chosen] - own[rejected])
        group = votes.groups[votes.group[row]]
        assert table["group"][row] == group
        assert table["group_weight"][row] == pytest.approx({"first": 0.6, "second": 0.3, "minority": 0.1}[group])
        assert found.fits.groups[table["group_id"][row]] == group
        assert table["voter"][row] == votes.voters[votes.voter[row]]
    assert not table["tie"].any()
    assert "context" not in table


# --- Repeatable, and without side effects -------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_audit(votes: ck.Comparisons, found: Audit) -> None:
    np.random.seed(12345)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    again = run(votes, **FEW)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert again.to_json() == found.to_json()
    assert run(votes, **FEW, rng=np.random.default_rng(0)).to_json() == found.to_json()
    other = run(votes, **FEW, rng=1)
    assert other.to_json() != found.to_json()
    assert other.fits.population.scores.tolist() == found.fits.population.scores.tolist()


def test_another_data_set_in_between_leaves_no_trace(votes: ck.Comparisons, found: Audit) -> None:
    run(domains.three_groups().sample(voters=30, comparisons=10, rng=5), **FEW)
    assert run(votes, **FEW).to_json() == found.to_json()


def test_the_order_of_rows_does_not_change_the_estimates(votes: ck.Comparisons, found: Audit) -> None:
    order = np.random.default_rng(0).permutation(len(votes))
    shuffled = ck.Comparisons(
        [votes.alternatives[a] for a in votes.winner[order]],
        [votes.alternatives[a] for a in votes.loser[order]],
        voter=votes.voter[order],
        group=[votes.groups[g] for g in votes.group[order]],
    )
    other, kept = run(shuffled, **FEW), ["fitted_gap", "voters", "share", "win_rate"]
    for name in kept:
        np.testing.assert_allclose(
            [group[name] for group in other.to_dict()["groups"]],
            [group[name] for group in found.to_dict()["groups"]],
            atol=1e-6,
        )


def test_progress_is_told(votes: ck.Comparisons) -> None:
    told: list[tuple[str, int, int]] = []
    run(votes, **FEW, progress=lambda *step: told.append(step))
    assert {"resampling voters", "shuffling groups"} < {stage for stage, _, _ in told}
    assert all(0 <= done <= total for _, done, total in told)
    assert told[-1][1] == told[-1][2]


# --- Contexts and references --------------------------------------------------------------------------------------


def test_each_context_has_a_policy_of_its_own() -> None:
    rng = np.random.default_rng(0)
    groups = domains.three_groups()
    left, right = (groups.sample(voters=60, comparisons=n, rng=rng) for n in (10, 30))
    both = ck.Comparisons(
        [v.alternatives[a] for v in (left, right) for a in v.winner],
        [v.alternatives[a] for v in (left, right) for a in v.loser],
        voter=[*left.voter, *right.voter],
        group=[v.groups[g] for v in (left, right) for g in v.group],
        context=["short"] * len(left) + ["long"] * len(right),
    )
    found = run(both, **FEW)
    document = sound(found)
    assert document["data"]["contexts"] == 2
    assert document["data"]["alternatives"] == 12
    assert document["readings"] == []
    assert {(arm["context"], arm["alternative"]) for arm in document["alternatives"]} == {
        (context, name) for context in ("short", "long") for name in groups.alternatives
    }
    arms = found.fits.alternatives
    for g, group in enumerate(document["groups"]):
        total = 0.0
        for context, weight in (("short", 0.25), ("long", 0.75)):
            here = [a for a, arm in enumerate(arms) if arm[0] == context]
            policy = softmax(found.fits.population.scores[here] / 0.1)
            total += weight * gap_by_hand(found.fits.scores[g, here], policy, np.full(6, 1 / 6), 0.1)
        assert group["fitted_gap"] == pytest.approx(total, abs=1e-9)
    assert document["collapse"]["context"] == "long"
    assert set(found.training_table()["context"]) == {"short", "long"}
    assert set(found.training_table()["chosen"]) == set(groups.alternatives)


def test_contexts_of_different_sizes() -> None:
    votes = ck.Comparisons(
        ["a", "b", "c", "a", "x", "y"] * 8, ["b", "c", "a", "c", "y", "x"] * 8,
        context=["p", "p", "p", "p", "q", "q"] * 8, group=["g", "h"] * 24, voter=range(48),
    )  # fmt: skip
    found = run(votes, **FEW)
    document = sound(found)
    assert document["data"]["alternatives"] == 5
    for rule in found.measured.policies.values():
        assert rule.probabilities.shape == (2, 3)
        assert rule.probabilities[1, 2] == 0


def test_a_reference_as_mapping_or_array(votes: ck.Comparisons, found: Audit) -> None:
    weights = dict(zip(votes.alternatives, [1, 2, 3, 4, 5, 6], strict=True))
    named = run(votes, **FEW, reference=dict(reversed(weights.items())))
    listed = run(votes, **FEW, reference=list(weights.values()))
    assert named.to_json() == listed.to_json()
    document = sound(named)
    assert document["settings"]["reference"] == "given"
    ground = np.arange(1, 7) / 21
    scores = named.fits.population.scores
    policy = ground * np.exp(scores / 0.1)
    policy /= policy.sum()
    for group, own in zip(document["groups"], named.fits.scores, strict=True):
        assert group["fitted_gap"] == pytest.approx(gap_by_hand(own, policy, ground, 0.1), abs=1e-9)
    assert document["groups"][0]["gap"] != found.to_dict()["groups"][0]["gap"]


def test_an_alternative_that_is_not_available_is_never_answered(votes: ck.Comparisons) -> None:
    found = run(votes, **FEW, reference=[0, 1, 1, 1, 1, 1])
    document = sound(found)
    rows = {row["alternative"]: row for row in document["alternatives"]}
    assert rows[votes.alternatives[0]]["pooled_probability"] == 0
    assert rows[votes.alternatives[0]]["choice_share"] == 0
    for policy in found.measured.policies.values():
        assert policy.probabilities[0, 0] == 0


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (
            {"brief": 1},
            "reference: needed a weight for each alternative, none came for 'cautious', 'detailed', 'formal'",
        ),
        ([1, 2, 3], r"reference: needed 6 finite non-negative weights, got shape \(3,\)"),
        ([1, 1, 1, 1, 1, -1], "reference: needed 6 finite non-negative weights"),
        ([1, 1, 1, 1, 1, math.nan], "reference: needed 6 finite non-negative weights"),
        ([0] * 6, "reference: no alternative has a weight above 0"),
    ],
)
def test_references_that_make_no_sense(votes: ck.Comparisons, reference: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(votes, **FEW, reference=reference)


@pytest.mark.parametrize(
    ("option", "values", "message"),
    [
        ("beta", [0, -1, math.nan, math.inf], "beta must be a positive number, got"),
        ("level", [0, 1, 95, -0.5, math.nan], "level must lie between 0 and 1, got"),
        ("replicates", [0, 19, -5], "replicates must be at least 20 .* got"),
        ("permutations", [0, 19], "permutations must be at least 20 .* got"),
    ],
)
def test_settings_that_make_no_sense(votes: ck.Comparisons, option: str, values: list[float], message: str) -> None:
    for each in values:
        with pytest.raises(ValueError, match=f"audit: {message}"):
            run(votes, **{**FEW, option: each})


def test_several_partitions_must_be_chosen_from() -> None:
    votes = ck.Comparisons(
        ["a", "b"] * 20,
        ["b", "a"] * 20,
        voter=range(40),
        group={"sex": ["f", "m"] * 20, "home": ["u"] * 20 + ["v"] * 20},
    )
    with pytest.raises(
        ValueError, match=r"audit: choose one of the partitions \('sex', 'home'\) with grouped_by\(name\)"
    ):
        run(votes, **FEW)
    assert [group["group"] for group in sound(run(votes.grouped_by("home"), **FEW))["groups"]] == ["u", "v"]
    crossed = sound(run(votes.grouped_by("home", "sex"), **FEW))
    assert [group["group"] for group in crossed["groups"]] == ["u × f", "u × m", "v × f", "v × m"]
    assert crossed["data"]["group_column"] == "home × sex"


# --- What it cannot know ------------------------------------------------------------------------------------------


def test_without_groups() -> None:
    votes = domains.three_groups().sample(voters=40, comparisons=20, rng=0)
    plain = ck.Comparisons(votes.winner, votes.loser, voter=votes.voter)
    found = run(plain, **FEW)
    document = sound(found)
    assert "no groups" in kinds(found)
    assert document["heterogeneity"] is None
    assert (document["data"]["groups"], document["data"]["group_column"]) == (None, None)
    (group,) = document["groups"]
    assert (group["group"], group["p_value"], group["chance_gap"]) == ("everyone", None, None)
    assert group["gap"] == pytest.approx(0, abs=1e-9)
    assert "worst" not in repr(found)


def test_one_group_is_no_groups() -> None:
    found = run(ck.Comparisons(["a", "b"] * 20, ["b", "a"] * 20, voter=range(40), group=["x"] * 40), **FEW)
    assert sound(found)["heterogeneity"] is None
    assert "no groups" in kinds(found)


def test_without_voters(votes: ck.Comparisons) -> None:
    found = run(ck.Comparisons(votes.winner, votes.loser, group=votes.group), **FEW)
    document = sound(found)
    assert "no voters" in kinds(found)
    assert [group["voters"] for group in document["groups"]] == [None] * 3
    assert document["heterogeneity"]["shuffled"] == "rows"
    assert document["data"]["voters"] is None


def test_a_group_of_one_voter_has_no_interval() -> None:
    votes = domains.three_groups().sample(voters=40, comparisons=20, rng=1)
    group = np.where(votes.voter == 7, "hermit", "others")
    found = run(ck.Comparisons(votes.winner, votes.loser, voter=votes.voter, group=group), **FEW)
    rows = {row["group"]: row for row in sound(found)["groups"]}
    assert rows["hermit"]["voters"] == 1
    assert (rows["hermit"]["gap_low"], rows["hermit"]["gap_high"]) == (None, None)
    assert rows["others"]["gap_low"] is not None
    (note,) = [note["text"] for note in found.to_dict()["notes"] if note["kind"] == "one voter"]
    assert "hermit" in note


def test_voters_in_several_groups() -> None:
    votes = domains.three_groups().sample(voters=20, comparisons=40, rng=2)
    day = np.random.default_rng(0).integers(0, 2, len(votes))
    found = run(ck.Comparisons(votes.winner, votes.loser, voter=votes.voter, group=day), **FEW)
    document = sound(found)
    assert document["heterogeneity"]["shuffled"] == "rows of each voter"
    assert [group["voters"] for group in document["groups"]] == [20, 20]


def test_few_voters_and_few_comparisons_are_noted() -> None:
    votes = domains.three_groups().sample(voters=20, comparisons=3, rng=4)
    found = run(votes, **FEW)
    sound(found)
    notes = {note["kind"]: note["text"] for note in found.to_dict()["notes"]}
    assert "minority (2)" in notes["few voters"]
    assert "minority (2.0)" in notes["few comparisons"]  # 6 comparisons of two each, over 6 alternatives
    for group in votes.groups:
        mine = votes.group == votes.groups.index(group)
        unseen = 6 - len({*votes.winner[mine].tolist(), *votes.loser[mine].tolist()})
        assert (f"{group} ({unseen} of 6)" in notes["never compared"]) == (unseen > 0)


def test_graphs_that_fall_apart_are_noted() -> None:
    apart = run(ck.Comparisons(["a", "b", "c", "d"] * 10, ["b", "a", "d", "c"] * 10), **FEW)
    sound(apart)
    assert "disconnected" in kinds(apart)
    assert "one-way wins" not in kinds(apart)
    one_way = run(ck.Comparisons(["a", "b", "a"] * 10, ["b", "a", "c"] * 10), **FEW)
    sound(one_way)
    assert "one-way wins" in kinds(one_way)
    assert "disconnected" not in kinds(one_way)
    contexts = run(ck.Comparisons(["a", "b"] * 10, ["b", "a"] * 10, context=["x", "x", "y", "y"] * 5), **FEW)
    sound(contexts)
    assert not {"disconnected", "one-way wins"} & set(kinds(contexts))


def test_what_the_reading_noted_is_passed_on(tmp_path: Path) -> None:
    file = tmp_path / "votes.csv"
    file.write_text(
        "winner,loser,prompt,voter\n" + "".join(f"a,b,p{k % 2},v{k}\nb,a,p{k % 2},v{k}\n" for k in range(9))
    )
    reading = ingest.read_comparisons(file, skip=["self"])
    found = run(reading.comparisons, **FEW, source=reading.report)
    document = sound(found)
    assert document["source"]["rows_read"] == document["source"]["rows_used"] == 18
    assert document["source"]["name"] == "votes.csv"
    assert [note["text"] for note in document["notes"] if note["kind"] == "reading"] == list(reading.report.notes)
    assert len(reading.report.notes) == 1


@pytest.mark.parametrize(
    "votes",
    [
        pytest.param(ck.Comparisons(["a"], ["b"]), id="one row"),
        pytest.param(ck.Comparisons(["a", "b"], ["b", "a"], voter=[1, 1], group=["x", "y"]), id="one voter"),
        pytest.param(ck.Comparisons(["a", "b"] * 9, ["b", "c"] * 9, tie=[True] * 18, group=["x", "y", "z"] * 6,
                                    voter=range(18)), id="ties only"),
        pytest.param(ck.Comparisons(["a", "b"] * 9, ["b", "a"] * 9, weight=[1e6, 1] * 9, group=["x", "y", "z"] * 6,
                                    voter=range(18)), id="rewards far apart"),
        pytest.param(ck.Comparisons(["a", "b"] * 9, ["b", "a"] * 9, weight=[1e-6, 2e-6] * 9, group=["x", "y", "z"] * 6,
                                    voter=range(18)), id="tiny weights"),
        pytest.param(ck.Comparisons(["a", "b", "c"], ["b", "a", "a"], weight=[1, 1, 0], group=["x", "x", "y"],
                                    voter=[1, 2, 3]), id="rows without weight"),
        pytest.param(ck.Comparisons(["a", "b"] * 20, ["b", "a"] * 20, voter=np.repeat(range(20), 2),
                                    group=np.repeat(["x", "y"], 20)), id="everybody torn"),
        pytest.param(ck.Comparisons([1, "1"] * 9, ["1", 1] * 9, voter=range(18), group=["y", 3] * 9),
                     id="odd labels"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("beta", [0.01, 0.1, 5.0])
def test_extreme_data_still_give_a_document(votes: ck.Comparisons, beta: float) -> None:
    document = sound(run(votes, **FEW, beta=beta))
    assert document["settings"]["beta"] == beta
    assert len(document["groups"]) == max(1, len(votes.groups))


# --- Real data ----------------------------------------------------------------------------------------------------


def test_most_wins_are_not_the_highest_reward(data: Path) -> None:
    reading = ingest.read_comparisons(data / "llmfao/crowd-comparisons.csv.gz")
    found = run(reading.comparisons, **FEW, source=reading.report)
    document = sound(found)
    first = {reading["reading"]: reading["first"] for reading in document["readings"]}
    assert first["most wins"] == ["Weaver 12k"]
    assert first["pooled Bradley–Terry reward"] == ["GPT 4"]
    assert document["data"]["ties"] == 3471
    assert "no groups" in kinds(found)


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("foreign_intervention", ["party"]),
        ("right_to_assemble", ["politics"]),
        ("right_to_assemble", ["politics", "gender"]),
    ],
)
def test_sparse_data_are_not_oversold(data: Path, name: str, groups: list[str]) -> None:
    folder = data / "polarized_issues"
    meaning = {
        "Thought A": "first", "Thought B": "second", "I agree with both": "tie", "I disagree with both": "tie",
        "These are similar": "tie", "I'm not sure": "skip",
    }  # fmt: skip
    reading = ingest.read_comparisons(
        folder / f"{name}_preference.csv.gz", voters=folder / f"{name}_participants.csv", group=groups, meaning=meaning,
        context="question",
    )  # fmt: skip
    found = run(reading.comparisons.grouped_by(*groups), **FEW, source=reading.report)
    document = sound(found)
    assert {"few comparisons", "never compared", "one-way wins"} <= set(kinds(found))
    shown = document["heterogeneity"]["p_value"] <= 0.05
    assert shown != ("no difference shown" in kinds(found))
    for row in document["groups"]:
        assert (row["gap_high"] is None) == (row["voters"] == 1)
        assert row["gap_high"] is None or row["gap_high"] > row["gap"] > row["fitted_gap"]
        assert row["p_value"] is not None


def test_published_tables_are_audited(data: Path) -> None:
    facts = json.loads((data / "facts.json").read_text())["bt"]
    folder = data / "r_bradleyterry2"
    baseball = ingest.read_comparisons(
        folder / "baseball.csv", first="home.team", second="away.team", first_wins="home.wins", second_wins="away.wins"
    )
    citations = ingest.read_comparisons(
        folder / "citations.csv", winner="cited", loser="citing", weight="Freq", skip=["self"]
    )
    for name, reading in (("baseball", baseball), ("citations", citations)):
        document = sound(run(reading.comparisons, **FEW, source=reading.report))
        assert document["data"]["weight"] == facts[name]["n_comparisons"]
        # The priors shrink, but do not reorder teams this far apart.
        assert [row["alternative"] for row in document["alternatives"]] == facts[name]["ranking"]
        assert {note["kind"] for note in document["notes"]} >= {"no groups", "no voters"}


def test_groups_that_print_alike_keep_their_own_columns() -> None:
    votes = ck.Comparisons(["a", "b"] * 4, ["b", "a"] * 4, group=[1, "1"] * 4)
    found = ck.audit(votes, replicates=20, permutations=20)
    assert found.table()["group"] == ["1", "1 (2)"]
    assert {"margin:1", "margin:1 (2)"} <= found.training_table().keys()


def test_what_is_handed_out_can_be_changed_without_changing_the_audit() -> None:
    found = ck.audit(ck.Comparisons(["a", "b"] * 4, ["b", "a"] * 4, group=["x", "y"] * 4), replicates=20)
    before = found.to_json()
    found.to_dict()["groups"].clear()
    found.table()["gap"].clear()
    columns = found.training_table()
    columns["weight"][:] = 0
    columns["tie"][:] = True
    assert found.to_json() == before
    with pytest.raises(ValueError, match="read-only"):
        found.fits.scores[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        found.fits.population.covariance[0, 0] = 1
