"""Ballots in PrefLib's text format of September 2022 (Mattei and Walsh 2013, doi:10.1007/978-3-642-41575-3_20).

A file has headers ``# KEY: value`` and then lines ``count: 3,{1,2},4``: so many voters put the third alternative first
and the first two level after it. Its suffix says what its orders are: strict or with ties (``s``, ``t``), complete or
incomplete (``c``, ``i``); in ``.cat`` files the places are named categories.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from choicekit.profiles import Approvals, Rankings
from choicekit.profiles._columns import short

StrPath = str | os.PathLike[str]
Tiers = list[list[int]]

_ORDERS = (".soc", ".soi", ".toc", ".toi")
_NUMBER = r"[0-9]{1,15}"
_TIER = rf"(?:{_NUMBER}|\{{\s*(?:{_NUMBER}(?:\s*,\s*{_NUMBER})*)?\s*\}})"
_LINE = re.compile(rf"({_NUMBER})\s*:\s*({_TIER}(?:\s*,\s*{_TIER})*)?")
_HEADER = re.compile(r"#\s*([^:]*?)\s*:\s*(.*?)\s*")
_NUMBERED = re.compile(r"(ALTERNATIVE|CATEGORY) NAME ([0-9]{1,15})")


@dataclass(frozen=True)
class _File:
    """A file as it says itself: its names, and (line number, count, tiers of 0-based alternatives) for each ballot."""

    path: Path
    alternatives: tuple[str, ...]
    categories: tuple[str, ...]
    ballots: list[tuple[int, int, Tiers]]

    @property
    def counts(self) -> list[int]:
        return [count for _, count, _ in self.ballots]


def read_rankings(path: StrPath) -> Rankings:
    """The rankings in a PrefLib file ``.soc``, ``.soi``, ``.toc`` or ``.toi``, also with ``.gz`` after it.

    One row a line of the file, weighted by its count; alternatives by name in the file's order. Names that are equal
    get their number, ``'name (#3)'``, and an empty one is ``'#3'``. Alternatives that an order leaves out are unranked
    on it. The bytes are read as UTF-8 or, where they are not, as Latin-1.

    Raises ``ValueError`` for another suffix, a file that is empty or not text, a line that is no ballot, an
    alternative that does not exist or is twice on a ballot, counts that do not add up to the file's number of voters,
    and orders with ties or gaps in a file whose suffix rules them out.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "lunch.toi")
    >>> head = "# NUMBER ALTERNATIVES: 3\\n# NUMBER VOTERS: 5\\n"
    >>> names = "# ALTERNATIVE NAME 1: soup\\n# ALTERNATIVE NAME 2: rice\\n# ALTERNATIVE NAME 3: pie\\n"
    >>> _ = path.write_text(head + names + "3: 2,{1,3}\\n2: 1\\n")
    >>> votes = read_rankings(path)
    >>> votes.alternatives, votes.ranks.tolist(), votes.weights.tolist()
    (('soup', 'rice', 'pie'), [[1, 0, 1], [0, -1, -1]], [3.0, 2.0])
    """
    file = _read(path, _ORDERS, "read_rankings")
    kind = _suffix(file.path)
    shape = len(file.ballots), len(file.alternatives)
    rows: list[int] = []
    columns: list[int] = []
    places: list[int] = []
    for row, (number, _, tiers) in enumerate(file.ballots):
        for place, tier in enumerate(filter(None, tiers)):
            if kind[1] == "s" and len(tier) > 1:
                raise ValueError(
                    f"{file.path.name}, line {number}: needed an order without ties, as {kind} promises, got a tie; "
                    f"mend the line, or name the file .to{kind[3]} if ties are meant"
                )
            columns += tier
            rows += [row] * len(tier)
            places += [place] * len(tier)
    ranks = np.full(shape, -1)
    ranks[rows, columns] = places
    gaps = np.argwhere(ranks < 0)
    if kind[3] == "c" and gaps.size:
        row, column = gaps[0]
        raise ValueError(
            f"{file.path.name}, line {file.ballots[row][0]}: needed an order of all {shape[1]} alternatives, as {kind} "
            f"promises, got one without {file.alternatives[column]!r}; mend the line, or name the file .{kind[1]}oi if "
            "incomplete orders are meant"
        )
    return Rankings(ranks, file.counts, file.alternatives)


def read_approvals(path: StrPath, *, approved: Iterable[str] | None = None) -> Approvals:
    """The approval ballots in a PrefLib file of categories, ``.cat``, also with ``.gz`` after it.

    ``approved`` are the names of the categories that count as approval; by default the first of two. Rows, names and
    bytes are as in :func:`read_rankings`.

    Raises ``ValueError`` for what :func:`read_rankings` refuses, for a ballot that leaves an alternative out or does
    not have all categories, and without ``approved`` unless there are exactly two categories.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "lunch.cat")
    >>> head = "# NUMBER ALTERNATIVES: 2\\n# NUMBER VOTERS: 5\\n# CATEGORY NAME 1: yes\\n# CATEGORY NAME 2: no\\n"
    >>> names = "# ALTERNATIVE NAME 1: soup\\n# ALTERNATIVE NAME 2: rice\\n"
    >>> _ = path.write_text(head + names + "3: 2,1\\n2: {1,2},{}\\n")
    >>> votes = read_approvals(path)
    >>> votes.values.tolist(), votes.weights.tolist()
    ([[False, True], [True, True]], [3.0, 2.0])
    """
    file = _read(path, (".cat",), "read_approvals")
    counted = _approved(file, approved)
    values = np.zeros((len(file.ballots), len(file.alternatives)), np.bool_)
    for row, (number, _, tiers) in enumerate(file.ballots):
        if len(tiers) != len(file.categories):
            raise ValueError(
                f"{file.path.name}, line {number}: needed {len(file.categories)} categories, got {len(tiers)}; "
                "write an empty category as {}"
            )
        placed = {alternative for tier in tiers for alternative in tier}
        missing = [name for alternative, name in enumerate(file.alternatives) if alternative not in placed]
        if missing:
            raise ValueError(
                f"{file.path.name}, line {number}: needed each alternative in a category, got a ballot without "
                f"{short(missing)}; put them into one"
            )
        for category in counted:
            values[row, tiers[category]] = True
    return Approvals(values, file.counts, file.alternatives)


def _approved(file: _File, approved: Iterable[str] | None) -> list[int]:
    """The positions of the categories that count as approval."""
    listed = short(file.categories, len(file.categories)) or "none named"
    if approved is None:
        if len(file.categories) != 2:
            raise ValueError(
                f"{file.path.name}: needed two categories to take the first as approval, got {len(file.categories)} "
                f"({listed}); say which count as approval with approved=[...]"
            )
        return [0]
    wanted = [approved] if isinstance(approved, str) else list(approved)
    unknown = [name for name in wanted if name not in file.categories]
    if unknown or not wanted:
        raise ValueError(
            f"{file.path.name}: approved= needed names of categories, got {short(unknown) or 'none'}; "
            f"the file's are {listed}"
        )
    return [category for category, name in enumerate(file.categories) if name in wanted]


def _read(path: StrPath, suffixes: tuple[str, ...], reader: str) -> _File:
    where = Path(path)
    if _suffix(where) not in suffixes:
        advice = "read_approvals" if _suffix(where) == ".cat" else "read_rankings"
        use = f"use {advice} for {_suffix(where)} files" if _suffix(where) in (*_ORDERS, ".cat") else "rename the file"
        raise ValueError(
            f"{reader}: needed a PrefLib file {', '.join(suffixes)} (or that with .gz), got {where.name!r}; {use}"
        )
    headers: dict[str, str] = {}
    rows: list[tuple[int, str]] = []
    for number, line in _lines(where):
        if line.startswith("#"):
            if header := _HEADER.fullmatch(line):
                headers[header[1].upper()] = header[2]
        else:
            rows.append((number, line))
    size = _number(where, headers, "NUMBER ALTERNATIVES")
    if size is None:
        raise ValueError(
            f"{where.name}: needed a header '# NUMBER ALTERNATIVES: m', got {len(headers)} headers without it; "
            "files from before September 2022 have no headers, fetch the current one from preflib.org"
        )
    alternatives = _names(where, headers, "ALTERNATIVE", size)
    categories = _names(where, headers, "CATEGORY", _number(where, headers, "NUMBER CATEGORIES"))
    ballots = [_ballot(where, number, line, size) for number, line in rows]
    voters, counted = _number(where, headers, "NUMBER VOTERS"), sum(count for _, count, _ in ballots)
    if not counted or voters not in (None, counted):
        raise ValueError(
            f"{where.name}: needed ballots of {voters or 'some'} voters, as the headers say, got ballots of {counted}; "
            "the file may be cut short, fetch it again or mend the header"
        )
    return _File(where, alternatives, categories, ballots)


def _suffix(path: Path) -> str:
    """The suffix in lower case, without a .gz after it."""
    return Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The numbered lines that are not blank."""
    data = path.read_bytes()
    if path.suffix.lower() == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path.name}: needed a gzip file, got one that does not unpack ({error})") from None
    if not data.strip():
        raise ValueError(f"{path.name}: needed headers and ballots, got an empty file; fetch it again")
    if b"\0" in data:
        raise ValueError(f"{path.name}: needed text in PrefLib's format, got binary data; unpack or convert it first")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if line.strip():
            yield number, line.strip()


