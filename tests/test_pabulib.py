"""Files of participatory budgeting."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import choicekit as ck
from choicekit.ingest.pabulib import read_budgeting

HEAD = "META\nkey;value\nbudget;100,5\nvote_type;{kind}\n{more}"
PROJECTS = 'PROJECTS\nproject_id;cost;name\n1;60;Park\n2;50;"a;b"\nx;5;\n'


def file(folder: Path, kind: str, votes: str, more: str = "") -> Path:
    path = folder / "votes.pb"
    path.write_text(HEAD.format(kind=kind, more=more) + PROJECTS + "VOTES\n" + votes, encoding="utf-8")
    return path


def test_approvals(tmp_path: Path) -> None:
    found = read_budgeting(file(tmp_path, "approval", "voter_id;age;vote\n7;30;1,x\n8;31;\n9;32;2,2\n"))
    assert isinstance(found.profile, ck.Approvals)
    assert found.profile.values.tolist() == [[True, False, True], [False] * 3, [False, True, False]]
    assert found.profile.alternatives == ("1", "2", "x")
    assert (found.costs.tolist(), found.budget, found.selected) == ([60, 50, 5], 100.5, None)
    assert found.projects[1]["name"] == "a;b"
    assert found.voters[0]["age"] == "30"
    assert found.meta == {"budget": "100,5", "vote_type": "approval"}
    assert not found.costs.flags.writeable


def test_orders_and_points(tmp_path: Path) -> None:
    found = read_budgeting(file(tmp_path, "ordinal", "voter_id;vote\n7;x,1\n8;\n"))
    assert isinstance(found.profile, ck.Rankings)
    assert found.profile.ranks.tolist() == [[1, -1, 0], [-1, -1, -1]]
    found = read_budgeting(file(tmp_path, "cumulative", "voter_id;vote;points\n7;x,1;3,2\n8;;\n"))
    assert isinstance(found.profile, ck.Utilities)
    assert found.profile.values.tolist() == [[2, 0, 3], [0, 0, 0]]
    found = read_budgeting(file(tmp_path, "scoring", "voter_id;vote;points\n7;x;3\n", "default_score;-1\n"))
    assert np.asarray(found.profile.values).tolist() == [[-1, -1, 3]]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kind", "votes", "message"),
    [
        ("approval", "voter_id;vote\n7;3\n", "voter 0 names project '3', which is not listed"),
        ("ordinal", "voter_id;vote\n7;1,1\n", "voter 0 names a project twice"),
        ("cumulative", "voter_id;vote;points\n7;1,2;3\n", "names 2 projects and 1 points"),
        ("cumulative", "voter_id;vote;points\n7;1;many\n", "needed a number as the points of voter 0, got 'many'"),
        ("lottery", "voter_id;vote\n7;1\n", "needed a vote_type of approval, .*, got 'lottery'"),
        ("approval", "voter_id;vote\n", "needed a section VOTES with a header"),
        ("approval", "voter;vote\n7;1\n", "needed a section VOTES with a header"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, kind: str, votes: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_budgeting(file(tmp_path, kind, votes))


def test_real_files(data: Path) -> None:
    facts = json.loads((data / "facts.json").read_text(encoding="utf-8"))["pabulib"]
    kinds = {"approval": ck.Approvals, "ordinal": ck.Rankings, "cumulative": ck.Utilities}
    for name, known in facts.items():
        found = read_budgeting(data / "pabulib" / name)
        assert isinstance(found.profile, kinds[known["vote_type"]])
        assert (len(found.voters), len(found.projects)) == (known["votes"], known["projects"])
        assert found.budget == float(known["budget"])
        rows = found.profile.ranks + 1 if isinstance(found.profile, ck.Rankings) else found.profile.values
        counted = (rows != 0).sum(0)
        if name == "Poland_Warszawa_2026_Brodno.pb":
            counted[found.profile.alternatives.index("1379")] += 1  # one voter approves of it twice on one ballot
        assert counted.tolist() == [int(row["votes"]) for row in found.projects]
        if "published_selected" in known:
            assert sorted(found.selected or ()) == known["published_selected"]
