"""Which column plays which part: common names, and the words for a side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from choicekit.frames import missing_column

#: Names of the two labels of a row, the preferred one first.
WINNER_LOSER = (("winner", "loser"), ("chosen", "rejected"), ("preferred", "other"), ("better", "worse"))
#: Names of the two sides of a row whose outcome another column says.
SIDES = (
    ("left", "right"), ("model_a", "model_b"), ("model_x", "model_y"), ("a", "b"), ("first", "second"),
    ("response_a", "response_b"), ("response_0", "response_1"), ("response_1", "response_2"),
    ("option_a", "option_b"), ("answer_a", "answer_b"), ("item_a", "item_b"), ("player1", "player2"),
)  # fmt: skip
OUTCOMES = ("winner", "label", "vote", "outcome", "preference", "choice", "judgment", "judgement", "result")
OTHERS = {
    "tie": ("tie", "is_tie", "tied"),
    "weight": ("weight", "count", "n"),
    "voter": ("voter", "annotator", "annotator_id", "worker", "worker_id", "participant", "user", "user_id", "judge",
              "rater", "rater_id"),
    "context": ("prompt", "prompt_id", "context", "question", "question_id", "instruction"),
}  # fmt: skip
#: Roles that do not go together.
CONTRADICTIONS = {
    "winner": ("first", "outcome", "first_wins"), "loser": ("first", "outcome", "first_wins"),
    "first_wins": ("outcome", "tie", "weight"),
}  # fmt: skip
GROUPS = ("group", "annotator_group", "demographic", "country", "party")


def find(
    there: Sequence[str], given: Mapping[str, str], groups: Sequence[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The column of every role that has one, and which of the roles were guessed.

    >>> find(["prompt", "chosen", "rejected"], {}, [])
    ({'winner': 'chosen', 'loser': 'rejected', 'context': 'prompt'}, ('winner', 'loser', 'context'))
    """
    for column in given.values():
        if column not in there:
            raise KeyError(missing_column(column, there))
    chosen = dict(given)
    names = {re.sub(r"[ .\-]+", "_", column.strip().lower()): column for column in there}
    free = {name: column for name, column in names.items() if column not in chosen.values()}
    chosen |= _layout(chosen, free, there)
    for role, usual in OTHERS.items():
        taken = {*chosen.values(), *groups}
        match = next((free[name] for name in usual if name in free and free[name] not in taken), None)
        said = (role == "tie" and "outcome" in chosen) or (role in ("tie", "weight") and "first_wins" in chosen)
        if role not in chosen and match is not None and not said:
            chosen[role] = match
    return chosen, tuple(role for role in chosen if role not in given)


def group_column(there: Sequence[str], chosen: Mapping[str, str]) -> str | None:
    """A column with a usual name for groups.

    >>> group_column(["chosen", "rejected", "country"], {"winner": "chosen", "loser": "rejected"})
    'country'
    """
    return next((name for name in there if name.lower() in GROUPS and name not in chosen.values()), None)


def side_words(first: str, second: str) -> dict[str, str]:
    """Words for the two sides: their column names, what tells those apart, left and right, first and second.

    >>> sorted(side_words("model_a", "model_b"))
    ['a', 'b', 'first', 'left', 'model_a', 'model_b', 'right', 'second']
    """
    words = {"left": "first", "right": "second", "first": "first", "second": "second"}
    low, high = first.lower(), second.lower()
    shared = 0
    while shared < min(len(low), len(high)) and low[shared] == high[shared]:
        shared += 1
    words |= {low: "first", high: "second"}
    ends = low[shared:], high[shared:]
    if all(re.fullmatch(r"[a-z0-9]+", end) for end in ends):
        words |= {ends[0]: "first", ends[1]: "second"}
    return words


def _layout(chosen: Mapping[str, str], free: Mapping[str, str], there: Sequence[str]) -> dict[str, str]:
    """The roles that say who won, completed from the usual names."""
    for one, other in (("first", "second"), ("second", "first"), ("first_wins", "second_wins"),
                       ("second_wins", "first_wins")):  # fmt: skip
        if one in chosen and other not in chosen:
            raise ValueError(f"columns: {other}= is needed too; the columns are {', '.join(map(repr, there))}")
    for role, others in CONTRADICTIONS.items():
        both = [other for other in others if role in chosen and other in chosen]
        if both:
            raise ValueError(
                f"columns: {role}= and {both[0]}= belong to different layouts. Name winner and loser; or first, second "
                "and outcome; or first, second, first_wins and second_wins"
            )
    if "winner" in chosen and "loser" in chosen:
        return {}
    if "winner" in chosen or "loser" in chosen:
        lacking = "loser" if "winner" in chosen else "winner"
        raise ValueError(f"columns: {lacking}= is needed too; the columns are {', '.join(map(repr, there))}")
    started = {"first", "second", "outcome", "first_wins", "second_wins"} & chosen.keys()
    if not started:
        for winner, loser in WINNER_LOSER:
            if winner in free and loser in free:
                return {"winner": free[winner], "loser": free[loser]}
    found: dict[str, str] = {}
    if not {"first", "second"} <= chosen.keys():
        pair = next(((free[a], free[b]) for a, b in SIDES if a in free and b in free), None)
        if pair is None:
            raise ValueError(
                "columns: cannot tell who was preferred. Name winner and loser, or first, second and outcome; the "
                f"columns are {', '.join(map(repr, there))}"
            )
        found |= {"first": pair[0], "second": pair[1]}
    if "outcome" not in chosen and not {"first_wins", "second_wins"} <= chosen.keys():
        outcome = next((free[name] for name in OUTCOMES if name in free and free[name] not in found.values()), None)
        if outcome is None:
            sides = found.get("first", chosen.get("first")), found.get("second", chosen.get("second"))
            raise ValueError(
                f"columns: {sides[0]!r} and {sides[1]!r} are compared, but no column says with what outcome. Name "
                f"outcome, or first_wins and second_wins; the columns are {', '.join(map(repr, there))}"
            )
        found["outcome"] = outcome
    return found
