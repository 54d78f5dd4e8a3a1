"""Tables of preferences become comparisons; nothing is guessed in silence and no row is lost without a count."""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from choicekit import frames
from choicekit.ingest import roles as guessing
from choicekit.ingest.files import read_table
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import is_missing

#: What an outcome can mean: the first side is preferred, the second is, neither, or the row is to be left out.
MEANINGS = ("first", "second", "tie", "skip")
#: Texts that files use for a missing value.
MISSING = frozenset({"", "nan", "NaN", "null", "NULL", "<NA>"})
_TIES = frozenset({"tie", "tied", "draw"})


@dataclass(frozen=True)
class ReadReport:
    """What was read and what became of it.

    ``rows_read`` rows came, ``rows_used`` became comparisons, and ``skipped`` counts the others by reason. ``roles``
    says which column played which part, ``guessed`` which of those parts were guessed from the names, ``notes`` what
    was seen and not used.

    >>> ReadReport("votes.csv", 10, 9, {"tie (bothbad)": 1}, {"winner": "w", "loser": "l"}, (), ()).rows_used
    9
    """

    source: str
    rows_read: int
    rows_used: int
    skipped: Mapping[str, int]
    roles: Mapping[str, Any]
    guessed: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """Comparisons and the report of how they were read.

    >>> import pyarrow as pa
    >>> reading = read_comparisons(pa.table({"chosen": ["a"], "rejected": ["b"]}))
    >>> reading.comparisons.alternatives, reading.report.guessed
    (('a', 'b'), ('winner', 'loser'))
    """

    comparisons: Comparisons
    report: ReadReport


def read_comparisons(
    source: Any,
    *,
    winner: str | None = None,
    loser: str | None = None,
    first: str | None = None,
    second: str | None = None,
    outcome: str | None = None,
    first_wins: str | None = None,
    second_wins: str | None = None,
    tie: str | None = None,
    weight: str | None = None,
    voter: str | None = None,
    group: str | Sequence[str] | None = None,
    context: str | None = None,
    meaning: Mapping[Any, str] | None = None,
    skip: Collection[str] = (),
    voters: Any = None,
) -> Reading:
    """Read comparisons from a file or a frame.

    Parameters
    ----------
    source : the path of a CSV, TSV, JSON-lines or Parquet file (``.gz`` too), or any frame that Narwhals reads.
    winner, loser : columns of labels, in the layout with one column for each;
    first, second, outcome : or the two sides and a column that says which was preferred;
    first_wins, second_wins : or the two sides and how often each was preferred.
        Where none of these is given, the layout is guessed from common names and the guess reported. With two sides,
        the first is taken for the one shown first (``Comparisons.order``).
    tie, weight, voter, group, context : further columns; ``group`` may name several. Those not given are guessed too.
    meaning : what outcome values mean, each one of ``"first"``, ``"second"``, ``"tie"``, ``"skip"``. Understood
        without it: a side's column name or its distinguishing part (``model_a`` or ``a``), ``left``/``right``,
        ``first``/``second``, the side's own label, and ``tie``, ``tied`` or ``draw``. Everything else is refused.
    skip : defects whose rows are to be left out and counted instead of refused: ``"missing"`` (a label is absent)
        and ``"self"`` (an alternative compared with itself).
    voters : a table (path or frame) with a row a voter and the voter column of ``source``, to take ``group`` from.

    Raises ``KeyError`` for a column that is not there and ``ValueError`` for values that are not understood, missing
    or impossible, with how many there are and the first row (data rows count from 1).

    >>> import pyarrow as pa
    >>> table = pa.table({"model_a": ["x", "x", "y"], "model_b": ["y", "z", "z"], "winner": ["model_a", "tie", "z"]})
    >>> reading = read_comparisons(table)
    >>> reading.comparisons.tie.tolist(), reading.report.guessed
    ([False, True, False], ('first', 'second', 'outcome'))
    """
    name = os.path.basename(source) if isinstance(source, str | os.PathLike) else type(source).__name__
    frame = read_table(source) if isinstance(source, str | os.PathLike) else source
    there = frames.column_names(frame)
    given = {
        "winner": winner, "loser": loser, "first": first, "second": second, "outcome": outcome,
        "first_wins": first_wins, "second_wins": second_wins, "tie": tie, "weight": weight, "voter": voter,
        "context": context,
    }  # fmt: skip
    groups = [group] if isinstance(group, str) else list(group or ())
    chosen, guessed = guessing.find(
        there, {role: column for role, column in given.items() if column is not None}, groups
    )
    _known("skip", skip, ("missing", "self"))
    _known("meaning", (meaning or {}).values(), MEANINGS)
    if meaning and "outcome" not in chosen:
        raise ValueError("meaning: outcomes are mapped, but no column says an outcome; name it with outcome=")
    extra = _voter_columns(voters, chosen, groups, there) if voters is not None else {}
    if not groups and voters is None and (found := guessing.group_column(there, chosen)):
        groups, guessed = [found], (*guessed, "group")
    here = [column for column in groups if column not in extra]
    table: dict[str, list[Any]] = frames.columns(frame, [*chosen.values(), *here])
    table = {column: _as_labels(values) for column, values in table.items()}
    table |= {column: [found.get(who) for who in table[chosen["voter"]]] for column, found in extra.items()}
    return _Rows(
        name,
        chosen,
        groups,
        table,
        {**{str(value): said for value, said in (meaning or {}).items()}, **(meaning or {})},
        skip,
    ).reading(guessed)


