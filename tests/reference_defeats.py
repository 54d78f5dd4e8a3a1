"""Slow twins of the rules that lock defeats in: every order of equal margins, every simple path, every removal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, groupby, pairwise, permutations, product

Matrix = Sequence[Sequence[float]]
Pair = tuple[int, int]


def beats(margin: Matrix) -> list[Pair]:
    size = len(margin)
    return [(a, b) for a in range(size) for b in range(size) if margin[a][b] > 0]


def orders(margin: Matrix) -> Iterator[list[Pair]]:
    """Every way to list the defeats from the largest margin to the smallest."""
    pairs = sorted(beats(margin), key=lambda pair: -margin[pair[0]][pair[1]])
    groups = [list(group) for _, group in groupby(pairs, key=lambda pair: margin[pair[0]][pair[1]])]
    for order in product(*(permutations(group) for group in groups)):
        yield [pair for group in order for pair in group]


def leads(locked: list[Pair], start: int, end: int) -> bool:
    """Whether locked defeats lead from one alternative to the other."""
    reached, waiting = {start}, [start]
    while waiting:
        here = waiting.pop()
        for a, b in locked:
            if a == here and b not in reached:
                reached.add(b)
                waiting.append(b)
    return end in reached


def undefeated(locked: list[Pair], size: int) -> set[int]:
    return set(range(size)) - {b for _, b in locked}


def ranked_pairs_in(order: list[Pair], size: int) -> set[int]:
    """Lock each defeat that closes no cycle; who has none against it."""
    locked: list[Pair] = []
    for a, b in order:
        if not leads(locked, b, a):
            locked.append((a, b))
    return undefeated(locked, size)


def river_in(order: list[Pair], size: int) -> set[int]:
    """Lock each defeat that closes no cycle and whose loser has not lost yet."""
    locked: list[Pair] = []
    for a, b in order:
        if b in undefeated(locked, size) and not leads(locked, b, a):
            locked.append((a, b))
    return undefeated(locked, size)


def ranked_pairs(margin: Matrix) -> set[int]:
    """The winners in any order of equal margins."""
    return set().union(*(ranked_pairs_in(order, len(margin)) for order in orders(margin)))


def river(margin: Matrix) -> set[int]:
    """The winners in any order of equal margins."""
    return set().union(*(river_in(order, len(margin)) for order in orders(margin)))


def in_one_order(margin: Matrix, place: Sequence[int]) -> list[Pair]:
    """The defeats, of equal margins the one whose winner is placed first, then the one whose loser is placed last."""
    return sorted(beats(margin), key=lambda pair: (-margin[pair[0]][pair[1]], place[pair[0]], -place[pair[1]]))


def can_top_a_stack(margin: Matrix, top: int) -> bool:
    """Zavist and Tideman's other definition of ranked pairs: some order of the alternatives with this one on top is a
    stack, that is, each pair x before y has a chain from x on to y, forwards in the order, no link of which is weaker
    than the margin of y over x.
    """
    others = [a for a in range(len(margin)) if a != top]
    return any(is_stack(margin, (top, *rest)) for rest in permutations(others))


def is_stack(margin: Matrix, order: Sequence[int]) -> bool:
    for i, j in combinations(range(len(order)), 2):
        needed = margin[order[j]][order[i]]
        if needed > 0:
            reached = {i}
            for k in range(i + 1, j + 1):
                if any(margin[order[r]][order[k]] >= needed for r in reached):
                    reached.add(k)
            if j not in reached:
                return False
    return True


def split_cycle(margin: Matrix, among: Sequence[int] | None = None) -> set[int]:
    """Without defeat: b defeats a if its margin over a is larger than the smallest margin of every cycle with b → a."""
    here = list(range(len(margin))) if among is None else list(among)
    left = set(here)
    for b, a in permutations(here, 2):
        if margin[b][a] > 0:
            others = [c for c in here if c not in (a, b)]
            splits = [
                min(margin[x][y] for x, y in pairwise((a, *middle, b)))
                for length in range(len(others) + 1)
                for middle in permutations(others, length)
            ]
            # a cycle is a path from a back to b and the defeat itself
            if all(min(split, margin[b][a]) < margin[b][a] for split in splits):
                left.discard(a)
    return left


def stable_voting(margin: Matrix, simple: bool, among: Sequence[int] | None = None) -> set[int]:
    """The first of the pair with the largest margin such that it is undefeated and wins when the second is left out."""
    here = tuple(range(len(margin))) if among is None else tuple(among)
    if len(here) == 1:
        return set(here)
    free = set(here) if simple else split_cycle(margin, here)
    pairs = sorted(permutations(here, 2), key=lambda pair: -margin[pair[0]][pair[1]])
    for _, group in groupby(pairs, key=lambda pair: margin[pair[0]][pair[1]]):
        found = {a for a, b in group if a in free and a in stable_voting(margin, simple, [c for c in here if c != b])}
        if found:
            return found
    raise AssertionError("some alternative is stable")
