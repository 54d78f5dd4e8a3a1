"""The search for rules: clauses against the definitions, counts against the literature, proofs against mutation."""

from __future__ import annotations

import ast
import itertools
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import choicekit as ck
from choicekit import axioms as checkers
from choicekit import domains, sat

pytest.importorskip("pysat")

ARROW = (sat.weak_pareto, sat.independence_of_irrelevant_alternatives, sat.non_dictatorship)
GIBBARD = (sat.onto, sat.strategyproofness, sat.non_dictatorship)
MULLER = (sat.unanimity, sat.maskin_monotonicity, sat.non_dictatorship)
SEN = (sat.weak_pareto, sat.minimal_liberalism)
Orderings, Pairwise, Choices, Sets = sat.Orderings, sat.PairwiseOrderings, sat.Choices, sat.ChoiceSets
IMPOSSIBLE: list[tuple[Any, int, int, Any]] = [
    (Orderings, 2, 3, ARROW),
    (Orderings, 3, 3, ARROW),
    (Pairwise, 2, 3, ARROW),
    (Pairwise, 3, 4, ARROW),
    (Choices, 2, 3, GIBBARD),
    (Choices, 3, 3, GIBBARD),
    (Choices, 2, 3, MULLER),
    (Sets, 2, 3, SEN),
    (Sets, 2, 4, SEN),
]
BALLOTS = list(itertools.permutations(range(3)))  # ranks
PROFILES = list(itertools.product(BALLOTS, repeat=2))
winning = st.lists(st.integers(0, 2), min_size=36, max_size=36)
# weak orders of three alternatives, as scores
levels = st.lists(st.sampled_from(list(itertools.product(range(3), repeat=3))), min_size=36, max_size=36)
every_pair = partial(sat.independence_of_irrelevant_alternatives, every_pair=True)


BEST = [ck.Rankings(profile).to_margins().condorcet_winner for profile in PROFILES]


def broken(axiom: Any, frame: Any, values: np.ndarray) -> set[tuple[int, ...]]:
    """The profiles of the instances of which a clause fails."""
    found = set()
    for part in axiom(frame):
        held = np.where(part.literals > 0, values[np.abs(part.literals) - 1], ~values[np.abs(part.literals) - 1])
        found |= {part.tell(int(part.instances[row])).profiles for row in np.flatnonzero(~held.any(1))}
    return found


def chosen(winners: list[int]) -> np.ndarray:
    return (np.array(winners)[:, None] == np.arange(3)).ravel()


def ordered(scores: list[tuple[int, ...]]) -> np.ndarray:
    return np.array([row[a] >= row[b] for row in scores for a, b in itertools.permutations(range(3), 2)])


def turns() -> list[tuple[int, int, int]]:
    """Profiles that differ in the ballot of one voter."""
    pairs = itertools.permutations(range(36), 2)
    differ = [(p, q, [i for i in (0, 1) if PROFILES[p][i] != PROFILES[q][i]]) for p, q in pairs]
    return [(p, q, voters[0]) for p, q, voters in differ if len(voters) == 1]


# --- The clauses against the definitions ---------------------------------------------------------------------------


@given(winning)
def test_strategyproofness_by_the_book(winners: list[int]) -> None:
    gains = {(p, q) for p, q, i in turns() if PROFILES[p][i][winners[q]] < PROFILES[p][i][winners[p]]}
    assert broken(sat.strategyproofness, Choices(voters=2, alternatives=3), chosen(winners)) == gains


@given(winning)
def test_maskin_monotonicity_by_the_book(winners: list[int]) -> None:
    wrong = set()
    for p, q, i in turns():
        before, after, x = PROFILES[p][i], PROFILES[q][i], winners[p]
        kept = all(after[x] < after[z] for z in range(3) if before[x] < before[z])
        if kept and winners[q] != x:
            wrong.add((p, q))
    assert broken(sat.maskin_monotonicity, Choices(voters=2, alternatives=3), chosen(winners)) == wrong


