"""Cultures: each draws from the law that its definition states.

The laws are tested by Pearson's χ² on small cases, at the level 0.001 and with fixed seeds, so that a test passes
always or never; that the test can tell laws apart is tested too.
"""

from __future__ import annotations

import itertools
import math
import pickle
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

import choicekit as ck
from choicekit import domains, rules
from choicekit.kernels import cultures

LEVEL = 0.001
Ranks = tuple[int, ...]
Profile = tuple[Ranks, ...]
CULTURES: dict[str, dict[str, Any]] = {
    "impartial_culture": {},
    "impartial_anonymous_culture": {},
    "urn": {"alpha": 0.3},
    "mallows": {"dispersion": 0.4},
    "mallows_normalised": {"dispersion": 0.4},
    "plackett_luce": {"strengths": [1, 2, 3, 4]},
    "single_peaked_walsh": {},
    "single_peaked_conitzer": {},
    "single_crossing_culture": {},
    "euclidean_culture": {},
    "euclidean_utilities": {},
}


def rankings(size: int) -> list[Ranks]:
    return list(itertools.permutations(range(size)))


def drawn(culture: Any, profiles: int, *, voters: int, alternatives: int, **options: Any) -> Counter[Any]:
    many = culture.batch(profiles, voters=voters, alternatives=alternatives, rng=0, **options)
    return counted(many.values)


def counted(values: Any) -> Counter[Any]:
    """How often each array along the first axis is there, by its nested tuples."""
    flat = values.reshape(len(values), -1).astype(np.int64)
    codes = flat @ (int(flat.max()) + 1) ** np.arange(flat.shape[1])
    _, first, often = np.unique(codes, return_index=True, return_counts=True)
    return Counter({nested(values[row].tolist()): times for row, times in zip(first, often.tolist(), strict=True)})


def nested(values: Any) -> Any:
    return tuple(map(nested, values)) if isinstance(values, list) else values


def p_value(seen: Mapping[Any, int], law: Mapping[Any, float]) -> float:
    """Of Pearson's χ²; 0 where something was seen that cannot be. What is expected fewer than 5 times is pooled."""
    total = sum(seen.values())
    assert math.isclose(sum(law.values()), 1)
    if set(seen) - {outcome for outcome, chance in law.items() if chance > 0}:
        return 0.0
    cells = [(seen.get(outcome, 0), total * chance) for outcome, chance in law.items() if total * chance >= 5]
    rest = total - sum(found for found, _ in cells), total - sum(expected for _, expected in cells)
    if rest[1] < 5:  # too few for a cell of their own
        last = cells.pop()
        rest = rest[0] + last[0], rest[1] + last[1]
    cells.append(rest)
    if len(law) == 1:
        return 1.0
    assert len(cells) > 1
    statistic = sum((found - expected) ** 2 / expected for found, expected in cells)
    return float(stats.chi2.sf(statistic, len(cells) - 1))


def independent(law: Mapping[Ranks, float], voters: int) -> dict[Profile, float]:
    return {profile: math.prod(law[ballot] for ballot in profile) for profile in itertools.product(law, repeat=voters)}


def swap_distance(one: Ranks, other: Ranks) -> int:
    pairs = itertools.combinations(range(len(one)), 2)
    return sum((one[a] < one[b]) != (other[a] < other[b]) for a, b in pairs)


def mallows_law(size: int, dispersion: float, centre: Ranks) -> dict[Ranks, float]:
    weight = {ranks: dispersion ** swap_distance(ranks, centre) for ranks in rankings(size)}
    return {ranks: each / sum(weight.values()) for ranks, each in weight.items()}


def urn_law(size: int, voters: int, alpha: float) -> dict[Profile, float]:
    """Each ranking once in the urn, and alpha·m! more of each drawn."""
    law = {}
    for profile in itertools.product(rankings(size), repeat=voters):
        chance, copies = 1.0, Counter[Ranks]()
        for voter, ballot in enumerate(profile):
            chance *= (1 + copies[ballot]) / (math.factorial(size) * (1 + voter * alpha))
            copies[ballot] += alpha * math.factorial(size)
        law[profile] = chance
    return law


