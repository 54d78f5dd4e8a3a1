"""The command ``choicekit axioms``: what it prints, of whose rules, and how it refuses."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from choicekit import __main__ as street
from choicekit import axioms, examination, rules

SMALL = ("--voters", "3", "--alternatives", "3")
MINE = '''
"""A file of somebody's."""
import random
import choicekit as ck
from choicekit import rules
from helper import best


def tops(profile):
    """Who has the most first places; a set."""
    votes = {a: 0 for a in profile.alternatives}
    for ranks in profile.ranks.tolist():
        votes[profile.alternatives[ranks.index(0)]] += 1
    return best(votes)


def annotated(profile: ck.Margins) -> set:
    return {profile.alternatives[profile.values.sum(1).argmax()]}


@rules.rule
def made(profile: ck.Rankings) -> ck.outcomes.Scores:
    return rules.borda(profile)


def weird(profile: "no such thing"):
    return tops(profile)


def fails(profile):
    if len(profile.ranks) == 2:
        raise IndexError("two is a company")
    return tops(profile)


def nonsense(profile):
    return tops(profile) if len(profile.ranks) < 3 else "somebody"


def nothing(profile):
    pass


def fickle(profile):
    order = list(profile.alternatives)
    random.shuffle(order)
    return order[0]


def optional(profile, *, k):
    return profile.alternatives[:k]


