"""The command ``choicekit axioms``: a rule held to the axioms, its counterexamples as ballots."""

from __future__ import annotations

import ast
import collections
import difflib
import functools
import importlib.util
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from choicekit import axioms, rules
from choicekit.profiles import Rankings

Progress = Callable[[], AbstractContextManager[Callable[[str, int, int], None]]]


def command(progress: Progress) -> Any:
    """The click command; ``progress()`` opens a bar that is told what is being done.

    >>> command(None).name
    'axioms'
    """
    import click

    @click.command("axioms", options_metavar="[OPTIONS]")
    @click.argument("rule", metavar="RULE_OR_FILE.py:FUNCTION")
    @click.argument("names", metavar="[AXIOM]...", nargs=-1)
    @click.option(
        "--voters", metavar="N|N-N", default="4", show_default=True, help="Up to so many voters (3-5: from 3 to 5) …"
    )
    @click.option(
        "--alternatives", metavar="N|N-N", default="4", show_default=True, help="… on up to so many alternatives."
    )
    @click.option(
        "--budget",
        type=click.IntRange(1),
        default=200_000,
        show_default=True,
        help="Search through all profiles until the rule was run about so often.",
    )
    @click.option(
        "--draws",
        type=click.IntRange(1),
        default=200,
        show_default=True,
        help="Profiles drawn for an axiom where the budget ends the search through all.",
    )
    @click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="An option of the rule, as in k=2.")
    @click.option("--rng", type=int, default=0, show_default=True, help="Seed of everything random.")
    @click.option("--show", is_flag=True, help="Print every counterexample as ballots.")
    def examine(rule: str, names: Sequence[str], options: Sequence[str], show: bool, **sizes: Any) -> int:
        """Hold a rule to the axioms: which does it violate, and by which smallest ballots?

        RULE is one of choicekit's, or a function in a file of yours, which gets the rankings (or what its annotation
        says) and returns the winners or an outcome. Without AXIOM it is held to all that speak of what it answers.
        """
        sizes |= {name: _sizes(name, sizes[name]) for name in ("voters", "alternatives")}
        chosen = loaded(rule)
        if options:
            chosen = functools.partial(chosen, **dict(_option(entry) for entry in options))
        wanted = [named(name) for name in names] or list(axioms.applicable(chosen))
        if not wanted:
            _try(chosen)
        with progress() as told:
            verdicts = _checked(chosen, wanted, told, sizes)
        show_verdicts(verdicts, show or bool(names), ", ".join(options))
        return 0

    return examine


def loaded(text: str) -> Callable[[Any], Any]:
    """A rule by its name, or a function by its file and its name. ``ValueError`` where there is none.

    >>> loaded("borda")
    <rule borda on Rankings>
    >>> loaded("bordaa")
    Traceback (most recent call last):
        ...
    ValueError: no rule is called 'bordaa'; did you mean borda? A function of your own is named FILE.py:FUNCTION
    """
    path, colon, name = text.rpartition(":")
    if not colon:
        found = getattr(rules, text, None)
        if isinstance(found, rules.Rule):
            return found
        known = [name for name in rules.__all__ if isinstance(getattr(rules, name), rules.Rule)]
        raise ValueError(
            f"no rule is called {text!r}{_near(text, known)} A function of your own is named FILE.py:FUNCTION"
        )
    module = _module(path)
    function = getattr(module, name, None)
    if not callable(function):
        there = [word for word, value in vars(module).items() if callable(value) and not word.startswith("_")]
        raise ValueError(f"{path} has no function {name!r}; it has {', '.join(there) or 'none'}")
    if isinstance(function, rules.Rule):
        return function
    try:
        return rules.rule(function)
    except TypeError:  # no annotation says what it may see: it gets what the axiom speaks of
        return function  # type: ignore[no-any-return]


