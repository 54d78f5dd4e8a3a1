"""Kemeny's, Slater's and Dodgson's rules beside pref_voting and corankco."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import choicekit as ck
from choicekit.rules.distances import dodgson
from choicekit.rules.medians import kemeny, slater

pytestmark = pytest.mark.peers


def draws(count: int, voters: int, size: int) -> list[ck.Rankings]:
    rng = np.random.default_rng(voters * 100 + size)
    return [ck.Rankings(rng.random((voters, size)).argsort(1).argsort(1)) for _ in range(count)]


@pytest.fixture(scope="module")
def pref() -> Any:
    """pref_voting's rules by name: they moved between its modules, and one was spelt otherwise in older releases."""
    methods = pytest.importorskip("pref_voting.voting_methods", reason="peer: pip install pref_voting")
    profiles = pytest.importorskip("pref_voting.profiles", reason="peer: pip install pref_voting")
    found = {"profile": lambda votes: profiles.Profile(np.argsort(votes.ranks, axis=1).tolist())}
    for name, spellings in {
        "kemeny": ("kemeny_young", "kemmeny_young"), "slater": ("slater",), "dodgson": ("dodgson",),
    }.items():  # fmt: skip
        found[name] = next((getattr(methods, each) for each in spellings if hasattr(methods, each)), None)
    return found


@pytest.mark.parametrize(("voters", "size"), [(5, 3), (6, 4), (9, 5), (4, 5), (20, 6)])
@pytest.mark.parametrize(("name", "rule"), [("kemeny", kemeny), ("slater", slater)])
def test_median_orders_beside_pref_voting(pref: Any, name: str, rule: Any, voters: int, size: int) -> None:
    for votes in draws(4, voters, size):
        assert list(rule(votes).winners) == sorted(pref[name](pref["profile"](votes)))


@pytest.mark.parametrize(("voters", "size"), [(5, 3), (6, 4), (9, 4), (8, 5)])
def test_dodgson_beside_pref_voting(pref: Any, voters: int, size: int) -> None:
    # with global_score=False it drops the profile that it restricted to, and errs
    if pref["dodgson"] is None:
        pytest.skip("peer: this pref_voting has no dodgson; pip install pref_voting==1.18.2")
    for votes in draws(4, voters, size):
        assert list(dodgson(votes).winners) == sorted(pref["dodgson"](pref["profile"](votes)))


@pytest.mark.parametrize(("voters", "size"), [(7, 5), (10, 8), (50, 12), (200, 18)])
def test_median_orders_beside_corankco(voters: int, size: int) -> None:
    pytest.importorskip("corankco", reason="peer: pip install corankco")
    from corankco.algorithms.exact.exactalgorithmpulp import ExactAlgorithmPulp
    from corankco.dataset import Dataset
    from corankco.scoringscheme import ScoringScheme

    # a pair the wrong way round costs 1; ties in the answer are dear, so that it is an order
    scheme = ScoringScheme([[0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 1.0, 1.0, 0.0]])
    for votes in draws(2, voters, size):
        orders = np.argsort(votes.ranks, axis=1).tolist()
        data = Dataset.from_raw_list([[{a} for a in order] for order in orders])
        found = ExactAlgorithmPulp().compute_consensus_rankings(data, scheme, False)
        support = votes.supports()
        unavoidable = sum(min(support[a, b], support[b, a]) for a in range(size) for b in range(a))
        assert found.kemeny_score == pytest.approx(kemeny(votes).cost + unavoidable)
