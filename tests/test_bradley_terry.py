"""The Bradley–Terry fit against the equations that define it, published tables, and its by-the-book twins."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import Row, luce_information, luce_loglik, luce_score_equations, zermelo
from scipy.optimize import minimize

import choicekit as ck
from choicekit import ingest, models
from choicekit.models import luce as module
from choicekit.profiles import comparisons as comparisons_module

Rows = list[Row]


def comparisons(rows: Rows, **columns: Any) -> ck.Comparisons:
    winner, loser, weight, tie = (list(column) for column in zip(*rows, strict=True))
    return ck.Comparisons(winner, loser, weight=weight, tie=tie, **columns)


def fit(rows: Rows, **options: Any) -> Any:
    return models.bradley_terry(comparisons(rows), **options)


def reachable(rows: Rows, size: int) -> np.ndarray:
    """Whether a path of wins (a tie is a win both ways) leads from a to b."""
    there = np.eye(size, dtype=bool)
    for winner, loser, weight, tie in rows:
        if weight > 0:
            there[winner, loser] = True
            there[loser, winner] |= tie
    for middle in range(size):
        there |= there[:, [middle]] & there[[middle], :]
    return there


@st.composite
def connected(draw: st.DrawFn, most: int = 6) -> Rows:
    """A cycle of wins through all alternatives, which makes the estimate finite, and any further rows."""
    size = draw(st.integers(2, most))
    order = draw(st.permutations(range(size)))
    weight = st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.5])
    rows: Rows = [(order[k], order[k - 1], draw(weight), False) for k in range(size)]
    if size == 2:
        rows.append((order[1], order[0], draw(weight), False))
    pair = st.tuples(st.integers(0, size - 1), st.integers(1, size - 1)).map(lambda p: (p[0], (p[0] + p[1]) % size))
    more = draw(st.lists(st.tuples(pair, weight | st.just(0.0), st.booleans()), max_size=12))
    return rows + [(a, b, w, tie) for (a, b), w, tie in more]


# --- The equations that define the estimate -----------------------------------------------------------------------


@given(connected(most=7))
def test_expected_wins_equal_wins(rows: Rows) -> None:
    found = fit(rows)
    assert found.converged
    assert max(map(abs, luce_score_equations(rows, found.scores.tolist()))) <= 1e-10
    assert abs(found.scores.sum()) <= 1e-12
    assert found.loglik == pytest.approx(luce_loglik(rows, found.scores.tolist()), rel=1e-12)
    assert found.comparisons == pytest.approx(sum(row[2] for row in rows))


@settings(max_examples=25)
@given(connected(most=5))
def test_equals_zermelos_iteration(rows: Rows) -> None:
    found = fit(rows).scores
    np.testing.assert_allclose(found, zermelo(rows, len(found)), atol=1e-8)


@settings(max_examples=25)
@given(connected())
def test_equals_a_general_optimiser(rows: Rows) -> None:
    found = fit(rows)
    best = minimize(lambda s: -luce_loglik(rows, s.tolist()) + s.mean() ** 2, np.zeros(len(found.scores)), tol=1e-9)
    np.testing.assert_allclose(found.scores, best.x, atol=2e-4)
    assert found.loglik >= -best.fun - 1e-9


@given(connected(), st.sampled_from([0.01, 0.3, 1.0, 50.0]))
def test_a_prior_pulls_by_the_scores_over_its_variance(rows: Rows, prior: float) -> None:
    found = fit(rows, prior=prior)
    equations = np.array(luce_score_equations(rows, found.scores.tolist()))
    met = np.zeros(len(found.scores))
    for winner, loser, weight, _ in rows:
        met[[winner, loser]] += weight
    np.testing.assert_allclose(equations * met, found.scores / prior, atol=1e-9 * (met.max() + 1 / prior))
    assert found.prior == prior


@settings(max_examples=25)
@given(connected(), st.sampled_from([None, 0.5, 20.0]))
def test_covariance_is_the_inverse_information_with_mean_zero(rows: Rows, prior: float | None) -> None:
    found = fit(rows, prior=prior)
    size = len(found.scores)
    information = np.array(luce_information(rows, found.scores.tolist(), step=1e-3))
    mean = np.full((size, size), 1 / size)
    if prior is None:
        expected = np.linalg.inv(information + mean) - mean
    else:
        centring = np.eye(size) - mean
        expected = centring @ np.linalg.inv(information + np.eye(size) / prior) @ centring
    np.testing.assert_allclose(found.covariance, expected, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(found.covariance.sum(0), 0, atol=1e-9 * np.abs(expected).max())


def test_a_very_wide_prior_has_the_covariance_of_maximum_likelihood() -> None:
    rows: Rows = [(0, 1, 3.0, False), (1, 2, 2.0, False), (2, 0, 1.0, False), (0, 2, 1.0, True)]
    np.testing.assert_allclose(fit(rows, prior=1e12).covariance, fit(rows).covariance, rtol=1e-9)


@pytest.mark.parametrize(("level", "quantile"), [(0.95, 1.959964), (0.9, 1.644854), (0.6826895, 1.0)])
def test_intervals_are_normal(level: float, quantile: float) -> None:
    found = fit([(0, 1, 3.0, False), (1, 0, 1.0, False)])
    half = quantile * math.sqrt(1 / 3)  # the variance of one of two scores: (1/(4·¾·¼))/4
    np.testing.assert_allclose(found.interval(level), [[s - half, s + half] for s in found.scores], atol=1e-6)


@pytest.mark.parametrize("level", [0, 1, -0.5, 95, math.nan])
def test_a_level_outside_0_and_1_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match=r"level must lie between 0 and 1, got .*0\.95 is usual"):
        fit([(0, 1, 1.0, True)]).interval(level)


# --- Published numbers --------------------------------------------------------------------------------------------

TEAMS = ("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore")
# Wins of the home team (row) and of the visitors (column), 1987 (Agresti 2002, Categorical Data Analysis, p. 438).
BASEBALL = [
    [None, (4, 3), (4, 2), (4, 3), (6, 1), (4, 2), (6, 0)],
    [(3, 3), None, (4, 2), (4, 3), (6, 0), (6, 1), (4, 3)],
    [(2, 5), (4, 3), None, (2, 4), (4, 3), (4, 2), (6, 0)],
    [(3, 3), (5, 1), (2, 5), None, (4, 3), (4, 2), (6, 1)],
    [(5, 1), (2, 5), (3, 3), (4, 2), None, (5, 2), (6, 0)],
    [(2, 5), (3, 3), (3, 4), (4, 3), (4, 2), None, (2, 4)],
    [(2, 5), (1, 5), (1, 6), (2, 4), (1, 6), (3, 4), None],
]
JOURNALS = ("Biometrika", "Comm Statist", "JASA", "JRSS-B")
# How often the row is cited by the column, 1987–1989 (Stigler 1994; Agresti 2002, p. 448).
CITATIONS = [[714, 730, 498, 221], [33, 425, 68, 17], [320, 813, 1072, 142], [284, 276, 325, 188]]


def baseball() -> ck.Comparisons:
    games = [
        game
        for home, row in zip(TEAMS, BASEBALL, strict=True)
        for away, cell in zip(TEAMS, row, strict=True)
        if cell
        for game in ((home, away, cell[0]), (away, home, cell[1]))
    ]
    winner, loser, wins = (list(column) for column in zip(*games, strict=True))
    return ck.Comparisons(winner, loser, weight=wins)


def citations() -> ck.Comparisons:
    cells = [(JOURNALS[a], JOURNALS[b], CITATIONS[a][b]) for a in range(4) for b in range(4) if a != b]
    winner, loser, count = (list(column) for column in zip(*cells, strict=True))
    return ck.Comparisons(winner, loser, weight=count)


def against(found: Any, base: str) -> tuple[dict[str, float], dict[str, float]]:
    """Differences to one alternative, and their standard errors."""
    at = found.alternatives.index(base)
    spread = found.covariance
    differences = found.scores - found.scores[at]
    errors = np.sqrt(np.diag(spread) + spread[at, at] - 2 * spread[at])
    return (
        dict(zip(found.alternatives, differences.tolist(), strict=True)),
        dict(zip(found.alternatives, errors.tolist(), strict=True)),
    )


def saturated(cells: list[tuple[float, float]]) -> float:
    """The log-likelihood of cells (wins, losses) each with a probability of its own."""
    return sum(n * math.log(n / (a + b)) for a, b in cells for n in (a, b) if n > 0)


def test_baseball() -> None:
    found = models.bradley_terry(baseball())
    estimates, errors = against(found, "Baltimore")
    expected = {
        "Boston": (1.107698, 0.33388), "Cleveland": (0.683853, 0.33188), "Detroit": (1.436408, 0.33957),
        "Milwaukee": (1.581356, 0.34326), "New York": (1.247618, 0.33586), "Toronto": (1.294485, 0.33667),
    }  # fmt: skip
    for team, (estimate, error) in expected.items():
        assert estimates[team] == pytest.approx(estimate, abs=1e-6)
        assert errors[team] == pytest.approx(error, abs=1e-5)
    deviance = 2 * (saturated([cell for row in BASEBALL for cell in row if cell]) - found.loglik)
    assert deviance == pytest.approx(44.0535, abs=1e-4)


def test_citations() -> None:
    found = models.bradley_terry(citations())
    estimates, errors = against(found, "Biometrika")
    expected = {"Comm Statist": (-2.949072, 0.10255), "JASA": (-0.479570, 0.06059), "JRSS-B": (0.268954, 0.07083)}
    for journal, (estimate, error) in expected.items():
        assert estimates[journal] == pytest.approx(estimate, abs=1e-6)
        assert errors[journal] == pytest.approx(error, abs=1e-5)
    cells = [(CITATIONS[a][b], CITATIONS[b][a]) for a in range(4) for b in range(a)]
    assert 2 * (saturated(cells) - found.loglik) == pytest.approx(4.2934, abs=1e-4)
    even = -math.log(2) * sum(map(sum, cells))
    assert 2 * (saturated(cells) - even) == pytest.approx(1925.233, abs=1e-3)


def test_covariance_of_citations() -> None:
    """With JASA as the zero, as the R package BradleyTerryScalable prints it (which stops three digits earlier)."""
    found = models.bradley_terry(citations())
    order = [found.alternatives.index(name) for name in ("JRSS-B", "Biometrika", "Comm Statist")]
    base = found.alternatives.index("JASA")
    contrast = np.eye(4)[order] - np.eye(4)[base]
    expected = [
        [0.005323938, 0.001988435, 0.001172936],
        [0.001988435, 0.003671841, 0.001396292],
        [0.001172936, 0.001396292, 0.009638953],
    ]
    np.testing.assert_allclose(contrast @ found.covariance @ contrast.T, expected, rtol=1e-3)


def test_toy_network() -> None:
    """From the vignette of the R package PlackettLuce; D only ever lost."""
    wins = ["A", "C", "B", "B"], ["B", "A", "A", "C"]
    found = models.bradley_terry(ck.Comparisons(*wins))
    estimates, errors = against(found, "A")
    assert (estimates["B"], estimates["C"]) == pytest.approx((0.8392, 0.4196), abs=1e-4)
    assert (errors["B"], errors["C"]) == pytest.approx((1.3596, 1.5973), abs=1e-4)
    assert -2 * found.loglik == pytest.approx(5.1356, abs=1e-4)
    with pytest.raises(ck.NoFiniteEstimate) as refusal:
        models.bradley_terry(ck.Comparisons([*wins[0], "A"], [*wins[1], "D"]))
    assert [set(part) for part in refusal.value.components] == [{"A", "B", "C"}, {"D"}]


def test_ties_count_as_half_wins() -> None:
    """Chocolate puddings (Davidson 1970, example 2), draws as half a win each way."""
    table = {
        (1, 2): (19, 22, 16), (1, 3): (16, 19, 12), (2, 3): (19, 19, 10), (1, 4): (18, 23, 13), (2, 4): (23, 19, 9),
        (3, 4): (19, 20, 15), (1, 5): (13, 19, 18), (2, 5): (16, 20, 12), (3, 5): (16, 15, 17), (4, 5): (17, 14, 16),
        (1, 6): (18, 21, 12), (2, 6): (22, 20, 12), (3, 6): (13, 18, 10), (4, 6): (14, 19, 18), (5, 6): (11, 21, 12),
    }  # fmt: skip
    rows: Rows = []
    for (i, j), (won, lost, tied) in table.items():
        rows += [(i - 1, j - 1, won, False), (j - 1, i - 1, lost, False), (i - 1, j - 1, tied, True)]
    found = fit(rows).scores
    np.testing.assert_allclose(found - found[0], [0, 0.160309, 0.111343, 0.127480, 0.097430, 0.274492], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "file", "roles", "rows"),
    [
        (
            "baseball",
            "r_bradleyterry2/baseball.csv",
            {"first": "home.team", "second": "away.team", "first_wins": "home.wins", "second_wins": "away.wins"},
            42,
        ),
        (
            "citations",
            "r_bradleyterry2/citations.csv",
            {"winner": "cited", "loser": "citing", "weight": "Freq", "skip": ["self"]},
            16,
        ),
    ],
)
def test_files_of_published_examples(data: Path, name: str, file: str, roles: dict[str, Any], rows: int) -> None:
    facts = json.loads((data / "facts.json").read_text())["bt"][name]
    reading = ingest.read_comparisons(data / file, **roles)
    assert reading.report.rows_read == rows
    found = models.bradley_terry(reading.comparisons)
    assert found.comparisons == facts["n_comparisons"]
    assert dict(zip(found.alternatives, found.scores, strict=True)) == pytest.approx(
        facts["logits_mean_zero"], abs=2e-6
    )
    errors = dict(zip(found.alternatives, np.sqrt(np.diag(found.covariance)), strict=True))
    assert errors == pytest.approx(facts["se_mean_zero"], abs=2e-6)
    assert found.loglik == pytest.approx(facts["loglik"], abs=1e-3)


def test_crowd_comparisons_of_language_models(data: Path) -> None:
    facts = json.loads((data / "facts.json").read_text())["bt"]["llmfao"]
    votes = ingest.read_comparisons(data / "llmfao/crowd-comparisons.csv.gz").comparisons
    half, dropped = models.bradley_terry(votes), models.bradley_terry(votes, ties="drop")
    assert dict(zip(half.alternatives, half.scores, strict=True)) == pytest.approx(
        facts["bt_half_ties_mean_zero"], abs=6e-6
    )
    assert half.loglik == pytest.approx(facts["bt_half_ties_loglik"], abs=1e-3)
    assert dict(zip(dropped.alternatives, dropped.scores, strict=True)) == pytest.approx(
        facts["bt_no_ties_mean_zero"], abs=6e-6
    )
    assert dropped.comparisons == facts["winner_counts"]["left"] + facts["winner_counts"]["right"]


# --- Graphs on which iterations go wrong --------------------------------------------------------------------------


def both_ways(pairs: list[tuple[int, int, float, float]]) -> Rows:
    return [row for a, b, won, lost in pairs for row in ((a, b, won, False), (b, a, lost, False))]


def test_two_alternatives() -> None:
    found = fit(both_ways([(0, 1, 3.0, 1.0)])).scores
    assert found[0] - found[1] == pytest.approx(math.log(3), abs=1e-9)


def test_two_voters_with_opposite_votes() -> None:
    found = fit(both_ways([(0, 1, 50.0, 50.0)]))
    np.testing.assert_allclose(found.scores, 0, atol=1e-12)


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=8))
def test_a_star_is_solved_arm_by_arm(arms: list[tuple[int, int]]) -> None:
    found = fit(both_ways([(0, k + 1, won, lost) for k, (won, lost) in enumerate(arms)])).scores
    expected = [math.log(won / lost) for won, lost in arms]
    np.testing.assert_allclose(found[0] - found[1:], expected, atol=1e-8)


@pytest.mark.parametrize(("size", "odds"), [(3, 2.0), (300, 1.5), (300, 9.0), (60, 1e4)])
def test_a_chain_is_solved_link_by_link(size: int, odds: float) -> None:
    found = fit(both_ways([(k, k + 1, odds, 1.0) for k in range(size - 1)])).scores
    np.testing.assert_allclose(found[:-1] - found[1:], math.log(odds), rtol=1e-5)


def test_a_tie_free_bipartite_graph() -> None:
    """Every left against every right: synchronous updates oscillate here."""
    rng = np.random.default_rng(3)
    rows = both_ways([(a, 5 + b, *rng.integers(1, 9, 2).astype(float)) for a in range(5) for b in range(4)])
    found = fit(rows)
    assert max(map(abs, luce_score_equations(rows, found.scores.tolist()))) <= 1e-10
    np.testing.assert_allclose(found.scores, zermelo(rows, 9), atol=1e-8)


def dense_newton(rows: Rows, size: int) -> np.ndarray:
    """Newton's method with full linear solves, to the last digit."""
    won = np.zeros((size, size))
    for winner, loser, weight, tie in rows:
        won[winner, loser] += weight / 2 if tie else weight
        won[loser, winner] += weight / 2 if tie else 0
    met, scores = won + won.T, np.zeros(size)
    for _ in range(50):
        chance = 1 / (1 + np.exp(scores[None, :] - scores[:, None]))
        slope = won.sum(1) - (met * chance).sum(1)
        curvature = met * chance * (1 - chance)
        step = np.linalg.solve(np.diag(curvature.sum(1)) - curvature + 1 / size, slope)
        scores = scores + step
        if np.abs(step).max() < 1e-12:
            return scores - scores.mean()
    raise AssertionError("the reference did not converge")