number = 3
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "helper", raising=False)
    folder = tmp_path / "deep"
    folder.mkdir()
    (folder / "mine.py").write_text(MINE)
    (folder / "helper.py").write_text(
        "def best(votes):\n    return {a for a in votes if votes[a] == max(votes.values())}\n"
    )
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = street.main(["axioms", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.usefixtures("here")
def test_a_built_in_rule_is_held_to_the_axioms_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "borda", "condorcet_winner", "monotonicity", *SMALL)
    assert (code, err) == (0, "")
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0] == "borda"
    assert lines[1].split() == ["axiom", "verdict", "where"]
    assert lines[2].startswith("condorcet_winner  violated  3 voters on 3 alternatives, the")
    assert "borda violates condorcet_winner: 0 beats every other alternative, and is not the" in out
    assert "\n  2: 0 > 1 > 2\n  1: 1 > 2 > 0" in out
    assert all(len(line) <= 80 for line in lines[:8])


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("columns", [80, 120])
def test_without_names_every_axiom_that_applies_has_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, _ = run(capsys, "borda", "--voters", "2", "--alternatives", "3")
    assert code == 0
    lines = [line.rstrip() for line in out.splitlines()]
    assert max(map(len, lines)) <= columns
    wanted = axioms.applicable(rules.borda)
    assert len(wanted) > 50
    starts = [line.split()[0] for line in lines if " holds " in line or " violated " in line]
    assert len(starts) == len(wanted)
    assert all(axiom.name.startswith(start) for axiom, start in zip(wanted, starts, strict=True))
    assert len(lines) < len(wanted) + 15  # what many have in common is said once
    assert "\n(1) " in out
    assert "violates" not in out
    code, out, _ = run(capsys, "borda", "--voters", "2", "--alternatives", "2", "--show")
    assert "borda violates resoluteness" in out


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", ["tops", "annotated", "made", "weird"])
def test_functions_of_a_file_are_rules(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, out, err = run(capsys, f"deep/mine.py:{name}", "faithfulness", "anonymity", *SMALL)
    assert (code, err) == (0, "")
    assert out.startswith(name)
    assert out.count("holds") == 2


@pytest.mark.usefixtures("here")
def test_options_reach_the_rule(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "k_approval", "pareto", "--option", "k=1", *SMALL)
    assert code == 0
    assert out.startswith("k_approval with k=1\n")
    assert "holds" in out
    _, out, _ = run(capsys, "deep/mine.py:optional", "--option", "k=2", "resoluteness", *SMALL)
    assert "1 voter on 2 alternatives" in out
    assert run(capsys, "borda", "--option", "unranked=absent", "pareto", *SMALL)[0] == 0
    code, _, err = run(capsys, "k_approval", "--option", "k", "pareto")
    assert code == 2
    assert "--option: needed NAME=VALUE such as k=2, got 'k'" in err


@pytest.mark.usefixtures("here")
def test_sizes_reach_the_check(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "plurality", "monotonicity", "--voters", "9", "--budget", "60", "--draws", "7")
    assert "not refuted" in out
    assert "7 draws of 9 voters" in " ".join(out.split())
    _, out, _ = run(capsys, "k_approval", "--option", "k=3", "faithfulness", "--alternatives", "3-4", "--voters", "2-2")
    assert "holds" in out
    assert "of 2 voters on 3 to 4 alternatives" in " ".join(out.split())


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["bordaa"], "no rule is called 'bordaa'; did you mean borda?"),
        (["rule"], "no rule is called 'rule'; did you mean loss_rule? A function of your own"),
        (["compare"], "no rule is called 'compare'. A function of your own"),
        (["deep/mine.py:fickle", "pareto"], "fickle does not answer alike each time"),
        (["xyzzy"], "FILE.py:FUNCTION"),
        (["deep/mine.py"], "FILE.py:FUNCTION"),
        (["borda", "monotonicty"], "no axiom is called 'monotonicty'; did you mean monotonicity"),
        (["borda", "check"], "no axiom is called 'check'"),
        (["nowhere.py:tops"], "'nowhere.py' is no Python file"),
        (["deep:tops"], "'deep' is no Python file"),
        (["deep/mine.py:topps"], "has no function 'topps'; it has"),
        (["deep/mine.py:number"], "has no function 'number'"),
        (["deep/mine.py:nothing"], "named None as winners"),
        (["deep/mine.py:nothing", "majority"], "named None as winners"),
        (["deep/mine.py:optional"], "TypeError: optional() missing 1 required keyword-only argument"),
        (["borda", "--option", "x=1"], "unexpected keyword argument 'x'"),
        (["borda", "pareto", "--voters", "0"], "voters: needed a whole number of at least 1, got 0"),
        (["borda", "pareto", "--alternatives", "1"], "alternatives: needed a whole number of at least 2, got 1"),
        (["borda", "--voters", "few"], "--voters: needed a number such as 4, or from and to such as 3-5, got 'few'"),
        (["borda", "pareto", "--voters", "5-3"], "voters: needed a whole number of at least 5, got 3"),
        (["borda", "--budget", "0"], "0 is not in the range x>=1"),
        (["k_approval", "pareto", "--option", "k=3"], "needed a whole number k from 1 to the 2 alternatives there are"),
        (["borda", "justified_representation"], "size"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_done_is_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("choicekit: ")
    assert says in err
    assert "Traceback" not in err


@pytest.mark.usefixtures("here")
def test_rules_that_go_wrong_on_the_way_say_on_which_ballots(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["pareto"], []):
        code, _, err = run(capsys, "deep/mine.py:fails", *arguments)
        assert code == 2
        assert "IndexError: two is a company\nfails was asked about the ballots\n  2: 0 > 1\n" in err
        code, _, err = run(capsys, "deep/mine.py:nonsense", *arguments)
        assert code == 2
        assert "the rule named 'somebody' as winners" in err
        ballots = "  3: 0 > 1\n" if arguments else "  1: 0 > 1 > 2\n  1: 1 > 0 > 2\n  1: 0 > 2 > 1\n"
        assert f"nonsense was asked about the ballots\n{ballots}" in err


@pytest.mark.parametrize(
    ("text", "says"),
    [("def f(:", "SyntaxError"), ("import nosuchmodule", "ModuleNotFoundError"), ("1 / 0", "ZeroDivisionError"),
     ("import sys\nsys.exit(7)", "SystemExit: 7")],
)  # fmt: skip
def test_files_that_do_not_run_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    (here / "broken.py").write_text(text)
    code, out, err = run(capsys, "broken.py:f")
    assert (code, out) == (2, "")
    assert f"broken.py does not run: {says}" in err


@pytest.mark.parametrize("columns", [80, 160])
def test_names_of_axioms_are_broken_between_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = run(capsys, "borda", "independence_of_smith_dominated_alternatives", "pareto", *SMALL)
    first, second = (line.split("  ")[0].rstrip() for line in out.splitlines()[2:4])
    long = ("independence_of_smith_dominated_", "alternatives")
    assert (first, second) == (long if columns == 80 else ("".join(long), "pareto"))


def test_progress_stays_off_standard_output(here: Path) -> None:
    (here / "mine.py").write_text(
        textwrap.dedent(
            """
            def first(profile):
                return profile.alternatives[profile.ranks[0].argmin()]
            """
        )
    )
    command = [sys.executable, "-m", "choicekit", "axioms", "mine.py:first", "nondictatorship", *SMALL]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=here, check=False)
    assert ran.returncode == 0
    assert ran.stderr == ""
    assert ran.stdout.startswith("first\naxiom")
    assert "the favourite of voter 1 is the only winner on all 4 profiles of 2 voters" in " ".join(ran.stdout.split())


def test_rules_and_axioms_by_name() -> None:
    assert examination.loaded("borda") is rules.borda
    assert examination.named("pareto") is axioms.pareto
    with pytest.raises(ValueError, match="did you mean pareto"):
        examination.named("paretoo")


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert "FILE.py:FUNCTION" in out