def _number(path: Path, headers: dict[str, str], key: str) -> int | None:
    value = headers.get(key)
    if value is None:
        return None
    if not re.fullmatch(_NUMBER, value):
        raise ValueError(f"{path.name}: needed a whole number in the header '# {key}', got {value!r}; mend the header")
    return int(value)


def _names(path: Path, headers: dict[str, str], what: str, size: int | None) -> tuple[str, ...]:
    """The names of the alternatives or categories in the file's order, told apart by their numbers where equal."""
    given = {int(found[2]): headers[key] for key in headers if (found := _NUMBERED.fullmatch(key)) and found[1] == what}
    size = len(given) if size is None else size
    outside = [number for number in given if not 1 <= number <= size]
    if outside:
        raise ValueError(
            f"{path.name}: needed {what} NAME headers numbered 1 to {size}, got number {outside[0]}; mend the headers"
        )
    names = [given.get(number) or f"#{number}" for number in range(1, size + 1)]
    while len(set(names)) < size:
        times = Counter(names)
        names = [f"{name} (#{i})" if times[name] > 1 else name for i, name in enumerate(names, 1)]
    return tuple(names)


def _ballot(path: Path, number: int, line: str, size: int) -> tuple[int, int, Tiers]:
    """The line's number, its count and its tiers."""
    match = _LINE.fullmatch(line)
    if match is None:
        shown = line if len(line) <= 60 else line[:60] + "…"
        raise ValueError(
            f"{path.name}, line {number}: needed a ballot such as '12: 3,{{1,2}},4', got {shown!r}; mend the line"
        )
    body = match[2] or ""
    if "{" in body:
        tiers = [[int(digits) - 1 for digits in re.findall(_NUMBER, tier)] for tier in re.findall(_TIER, body)]
    else:
        tiers = [[int(digits) - 1] for digits in body.split(",")] if body else []
    ranked = [alternative for tier in tiers for alternative in tier]
    outside = [alternative + 1 for alternative in ranked if not 0 <= alternative < size]
    if outside:
        raise ValueError(
            f"{path.name}, line {number}: needed alternatives numbered 1 to {size}, got {outside[0]}; "
            "mend the line or the header NUMBER ALTERNATIVES"
        )
    if len(set(ranked)) < len(ranked):
        twice = next(alternative + 1 for alternative in ranked if ranked.count(alternative) > 1)
        raise ValueError(
            f"{path.name}, line {number}: needed each alternative at most once, got {twice} twice; mend the line"
        )
    return number, int(match[1]), tiers