def test_a_band_of_300() -> None:
    """Neighbours only: the graph on which first-order iterations stop orders of magnitude too early."""
    rng = np.random.default_rng(0)
    truth = np.cumsum(rng.normal(0, 0.15, 300))
    pairs = []
    for a in range(300):
        for b in range(a + 1, min(a + 4, 300)):
            chance = 1 / (1 + math.exp(truth[b] - truth[a]))
            won = float(rng.binomial(30, chance)) + 0.5
            pairs.append((a, b, won, 31 - won))
    rows = both_ways(pairs)
    np.testing.assert_allclose(fit(rows).scores, dense_newton(rows, 300), atol=1e-6)


def test_all_ties_are_all_equal() -> None:
    found = fit([(0, 1, 2.0, True), (1, 2, 1.0, True), (0, 3, 5.0, True)])
    np.testing.assert_allclose(found.scores, 0, atol=1e-12)
    assert found.loglik == pytest.approx(-8 * math.log(2))
    assert found.winners == (0, 1, 2, 3)


@pytest.mark.parametrize("scale", [1e9, 1e-9, 7.0])
def test_scaling_weights_leaves_scores_and_shrinks_errors(scale: float) -> None:
    rows: Rows = [(0, 1, 3.0, False), (1, 2, 2.0, False), (2, 0, 1.0, False), (0, 2, 1.0, True), (3, 0, 1.0, True)]
    one, many = fit(rows), fit([(a, b, w * scale, tie) for a, b, w, tie in rows])
    np.testing.assert_allclose(many.scores, one.scores, atol=1e-8)
    np.testing.assert_allclose(many.covariance * scale, one.covariance, rtol=1e-7)
    np.testing.assert_allclose(np.ptp(many.interval(), axis=1) * math.sqrt(scale), np.ptp(one.interval(), axis=1))


