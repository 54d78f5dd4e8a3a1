"""The Plackett–Luce fit against the equations that define it, enumeration, published tables, and a peer."""

from __future__ import annotations

import csv
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import choicekit as ck
from choicekit import graphs, models
from choicekit.kernels import stages as kernels
from choicekit.kernels import tied_stages
from choicekit.models import _stages
from choicekit.models import rankings as module
from choicekit.models.rankings import choice_probabilities, plackett_luce, ranking_log_probabilities

Ranks = np.ndarray
Stage = tuple[float, tuple[int, ...], tuple[int, ...]]  # weight, chosen, available


# --- By the book: stages are written out, and sets enumerated ------------------------------------------------------


def written_out(ranks: Ranks, weights: Any, below: bool) -> list[Stage]:
    found = []
    for row, weight in zip(np.asarray(ranks).tolist(), weights, strict=True):
        left = [a for a, rank in enumerate(row) if below or rank >= 0]
        for rank in sorted(set(row) - {-1}):
            chosen = tuple(a for a in left if row[a] == rank)
            if len(left) > 1:
                found.append((weight, chosen, tuple(left)))
            left = [a for a in left if a not in chosen]
    return found


def could_be(available: tuple[int, ...], sizes: Any) -> list[tuple[int, ...]]:
    return [chosen for k in sizes for chosen in itertools.combinations(available, k)]


def utility(chosen: tuple[int, ...], scores: Any, logs: dict[int, float]) -> float:
    return logs[len(chosen)] + sum(scores[a] for a in chosen) / len(chosen)


def slow_loglik(stages: list[Stage], scores: Any, logs: dict[int, float]) -> float:
    total = 0.0
    for weight, chosen, available in stages:
        all_sets = [utility(other, scores, logs) for other in could_be(available, logs)]
        top = max(all_sets)
        total += weight * (utility(chosen, scores, logs) - top - math.log(sum(math.exp(u - top) for u in all_sets)))
    return total


def slow_surplus(stages: list[Stage], scores: Any, logs: dict[int, float]) -> tuple[np.ndarray, dict[int, float]]:
    """Observed minus expected: shares of having been chosen, and sizes."""
    shares, sizes = np.zeros(len(scores)), dict.fromkeys(logs, 0.0)
    for weight, chosen, available in stages:
        sets = could_be(available, logs)
        chances = np.array([math.exp(utility(other, scores, logs)) for other in sets])
        chances /= chances.sum()
        for other, chance in [(chosen, -1.0), *zip(sets, chances, strict=True)]:
            sizes[len(other)] -= weight * chance
            for a in other:
                shares[a] -= weight * chance / len(other)
    return shares, sizes


def has_recession(stages: list[Stage], size: int) -> bool:
    """Whether along some direction no stage ever loses and one wins, from all sets of all stages at once."""
    sizes = sorted({1} | {len(chosen) for _, chosen, _ in stages})

    def row(chosen: tuple[int, ...]) -> np.ndarray:
        out = np.zeros(size + len(sizes))
        out[list(chosen)] = 1 / len(chosen)
        out[size + sizes.index(len(chosen))] = 1.0
        return out

    rows = np.array([row(chosen) - row(other) for _, chosen, there in stages for other in could_be(there, sizes)])
    bounds = [(-1, 1)] * size + [(0, 0)] + [(-1, 1)] * (len(sizes) - 1)
    found = linprog(-rows.sum(0), A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=bounds)
    # Where some never meet, they can move apart without any stage noticing.
    meeting = np.zeros((size, size))
    for _, _, there in stages:
        meeting[np.ix_(there, there)] = 1
    apart = (np.linalg.matrix_power(meeting + np.eye(size), size) == 0).any()
    return bool(-found.fun > 1e-6 or apart)


@st.composite
def ballots(draw: st.DrawFn, most: int = 5, ties: bool = True) -> tuple[np.ndarray, list[float], bool]:
    size = draw(st.integers(2, most))
    below = draw(st.booleans())
    if ties:
        row = st.lists(st.integers(-1, 3), min_size=size, max_size=size)
    else:
        row = st.tuples(st.permutations(range(size)), st.integers(1, size)).map(
            lambda drawn: [rank if rank < drawn[1] else -1 for rank in drawn[0]]
        )
    rows = draw(st.lists(row, min_size=1, max_size=12))
    weights = draw(st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.5]), min_size=len(rows), max_size=len(rows)))
    assume(written_out(np.array(rows), weights, below))
    return np.array(rows), weights, below


def named(below: bool) -> Any:
    return "below" if below else "absent"


def fit_of(ranks: Any, weights: Any, below: bool, **options: Any) -> models.Fit:
    return plackett_luce(ck.Rankings(ranks, weights), unranked=named(below), **options)


def logs_of(fit: models.Fit) -> dict[int, float]:
    return {1: 0.0} | {int(name[3:] or 2): value for name, value in fit.effects.items() if name.startswith("tie")}


