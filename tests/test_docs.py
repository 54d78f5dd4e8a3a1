"""The pages: commands in them run and print what they say, links lead somewhere, the reference is current."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from choicekit import __main__ as street

HERE = Path(__file__).parents[1]
PAGES = sorted([*HERE.glob("*.md"), *(HERE / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# What pages take as given without showing it.
PREFERENCES = "chosen,rejected,annotator,country\n" + "\n".join(
    f"{'ab'[(voter + row) % 2]},{'ba'[(voter + row) % 2]},{voter},{('NO', 'AU')[voter % 2]}"
    for voter in range(8)
    for row in range(5)
)


def commands(text: str) -> list[tuple[str, str]]:
    """Each ``$ choicekit …`` line of the console blocks, with the output shown below it."""
    found = []
    for kind, body in FENCE.findall(text):
        if kind == "console":
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                line, _, shown = part.partition("\n")
                found.append((line, shown))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(HERE).as_posix())
def test_commands_print_what_the_page_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    text = page.read_text(encoding="utf-8")
    (tmp_path / "preferences.csv").write_text(PREFERENCES, encoding="utf-8")
    tables = [body for kind, body in FENCE.findall(text) if kind == "csv"]
    for name, body in zip(("votes.csv", "people.csv"), tables, strict=False):
        (tmp_path / name).write_text(body, encoding="utf-8")
    for line, shown in commands(text):
        words = shlex.split(line)
        if words[0] != "choicekit":
            assert words[0] in {"make", "pip", "git", "python"}, f"the page shows a command that is not checked: {line}"
            continue
        code = street.main(words[1:])
        printed = capsys.readouterr()
        output = printed.out + printed.err
        assert code == (2 if shown.startswith("choicekit: ") else 0), output
        same = doctest.OutputChecker().check_output(shown, output, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        assert same, f"$ {line}\nthe page says:\n{shown}\nit prints:\n{output}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(HERE).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_is_linked_from_the_index() -> None:
    index = (HERE / "docs" / "README.md").read_text(encoding="utf-8")
    for page in (HERE / "docs").rglob("*.md"):
        assert page.name == "README.md" or page.relative_to(HERE / "docs").as_posix() in index, page


def test_reference_pages_are_current() -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "docs" / "build.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr + "\nrun: python docs/build.py"


def test_the_version_is_said_once_and_alike() -> None:
    import choicekit

    assert f"version: {choicekit.__version__}\n" in (HERE / "CITATION.cff").read_text(encoding="utf-8")
    assert f"## {choicekit.__version__}" in (HERE / "CHANGELOG.md").read_text(encoding="utf-8")
