"""No rule that orders three or more alternatives is Paretian, independent of irrelevant ones, and without a dictator.

Source: Arrow 1951, Social Choice and Individual Values (second edition 1963, whose theorem this is).

Scope: strict rankings, every order of the alternatives with ties as an outcome. Checked here: there is no such rule for
(alternatives, voters) = (3, 2) and (3, 3) by proofs about every profile, and for (3, 4), (3, 5), (4, 2), (4, 3) and
(5, 2) by proofs in which independence is built into the variables; and for 3 alternatives and 2 to 5 voters a search
without a solver, which finds that the Paretian and independent rules are the dictatorships. That this suffices for all
larger sizes is the induction of Tang and Lin 2009 (doi:10.1016/j.artint.2009.02.005), which is not checked here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import choicekit as ck
from choicekit import domains, sat

METHOD = "certificate"
AXIOMS = (sat.weak_pareto, sat.independence_of_irrelevant_alternatives, sat.non_dictatorship)
EXPLICIT = ((3, 2), (3, 3))
BUILT_IN = ((3, 4), (3, 5), (4, 2), (4, 3), (5, 2))
HERE = Path(__file__).parent
# The orders of a, b, c with ties, as the signs of a over b, b over c, a over c.
ORDERS = [
    (ab, bc, ac) for ab, bc, ac in itertools.product((1, 0, -1), repeat=3) if ab * bc < 0 or ac == max(ab, bc, key=abs)
]

# "a over b by just these voters": society's order of a and b there, 1, 0 or -1.
Cell = tuple[int, int, tuple[bool, ...]]


def claim_no_rule_at_any_profile_of_two_or_three_voters() -> None:
    """Certificates refute the axioms on the 36 and 216 profiles of 3 alternatives (596 and 3,405 clauses)."""
    for m, n in EXPLICIT:
        certificate = sat.Certificate.read(HERE / f"arrow_1951_m{m}_n{n}.lrat")
        certificate.verify(sat.Orderings(voters=n, alternatives=m), AXIOMS)
        assert certificate.clauses == {2: 596, 3: 3_405}[n], f"{certificate.clauses} clauses"


def claim_no_pairwise_rule_up_to_five_voters_or_five_alternatives() -> None:
    """Five certificates refute weak Pareto and non-dictatorship among rules with independence built in."""
    for m, n in BUILT_IN:
        certificate = sat.Certificate.read(HERE / f"arrow_1951_pairwise_m{m}_n{n}.lrat")
        certificate.verify(sat.PairwiseOrderings(voters=n, alternatives=m), AXIOMS)


def paretian(voters: int, alternatives: int = 3, *, pareto: bool = True) -> Iterator[dict[Cell, int]]:
    """Every independent rule (a choice for each cell that is transitive at each profile), by search."""
    cells: dict[Cell, tuple[int, ...]] = {}
    watched: dict[Cell, list[tuple[Cell, Cell, Cell]]] = {}
    for profile in domains.every(voters=voters, alternatives=alternatives):
        ranks = profile.ranks
        for a, b, c in itertools.combinations(range(alternatives), 3):
            pairs = ((a, b), (b, c), (a, c))
            triple = tuple((x, y, tuple((ranks[:, x] < ranks[:, y]).tolist())) for x, y in pairs)
            for x, y, pattern in triple:
                agreed = pareto and len(set(pattern)) == 1
                cells[x, y, pattern] = ((1,) if pattern[0] else (-1,)) if agreed else (1, 0, -1)
                watched.setdefault((x, y, pattern), []).append(triple)
    if _narrowed(cells, watched, list(cells)):
        yield from _filled(cells, watched)


def _narrowed(
    cells: dict[Cell, tuple[int, ...]], watched: dict[Cell, list[tuple[Cell, Cell, Cell]]], todo: list[Cell]
) -> bool:
    """Strike out what fits with nothing in some profile; whether every cell keeps something."""
    while todo:
        for triple in watched[todo.pop()]:
            ab, bc, ac = (cells[cell] for cell in triple)
            if len(ab) + len(bc) + len(ac) == 9:
                continue
            fits = [signs for signs in ORDERS if signs[0] in ab and signs[1] in bc and signs[2] in ac]
            if not fits:
                return False
            for cell, signs in zip(triple, zip(*fits, strict=True), strict=True):
                left = set(signs)
                if len(left) < len(cells[cell]):
                    cells[cell] = tuple(left)
                    todo.append(cell)
    return True


def _filled(
    cells: dict[Cell, tuple[int, ...]], watched: dict[Cell, list[tuple[Cell, Cell, Cell]]]
) -> Iterator[dict[Cell, int]]:
    open_cell = next((cell for cell, signs in cells.items() if len(signs) > 1), None)
    if open_cell is None:
        yield {cell: signs[0] for cell, signs in cells.items()}
        return
    for sign in cells[open_cell]:
        trial = {**cells, open_cell: (sign,)}
        if _narrowed(trial, watched, [open_cell]):
            yield from _filled(trial, watched)


def claim_the_paretian_independent_rules_are_the_dictatorships() -> None:
    """A search without a solver finds just n rules of n = 2, 3, 4, 5 voters on 3 alternatives: voter d's own order."""
    for voters in (2, 3, 4, 5):
        found = list(paretian(voters))
        dictators = [{cell: 1 if cell[2][d] else -1 for cell in found[0]} for d in range(voters)]
        assert len(found) == voters
        assert all(dictator in found for dictator in dictators)


def _dictates(rule: dict[Cell, int], voter: int) -> bool:
    return all(sign == (1 if cell[2][voter] else -1) for cell, sign in rule.items())


def claim_each_axiom_is_needed() -> None:
    """For 2 voters and 3 alternatives 483 independent rules have no dictator; nor has Borda's, which is Paretian."""
    independent = list(paretian(2, pareto=False))
    ruled = [rule for rule in independent if any(_dictates(rule, voter) for voter in (0, 1))]
    assert (len(independent), len(ruled)) == (485, 2), f"{len(independent)} rules, {len(ruled)} with a dictator"
    for profile in domains.every(voters=2, alternatives=3):
        scores, ranks = ck.rules.borda(profile).scores, profile.ranks
        for a, b in itertools.permutations(range(3), 2):
            assert scores[a] > scores[b] or not (ranks[:, a] < ranks[:, b]).all()
    scores = ck.rules.borda(ck.Rankings([[0, 1, 2], [1, 2, 0]])).scores  # abc and cab
    assert scores[2] > scores[1], "voter 1, who puts b above c, is overruled"
    assert scores[0] > scores[2], "voter 2, who puts c above a, is overruled"


def explain() -> str:
    """What clashes for 2 voters and the alternatives a, b, c, where independence is built in."""
    found = sat.explain(sat.PairwiseOrderings(voters=2, alternatives="abc"), AXIOMS, tries=20)
    return (
        "Society's order of two alternatives depends only on who puts which above the other, so what holds at one "
        f"profile holds at all that are alike on the two.\n{found}"
    )