@given(winning)
def test_axioms_of_one_profile_by_the_book(winners: list[int]) -> None:
    frame, values = Choices(voters=2, alternatives=3), chosen(winners)
    unlike, dominated, beaten = set(), set(), set()
    for number, (profile, winner) in enumerate(zip(PROFILES, winners, strict=True)):
        tops = {ballot.index(0) for ballot in profile}
        if len(tops) == 1 and winner not in tops:
            unlike.add((number,))
        if any(all(ballot[a] < ballot[winner] for ballot in profile) for a in range(3)):
            dominated.add((number,))
        if BEST[number] not in (None, winner):
            beaten.add((number,))
    assert broken(sat.unanimity, frame, values) == unlike
    assert broken(sat.weak_pareto, frame, values) == dominated
    assert broken(sat.condorcet, frame, values) == beaten
    assert bool(broken(sat.onto, frame, values)) == (set(winners) != {0, 1, 2})


@given(st.integers(0, 1), st.integers(0, 35), st.integers(0, 2))
def test_a_dictator_is_whoever_always_gets_their_first(voter: int, profile: int, winner: int) -> None:
    winners = [ballots[voter].index(0) for ballots in PROFILES]
    frame = Choices(voters=2, alternatives=3)
    assert broken(sat.non_dictatorship, frame, chosen(winners))
    same = winners[profile] == winner
    winners[profile] = winner
    assert bool(broken(sat.non_dictatorship, frame, chosen(winners))) == same


@settings(max_examples=20)
@given(levels)
def test_axioms_of_orderings_by_the_book(scores: list[tuple[int, ...]]) -> None:
    frame, values = Orderings(voters=2, alternatives=3), ordered(scores)
    assert not any(broken(lambda _, part=part: (part,), frame, values) for part in frame.structure())
    wrong, apart, unlike = set(), set(), set()
    for p, profile in enumerate(PROFILES):
        for a, b in itertools.permutations(range(3), 2):
            if all(ballot[a] < ballot[b] for ballot in profile) and not scores[p][a] > scores[p][b]:
                wrong.add((p,))
    for (p, one), (q, other) in itertools.permutations(enumerate(PROFILES), 2):
        for a, b in itertools.permutations(range(3), 2):
            alike = all((x[a] < x[b]) == (y[a] < y[b]) for x, y in zip(one, other, strict=True))
            if alike and scores[q][a] >= scores[q][b] and scores[p][a] < scores[p][b]:
                apart.add((p, q))
                unlike.add((a, b))
    assert broken(sat.weak_pareto, frame, values) == wrong
    assert broken(every_pair, frame, values) == apart
    circle = broken(sat.independence_of_irrelevant_alternatives, frame, values)
    assert circle <= apart
    assert bool(circle) == bool(apart)


@given(st.integers(0, 1), st.integers(0, 35), st.sampled_from(list(itertools.product(range(3), repeat=3))))
def test_a_dictator_of_orderings_is_whoever_is_never_overruled(
    voter: int, profile: int, other: tuple[int, ...]
) -> None:
    scores = [tuple(-rank for rank in ballots[voter]) for ballots in PROFILES]
    frame = Orderings(voters=2, alternatives=3)
    scores[profile] = other
    ballot = PROFILES[profile][voter]
    kept = all(other[a] > other[b] for a, b in itertools.permutations(range(3), 2) if ballot[a] < ballot[b])
    assert bool(broken(sat.non_dictatorship, frame, ordered(scores))) == kept


@given(st.lists(st.sets(st.integers(0, 2)), min_size=36, max_size=36), st.data())
def test_minimal_liberalism_by_the_book(winners: list[set[int]], data: st.DataObject) -> None:
    frame = Sets(voters=2, alternatives=3)
    pairs = list(itertools.combinations(range(3), 2))
    held = data.draw(st.sets(st.tuples(st.integers(0, 1), st.integers(0, 2))))
    values = np.array(
        [a in row for row in winners for a in range(3)] + [(v, p) in held for v in (0, 1) for p in range(3)]
    )
    wrong = {() for voter in (0, 1) if not any(v == voter for v, _ in held)}
    for number, (profile, row) in enumerate(zip(PROFILES, winners, strict=True)):
        if any(max(pairs[p], key=profile[v].__getitem__) in row for v, p in held):
            wrong.add((number,))
    assert broken(sat.minimal_liberalism, frame, values) == wrong
    assert broken(lambda frame: frame.structure(), frame, values) == {(p,) for p, row in enumerate(winners) if not row}


