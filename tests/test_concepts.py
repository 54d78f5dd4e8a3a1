"""Policies of annotators: first-order conditions, planted weights, the split of disagreement, the permutation test."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from choicekit.alignment.concepts import AnnotatorPolicies, annotator_policies

Floats = NDArray[np.float64]


def logistic(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def population(
    rng: np.random.Generator, weights: Floats, answers: int
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.int64]]:
    """Answers of voters with these weights ``[v, d]`` on drawn concepts."""
    voters, size = weights.shape
    concepts = rng.integers(0, 2, (voters * answers, size)) * 2.0 - 1
    voter = np.repeat(np.arange(voters), answers)
    yes = rng.random(len(voter)) < logistic((weights[voter] * concepts).sum(1))
    return concepts, yes, voter


@pytest.mark.parametrize("seed", range(8))
def test_the_gradient_vanishes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ridge = float(rng.uniform(0.1, 3))
    concepts, yes, voter = population(rng, rng.normal(size=(3, 4)) * 2, 25)
    found = annotator_policies(concepts, yes, voter, ridge=ridge)
    for v in range(3):
        own = voter == v
        left = yes[own] - logistic(concepts[own] @ found.weights[v] + found.intercepts[v])
        assert np.allclose(concepts[own].T @ left, ridge * found.weights[v], atol=1e-7)
        assert left.sum() == pytest.approx(ridge * found.intercepts[v], abs=1e-7)


def test_planted_weights_come_back() -> None:
    rng = np.random.default_rng(0)
    planted = rng.normal(size=(4, 3))
    found = annotator_policies(*population(rng, planted, 4000), ridge=0.01)
    assert np.abs(found.weights - planted).max() < 0.2
    assert np.abs(found.intercepts).max() < 0.15


def test_accuracy_is_of_answers_that_the_fit_has_not_seen() -> None:
    """Coins predict nothing: with as many concepts as answers a fit to all of them would be right every time."""
    rng = np.random.default_rng(1)
    concepts, yes, voter = population(rng, np.zeros((40, 30)), 30)
    found = annotator_policies(concepts, yes, voter, ridge=0.01)
    seen = ((found.probabilities(concepts)[voter, np.arange(len(voter))] > 0.5) == yes).mean()
    assert seen > 0.99
    assert 0.45 < found.accuracy.mean() < 0.55
    assert (found.majority >= 0.5).all()


@pytest.mark.parametrize("seed", range(10))
def test_the_split_is_the_chance_that_two_voters_differ(seed: int) -> None:
    """Added up over all pairs of voters and items by hand; between groups by the groups' mean voters."""
    rng = np.random.default_rng(seed)
    concepts, yes, voter = population(rng, rng.normal(size=(7, 2)), 12)
    group = rng.permutation([0, 0, 0, 1, 1, 2, 2])[voter]
    found = annotator_policies(concepts, yes, voter, group=group)
    items = rng.normal(size=(5, 2))
    chance = found.probabilities(items)
    differ = np.mean([chance[a] * (1 - chance[b]) + chance[b] * (1 - chance[a]) for a in range(7) for b in range(7)])
    split = found.split(items)
    assert split.total == pytest.approx(differ, abs=1e-12)
    assert min(split.operational, split.ambiguity, split.pluralism) >= 0
    means = np.stack([chance[found.groups == found.groups[v]].mean(0) for v in range(7)])
    apart = np.mean([(means[a] - means[b]) ** 2 for a in range(7) for b in range(7)])
    assert split.pluralism == pytest.approx(apart, abs=1e-12)


def planted_split(rng: np.random.Generator, between: float, within: float) -> AnnotatorPolicies:
    group = np.repeat([0, 1], 15)
    weights = np.column_stack([between * (2 * group - 1) + within * rng.normal(size=30), np.full(30, 2.0)])
    concepts, yes, voter = population(rng, weights, 200)
    return annotator_policies(concepts, yes, voter, group=group[voter])


def test_the_planted_source_is_the_larger_one() -> None:
    rng = np.random.default_rng(3)
    items = [[1.0, 0.0], [-1.0, 0.0]]
    apart, unclear = planted_split(rng, 2.0, 0.0).split(items), planted_split(rng, 0.0, 2.0).split(items)
    assert apart.pluralism > 5 * apart.ambiguity
    assert unclear.ambiguity > 5 * unclear.pluralism


def test_the_permutation_test_finds_the_planted_concept_and_keeps_its_rate() -> None:
    rng = np.random.default_rng(4)
    found = planted_split(rng, 0.5, 0.3).concept_differences()
    assert found.p_values[0] < 0.01
    assert found.adjusted[0] < 0.01
    assert found.adjusted[1] > 0.05
    assert (found.adjusted >= found.p_values - 1e-12).all()
    rejected = 0
    for _ in range(100):
        weights = rng.normal(size=(12, 2))
        voters = AnnotatorPolicies(
            tuple(range(12)), weights, np.zeros(12), np.full(12, 9), np.ones(12), np.ones(12), ("A", "B"),
            np.repeat([0, 1], [4, 8]),
        )  # fmt: skip
        rejected += bool((voters.concept_differences(permutations=99, rng=rng).adjusted <= 0.1).any())
    assert rejected <= 19  # 10 expected; 19 or fewer with probability 0.998


def test_labels_and_the_order_of_rows_do_not_matter() -> None:
    rng = np.random.default_rng(5)
    concepts, yes, voter = population(rng, rng.normal(size=(4, 2)), 10)
    names = np.array(["d", "a", "c", "b"])[voter]
    found, other = annotator_policies(concepts, yes, voter), annotator_policies(concepts, yes, names)
    assert other.voters == ("a", "b", "c", "d")
    assert np.allclose(other.weights, found.weights[[1, 3, 2, 0]])


def test_a_single_answer_predicts_nothing() -> None:
    assert annotator_policies([[1.0]], [True], ["ann"]).accuracy.tolist() == [0.5]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"answers": [1, 2, 0, 1]}, "answers: needed yes .1, true. or no .0, false. for each of 4 rows"),
        ({"answers": [1, 0]}, "answers: needed yes"),
        ({"voter": ["a"] * 3}, "voter: needed 4 entries, one a row, got 3"),
        ({"group": ["x", "y", "x", "x"]}, "group: voter 'a' is in more than one group"),
        ({"concepts": [[1.0], [np.nan], [0.0], [0.0]]}, "concepts: needed finite numbers"),
        ({"concepts": [1.0, 0.0, 0.0, 0.0]}, r"concepts: .*got shape \(4,\)"),
        ({"ridge": 0.0}, "ridge: needed a positive number, got 0.0"),
    ],
)
def test_bad_input(change: dict[str, object], says: str) -> None:
    good: dict[str, object] = {"concepts": [[1.0]] * 4, "answers": [1, 0, 1, 1], "voter": ["a", "a", "b", "b"]}
    with pytest.raises(ValueError, match=says):
        annotator_policies(**{**good, **change})  # type: ignore[arg-type]


def test_one_group_has_nobody_to_differ_from() -> None:
    found = annotator_policies([[1.0]] * 4, [1, 0, 1, 1], ["a", "a", "b", "b"])
    with pytest.raises(ValueError, match="needed two groups or more, got one; pass group="):
        found.concept_differences()
    with pytest.raises(ValueError, match="concepts: needed finite numbers, one row a context and 1 columns"):
        found.split([[1.0, 2.0]])
