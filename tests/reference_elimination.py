"""Slow twins of the positional rules and eliminations, straight from the definitions: exact fractions and recursion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import combinations

from reference import Ballots, above

Left = frozenset[int]
#: Of those left: who goes out at once, or who is tied for last.
Losers = Callable[[Left], tuple[str, Left]]


# --- Positional -----------------------------------------------------------------------------------------------------


def tiers(ballot: Sequence[int], unranked: str) -> list[list[int]]:
    """The alternatives of a ballot by level, best first."""
    ranked = sorted({rank for rank in ballot if rank >= 0})
    found = [[a for a, rank in enumerate(ballot) if rank == each] for each in ranked]
    rest = [a for a, rank in enumerate(ballot) if rank < 0]
    return found + ([rest] if rest and unranked == "below" else [])


def positional(
    ballots: Ballots, weights: Sequence[float], points: Sequence[Fraction], tied: str, unranked: str
) -> list[Fraction]:
    """Each level of a ballot takes as many places as it has members."""
    scores = [Fraction(0)] * len(points)
    for ballot, weight in zip(ballots, weights, strict=True):
        place = 0
        for tier in tiers(ballot, unranked):
            taken = points[place : place + len(tier)]
            worth = {"averaged": sum(taken) / len(tier), "optimistic": taken[0], "pessimistic": taken[-1]}[tied]
            for a in tier:
                scores[a] += Fraction(weight) * worth
            place += len(tier)
    return scores


def borda(ballots: Ballots, weights: Sequence[float], tied: str, unranked: str) -> list[Fraction]:
    """How many are below, and of the others on its level all, half or none."""
    scores = [Fraction(0)] * len(ballots[0])
    level = {"averaged": Fraction(1, 2), "optimistic": Fraction(1), "pessimistic": Fraction(0)}[tied]
    for ballot, weight in zip(ballots, weights, strict=True):
        found = tiers(ballot, unranked)
        for i, tier in enumerate(found):
            below = sum(len(lower) for lower in found[i + 1 :])
            for a in tier:
                scores[a] += Fraction(weight) * (below + level * (len(tier) - 1))
    return scores


# --- One round ------------------------------------------------------------------------------------------------------


def first_places(
    ballots: Ballots, weights: Sequence[float], left: Left, overvotes: str = "shared"
) -> tuple[dict[int, Fraction], Fraction]:
    """The votes of those left, and the weight of the ballots that rank any of them."""
    votes = {a: Fraction(0) for a in left}
    total = Fraction(0)
    for ballot, weight in zip(ballots, weights, strict=True):
        found = tiers(ballot, "absent")
        if overvotes == "cut":
            found = found[: next((i for i, tier in enumerate(found) if len(tier) > 1), len(found))]
        top = next((tier for tier in ([a for a in each if a in left] for each in found) if tier), [])
        for a in top:
            votes[a] += Fraction(weight) / (1 if overvotes == "whole" else len(top))
        total += Fraction(weight) if top else 0
    return votes, total


def last_places(ballots: Ballots, weights: Sequence[float], left: Left, unranked: str) -> dict[int, Fraction]:
    """Last places, shared; none on a ballot with one level."""
    votes = {a: Fraction(0) for a in left}
    for ballot, weight in zip(ballots, weights, strict=True):
        levels = [tier for tier in ([a for a in each if a in left] for each in tiers(ballot, unranked)) if tier]
        if len(levels) > 1:
            for a in levels[-1]:
                votes[a] += Fraction(weight) / len(levels[-1])
    return votes


def margins(ballots: Ballots, weights: Sequence[float], unranked: str) -> list[list[Fraction]]:
    """The weight with a above b less that with b above a."""
    size = len(ballots[0])
    out = [[Fraction(0)] * size for _ in range(size)]
    for ballot, weight in zip(ballots, weights, strict=True):
        for a in range(size):
            for b in range(size):
                if above(ballot, a, b) and (unranked == "below" or ballot[b] >= 0):
                    out[a][b] += Fraction(weight)
                    out[b][a] -= Fraction(weight)
    return out


def smith(margin: Sequence[Sequence[Fraction]], left: Left) -> Left:
    """The smallest non-empty set of which each member beats each one outside."""
    for size in range(1, len(left) + 1):
        for some in combinations(sorted(left), size):
            if all(margin[a][b] > 0 for a in some for b in left - set(some)):
                return frozenset(some)
    raise AssertionError("the set of all is one")


def schwartz(margin: Sequence[Sequence[Fraction]], left: Left) -> Left:
    """The union of the smallest sets that nothing outside beats."""
    closed = [
        frozenset(some)
        for size in range(1, len(left) + 1)
        for some in combinations(sorted(left), size)
        if not any(margin[b][a] > 0 for a in some for b in left - set(some))
    ]
    return frozenset().union(*(some for some in closed if not any(other < some for other in closed)))


def lowest(scores: dict[int, Fraction]) -> Left:
    return frozenset(a for a, score in scores.items() if score == min(scores.values()))


# --- Eliminations ---------------------------------------------------------------------------------------------------


def winners(left: Left, losers: Losers, how: str, order: Sequence[int] = ()) -> Left:
    """Who can be the last one left: each of the tied goes out in turn, all of them, or the last in an order."""
    known: dict[Left, Left] = {}

    def follow(left: Left) -> Left:
        if len(left) == 1:
            return left
        if left not in known:
            kind, out = losers(left)
            if kind == "kept" or how == "tied":
                known[left] = left if out == left else follow(left - out)
            elif how == "order":
                known[left] = follow(left - {max(out, key=order.index)})
            else:
                known[left] = frozenset().union(*(follow(left - {a}) for a in out))
        return known[left]

    return follow(left)


def losers_of(
    rule: str, ballots: Ballots, weights: Sequence[float], unranked: str, overvotes: str = "shared"
) -> Losers:
    """Who goes out of those left."""
    margin = margins(ballots, weights, unranked)
    everyone = frozenset(range(len(ballots[0])))

    def losers(left: Left) -> tuple[str, Left]:
        votes, total = first_places(ballots, weights, left, overvotes)
        if rule == "benham":
            for a in left:
                if all(margin[a][b] > 0 for b in left - {a}):
                    return "kept", left - {a}
        if rule in ("tideman_alternative", "schwartz_alternative") or (rule == "smith_irv" and left == everyone):
            inside = (schwartz if rule == "schwartz_alternative" else smith)(margin, left)
            if inside != left:
                return "kept", left - inside
        if rule in ("coombs", "coombs_to_the_end"):
            for a in left:
                if rule == "coombs" and votes[a] > total / 2:
                    return "kept", left - {a}
            return "tied", lowest({a: -n for a, n in last_places(ballots, weights, left, unranked).items()})
        if rule in ("baldwin", "nanson", "strict_nanson"):
            scores = {a: sum((margin[a][b] for b in left), Fraction(0)) for a in left}
            if rule == "baldwin":
                return "tied", lowest(scores)
            out = frozenset(a for a in left if scores[a] < 0 or (scores[a] == 0 and rule == "nanson"))
            return "kept", out or left
        return "tied", lowest(votes)

    return losers


def two_round_runoff(ballots: Ballots, weights: Sequence[float], order: Sequence[int] | None) -> Left:
    """Every two that no third has more first places than; under an order, the first two in it of the best."""
    everyone = frozenset(range(len(ballots[0])))
    votes, _ = first_places(ballots, weights, everyone)
    margin = margins(ballots, weights, "below")
    if len(everyone) == 1:
        return everyone
    found: set[int] = set()
    pairs = list(combinations(sorted(everyone), 2))
    if order is not None:
        pairs = [tuple(sorted(everyone, key=lambda a: (-votes[a], order.index(a)))[:2])]  # type: ignore[list-item]
    for a, b in pairs:
        if order is None and any(votes[c] > min(votes[a], votes[b]) for c in everyone - {a, b}):
            continue
        if margin[a][b] == 0 and order is not None:
            found.add(min(a, b, key=order.index))
        else:
            found |= {a} if margin[a][b] > 0 else {b} if margin[a][b] < 0 else {a, b}
    return frozenset(found)


def bucklin(ballots: Ballots, weights: Sequence[float]) -> Left:
    """The points are 1 for the first k places, for the first k with a majority of the ballots that rank anything."""
    size = len(ballots[0])
    total = sum(Fraction(w) for ballot, w in zip(ballots, weights, strict=True) if max(ballot) >= 0)
    for k in range(1, size + 1):
        points = [Fraction(int(place < k)) for place in range(size)]
        scores = positional(ballots, weights, points, "averaged", "absent")
        if max(scores) > total / 2 or k == size:
            break
    return frozenset(a for a in range(size) if scores[a] == max(scores))
