"""What a theorem file says of itself, what its claims say when run, and the table of both."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import shutil
import textwrap
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

HERE = Path(__file__).parent
_FILE = re.compile(r"[a-z][a-z_]*_[0-9]{4}[a-z]?\Z")
METHODS = ("exhaustive", "certificate", "LP", "witness", "numeric")


class Claim(NamedTuple):
    """One claim, what it checks, and, once run, why it failed (``None``: it holds)."""

    name: str
    says: str
    failure: str | None
    seconds: float


@dataclass(frozen=True)
class Theorem:
    """A theorem's file: the statement, its source, the scope that is checked here, and how."""

    name: str
    statement: str
    more: tuple[str, ...]
    source: str
    scope: str
    method: tuple[str, ...]
    claims: tuple[Callable[[], None], ...]
    explain: Callable[[], str] | None


class Row(NamedTuple):
    """A theorem and what its claims gave; ``broken`` where the file itself could not be read."""

    name: str
    theorem: Theorem | None
    claims: tuple[Claim, ...]
    broken: str | None

    @property
    def holds(self) -> bool:
        """Whether there is a claim, and none failed."""
        return bool(self.claims) and all(claim.failure is None for claim in self.claims)

    @property
    def verdict(self) -> str:
        """The word for the table."""
        if self.theorem is None:
            return "not read"
        failed = sum(claim.failure is not None for claim in self.claims)
        return f"holds ({len(self.claims)})" if self.holds else f"FAILS ({failed} of {len(self.claims)})"

    @property
    def seconds(self) -> float:
        """How long the claims took together."""
        return sum(claim.seconds for claim in self.claims)


def names(folder: Path = HERE) -> list[str]:
    """The theorem files of a folder, in the order of their names (``author_year``)."""
    return sorted(path.stem for path in folder.glob("*.py") if _FILE.match(path.stem))


def load(name: str, folder: Path = HERE) -> ModuleType:
    """The module of a theorem file."""
    if folder == HERE:
        return importlib.import_module(f"theorems.{name}")
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder / name}.py could not be opened")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(module: ModuleType) -> Theorem:
    """What a theorem file says of itself; ``ValueError`` where it leaves out what it must say."""
    name = module.__name__.rpartition(".")[2]
    parts = [" ".join(part.split()) for part in inspect.cleandoc(module.__doc__ or "").split("\n\n")]
    said = {}
    for word in ("Source", "Scope"):
        found = [part.removeprefix(f"{word}:").strip() for part in parts if part.startswith(f"{word}:")]
        if len(found) != 1 or not found[0]:
            raise ValueError(f"theorem {name}: needed one paragraph that begins with '{word}:', got {len(found)}")
        said[word] = found[0]
    if not parts[0] or parts[0].startswith(("Source:", "Scope:")):
        raise ValueError(f"theorem {name}: needed the statement as the docstring's first sentence, got {parts[0]!r}")
    given = getattr(module, "METHOD", ())
    method = (given,) if isinstance(given, str) else tuple(given)
    if not method or not set(method) <= set(METHODS):
        raise ValueError(f"theorem {name}: needed METHOD among {', '.join(METHODS)}, got {given!r}")
    claims = tuple(value for key, value in vars(module).items() if key.startswith("claim_") and callable(value))
    mute = [claim.__name__ for claim in claims if not inspect.getdoc(claim)]
    if not claims or mute:
        raise ValueError(f"theorem {name}: needed claims with a docstring each, got {mute or 'no claim'}")
    more = tuple(part for part in parts[1:] if not part.startswith(("Source:", "Scope:")))
    return Theorem(
        name, parts[0], more, said["Source"], said["Scope"], method, claims, getattr(module, "explain", None)
    )


def check(claim: Callable[[], None]) -> Claim:
    """Run one claim. Whatever it raises is a failure."""
    start, failure = time.perf_counter(), None
    try:
        claim()
    except Exception as error:  # a claim that breaks has not been shown
        failure = f"{type(error).__name__}: {error}".rstrip(": ")
    says = " ".join((inspect.getdoc(claim) or "").split())
    return Claim(claim.__name__, says, failure, time.perf_counter() - start)


def row(name: str, folder: Path = HERE) -> Row:
    """Read a theorem file and run its claims."""
    try:
        theorem = read(load(name, folder))
    except Exception as error:  # the table says so, and goes on with the others
        return Row(name, None, (), f"{type(error).__name__}: {error}")
    return Row(name, theorem, tuple(check(claim) for claim in theorem.claims), None)


def failures(rows: Iterable[Row]) -> list[str]:
    """A line for each claim that failed and each file that could not be read."""
    found = []
    for each in rows:
        if each.broken:
            found.append(f"{each.name}: {each.broken}")
        found += [f"{each.name}.{claim.name}: {claim.failure}" for claim in each.claims if claim.failure]
    return found


def wrapped(text: str, indent: str = "", later: str | None = None, width: int | None = None) -> list[str]:
    """Text as lines that fit the terminal, at most 110 wide."""
    wide = min(width or shutil.get_terminal_size((100, 24)).columns, 110)
    return textwrap.wrap(text, wide, initial_indent=indent, subsequent_indent=indent if later is None else later)


def _cells(each: Row) -> tuple[str, str, str, str, str]:
    if each.theorem is None:
        return each.name, each.broken or "", "", each.verdict, ""
    theorem = each.theorem
    method = ", ".join(theorem.method)
    return f"{each.name}: {theorem.statement}", theorem.scope, method, each.verdict, f"{each.seconds:.2f}"


def plain(rows: Iterable[Row], width: int | None = None) -> str:
    """The table as text: under each name the statement, the scope, the method, the verdict and the seconds."""
    lines = []
    for each in rows:
        statement, scope, method, verdict, seconds = _cells(each)
        lines += wrapped(statement, later="  ", width=width)
        for word, text in (("scope", scope), ("method", method), ("verdict", verdict), ("seconds", seconds)):
            if text:
                lines += wrapped(f"{word}: {text}", "  ", "    ", width)
        lines.append("")
    return "\n".join(lines)


def show(rows: Iterable[Row]) -> None:
    """Print the table, with rich where it is installed; narrow ones have the scope below the theorem."""
    rows = list(rows)
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        print(plain(rows))
        return
    console = Console()
    wide = console.width >= 120
    table = Table(box=box.SIMPLE_HEAD, show_lines=True)
    for word in ("theorem", "scope") if wide else ("theorem, scope",):
        table.add_column(word)
    table.add_column("method", width=11)
    table.add_column("verdict", min_width=9)
    table.add_column("seconds", justify="right", no_wrap=True)
    for each in rows:
        statement, scope, method, verdict, seconds = _cells(each)
        says = (Text(statement), Text(scope)) if wide else (Text.assemble((statement, "bold"), "\n", scope),)
        table.add_row(*says, method, Text(verdict, "green" if each.holds else "bold red"), seconds)
    console.print(table)