def _as_labels(values: list[Any]) -> list[Any]:
    """Nested values (a list of messages, say) as their JSON text, which can be a label; None for what is missing."""
    values = [value.tolist() if isinstance(value, np.ndarray) else value for value in values]
    values = [None if is_missing(value) else value for value in values]
    if not any(isinstance(value, list | dict) for value in values):
        return values
    return [
        json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, list | dict) else value
        for value in values
    ]


def _spaces(labels: Iterable[Any]) -> list[str]:
    """A note where alternatives differ only in the spaces around them."""
    seen: dict[str, str] = {}
    for label in labels:
        if isinstance(label, str) and seen.setdefault(label.strip(), label) != label:
            both = f"{seen[label.strip()]!r} and {label!r}"
            return [f"{both} differ only in the spaces around them, and count as different alternatives"]
    return []


def _is_missing(value: Any) -> bool:
    return is_missing(value) or (isinstance(value, str) and value in MISSING)


def _mend(first: str, defect: str) -> str:
    return f"{first}, or leave them out and counted with --skip {defect} (skip=['{defect}'] in Python)"


def _rows(rows: Sequence[int]) -> str:
    return f"data row {rows[0] + 1}" if len(rows) == 1 else f"{len(rows)} rows, first data row {rows[0] + 1}"


def _known(option: str, values: Iterable[str], allowed: Sequence[str]) -> None:
    bad = [value for value in values if value not in allowed]
    if bad:
        raise ValueError(f"{option}: needed one of {', '.join(allowed)}, got {bad[0]!r}")


def _voter_columns(
    voters: Any, roles: Mapping[str, str], groups: Sequence[str], there: Sequence[str]
) -> dict[str, dict[Any, Any]]:
    """Each group column of the voters' table as {voter: value}."""
    if "voter" not in roles or not groups:
        raise ValueError(
            "voters: a table of voters needs the voter column (voter=) and the group columns (group=) named"
        )
    frame = read_table(voters) if isinstance(voters, str | os.PathLike) else voters
    key, names = roles["voter"], frames.column_names(frame)
    absent = [column for column in groups if column not in names and column not in there]
    if absent:
        raise KeyError(frames.missing_column(absent[0], [*there, *names]))
    wanted = [column for column in groups if column in names]
    got = frames.columns(frame, [key, *wanted])
    twice = [who for who, times in Counter(got[key]).items() if times > 1]
    if twice:
        raise ValueError(f"voters: {twice[0]!r} has {Counter(got[key])[twice[0]]} rows; one row a voter is needed")
    return {column: dict(zip(got[key], got[column], strict=True)) for column in wanted}