@given(st.lists(st.lists(st.integers(0, 2), min_size=6, max_size=6), min_size=1, max_size=6), st.data())
def test_participation_by_the_book(counts: list[list[int]], data: st.DataObject) -> None:
    counts = [row for row in counts if any(row)] or [[1] * 6]
    counts += [[*row[:k], row[k] + 1, *row[k + 1 :]] for row in counts for k in range(6)]
    frame = sat.Electorates(ck.Rankings(BALLOTS, row) for row in counts)
    winners = data.draw(st.lists(st.integers(0, 2), min_size=frame.profiles, max_size=frame.profiles))
    listed, wrong = frame.counts.tolist(), set()
    for (p, one), (q, other) in itertools.permutations(enumerate(listed), 2):
        more = [b - a for a, b in zip(one, other, strict=True)]
        if (
            sorted(more) == [0, 0, 0, 0, 0, 1]
            and BALLOTS[more.index(1)][winners[p]] < BALLOTS[more.index(1)][winners[q]]
        ):
            wrong.add((p, q))
    assert broken(sat.participation, frame, chosen(winners)) == wrong
    beaten = {
        (p,)
        for p, row in enumerate(listed)
        if ck.Rankings(BALLOTS, row).to_margins().condorcet_winner not in (None, winners[p])
    }
    assert broken(sat.condorcet, frame, chosen(winners)) == beaten


def test_profiles_are_numbered_as_they_are_enumerated() -> None:
    frame = Choices(voters=3, alternatives="abc")
    for number, profile in enumerate(domains.every(voters=3, alternatives="abc")):
        assert frame.electorate.number("test", profile) == number
        assert frame.electorate.profile(number).ranks.tolist() == profile.ranks.tolist()


# --- Counts of clauses and of rules ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "axioms", "m", "n", "variables", "clauses"),
    [
        (Orderings, ARROW, 3, 2, 216, 596),
        (Orderings, ARROW, 3, 3, 1_296, 3_405),
        (Orderings, ARROW, 4, 2, 6_912, 25_922),
        (Choices, GIBBARD, 3, 2, 108, 1_229),
        (Choices, GIBBARD, 3, 4, 3_888, 82_951),
        (Choices, GIBBARD, 4, 2, 2_304, 163_014),
        (Sets, SEN, 4, 2, 2_316, 9_218),
    ],
)
def test_the_formulas_are_as_large_as_counting_says(
    kind: Any, axioms: Any, m: int, n: int, variables: int, clauses: int
) -> None:
    formula = sat.encode(kind(voters=n, alternatives=m), axioms)
    assert (formula.frame.variables, len(formula)) == (variables, clauses)


@pytest.mark.parametrize("solver", ["glucose4", "cadical195"])
@pytest.mark.parametrize(
    ("kind", "n", "m", "axioms", "expected"),
    [
        *((Orderings, n, 3, ARROW[:2], n) for n in (1, 2, 3)),  # the dictatorships
        *((Pairwise, n, 3, ARROW[:2], n) for n in (1, 2, 3, 4)),
        (Pairwise, 2, 4, ARROW[:2], 2),
        (Orderings, 2, 3, ARROW[1:2], 485),  # as a search without a solver finds (theorems/arrow_1951.py)
        (Pairwise, 2, 3, ARROW[1:], 483),
        (Choices, 2, 3, (sat.strategyproofness,), 17),  # 3 constant, 12 between two alternatives, 2 dictatorships
        (Choices, 2, 3, GIBBARD[:2], 2),
        (Choices, 2, 3, GIBBARD[1:], 15),
        (Choices, 3, 3, GIBBARD[1:], 57),
        (Choices, 2, 4, GIBBARD[1:], 36),
        (Choices, 2, 3, MULLER[:2], 2),
        (Choices, 2, 3, MULLER[1:], 15),
    ],
)
def test_the_rules_that_meet_all_axioms_but_one_are_counted(
    solver: str, kind: Any, n: int, m: int, axioms: Any, expected: int
) -> None:
    assert sat.count_models(kind(voters=n, alternatives=m), axioms, solver=solver) == expected


@pytest.mark.parametrize(("kind", "n", "m", "axioms"), IMPOSSIBLE)
def test_without_any_one_axiom_there_is_a_rule(kind: Any, n: int, m: int, axioms: Any) -> None:
    frame = kind(voters=n, alternatives=m)
    for left_out in axioms:
        if kind is Pairwise and left_out is sat.independence_of_irrelevant_alternatives:
            continue  # built in
        assert sat.decide(frame, [axiom for axiom in axioms if axiom is not left_out]).possible