def test_weights_of_very_different_sizes() -> None:
    rows = both_ways([(0, 1, 1e3, 2e3), (1, 2, 3e-3, 1e-3), (2, 3, 1.0, 5.0)])
    found = fit(rows, tolerance=1e-14).scores
    np.testing.assert_allclose(found[:-1] - found[1:], np.log([0.5, 3, 0.2]), atol=1e-6)


def test_fits_always_meet_their_tolerance() -> None:
    """Conjugate gradients on a singular matrix drift along the constant vector once rounding takes over."""
    rng = np.random.default_rng(0)
    for _ in range(2_000):
        size, more = int(rng.integers(3, 10)), int(rng.integers(0, 20))
        order = rng.permutation(size)
        a = np.concatenate([order, rng.integers(0, size, more)])
        b = np.concatenate([np.roll(order, 1), (a[size:] + rng.integers(1, size, more)) % size])
        weight = np.exp(rng.normal(0, rng.choice([0.1, 1, 3]), len(a)))
        found = models.bradley_terry(ck.Comparisons(a, b, weight=weight))
        assert found.converged
        assert found.iterations < 80


# --- Where there is no finite estimate ----------------------------------------------------------------------------

ENDLESS: dict[str, tuple[tuple[list[str], list[str]], list[set[str]], bool]] = {
    "an alternative that always loses": ((["a", "b", "a"], ["b", "a", "c"]), [{"a", "b"}, {"c"}], True),
    "an alternative that always wins": ((["a", "b", "c"], ["b", "a", "b"]), [{"c"}, {"a", "b"}], True),
    "two parts never compared": ((["a", "b", "c", "d"], ["b", "a", "d", "c"]), [{"a", "b"}, {"c", "d"}], False),
    "two that always beat two": (
        (["a", "b", "c", "d", "a", "b"], ["b", "a", "d", "c", "c", "d"]),
        [{"a", "b"}, {"c", "d"}],
        True,
    ),
    "two that always lose to two": (
        (["a", "b", "c", "d", "c", "d"], ["b", "a", "d", "c", "a", "b"]),
        [{"c", "d"}, {"a", "b"}],
        True,
    ),
    "a straight order": ((["d", "b", "c"], ["b", "c", "a"]), [{"d"}, {"b"}, {"c"}, {"a"}], True),
}