def _module(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("rule_under_examination", path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise ValueError(f"needed FILE.py:FUNCTION, but {path!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where annotations are looked up
    sys.path.insert(0, str(Path(path).resolve().parent))  # as where the file is run
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{path} does not run: {type(error).__name__}: {error}") from error
    return module


def _checked(rule: Callable[[Any], Any], wanted: Sequence[axioms.Axiom], progress: Any, sizes: Any) -> Any:
    """The verdicts; whatever the rule raises becomes a message that says on which profile."""
    try:
        return axioms.check(rule, wanted, progress=progress, **sizes)
    except Exception as error:
        notes = getattr(error, "__notes__", [])
        if not notes and not isinstance(error, RuntimeError):
            raise
        kind = f"{type(error).__name__}: " if notes else ""  # without notes: a rule that does not answer alike
        raise ValueError("\n".join([f"{kind}{error}", *notes])) from error


def named(name: str) -> axioms.Axiom:
    """An axiom by its name. ``ValueError`` where there is none.

    >>> named("condorcet_winner")
    <axiom condorcet_winner of winners>
    """
    found = getattr(axioms, name, None)
    if isinstance(found, axioms.Axiom):
        return found
    raise ValueError(f"no axiom is called {name!r}{_near(name, [axiom.name for axiom in axioms.every_axiom()])}")


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    return f"; did you mean {' or '.join(near)}?" if near else "."


def _option(entry: str) -> tuple[str, Any]:
    name, sign, value = entry.partition("=")
    if not sign:
        raise ValueError(f"--option: needed NAME=VALUE such as k=2, got {entry!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _sizes(name: str, text: str) -> int | tuple[int, int]:
    low, dash, high = text.partition("-")
    try:
        return (int(low), int(high)) if dash else int(low)
    except ValueError:
        raise ValueError(f"--{name}: needed a number such as 4, or from and to such as 3-5, got {text!r}") from None


def _try(rule: Callable[[Any], Any]) -> None:
    """Say why no axiom can be asked of a rule, by what it raises or answers."""
    profile = Rankings([[0, 1, 2], [1, 0, 2], [0, 2, 1]])
    try:
        axioms.readings.answered(axioms.readings.winners, rule, profile)
    except Exception as error:
        why = f"the rule answers none of the ballots that axioms speak of; {type(error).__name__}: {error}"
        raise ValueError("\n".join([why, *error.__notes__])) from error
    raise ValueError("the rule answers rankings alone, and with what no axiom reads")


def show_verdicts(verdicts: Sequence[axioms.Verdict], show: bool, options: str = "") -> None:
    """Print verdicts as a table, and their counterexamples as ballots where asked to.

    What the verdicts say in the same words of where they looked is printed once, below the table.

    >>> from choicekit import axioms, rules
    >>> show_verdicts(axioms.check(rules.borda, [axioms.majority], voters=3, alternatives=3), True)
    borda
    ...
    """
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=None, pad_edge=False, show_edge=False)
    for heading in ("axiom", "verdict", "where"):
        table.add_column(heading, overflow="fold")
    colours = {"violated": "red", "holds": "green", "not refuted": "yellow"}
    scopes = [_where(verdict) for verdict in verdicts]
    often = [text for text, times in collections.Counter(scopes).items() if times > 1]
    below = {text: f"({number + 1})" for number, text in enumerate(often)}
    for verdict, where in zip(verdicts, scopes, strict=True):
        if verdict.violation:
            where = f"{verdict.violation.size}{' ' if where in below else ', '}{below.get(where, where)}"
        name = _folded(verdict.axiom, console.width - len("  not refuted  3 voters on 3 alternatives (1)"))
        table.add_row(name, f"[{colours[verdict.status]}]{verdict.status}[/]", below.get(where, where))
    console.print(f"[bold]{verdicts[0].rule}[/]{f' with {options}' if options else ''}", highlight=False)
    console.print(table)
    for text, mark in below.items():
        console.print(f"{mark} {text}", markup=False, highlight=False)
    for verdict in verdicts:
        if show and verdict.violation:
            console.print(f"\n{verdict.violation}", markup=False, highlight=False, soft_wrap=True)


def _folded(name: str, room: int) -> str:
    """A name in two lines where it has no room in one, the first of them ending in an underscore."""
    cut = name.rfind("_", 0, max(room, 0)) + 1
    return f"{name[:cut]}\n{name[cut:]}" if cut and len(name) > room else name


def _where(verdict: axioms.Verdict) -> str:
    """Where a verdict was looked for; of a violation what is known of smaller ones."""
    if verdict.violation is None:
        return verdict.summary.removeprefix("not refuted in ").removeprefix("holds for ")
    _, _, rest = verdict.summary.partition(f"by {verdict.violation.size}")
    return rest.removeprefix(", ").removeprefix("; ") or "perhaps not the smallest"
