"""The report: made from documents of audits that were really run, and looked at in a browser where there is one."""

from __future__ import annotations

import builtins
import html as entities
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from choicekit import Comparisons, audit, domains, ingest, report
from choicekit.report import charts, numbers, sentences

Document = dict[str, Any]

SCRIPT, MARKUP, CLOSING = "<script>alert(1)</script>", "[bold]x[/bold]", '</script><img src="https://evil.example/x">'
QUOTED, LONG, LINES = "\"'`&amp;", "a very long label that goes on and on " * 8, "two\nlines\x1b[31m\u202e"
HOSTILE = (SCRIPT, MARKUP, CLOSING, QUOTED, LONG, LINES)


def _audit(comparisons: Comparisons, **more: Any) -> Document:
    found = audit(comparisons, replicates=20, permutations=20, **more)
    return dict(json.loads(found.to_json()))


def _votes(rows: int = 400, groups: int = 3, labels: Sequence[str] = "abcd", **other: Any) -> Document:
    """Comparisons by voters whose taste depends on their group; ``other`` columns are made from group and voter."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, len(labels), rows)
    second = (first + rng.integers(1, len(labels), rows)) % len(labels)
    voter = rng.integers(0, 12 * groups, rows)
    group = voter % groups
    prefers = rng.random(rows) < np.where((first < second) == (group > 0), 0.8, 0.2)
    columns = {name: make(group, voter) for name, make in other.items()}
    winner, loser = np.where(prefers, first, second), np.where(prefers, second, first)
    return _audit(Comparisons([labels[k] for k in winner], [labels[k] for k in loser], **columns))


def _from_a_table() -> Document:
    table = {"chosen": list("abcbca" * 40), "rejected": list("bcaacb" * 40), "who": list(range(24)) * 10}
    table[SCRIPT] = ["x", "y"] * 120
    read = ingest.read_comparisons(pa.table(table), voter="who", group=SCRIPT, skip=["self"])
    return _audit(read.comparisons, source=read.report)


GROUP: dict[str, Any] = {"group": lambda group, _: group}
BOTH: dict[str, Any] = GROUP | {"voter": lambda _, voter: voter}
ALPHABET = "abcdefghijklmnopqrstuvwxyz"
MADE: dict[str, Callable[[], Document]] = {
    "plain": lambda: _audit(domains.three_groups().sample(voters=90, comparisons=20, rng=0)),
    "no groups": lambda: _votes(weight=lambda group, _: np.full(len(group), 0.5)),
    "no voters": lambda: _votes(**GROUP),
    "contexts": lambda: _votes(**BOTH, context=lambda group, _: [f"prompt {n % 3}" for n in range(len(group))]),
    "one voter": lambda: _votes(**GROUP, voter=lambda group, voter: np.where(group == 1, 1, voter)),
    "hostile": lambda: _votes(
        groups=6, labels=HOSTILE, group=lambda group, _: [HOSTILE[g] for g in group], voter=BOTH["voter"]
    ),
    "many groups": lambda: _votes(1500, 15, ALPHABET, **BOTH),
    "alike": lambda: _votes(groups=1, group=lambda _, voter: voter % 2, voter=BOTH["voter"]),
    "from a table": _from_a_table,
}
TRUTH = {"first": 0.02, "second": 0.19, "minority": 2.92, "nobody": 1.0}


@pytest.fixture(scope="module")
def documents() -> dict[str, Document]:
    return {name: make() for name, make in MADE.items()}


@pytest.fixture(params=list(MADE))
def document(request: pytest.FixtureRequest, documents: dict[str, Document]) -> Document:
    return documents[request.param]


class Reader(HTMLParser):
    """A strict reader: tags balance, and what was met is kept."""

    VOID = frozenset({"meta", "input", "br", "img", "link"})

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.headings: list[str] = []
        self.tables: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append({"caption": "", "rows": []})
        if tag == "tr":
            self.tables[-1]["rows"].append([])
        if tag in ("td", "th"):
            self.tables[-1]["rows"][-1].append("")
        if tag == "h2":
            self.headings.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.open)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if "h2" in self.open:
            self.headings[-1] += data
        if "caption" in self.open:
            self.tables[-1]["caption"] += data
        elif "td" in self.open or "th" in self.open:
            self.tables[-1]["rows"][-1][-1] += data

    def table(self, caption: str) -> list[list[str]]:
        return next(
            [[" ".join(cell.split()) for cell in row] for row in table["rows"]]
            for table in self.tables
            if table["caption"] == caption
        )


def _summary(document: Document, width: int = 80, **more: Any) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        report.show(document, console, **more)
        return console.export_text()


def test_every_document_keeps_to_the_schema(document: Document) -> None:
    validators = pytest.importorskip("jsonschema")
    validators.Draft202012Validator.check_schema(report.schema())
    validator = validators.Draft202012Validator(report.schema())
    validator.validate(document)
    assert not validator.is_valid(document | {"surprise": 1})
    assert not validator.is_valid(document | {"notes": None})


def test_the_schema_describes_every_field_and_allows_no_other() -> None:
    def walk(part: Document, path: str) -> None:
        assert part.get("description"), f"no description of {path}"
        if "properties" in part:
            assert part["additionalProperties"] is False, path
            assert sorted(part["required"]) == sorted(part["properties"]), path
            for name, inner in part["properties"].items():
                walk(inner, f"{path}.{name}")
        if "items" in part:
            walk(part["items"], f"{path}[]")

    walk(report.schema(), "document")


def test_the_page_is_whole_and_fetches_nothing(document: Document) -> None:
    page = report.html(document)
    assert page.startswith("<!doctype html>")
    read = Reader(page)
    assert ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:") in read.attributes  # fmt: skip  # noqa: E501
    ids = [value for _, name, value in read.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    for _tag, name, value in read.attributes:
        assert name not in ("src", "srcset", "action", "ping", "xlink:href")
        assert not name.startswith("on")
        if name in ("href", "for", "aria-labelledby"):
            assert value.removeprefix("#") in ids
            assert name != "href" or value.startswith("#")
    assert not {"img", "link", "iframe", "object", "embed", "form", "base"} & set(read.tags)
    assert not re.search(r"url\(|@import", page)
    assert "evil.example" in page or not re.search(r"https?:|//[a-z]", page)


def test_sections_are_in_order(document: Document) -> None:
    headings = Reader(report.html(document)).headings
    several = len(document["groups"]) > 1
    wanted = ["What was read", "groups differ", "pooled reward fails", "Rewards", "Rules compared", "Policy collapse",
              "What this audit cannot say", "Definitions"]  # fmt: skip
    kept = [part for part in wanted if several or part not in ("groups differ", "Rules compared")]
    assert len(headings) == len(kept)
    assert all(part in heading for part, heading in zip(kept, headings, strict=True))


def test_one_group_is_told_why_nothing_is_compared(documents: dict[str, Document]) -> None:
    assert sentences.ONE_GROUP in "".join(Reader(report.html(documents["no groups"])).texts)
    assert "only one group" in _summary(documents["no groups"])


def test_the_numbers_of_the_groups_are_the_document_s(document: Document) -> None:
    if len(document["groups"]) == 1:
        return
    rows = Reader(report.html(document)).table("The same in numbers")[1:]
    groups = sorted(document["groups"], key=lambda group: -group["gap"])
    assert len(rows) == len(groups)
    for row, group in zip(rows, groups, strict=True):
        gap, low, high = (*re.findall(r"\d+\.\d+", row[1]), None, None)[:3]
        assert float(gap) == pytest.approx(group["gap"], abs=5.1e-4)
        for shown, value in ((low, group["gap_low"]), (high, group["gap_high"])):
            assert (shown is None) == (value is None)
            assert value is None or float(shown) == pytest.approx(value, abs=5.1e-4)
        assert float(row[2]) == pytest.approx(group["fitted_gap"], abs=5.1e-4)
        assert float(row[3]) == pytest.approx(group["chance_gap"], abs=5.1e-4)
        assert float(row[4]) == pytest.approx(group["p_value"], abs=5.1e-3)
        assert float(row[6].rstrip("%")) == pytest.approx(100 * group["win_rate"], abs=0.051)
        assert row[7] == ("–" if group["voters"] is None else str(group["voters"]))
        assert float(row[8].rstrip("%")) == pytest.approx(100 * group["share"], abs=0.051)
        assert row[9] == numbers.count(group["comparisons"])


def test_rules_and_alternatives_are_the_document_s(documents: dict[str, Document]) -> None:
    document = documents["plain"]
    read = Reader(report.html(document))
    rules = {row["label"].split(" (")[0]: row for row in document["rules"]}
    for row in read.table("Rules, the pooled reward first, then by largest gap")[1:]:
        rule = rules[row[0]]
        assert row[1] == rule["worst_group"]
        assert [float(number) for number in re.findall(r"\d\.\d+", row[2])] == pytest.approx(
            [rule["worst_gap"], rule["worst_gap_low"], rule["worst_gap_high"]], abs=5.1e-4
        )
    for row, known in zip(
        read.table("Alternatives, highest pooled reward first")[1:], document["alternatives"], strict=True
    ):
        assert row[0] == known["alternative"]
        assert float(row[1].replace("−", "-")) == pytest.approx(known["reward"], abs=5.1e-3)
        assert row[3:5] == [numbers.count(known["wins"]), numbers.count(known["comparisons"])]


def test_true_gaps_are_listed_and_drawn(documents: dict[str, Document]) -> None:
    page = report.html(documents["plain"], truth=TRUTH)
    assert "mark cross truth" in page
    head, *rows = Reader(page).table("The same in numbers")
    assert [row[head.index("true gap")] for row in rows] == ["2.920", "0.190", "0.020"]
    assert "true gap" not in " ".join(Reader(report.html(documents["plain"])).table("The same in numbers")[0])


def test_labels_are_escaped(documents: dict[str, Document]) -> None:
    for name in ("hostile", "from a table"):
        page = report.html(documents[name], truth={SCRIPT: 1.0})
        read = Reader(page)
        assert "alert(1)" in page
        assert "<script>alert" not in page
        assert read.tags.count("script") == 2
        assert "img" not in read.tags
        assert "\x1b" not in page
        assert "\u202e" not in page
    assert Reader(page).table("Rows that were left out")[1][1] == "40"


def test_data_for_the_script_are_what_is_drawn(document: Document) -> None:
    page = report.html(document)
    found = re.search(r'<script type="application/json" id="collapse-steps">(.*?)</script>', page, re.DOTALL)
    assert found
    steps = json.loads(found[1])
    path = document["collapse"]["path"]
    assert [float(step["beta"]) for step in steps] == pytest.approx([step["beta"] for step in path])
    for step, known in zip(steps, path, strict=True):
        shown = [width for width, _ in step["answers"]]
        assert shown[: len(known["probabilities"])] == pytest.approx(
            [100 * share for share in known["probabilities"]], abs=0.01
        )
        assert sum(shown) == pytest.approx(100, abs=0.1)


def test_many_groups_and_alternatives_are_cut_with_a_word(documents: dict[str, Document]) -> None:
    document = documents["many groups"]
    assert "and 3 more in report.json" in _summary(document)
    assert "6 more alternatives are in report.json" in report.html(document)
    assert sum(shape == "ring" for _, shape in charts.shapes(document)) == 12


def test_the_summary_fits_the_terminal(document: Document) -> None:
    for width in (80, 120):
        said = _summary(document, width, truth=dict.fromkeys((g["group"] for g in document["groups"]), 0.5), files=["out/report.html"])  # fmt: skip  # noqa: E501
        assert max(len(line) for line in said.splitlines()) <= width
        assert "\x1b" not in said


def test_the_summary_is_in_order_and_short(documents: dict[str, Document]) -> None:
    said = _summary(documents["plain"], truth=TRUTH, files=["audit/report.html", "audit/report.json"])
    parts = ["What was read", "1,800 comparisons", "groups differ more than chance", "(p = 0.0", "pooled reward fail",
             "win rate  true gap", "What would another rule change", "minimax regret",
             "What this audit cannot say", "audit/report.html"]  # fmt: skip
    places = [said.index(part) for part in parts]
    assert places == sorted(places)
    assert len(said.splitlines()) <= 45
    table = next(line for line in said.splitlines() if line.startswith("  minority"))
    group = next(row for row in documents["plain"]["groups"] if row["group"] == "minority")
    corrected = {row["group"]: row["corrected"] for row in sentences.worst_first(documents["plain"])}["minority"]
    assert re.findall(r"\d+\.\d\d+", table) == [
        f"{group['gap']:.2f}", f"{group['gap_low']:.2f}", f"{group['gap_high']:.2f}", numbers.p_value(corrected),
        f"{TRUTH['minority']:.2f}",
    ]  # fmt: skip


def test_labels_are_no_markup(documents: dict[str, Document]) -> None:
    said = _summary(documents["hostile"])
    assert MARKUP in said
    assert "a very long" in said
    assert "…" in said
    assert "\u202e" not in said


def test_words_never_go_beyond_the_evidence(documents: dict[str, Document]) -> None:
    alike = documents["alike"]
    assert alike["heterogeneity"]["p_value"] > 0.05
    assert "not shown to differ" in sentences.difference(alike)
    assert sentences.failed(alike)[0].startswith(("No group is shown", "The largest gap"))
    assert not any("would lower" in said and not said.startswith("By the estimates") for said in sentences.rules(alike))
    many = documents["many groups"]
    assert "With 20 shuffles no gap among 15 groups can be shown; that takes at least 299." in sentences.failed(many)
    assert not any(row["shown"] for row in sentences.worst_first(many))


def test_disagreeing_readings_are_told(documents: dict[str, Document]) -> None:
    document = documents["plain"]
    second = document["alternatives"][1]["alternative"]
    readings = [{**row, "first": [second]} if row["reading"] == "most wins" else row for row in document["readings"]]
    document = {**document, "readings": readings}
    assert "Readings of the same data disagree." in report.html(document)
    for said in ("".join(Reader(report.html(document)).texts), _summary(document).replace("\n  ", " ")):
        assert f"“{second}” comes first by most wins" in said
        assert "A count of wins grows with how often an alternative was compared" in said
    assert "Readings of the same data disagree." not in report.html(documents["plain"])


def test_every_number_of_a_group_is_defined(documents: dict[str, Document]) -> None:
    assert set(report.GROUP_COLUMNS) == set(documents["plain"]["groups"][0])
    assert {rule["rule"] for rule in documents["plain"]["rules"]} <= set(report.DEFINITIONS)


def test_other_documents_are_refused() -> None:
    with pytest.raises(ValueError, match="needed a document of schema"):
        report.html({"schema": "something else"})
    with pytest.raises(ValueError, match="needed a document of schema"):
        report.show({}, Console())


@pytest.mark.parametrize(("library", "extra"), [("jinja2", "report"), ("rich", "cli")])
def test_an_absent_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, documents: dict[str, Document], library: str, extra: str
) -> None:
    from choicekit.report import page

    usual = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == library:
            raise ImportError(name)
        return usual(name, *rest, **more)

    page._template.cache_clear()
    console = Console(width=80)
    monkeypatch.setattr(builtins, "__import__", refuse)
    call = {"jinja2": lambda: report.html(documents["plain"]), "rich": lambda: report.show(documents["plain"], console)}
    with pytest.raises(ImportError, match=re.escape(f"pip install 'choicekit[{extra}]'")):
        call[library]()


# In a browser

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--virtual-time-budget=3000")  # fmt: skip
#: What the browser is asked about a page in a frame of a given width.
PROBE = """
var page = frame.contentDocument, slider = page.getElementById("beta");
function text(id) { return page.getElementById(id).textContent; }
function widths() { return Array.prototype.map.call(page.querySelectorAll("[data-answer]"), function (bar) { return bar.style.width; }); }
function smallest() {
  var sizes = [], all = page.body.querySelectorAll("*");
  Array.prototype.forEach.call(all, function (part) {
    if (part.tagName !== "SCRIPT" && Array.prototype.some.call(part.childNodes, function (n) { return n.nodeType === 3 && n.data.trim(); }))
      sizes.push(parseFloat(frame.contentWindow.getComputedStyle(part).fontSize));
  });
  return Math.min.apply(null, sizes);
}
var found = {width: frame.contentWindow.innerWidth, scroll: page.documentElement.scrollWidth, font: smallest(),
             hidden: slider.hidden, before: text("beta-value"), bars: widths(), errors: frame.contentWindow.errors};
