"""The terminal summary of an audit, in plain words and two tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from choicekit.report import sentences
from choicekit.report.numbers import Document, bounds, count, decimal, label, p_value, percent, places, signed

#: As many groups as the terminal lists.
MOST_GROUPS = 12
_INDENT, _GUTTER = 2, 2


def show(document: Document, console: Any, truth: Mapping[str, float] | None = None, files: Iterable[Any] = ()) -> None:
    """Print the summary of an audit's document on a rich console.

    ``truth`` are the groups' true gaps by label, where they are known; ``files`` the files that were written. Raises
    ``ImportError`` without the ``cli`` extra and ``ValueError`` for any other document.

    >>> from rich.console import Console
    >>> from choicekit import audit, domains
    >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
    >>> show(audit(votes, replicates=20, permutations=20).to_dict(), Console(width=80))
    What was read
      1,800 comparisons of 6 alternatives by 90 voters in 3 groups (column “group”).
    ...
    """
    sentences.check(document)
    page = _Page(console)
    page.heading("What was read")
    page.paragraph(sentences.was_read(document))
    (_found if len(document["groups"]) > 1 else _one_group)(page, document, truth)
    if disagreeing := sentences.readings(document):
        page.heading("Which alternative comes first depends on the reading")
        page.paragraph(disagreeing)
    page.heading("What this audit cannot say")
    page.points(sentences.limits(document))
    if written := [str(file) for file in files]:
        page.heading("Files")
        page.points(written, mark="")


def _found(page: _Page, document: Document, truth: Mapping[str, float] | None) -> None:
    page.heading("Do the groups differ more than chance?")
    page.paragraph([sentences.difference(document)])
    page.heading("Whom does the pooled reward fail, and by how much?")
    page.paragraph(sentences.failed(document, truth))
    _groups(page, document, truth)
    page.heading("What would another rule change for the worst-off group, and at what price?")
    page.paragraph(sentences.rules(document))
    _rules(page, document)


def _one_group(page: _Page, document: Document, _: Mapping[str, float] | None) -> None:
    page.heading("Whom does the pooled reward fail?")
    page.paragraph([sentences.ONE_GROUP])
    page.heading("What would the pooled policy answer?")
    page.paragraph([*sentences.rewards(document), *sentences.collapse(document)])


def _groups(page: _Page, document: Document, truth: Mapping[str, float] | None) -> None:
    digits, rows = places(document), sentences.worst_first(document, truth)
    header = ["group", "voters", "share", "gap [low, high]", "p (Holm)", "win rate"]
    header += ["true gap"] if truth else []
    page.table(header, [_group(row, digits, bool(truth)) for row in rows[:MOST_GROUPS]], labels=1)
    if len(rows) > MOST_GROUPS:
        page.line(f"and {len(rows) - MOST_GROUPS} more in report.json")
    level = f"{100 * document['settings']['level']:g}"
    page.line(f"gap: log-odds lost against a policy of the group's own; {level}% intervals")


def _group(row: Mapping[str, Any], digits: int, truth: bool) -> list[str]:
    return [
        row["group"],
        count(row["voters"]),
        percent(row["share"]),
        f"{decimal(row['gap'], digits)} {bounds(row['gap_low'], row['gap_high'], digits)}",
        p_value(row["corrected"]),
        percent(row["win_rate"]),
        *([decimal(row["true_gap"], digits)] if truth else []),
    ]


def _rules(page: _Page, document: Document) -> None:
    digits, rows = places(document), sentences.ordered_rules(document)
    body = []
    for row in rows:
        largest = f"{decimal(row['worst_gap'], digits)} {bounds(row['worst_gap_low'], row['worst_gap_high'], digits)}"
        differences = ["", ""] if row is rows[0] else [signed(row[name], digits) for name in ("change", "price")]
        body.append(
            [
                row["name"],
                row["worst_group"],
                largest,
                differences[0],
                decimal(row["average_gap"], digits),
                differences[1],
            ]
        )
    page.table(["rule", "worst off", "its gap [low, high]", "change", "average", "price"], body, labels=2)


class _Page:
    """Headings, paragraphs and tables on a console, no line wider than it."""

    def __init__(self, console: Any) -> None:
        try:
            import rich.cells
            import rich.text
        except ImportError:
            raise ImportError("the terminal summary needs rich: pip install 'choicekit[cli]'") from None
        self._console, self._text, self._size = console, rich.text.Text, rich.cells.cell_len
        self._begun = False

    def heading(self, said: str) -> None:
        if self._begun:
            self._console.print()
        self._begun = True
        self._wrapped(said, "", "", "bold")

    def paragraph(self, said: Sequence[str]) -> None:
        if said:
            self.line(" ".join(said))

    def line(self, said: str) -> None:
        self._wrapped(said, " " * _INDENT, " " * _INDENT)

    def points(self, said: Sequence[str], mark: str = "– ") -> None:
        for one in said:
            self._wrapped(one, " " * _INDENT + mark, " " * (_INDENT + len(mark)))

    def _wrapped(self, said: str, first: str, then: str, style: str = "") -> None:
        width = max(self._console.width - len(then), 10)
        for place, part in enumerate(self._text(said, style=style).wrap(self._console, width, overflow="fold")):
            part.rstrip()
            self._console.print(self._text(then if place else first, style=style) + part, soft_wrap=True)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], labels: int) -> None:
        """A table whose first ``labels`` columns are labels, cropped to what the numbers leave."""
        size = self._size
        cleaned = [[*(label(cell, 200) for cell in row[:labels]), *row[labels:]] for row in rows]
        widths = [max(size(cell) for cell in cells) for cells in zip(header, *cleaned, strict=True)]
        free = self._console.width - _INDENT - _GUTTER * (len(header) - 1) - sum(widths[labels:])
        widths[:labels] = _fitted(widths[:labels], [size(cell) for cell in header], free)
        for place, row in enumerate([header, *cleaned]):
            self._row(row, widths, labels, "dim" if place == 0 else "")

    def _row(self, row: Sequence[str], widths: Sequence[int], labels: int, style: str) -> None:
        cells = []
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            text = self._text(_cropped(cell, width))
            text.align("left" if place < labels else "right", width)
            cells.append(text)
        line = self._text(" " * _INDENT, style=style) + self._text(" " * _GUTTER).join(cells)
        line.rstrip()
        self._console.print(line, no_wrap=True, overflow="crop")


def _cropped(cell: str, width: int) -> str:
    """A cell that fits, what is too long losing its middle: crossed labels differ at either end."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(cell) <= width:
        return cell
    tail = (width - 1) // 2
    end = set_cell_size(cell[::-1], tail)[::-1].lstrip()
    return f"{set_cell_size(cell, width - 1 - tail).rstrip()}…{end}"


def _fitted(wanted: Sequence[int], least: Sequence[int], free: int) -> list[int]:
    """Widths that sum to at most ``free``: the last gives way first, none below its ``least``."""
    widths = list(wanted)
    for place in reversed(range(len(widths))):
        widths[place] -= min(max(sum(widths) - free, 0), widths[place] - least[place])
    return widths