# --- Likelihood, gradient, Hessian ---------------------------------------------------------------------------------


@given(ballots(), st.sampled_from([0.3, 2.0, 15.0]), st.integers(0, 2**31))
def test_likelihood_and_derivatives(drawn: Any, spread: float, number: int) -> None:
    ranks, weights, below = drawn
    rng = np.random.default_rng(number)
    stages = _stages.stages_of(ck.Rankings(ranks, weights), below)
    size, written = ranks.shape[1], written_out(ranks, weights, below)
    assert stages.total == pytest.approx(sum(weight for weight, _, _ in written))
    at = np.concatenate([rng.normal(size=size) * spread, rng.normal(size=len(stages.sizes) - 1)])
    logs = dict(zip(stages.sizes.tolist(), [0.0, *at[size:]], strict=True))
    along = rng.normal(size=len(at))
    value, gradient, diagonal, product = stages.evaluate(at, along)
    assert value == pytest.approx(slow_loglik(written, at[:size], logs), rel=1e-10, abs=1e-10)
    shares, sizes = slow_surplus(written, at[:size], logs)
    assert gradient == pytest.approx(np.append(shares, [sizes[k] for k in stages.sizes[1:].tolist()]), abs=1e-9)
    information = stages.information(at)
    assert information @ along == pytest.approx(product, rel=1e-9, abs=1e-9 * np.abs(information).max())
    assert (diagonal >= np.diag(information) - 1e-9).all()
    for a, unit in enumerate(np.eye(len(at))):
        up, down = stages.evaluate(at + 1e-5 * unit)[1], stages.evaluate(at - 1e-5 * unit)[1]
        assert (down - up) / 2e-5 == pytest.approx(information[a], abs=1e-5 * stages.total)
    assert np.linalg.eigvalsh(information).min() > -1e-9 * stages.total


@given(ballots(ties=False), st.sampled_from([0.3, 3.0, 30.0, 300.0]), st.integers(0, 2**31))
def test_two_ways_to_the_likelihood_without_ties(drawn: Any, spread: float, number: int) -> None:
    """Running sums, with those who are on no ballot counted together, against polynomials over everyone."""
    ranks, weights, below = drawn
    rng = np.random.default_rng(number)
    stages = _stages.stages_of(ck.Rankings(ranks, weights), below)
    scores = rng.normal(size=ranks.shape[1]) * spread
    scores -= scores.max()
    along, one = rng.normal(size=len(scores)), np.ones(1, np.int64)
    start = (stages.order, stages.level, stages.begin, stages.weight, stages.rest, scores, one, np.zeros(1))
    mass, (expected, image), _ = tied_stages.tied(*start, along, np.zeros(1))
    fast = kernels.strict(stages.order, stages.begin, stages.weight, stages.rest, scores, along)
    hessian = kernels.strict_hessian(stages.order, stages.begin, stages.weight, stages.rest, scores)
    assert fast[0] == pytest.approx(mass, rel=1e-11, abs=1e-11)
    assert fast[1] == pytest.approx(expected, rel=1e-9, abs=1e-11)
    assert fast[2] == pytest.approx(np.diag(hessian), rel=1e-6, abs=1e-11)
    assert fast[3] == pytest.approx(image, rel=1e-6, abs=1e-10)
    assert hessian == pytest.approx(tied_stages.tied_hessian(*start)[:-1, :-1], rel=1e-6, abs=1e-10)


@given(st.integers(0, 2**31), st.sampled_from([0.3, 2.0, 8.0]))
def test_the_few_tied_above_the_many(number: int, spread: float) -> None:
    """Those who stand below are counted as everyone less the ranked, or one by one where that would cancel."""
    rng = np.random.default_rng(number)
    size, rows = int(rng.integers(7, 11)), 3
    ranks = np.where(rng.random((rows, size)) < 0.25, rng.integers(0, 2, (rows, size)), -1)
    ranks[0, :3] = (0, 0, 1)
    weights = rng.random(rows) + 0.1
    stages, written = _stages.stages_of(ck.Rankings(ranks, weights), True), written_out(ranks, weights, True)
    at = np.concatenate([rng.normal(size=size) * spread, rng.normal(size=len(stages.sizes) - 1)])
    logs = dict(zip(stages.sizes.tolist(), [0.0, *at[size:]], strict=True))
    along = rng.normal(size=len(at))
    value, gradient, _, product = stages.evaluate(at, along)
    assert value == pytest.approx(slow_loglik(written, at[:size], logs), rel=1e-10)
    shares, sizes = slow_surplus(written, at[:size], logs)
    assert gradient == pytest.approx(np.append(shares, [sizes[k] for k in stages.sizes[1:].tolist()]), abs=1e-9)
    assert stages.information(at) @ along == pytest.approx(product, abs=1e-9)
    change = stages.evaluate(at - 1e-5 * along)[1] - stages.evaluate(at + 1e-5 * along)[1]
    assert change / 2e-5 == pytest.approx(product, abs=1e-6)


