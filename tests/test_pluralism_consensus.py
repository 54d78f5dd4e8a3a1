"""Group-informed consensus: by the book, its properties, and the published numbers of four Polis conversations."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from choicekit.alignment.consensus import count_vote_rows, count_votes, group_informed_consensus

Votes = list[tuple[list[float], str | None]]


@st.composite
def conversations(draw: st.DrawFn) -> Votes:
    size = draw(st.integers(1, 5))
    vote = st.sampled_from([1.0, -1.0, 0.0, float("nan")])
    people = draw(
        st.lists(
            st.tuples(st.lists(vote, min_size=size, max_size=size), st.sampled_from(["x", "y", "z", None])),
            min_size=1, max_size=12,
        )
    )  # fmt: skip
    return [*people, ([1.0] * size, "x")]


@given(conversations())
def test_by_the_book(people: Votes) -> None:
    votes, group = [row for row, _ in people], [label for _, label in people]
    counts = count_votes(votes, group)
    found = group_informed_consensus(counts)
    for a in range(len(votes[0])):
        shares = {}
        for label in sorted({label for label in group if label is not None}):
            cast = [row[a] for row, own in people if own == label and row[a] == row[a]]
            shares[label] = (sum(vote == 1 for vote in cast) + 1) / (len(cast) + 2)
        assert np.isclose(found.scores[a], np.prod(list(shares.values())), rtol=1e-12)
        assert np.isclose(found.disagreement[a], max(shares.values()) - min(shares.values()), rtol=0, atol=1e-12)
        assert np.isclose(shares[str(found.reluctant[a])], min(shares.values()), rtol=1e-12)
        cast = [row[a] for row in votes if row[a] == row[a]]
        assert counts.votes.sum(0)[a] == len(cast)
        assert counts.agree_rates().scores[a] == np.mean([vote == 1 for vote in cast])
    assert ((found.scores > 0) & (found.scores <= found.lowest)).all()


@given(conversations())
def test_matrix_and_rows_count_alike(people: Votes) -> None:
    wide = count_votes([row for row, _ in people], [label for _, label in people])
    rows = [(a, vote, label) for row, label in people for a, vote in enumerate(row) if vote == vote]
    long = count_vote_rows([a for a, _, _ in rows], [vote for _, vote, _ in rows], [label for *_, label in rows])
    columns = [wide.alternatives.index(a) for a in long.alternatives]
    kept = [g for g, label in enumerate(wide.groups) if label in long.groups] + [len(wide.groups)]
    for name in ("agree", "disagree", "passed"):
        assert np.array_equal(getattr(long, name), getattr(wide, name)[np.ix_(kept, columns)])


@given(conversations(), st.integers(0, 4))
def test_one_more_agreement_never_lowers_and_one_against_never_raises(people: Votes, a: int) -> None:
    size = len(people[0][0])
    before = group_informed_consensus(count_votes([row for row, _ in people], [label for _, label in people])).scores
    for vote, sign in ((1.0, 1), (-1.0, -1), (0.0, -1)):
        more = [*people, ([vote if b == a % size else float("nan") for b in range(size)], "x")]
        after = group_informed_consensus(count_votes([row for row, _ in more], [label for _, label in more])).scores
        assert (sign * (after - before) >= -1e-15).all()
        assert sign * (after - before)[a % size] > 0 or (sign > 0 and after[a % size] == before[a % size])


def test_p_values_are_pearsons() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        size, groups = int(rng.integers(30, 80)), int(rng.integers(2, 5))
        group = rng.integers(0, groups, size)
        votes = rng.choice([1.0, -1.0, 0.0], (size, 3))
        found = group_informed_consensus(count_votes(votes, group.tolist()))
        for a in range(3):
            table = [[(votes[group == g, a] == 1).sum(), (votes[group == g, a] != 1).sum()] for g in np.unique(group)]
            assert np.isclose(found.p_values[a], chi2_contingency(table, correction=False).pvalue, rtol=1e-9)


def test_p_values_where_nothing_can_be_tested() -> None:
    found = group_informed_consensus(count_votes([[1, 1, np.nan], [1, np.nan, np.nan]], ["x", "y"]))
    assert found.p_values.tolist() == [1.0, 1.0, 1.0]
    assert found.scores.tolist() == pytest.approx([4 / 9, 1 / 3, 1 / 4])


def test_p_values_of_equal_groups_are_about_uniform() -> None:
    rng = np.random.default_rng(1)
    votes = rng.choice([1.0, -1.0, 0.0], (600, 400), p=[0.5, 0.3, 0.2])
    found = group_informed_consensus(count_votes(votes, (np.arange(600) % 3).tolist()))
    assert 0.02 <= (found.p_values < 0.05).mean() <= 0.09


def test_rates_have_intervals_by_group() -> None:
    counts = count_votes([[1], [1], [-1], [0]], ["x", "x", "x", "y"])
    rates, ends = counts.group_rates(method="clopper_pearson")
    assert rates.ravel().tolist() == pytest.approx([2 / 3, 0])
    assert ends[1, 0].tolist() == pytest.approx([0, 0.975])
    wilson = counts.group_rates()[1]
    assert (wilson[:, :, 0] <= rates).all()
    assert (rates <= wilson[:, :, 1]).all()


@pytest.mark.parametrize("name", ["polis_brexit", "polis_15_per_hour", "polis_vtaiwan_uber", "polis_bowling_green"])
def test_published_conversations(data: Path, name: str) -> None:
    facts = json.loads((data / "facts.json").read_text(encoding="utf-8"))["polis"][name]
    with (data / name / "participants.csv").open(encoding="utf-8") as file:
        group = {row["participant"]: row["group"] or None for row in csv.DictReader(file)}
    with gzip.open(data / name / "votes.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    counts = count_vote_rows(
        [int(row["statement"]) for row in rows],
        [int(row["vote"]) for row in rows],
        [group.get(row["participant"]) for row in rows],
    )
    assert counts.votes.sum() == facts["votes"]
    assert len(counts.alternatives) == facts["statements"]
    found = group_informed_consensus(counts)
    score = dict(zip(found.alternatives, found.scores.tolist(), strict=True))
    for statement, published in facts["gic_top5"]:
        assert round(score[statement], 6) == published
    assert sorted(found.scores.round(6).tolist())[:-6:-1] == [published for _, published in facts["gic_top5"]]
    rates = counts.agree_rates(least=30)
    best = np.argsort(-rates.scores, kind="stable")[:5]
    assert [[rates.alternatives[a], round(float(rates.scores[a]), 6)] for a in best] == facts["agree_top5_min30votes"]


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="1 \\(agree\\)"):
        count_votes([[2]], ["x"])
    with pytest.raises(ValueError, match="group a voter"):
        count_votes([[1]], ["x", "y"])
    with pytest.raises(ValueError, match="needed 1 alternatives"):
        count_votes([[1]], ["x"], alternatives="ab")
    with pytest.raises(ValueError, match="no voter has a group"):
        count_votes([[1]], [None])
    with pytest.raises(ValueError, match="three columns"):
        count_vote_rows(["a"], [1, 1], ["x"])
    with pytest.raises(ValueError, match="1 \\(agree\\)"):
        count_vote_rows(["a"], [np.nan], ["x"])