@pytest.mark.parametrize(("wins", "parts", "ordered"), ENDLESS.values(), ids=ENDLESS)
def test_no_finite_estimate_names_the_components(
    wins: tuple[list[str], list[str]], parts: list[set[str]], ordered: bool
) -> None:
    with pytest.raises(ck.NoFiniteEstimate, match=f"fall into {len(parts)} strongly connected components") as refusal:
        models.bradley_terry(ck.Comparisons(*wins))
    found = [set(part) for part in refusal.value.components]
    assert found == parts if ordered else sorted(map(sorted, found)) == sorted(map(sorted, parts))
    assert isinstance(refusal.value, ValueError)
    message = str(refusal.value)
    assert "prior=1.0" in message
    assert all(repr(label) in message for part in parts for label in part)


@pytest.mark.parametrize("wins", [case[0] for case in ENDLESS.values()], ids=ENDLESS)
def test_a_prior_makes_them_finite(wins: tuple[list[str], list[str]]) -> None:
    votes = ck.Comparisons(*wins)
    found = models.bradley_terry(votes, prior=2.0)
    rows: Rows = [(int(a), int(b), 1.0, False) for a, b in zip(votes.winner, votes.loser, strict=True)]
    met = np.bincount(votes.winner, minlength=len(found.scores)) + np.bincount(votes.loser, minlength=len(found.scores))
    pull = np.array(luce_score_equations(rows, found.scores.tolist())) * met
    np.testing.assert_allclose(pull, found.scores / 2, atol=1e-9)
    assert np.isfinite(found.interval()).all()
    assert (np.ptp(found.interval(), axis=1) > 0.5).all()