def test_many_tied_among_many_neither_over_nor_underflow() -> None:
    """400 of 1,000 tied: C(1000, 400) is beyond floating point. At equal scores the mass is 1000 + δ C(1000, 400)."""
    size, k = 1_000, 400
    stages = _stages.stages_of(ck.Rankings([[0] * k + [1] + [-1] * (size - k - 1), [0] + [-1] * (size - 1)]), True)
    sets = math.lgamma(size + 1) - math.lgamma(k + 1) - math.lgamma(size - k + 1)
    value, gradient, _, _ = stages.evaluate(np.append(np.zeros(size), math.log(1_000) - sets))
    after = math.log(600 + math.exp(math.lgamma(601) - math.lgamma(401) - math.lgamma(201) + math.log(1_000) - sets))
    assert value == pytest.approx(math.log(1_000) - sets - 2 * math.log(2_000) - after, rel=1e-10)
    assert gradient[-1] == pytest.approx(0.0, abs=1e-9)  # one of two stages of everyone, each tied with chance ½


# --- The fit solves its equations ----------------------------------------------------------------------------------


@settings(max_examples=150)
@given(ballots())
def test_it_exists_exactly_where_no_direction_improves_without_end(drawn: Any) -> None:
    ranks, weights, below = drawn
    written = written_out(ranks, weights, below)
    if has_recession(written, ranks.shape[1]):
        with pytest.raises(ck.NoFiniteEstimate):
            fit_of(ranks, weights, below)
        return
    fit = fit_of(ranks, weights, below)
    assert fit.converged
    assert fit.residual <= 1e-10
    shares, sizes = slow_surplus(written, fit.scores, logs_of(fit))
    assert shares == pytest.approx(np.zeros(len(shares)), abs=1e-8)
    assert list(sizes.values()) == pytest.approx([0.0] * len(sizes), abs=1e-8)
    assert fit.loglik == pytest.approx(slow_loglik(written, fit.scores, logs_of(fit)), abs=1e-8)
    assert fit.scores.mean() == pytest.approx(0.0, abs=1e-12)
    assert fit.comparisons == pytest.approx(sum(weight for weight, _, _ in written))


@given(ballots(ties=False), st.sampled_from([0.1, 1.0, 25.0]))
def test_the_mode_under_a_prior_and_its_covariance(drawn: Any, prior: float) -> None:
    ranks, weights, below = drawn
    fit = fit_of(ranks, weights, below, prior=prior)
    written = written_out(ranks, weights, below)
    shares, _ = slow_surplus(written, fit.scores, {1: 0.0})
    assert shares == pytest.approx(fit.scores / prior, abs=1e-8)
    size = len(fit.scores)
    information = _stages.stages_of(ck.Rankings(ranks, weights), below).information(fit.scores)
    centre = np.eye(size) - 1 / size
    posterior = np.linalg.inv(information + np.eye(size) / prior)
    assert fit.covariance == pytest.approx(centre @ posterior @ centre, abs=1e-10 * prior)


def test_errors_are_those_of_the_scores_that_are_left_when_one_is_fixed() -> None:
    ranks = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 0, 2], [0, 0, 1, -1], [2, 0, 1, 0], [1, 1, 1, 0]]
    fit = fit_of(ranks, [5, 3, 2, 4, 1, 2], True)
    stages = _stages.stages_of(ck.Rankings(ranks, [5, 3, 2, 4, 1, 2]), True)
    information = stages.information(np.append(fit.scores, list(fit.effects.values())))
    reduced = np.linalg.inv(information[1:, 1:])
    assert fit.relative_to(0).covariance[1:, 1:] == pytest.approx(reduced[:3, :3], rel=1e-9)
    assert fit.joint_covariance[4:, 4:] == pytest.approx(reduced[3:, 3:], rel=1e-9)
    assert list(fit.effects) == ["tie", "tie3"]
    low, high = fit.effect_interval("tie3")
    assert (high - low) / 2 == pytest.approx(1.959964 * math.sqrt(reduced[4, 4]), rel=1e-6)


def test_sizes_that_never_tied_are_no_sizes_to_choose() -> None:
    """Three tied but never two: the masses have no pairs in them, and there is no parameter for them."""
    ranks = [[0, 0, 0, 1], [0, 1, 2, 3], [1, 2, 3, 0], [3, 0, 1, 2], [2, 3, 0, 1]]
    fit = fit_of(ranks, None, True)
    assert list(fit.effects) == ["tie3"]
    shares, sizes = slow_surplus(written_out(np.array(ranks), [1.0] * 5, True), fit.scores, logs_of(fit))
    assert np.abs([*shares, *sizes.values()]).max() < 1e-9
    assert ranking_log_probabilities(fit, ck.Rankings([[0, 0, 1, 2], [0, 1, 2, 3]]))[0] == -math.inf


