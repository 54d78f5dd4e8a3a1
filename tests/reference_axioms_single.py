"""Axioms of winners by the book, on plain lists: a profile is a list of orders (tuples, best first), one a voter.

``HOLDS[name](f, ballots)`` says whether a rule, a function from such lists to a set, satisfies an axiom there.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

import choicekit as ck

Order = tuple[Any, ...]
Ballots = list[Order]
Plain = Callable[[Ballots], set[Any]]


def drawn_rule(seed: int, *, named: bool = False) -> Plain:
    """A rule made by chance: all, plurality's or Borda's winners, or anything, disturbed on some of the profiles.

    It sees how many voters cast which ballot; with ``named``, who cast which.
    """

    def number(*parts: Any) -> int:
        return int.from_bytes(hashlib.blake2b(repr((seed, *parts)).encode(), digest_size=6).digest(), "big")

    def rule(ballots: Ballots) -> set[Any]:
        labels = sorted(ballots[0])
        key = tuple(ballots) if named else tuple(sorted(Counter(ballots).items()))
        base, often = seed % 4, (3, 12, 60)[seed // 4 % 3]
        if base == 0 or number("disturbed", key) % often == 0:
            chosen = 1 + number("chosen", key) % (2 ** len(labels) - 1)
            return {a for place, a in enumerate(labels) if chosen >> place & 1}
        if named and base == 1:
            return {ballots[-1][0]}
        points = Counter(dict.fromkeys(labels, 0))
        for ballot in ballots if base > 1 else []:
            for place, a in enumerate(ballot):
                points[a] += (place == 0) if base == 2 else len(ballot) - place
        return {a for a in labels if points[a] == max(points.values())}

    return rule


def plain(profile: ck.Rankings) -> Ballots:
    """One order a voter."""
    ballots = []
    for ranks, weight in zip(profile.ranks.tolist(), profile.weights.tolist(), strict=True):
        best_first = sorted(zip(ranks, profile.alternatives, strict=True))
        ballots += [tuple(label for _, label in best_first)] * int(weight)
    return ballots


def asked(rule: Plain) -> Callable[[ck.Rankings], set[Any]]:
    """The rule on lists as one on profiles."""

    def answer(profile: ck.Rankings) -> set[Any]:
        return rule(plain(profile))

    return answer


@st.composite
def profiles(draw: st.DrawFn, voters: int = 4, largest: int = 4, rows: bool = False) -> ck.Rankings:
    """Strict ballots of few voters; rows of several voters, unless ``rows`` asks for one each."""
    size = draw(st.integers(1, largest))
    ballots = draw(st.lists(st.permutations("abcd"[:size]), min_size=1, max_size=voters if size < 4 else 3))
    orders = ["".join(ballot) for ballot in ballots]
    return ck.Rankings.from_orders(orders if rows else Counter(orders), "abcd"[:size])


def beats(ballots: Ballots, a: Any, b: Any) -> bool:
    return 2 * sum(ballot.index(a) < ballot.index(b) for ballot in ballots) > len(ballots)


def subsets(labels: Order) -> Iterator[set[Any]]:
    for size in range(1, len(labels) + 1):
        yield from map(set, itertools.combinations(labels, size))


def beaten_sets(ballots: Ballots) -> tuple[set[Any], set[Any]]:
    """The Smith set, the smallest whose members beat all others; the Schwartz set, all minimal unbeaten sets."""
    labels = ballots[0]
    outer = [(part, set(labels) - part) for part in subsets(labels)]
    smith = min((part for part, rest in outer if all(beats(ballots, a, b) for a in part for b in rest)), key=len)
    unbeaten = [part for part, rest in outer if not any(beats(ballots, b, a) for a in part for b in rest)]
    minimal = [part for part in unbeaten if not any(other < part for other in unbeaten)]
    return smith, set().union(*minimal)


def over_half(number: int, ballots: Ballots) -> bool:
    return 2 * number > len(ballots)


def rankings(ballots: Ballots) -> list[Order]:
    return list(itertools.permutations(sorted(ballots[0])))


def changed(ballots: Ballots) -> Iterator[tuple[Order, Order, Ballots]]:
    """Every voter with every other ballot: the old one, the new one, the profile."""
    for i, old in enumerate(ballots):
        for new in rankings(ballots):
            if new != old:
                yield old, new, [*ballots[:i], new, *ballots[i + 1 :]]


def flipped(old: Order, new: Order) -> list[tuple[Any, Any]]:
    """The pairs (x, y) of which x is above y on the old ballot and below on the new."""
    return [(x, y) for x, y in itertools.combinations(old, 2) if new.index(x) > new.index(y)]


def stepwise(old: Order, new: Order) -> bool:
    return len(flipped(old, new)) == 1


def under(ballot: Order, a: Any) -> set[Any]:
    return set(ballot[ballot.index(a) + 1 :])


def resoluteness(f: Plain, P: Ballots) -> bool:
    return len(f(P)) == 1


def faithfulness(f: Plain, P: Ballots) -> bool:
    return len(P) > 1 or f(P) == {P[0][0]}


def unanimity(f: Plain, P: Ballots) -> bool:
    return all(f(P) == {a} for a in P[0] if all(ballot[0] == a for ballot in P))


def pareto(f: Plain, P: Ballots) -> bool:
    return not any(b in f(P) and all(b in under(r, a) for r in P) for a in P[0] for b in P[0])


def majority(f: Plain, P: Ballots) -> bool:
    return all(f(P) == {a} for a in P[0] if over_half(sum(r[0] == a for r in P), P))


def majority_loser(f: Plain, P: Ballots) -> bool:
    return len(P[0]) == 1 or not any(a in f(P) and over_half(sum(r[-1] == a for r in P), P) for a in P[0])


def mutual_majority(f: Plain, P: Ballots) -> bool:
    return all(f(P) <= S for S in subsets(P[0]) if over_half(sum(set(r[: len(S)]) == S for r in P), P))


def condorcet_winner(f: Plain, P: Ballots) -> bool:
    return all(f(P) == {a} for a in P[0] if all(beats(P, a, b) for b in P[0] if b != a))


def condorcet_loser(f: Plain, P: Ballots) -> bool:
    return len(P[0]) == 1 or not any(a in f(P) and all(beats(P, b, a) for b in P[0] if b != a) for a in P[0])


def smith(f: Plain, P: Ballots) -> bool:
    return f(P) <= beaten_sets(P)[0]


def schwartz(f: Plain, P: Ballots) -> bool:
    return f(P) <= beaten_sets(P)[1]


def cancellation(f: Plain, P: Ballots) -> bool:
    return f(P) == set(P[0]) or any(beats(P, a, b) for a in P[0] for b in P[0])


def anonymity(f: Plain, P: Ballots) -> bool:
    for i, j in itertools.combinations(range(len(P)), 2):
        other = list(P)
        other[i], other[j] = P[j], P[i]
        if f(other) != f(P):
            return False
    return True


def neutrality(f: Plain, P: Ballots) -> bool:
    labels = sorted(P[0])
    for image in itertools.permutations(labels):
        to = dict(zip(labels, image, strict=True))
        if f([tuple(to[a] for a in r) for r in P]) != {to[a] for a in f(P)}:
            return False
    return True


def reversal_symmetry(f: Plain, P: Ballots) -> bool:
    return len(f(P)) > 1 or len(P[0]) == 1 or f([r[::-1] for r in P]) != f(P)


def homogeneity(f: Plain, P: Ballots) -> bool:
    return f(P + P) == f(P) == f(P + P + P)


def neutral_reversal(f: Plain, P: Ballots) -> bool:
    return all(f([*P, r, r[::-1]]) == f(P) for r in rankings(P))


def block_invariance(f: Plain, P: Ballots) -> bool:
    # in the order of the ranks of the alternatives, which for named voters matters
    labels = sorted(P[0])
    block = [tuple(sorted(labels, key=dict(zip(labels, ranks, strict=True)).__getitem__))
             for ranks in itertools.permutations(range(len(labels)))]  # fmt: skip
    return f(P + block) == f(P)


def monotonicity(f: Plain, P: Ballots) -> bool:
    return all(
        w in f(Q) for w in f(P) for old, new, Q in changed(P) if stepwise(old, new) and flipped(old, new)[0][1] == w
    )


def positive_responsiveness(f: Plain, P: Ballots) -> bool:
    return all(
        f(Q) == {w} for w in f(P) for old, new, Q in changed(P) if stepwise(old, new) and flipped(old, new)[0][1] == w
    )


def maskin_monotonicity(f: Plain, P: Ballots) -> bool:
    return all(w in f(Q) for w in f(P) for old, new, Q in changed(P) if under(old, w) <= under(new, w))


def set_monotonicity(f: Plain, P: Ballots) -> bool:
    return all(f(Q) == f(P) for old, new, Q in changed(P) if stepwise(old, new) and flipped(old, new)[0][0] not in f(P))


def resolvability(f: Plain, P: Ballots) -> bool:
    return len(f(P)) == 1 or all(any(f([*P, r]) == {w} for r in rankings(P)) for w in f(P))


def everywhere(P: Ballots) -> Iterator[Ballots]:
    return map(list, itertools.product(rankings(P), repeat=len(P)))


def non_imposition(f: Plain, P: Ballots) -> bool:
    return all(any(f(Q) == {a} for Q in everywhere(P)) for a in P[0])


def non_constancy(f: Plain, P: Ballots) -> bool:
    return len(P[0]) == 1 or any(f(Q) != f(P) for Q in everywhere(P))


def nondictatorship(f: Plain, P: Ballots) -> bool:
    if len(P) == 1 or len(P[0]) == 1:
        return True
    return not any(all(f(Q) == {Q[i][0]} for Q in everywhere(P)) for i in range(len(P)))


def minimal_liberalism(f: Plain, P: Ballots) -> bool:
    if len(P) == 1 or len(P[0]) == 1:
        return True
    pairs = list(itertools.combinations(P[0], 2))

    def decisive(i: int, x: Any, y: Any) -> bool:
        return all((y if Q[i].index(x) < Q[i].index(y) else x) not in f(Q) for Q in everywhere(P))

    return sum(any(decisive(i, x, y) for x, y in pairs) for i in range(len(P))) >= 2


SINGLE = (
    resoluteness, faithfulness, unanimity, pareto, majority, majority_loser, mutual_majority, condorcet_winner,
    condorcet_loser, smith, schwartz, cancellation,
)  # fmt: skip
SYMMETRIES = (anonymity, neutrality, reversal_symmetry, homogeneity, neutral_reversal, block_invariance)
MOVES = (monotonicity, positive_responsiveness, maskin_monotonicity, set_monotonicity, resolvability)
EXISTENCE = (non_imposition, non_constancy, nondictatorship, minimal_liberalism)
HOLDS = {axiom.__name__: axiom for axiom in (*SINGLE, *SYMMETRIES, *MOVES, *EXISTENCE)}