def test_counting_stops_at_the_limit() -> None:
    frame = Choices(voters=1, alternatives=2)
    assert sat.count_models(frame, [], limit=3) == 3
    assert sat.count_models(frame, [], limit=9) == 4
    with pytest.raises(ValueError, match="limit"):
        sat.count_models(frame, [], limit=0)


# --- Rules found ----------------------------------------------------------------------------------------------------


def test_a_rule_found_is_a_rule() -> None:
    frame = Orderings(voters=2, alternatives=3)
    found = sat.decide(frame, ARROW[:2])
    assert isinstance(found, sat.Possible)
    orders = [tuple(np.argsort(-found.rule(profile).scores)) for profile in domains.every(voters=2, alternatives=3)]
    dictated = [[tuple(np.argsort(ballots[voter])) for ballots in PROFILES] for voter in (0, 1)]
    assert orders in dictated
    scores = found.rule.batch([profile.ranks for profile in domains.every(voters=2, alternatives=3)])
    assert [tuple(np.argsort(-row)) for row in scores] == orders


@pytest.mark.parametrize("kind", [Orderings, Pairwise])
def test_the_checkers_confirm_a_rule_that_orders(kind: Any) -> None:
    found = sat.decide(kind(voters=2, alternatives=3), ARROW[:2])
    assert isinstance(found, sat.Possible)
    for profile in domains.every(voters=2, alternatives=3):
        assert checkers.weak_pareto(found.rule, profile) is None
        assert checkers.independence_of_irrelevant_alternatives(found.rule, profile) is None
    assert checkers.nondictatorship_of_orderings(found.rule, profile) is not None
    free = sat.decide(kind(voters=2, alternatives=3), ARROW[1:])
    assert isinstance(free, sat.Possible)
    assert checkers.nondictatorship_of_orderings(free.rule, profile) is None
    faults = [checkers.weak_pareto(free.rule, profile) for profile in domains.every(voters=2, alternatives=3)]
    assert any(fault is not None for fault in faults)


def test_the_checkers_confirm_a_rule_that_chooses() -> None:
    for rule in itertools.islice(sat.every_rule(Choices(voters=2, alternatives=3), GIBBARD[1:]), 5):
        for profile in domains.every(voters=2, alternatives=3):
            assert checkers.strategyproofness_singleton(rule, profile) is None
            assert checkers.maskin_monotonicity(rule, profile) is None
    tight = sat.decide(Choices(voters=2, alternatives=3), [sat.unanimity, sat.non_dictatorship])
    assert isinstance(tight, sat.Possible)
    lies = [checkers.strategyproofness_singleton(tight.rule, p) for p in domains.every(voters=2, alternatives=3)]
    assert any(lie is not None for lie in lies)


def test_a_rule_found_answers_for_its_size_alone() -> None:
    found = sat.decide(Choices(voters=2, alternatives="abc"), [sat.unanimity])
    assert isinstance(found, sat.Possible)
    assert found.rule(ck.Rankings.from_orders({"bca": 2})).winners == ("b",)
    for wrong, match in (
        (ck.Rankings.from_orders({"abc": 3}), "2 voters"),
        (ck.Rankings.from_orders({"abc": 1.5, "bca": 0.5}), "2 voters"),
        (ck.Rankings.from_orders({"abd": 2}), "needed a profile on"),
        (ck.Rankings([[0, 0, 1], [0, 1, 2]], alternatives="abc"), "ties"),
        (ck.Rankings([[0, 1, -1], [0, 1, 2]], alternatives="abc"), "unranked"),
    ):
        with pytest.raises(ValueError, match=match):
            found.rule(wrong)


