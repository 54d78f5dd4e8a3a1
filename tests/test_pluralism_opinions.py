"""Opinions of groups: tables by loops over rows, representativeness beside SciPy, four countries' real answers."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from choicekit.alignment.distances import jensen_shannon_distance, noise_floor, relative_wasserstein
from choicekit.alignment.opinions import (
    Opinions,
    group_similarities,
    opinion_steerability,
    opinions_from_table,
    representativeness,
    topic_consistency,
)
from choicekit.alignment.values import opinion_polarisation, ordinal_agreement

SCALES = {"q": ["no", "yes"], "r": ["low", "mid", "high", "top"], "s": [1, 2, 3]}
SILENT = ("refused", None, float("nan"))


def table(rng: np.random.Generator) -> tuple[list[Any], list[Any], list[Any]]:
    rows = [("q", "a", "no"), ("r", "a", "mid"), ("s", "a", 2)]  # every question has an answer
    for _ in range(int(rng.integers(20, 120))):
        question = "qrs"[rng.integers(3)]
        answers = [*SCALES[question], *SILENT]
        rows.append((question, "abc"[rng.integers(3)], answers[rng.integers(len(answers))]))
    question, group, answer = (list(column) for column in zip(*rows, strict=True))
    return question, group, answer


def drawn(rng: np.random.Generator) -> Opinions:
    return opinions_from_table(*table(rng), scales=SCALES, refusals=["refused"])


def model_for(opinions: Opinions, rng: np.random.Generator, *lead: int) -> np.ndarray:
    """Answers to every question, nothing beyond the end of its scale."""
    found = np.zeros((*lead, len(opinions.questions), opinions.shares.shape[-1]))
    for x, size in enumerate(opinions.sizes):
        found[..., x, :size] = rng.dirichlet(np.ones(size), lead)
    return found


def test_tables_by_the_book() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        question, group, answer = table(rng)
        weights = rng.integers(1, 4, len(question))
        found = opinions_from_table(question, group, answer, scales=SCALES, refusals={"refused"}, weights=weights)
        assert found.sizes.tolist() == [2, 4, 3]
        rows = list(zip(question, group, answer, weights.tolist(), strict=True))
        for x, q in enumerate(found.questions):
            everybody = np.zeros(4)
            for g, who in enumerate(found.groups):
                own = [(a, w) for one, two, a, w in rows if (one, two) == (q, who)]
                on_scale = [(SCALES[q].index(a), w) for a, w in own if a in SCALES[q]]
                tally = np.bincount([a for a, _ in on_scale], [w for _, w in on_scale], minlength=4)[:4]
                everybody += tally
                assert found.counts[x, g] == len(on_scale)
                assert found.refused[x, g] == len(own) - len(on_scale)
                if on_scale:
                    assert found.shares[x, g] == pytest.approx(tally / tally.sum())
                else:
                    assert np.isnan(found.shares[x, g]).all()
            assert found.population[x] == pytest.approx(everybody / everybody.sum())
        own = found.shares[:, found.groups.index("a")]
        assert np.array_equal(found.of("a"), own, equal_nan=True)
        repeated = opinions_from_table(
            *(np.repeat(np.array(column, object), weights).tolist() for column in (question, group, answer)),
            scales=SCALES, refusals=["refused"],
        )  # fmt: skip
        assert repeated.shares == pytest.approx(found.shares, nan_ok=True)


def test_representativeness_beside_scipy() -> None:
    rng = np.random.default_rng(1)
    for _ in range(40):
        opinions = drawn(rng)
        model, weights = model_for(opinions, rng), rng.random(3)
        found = representativeness(model, opinions, question_weights=weights)
        for g in range(len(opinions.groups)):
            total = heavy = 0.0
            for x, size in enumerate(opinions.sizes.tolist()):
                if opinions.counts[x, g]:
                    moved = stats.wasserstein_distance(
                        range(size), range(size), model[x, :size], opinions.shares[x, g, :size]
                    )
                    assert found.by_question[x, g] == pytest.approx(1 - moved / (size - 1))
                    assert 0 <= found.by_question[x, g] <= 1 + 1e-12
                    total, heavy = total + weights[x] * (1 - moved / (size - 1)), heavy + weights[x]
                else:
                    assert np.isnan(found.by_question[x, g])
            assert found.scores[g] == pytest.approx(total / heavy if heavy else np.nan, nan_ok=True)
        nominal = representativeness(model, opinions, similarity=lambda p, q: 1 - jensen_shannon_distance(p, q))
        for x, g in zip(*np.nonzero(opinions.counts), strict=True):
            assert nominal.by_question[x, g] == pytest.approx(
                1 - jensenshannon(model[x], opinions.shares[x, g]), abs=1e-7
            )
        low, high = found.interval(rng=0).T
        known = ~np.isnan(found.scores)
        assert (low[known] <= found.scores[known] + 1e-12).all()
        assert (found.scores[known] <= high[known] + 1e-12).all()


def test_a_group_represents_itself_best() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        question, group, answer = table(rng)
        question += ["q", "r", "s"] * 3
        group += list("aaabbbccc")
        answer += ["no", "mid", 2] * 3
        opinions = opinions_from_table(question, group, answer, scales=SCALES, refusals=["refused"])
        alike = group_similarities(opinions)
        assert alike == pytest.approx(alike.T)
        assert np.diagonal(alike) == pytest.approx(1)
        for g, name in enumerate(opinions.groups):
            found = representativeness(opinions.of(name), opinions)
            assert name in found.best
            assert found.scores == pytest.approx(alike[g])


def test_consistency_by_the_book() -> None:
    rng = np.random.default_rng(3)
    for _ in range(40):
        names = [f"q{i}" for i in range(8)]
        rows = [(q, g, int(rng.integers(4))) for q in names for g in "abc" for _ in range(3)]
        opinions = opinions_from_table(*zip(*rows, strict=True), scales=range(4))
        weights = rng.random(8)
        found = representativeness(rng.dirichlet(np.ones(4), 8), opinions, question_weights=weights)
        topics = ["tu"[int(t)] for t in rng.permutation([0, 1, 0, 1, 0, 1, 0, 1])]
        told = topic_consistency(found, topics)
        rows_of = {topic: [i for i, other in enumerate(topics) if other == topic] for topic in "tu"}
        means = {
            topic: np.average(found.by_question[row], axis=0, weights=weights[row]) for topic, row in rows_of.items()
        }
        overall = np.mean(list(means.values()), 0)
        leader = "abc"[int(overall.argmax())]
        assert told.overall == (leader,)
        assert told.share == np.mean(["abc"[int(mean.argmax())] == leader for mean in means.values()])
        assert told.best == tuple(("abc"[int(means[topic].argmax())],) for topic in told.topics)
        assert topic_consistency(found, ["one"] * 8).share == 1


def test_the_best_way_of_asking_counts_question_by_question() -> None:
    rng, looked = np.random.default_rng(4), 0
    for _ in range(20):
        opinions = drawn(rng)
        if (opinions.counts == 0).any():
            continue
        groups, looked = len(opinions.groups), looked + 1
        steered = np.moveaxis(model_for(opinions, rng, 2, groups), 1, 2)
        found = opinion_steerability(steered, opinions)
        ways = [[representativeness(way[:, g], opinions).by_question[:, g] for g in range(groups)] for way in steered]
        each = np.moveaxis(np.array(ways), 1, 2)
        assert found.by_prompting == pytest.approx(each.mean(1))
        assert found.scores == pytest.approx(each.max(0).mean(0))
        assert (found.scores >= found.by_prompting.max(0) - 1e-12).all()
        perfect = opinion_steerability(opinions.shares[None], opinions)
        assert perfect.scores == pytest.approx(1)
    assert looked >= 10


def test_drawn_anew_people_vary_as_binomials_do() -> None:
    opinions = opinions_from_table(["q"] * 100, ["a"] * 100, [0] * 30 + [1] * 70, scales=[0, 1])
    again = opinions.resampled(4000, rng=0)[:, 0, 0]
    assert again.sum(-1) == pytest.approx(1)
    assert again[:, 0].mean() == pytest.approx(0.3, abs=0.005)
    assert again[:, 0].std() == pytest.approx(np.sqrt(0.3 * 0.7 / 100), rel=0.05)
    holes = opinions_from_table(["q", "r"], ["a", "b"], [0, 1], scales=[0, 1]).resampled(3)
    assert np.isnan(holes[:, 0, 1]).all()
    assert holes[:, 1, 1].tolist() == [[0.0, 1.0]] * 3


def one() -> Opinions:
    return opinions_from_table(["q", "r"], ["a", "a"], ["no", "mid"], scales=SCALES)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: opinions_from_table(["q"], ["a"], ["maybe"], scales=SCALES), "'maybe' in row 0 is not on the scale"),
        (lambda: opinions_from_table(["z"], ["a"], ["no"], scales=SCALES), "none for the question 'z'"),
        (lambda: opinions_from_table(["q"], ["a"], [0], scales=[0]), "at least 2 different answers"),
        (lambda: opinions_from_table(["q"], ["a"], [0], scales=[0, 0]), "at least 2 different answers"),
        (lambda: opinions_from_table(["q"], ["a"], ["no"], scales=SCALES, refusals=["no"]), "among the refusals"),
        (lambda: opinions_from_table(["q"], ["a"], [None], scales=SCALES), "nobody answered 'q'"),
        (lambda: opinions_from_table(["q"], ["a", "b"], ["no"], scales=SCALES), "one length"),
        (lambda: opinions_from_table(["q", None], ["a", "b"], ["no"] * 2, scales=SCALES), "labels are missing"),
        (lambda: one().of("b"), "group: needed one of 'a'"),
        (lambda: representativeness([[0.5, 0.5, 0, 0]], one()), r"needed shape \(2, 4\)"),
        (lambda: representativeness([[0.5, 0, 0.5, 0], [0, 1, 0, 0]], one()), "beyond the end"),
        (lambda: opinion_steerability([[[[1, 0, 0, 0]]]], one()), "needed shape"),
        (lambda: topic_consistency(representativeness([[1, 0, 0, 0]] * 2, one()), ["t"]), "topics: needed one"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# --- Four countries --------------------------------------------------------------------------------------------

POVERTY = ["Too Little", "About Right", "Too Much"]
COUNTS = {
    "Australia": (952, 622, 300), "Norway": (597, 494, 36), "Sweden": (604, 374, 25), "USA": (555, 372, 450),
}  # fmt: skip


def test_four_countries_on_poverty(data: Path) -> None:
    with gzip.open(data / "r_cardata" / "WVS.csv.gz", "rt", encoding="utf-8") as file:
        rows = pd.read_csv(file)
    assert len(rows) == 5381
    found = opinions_from_table(["poverty"] * len(rows), rows["country"], rows["poverty"], scales=POVERTY)
    for name, counts in COUNTS.items():
        assert found.of(name)[0] == pytest.approx(np.array(counts) / sum(counts))
        assert found.counts[0, found.groups.index(name)] == sum(counts)
    assert found.refused.sum() == 0
    table = rows.groupby("country")["poverty"].value_counts(normalize=True).unstack().loc[list(found.groups), POVERTY]
    assert found.shares[0] == pytest.approx(table.to_numpy())
    polarisation = opinion_polarisation(found.shares[0])
    scores = rows["poverty"].map({answer: place for place, answer in enumerate(POVERTY)}).astype(float)
    assert polarisation == pytest.approx(scores.groupby(rows["country"]).var(ddof=0).loc[list(found.groups)].to_numpy())
    assert found.groups[int(polarisation.argmax())] == "USA"
    assert found.groups[int(ordinal_agreement(found.shares[0]).argmin())] == "USA"
    nearest = representativeness(found.of("Norway"), found)
    order = np.array(found.groups)[nearest.scores.argsort()[::-1]].tolist()
    assert order == ["Norway", "Sweden", "Australia", "USA"]
    # the two Scandinavian countries differ by more than sampling explains
    floor = noise_floor([COUNTS["Norway"]], [COUNTS["Sweden"]], distance=relative_wasserstein, rng=0)
    assert floor.share < 0.05