def test_a_ranking_that_ends_in_a_tie_shows_one() -> None:
    """Between two, one tie and a win each way: a third each, ν = 1."""
    fit = plackett_luce(ck.Rankings([[0, 0], [0, 1], [1, 0]]))
    assert fit.scores == pytest.approx([0.0, 0.0], abs=1e-9)
    assert fit.tie_parameter == pytest.approx(1.0)
    assert fit.loglik == pytest.approx(3 * math.log(1 / 3))


# --- Published figures ---------------------------------------------------------------------------------------------


def test_salad(data: Path) -> None:
    """Critchlow and Fligner 1991; figures of Turner et al. 2020, sec. 3, from prefmod's data."""
    with (data / "r_prefmod" / "salad.csv").open() as file:
        header, *rows = csv.reader(file)
    fit = plackett_luce(ck.Rankings(np.array(rows, int) - 1, alternatives=header))
    apart = fit.relative_to("A")
    assert apart.values == pytest.approx([0, 2.7299, 1.5615, 1.0268], abs=5e-5)
    assert apart.standard_errors == pytest.approx([0, 0.4481, 0.3965, 0.3769], abs=2e-4)
    # The last of these errors is 0.3771, not 0.3769, by second differences of the likelihood written out.
    written, step, units = written_out(np.array(rows, int) - 1, [1.0] * 32, True), 1e-4, 1e-4 * np.eye(4)[1:]
    bend = [
        [
            sum(a * b * slow_loglik(written, apart.values + a * u + b * v, {1: 0.0}) for a in (1, -1) for b in (1, -1))
            for u in units
        ]
        for v in units
    ]
    exact = np.sqrt(np.diag(np.linalg.inv(-np.array(bend) / (4 * step**2))))
    assert apart.standard_errors[1:] == pytest.approx(exact, abs=1e-6)
    assert -2 * fit.loglik == pytest.approx(152.83, abs=5e-3)


# Davidson 1970, example 2: i, j, wins of i, wins of j, ties.
PUDDING = [
    (1, 2, 19, 22, 16), (1, 3, 16, 19, 12), (2, 3, 19, 19, 10), (1, 4, 18, 23, 13), (2, 4, 23, 19, 9),
    (3, 4, 19, 20, 15), (1, 5, 13, 19, 18), (2, 5, 16, 20, 12), (3, 5, 16, 15, 17), (4, 5, 17, 14, 16),
    (1, 6, 18, 21, 12), (2, 6, 22, 20, 12), (3, 6, 13, 18, 10), (4, 6, 14, 19, 18), (5, 6, 11, 21, 12),
]  # fmt: skip


def test_pudding() -> None:
    """Worths and errors of Davidson 1970 and Turner et al. 2020, to six digits from converged fits."""
    orders: dict[Any, float] = {}
    for i, j, first, second, tied in PUDDING:
        orders |= {(i, j): first, (j, i): second, (frozenset({i, j}),): tied}
    fit = plackett_luce(ck.Rankings.from_orders(orders), unranked="absent")
    apart = fit.relative_to(1)
    assert apart.values == pytest.approx([0, 0.220242, 0.152978, 0.175145, 0.133865, 0.377135], abs=1e-6)
    assert apart.standard_errors == pytest.approx([0, 0.187217, 0.193518, 0.188211, 0.192705, 0.192406], abs=1e-6)
    assert fit.tie_parameter == pytest.approx(0.746823, abs=1e-6)
    assert math.sqrt(fit.joint_covariance[6, 6]) == pytest.approx(0.082499, abs=1e-6)
    assert fit.loglik == pytest.approx(-809.70951, abs=1e-5)


def test_a_small_network_without_and_with_one_that_never_won() -> None:
    """The vignette of Turner et al. 2020: A>B, C>A, A>D, B>A, B>C; without D figures, with D a refusal."""
    toy = ["AB", "CA", "BA", "BC"]
    fit = plackett_luce(ck.Rankings.from_orders(toy), unranked="absent")
    apart = fit.relative_to("A")
    assert apart.values == pytest.approx([0, 0.8392, 0.4196], abs=5e-5)
    assert apart.standard_errors == pytest.approx([0, 1.3596, 1.5973], abs=5e-5)
    assert -2 * fit.loglik == pytest.approx(5.1356, abs=5e-5)
    with pytest.raises(ck.NoFiniteEstimate) as refused:
        plackett_luce(ck.Rankings.from_orders([*toy, "AD"]), unranked="absent")
    assert refused.value.components == (("A", "B", "C"), ("D",))


# --- Where there is no finite estimate ------------------------------------------------------------------------------


