"""Sets chosen by who beats whom, and lotteries, beside pref_voting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import choicekit as ck
from choicekit import rules
from choicekit.rules import probabilistic, tournaments

pytest.importorskip("pref_voting", reason="peer: pip install pref_voting")
pytest.importorskip("nashpy", reason="peer: pip install nashpy, by which pref_voting solves games")

pytestmark = pytest.mark.peers


def margins(size: int, rng: np.random.Generator, *, odd: bool) -> ck.Margins:
    """Odd margins, or margins of which many tie; even as they are, so that both are those of some ballots."""
    drawn = 2 * rng.integers(-4, 4, (size, size)) + 1 if odd else 2 * rng.integers(-2, 3, (size, size))
    upper = np.triu(drawn, 1)
    return ck.Margins(upper - upper.T)


def theirs(profile: ck.Margins) -> Any:
    from pref_voting.weighted_majority_graphs import MarginGraph

    size = len(profile.alternatives)
    edges = [(a, b, int(profile.values[a, b])) for a, b in np.argwhere(profile.values > 0).tolist()]
    return MarginGraph(list(range(size)), edges)


SETS = {
    "top_cycle": tournaments.smith,
    "gocha": tournaments.schwartz,
    "uc_gill": lambda p: tournaments.uncovered_set(p, covering="gillies"),
    "uc_fish": lambda p: tournaments.uncovered_set(p, covering="fishburn"),
    "uc_bordes": lambda p: tournaments.uncovered_set(p, covering="bordes"),
    "uc_mckelvey": lambda p: tournaments.uncovered_set(p, covering="mckelvey"),
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("odd", [True, False])
def test_sets(name: str, odd: bool) -> None:
    from pref_voting import c1_methods

    rng = np.random.default_rng(odd)
    for _ in range(100):
        profile = margins(int(rng.integers(2, 9)), rng, odd=odd)
        assert list(SETS[name](profile).winners) == getattr(c1_methods, name)(theirs(profile))


@pytest.mark.parametrize("odd", [True, False])
def test_banks(odd: bool) -> None:
    from pref_voting.c1_methods import banks

    rng = np.random.default_rng(odd)
    for _ in range(40):
        profile = margins(int(rng.integers(2, 6)), rng, odd=odd)
        assert list(tournaments.banks(profile).winners) == banks(theirs(profile))


def test_lotteries_where_there_is_one() -> None:
    # Where several lotteries are maximal the peer draws one corner at random, and its bipartisan and essential sets are
    # that corner's support, so that there is nothing to compare.
    from pref_voting.c1_methods import bipartisan
    from pref_voting.margin_based_methods import essential
    from pref_voting.probabilistic_methods import c1_maximal_lottery, maximal_lottery

    rng = np.random.default_rng(0)
    for _ in range(25):
        profile = margins(int(rng.integers(2, 6)), rng, odd=True)
        graph = theirs(profile)
        for by, peer in (("margins", maximal_lottery), ("majority", c1_maximal_lottery)):
            found = probabilistic.maximal_lottery(profile, by=by)
            expected = peer(graph)
            np.testing.assert_allclose(found.probabilities, list(expected.values()), atol=1e-7)
        assert list(tournaments.essential_set(profile).winners) == essential(graph)
        assert list(tournaments.bipartisan_set(profile).winners) == bipartisan(graph)


def test_a_peers_corner_lies_among_ours() -> None:
    from pref_voting.probabilistic_methods import maximal_lottery

    rng = np.random.default_rng(1)
    several = 0
    for _ in range(40):
        profile = margins(int(rng.integers(2, 6)), rng, odd=False)
        found = probabilistic.maximal_lottery(profile)
        try:
            corner = np.array(list(maximal_lottery(theirs(profile)).values()))
        except TypeError:  # the peer's solver finds no point to start from on some games with ties
            continue
        assert (found.probabilities[corner > 1e-7] > 1e-9).all()
        several += not found.unique
    assert several > 10


def test_proportional_lotteries() -> None:
    from pref_voting.probabilistic_methods import pr_borda, random_dictator
    from pref_voting.profiles import Profile

    rng = np.random.default_rng(2)
    for _ in range(30):
        size = int(rng.integers(2, 7))
        orders = [rng.permutation(size).tolist() for _ in range(int(rng.integers(1, 9)))]
        votes, peer = ck.Rankings.from_orders(orders, alternatives=range(size)), Profile(orders)
        for rule, other in ((probabilistic.proportional_borda, pr_borda), (rules.random_dictatorship, random_dictator)):
            np.testing.assert_allclose(rule(votes).probabilities, list(other(peer).values()), rtol=1e-12)
