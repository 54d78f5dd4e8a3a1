"""The command line: what it writes, what it refuses, and how it says so."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow.parquet
import pytest

from choicekit import __main__ as street
from choicekit import domains, models, report

FAST = ("--replicates", "20")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def votes(rows: int = 60) -> str:
    """Rows in which x and y have opposite favourites among a and b."""
    lines = [f"{'ab'[row % 2]},{'ba'[row % 2]},{row % 12},{'xy'[row % 2]},{'fm'[row % 12 < 6]}" for row in range(rows)]
    return "\n".join(["winner,loser,voter,group,sex", *lines]) + "\n"


def test_audit_writes_its_four_files(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "votes.csv").write_text(votes())
    assert street.main(["audit", "votes.csv", *FAST]) == 0
    assert sorted(os.listdir("audit")) == ["report.html", "report.json", "training.jsonl", "training.parquet"]
    document = json.loads((here / "audit" / "report.json").read_text())
    assert [group["group"] for group in document["groups"]] == ["x", "y"]
    assert document["source"]["rows_read"] == document["source"]["rows_used"] == 60
    parquet = pyarrow.parquet.read_table(here / "audit" / "training.parquet").to_pydict()
    lines = [json.loads(line) for line in (here / "audit" / "training.jsonl").read_text().splitlines()]
    assert len(lines) == 60
    assert parquet == {name: [line[name] for line in lines] for name in parquet}
    assert parquet["chosen"] == ["ab"[row % 2] for row in range(60)]
    page = (here / "audit" / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    printed = capsys.readouterr()
    assert "voters" in printed.out
    assert printed.err == ""


def test_results_do_not_change_from_run_to_run(here: Path) -> None:
    (here / "votes.csv").write_text(votes())
    for out in ("one", "two"):
        assert street.main(["audit", "votes.csv", "--out", out, *FAST]) == 0
    for name in os.listdir("one"):
        assert (here / "one" / name).read_bytes() == (here / "two" / name).read_bytes(), name


def test_several_groupings_are_audited_in_turn_and_crossed_on_request(here: Path) -> None:
    (here / "votes.csv").write_text(votes())
    both = ["--group", "group", "--group", "sex"]
    assert street.main(["audit", "votes.csv", *both, *FAST]) == 0
    assert sorted(os.listdir("audit")) == ["group", "sex"]
    assert json.loads((here / "audit" / "sex" / "report.json").read_text())["data"]["group_column"] == "sex"
    assert street.main(["audit", "votes.csv", *both, "--cross", "--out", "crossed", *FAST]) == 0
    groups = json.loads((here / "crossed" / "report.json").read_text())["groups"]
    assert [group["group"] for group in groups] == ["x × f", "x × m", "y × f", "y × m"]


def test_a_column_cannot_name_a_folder_outside_the_output(here: Path) -> None:
    (here / "votes.csv").write_text(votes().replace("winner,loser,voter,group,sex", "winner,loser,voter,../group,sex"))
    assert street.main(["audit", "votes.csv", "--group", "../group", "--group", "sex", "--out", "deep/out", *FAST]) == 0
    assert sorted(os.listdir("deep")) == ["out"]
    assert sorted(os.listdir("deep/out")) == ["_group", "sex"]


def test_beta_and_rng_reach_the_audit(here: Path) -> None:
    (here / "votes.csv").write_text(votes())
    for out, extra in (("one", []), ("two", ["--rng", "7"]), ("three", ["--beta", "2"])):
        assert street.main(["audit", "votes.csv", "--out", out, *FAST, *extra]) == 0
    one, two, three = (json.loads((here / out / "report.json").read_text()) for out in ("one", "two", "three"))
    assert one["settings"]["beta"] == 0.1
    assert three["settings"]["beta"] == 2
    assert one["groups"][0]["gap_high"] != two["groups"][0]["gap_high"]


def test_outcomes_are_mapped_and_skips_counted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["left,right,label", "a,b,left", "a,b,both bad", "b,a,not sure", "b,a,left", "a,b,a = b", ",b,left"]
    (here / "votes.csv").write_text("\n".join(rows))
    arguments = ["audit", "votes.csv", *FAST, "--map", "both bad=tie", "--map", "not sure=skip", "--skip", "missing"]
    assert street.main([*arguments, "--map", "a = b=tie"]) == 0
    source = json.loads((here / "audit" / "report.json").read_text())["source"]
    assert (source["rows_read"], source["rows_used"]) == (6, 4)
    assert source["skipped"] == {"no left": 1, "label = 'not sure'": 1}
    assert "not sure" in capsys.readouterr().out


def test_demo_prints_the_truth_beside_the_estimate(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert street.main(["demo"]) == 0
    printed = capsys.readouterr().out
    document = json.loads((here / "audit-demo" / "report.json").read_text())
    truth = street.true_gaps(domains.three_groups(), 0.1)
    for group in document["groups"]:
        assert group["gap_low"] <= truth[group["group"]] <= group["gap_high"]
    assert "2.92" in printed  # the minority's true gap
    assert f"{truth['minority']:.2f}" == "2.92"
    assert "minority" in printed


def test_the_truth_of_the_demo_is_what_unlimited_data_give() -> None:
    population = domains.three_groups()
    many = population.sample(voters=20_000, comparisons=40, rng=5)
    sampled = models.bradley_terry(many).scores
    exact = models.bradley_terry(population.everything()).scores
    assert abs(sampled - exact).max() < 0.02


BAD = {
    "misspelt column": ("votes.csv", ["--winner", "winer", "--loser", "loser"], "Did you mean 'winner'?"),
    "misspelt option": ("votes.csv", ["--goup", "group"], "--group"),
    "unknown outcome": ("outcome.csv", [], "'both bad' ×2 from data row 2"),
    "missing labels": ("missing.csv", [], "column 'winner' has missing labels"),
    "self": ("self.csv", [], "compared with itself"),
    "empty file": ("empty.csv", [], "is empty"),
    "header alone": ("header.csv", [], "no rows"),
    "binary file": ("binary.csv", [], "binary"),
    "not gzip": ("broken.csv.gz", [], "gzip"),
    "not there": ("nowhere.csv", [], "no such file"),
    "a folder": ("folder", [], "folder"),
    "no known columns": ("columns.csv", [], "cannot tell who was preferred"),
    "bad weight": ("weight.csv", [], "weight"),
    "bad meaning": ("outcome.csv", ["--map", "both bad=draw"], "first, second, tie, skip"),
    "no meaning": ("outcome.csv", ["--map", "both bad"], "VALUE=MEANING"),
    "beta": ("votes.csv", ["--beta", "0"], "beta"),
    "replicates": ("votes.csv", ["--replicates", "3"], "at least 20"),
    "cross": ("votes.csv", ["--cross", "--group", "group"], "at least two"),
    "no file": ("", [], "FILE"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_2_and_three_lines_that_help(
    case: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "votes.csv").write_text(votes())
    (here / "outcome.csv").write_text("model_a,model_b,winner\nx,y,a\nx,y,both bad\ny,x,both bad\n")
    (here / "missing.csv").write_text("winner,loser\na,b\n,c\nNaN,c\n")
    (here / "self.csv").write_text("winner,loser\na,a\n")
    (here / "empty.csv").write_text("")
    (here / "header.csv").write_text("winner,loser\n")
    (here / "binary.csv").write_bytes(bytes(range(256)) * 20)
    (here / "broken.csv.gz").write_bytes(gzip.compress(votes().encode())[:40])
    (here / "columns.csv").write_text("this,that\n1,2\n")
    (here / "weight.csv").write_text("winner,loser,weight\na,b,heavy\n")
    (here / "folder").mkdir()
    file, options, needle = BAD[case]
    before = sorted(os.listdir())
    assert street.main(["audit", *([file] if file else []), *options]) == 2
    printed = capsys.readouterr()
    assert needle in printed.err
    assert printed.err.startswith("choicekit: ")
    assert "Traceback" not in printed.err
    wrapped = [line for line in printed.err.splitlines() for line in textwrap.wrap(line, 110)]
    assert len(wrapped) <= 3, wrapped
    assert sorted(os.listdir()) == before, "nothing is written on the way to a refusal"


def test_a_single_voter_in_a_group_gets_no_interval(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "votes.csv").write_text(votes() + "a,b,hermit,z,f\n")
    assert street.main(["audit", "votes.csv", "--group", "group", *FAST]) == 0
    found = json.loads((here / "audit" / "report.json").read_text())
    assert [group["gap_low"] is None for group in found["groups"]] == [False, False, True]
    assert "single voter" in capsys.readouterr().out


def test_a_disconnected_graph_is_audited_and_said_to_be_one(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "votes.csv").write_text("winner,loser\na,b\nb,a\nc,d\nd,c\n")
    assert street.main(["audit", "votes.csv", *FAST]) == 0
    assert "2 parts" in " ".join(capsys.readouterr().out.split())


def test_it_runs_as_a_program_and_in_a_pipe(here: Path) -> None:
    (here / "votes.csv").write_text(votes())
    done = subprocess.run(
        [sys.executable, "-m", "choicekit", "audit", "votes.csv", *FAST],
        capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "80", "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "\x1b[" not in done.stdout
    assert done.stderr == ""


def test_without_the_cli_extra_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['click'] = None; from choicekit.__main__ import main; sys.exit(main(['demo']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'choicekit[cli]'" in done.stderr


def test_labels_are_shown_as_the_report_shows_them() -> None:
    assert report.text(("x", ("y", 1))) == "x × y × 1"


@pytest.mark.usefixtures("here")
def test_the_readme_shows_what_the_demo_prints(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    shown = readme.split("```text\n")[1].split("```")[0].strip()
    assert street.main(["demo"]) == 0
    assert shown in capsys.readouterr().out