def test_many_components_are_summed_up() -> None:
    with pytest.raises(ck.NoFiniteEstimate, match=r"into 10 .*; and 6 more\. Ways out") as refusal:
        models.bradley_terry(ck.Comparisons(range(9), range(1, 10)))
    assert refusal.value.components == tuple((k,) for k in range(10))


@given(st.integers(2, 6).flatmap(
    lambda size: st.tuples(
        st.just(size),
        st.lists(
            st.tuples(st.integers(0, size - 1), st.integers(1, size - 1), st.sampled_from([0.0, 1.0]), st.booleans()),
            min_size=1, max_size=14,
        ),
    )
))  # fmt: skip
def test_an_estimate_exists_where_wins_lead_from_each_to_each(drawn: tuple[int, Any]) -> None:
    size, raw = drawn
    rows: Rows = [(a, (a + d) % size, w, tie) for a, d, w, tie in raw]
    rows.append((0, 1, 1.0, False))
    there = sorted({a for row in rows for a in row[:2]})
    wins = reachable(rows, size)
    strong = all(wins[a, b] for a in there for b in there)
    if strong:
        assert fit(rows).converged
        return
    with pytest.raises(ck.NoFiniteEstimate) as refusal:
        fit(rows)
    parts = refusal.value.components
    assert sorted(label for part in parts for label in part) == there
    where = {label: k for k, part in enumerate(parts) for label in part}
    for part in parts:
        assert all(wins[a, b] for a in part for b in part)
    for winner, loser, weight, tie in rows:
        if weight > 0:
            assert where[winner] == where[loser] if tie else where[winner] <= where[loser]
    for a in there:
        for b in there:
            assert where[a] == where[b] or not (wins[a, b] and wins[b, a])
    assert fit(rows, prior=1.0).converged