@pytest.mark.parametrize("orders", [[(4, 1, 2, 3), (0, 2, 1, 3)], [(1, 2, 3, 4), (1, 3, 2, 4)]])
def test_rankings_that_do_not_go_both_ways_are_refused(orders: Any) -> None:
    rankings = ck.Rankings.from_orders(orders)
    with pytest.raises(ck.NoFiniteEstimate, match="strongly connected") as refused:
        plackett_luce(rankings, unranked="absent")
    assert sorted(label for part in refused.value.components for label in part) == sorted(rankings.alternatives)
    assert plackett_luce(rankings, unranked="absent", prior=1.0).converged


def test_standing_below_or_not_having_been_there() -> None:
    """Chosen once each, of everyone: equal. As races of one nothing at all."""
    rankings = ck.Rankings.from_orders(["a", "b", "c"])
    assert plackett_luce(rankings).scores == pytest.approx(np.zeros(3), abs=1e-12)
    with pytest.raises(ValueError, match="no ranking holds a choice"):
        plackett_luce(rankings, unranked="absent")
    assert plackett_luce(ck.Rankings.from_orders({"ab": 3, "ba": 1, "c": 1}, "abc")).winners == ("a",)


def test_a_tie_and_a_win_leave_the_gap_open() -> None:
    """A win the other way is what is missing: as the gap and ν grow, wins and ties take turns at a half each."""
    with pytest.raises(ck.NoFiniteEstimate, match="fits ever better") as refused:
        plackett_luce(ck.Rankings([[0, 0], [0, 1]]))
    assert refused.value.components == ((0,), (1,))


def test_nothing_but_ties_is_refused_with_a_prior_too() -> None:
    for prior in (None, 1.0):
        with pytest.raises(ck.NoFiniteEstimate, match="tie parameter of 2 is infinite"):
            plackett_luce(ck.Rankings([[0, 0]]), prior=prior)
    with pytest.raises(ck.NoFiniteEstimate, match="tie parameter of 3 is infinite"):
        plackett_luce(ck.Rankings.from_orders(["ab", "bc", "ca", [{"a", "b", "c"}]]), unranked="absent")


def test_components_of_many_are_found_without_their_square() -> None:
    """5,000 alternatives and two ballots, of the same two, with the rest below: those two alone go both ways."""
    ranks = np.full((2, 5_000), -1)
    ranks[0, [7, 9]], ranks[1, [9, 7]] = (0, 1), (0, 1)
    with pytest.raises(ck.NoFiniteEstimate) as refused:
        plackett_luce(ck.Rankings(ranks))
    assert refused.value.components[0] == (7, 9)
    assert len(refused.value.components) == 4_999


@given(ballots())
def test_two_ways_to_the_components(drawn: Any) -> None:
    """A matrix of pairs for few alternatives, and for many edges to the unranked by way of a tree."""
    ranks, weights, below = drawn
    stages = _stages.stages_of(ck.Rankings(ranks, weights), below)
    count, label = _stages.components(stages, ties=True)
    source, target, nodes = _stages._edges(stages, ties=True)
    _, other = graphs.components(source, target, nodes, strong=True)
    other = np.unique(other[: ranks.shape[1]], return_inverse=True)[1]
    assert len(np.unique(other)) == count
    assert ((label[:, None] == label) == (other[:, None] == other)).all()