def is_single_peaked(ranks: Ranks) -> bool:
    """On the axis 0, 1, …: nobody's worst of three is between the others."""
    return all(b < max(a, c) for a, b, c in itertools.combinations(ranks, 3))


def sorting_networks(size: int) -> list[list[Ranks]]:
    """Every chain of rankings by swaps of neighbours, from 0, 1, … to its reverse."""
    if size < 2:
        return [[tuple(range(size))]]
    found: list[list[Ranks]] = []
    waiting = [[tuple(range(size))]]
    while waiting:
        chain = waiting.pop()
        order = chain[-1]
        ways = [i for i in range(size - 1) if order[i] < order[i + 1]]
        if not ways:
            found.append([tuple(np.argsort(one).tolist()) for one in chain])
        for i in ways:
            waiting.append([*chain, (*order[:i], order[i + 1], order[i], *order[i + 2 :])])
    return found


# -- laws


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_impartial_culture(size: int) -> None:
    law = dict.fromkeys(rankings(size), 1 / math.factorial(size))
    seen = drawn(domains.impartial_culture, 60_000, voters=1, alternatives=size)
    assert p_value(seen, independent(law, 1)) > LEVEL


def test_impartial_culture_draws_voters_independently() -> None:
    law = independent(dict.fromkeys(rankings(3), 1 / 6), 3)
    assert p_value(drawn(domains.impartial_culture, 60_000, voters=3, alternatives=3), law) > LEVEL


@pytest.mark.parametrize(("size", "voters"), [(2, 4), (3, 2), (3, 3)])
def test_every_anonymous_profile_is_as_likely(size: int, voters: int) -> None:
    seen: Counter[Any] = Counter()
    found = drawn(domains.impartial_anonymous_culture, 60_000, voters=voters, alternatives=size)
    for profile, often in found.items():
        seen[tuple(sorted(profile))] += often
    anonymous = list(itertools.combinations_with_replacement(rankings(size), voters))
    assert len(anonymous) == math.comb(voters + math.factorial(size) - 1, voters)
    assert p_value(seen, dict.fromkeys(anonymous, 1 / len(anonymous))) > LEVEL


@pytest.mark.parametrize(("size", "voters"), [(2, 4), (3, 3)])
@pytest.mark.parametrize("alpha", [0.0, 0.05, 1 / 6, 0.7, 3.0])
def test_urn(size: int, voters: int, alpha: float) -> None:
    law = urn_law(size, voters, alpha)
    seen = drawn(domains.urn, 100_000, voters=voters, alternatives=size, alpha=alpha)
    assert p_value(seen, law) > LEVEL


def test_the_test_tells_an_urn_from_one_whose_alpha_is_multiplied_by_m_factorial_twice() -> None:
    seen = drawn(domains.urn, 100_000, voters=3, alternatives=3, alpha=0.3)
    assert p_value(seen, urn_law(3, 3, 0.3)) > LEVEL
    assert p_value(seen, urn_law(3, 3, 0.3 * 6)) < 1e-9


def test_an_urn_that_only_copies_and_one_that_never_does() -> None:
    copied = domains.urn(voters=50, alternatives=5, alpha=1e300, rng=0).ranks
    assert (copied == copied[0]).all()
    impartial = domains.impartial_culture(voters=50, alternatives=5, rng=0).ranks
    assert (domains.urn(voters=50, alternatives=5, alpha=0.0, rng=0).ranks == impartial).all()
    assert (domains.impartial_anonymous_culture(voters=9, alternatives=200, rng=0).ranks.max(1) == 199).all()