# --- What may change and what may not -----------------------------------------------------------------------------


@given(connected(), st.randoms(use_true_random=False))
def test_names_do_not_matter(rows: Rows, random: Any) -> None:
    found = fit(rows).scores
    order = list(range(len(found)))
    random.shuffle(order)
    renamed = fit([(order[a], order[b], w, tie) for a, b, w, tie in rows]).scores
    np.testing.assert_allclose(renamed[order], found, atol=1e-8)
    shuffled = random.sample(rows, len(rows))
    np.testing.assert_allclose(fit(shuffled).scores, found, atol=1e-8)


@given(connected())
def test_reversing_every_comparison_negates_the_scores(rows: Rows) -> None:
    np.testing.assert_allclose(fit([(b, a, w, tie) for a, b, w, tie in rows]).scores, -fit(rows).scores, atol=1e-8)


@given(connected())
def test_repeated_rows_and_weights_are_the_same(rows: Rows) -> None:
    merged: dict[tuple[int, int, bool], float] = {}
    for a, b, w, tie in rows + rows[:2]:
        merged[a, b, tie] = merged.get((a, b, tie), 0.0) + w
    found = fit([(a, b, w, tie) for (a, b, tie), w in merged.items()])
    np.testing.assert_allclose(found.scores, fit(rows + rows[:2]).scores, atol=1e-8)


