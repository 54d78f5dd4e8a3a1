"""Theorem files say what they check, their claims can fail, and the runner's table and exit code tell it."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import choicekit as ck
from choicekit import alignment, domains, rules, solvers
from theorems import _table
from theorems.__main__ import main

FILES = _table.names()
RIGHT = '''"""Two and two are four.

Source: nobody.

Scope: this one sum.
"""

METHOD = "exhaustive"


def claim_the_sum() -> None:
    """2 + 2 = 4."""
    assert 2 + 2 == 4


def explain() -> str:
    return "count your fingers"
'''


def written(folder: Path, name: str, text: str) -> Path:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", FILES)
def test_a_theorem_file_says_what_it_checks(name: str) -> None:
    module = _table.load(name)
    theorem = _table.read(module)
    assert theorem.statement.endswith(".")
    assert len(theorem.statement) <= 250, "the statement is one sentence"
    assert theorem.claims, "a theorem file has a claim"
    assert set(theorem.method) <= set(_table.METHODS)
    for claim in theorem.claims:
        assert inspect.getdoc(claim), claim.__name__
        assert list(inspect.signature(claim).parameters) == [], f"{claim.__name__} takes no arguments"
        assert claim.__annotations__ == {"return": "None"}, f"{claim.__name__} returns nothing"


def test_the_first_theorems_are_there() -> None:
    wanted = {
        "allais_1953", "black_1948", "condorcet_1785", "ge_2024", "golz_2025", "harsanyi_1955",
        "kalai_smorodinsky_1975", "may_1952", "mcgarvey_1953", "nash_1950", "siththaranjan_2024", "young_1974",
    }  # fmt: skip
    assert wanted <= set(FILES)


def test_a_theorem_file_needs_no_solver_of_satisfiability() -> None:
    code = (
        f"import sys, importlib; [importlib.import_module('theorems.' + name) for name in {FILES}]; print(*sys.modules)"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "choicekit" in there
    assert not {"pysat", "pytest"} & set(there)


# --- A claim can fail: with a wrong rule in its place, one does -----------------------------------------------------


def _backwards(profile: ck.Rankings) -> ck.Scores:
    return rules.borda(ck.Rankings(profile.ranks.max() - profile.ranks, profile.weights, profile.alternatives))


def _borda(profile: ck.Rankings, **_: Any) -> ck.Scores:
    return rules.borda(profile)


def _copeland(votes: ck.Comparisons, **_: Any) -> ck.Scores:
    return rules.copeland(votes)


def _on_an_axis(_: ck.Rankings) -> tuple[str, ...]:
    return ("a",)


def _uniform(profile: ck.Margins) -> ck.Lottery:
    size = len(profile.alternatives)
    return ck.Lottery(profile.alternatives, np.full(size, 1 / size))


def _rising(cost: Any, **_: Any) -> Any:
    return np.arange(len(cost)) - 2.0


def _kept(votes: ck.Rankings, *, features: Any, loss: str = "") -> ck.Scores:
    """Rewards that keep the pair, whatever the loss."""
    assert loss
    return ck.Scores(votes.alternatives, np.asarray(features) @ np.ones(np.shape(features)[1]))


def _certain(utilities: Any, *_: Any) -> Any:
    return np.triu(np.ones(2 * np.shape(utilities)[-1:]), 1) + 0.5 * np.eye(np.shape(utilities)[-1])


def _found(better: Any, worse: Any) -> alignment.Expressibility:
    """Utilities, whatever was asked."""
    assert len(better) == len(worse)
    return alignment.Expressibility(Fraction(1), (Fraction(0), Fraction(1, 2), Fraction(1)), None)


def _wins(preferences: Any, *_: Any, **__: Any) -> Any:
    """Copeland's scores in the place of Bradley and Terry's."""
    return (np.asarray(preferences) > 0.5).sum(-1).astype(np.float64)


# The theorem, the function replaced, by what, and a part of the name of the claim that is to fail.
WRONG: list[tuple[str, Any, str, Any, str]] = [
    ("allais_1953", alignment, "linear_reward", _found, "no_utilities_have_both"),
    ("black_1948", domains, "single_peaked", _on_an_axis, "sixteen"),
    ("black_1948", domains, "single_peaked", _on_an_axis, "every_profile_of_three"),
    ("black_1948", domains, "single_peaked", _on_an_axis, "on_no_axis"),
    ("condorcet_1785", rules, "copeland", _backwards, "there_is_a_winner"),
    ("ge_2024", rules, "loss_rule", _kept, "reverse"),
    ("ge_2024", rules, "leximax_copeland", rules.loss_rule, "keeps_the_pair"),
    ("ge_2024", rules, "leximax_copeland", rules.loss_rule, "feasible_majority"),
    ("ge_2024", rules, "leximax_copeland", rules.loss_rule, "second"),
    ("golz_2025", rules, "maximal_lottery", _uniform, "drawn_population"),
    ("golz_2025", rules, "maximal_lottery", _uniform, "search"),
    ("golz_2025", alignment, "bradley_terry_population", _certain, "two_lines"),
    ("golz_2025", alignment, "bradley_terry_population", _certain, "tell_apart"),
    ("harsanyi_1955", solvers, "linear_program", _rising, "at_least_zero"),
    ("harsanyi_1955", rules, "utilitarian", rules.egalitarian, "worked"),
    ("kalai_smorodinsky_1975", rules, "kalai_smorodinsky", rules.nash_lottery, "are_monotone"),
    ("kalai_smorodinsky_1975", rules, "kalai_smorodinsky", rules.nash_lottery, "second_voter_more"),
    ("kalai_smorodinsky_1975", rules, "kalai_smorodinsky", rules.egalitarian_lottery, "free_of_units"),
    ("kalai_smorodinsky_1975", rules, "nash_lottery", rules.kalai_smorodinsky, "second_voter_less"),
    ("may_1952", rules, "schulze", _backwards, "pairwise"),
    ("nash_1950", rules, "egalitarian_lottery", rules.nash_lottery, "lack"),
    ("nash_1950", rules, "kalai_smorodinsky", rules.nash_lottery, "lack"),
    ("nash_1950", rules, "nash_lottery", rules.egalitarian_lottery, "nothing_else"),
    ("nash_1950", rules, "nash_lottery", rules.egalitarian_lottery, "units_and_zeros"),
    ("nash_1950", rules, "nash_lottery", rules.kalai_smorodinsky, "irrelevant"),
    ("nash_1950", rules, "nash_lottery", rules.kalai_smorodinsky, "line"),
    ("siththaranjan_2024", rules, "borda", rules.plurality, "on_ballots"),
    ("siththaranjan_2024", alignment, "population_rewards", _wins, "fitted_order"),
    ("siththaranjan_2024", alignment, "population_rewards", _wins, "unequal"),
    ("siththaranjan_2024", alignment, "population_rewards", _wins, "condorcet_winner"),
    ("young_1974", rules, "borda", rules.plurality, "leave_borda"),
    ("young_1974", rules, "minimax", rules.borda, "minimax"),
    ("young_1974", rules, "plurality", rules.instant_runoff, "scoring_rules_reinforce"),
    ("young_1974", rules, "positional", _borda, "singles_out"),
]


@pytest.mark.parametrize(
    ("name", "room", "attribute", "wrong", "part"), WRONG, ids=[f"{row[0]}-{row[4]}" for row in WRONG]
)
def test_a_claim_fails_for_a_wrong_rule(
    name: str, room: Any, attribute: str, wrong: Any, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = [claim for claim in _table.read(_table.load(name)).claims if part in claim.__name__]
    assert len(claims) == 1, f"{name} has {len(claims)} claims with {part!r} in their name"
    monkeypatch.setattr(room, attribute, wrong)
    assert "AssertionError" in (_table.check(claims[0]).failure or "nothing failed")


# --- The runner -----------------------------------------------------------------------------------------------------


def test_a_claim_that_holds_and_one_that_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path, "right_1900", RIGHT)
    assert main([], folder=folder) == 0
    assert "holds (1)" in capsys.readouterr().out
    written(folder, "wrong_1901", RIGHT.replace("== 4", "== 5, 'it is not five'"))
    assert main([], folder=folder) == 1
    told = capsys.readouterr()
    assert "FAILS (1" in told.out
    assert "2 theorems, 1 of 2 claims hold" in told.out
    assert "FAILS: wrong_1901.claim_the_sum: AssertionError: it is not five" in told.err
    assert main(["right_1900"], folder=folder) == 0


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("Scope: this one sum.", "", "begins with 'Scope:'"),
        ("Source: nobody.", "", "begins with 'Source:'"),
        ('"exhaustive"', '"by hand"', "METHOD among exhaustive"),
        ("claim_the_sum", "the_sum", "needed claims"),
        ('    """2 + 2 = 4."""\n', "", "a docstring each"),
        ("Two and two are four.\n\n", "", "the statement"),
        ("METHOD", "import nothing_of_this_name\nMETHOD", "nothing_of_this_name"),
    ],
)
def test_a_file_that_leaves_out_what_it_must_say_is_a_failure(
    old: str, new: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert old in RIGHT
    folder = written(tmp_path, "lacking_1900", RIGHT.replace(old, new))
    assert main([], folder=folder) == 1
    told = capsys.readouterr()
    assert says in told.err
    assert "not read" in told.out


def test_any_exception_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path, "broken_1900", RIGHT.replace("assert 2 + 2 == 4", "raise KeyError('lost')"))
    assert main(["broken_1900", "--explain"], folder=folder) == 1
    told = capsys.readouterr()
    assert "KeyError: 'lost'" in told.err
    assert "[FAILS" in told.out


def test_explaining_prints_source_scope_claims_and_the_explanation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["right_1900", "--explain"], folder=written(tmp_path, "right_1900", RIGHT)) == 0
    out = capsys.readouterr().out
    for part in (
        "Two and two are four.",
        "Source: nobody.",
        "Scope: this one sum.",
        "2 + 2 = 4.",
        "count your fingers",
    ):
        assert part in out


def test_the_table_is_plain_where_rich_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(tmp_path, "right_1900", RIGHT)
    for module in [name for name in sys.modules if name == "rich" or name.startswith("rich.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main([], folder=folder) == 0
    out = capsys.readouterr().out
    assert "right_1900: Two and two are four." in out
    for word in ("scope: this one sum.", "method: exhaustive", "verdict: holds (1)", "seconds: 0.0"):
        assert word in out


def test_only_files_named_author_and_year_are_theorems(tmp_path: Path) -> None:
    for name in ("right_1900", "right_1900b", "_table", "conftest", "helpers_2", "right"):
        written(tmp_path, name, RIGHT)
    assert _table.names(tmp_path) == ["right_1900", "right_1900b"]


def test_the_street_door() -> None:
    run = [sys.executable, "-m", "theorems"]
    root = Path(importlib.import_module("theorems").__file__ or "").parents[1]

    def told(*arguments: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        command = [run[0], *python, *run[1:], *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)

    good = told("condorcet_1785", "--explain")
    assert good.returncode == 0, good.stderr
    assert "1 voter: a b c" in good.stdout
    unknown = told("condorcet_1786")
    assert unknown.returncode == 2
    assert "did you mean condorcet_1785?" in unknown.stderr
    assert "exit code is 1 if a claim fails" in " ".join(told("--help").stdout.split())
    without = told("condorcet_1785", python=("-O",))
    assert without.returncode == 2
    assert "run it without -O" in without.stderr
