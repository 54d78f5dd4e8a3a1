"""Comparisons read back as labels."""

from __future__ import annotations

from typing import Any

import choicekit as ck

Said = list[tuple[Any, Any, bool, float]]


def said(votes: ck.Comparisons) -> Said:
    """The rows as (winner, loser, tie, weight), in labels."""
    return [
        (votes.alternatives[a], votes.alternatives[b], tie, weight)
        for a, b, tie, weight in zip(
            votes.winner.tolist(), votes.loser.tolist(), votes.tie.tolist(), votes.weight.tolist(), strict=True
        )
    ]


def column(codes: Any, names: Any) -> list[Any]:
    return [names[code] for code in codes.tolist()]