@given(connected())
def test_dropped_ties_are_as_if_never_said(rows: Rows) -> None:
    found = fit(rows, ties="drop")
    strict = fit([row for row in rows if not row[3]])
    np.testing.assert_allclose(found.scores, strict.scores, atol=1e-8)
    assert found.comparisons == pytest.approx(strict.comparisons)


@given(connected())
def test_a_tie_is_half_a_win_each_way(rows: Rows) -> None:
    halves: Rows = []
    for a, b, w, tie in rows:
        halves += [(a, b, w / 2, False), (b, a, w / 2, False)] if tie else [(a, b, w, False)]
    np.testing.assert_allclose(fit(halves).scores, fit(rows).scores, atol=1e-8)


def test_voters_groups_and_contexts_are_not_used() -> None:
    plain = models.bradley_terry(ck.Comparisons(["a", "b", "b"], ["b", "a", "a"]))
    told = models.bradley_terry(
        ck.Comparisons(["a", "b", "b"], ["b", "a", "a"], voter=[1, 2, 3], group=[1, 1, 2], context=[5, 6, 7])
    )
    np.testing.assert_array_equal(plain.scores, told.scores)


def test_many_alternatives_are_counted_by_sorting(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    size = 2_400
    a = np.concatenate([np.arange(size), rng.integers(0, size, 9_000)])
    b = np.concatenate([(np.arange(size) + 1) % size, (a[size:] + rng.integers(1, size, 9_000)) % size])
    weight = rng.choice([0.0, 0.5, 1.0, 2.0], len(a))
    weight[:size] = 1
    tie = rng.random(len(a)) < 0.2
    votes = ck.Comparisons(a, b, weight=weight, tie=tie)
    sparse, sparse_pairs = models.bradley_terry(votes), module.count_pairs(votes)
    monkeypatch.setattr(comparisons_module, "_LARGEST_DENSE", 10_000)
    dense, dense_pairs = models.bradley_terry(votes), module.count_pairs(votes)
    np.testing.assert_allclose(sparse.scores, dense.scores, atol=1e-8)
    for name in ("first", "second", "count", "won"):
        np.testing.assert_allclose(getattr(sparse_pairs, name), getattr(dense_pairs, name))
    rows = list(zip(a.tolist(), b.tolist(), weight.tolist(), tie.tolist(), strict=True))
    assert max(map(abs, luce_score_equations(rows, sparse.scores.tolist()))) <= 1e-10


@settings(max_examples=20)
@given(connected())
def test_both_ways_of_counting_agree(rows: Rows) -> None:
    dense = fit(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparisons_module, "_LARGEST_DENSE", 0)
        np.testing.assert_allclose(fit(rows).scores, dense.scores, atol=1e-9)
        np.testing.assert_allclose(fit(rows, prior=1.0, ties="drop").loglik, fit(rows, prior=1.0, ties="drop").loglik)


def test_the_limit_of_the_covariance_is_said() -> None:
    size = 5_001
    votes = ck.Comparisons(np.arange(size), (np.arange(size) + 1) % size)
    with pytest.raises(ValueError, match="5001 alternatives need a dense 5001 × 5001 matrix; the limit is 5000"):
        _ = models.bradley_terry(votes, prior=1.0).covariance


# --- Refusals and early ends --------------------------------------------------------------------------------------


def test_stopping_early_is_said_and_the_partial_fit_kept() -> None:
    rows = both_ways([(0, 1, 30.0, 1.0), (1, 2, 3.0, 1.0), (0, 2, 1.0, 4.0)])
    with pytest.raises(ck.NotConverged, match=r"residual .* after 1 steps, above the tolerance 1\.0e-10") as stopped:
        fit(rows, limit=1)
    partial = stopped.value.partial
    assert not partial.converged
    assert partial.iterations == 1
    assert partial.residual > 1e-10
    assert partial.residual == pytest.approx(max(map(abs, luce_score_equations(rows, partial.scores.tolist()))))
    assert fit(rows, limit=1, tolerance=1.0).converged


def test_the_number_of_steps_does_not_decide_the_answer() -> None:
    rows = both_ways([(0, 1, 30.0, 1.0), (1, 2, 3.0, 1.0), (0, 2, 1.0, 4.0)])
    np.testing.assert_array_equal(fit(rows, limit=50).scores, fit(rows, limit=51).scores)


@pytest.mark.parametrize("prior", [0, -1.0, math.nan, math.inf])
def test_a_prior_that_is_no_variance_is_refused(prior: float) -> None:
    with pytest.raises(ValueError, match="prior must be a positive variance or None, got"):
        fit([(0, 1, 1.0, True)], prior=prior)


def test_unknown_ties_are_refused() -> None:
    with pytest.raises(ValueError, match="ties must be 'half', 'drop', 'davidson' or 'rao_kupper', got 'thirds'"):
        fit([(0, 1, 1.0, True)], ties="thirds")


def test_nothing_left_once_ties_are_dropped() -> None:
    with pytest.raises(ValueError, match="no comparison is left once ties are dropped; use ties='half'"):
        fit([(0, 1, 1.0, True)], ties="drop")


def test_results_are_read_only() -> None:
    found = fit([(0, 1, 1.0, True)])
    with pytest.raises(ValueError, match="read-only"):
        found.scores[0] = 1