def test_a_rule_on_electorates_answers_for_the_listed_alone() -> None:
    listed = [ck.Rankings.from_orders({"abc": 1}), ck.Rankings.from_orders({"abc": 1, "cba": 2})]
    found = sat.decide(sat.Electorates(listed), [sat.condorcet, sat.participation])
    assert isinstance(found, sat.Possible)
    assert found.rule(ck.Rankings.from_orders(["cba", "abc", "cba"])).winners == ("c",)
    with pytest.raises(ValueError, match="not a listed profile"):
        found.rule(ck.Rankings.from_orders(["cba"]))
    for wrong in ([], [ck.Rankings([[0, 0]])], [ck.Rankings([[0, 1]], [0.5])], [*listed, ck.Rankings([[0, 1]])]):
        with pytest.raises(ValueError, match="Electorates"):
            sat.Electorates(wrong)


def test_condorcet_and_participation_agree_on_three_alternatives() -> None:
    """Moulin 1988: with three alternatives there is such a rule; here up to 4 voters."""
    listed = [p for n in (1, 2, 3, 4) for p in domains.every(voters=n, alternatives=3, anonymous=True)]
    found = sat.decide(sat.Electorates(listed), [sat.condorcet, sat.participation])
    assert isinstance(found, sat.Possible)
    for profile in listed:
        best = profile.to_margins().condorcet_winner
        assert best is None or found.rule(profile).winners == (best,)
    assert not sat.decide(sat.Electorates(listed), [sat.condorcet, sat.participation, _somebody_else]).possible


def _somebody_else(frame: Any) -> tuple[sat.Clauses, ...]:
    """An axiom of a user's own: at (1 abc) the last alternative wins."""
    said = sat.Instance("somebody_else", (0,), "At the first profile the last alternative wins.")
    return (sat.Clauses("somebody_else", np.array([[frame.variable(0, 2)]], np.int32), np.array([0]), lambda _: said),)


# --- Certificates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["glucose4", "cadical195"])
@pytest.mark.parametrize(("kind", "n", "m", "axioms"), IMPOSSIBLE)
def test_a_certificate_is_checked_kept_and_read_again(
    kind: Any, n: int, m: int, axioms: Any, solver: str, tmp_path: Path
) -> None:
    frame = kind(voters=n, alternatives=m)
    found = sat.decide(frame, axioms, solver=solver)
    assert isinstance(found, sat.Impossible)
    found.certificate.write(tmp_path / "proof.lrat")
    read = sat.Certificate.read(tmp_path / "proof.lrat")
    assert read == found.certificate
    read.verify(frame, axioms)
    assert sat.refutes(found.formula, (tmp_path / "proof.lrat").read_text())
    assert read.lemmas <= len(found.proof) + 1
    with pytest.raises(ValueError, match="this frame and these axioms make one"):
        read.verify(frame, axioms[:-1])
    with pytest.raises(ValueError, match="this frame and these axioms make one"):
        read.verify(kind(voters=n - 1, alternatives=m), axioms)


@pytest.mark.parametrize(("kind", "n", "m", "axioms"), IMPOSSIBLE)
def test_a_proof_with_a_hint_or_a_step_less_is_refused(kind: Any, n: int, m: int, axioms: Any) -> None:
    found = sat.decide(kind(voters=n, alternatives=m), axioms)
    assert isinstance(found, sat.Impossible)
    lines = found.certificate.lrat.splitlines()
    for place, line in enumerate(lines[:12] + lines[-12:]):
        place = place if place < 12 else len(lines) - 12 + place - 12
        if not 0 <= place < len(lines):
            continue
        line = lines[place]
        words = line.split()
        shorter = " ".join([*words[:-2], "0"])
        assert not sat.refutes(found.formula, "\n".join([*lines[:place], shorter, *lines[place + 1 :]]))
        assert not sat.refutes(found.formula, "\n".join([*lines[:place], *lines[place + 1 :]]))


literal = st.sampled_from([-2, -1, 1, 2])
cnf = st.lists(st.lists(literal, min_size=1, max_size=3), min_size=1, max_size=6)


def satisfiable(clauses: list[list[int]], variables: int) -> bool:
    signs = itertools.product((1, -1), repeat=variables)
    return any(all(any(row[abs(x) - 1] * x > 0 for x in clause) for clause in clauses) for row in signs)


@settings(max_examples=300)
@given(cnf, st.data())
def test_what_the_checker_accepts_is_unsatisfiable(clauses: list[list[int]], data: st.DataObject) -> None:
    lines = []
    for number in range(len(clauses) + 1, len(clauses) + 1 + data.draw(st.integers(1, 3))):
        clause = data.draw(st.just([]) | st.lists(literal, max_size=2))
        hints = data.draw(st.lists(st.integers(1, number - 1), min_size=1, max_size=4))
        lines.append(" ".join(map(str, [number, *clause, 0, *hints, 0])))
    if sat.refutes(clauses, "\n".join(lines)):
        assert not satisfiable(clauses, 2)


