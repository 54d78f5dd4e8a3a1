"""How numbers and labels are printed; the page and the terminal share it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]
#: A p-value up to this is called evidence.
SHOWN = 0.05


def label(name: str, width: int = 48) -> str:
    """A label on one line, without control characters, cut to ``width`` with an ellipsis.

    >>> label("two\\nlines"), label("a long label", 7)
    ('two lines', 'a long…')
    """
    plain = " ".join("".join(sign if sign.isprintable() or sign in "\u200c\u200d" else " " for sign in name).split())
    return (plain if len(plain) <= width else plain[: width - 1].rstrip() + "…") or "(blank)"


def quoted(name: str, width: int = 40) -> str:
    """A label within a sentence.

    >>> quoted("minority")
    '“minority”'
    """
    return f"“{label(name, width)}”"


def listed(parts: Sequence[str], limit: int = 4) -> str:
    """Parts of a sentence joined by commas and *and*, those beyond ``limit`` counted.

    >>> listed(["a", "b", "c"]), listed(["a", "b", "c"], 1)
    ('a, b and c', 'a and 2 more')
    """
    shown = list(parts[:limit])
    if len(parts) > limit:
        shown.append(f"{len(parts) - limit} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def decimal(value: float | None, places: int = 2) -> str:
    """A number with a real minus sign; a dash where there is none, and no minus zero.

    >>> decimal(-0.26, 1), decimal(-0.001), decimal(None)
    ('−0.3', '0.00', '–')
    """
    if value is None:
        return "–"
    said = f"{value:.{places}f}"
    return said.lstrip("-") if not float(said) else said.replace("-", "−")


def signed(value: float, places: int = 2) -> str:
    """A difference with its sign.

    >>> signed(0.5), signed(-0.5), signed(0.001)
    ('+0.50', '−0.50', '0.00')
    """
    said = decimal(value, places)
    return said if said.startswith("−") or not float(said) else "+" + said


def bounds(low: float | None, high: float | None, places: int = 2) -> str:
    """An interval.

    >>> bounds(0.1, 0.256), bounds(None, None)
    ('[0.10, 0.26]', '[no interval]')
    """
    return "[no interval]" if low is None or high is None else f"[{decimal(low, places)}, {decimal(high, places)}]"


def count(value: float | None) -> str:
    """How many, with thousands separated; three digits where it is no whole number.

    >>> count(8931.0), count(1500.25), count(0.125), count(None)
    ('8,931', '1,500', '0.125', '–')
    """
    if value is None:
        return "–"
    whole = abs(value - round(value)) < 1e-9 or abs(value) >= 100
    return f"{value:,.0f}" if whole else f"{value:.3g}"


def counted(value: float, thing: str) -> str:
    """How many of a thing, in the singular or the plural.

    >>> counted(1, "voter"), counted(2, "voter")
    ('1 voter', '2 voters')
    """
    return f"{count(value)} {thing}{'' if value == 1 else 's'}"


def percent(share: float, places: int = 0) -> str:
    """A share in percent, never rounded to nothing or to everything.

    >>> percent(0.6), percent(0.0064), percent(1e-9), percent(0.99999)
    ('60%', '0.6%', '<0.1%', '>99.9%')
    """
    places = max(places, 1 if 0 < share < 0.0095 or 0.9905 < share < 1 else 0)
    finest = 10**-places
    if 0 < 100 * share < finest / 2:
        return f"<{finest:g}%"
    if 100 - finest / 2 < 100 * share < 100:
        return f">{100 - finest:g}%"
    return f"{100 * share:.{places}f}%"


def p_value(value: float | None) -> str:
    """A p-value, which is never 0.

    >>> p_value(0.00498), p_value(0.53), p_value(1.0), p_value(0.0002), p_value(None)
    ('0.005', '0.53', '1.00', '0.0002', '–')
    """
    if value is None:
        return "–"
    places = 2 if value >= 0.0995 else max(3, -math.floor(math.log10(max(value, 1e-12) * 1.0006)))
    return f"{value:.{places}f}"


def places(document: Document) -> int:
    """Decimals for gaps in sentences and in the terminal: more where all gaps are small.

    >>> places({"groups": [{"gap": 0.5}]}), places({"groups": [{"gap": 0.05}]})
    (2, 3)
    """
    largest = max(group["gap"] for group in document["groups"])
    return 2 if largest >= 0.2 or largest < 1e-9 else 3 if largest >= 0.02 else 4


def holm(values: Iterable[float]) -> list[float]:
    """P-values corrected for their number (Holm 1979, https://www.jstor.org/stable/4615733), in the given order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    given = list(values)
    corrected, so_far = [0.0] * len(given), 0.0
    for rank, place in enumerate(sorted(range(len(given)), key=given.__getitem__)):
        so_far = max(so_far, min(1.0, (len(given) - rank) * given[place]))
        corrected[place] = so_far
    return corrected
