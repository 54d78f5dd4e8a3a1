"""PrefLib files: the format, its mistakes, and real elections against published results."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import choicekit as ck
from choicekit import rules
from choicekit.ingest import read_approvals, read_rankings

NAMES = ["ann", "bob", "cat", "dan"]


def headers(size: int = 4, voters: int | None = None, names: list[str] | None = None, **more: Any) -> str:
    lines = ["# FILE NAME: it.toi", "# TITLE: a: b # c", f"# NUMBER ALTERNATIVES: {size}"]
    lines += [] if voters is None else [f"# NUMBER VOTERS: {voters}"]
    lines += [f"# {key.replace('_', ' ')}: {value}" for key, value in more.items()]
    lines += [f"# ALTERNATIVE NAME {i}: {name}" for i, name in enumerate(names or NAMES[:size], 1)]
    return "\n".join(lines) + "\n"


def categories(*names: str) -> dict[str, Any]:
    numbered = {f"CATEGORY_NAME_{i}": name for i, name in enumerate(names, 1)}
    return {"NUMBER_CATEGORIES": len(names), **numbered}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(content: str | bytes, name: str = "it.toi") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


# --- The format ---------------------------------------------------------------------------------------------------


def test_orders_with_ties_and_gaps(write: Any) -> None:
    votes = read_rankings(write(headers(voters=9) + "4: 2,{1,3},4\n3: {4, 1}\n 2 : 3 , 4\n"))
    assert votes.alternatives == ("ann", "bob", "cat", "dan")
    assert votes.ranks.tolist() == [[1, 0, 1, 2], [0, -1, -1, 0], [-1, -1, 0, 1]]
    assert votes.weights.tolist() == [4, 3, 2]


@pytest.mark.parametrize("name", ["it.soc", "it.SOI", "it.toc", "it.toi", "a.b.soc.gz", "it.TOI.GZ"])
def test_each_suffix_of_orders_is_read_also_compressed(write: Any, name: str) -> None:
    text = (headers(voters=3) + "2: 4,3,2,1\n1: 1,2,3,4\n").encode()
    path = write(gzip.compress(text) if name.lower().endswith("gz") else text, name)
    assert read_rankings(path).ranks.tolist() == [[3, 2, 1, 0], [0, 1, 2, 3]]
    assert read_rankings(str(path)).weights.tolist() == [2, 1]


def test_empty_places_rank_nothing(write: Any) -> None:
    votes = read_rankings(write(headers(voters=6) + "1: {},3,{},{1}\n2: {}\n3:\n"))
    assert votes.ranks.tolist() == [[1, -1, 0, -1], [-1] * 4, [-1] * 4]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_blank_lines_and_a_byte_order_mark(write: Any, end: str) -> None:
    text = "\ufeff" + headers(voters=1) + "\n\n1: 2,1\n\n# a remark\n"
    assert read_rankings(write(text.replace("\n", end))).ranks.tolist() == [[1, 0, -1, -1]]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_names_in_either_encoding(write: Any, encoding: str) -> None:
    names = ["Zoë", "Ünal", "García: the 2nd", "O''Neil"]
    path = write((headers(voters=1, names=names) + "1: 1\n").encode(encoding))
    assert read_rankings(path).alternatives == tuple(names)


def test_equal_names_are_told_apart_and_none_is_lost(write: Any) -> None:
    path = write(headers(voters=1, names=["bob", "", "bob", "bob (#1)"]) + "1: 3\n")
    votes = read_rankings(path)
    assert votes.alternatives == ("bob (#1) (#1)", "#2", "bob (#3)", "bob (#1) (#4)")
    assert votes.ranks.tolist() == [[-1, -1, 0, -1]]


def test_headers_need_not_count_voters(write: Any) -> None:
    assert read_rankings(write(headers() + "2: 1\n")).weights.tolist() == [2]


def test_approvals_are_the_first_of_two_categories(write: Any) -> None:
    text = headers(voters=7, **categories("Yes", "No")) + "4: {1,3},{2,4}\n2: {},{1,2,3,4}\n1: {2,3,4},1\n"
    votes = read_approvals(write(text, "it.cat"))
    assert votes.alternatives == tuple(NAMES)
    assert votes.values.astype(int).tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 1, 1]]
    assert votes.weights.tolist() == [4, 2, 1]


@pytest.mark.parametrize(
    ("approved", "row"),
    [(["good"], [1, 0, 0, 0]), (["good", "fair"], [1, 1, 0, 0]), (["poor"], [0, 0, 1, 1]), ("fair", [0, 1, 0, 0])],
)
def test_approved_categories_are_named(write: Any, approved: Any, row: list[int]) -> None:
    path = write(headers(voters=1, **categories("good", "fair", "poor")) + "1: 1,2,{3,4}\n", "it.cat")
    assert read_approvals(path, approved=approved).values.astype(int).tolist() == [row]


# --- Its mistakes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("it.cat", "use read_approvals for .cat files"),
        ("it.csv", "rename the file"),
        ("it", "rename"),
        ("it.gz", "rename"),
    ],
)
def test_a_wrong_suffix_is_refused(write: Any, name: str, advice: str) -> None:
    with pytest.raises(ValueError, match=rf"needed a PrefLib file .soc, .soi, .toc, .toi .*, got '{name}'; .*{advice}"):
        read_rankings(write(headers() + "1: 1\n", name))


def test_a_wrong_suffix_of_approvals_is_refused(write: Any) -> None:
    with pytest.raises(
        ValueError, match=r"needed a PrefLib file .cat .*got 'it.soc'; use read_rankings for .soc files"
    ):
        read_approvals(write(headers() + "1: 1\n", "it.soc"))


@pytest.mark.parametrize(
    "line",
    ["1,2,3", "x: 1,2", "-1: 1,2", "1.5: 1,2", "1: 1,,2", "1: 1,2,", "1: {1,2", "1: 1,2}", "1: {{1},2}", "1: a",
     "1: 1 2", "²: 1", f"1: {'9' * 5000}"],
)  # fmt: skip
def test_a_line_that_is_no_ballot_is_refused_by_number(write: Any, line: str) -> None:
    with pytest.raises(ValueError, match=r"it.toi, line 10: needed a ballot such as '12: 3,\{1,2\},4', got '.*'; mend"):
        read_rankings(write(headers(voters=2) + "1: 1,2\n" + line + "\n"))


@pytest.mark.parametrize("line", ["1: 5,2", "1: {0,1}", "1: 1,99"])
def test_an_alternative_that_does_not_exist_is_refused(write: Any, line: str) -> None:
    number = max(int(digits) for digits in line[3:].strip("{}").split(",")) if "{" not in line else 0
    with pytest.raises(ValueError, match=f"line 9: needed alternatives numbered 1 to 4, got {number};"):
        read_rankings(write(headers(voters=1) + line))


@pytest.mark.parametrize("line", ["1: 3,2,3", "1: {3,3}", "1: 3,{1,3}"])
def test_an_alternative_twice_on_a_ballot_is_refused(write: Any, line: str) -> None:
    with pytest.raises(ValueError, match="line 9: needed each alternative at most once, got 3 twice; mend"):
        read_rankings(write(headers(voters=1) + line))


@pytest.mark.parametrize(("voters", "ballots", "counted"), [(5, "4: 1\n", 4), (5, "", 0), (3, "3: 1\n1: 2\n", 4)])
def test_counts_that_do_not_add_up_are_refused(write: Any, voters: int, ballots: str, counted: int) -> None:
    message = f"needed ballots of {voters} voters, as the headers say, got ballots of {counted}; .*cut short"
    with pytest.raises(ValueError, match=message):
        read_rankings(write(headers(voters=voters) + ballots))


@pytest.mark.parametrize(("name", "better"), [("it.soc", ".toc"), ("it.soi", ".toi")])
def test_ties_in_strict_orders_are_refused(write: Any, name: str, better: str) -> None:
    with pytest.raises(ValueError, match=rf"line 9: needed an order without ties, .*name the file {better} if ties"):
        read_rankings(write(headers(voters=1) + "1: 1,{2,3},4", name))


@pytest.mark.parametrize(("name", "better"), [("it.soc", ".soi"), ("it.toc", ".toi")])
def test_gaps_in_complete_orders_are_refused(write: Any, name: str, better: str) -> None:
    text = headers(voters=2) + "1: 1,2,3,4\n1: 1,2,4"
    with pytest.raises(ValueError, match=rf"line 10: needed an order of all 4 .* without 'cat'; .* {better} if"):
        read_rankings(write(text, name))


@pytest.mark.parametrize("content", [b"", b"\n \r\n"])
def test_an_empty_file_is_refused(write: Any, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"it\.toi: needed headers and ballots, got an empty file"):
        read_rankings(write(content))


def test_an_empty_compressed_file_is_refused(write: Any) -> None:
    with pytest.raises(ValueError, match="needed headers and ballots, got an empty file"):
        read_rankings(write(gzip.compress(b""), "it.toi.gz"))


@pytest.mark.parametrize("content", [bytes(range(256)), gzip.compress(b"1: 1", mtime=0), b"# NUMBER VOTERS: 1\n\0"])
def test_a_binary_file_is_refused(write: Any, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"it\.toi: needed text in PrefLib's format, got binary data"):
        read_rankings(write(content))


@pytest.mark.parametrize(
    "content", [b"1: 1", gzip.compress(b"x" * 999, mtime=0)[:20], b"\x1f\x8b\x08\x00" + b"\xff" * 40]
)
def test_what_does_not_unpack_is_refused(write: Any, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"it.toi.gz: needed a gzip file, got one that does not unpack \("):
        read_rankings(write(content, "it.toi.gz"))


@pytest.mark.parametrize("text", ["4\n1,ann\n2,bob\n", "1: 1\n", "# TITLE: x\n"])
def test_a_file_without_headers_is_refused(write: Any, text: str) -> None:
    with pytest.raises(ValueError, match=r"needed a header '# NUMBER ALTERNATIVES: m', .*before September 2022"):
        read_rankings(write(text))


@pytest.mark.parametrize("key", ["NUMBER_ALTERNATIVES", "NUMBER_VOTERS"])
def test_a_header_that_is_no_number_is_refused(write: Any, key: str) -> None:
    text = headers(**{key: "many"}) + "1: 1\n"
    with pytest.raises(
        ValueError, match=f"needed a whole number in the header '# {key.replace('_', ' ')}', got 'many'"
    ):
        read_rankings(write(text))


def test_a_name_beyond_the_number_of_alternatives_is_refused(write: Any) -> None:
    with pytest.raises(ValueError, match="needed ALTERNATIVE NAME headers numbered 1 to 3, got number 4"):
        read_rankings(write(headers(size=3, names=NAMES) + "1: 1\n"))


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_rankings(tmp_path / "none.soc")


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"], []])
def test_without_two_categories_approval_must_be_named(write: Any, names: list[str]) -> None:
    ballot = "1: " + ",".join(["{1,2,3,4}", "{}", "{}"][: len(names)])
    listed = ", ".join(map(repr, names)) or "none named"
    with pytest.raises(ValueError, match=rf"got {len(names)} \({listed}\); say which .* approved="):
        read_approvals(write(headers(voters=1, **categories(*names)) + ballot, "it.cat"))


@pytest.mark.parametrize(("approved", "got"), [(["Yes", "Maybe"], "'Maybe'"), ([], "none"), ("Ye", "'Ye'")])
def test_unknown_categories_are_refused(write: Any, approved: Any, got: str) -> None:
    path = write(headers(voters=1, **categories("Yes", "No")) + "1: {1,2,3,4},{}", "it.cat")
    with pytest.raises(ValueError, match=f"needed names of categories, got {got}; the file's are 'Yes', 'No'"):
        read_approvals(path, approved=approved)


def test_an_alternative_in_no_category_is_refused(write: Any) -> None:
    path = write(headers(voters=1, **categories("Yes", "No")) + "1: {1,2},4", "it.cat")
    with pytest.raises(ValueError, match="line 12: needed each alternative in a category, got a ballot without 'cat'"):
        read_approvals(path)


@pytest.mark.parametrize(("ballot", "got"), [("1: {1,2,3,4}", 1), ("1: {1,2},{3},{4}", 3), ("1:", 0)])
def test_a_ballot_without_all_categories_is_refused(write: Any, ballot: str, got: int) -> None:
    path = write(headers(voters=1, **categories("Yes", "No")) + ballot, "it.cat")
    with pytest.raises(ValueError, match=f"line 12: needed 2 categories, got {got}; write an empty category as {{}}"):
        read_approvals(path)


# --- Real elections -----------------------------------------------------------------------------------------------


def real(*suffixes: str) -> list[Any]:
    """The PrefLib files below CHOICEKIT_DATA; without it one entry, for a test that says why it is skipped."""
    root = os.environ.get("CHOICEKIT_DATA", "")
    found = sorted(Path(root).glob("preflib_visible/*/*")) if root else []
    files = [path.relative_to(root).as_posix() for path in found if path.suffix in suffixes]
    return files or [pytest.param("no files found", id="no-data")]


@pytest.fixture(scope="session")
def facts(data: Path) -> dict[str, Any]:
    """What other programs computed from the same files."""
    found: dict[str, Any] = json.loads((data / "facts.json").read_text())["preflib_visible"]
    return found


@pytest.fixture
def election(data: Path, facts: dict[str, Any], file: str) -> tuple[ck.Rankings, dict[str, Any]]:
    return read_rankings(data / file), facts[file]


orders = pytest.mark.parametrize("file", real(".soc", ".soi", ".toc", ".toi"))


def sole_firsts(votes: ck.Rankings) -> dict[str, float]:
    """How many voters put an alternative first alone."""
    counts = dict.fromkeys(map(str, votes.alternatives), 0.0)
    for row, weight in zip(votes.ranks.tolist(), votes.weights.tolist(), strict=True):
        first = [name for name, rank in zip(votes.alternatives, row, strict=True) if rank == 0]
        if len(first) == 1:
            counts[str(first[0])] += weight
    return counts


@orders
def test_real_ballots_are_read_whole(election: tuple[ck.Rankings, dict[str, Any]]) -> None:
    votes, fact = election
    assert dict(enumerate(votes.alternatives, 1)) == {int(key): name for key, name in fact["candidates"].items()}
    assert votes.weights.sum() == fact["n_ballots"]
    assert len(votes.ranks) == fact["n_unique"] == len(np.unique(votes.ranks, axis=0))
    assert votes.ranks.max(1).min() >= 0


@orders
def test_real_margins(election: tuple[ck.Rankings, dict[str, Any]]) -> None:
    votes, fact = election
    margin = votes.to_margins()
    assert margin.condorcet_winner == fact["condorcet_winner"]
    losers = [
        name for name, row in zip(margin.alternatives, margin.values, strict=True) if (row < 0).sum() == len(row) - 1
    ]
    assert (losers or [None])[0] == fact["condorcet_loser"]
    if "margins" in fact:  # the larger elections are published without
        got = {
            a: {b: value for b, value in zip(margin.alternatives, row, strict=True) if b != a}
            for a, row in zip(margin.alternatives, margin.values.tolist(), strict=True)
        }
        assert got == fact["margins"]


@orders
def test_real_first_choices(election: tuple[ck.Rankings, dict[str, Any]]) -> None:
    votes, fact = election
    alone = sole_firsts(votes)
    assert alone == fact["first_preferences"]
    most = max(alone.values())
    assert {name for name, count in alone.items() if count == most} == set(fact["plurality"])
    scores = rules.plurality(votes)
    # The published counts leave out ballots with a tie for first; ours share them
    assert scores.scores.sum() == pytest.approx(fact["n_ballots"])
    shared = fact["n_ballots"] - sum(alone.values())
    gained = scores.scores - [alone[str(name)] for name in votes.alternatives]
    assert gained.min() >= 0
    assert gained.sum() == pytest.approx(shared)
    if shared == 0:
        assert set(scores.winners) == set(fact["plurality"])


@orders
def test_real_winners_of_majority_rules(election: tuple[ck.Rankings, dict[str, Any]]) -> None:
    votes, fact = election
    got = {name: sorted(map(str, getattr(rules, name)(votes).winners)) for name in ("copeland", "minimax", "schulze")}
    assert got == {"copeland": fact["copeland"], "minimax": fact["minimax"], "schulze": fact["beat_path"]}
    lottery = rules.maximal_lottery(votes)
    assert set(lottery.winners) <= set(fact["smith_set"])


@pytest.mark.parametrize("file", real(".soc"))
def test_real_strict_elections(election: tuple[ck.Rankings, dict[str, Any]]) -> None:
    votes, fact = election
    borda = rules.borda(votes)
    assert dict(zip(borda.alternatives, borda.scores.tolist(), strict=True)) == fact["borda_scores"]
    published = {
        "borda": "soc_borda",
        "plurality": "soc_plurality",
        "minimax": "soc_minimax",
        "schulze": "soc_beat_path",
    }
    for name, key in published.items():
        assert sorted(map(str, getattr(rules, name)(votes).winners)) == fact[key]


@pytest.mark.parametrize("file", real(".cat"))
def test_real_approvals_are_counted(data: Path, file: str) -> None:
    votes = read_approvals(data / file)
    counted: dict[str, int] = dict.fromkeys(map(str, votes.alternatives), 0)
    names, voters = {}, 0
    for line in (data / file).read_text().splitlines():
        if line.startswith("# ALTERNATIVE NAME "):
            number, _, name = line.removeprefix("# ALTERNATIVE NAME ").partition(": ")
            names[number] = name
        elif not line.startswith("#"):
            times, _, rest = line.partition(": ")
            yes = rest[1 : rest.index("}")] if rest.startswith("{") else rest[: rest.index(",")]
            voters += int(times)
            for number in filter(None, yes.split(",")):
                counted[names[number]] += int(times)
    scores = rules.approval(votes)
    assert dict(zip(scores.alternatives, scores.scores.tolist(), strict=True)) == counted
    assert votes.weights.sum() == voters > 0


def test_every_election_with_published_results_is_read(facts: dict[str, Any]) -> None:
    assert set(facts) == set(real(".soc", ".soi", ".toc", ".toi"))
