"""Participatory budgeting in the .pb format of Pabulib (Faliszewski et al. 2023, doi:10.24963/ijcai.2023/297).

A file has three sections of rows with cells between semicolons: META (``key;value``), PROJECTS (``project_id;cost;…``)
and VOTES (``voter_id;vote;…``), where a vote lists projects, and in cumulative and scoring ballots ``points`` them.
"""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.profiles import Approvals, Rankings, Utilities
from choicekit.profiles._columns import Floats, frozen

Row = dict[str, str]

_SECTIONS = ("META", "PROJECTS", "VOTES")
_APPROVAL, _POINTS = ("approval", "choose-1"), ("cumulative", "scoring")


@dataclass(frozen=True, eq=False)
class Budgeting:
    """Ballots on projects, what the projects cost, and the budget.

    ``profile`` has the projects' numbers as alternatives, one row a voter: approvals, or rankings for ordinal ballots,
    or utilities for ballots with points. ``meta``, ``projects`` and ``voters`` are the rows of the file as text;
    ``selected`` the projects that it says were funded (``None`` where it says nothing).

    >>> Budgeting(Approvals([[1]], alternatives=["7"]), np.array([10.0]), 15.0, None, {}, (), ()).budget
    15.0
    """

    profile: Approvals | Rankings | Utilities
    costs: Floats
    budget: float
    selected: tuple[str, ...] | None
    meta: Row
    projects: tuple[Row, ...]
    voters: tuple[Row, ...]


def read_budgeting(path: str | os.PathLike[str]) -> Budgeting:
    """A Pabulib file ``.pb``, as ballots, costs and budget.

    Approval and choose-1 ballots become :class:`~choicekit.Approvals`; ordinal ones
    :class:`~choicekit.Rankings`, on which projects left out are unranked; cumulative and scoring ones
    :class:`~choicekit.Utilities`, where a project left out has 0 points (or the file's ``default_score``).
    Raises ``ValueError`` for a file without its three sections, of another vote type, with a cost, budget or
    points that are no numbers, or votes for a project that is not listed or, other than approvals, is twice on
    a ballot.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "park.pb")
    >>> head = "META\\nkey;value\\nbudget;100\\nvote_type;approval\\n"
    >>> projects = "PROJECTS\\nproject_id;cost;selected\\n1;60;1\\n2;50;0\\n"
    >>> _ = path.write_text(head + projects + "VOTES\\nvoter_id;vote\\nx;1,2\\ny;1\\n")
    >>> park = read_budgeting(path)
    >>> park.profile.values.tolist(), park.costs.tolist(), park.budget, park.selected
    ([[True, True], [True, False]], [60.0, 50.0], 100.0, ('1',))
    """
    where = Path(path)
    sections = _sections(where)
    meta = {row["key"]: row["value"] for row in sections["META"]}
    projects, voters = sections["PROJECTS"], sections["VOTES"]
    kind = meta.get("vote_type", "none")
    if kind not in (*_APPROVAL, *_POINTS, "ordinal"):
        raise ValueError(
            f"{where.name}: needed a vote_type of {', '.join((*_APPROVAL, *_POINTS, 'ordinal'))}, got {kind!r}"
        )
    labels = [row["project_id"] for row in projects]
    costs = np.array([_number(where, "cost of project " + row["project_id"], row["cost"]) for row in projects])
    selected = None
    if projects and "selected" in projects[0]:
        selected = tuple(row["project_id"] for row in projects if row["selected"] not in ("0", ""))
    profile = _profile(where, kind, labels, voters, meta)
    budget = _number(where, "budget", meta.get("budget", ""))
    return Budgeting(profile, frozen(costs), budget, selected, meta, tuple(projects), tuple(voters))


def _profile(
    path: Path, kind: str, labels: list[str], voters: list[Row], meta: Row
) -> Approvals | Rankings | Utilities:
    column = {label: place for place, label in enumerate(labels)}
    empty = -1.0 if kind == "ordinal" else 0.0
    if kind in _POINTS:
        empty = _number(path, "default_score", meta.get("default_score", "0"))
    values: NDArray[Any] = np.full((len(voters), len(labels)), empty)
    for row, voter in enumerate(voters):
        named = _listed(voter["vote"])
        unknown = [label for label in named if label not in column]
        if unknown or (len(set(named)) < len(named) and kind not in _APPROVAL):
            problem = f"project {unknown[0]!r}, which is not listed" if unknown else "a project twice"
            raise ValueError(f"{path.name}: needed votes for listed projects, once each; voter {row} names {problem}")
        worth = np.arange(len(named)) if kind == "ordinal" else np.ones(len(named))
        if kind in _POINTS:
            points = [_number(path, f"points of voter {row}", cell) for cell in _listed(voter.get("points", ""))]
            if len(points) != len(named):
                raise ValueError(f"{path.name}: voter {row} names {len(named)} projects and {len(points)} points")
            worth = np.array(points)
        values[row, [column[label] for label in named]] = worth
    if kind == "ordinal":
        return Rankings(values.astype(np.int64), alternatives=labels)
    return Utilities(values, alternatives=labels) if kind in _POINTS else Approvals(values, alternatives=labels)


def _listed(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(",") if part.strip()]


def _number(path: Path, what: str, text: str) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise ValueError(f"{path.name}: needed a number as the {what}, got {text!r}")
    return value


def _sections(path: Path) -> dict[str, list[Row]]:
    """The rows of each section, by the names of its header."""
    text = path.read_bytes().decode("utf-8-sig")
    found: dict[str, list[list[str]]] = {}
    current: list[list[str]] | None = None
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=";"):
        if not any(cell.strip() for cell in row):
            continue
        if row[0].strip().upper() in _SECTIONS and not any(cell.strip() for cell in row[1:]):
            current = found.setdefault(row[0].strip().upper(), [])
        elif current is not None:
            current.append([cell.strip() for cell in row])
    for section, needed in zip(
        _SECTIONS, ({"key", "value"}, {"project_id", "cost"}, {"voter_id", "vote"}), strict=True
    ):
        rows = found.get(section, [])
        if len(rows) < 2 or not needed <= set(rows[0]):
            raise ValueError(
                f"{path.name}: needed a section {section} with a header ({'; '.join(sorted(needed))}, …) and rows, as "
                "in the .pb files of pabulib.org"
            )
    return {
        section: [dict(zip(rows[0], row + [""] * (len(rows[0]) - len(row)), strict=False)) for row in rows[1:]]
        for section, rows in found.items()
    }
