"""The page of an audit: one HTML file that holds everything it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from choicekit.report import charts, numbers, sentences
from choicekit.report.numbers import Document
from choicekit.report.words import DEFINITIONS

#: Beyond this many groups the rewards of every group are folded away.
_WIDE = 5


def html(document: Document, truth: Mapping[str, float] | None = None) -> str:
    """The report as one HTML page that fetches nothing, from an audit's document.

    ``truth`` are the groups' true gaps by label, where they are known; labels of no group are passed over. Raises
    ``ImportError`` without the ``report`` extra and ``ValueError`` for any other document.

    >>> from choicekit import audit, domains
    >>> votes = domains.three_groups().sample(voters=90, comparisons=20, rng=0)
    >>> html(audit(votes, replicates=20, permutations=20).to_dict())[:15]
    '<!doctype html>'
    """
    sentences.check(document)
    several = len(document["groups"]) > 1
    page: str = _template().render(
        document=document,
        several=several,
        wide=len(document["groups"]) > _WIDE,
        level=f"{100 * document['settings']['level']:g}%",
        said=_said(document, truth),
        groups=sentences.worst_first(document, truth),
        alternatives=sentences.top_alternatives(document)[: charts.MOST_ALTERNATIVES],
        rules=sentences.ordered_rules(document),
        weighing=[rule for rule in document["rules"] if rule["multipliers"] is not None],
        gap_chart=charts.gaps(document, truth),
        reward_chart=charts.rewards(document),
        rule_chart=charts.rules(document),
        collapse_chart=charts.collapse(document),
        definitions=DEFINITIONS,
        titles={rule["rule"]: rule["label"] for rule in document["rules"]},
    )
    return page


def _said(document: Document, truth: Mapping[str, float] | None) -> dict[str, list[str]]:
    """The sentences of each section, the finding first."""
    return {
        "read": sentences.was_read(document),
        "differ": [sentences.difference(document)],
        "failed": sentences.failed(document, truth),
        "rewards": sentences.rewards(document),
        "readings": sentences.readings(document),
        "rules": sentences.rules(document),
        "collapse": sentences.collapse(document),
        "limited": [sentences.limited(document)],
        "limits": sentences.limits(document),
    }


@cache
def _template() -> Any:
    try:
        import jinja2
    except ImportError:
        raise ImportError("the HTML report needs jinja2: pip install 'choicekit[report]'") from None
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FunctionLoader(_text),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("label", "quoted", "decimal", "signed", "count", "percent", "p_value"):
        environment.filters[name] = getattr(numbers, name)
    environment.filters["tied"] = lambda said: said.replace(" = ", "\u00a0=\u00a0")
    environment.filters["column"] = sentences.column
    environment.filters["slug"] = _slug
    environment.globals["bounds"] = numbers.bounds
    return environment.get_template("report.html.j2")


def _text(name: str) -> str:
    return files("choicekit.report").joinpath(name).read_text(encoding="utf-8")


def _slug(term: str) -> str:
    """The anchor of a definition."""
    if term not in DEFINITIONS:
        raise KeyError(f"no definition of {term!r}")
    return "def-" + re.sub(r"\W+", "-", term.replace("β", "beta")).lower()


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of an audit's document, parsed.

    >>> sorted(schema()["required"])[:3]
    ['alternatives', 'choicekit', 'collapse']
    """
    import json

    found: dict[str, Any] = json.loads(_text("audit.schema.json"))
    return found