class _Rows:
    """The rows of one table on their way to comparisons."""

    def __init__(
        self, name: str, roles: Mapping[str, str], groups: Sequence[str], table: Mapping[str, list[Any]],
        meaning: Mapping[Any, str], skip: Collection[str],
    ) -> None:  # fmt: skip
        self.name, self.roles, self.groups, self.meaning, self.skip = name, dict(roles), groups, meaning, skip
        self.table = table
        self.length = len(next(iter(table.values())))
        self.out: dict[int, str] = {}
        self.notes: list[str] = []
        if self.length == 0:
            raise ValueError(f"{name}: has no rows; needed at least one row of data")

    def column(self, role: str) -> list[Any]:
        return self.table[self.roles[role]]

    def refuse(self, rows: Sequence[int], what: str, mend: str) -> None:
        raise ValueError(f"{self.name}: {what} in {_rows(rows)}; {mend}")

    def reading(self, guessed: tuple[str, ...]) -> Reading:
        sides = ("winner", "loser") if "winner" in self.roles else ("first", "second")
        if "context" in guessed:
            self.drop_shared_context()
        self.drop_missing([*sides, *(role for role in ("voter", "context") if role in self.roles)])
        if "first_wins" in self.roles:
            kept, columns = self.counted()
        else:
            kept, columns = self.decided(sides)
        if not kept:
            raise ValueError(
                f"{self.name}: none of its {self.length} rows is left ({self.skipped()}); nothing to compare"
            )
        for role in ("voter", "context"):
            if role in self.roles:
                columns[role] = [self.column(role)[row] for row in kept]
        group = {column: [self.table[column][row] for row in kept] for column in self.groups}
        comparisons = Comparisons(**columns, group=group or None)
        self.notes += _spaces(comparisons.alternatives)
        report = ReadReport(
            source=self.name,
            rows_read=self.length,
            rows_used=len(set(kept)),
            skipped=MappingProxyType(self.skipped()),
            roles=MappingProxyType({**self.roles, **({"group": tuple(self.groups)} if self.groups else {})}),
            guessed=tuple(role for role in guessed if role in self.roles or role == "group"),
            notes=tuple(self.notes),
        )
        return Reading(comparisons, report)

    def skipped(self) -> dict[str, int]:
        return dict(Counter(self.out.values()))

    def drop_missing(self, roles: Sequence[str]) -> None:
        for column in [*(self.roles[role] for role in roles), *self.groups]:
            bad = [row for row, value in enumerate(self.table[column]) if _is_missing(value)]
            if bad and "missing" not in self.skip:
                value = self.table[column][bad[0]]
                self.refuse(
                    bad,
                    f"column {column!r} has missing labels ({value!r})",
                    _mend("fill them in", "missing"),
                )
            for row in bad:
                self.out.setdefault(row, f"no {column}")

    def decided(self, sides: tuple[str, str]) -> tuple[list[int], dict[str, Any]]:
        """Rows kept, with winner, loser, tie and weight, from one outcome a row."""
        left, right = self.column(sides[0]), self.column(sides[1])
        verdicts = self.verdicts(left, right) if "outcome" in self.roles else ["first"] * self.length
        if "tie" in self.roles:
            flags = self.flags()
            verdicts = [
                "tie" if flag and found in ("first", "second") else found
                for flag, found in zip(flags, verdicts, strict=True)
            ]
        for row, verdict in enumerate(verdicts):
            if verdict == "skip":
                self.out.setdefault(row, f"{self.roles['outcome']} = {self.column('outcome')[row]!r}")
        self.drop_selves(left, right)
        kept = [row for row in range(self.length) if row not in self.out]
        columns: dict[str, Any] = {
            "winner": [right[row] if verdicts[row] == "second" else left[row] for row in kept],
            "loser": [left[row] if verdicts[row] == "second" else right[row] for row in kept],
            "tie": [verdicts[row] == "tie" for row in kept],
        }
        if "outcome" in self.roles:
            columns["order"] = [-1 if verdicts[row] == "second" else 1 for row in kept]
        if "weight" in self.roles:
            columns["weight"] = self.amounts("weight", kept)
        return kept, columns

    def counted(self) -> tuple[list[int], dict[str, Any]]:
        """Rows kept (twice where both sides won), with winner, loser and weight, from counts of wins for each side."""
        left, right = self.column("first"), self.column("second")
        self.drop_selves(left, right)
        rows = [row for row in range(self.length) if row not in self.out]
        won, lost = self.amounts("first_wins", rows), self.amounts("second_wins", rows)
        both = [(row, left[row], right[row], n) for row, n in zip(rows, won, strict=True) if n > 0]
        both += [(row, right[row], left[row], n) for row, n in zip(rows, lost, strict=True) if n > 0]
        for row in set(rows) - {entry[0] for entry in both}:
            self.out[row] = "no wins on either side"
        both.sort(key=lambda entry: entry[0])
        kept = [entry[0] for entry in both]
        columns = dict(zip(("winner", "loser", "weight"), ([e[k] for e in both] for k in (1, 2, 3)), strict=True))
        return kept, columns | {"order": [1 if e[1] == left[e[0]] else -1 for e in both]}

    def drop_selves(self, left: Sequence[Any], right: Sequence[Any]) -> None:
        bad = [row for row in range(self.length) if row not in self.out and left[row] == right[row]]
        if bad and "self" not in self.skip:
            self.refuse(
                bad,
                f"{left[bad[0]]!r} is compared with itself",
                _mend("remove those rows", "self"),
            )
        for row in bad:
            self.out[row] = "compared with itself"

    def verdicts(self, left: Sequence[Any], right: Sequence[Any]) -> list[str | None]:
        """What each row's outcome means; values that mean nothing are refused together."""
        values, column = self.column("outcome"), self.roles["outcome"]
        words = guessing.side_words(self.roles["first"], self.roles["second"])
        labels = {value for side in (left, right) for value in side}
        found: list[str | None] = []
        unknown: dict[Any, list[int]] = {}
        for row, value in enumerate(values):
            if row in self.out:
                found.append(None)
                continue
            verdict = self.meaning.get(value, self.meaning.get(str(value)))
            word = str(value).strip().lower()
            named = "first" if value == left[row] else "second" if value == right[row] else None
            if verdict is None:
                spoken = "tie" if word in _TIES else words.get(word)
                ambiguous = spoken is not None and value in labels and spoken != named
                verdict = None if ambiguous else (spoken or named)
            found.append(verdict)
            if verdict is None:
                unknown.setdefault(None if is_missing(value) else value, []).append(row)
        if unknown:
            told = sorted(unknown.items(), key=lambda item: item[1][0])
            shown = ", ".join(f"{value!r} ×{len(rows)} from data row {rows[0] + 1}" for value, rows in told[:4])
            more = f" and {len(told) - 4} more values" if len(told) > 4 else ""
            raise ValueError(
                f"{self.name}: outcomes in column {column!r} are not understood: {shown}{more}. Say what each means, "
                f"first ({self.roles['first']}), second ({self.roles['second']}), tie or skip: --map 'VALUE=tie' "
                "(meaning={…} in Python)"
            )
        return found

    def flags(self) -> list[bool]:
        said = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
        values = [str(value).strip().lower() if value is not None else "" for value in self.column("tie")]
        bad = [row for row, value in enumerate(values) if value not in said]
        if bad:
            self.refuse(bad, f"column {self.roles['tie']!r} holds {values[bad[0]]!r}", "ties are said by true or false")
        return [said[value] for value in values]

    def amounts(self, role: str, rows: Sequence[int]) -> list[float]:
        values, found = self.column(role), [float("nan")] * len(rows)
        for place, row in enumerate(rows):
            with contextlib.suppress(TypeError, ValueError):
                found[place] = float(values[row])
        bad = [row for row, number in zip(rows, found, strict=True) if not 0 <= number < float("inf")]
        if bad:
            self.refuse(
                bad, f"column {self.roles[role]!r} holds {values[bad[0]]!r}", "a finite number of at least 0 is needed"
            )
        return found

    def drop_shared_context(self) -> None:
        """A guessed context is used only where no alternative recurs in another context."""
        sides = ("winner", "loser") if "winner" in self.roles else ("first", "second")
        where: dict[Any, Any] = {}
        for role in sides:
            for label, context in zip(self.column(role), self.column("context"), strict=True):
                if not _is_missing(context) and where.setdefault(label, context) != context:
                    column = self.roles.pop("context")
                    self.notes.append(
                        f"column {column!r} looks like a context and was not used, since {label!r} and perhaps others "
                        f"recur in several; name it as the context to score them apart in each"
                    )
                    return