@pytest.mark.parametrize(
    "proof", ["", "x", "4", "4 0", "4 0 1 2 3", "4 0 1 2 3 0 0 x", "4 d 1 0", "4 ² 0 1 0", "4 --1 0 1 0", "1 0 1 2 3 0"]
)
def test_what_is_no_proof_is_refused(proof: str) -> None:
    assert not sat.refutes([[1, 2], [-1, 2], [-2]], proof)
    assert not sat.refutes([[1, 2], [-1, -2]], "3 0 1 2 0"), "the first hint leaves two literals open"
    assert not sat.refutes([[1], [-1, 2]], "3 0 1 2 0"), "nothing is refuted by the last hint"
    assert not sat.refutes([[1], [2]], "3 -1 0 3 1 0\n4 0 3 1 0"), "a clause is no hint for itself"
    assert sat.refutes([[1, 2], [-1, 2], [-2]], "c said first\n4 0 3 1 2 0")


@given(st.integers(0, 10_000), st.sampled_from(["glucose4", "glucose3", "cadical195"]))
def test_elaborated_proofs_of_random_formulas_are_accepted(seed: int, solver: str) -> None:
    from pysat.solvers import Solver

    generator = np.random.default_rng(seed)
    variables = int(generator.integers(3, 9))
    widths = [(2, 3 * variables), (3, 5 * variables)]
    parts = []
    for width, count in widths:
        drawn = np.array([generator.permutation(variables)[:width] + 1 for _ in range(count)])
        drawn = (drawn * generator.choice([-1, 1], drawn.shape)).astype(np.int32)
        parts.append(sat.Clauses("drawn", drawn, np.arange(count), lambda _: sat.Instance("drawn", (), "")))
    formula = sat.Formula(SimpleNamespace(variables=variables), tuple(parts))  # type: ignore[arg-type]
    clauses = [formula[number] for number in range(len(formula))]
    with Solver(name=solver, bootstrap_with=clauses, with_proof=True) as engine:
        if engine.solve():
            assert satisfiable(clauses, variables)
            with pytest.raises(ValueError, match="does not follow"):
                sat.elaborate(formula, ["0"])
            return
        proof = sat.elaborate(formula, engine.get_proof())
    assert sat.refutes(clauses, proof)
    assert not satisfiable(clauses, variables)


def test_the_checker_is_short_and_knows_nothing_of_the_rest() -> None:
    import choicekit.sat.lrat as checker

    tree = ast.parse(Path(checker.__file__).read_text(encoding="utf-8"))
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert named == {"__future__", "collections.abc", "typing"}
    assert not any(isinstance(node, ast.Import) for node in ast.walk(tree))
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    docstring = (ast.get_docstring(function, clean=False) or "").count("\n") + 1
    assert (function.end_lineno or 0) - function.lineno + 1 - docstring <= 40


def test_the_dimacs_file_says_the_same() -> None:
    formula = sat.encode(Choices(voters=2, alternatives=3), GIBBARD)
    head, *rows = "".join(formula.dimacs()).splitlines()
    assert head == "p cnf 108 1229"
    assert [[int(word) for word in row.split()[:-1]] for row in rows] == [formula[i] for i in range(len(formula))]
    literals, offsets = formula.flat()
    assert literals[offsets[7] : offsets[8]].tolist() == formula[7]
    with pytest.raises(IndexError):
        formula[len(formula)]