slider.value = slider.max;
slider.dispatchEvent(new frame.contentWindow.Event("input"));
found.after = text("beta-value"); found.index = text("index"); found.barsAfter = widths();
found.valuetext = slider.getAttribute("aria-valuetext"); found.errors = frame.contentWindow.errors;
document.getElementById("found").textContent = JSON.stringify(found);
"""  # noqa: E501


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no browser: install chromium to look at the page")

    def run(*arguments: str) -> str:
        folder = tmp_path_factory.mktemp("browser")
        command = [program, *FLAGS, f"--user-data-dir={folder}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    return run


def _framed(page: str, width: int, script: str) -> str:
    """The page in a frame of exactly that width, which a browser's window may refuse to be."""
    watched = page.replace("<head>", "<head><script>errors = []; onerror = function (e) { errors.push(e) }</script>", 1)
    return (
        f'<!doctype html><body style="margin:0"><iframe id="frame" style="border:0;width:{width}px;height:844px" '
        f'srcdoc="{entities.escape(watched)}"></iframe><pre id="found"></pre>'
        f'<script>var frame = document.getElementById("frame"); frame.onload = function () {{ {script} }}</script>'
    )


@pytest.mark.parametrize("name", ["plain", "hostile", "many groups", "no groups"])
def test_the_page_in_a_browser(
    browser: Callable[..., str], documents: dict[str, Document], name: str, tmp_path: Path
) -> None:
    wrapper = tmp_path / "wrapper.html"
    wrapper.write_text(_framed(report.html(documents[name], truth=TRUTH), 390, PROBE), encoding="utf-8")
    seen = browser("--dump-dom", wrapper.as_uri())
    found = json.loads(entities.unescape(re.findall(r'<pre id="found">(.*?)</pre>', seen, re.DOTALL)[-1]))
    assert found["errors"] == []
    assert found["width"] == found["scroll"] == 390
    assert found["font"] >= 14
    assert found["hidden"] is False
    path = documents[name]["collapse"]["path"]
    assert float(found["before"]) == documents[name]["settings"]["beta"]
    assert float(found["after"]) == path[-1]["beta"]
    assert found["index"] == numbers.decimal(path[-1]["index"])
    assert found["valuetext"] == f"β = {path[-1]['beta']:g}"
    assert found["bars"] != found["barsAfter"]


def test_the_picture_is_not_blank(browser: Callable[..., str], documents: dict[str, Document], tmp_path: Path) -> None:
    for name in ("plain", "blank"):
        page = report.html(documents["plain"]) if name == "plain" else "<!doctype html><title>blank</title>"
        (tmp_path / f"{name}.html").write_text(page, encoding="utf-8")
        picture = tmp_path / f"{name}.png"
        browser("--window-size=1100,1400", f"--screenshot={picture}", (tmp_path / f"{name}.html").as_uri())
        assert picture.read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "plain.png").stat().st_size > 8 * (tmp_path / "blank.png").stat().st_size