def test_an_early_stop_carries_what_it_had() -> None:
    rankings = ck.Rankings.from_orders({"abcd": 9, "bdca": 2, "dacb": 1})
    with pytest.raises(ck.NotConverged, match="after 1 steps") as stopped:
        plackett_luce(rankings, limit=1)
    assert not stopped.value.partial.converged
    assert stopped.value.partial.residual > 1e-10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prior": 0}, "prior must be"),
        ({"prior": math.inf}, "prior must be"),
        ({"unranked": "last"}, "'below' or 'absent'"),
        ({"start": [0, 0]}, "start must be 3"),
        ({"features": {}}, "at least one"),
        ({"features": {"x": [1, 2]}}, "needs 3 finite numbers"),
        ({"features": {"x": [1, 2, math.nan]}}, "NaN"),
        ({"features": {"x": {"a": 1}}}, "no value for 'b', 'c'"),
        ({"features": {"tie": [1, 2, 3]}}, "name of a tie parameter"),
        ({"features": {"x": [1, 1, 1]}}, "tell none of the alternatives apart"),
        ({"features": {"x": [1, 2, 3], "y": [0, 2, 4]}}, "'x', 'y' determine each other"),
    ],
)
def test_bad_options_are_named(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plackett_luce(ck.Rankings.from_orders(["abc", "bca", "cab"]), **options)


# --- What must not matter, and what must ----------------------------------------------------------------------------


def drawn_rankings(size: int, rows: int, number: int, best: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and ranks drawn from them: the order of scores with Gumbel noise (Yellott 1977)."""
    rng = np.random.default_rng(number)
    scores = rng.normal(size=size)
    ranks = np.argsort(np.argsort(-(scores + rng.gumbel(size=(rows, size))), axis=1), axis=1)
    return scores - scores.mean(), ranks if best is None else np.where(ranks < best, ranks, -1)


@given(ballots(), st.integers(0, 2**31))
def test_names_rows_and_ranks_do_not_matter_and_weights_are_repetitions(drawn: Any, number: int) -> None:
    ranks, weights, below = drawn
    try:
        fit = fit_of(ranks, weights, below)
    except ck.NoFiniteEstimate:
        return
    rng = np.random.default_rng(number)
    columns, rows = rng.permutation(ranks.shape[1]), rng.permutation(len(ranks))
    doubled = np.where(ranks >= 0, 3 * ranks + 5, -1)[rows][:, columns]  # only the order of a row's ranks counts
    again = fit_of(np.vstack([doubled, doubled]), np.tile(np.array(weights)[rows], 2), below)
    assert again.scores == pytest.approx(fit.scores[columns], abs=1e-7)
    assert list(again.effects.values()) == pytest.approx(list(fit.effects.values()), abs=1e-7)
    assert again.estimates.standard_errors == pytest.approx(
        fit.estimates.standard_errors[columns] / math.sqrt(2), rel=1e-6
    )
    assert again.loglik == pytest.approx(2 * fit.loglik, rel=1e-9)


def test_the_same_ballot_twice_is_one_of_twice_the_weight() -> None:
    _, ranks = drawn_rankings(4, 500, 1)
    stages = _stages.stages_of(ck.Rankings(ranks), True)
    assert len(stages.weight) <= 24
    assert stages.weight.sum() == 500


def test_turning_rankings_round_is_not_turning_scores_round_except_for_pairs() -> None:
    _, ranks = drawn_rankings(4, 300, 2)
    forward, backward = plackett_luce(ck.Rankings(ranks)), plackett_luce(ck.Rankings(3 - ranks))
    assert np.abs(forward.scores + backward.scores).max() > 0.01
    pairs = np.where(ranks < 2, ranks, -1)
    forward = plackett_luce(ck.Rankings(pairs), unranked="absent")
    backward = plackett_luce(ck.Rankings(np.where(pairs < 0, -1, 1 - pairs)), unranked="absent")
    assert forward.scores == pytest.approx(-backward.scores, abs=1e-9)


def test_rankings_of_two_are_comparisons() -> None:
    _, ranks = drawn_rankings(5, 200, 3)
    ranks = np.where((ranks == 1) | (ranks == 3), ranks, -1)
    winner = (ranks == 1).argmax(1)
    loser = (ranks == 3).argmax(1)
    fit = plackett_luce(ck.Rankings(ranks), unranked="absent")
    pairs = models.bradley_terry(ck.Comparisons(winner, loser))
    assert fit.scores == pytest.approx(pairs.scores, abs=1e-9)
    assert fit.covariance == pytest.approx(pairs.covariance, abs=1e-9)
    assert fit.loglik == pytest.approx(pairs.loglik)


def test_scores_that_were_drawn_from_are_found_again_within_their_errors() -> None:
    for best, number in ((None, 5), (2, 6)):
        truth, ranks = drawn_rankings(6, 4_000, number, best)
        fit = plackett_luce(ck.Rankings(ranks))
        off = (fit.scores - truth) / fit.estimates.standard_errors
        assert np.abs(off).max() < 4


def test_a_start_changes_the_way_and_not_the_answer() -> None:
    _, ranks = drawn_rankings(8, 300, 4)
    ranks = np.minimum(ranks, 6)
    cold = plackett_luce(ck.Rankings(ranks))
    warm = plackett_luce(ck.Rankings(ranks), start=cold)
    far = plackett_luce(ck.Rankings(ranks), start=np.linspace(-6, 6, 8))
    assert warm.iterations == 0
    assert far.scores == pytest.approx(cold.scores, abs=1e-8)
    with pytest.raises(ValueError, match="other alternatives"):
        plackett_luce(ck.Rankings.from_orders(["ab", "ba"]), start=cold)


def test_large_gaps_and_long_chains() -> None:
    """600 in a row, each beating the next two to one: all gaps are ln 2, the whole range 415."""
    size = 600
    ranks = np.full((2 * size - 2, size), -1)
    for a in range(size - 1):
        ranks[2 * a, [a, a + 1]], ranks[2 * a + 1, [a, a + 1]] = (0, 1), (1, 0)
    fit = plackett_luce(ck.Rankings(ranks, np.tile([2, 1], size - 1)), unranked="absent")
    assert np.diff(fit.scores) == pytest.approx(np.full(size - 1, -math.log(2)), abs=1e-8)


def test_one_far_ahead_of_those_below() -> None:
    """First on a million ballots and second on one: the stages after it are found without cancellation."""
    ranks = [[0, 1, -1, -1], [0, -1, 1, -1], [0, -1, -1, 1], [1, 0, -1, -1]]
    fit = plackett_luce(ck.Rankings(ranks, [4e5, 3e5, 3e5, 1]))
    shares, _ = slow_surplus(written_out(np.array(ranks), [4e5, 3e5, 3e5, 1], True), fit.scores, {1: 0.0})
    assert shares == pytest.approx(np.zeros(4), abs=1e-3)  # of a million
    assert fit.scores[1] - fit.scores[2] == pytest.approx(math.log(4 / 3), abs=1e-5)


@pytest.mark.parametrize("prior", [None, 2.0])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("unranked", ["below", "absent"])
def test_conjugate_gradients_find_the_same(monkeypatch: Any, prior: float | None, ties: bool, unranked: Any) -> None:
    _, ranks = drawn_rankings(12, 300, 7, best=5)
    ranks = np.where(ranks == 3, 2, ranks) if ties else ranks
    dense = plackett_luce(ck.Rankings(ranks), prior=prior, unranked=unranked)
    monkeypatch.setattr(module, "_LARGEST_DENSE", 3)
    products = plackett_luce(ck.Rankings(ranks), prior=prior, unranked=unranked)
    assert products.residual <= 1e-10
    assert products.scores == pytest.approx(dense.scores, abs=1e-8)
    assert list(products.effects.values()) == pytest.approx(list(dense.effects.values()), abs=1e-8)


# --- Features -------------------------------------------------------------------------------------------------------


def test_as_many_features_as_there_are_gaps_are_free_scores() -> None:
    _, ranks = drawn_rankings(4, 60, 8)
    ranks = np.minimum(ranks, 2)
    free = plackett_luce(ck.Rankings(ranks))
    features: Any = {f"is {a}": {b: float(a == b) for b in range(4)} for a in (1, 2, 3)}
    fit = plackett_luce(ck.Rankings(ranks), features=features)
    assert fit.scores == pytest.approx(free.scores, abs=1e-8)
    assert list(fit.effects) == ["tie", "is 1", "is 2", "is 3"]
    assert [fit.effects[f"is {a}"] for a in (1, 2, 3)] == pytest.approx(free.scores[1:] - free.scores[0], abs=1e-8)
    assert fit.covariance == pytest.approx(free.covariance, abs=1e-8)
    assert fit.joint_covariance[4, 4] == pytest.approx(free.joint_covariance[4, 4], rel=1e-7)
    assert np.sqrt(np.diag(fit.joint_covariance)[5:]) == pytest.approx(free.relative_to(0).standard_errors[1:])


@pytest.mark.parametrize("prior", [None, 0.5])
@pytest.mark.parametrize("dense", [True, False])
def test_effects_of_features_solve_their_equations(monkeypatch: Any, prior: float | None, dense: bool) -> None:
    if not dense:
        monkeypatch.setattr(module, "_LARGEST_DENSE", 2)
    _, ranks = drawn_rankings(6, 80, 9, best=3)
    rng = np.random.default_rng(0)
    design = rng.normal(size=(6, 2)) + 3
    if not dense:  # with so few effects the step is a dense one; its information is put together from products
        monkeypatch.setattr(module._Problem, "step", lambda self, point, gradient, *_: np.linalg.solve(
            self.information(point), gradient))  # fmt: skip
    fit = plackett_luce(ck.Rankings(ranks), features={"x": design[:, 0], "y": design[:, 1]}, prior=prior)
    beta = np.array([fit.effects["x"], fit.effects["y"]])
    centred = design - design.mean(0)
    assert fit.scores == pytest.approx(centred @ beta, abs=1e-12)
    shares, _ = slow_surplus(written_out(ranks, [1.0] * 80, True), fit.scores, {1: 0.0})
    assert design.T @ shares == pytest.approx(0 * beta if prior is None else beta / prior, abs=1e-7)
    information = centred.T @ _stages.stages_of(ck.Rankings(ranks), True).information(fit.scores) @ centred
    inverse = np.linalg.inv(information + (0 if prior is None else np.eye(2) / prior))
    assert fit.joint_covariance[6:, 6:] == pytest.approx(inverse, rel=1e-9)
    assert fit.covariance == pytest.approx(centred @ inverse @ centred.T, rel=1e-9)
    assert plackett_luce(
        ck.Rankings(ranks), features={"x": design[:, 0], "y": design[:, 1]}, prior=prior, start=fit
    ).iterations == 0  # fmt: skip


def test_features_that_explain_every_choice_are_refused() -> None:
    rankings = ck.Rankings.from_orders({"abc": 2, "ab": 1, "bc": 4})
    with pytest.raises(ck.NoFiniteEstimate, match=r"direction \(price -1\)"):
        plackett_luce(rankings, features={"price": [1.0, 1.5, 2.0]}, unranked="absent")
    assert plackett_luce(rankings, features={"price": [1.0, 1.5, 2.0]}, unranked="absent", prior=1.0).converged
    more = ck.Rankings.from_orders({"abc": 2, "cab": 1})  # free scores would have no estimate: a is always above b
    assert plackett_luce(more, features={"price": [1.0, 1.5, 2.0]}).converged


# --- What a fit predicts --------------------------------------------------------------------------------------------


def tied_fit() -> models.Fit:
    ranks = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 0, 2], [0, 0, 1, -1], [2, 0, 1, 0], [1, 1, 1, 0]]
    return plackett_luce(ck.Rankings(ranks, [5, 3, 2, 4, 1, 2], "abcd"))


def test_probabilities_of_all_rankings_sum_to_one() -> None:
    fit = tied_fit()
    weak = {tuple(np.unique(row, return_inverse=True)[1].tolist()) for row in itertools.product(range(4), repeat=4)}
    possible = [row for row in weak if max(np.bincount(row)) <= 3]
    chances = np.exp(ranking_log_probabilities(fit, ck.Rankings(possible, alternatives="abcd")))
    assert len(weak) == 75
    assert chances.sum() == pytest.approx(1.0)
    tops = [[0 if a in top else -1 for a in range(4)] for k in (1, 2, 3) for top in itertools.combinations(range(4), k)]
    below = np.exp(ranking_log_probabilities(fit, ck.Rankings(tops, alternatives="abcd")))
    assert below.sum() == pytest.approx(1.0)
    alone = ck.Rankings([[0, -1, -1, -1]], alternatives="abcd")
    assert ranking_log_probabilities(fit, alone, unranked="absent").tolist() == [0.0]


def test_probabilities_follow_labels_and_add_to_the_likelihood() -> None:
    fit = tied_fit()
    ranks = np.array([[0, 1, 2, 3], [1, 0, 0, 2]])
    turned = ck.Rankings(ranks[:, ::-1], alternatives="dcba")
    straight = ranking_log_probabilities(fit, ck.Rankings(ranks, alternatives="abcd"))
    assert ranking_log_probabilities(fit, turned) == pytest.approx(straight)
    assert straight.sum() == pytest.approx(slow_loglik(written_out(ranks, [1, 1], True), fit.scores, logs_of(fit)))
    with pytest.raises(ValueError, match="needed rankings of"):
        ranking_log_probabilities(fit, ck.Rankings(ranks))


def test_choice_probabilities_by_enumeration_with_errors_by_the_delta_method() -> None:
    fit = tied_fit()
    found = choice_probabilities(fit, ["d", "a", "b"])

    def shares(point: np.ndarray) -> np.ndarray:
        logs = {1: 0.0, 2: point[4], 3: point[5]}
        stage = [(1.0, (0,), (0, 1, 3))]
        surplus, _ = slow_surplus(stage, point[:4], logs)
        return np.array([0.0 - surplus[3], 1.0 - surplus[0], 0.0 - surplus[1]])

    at = np.append(fit.scores, [fit.effects["tie"], fit.effects["tie3"]])
    assert found.alternatives == ("d", "a", "b")
    assert found.values == pytest.approx(shares(at))
    assert found.values.sum() == pytest.approx(1.0)
    slope = np.stack([(shares(at + 1e-6 * unit) - shares(at - 1e-6 * unit)) / 2e-6 for unit in np.eye(6)], axis=1)
    assert found.covariance == pytest.approx(slope @ fit.joint_covariance @ slope.T, rel=1e-6)
    for wrong, error in (("a", ValueError), ("aa", ValueError), ("az", KeyError)):
        with pytest.raises(error):
            choice_probabilities(fit, wrong)


def test_choice_among_two_is_a_comparison() -> None:
    fit = models.bradley_terry(ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"]))
    found = choice_probabilities(fit)
    assert found.values == pytest.approx([0.75, 0.25])
    assert found.standard_errors[0] == pytest.approx(math.sqrt(0.75 * 0.25 / 4))


# --- A peer ---------------------------------------------------------------------------------------------------------


def test_against_choix() -> None:
    """Maystre and Grossglauser 2015, iterated to the same maximum: full rankings, races, and first choices."""
    choix = pytest.importorskip("choix")
    _, ranks = drawn_rankings(7, 200, 10)
    rankings = np.argsort(ranks, axis=1).tolist()
    assert plackett_luce(ck.Rankings(ranks)).scores == pytest.approx(
        choix.ilsr_rankings(7, rankings, tol=1e-12), abs=1e-6
    )
    races = np.where(ranks < 4, ranks, -1)
    assert plackett_luce(ck.Rankings(races), unranked="absent").scores == pytest.approx(
        choix.ilsr_rankings(7, [row[:4] for row in rankings], tol=1e-12), abs=1e-6
    )
    firsts = np.where(ranks == 0, 0, -1)
    assert plackett_luce(ck.Rankings(firsts)).scores == pytest.approx(
        choix.ilsr_top1(7, [(row[0], row[1:]) for row in rankings], tol=1e-12), abs=1e-6
    )
