"""Noise within voters and differences between them: by-the-book twins, unbiasedness, coverage, refusals."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import choicekit as ck
from choicekit.models.noise import Disagreement, _answers, disagreement

Array = np.ndarray
Said = list[tuple[int, int, int, float]]  # voter, question, context, answer


def votes(said: Said, *, contexts: bool = False) -> ck.Comparisons:
    """Question q is the pair of alternatives 2q and 2q + 1; answers of ½ are ties."""
    winner = [2 * q + (answer < 0.5) for _, q, _, answer in said]
    loser = [2 * q + (answer >= 0.5) for _, q, _, answer in said]
    return ck.Comparisons(
        winner, loser, voter=[v for v, *_ in said], tie=[answer == 0.5 for *_, answer in said],
        context=[c for _, _, c, _ in said] if contexts else None,
    )  # fmt: skip


def by_the_book(said: Said, times: dict[int, int] | None = None) -> tuple[Fraction, Fraction] | None:
    """(within, between), by loops over pairs of answers; voters ``times`` over, copies never compared."""
    often = times or {v: 1 for v, *_ in said}
    weighted: list[tuple[int, Fraction, Fraction]] = []
    for asked in sorted({(q, c) for _, q, c, _ in said}):
        sheets: dict[int, list[Fraction]] = {}
        for v, q, c, answer in said:
            if (q, c) == asked and often.get(v, 0):
                sheets.setdefault(v, []).append(Fraction(answer))
        own = []
        for v, answers in sheets.items():
            pairs = list(itertools.combinations(answers, 2))
            if pairs:
                own += [sum(((x - y) ** 2 for x, y in pairs), Fraction(0)) / len(pairs)] * often[v]
        other = []
        for v, w in itertools.combinations(sheets, 2):
            both = [(x - y) ** 2 for x in sheets[v] for y in sheets[w]]
            other += [sum(both, Fraction(0)) / len(both)] * (often[v] * often[w])
        if own and other:
            weighted.append((len(own), sum(own, Fraction(0)) / len(own), sum(other, Fraction(0)) / len(other)))
    if not weighted:
        return None
    total = sum(n for n, _, _ in weighted)
    return sum(n * x for n, x, _ in weighted) / total, sum(n * y for n, _, y in weighted) / total


answers = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 1), st.sampled_from([0.0, 0.5, 1.0])),
    min_size=2, max_size=30,
)  # fmt: skip


@given(answers, st.booleans())
def test_the_split_is_that_of_double_loops(said: Said, contexts: bool) -> None:
    if not contexts:
        said = [(v, q, 0, answer) for v, q, _, answer in said]
    expected = by_the_book(said)
    if expected is None:
        with pytest.raises(ValueError, match="disagreement: needed"):
            disagreement(votes(said, contexts=contexts), replicates=0)
        return
    found = disagreement(votes(said, contexts=contexts), replicates=0)
    assert found.within == pytest.approx(float(expected[0]), abs=1e-12)
    assert found.between == pytest.approx(float(expected[1]), abs=1e-12)
    assert found.value_difference == pytest.approx(found.between - found.within)
    if found.between > 0:
        assert found.value_share == pytest.approx(1 - found.within / found.between)
    else:
        assert np.isnan(found.value_share)
    differences = [question.value_difference for question in found.questions]
    assert differences == sorted(differences, reverse=True)
    total = sum(question.repeats for question in found.questions)
    assert total == found.repeats
    mean = sum(question.repeats * question.between for question in found.questions) / total
    assert mean == pytest.approx(found.between)


@given(answers, st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_voters_drawn_twice_are_not_compared_with_themselves(said: Said, drawn: list[int]) -> None:
    said = [(v, q, 0, answer) for v, q, _, answer in said]
    made = _answers(votes(said))
    present = sorted({v for v, *_ in said})
    times = {v: drawn[v] for v in present}
    within, between, repeats = made.split(np.array([float(times[v]) for v in present]))
    used = (repeats > 0) & ~np.isnan(between)
    expected = by_the_book(said, times)
    assert used.any() == (expected is not None)
    if expected is not None:
        weight = repeats[used] / repeats[used].sum()
        assert weight @ within[used] == pytest.approx(float(expected[0]), abs=1e-12)
        assert weight @ between[used] == pytest.approx(float(expected[1]), abs=1e-12)


def test_a_repeated_answer_may_be_a_weight() -> None:
    said: Said = [(0, 0, 0, 1.0), (0, 0, 0, 1.0), (0, 0, 0, 0.0), (1, 0, 0, 0.0)]
    short = ck.Comparisons([0, 1, 1], [1, 0, 0], voter=[0, 0, 1], weight=[2.0, 1.0, 1.0])
    one, two = disagreement(votes(said), rng=3), disagreement(short, rng=3)
    assert (one.within, one.between, one.within_interval) == (two.within, two.between, two.within_interval)
    nothing = ck.Comparisons([0, 1, 1, 0], [1, 0, 0, 1], voter=[0, 0, 1, 7], weight=[2.0, 1.0, 1.0, 0.0])
    assert disagreement(nothing).voters == 2


def population(rng: np.random.Generator, chances: Array, *, twice: float, ties: bool = False) -> ck.Comparisons:
    """Each voter answers each question once, and again with probability ``twice``; ``chances[v, q]`` of saying 1."""
    voters, questions = chances.shape
    said: Said = []
    for v in range(voters):
        for q in range(questions):
            for _ in range(1 + int(rng.random() < twice)):
                tie = ties and rng.random() < 0.3
                said.append((v, q, 0, 0.5 if tie else float(rng.random() < chances[v, q])))
    return votes(said)


def test_noise_alone_is_no_difference_and_firm_opinions_no_noise() -> None:
    rng = np.random.default_rng(1)
    noisy = disagreement(population(rng, np.full((120, 6), 0.7), twice=0.5))
    low, high = noisy.value_difference_interval
    assert low < 0 < high
    assert abs(noisy.value_share) < 0.15
    assert noisy.within == pytest.approx(0.42, abs=0.06)
    firm = disagreement(population(rng, (rng.random((120, 6)) < 0.7).astype(float), twice=1.0))
    assert firm.within == 0
    assert firm.value_share == 1.0
    # nobody of 120 wavered: at most 1 − 0.05^(1/120) do
    assert firm.within_interval == (0.0, pytest.approx(1 - 0.05 ** (1 / 120)))
    assert firm.value_share_interval[0] < 1
    assert firm.value_difference_interval[0] < firm.between


@pytest.mark.parametrize("ties", [False, True])
def test_estimates_are_unbiased(ties: bool) -> None:
    """E(within) = mean 2q(1 − q), E(between) = within + E(q_v − q_w)², over populations drawn anew."""
    rng, sets = np.random.default_rng(2), 150
    found = []
    for _ in range(sets):
        chances = rng.beta([0.5, 2.0, 1.0], [0.5, 1.0, 1.0], size=(12, 3))
        got = disagreement(population(rng, chances, twice=1.0, ties=ties), replicates=0)
        found.append((got.within, got.value_difference))
    a, b = np.array([0.5, 2.0, 1.0]), np.array([0.5, 1.0, 1.0])
    mean, variance = a / (a + b), a * b / ((a + b) ** 2 * (a + b + 1))
    spread = 2 * variance  # E(q_v − q_w)²
    noise = 2 * (mean * (1 - mean) - variance)
    if ties:
        # 0.3 of the answers are ½: twice the variance of such an answer, and means that move 0.7 as far
        noise = 2 * (0.7 * 0.25 - 0.49 * ((mean - 0.5) ** 2 + variance))
        spread = 0.49 * spread
    errors = np.std(found, axis=0) / np.sqrt(sets)
    assert abs(np.mean(found, axis=0)[0] - noise.mean()) < 3.5 * errors[0]
    assert abs(np.mean(found, axis=0)[1] - spread.mean()) < 3.5 * errors[1]


def test_intervals_hold_the_truth() -> None:
    """Of 200 intervals at 90 % some 180 hold it; fewer than 163 by chance once in some ten thousand."""
    rng, sets, held = np.random.default_rng(3), 200, np.zeros(4)
    noise, difference = 2 * (0.5 - 1 / 3), 1 / 6  # q uniform: E q(1 − q) = 1/6, E(q_v − q_w)² = 1/6
    truth = (noise, noise + difference, difference, difference / (noise + difference))
    for _ in range(sets):
        got = disagreement(population(rng, rng.random((30, 5)), twice=0.6), level=0.9, replicates=99, rng=rng)
        ends = (got.within_interval, got.between_interval, got.value_difference_interval, got.value_share_interval)
        held += [low <= value <= high for value, (low, high) in zip(truth, ends, strict=True)]
    assert (held >= 163).all()
    assert (held[2:] < 200).all()


def test_questions_that_nobody_repeated_do_not_count() -> None:
    hard: Said = [(v, 1, 0, float(v % 2)) for v in range(6)]  # asked once each, all at odds
    easy: Said = [(v, 0, 0, 1.0) for v in range(6) for _ in range(2)]
    found = disagreement(votes(hard + easy), replicates=0)
    assert (found.between, len(found.questions)) == (0.0, 1)
    assert found.questions[0].voters == 6


def test_a_context_makes_another_question() -> None:
    said: Said = [(0, 0, 0, 1.0), (0, 0, 1, 0.0), (1, 0, 0, 1.0), (1, 0, 1, 0.0)]
    assert disagreement(votes(said), replicates=0).within == 1.0
    with pytest.raises(ValueError, match="in the same context twice"):
        disagreement(votes(said, contexts=True))
    again: Said = [*said, (0, 0, 1, 0.0)]
    found = disagreement(votes(again, contexts=True), replicates=0)
    assert (found.within, found.between, found.questions[0].context) == (0.0, 0.0, 1)
    assert (found.questions[0].first, found.questions[0].second) == (0, 1)


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(ValueError, match="who answered"):
        disagreement(ck.Comparisons(["a"], ["b"]))
    once = ck.Comparisons(["a", "b"], ["b", "a"], voter=["v", "w"])
    with pytest.raises(ValueError, match=r"none of the 2 did\. Ask some voters"):
        disagreement(once)
    alone = ck.Comparisons(["a", "b", "c"], ["b", "a", "d"], voter=["v", "v", "w"])
    with pytest.raises(ValueError, match="no other did"):
        disagreement(alone)
    with pytest.raises(ValueError, match="whole numbers"):
        disagreement(ck.Comparisons(["a", "a"], ["b", "b"], voter=["v", "v"], weight=[0.5, 1.0]))
    with pytest.raises(ValueError, match="between 0 and 1"):
        disagreement(once, level=95)
    with pytest.raises(ValueError, match="replicates"):
        disagreement(once, replicates=-1)
    found = disagreement(ck.Comparisons(["a", "a", "a"], ["b", "b", "b"], voter=["v", "v", "w"]), replicates=0)
    assert isinstance(found, Disagreement)
    assert np.isnan(found.within_interval).all()
    assert np.isnan(found.value_share)