def test_without_python_sat_certificates_are_still_checked(tmp_path: Path) -> None:
    found = sat.decide(Choices(voters=2, alternatives=3), GIBBARD)
    assert isinstance(found, sat.Impossible)
    found.certificate.write(tmp_path / "proof.lrat")
    code = (
        "import sys; sys.modules['pysat'] = None; sys.modules['pysat.solvers'] = None\n"
        "from choicekit import sat\n"
        "axioms = [sat.onto, sat.strategyproofness, sat.non_dictatorship]\n"
        "frame = sat.Choices(voters=2, alternatives=3)\n"
        f"sat.Certificate.read({str(tmp_path / 'proof.lrat')!r}).verify(frame, axioms)\n"
        "try:\n    sat.decide(frame, axioms)\n"
        "except ImportError as error:\n    print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'choicekit[sat]'" in said


# --- Explanations ---------------------------------------------------------------------------------------------------


def _only(frame: Any, axioms: Any, keep: Callable[[sat.Instance], bool]) -> list[list[int]]:
    formula = sat.encode(frame, axioms)
    return [
        clause
        for part in formula.parts
        for clause, number in zip(part.literals.tolist(), part.instances.tolist(), strict=True)
        if keep(part.tell(number))
    ]


@pytest.mark.parametrize(
    ("kind", "m", "axioms", "profiles"),
    [(Sets, 3, SEN, 6), (Choices, 3, MULLER, 36), (Pairwise, 3, ARROW, 16), (Choices, 2, GIBBARD, 4)],
)
def test_an_explanation_is_a_clash_and_nothing_in_it_can_be_spared(
    kind: Any, m: int, axioms: Any, profiles: int
) -> None:
    from pysat.solvers import Solver

    frame = kind(voters=2, alternatives=m)
    if m == 2:
        axioms = (*axioms, sat.unanimity, _first_wins)
    found = sat.explain(frame, axioms, tries=2)
    assert len(found.profiles) <= profiles

    def clash(instances: Any) -> bool:
        with Solver(name="cadical195", bootstrap_with=_only(frame, axioms, lambda each: each in instances)) as engine:
            return not engine.solve()

    assert clash(set(found.instances))
    for left_out in found.instances:
        assert not clash(set(found.instances) - {left_out})
    for profile in found.profiles:
        assert not clash({each for each in found.instances if profile not in each.profiles})
    assert str(found).count("\n") == len(found.instances)


def _first_wins(frame: Any) -> tuple[sat.Clauses, ...]:
    wins = frame.variable(np.arange(frame.profiles), 0)[:, None].astype(np.int32)
    tell = lambda number: sat.Instance("first_wins", (number,), f"At {frame.words(number)} the first wins.")  # noqa: E731
    return (sat.Clauses("first_wins", wins, np.arange(frame.profiles), tell),)


def test_there_is_nothing_to_explain_where_there_is_a_rule() -> None:
    with pytest.raises(ValueError, match="some rule meets these axioms"):
        sat.explain(Choices(voters=2, alternatives=3), GIBBARD[:2])


# --- Refusals -------------------------------------------------------------------------------------------------------


def test_axioms_without_meaning_on_a_frame_are_refused() -> None:
    orders, choices = Orderings(voters=1, alternatives=2), Choices(voters=1, alternatives=2)
    for axiom in (sat.onto, sat.strategyproofness, sat.unanimity, sat.maskin_monotonicity, sat.participation):
        with pytest.raises(TypeError, match="needed a frame of"):
            axiom(orders)  # type: ignore[arg-type]
    for other in (sat.independence_of_irrelevant_alternatives, sat.minimal_liberalism, sat.participation):
        with pytest.raises(TypeError, match="needed a frame of"):
            other(choices)  # type: ignore[arg-type]


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(ValueError, match="4,000,000 profiles"):
        Orderings(voters=9, alternatives=3)
    with pytest.raises(ValueError, match="voters"):
        Choices(voters=0, alternatives=3)
    with pytest.raises(ValueError, match="log proofs"):
        sat.decide(Choices(voters=1, alternatives=2), [], solver="minisat22")


@pytest.mark.parametrize("solver", ["glucose4", "glucose42", "glucose3", "cadical195", "cadical153", "cadical103"])
def test_an_axiom_that_nothing_can_meet_is_refuted(solver: str) -> None:
    frame = Sets(voters=1, alternatives=2)  # two voters cannot be decisive where there is one
    found = sat.decide(frame, [sat.minimal_liberalism], solver=solver)
    assert isinstance(found, sat.Impossible)
    found.certificate.verify(frame, [sat.minimal_liberalism])


def test_one_alternative_is_trivial() -> None:
    frame = Choices(voters=2, alternatives=1)
    assert sat.count_models(frame, [sat.onto, sat.strategyproofness, sat.weak_pareto]) == 1
    assert not sat.decide(frame, GIBBARD).possible
