"""Beside preflibtools, which recognises domains, and prefsampling, which states the laws of cultures."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

import choicekit as ck
from choicekit import domains

preflibtools = pytest.importorskip("preflibtools", reason="peer: pip install preflibtools prefsampling")
prefsampling = pytest.importorskip("prefsampling", reason="peer: pip install preflibtools prefsampling")

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]


def instance(profile: ck.Rankings) -> Any:
    from preflibtools.instances import OrdinalInstance

    made = OrdinalInstance()
    made.append_order_list([tuple((a,) for a in order) for order in np.argsort(profile.ranks, axis=1).tolist()])
    return made


def profiles(count: int) -> list[ck.Rankings]:
    """Some in the domains, some nearly, some not."""
    made = []
    for rng in range(count):
        generator = np.random.default_rng(rng)
        sizes: dict[str, Any] = {"voters": 2 + rng % 5, "alternatives": 3 + rng % 4, "rng": generator}
        culture = (
            domains.impartial_culture,
            domains.single_peaked_conitzer,
            domains.single_crossing_culture,
            domains.single_peaked_walsh,
        )[rng % 7 % 4]
        made.append(culture(**sizes))
        line = domains.euclidean_culture(**sizes, dimensions=1).ranks
        made.append(ck.Rankings(line))
        extra = generator.permutation(line.shape[1])
        made.append(ck.Rankings(np.vstack([line, extra])))
    return made


def test_single_peaked() -> None:
    from preflibtools.properties.subdomains.ordinal.singlepeaked.singlepeakedness import (
        is_single_peaked,
        is_single_peaked_axis,
        is_single_peaked_pq_tree,
    )

    answers = Counter[bool]()
    for profile in profiles(120):
        axis, theirs = domains.single_peaked(profile), instance(profile)
        answers[axis is not None] += 1
        assert bool(is_single_peaked(theirs)[0]) == (axis is not None)
        assert bool(is_single_peaked_pq_tree(theirs)) == (axis is not None)
        if axis is not None:
            assert is_single_peaked_axis(theirs, list(axis))
    assert min(answers.values()) > 40


def test_single_crossing() -> None:
    from preflibtools.properties.subdomains.ordinal.singlecrossing import (
        is_single_crossing,
        is_single_crossing_conflict_sets,
    )

    answers = Counter[bool]()
    for profile in profiles(300):
        order, theirs = domains.single_crossing(profile), instance(profile)
        answers[order is not None] += 1
        assert bool(is_single_crossing_conflict_sets(theirs)) == (order is not None)
    assert min(answers.values()) > 100
    # Its other recogniser forgets all but one of the ballots equally far from the first. Here cabd is at an end, being
    # alone about a and d; next to it a and b put dabc, but b and d put bdac.
    wrong = ck.Rankings.from_orders(["cabd", "dbac", "bdac", "dabc"])
    assert domains.single_crossing(wrong) is None
    assert not is_single_crossing_conflict_sets(instance(wrong))
    assert is_single_crossing(instance(wrong))[0]


def test_euclidean() -> None:
    from preflibtools.properties.subdomains.ordinal.euclidean import is_one_euclidean

    # Theirs takes the first and last ballots for the ends of the single-crossing order, so it is given that order; and
    # it denies profiles that have a line, such as abc and acb (b and c on either side of a, both voters near a).
    agreed = 0
    for profile in profiles(100):
        order = domains.single_crossing(profile)
        if order is not None:
            ordered = ck.Rankings(profile.ranks[list(order)])
            if is_one_euclidean(instance(ordered))[0]:
                assert domains.euclidean(ordered) is not None
                agreed += 1
    assert agreed > 20
    assert not is_one_euclidean(instance(ck.Rankings([[0, 1, 2], [0, 2, 1]])))[0]


def test_normalised_dispersion() -> None:
    from prefsampling.ordinal.mallows import phi_from_norm_phi

    for size, share in itertools.product([3, 5, 10, 50], [0.05, 0.3, 0.5, 0.8, 0.95]):
        # theirs stops where the expected distance is within 1e-5
        assert domains.mallows_dispersion(share, alternatives=size) == pytest.approx(
            phi_from_norm_phi(size, share), abs=1e-4
        )


def frequencies(culture: Any, count: int, **options: Any) -> dict[tuple[int, ...], float]:
    orders = np.argsort(culture.batch(count, voters=1, alternatives=4, rng=0, **options).values[:, 0], axis=1)
    seen, often = np.unique(orders, axis=0, return_counts=True)
    return {tuple(order): times / count for order, times in zip(seen.tolist(), often.tolist(), strict=True)}


def test_laws_of_single_voters() -> None:
    from prefsampling.ordinal.mallows import theoretical_distribution as mallows_law
    from prefsampling.ordinal.plackettluce import theoretical_distribution as plackett_luce_law
    from prefsampling.ordinal.singlepeaked import conitzer_theoretical_distribution, walsh_theoretical_distribution

    strengths = [0.1, 0.4, 0.2, 0.3]
    for seen, law in (
        (frequencies(domains.mallows, 200_000, dispersion=0.4), mallows_law(4, 0.4)),
        (
            frequencies(domains.plackett_luce, 200_000, strengths=strengths),
            plackett_luce_law(strengths, 4),
        ),
        (frequencies(domains.single_peaked_walsh, 200_000), walsh_theoretical_distribution(4)),
        (frequencies(domains.single_peaked_conitzer, 200_000), conitzer_theoretical_distribution(4)),
    ):
        known = {tuple(int(a) for a in order): chance for order, chance in law.items() if chance > 0}
        assert set(seen) <= set(known)
        for order, chance in known.items():
            error = math.sqrt(chance * (1 - chance) / 200_000)
            assert abs(seen.get(order, 0) - chance) < 4.5 * error


@pytest.mark.parametrize("alpha", [0.0, 1 / 6, 0.5])
def test_law_of_the_urn(alpha: float) -> None:
    from prefsampling.combinatorics import all_anonymous_profiles
    from prefsampling.ordinal.urn import theoretical_distribution

    # its formula is that of anonymous profiles, not of the ordered ones it takes by default
    law: Counter[Any] = Counter()
    for profile, chance in theoretical_distribution(3, 3, alpha, all_anonymous_profiles(3, 3)).items():
        law[tuple(sorted(tuple(int(a) for a in order) for order in profile))] += chance
    orders = np.argsort(domains.urn.batch(200_000, voters=3, alternatives=3, alpha=alpha, rng=0).values, axis=2)
    seen = Counter(tuple(sorted(map(tuple, profile))) for profile in orders.tolist())
    assert set(seen) == set(law)
    assert len(law) == 56
    for profile, chance in law.items():
        assert abs(seen[profile] / 200_000 - chance) < 4.5 * math.sqrt(chance * (1 - chance) / 200_000)
