"""The command line: ``choicekit audit FILE``, ``choicekit axioms RULE`` and ``choicekit demo``."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from choicekit import __version__, alignment, domains, examination, ingest, models, report
from choicekit.audit import Audit, audit
from choicekit.outcomes import NotConverged
from choicekit.profiles import Comparisons

_DEMO_VOTERS, _DEMO_COMPARISONS = 400, 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 fine, 2 bad input.

    >>> main(["--version"])
    choicekit, version ...
    0
    """
    try:
        import click
        import rich  # noqa: F401
    except ImportError:
        print(
            "choicekit: the command line needs click and rich.\nInstall them: pip install 'choicekit[cli]'",
            file=sys.stderr,
        )
        return 2
    try:
        return int(_commands().main(arguments, prog_name="choicekit", standalone_mode=False) or 0)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        return 130
    except click.ClickException as error:
        return _refuse(error.format_message(), "--help after a command lists what there is")
    except (ValueError, KeyError, TypeError, OSError, ImportError, NotConverged) as error:
        return _refuse(str(error.args[0] if isinstance(error, KeyError) else error))


def _refuse(message: str, hint: str = "") -> int:
    print(f"choicekit: {message}" + (f"\n{hint}" if hint else ""), file=sys.stderr)
    return 2


def _commands() -> Any:
    import click

    @click.group(
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    @click.version_option(__version__)
    @click.pass_context
    def choicekit(context: click.Context) -> None:
        """Social choice for AI alignment: whom would a single reward model fail?"""
        if context.invoked_subcommand is None:
            click.echo(context.get_help())

    choicekit.command("audit")(_options(click)(_audit))
    folder = click.Path(path_type=Path, file_okay=False)
    demo_out = click.option(
        "--out", type=folder, default="audit-demo", show_default=True, help="Folder for the report."
    )
    choicekit.command("demo")(demo_out(_demo))
    choicekit.add_command(examination.command(_progress))
    return choicekit


def _options(click: Any) -> Callable[[Any], Any]:
    """The argument and options of ``audit``, in the order of its help."""
    listed: dict[str, dict[str, Any]] = {
        "--group": {"multiple": True, "metavar": "COL", "help": "Column that says which group a row belongs to."},
        "--cross": {"is_flag": True, "help": "Cross several group columns into one, instead of auditing each."},
    }
    columns = {
        "voter": "Column with the voter (annotator).",
        "context": "Column with the prompt; each has alternatives of its own.",
        "winner": "Column with the preferred alternative …",
        "loser": "… and with the other; or else:",
        "first": "column with the first side,",
        "second": "with the second side,",
        "outcome": "and with what was said;",
        "first-wins": "or how often the first side won",
        "second-wins": "and the second.",
        "tie": "Column that is true where the row is a tie.",
        "weight": "Column with how often a row counts.",
    }
    listed |= {f"--{name}": {"metavar": "COL", "help": said} for name, said in columns.items()}
    listed |= {
        "--map": {"multiple": True, "metavar": "VALUE=MEANING",
                  "help": "What an outcome value means: first, second, tie or skip."},
        "--skip": {"multiple": True, "type": click.Choice(["missing", "self"]),
                   "help": "Leave out (and count) rows that lack a label or compare a thing with itself."},
        "--voters": {"type": click.Path(path_type=Path), "metavar": "FILE",
                     "help": "Table with one row a voter, to take the group columns from."},
        "--beta": {"type": float, "default": 0.1, "show_default": True,
                   "help": "Weight of the KL penalty, in log-odds."},
        "--replicates": {"type": int, "default": 200, "show_default": True, "help": "Bootstrap refits."},
        "--rng": {"type": int, "default": 0, "show_default": True, "help": "Seed of everything random."},
        "--out": {"type": click.Path(path_type=Path, file_okay=False), "default": "audit", "show_default": True,
                  "help": "Folder for report.html, report.json, training.parquet and training.jsonl."},
    }  # fmt: skip

    def decorate(function: Any) -> Any:
        for name, settings in reversed(listed.items()):
            parameter = "meaning" if name == "--map" else name[2:].replace("-", "_")
            function = click.option(name, parameter, **settings)(function)
        return click.argument("file", type=click.Path(path_type=Path))(function)

    return decorate


def _audit(file: Path, cross: bool, meaning: Sequence[str], out: Path, **options: Any) -> int:
    """Audit a table of preferences: CSV, TSV, JSON lines or Parquet, .gz too.

    Columns that are not named are guessed from common names, and the guess is printed.
    """
    settings = {name: options.pop(name) for name in ("beta", "replicates", "rng")}
    options["group"] = list(options["group"])
    reading = ingest.read_comparisons(file, **options, meaning=dict(_meaning(entry) for entry in meaning))
    names = list(reading.comparisons.partitions)
    if cross and len(names) < 2:
        raise ValueError("--cross: needed at least two --group columns to cross")
    for chosen in [names] if cross else [[name] for name in names] or [[]]:
        one = reading.comparisons.grouped_by(*chosen) if chosen else reading.comparisons
        folder = out
        if len(names) > 1 and not cross:
            folder = out / re.sub(r"[^\w.-]+", "_", chosen[0]).lstrip(".")
        _report(one, reading.report, folder, settings)
    return 0


def _demo(out: Path) -> int:
    """Audit a simulated population whose true gaps are known, and print them beside the estimates."""
    population = domains.three_groups()
    votes = population.sample(voters=_DEMO_VOTERS, comparisons=_DEMO_COMPARISONS, rng=0)
    print(
        f"A simulated population: {_DEMO_VOTERS} voters in three groups (60 %, 30 %, and a minority\n"
        f"of 10 % with other values) compare {_DEMO_COMPARISONS} pairs each of six ways to answer.\n"
        "The truth is known, so it stands beside the estimates.\n"
    )
    _report(votes, None, out, {"beta": 0.1, "replicates": 200, "rng": 0}, true_gaps(population, 0.1))
    return 0


def true_gaps(population: domains.Population, beta: float) -> dict[str, float]:
    """Each group's gap under the pooled reward that unlimited data from the population would give.

    >>> {group: round(gap, 2) for group, gap in true_gaps(domains.three_groups(), 0.1).items()}
    {'first': 0.02, 'second': 0.19, 'minority': 2.92}
    """
    pooled = models.bradley_terry(population.everything())
    order = [population.alternatives.index(str(label)) for label in pooled.alternatives]
    policy = alignment.rlhf_policy(pooled.scores, beta=beta)
    gaps = alignment.gap(population.rewards[:, order], policy, beta=beta).gaps
    return {report.text(group): float(gap) for group, gap in zip(population.groups, gaps, strict=True)}


def _meaning(entry: str) -> tuple[str, str]:
    value, sign, meant = entry.rpartition("=")
    if not sign:
        raise ValueError(f"--map: needed VALUE=MEANING such as 'both bad=tie', got {entry!r}")
    return value, meant


def _report(
    comparisons: Comparisons, read: Any, out: Path, settings: dict[str, Any], truth: dict[str, float] | None = None
) -> None:
    from rich.console import Console

    with _progress() as progress:
        found = audit(
            comparisons,
            beta=settings["beta"],
            replicates=settings["replicates"],
            rng=settings["rng"],
            source=read,
            progress=progress,
        )
    document = found.to_dict()
    files = _write(found, document, out, truth)
    report.show(document, Console(), truth=truth, files=files)


def _write(found: Audit, document: dict[str, Any], out: Path, truth: dict[str, float] | None) -> list[str]:
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.html").write_text(report.html(document, truth=truth), encoding="utf-8")
    (out / "report.json").write_text(found.to_json(), encoding="utf-8")
    columns = found.training_table()
    for name in ("training.parquet", "training.jsonl"):
        ingest.write_table(columns, out / name)
    return [str(out / name) for name in ("report.html", "report.json", "training.parquet", "training.jsonl")]


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("fitting groups", total=None)

        def advance(stage: str, done: int, total: int) -> None:
            bar.update(task, description=stage, completed=done, total=total)

        yield advance


if __name__ == "__main__":
    sys.exit(main())