@pytest.mark.parametrize("dispersion", [0.15, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("centre", [(0, 1, 2, 3), (2, 0, 3, 1)])
def test_mallows(dispersion: float, centre: Ranks) -> None:
    order = np.argsort(centre).tolist()
    seen = drawn(domains.mallows, 200_000, voters=1, alternatives=4, dispersion=dispersion, centre=order)
    law = mallows_law(4, dispersion, centre)
    assert p_value(seen, independent(law, 1)) > LEVEL


def test_mallows_without_dispersion_is_its_centre() -> None:
    votes = domains.mallows(voters=20, alternatives="abcd", dispersion=0.0, centre="dbca", rng=0)
    assert (votes.ranks == [3, 1, 2, 0]).all()


@pytest.mark.parametrize("size", [2, 3, 4, 5])
@pytest.mark.parametrize("distance", [0.0, 0.1, 0.5, 0.99, 1.0])
def test_normalised_dispersion_is_the_relative_expected_distance(size: int, distance: float) -> None:
    dispersion = domains.mallows_dispersion(distance, alternatives=size)
    identity = tuple(range(size))
    law = mallows_law(size, dispersion, identity)
    expected = sum(chance * swap_distance(ranks, identity) for ranks, chance in law.items())
    assert expected == pytest.approx(distance * size * (size - 1) / 4, abs=1e-12)


def test_normalised_mallows_is_mallows_of_that_dispersion() -> None:
    seen = domains.mallows_normalised(voters=500, alternatives=6, dispersion=0.3, centre=[5, 4, 3, 0, 1, 2], rng=7)
    phi = domains.mallows_dispersion(0.3, alternatives=6)
    known = domains.mallows(voters=500, alternatives=6, dispersion=phi, centre=[5, 4, 3, 0, 1, 2], rng=7)
    assert (seen.ranks == known.ranks).all()
    many = domains.mallows_normalised(voters=5_000, alternatives=50, dispersion=0.3, rng=0).ranks
    above = sum((many[:, a] > many[:, b]).mean() for a, b in itertools.combinations(range(50), 2))
    assert above == pytest.approx(0.3 * 50 * 49 / 4, rel=0.01)


def test_plackett_luce() -> None:
    strengths = [1.0, 2.0, 0.5, 4.0]
    law = {}
    for order in itertools.permutations(range(4)):
        left = np.array([strengths[a] for a in order])
        law[(tuple(np.argsort(order).tolist()),)] = float(np.prod(left / np.cumsum(left[::-1])[::-1]))
    seen = drawn(domains.plackett_luce, 200_000, voters=1, alternatives=4, strengths=strengths)
    assert p_value(seen, law) > LEVEL
    extreme = domains.plackett_luce(voters=5, alternatives=3, strengths=[1e-300, 1.0, 1e300], rng=0)
    assert (extreme.ranks == [2, 1, 0]).all()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_walsh_is_uniform_over_the_single_peaked_rankings(size: int) -> None:
    possible = [ranks for ranks in rankings(size) if is_single_peaked(ranks)]
    assert len(possible) == 2 ** (size - 1)
    seen = drawn(domains.single_peaked_walsh, 50_000, voters=1, alternatives=size)
    assert p_value(seen, {(ranks,): 1 / len(possible) for ranks in possible}) > LEVEL


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_conitzer_walks_from_a_uniform_peak(size: int) -> None:
    def walks(order: list[int], chance: float) -> None:
        left, right = min(order) - 1, max(order) + 1
        ways = [a for a in (left, right) if 0 <= a < size]
        if not ways:
            law[(tuple(np.argsort(order).tolist()),)] = chance
        for a in ways:
            walks([*order, a], chance / len(ways))

    law: dict[Profile, float] = {}
    for peak in range(size):
        walks([peak], 1 / size)
    seen = drawn(domains.single_peaked_conitzer, 50_000, voters=1, alternatives=size)
    assert p_value(seen, law) > LEVEL
    if size >= 3:
        assert p_value(drawn(domains.single_peaked_walsh, 50_000, voters=1, alternatives=size), law) < 1e-9


def test_an_axis_renames_the_alternatives() -> None:
    for culture in (domains.single_peaked_walsh, domains.single_peaked_conitzer):
        plain = culture(voters=40, alternatives=4, rng=0).ranks
        named = culture(voters=40, alternatives="abcd", axis="cadb", rng=0)
        assert (named.ranks[:, [2, 0, 3, 1]] == plain).all()


@pytest.mark.parametrize(("size", "chains"), [(2, 1), (3, 2), (4, 16), (5, 768)])
def test_sorting_networks_are_uniform(size: int, chains: int) -> None:
    """There are N! / (1^{m−1} 3^{m−2} ⋯ (2m−3)^1) of them (Stanley 1984)."""
    known = sorting_networks(size)
    assert len(known) == chains
    uniform = np.random.default_rng(0).random((30 * chains, size * (size - 1) // 2))
    seen: Counter[Any] = Counter()
    for swaps in (cultures.network(each, size).tolist() for each in uniform):
        order, chain = list(range(size)), [tuple(range(size))]
        for i in swaps:
            order[i], order[i + 1] = order[i + 1], order[i]
            chain.append(tuple(order))
        seen[tuple(chain)] += 1
    law = {tuple(tuple(np.argsort(ranks).tolist()) for ranks in chain): 1 / chains for chain in known}
    assert p_value(seen, law) > LEVEL


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_single_crossing_voters_are_uniform_on_a_uniform_chain(size: int) -> None:
    chains = sorting_networks(size)
    law: Counter[Profile] = Counter()
    for chain in chains:
        for profile in itertools.product(chain, repeat=2):
            law[profile] += 1 / len(chains) / len(chain) ** 2  # type: ignore[assignment]
    seen = drawn(domains.single_crossing_culture, 200_000, voters=2, alternatives=size)
    assert p_value(seen, law) > LEVEL


def test_a_first_ranking_renames_the_alternatives() -> None:
    plain = domains.single_crossing_culture(voters=40, alternatives=4, rng=0).ranks
    named = domains.single_crossing_culture(voters=40, alternatives="abcd", first="cadb", rng=0)
    assert (named.ranks[:, [2, 0, 3, 1]] == plain).all()


def test_euclidean_on_a_unit_line() -> None:
    """With alternatives at x < y the first is nearer with chance (x + y)/2; the mean over both orders is ½, and the
    chance that two voters agree is E[2 q² − 2 q + 1] with q = (x + y)/2, which is 7/12."""
    by_hand, _ = integrate.dblquad(lambda x, y: ((x + y) / 2) ** 2 + (1 - (x + y) / 2) ** 2, 0, 1, 0, 1)
    assert by_hand == pytest.approx(7 / 12)
    seen = drawn(domains.euclidean_culture, 100_000, voters=2, alternatives=2, dimensions=1)
    same, other = by_hand / 2, (1 - by_hand) / 2
    up, down = (0, 1), (1, 0)
    assert p_value(seen, {(up, up): same, (down, down): same, (up, down): other, (down, up): other}) > LEVEL


@pytest.mark.parametrize("space", ["cube", "ball", "gaussian"])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_positions_have_the_law_of_their_space(space: Any, dimensions: int) -> None:
    points = domains.positions(20_000, dimensions=dimensions, space=space, rng=0)
    assert points.shape == (20_000, dimensions)
    if space == "cube":
        known: Callable[[Any], Any] = stats.uniform.cdf
        ways = [*points.T, 1 - np.abs(2 * points[:, 0] - 1)]
    elif space == "gaussian":
        known = stats.norm.cdf
        ways = [*points.T, points.sum(1) / math.sqrt(dimensions)]
    else:
        known = stats.uniform.cdf
        radius = np.linalg.norm(points, axis=1)
        ways = [radius**dimensions]
        assert (np.sign(points[:, 0]) * (radius > 0.5)).mean() == pytest.approx(0, abs=0.03)
        if dimensions == 2:
            ways.append(np.arctan2(*points.T) / (2 * math.pi) + 0.5)
        if dimensions == 3:  # each coordinate of a uniform direction is uniform (Archimedes)
            ways += [(points[:, k] / radius + 1) / 2 for k in range(3)]
    for way in ways:
        assert stats.kstest(way, known).pvalue > LEVEL


@pytest.mark.parametrize("space", ["cube", "ball", "gaussian"])
def test_euclidean_rankings_utilities_and_positions_agree(space: Any) -> None:
    generator = np.random.default_rng(3)
    voters = domains.positions(30, dimensions=3, space=space, rng=generator)
    places = domains.positions(6, dimensions=3, space=space, rng=generator)
    at = domains.spatial_utilities(voters, places, "abcdef")
    same: dict[str, Any] = {"voters": 30, "alternatives": "abcdef", "dimensions": 3, "space": space, "rng": 3}
    utilities, votes = domains.euclidean_utilities(**same), domains.euclidean_culture(**same)
    assert (utilities.values == at.values).all()
    assert (votes.ranks == at.to_rankings().ranks).all()
    by_hand = -np.array([[math.dist(voter, place) for place in places] for voter in voters])
    np.testing.assert_allclose(at.values, by_hand, rtol=1e-12)
    assert votes.alternatives == utilities.alternatives == tuple("abcdef")


# -- what all of them share


@pytest.mark.parametrize(("name", "options"), CULTURES.items(), ids=CULTURES)
def test_one_seed_is_one_draw_and_profiles_of_a_batch_differ(name: str, options: dict[str, Any]) -> None:
    culture = getattr(domains, name)
    same: dict[str, Any] = {"voters": 25, "alternatives": 4, **options}
    field = "values" if culture.kind is ck.Utilities else "ranks"
    one, again = culture(rng=5, **same), culture(rng=np.random.default_rng(5), **same)
    assert (getattr(one, field) == getattr(again, field)).all()
    assert not (getattr(one, field) == getattr(culture(rng=6, **same), field)).all()
    assert not (getattr(culture(**same), field) == getattr(culture(**same), field)).all()
    assert (one.weights == 1).all()
    many, more = culture.batch(3, rng=5, **same), culture.batch(3, rng=5, **same)
    assert many.kind is culture.kind
    assert (many.values == more.values).all()
    for a, b in itertools.combinations(many.values, 2):
        assert not (a == b).all()
    assert (culture.batch(1, rng=5, **same).values[0] == getattr(one, field)).all()


def test_profiles_of_a_batch_are_independent() -> None:
    """Two profiles of one batch, as a pair, have the product of their laws."""
    for culture, options in ((domains.urn, {"alpha": 0.5}), (domains.impartial_anonymous_culture, {})):
        law = urn_law(2, 2, 0.5)
        many = culture.batch(80_000, voters=2, alternatives=2, rng=1, **options).values
        pairs = counted(np.stack([many[::2], many[1::2]], axis=1))
        assert p_value(pairs, {(one, two): law[one] * law[two] for one in law for two in law}) > LEVEL


@pytest.mark.parametrize(("name", "options"), CULTURES.items(), ids=CULTURES)
@pytest.mark.parametrize("size", [1, 4, 40, 130])
def test_rankings_are_strict_at_every_size(name: str, options: dict[str, Any], size: int) -> None:
    if name == "plackett_luce":
        options = {"strengths": np.arange(1, size + 1)}
    culture = getattr(domains, name)
    profile = culture(voters=7, alternatives=size, rng=0, **options)
    ranks = profile.to_rankings().ranks if culture.kind is ck.Utilities else profile.ranks
    assert (np.sort(ranks, axis=1) == np.arange(size)).all()


def test_large_batches_are_drawn_in_blocks() -> None:
    many = domains.euclidean_culture.batch(5, voters=1000, alternatives=1000, rng=0)
    assert (np.sort(many.values, axis=2) == np.arange(1000)).all()
    firsts = {tuple(profile[0].tolist()) for profile in many.values}
    assert len(firsts) == 5


def test_rules_answer_a_batch() -> None:
    many = domains.impartial_culture.batch(50, voters=11, alternatives=4, rng=0)
    scores = rules.borda.batch(many)
    for row, profile in enumerate(many.values):
        assert (scores[row] == rules.borda(ck.Rankings(profile)).scores).all()


def test_cultures_travel_and_say_how_they_are_called() -> None:
    import inspect

    assert pickle.loads(pickle.dumps(domains.mallows)) is domains.mallows
    assert list(inspect.signature(domains.mallows).parameters) == [
        "voters", "alternatives", "dispersion", "centre", "rng",
    ]  # fmt: skip
    assert "Mallows" in (domains.mallows.__doc__ or "")
    population = pickle.loads(pickle.dumps(domains.three_groups()))
    assert isinstance(population, domains.Population)
    assert population.alternatives == domains.three_groups().alternatives


def test_a_culture_of_ones_own() -> None:
    @domains.culture
    def two_camps(draw: domains.Draw, *, share: float) -> Any:
        up = draw.rng.random(draw.shape[:2]) < share
        order = np.arange(draw.shape[2])
        return np.where(up[..., None], order, order[::-1])

    assert repr(two_camps) == "<culture two_camps of Rankings>"
    many = two_camps.batch(2000, voters=5, alternatives=3, share=0.25, rng=0)
    assert (many.values[..., 0] == 0).mean() == pytest.approx(0.25, abs=0.02)

    @domains.culture(kind=ck.Approvals)
    def coins(draw: domains.Draw) -> Any:
        return draw.rng.random(draw.shape) < 0.5

    assert coins(voters=3, alternatives="ab", rng=0).values.dtype == np.bool_

    @domains.culture
    def wrong(draw: domains.Draw) -> Any:
        return np.zeros(draw.shape[:2], np.int64)

    with pytest.raises(ValueError, match=r"needed values of shape \(1, 3, 2\) .* got \(1, 3\)"):
        wrong(voters=3, alternatives=2)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: domains.impartial_culture(voters=0, alternatives=3), "voters: needed a whole number of at least 1"),
        (lambda: domains.impartial_culture(voters=2, alternatives=0), "alternatives: needed a whole number"),
        (lambda: domains.impartial_culture(voters=2, alternatives="aa"), "labels must differ"),
        (lambda: domains.impartial_culture.batch(0, voters=2, alternatives=3), "profiles: needed a whole number"),
        (lambda: domains.urn(voters=2, alternatives=3, alpha=-0.1), "urn: needed a finite alpha of at least 0"),
        (lambda: domains.urn(voters=2, alternatives=3, alpha=math.nan), "urn: needed a finite alpha"),
        (lambda: domains.mallows(voters=2, alternatives=3, dispersion=1.1), "needed a dispersion from 0 to 1, got 1.1"),
        (lambda: domains.mallows_normalised(voters=2, alternatives=3, dispersion=-1.0), "from 0 to 1, got -1.0"),
        (lambda: domains.mallows(voters=2, alternatives="abc", dispersion=0.5, centre="abd"), "centre: needed each of"),
        (lambda: domains.single_peaked_walsh(voters=2, alternatives=3, axis=[0, 1]), "axis: needed each of the 3"),
        (lambda: domains.plackett_luce(voters=2, alternatives=3, strengths=[1, 2]), "needed 3 positive finite"),
        (lambda: domains.plackett_luce(voters=2, alternatives=2, strengths=[1, 0]), "needed 2 positive finite"),
        (lambda: domains.euclidean_culture(voters=2, alternatives=2, space="moon"), "needed 'cube', 'ball' or"),
        (lambda: domains.euclidean_culture(voters=2, alternatives=2, dimensions=0), "dimensions: needed a whole"),
        (lambda: domains.spatial_utilities([[0, 0]], [[1]]), "of the same dimension"),
    ],
)  # fmt: skip
def test_refusals(call: Callable[[], Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        call()


def test_sizes_must_be_whole_numbers() -> None:
    with pytest.raises(TypeError, match=r"voters: needed a whole number, got 2\.5"):
        domains.impartial_culture(voters=2.5, alternatives=3)  # type: ignore[arg-type]
