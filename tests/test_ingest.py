"""Reading comparisons: what is understood, what is refused and with which words, and that no row is ever lost."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from labels import column, said

from choicekit import ingest
from choicekit.ingest import Reading, read_comparisons, read_table, write_table
from choicekit.ingest.roles import OTHERS, OUTCOMES, SIDES, WINNER_LOSER


def adds_up(reading: Reading) -> None:
    report = reading.report
    assert report.rows_read == report.rows_used + sum(report.skipped.values())
    assert all(count > 0 for count in report.skipped.values())


def write(folder: Path, text: str, name: str = "votes.csv") -> Path:
    file = folder / name
    file.write_bytes(text.encode())
    return file


def read(folder: Path, text: str, name: str = "votes.csv", **options: Any) -> Reading:
    reading = read_comparisons(write(folder, text, name), **options)
    adds_up(reading)
    return reading


# --- Layouts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("winner", "loser"), WINNER_LOSER)
def test_a_column_for_each_of_two(tmp_path: Path, winner: str, loser: str) -> None:
    reading = read(tmp_path, f"{winner},{loser}\ntea,milk\nmilk,juice\n")
    assert said(reading.comparisons) == [("tea", "milk", False, 1), ("milk", "juice", False, 1)]
    assert dict(reading.report.roles) == {"winner": winner, "loser": loser}
    assert reading.report.guessed == ("winner", "loser")
    assert (reading.report.rows_read, reading.report.rows_used, dict(reading.report.skipped)) == (2, 2, {})


@pytest.mark.parametrize(("first", "second"), SIDES)
@pytest.mark.parametrize("outcome", ["winner", "label"])
def test_two_sides_and_an_outcome(tmp_path: Path, first: str, second: str, outcome: str) -> None:
    text = f"{first},{second},{outcome}\nx,y,{first}\nx,z,{second}\ny,z,tie\ny,x,left\ny,z,right\n"
    reading = read(tmp_path, text)
    assert said(reading.comparisons) == [
        ("x", "y", False, 1), ("z", "x", False, 1), ("y", "z", True, 1), ("y", "x", False, 1), ("z", "y", False, 1),
    ]  # fmt: skip
    assert dict(reading.report.roles) == {"first": first, "second": second, "outcome": outcome}
    assert reading.report.guessed == ("first", "second", "outcome")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_usual_name_of_an_outcome(tmp_path: Path, outcome: str) -> None:
    reading = read(tmp_path, f"model_a,model_b,{outcome}\nx,y,model_b\n")
    assert said(reading.comparisons) == [("y", "x", False, 1)]


@pytest.mark.parametrize(("role", "name"), [(role, name) for role, names in OTHERS.items() for name in names])
def test_every_usual_name_of_another_column(tmp_path: Path, role: str, name: str) -> None:
    value = {"tie": "true", "weight": "3"}.get(role, "p")
    reading = read(tmp_path, f"winner,loser,{name}\nx,y,{value}\n")
    assert reading.report.guessed == ("winner", "loser", role)
    votes = reading.comparisons
    assert said(votes) == [("x", "y", role == "tie", 3.0 if role == "weight" else 1.0)]
    assert votes.voters == (("p",) if role == "voter" else ())
    assert votes.contexts == (("p",) if role == "context" else ())


@pytest.mark.parametrize("name", ["group", "annotator_group", "demographic", "country", "party", "Country"])
def test_every_usual_name_of_a_group(tmp_path: Path, name: str) -> None:
    reading = read(tmp_path, f"winner,loser,{name}\nx,y,p\n")
    assert reading.comparisons.groups == ("p",)
    assert reading.report.roles["group"] == (name,)
    assert reading.report.guessed[-1] == "group"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Winner,LOSER\nx,y\n", ("x", "y", False, 1)),
        ("model a,model-b,Winner\nx,y,model a\n", ("x", "y", False, 1)),
        ("Model.A,Model.B,winner\nx,y,b\n", ("y", "x", False, 1)),
        ("response_a,response_b,label\nx,y,a\n", ("x", "y", False, 1)),
        ("response_0,response_1,label\nx,y,1\n", ("y", "x", False, 1)),
        ("response_1,response_2,preference\nx,y,1\n", ("x", "y", False, 1)),
        ("response_1,response_2,preference\nx,y,2\n", ("y", "x", False, 1)),
        ("player1,player2,result\nx,y,2\n", ("y", "x", False, 1)),
        ("a,b,vote\nx,y,A\n", ("x", "y", False, 1)),
        ("a,b,vote\nx,y, B \n", ("y", "x", False, 1)),
        ("left,right,winner\nx,y,Right\n", ("y", "x", False, 1)),
        ("left,right,winner\nx,y,FIRST\n", ("x", "y", False, 1)),
        ("left,right,winner\nx,y,second\n", ("y", "x", False, 1)),
        ("left,right,winner\nx,y,y\n", ("y", "x", False, 1)),
        ("left,right,winner\nx,y,Tied\n", ("x", "y", True, 1)),
        ("left,right,winner\nx,y,draw\n", ("x", "y", True, 1)),
        ("left,right,winner\nx,y,TIE\n", ("x", "y", True, 1)),
    ],
)
def test_words_for_outcomes(tmp_path: Path, text: str, expected: tuple[str, str, bool, float]) -> None:
    assert said(read(tmp_path, text).comparisons) == [expected]


def test_named_columns_need_not_have_usual_names(tmp_path: Path) -> None:
    text = "p,q,verdict,who,where,how often,kind\nx,y,p,ann,home,2.5,u\nx,y,q,bob,work,1e1,v\n"
    reading = read(
        tmp_path, text, first="p", second="q", outcome="verdict", voter="who", context="where", weight="how often",
        group="kind",
    )  # fmt: skip
    votes = reading.comparisons
    assert said(votes) == [("x", "y", False, 2.5), ("y", "x", False, 10.0)]
    assert column(votes.voter, votes.voters) == ["ann", "bob"]
    assert column(votes.context, votes.contexts) == ["home", "work"]
    assert column(votes.group, votes.groups) == ["u", "v"]
    assert reading.report.guessed == ()


def test_counts_of_wins(tmp_path: Path) -> None:
    text = "home,away,home.wins,away.wins,place\nm,d,4,3,p\nd,m,0,2,q\nm,t,5,0,q\nt,d,0,0,q\n"
    reading = read(
        tmp_path, text, first="home", second="away", first_wins="home.wins", second_wins="away.wins", context="place"
    )
    assert said(reading.comparisons) == [
        ("m", "d", False, 4), ("d", "m", False, 3), ("m", "d", False, 2), ("m", "t", False, 5),
    ]  # fmt: skip
    assert column(reading.comparisons.context, reading.comparisons.contexts) == ["p", "p", "q", "q"]
    assert (reading.report.rows_read, reading.report.rows_used) == (4, 3)
    assert dict(reading.report.skipped) == {"no wins on either side": 1}


def test_counts_are_not_mixed_up_with_a_column_of_totals(tmp_path: Path) -> None:
    reading = read(tmp_path, "a,b,aw,bw,n\nx,y,2,1,3\n", first_wins="aw", second_wins="bw")
    assert said(reading.comparisons) == [("x", "y", False, 2), ("y", "x", False, 1)]
    assert "weight" not in reading.report.roles


def test_ties_in_a_column_of_their_own(tmp_path: Path) -> None:
    text = "winner,loser,tie\na,b,True\nb,a,false\na,b,1\na,b,0\na,b,YES\na,b,no\na,b,\n"
    found = [row[2] for row in said(read(tmp_path, text).comparisons)]
    assert found == [True, False, True, False, True, False, False]


def test_a_tie_counts_whichever_side_the_outcome_names(tmp_path: Path) -> None:
    text = "left,right,winner,even\na,b,left,1\na,b,right,1\na,b,right,0\na,b,tie,0\n"
    found = said(read(tmp_path, text, tie="even").comparisons)
    assert [row[2] for row in found] == [True, True, False, True]
    assert {frozenset(row[:2]) for row in found} == {frozenset("ab")}


def test_ties_that_are_neither_true_nor_false(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="column 'tie' holds 'maybe' in data row 2; ties are said by true or false"):
        read(tmp_path, "winner,loser,tie\na,b,1\na,b,maybe\n")


# --- Outcomes that are not understood -----------------------------------------------------------------------------


def test_all_unknown_outcomes_are_named_together(tmp_path: Path) -> None:
    text = "left,right,winner\nx,y,left\nx,y,lft\nx,y,tie (bothbad)\nx,y,lft\nx,y,\n"
    with pytest.raises(ValueError, match="not understood") as refusal:
        read(tmp_path, text)
    message = str(refusal.value)
    assert "votes.csv" in message
    assert "'winner'" in message
    for value, count, row in (("'lft'", 2, 2), ("'tie (bothbad)'", 1, 3), ("''", 1, 5)):
        assert f"{value} ×{count} from data row {row}" in message
    assert "first (left), second (right), tie or skip" in message


def test_very_many_unknown_outcomes_are_summed_up(tmp_path: Path) -> None:
    rows = "".join(f"x,y,v{k}\n" for k in range(9))
    with pytest.raises(ValueError, match="'v3' ×1 from data row 4 and 5 more values"):
        read(tmp_path, "left,right,winner\n" + rows)


@pytest.mark.parametrize("word", ["tie (bothbad)", "both bad", "I'm not sure", "not sure", "0.5", "None", "nan", "-"])
def test_words_that_must_be_explained(tmp_path: Path, word: str) -> None:
    text = f"left,right,winner\nx,y,left\nx,y,{word}\n"
    with pytest.raises(ValueError, match="not understood"):
        read(tmp_path, text)
    tied = read(tmp_path, text, meaning={word: "tie"})
    assert [row[2] for row in said(tied.comparisons)] == [False, True]
    left_out = read(tmp_path, text, meaning={word: "skip"})
    assert dict(left_out.report.skipped) == {f"winner = {word!r}": 1}
    assert said(left_out.comparisons) == [("x", "y", False, 1)]


def test_meanings_may_overrule_words(tmp_path: Path) -> None:
    text = "left,right,winner\nx,y,left\nx,y,right\nx,y,tie\n"
    meaning = {"left": "second", "right": "first", "tie": "skip"}
    reading = read(tmp_path, text, meaning=meaning)
    assert said(reading.comparisons) == [("y", "x", False, 1), ("x", "y", False, 1)]
    assert dict(reading.report.skipped) == {"winner = 'tie'": 1}


def test_meanings_of_numbers() -> None:
    table = pa.table({"left": ["x", "x", "x"], "right": ["y", "y", "y"], "winner": [0, 1, 2]})
    with pytest.raises(ValueError, match="0 ×1 from data row 1, 1 ×1 from data row 2, 2 ×1 from data row 3"):
        read_comparisons(table)
    for meaning in ({0: "first", 1: "second", 2: "tie"}, {"0": "first", "1": "second", "2": "tie"}):
        found = said(read_comparisons(table, meaning=meaning).comparisons)
        assert found == [("x", "y", False, 1), ("y", "x", False, 1), ("x", "y", True, 1)]


def test_a_meaning_must_be_one_of_four(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="meaning: needed one of first, second, tie, skip, got 'left'"):
        read(tmp_path, "left,right,winner\nx,y,l\n", meaning={"l": "left"})


@pytest.mark.parametrize("row", ["b,a,a", "b,a,b", "c,a,b", "tie,a,tie"])
def test_a_word_that_is_both_a_side_and_a_label_is_refused(tmp_path: Path, row: str) -> None:
    """With sides model_a and model_b, "a" may mean the first side or the alternative called a, which stands second."""
    other = "b,c,model_b\n"
    value = row.rsplit(",", 1)[1]
    with pytest.raises(ValueError, match=f"'{value}' ×1 from data row 2"):
        read(tmp_path, f"model_a,model_b,winner\n{other}{row}\n")


def test_a_word_that_is_both_but_says_the_same(tmp_path: Path) -> None:
    reading = read(tmp_path, "model_a,model_b,winner\na,b,a\na,b,b\n")
    assert said(reading.comparisons) == [("a", "b", False, 1), ("b", "a", False, 1)]


# --- Missing labels, self-comparisons, weights --------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["", "nan", "NaN", "null", "NULL", "<NA>"])
@pytest.mark.parametrize("where", ["winner", "loser", "voter", "group", "prompt"])
def test_missing_labels_are_refused_or_counted(tmp_path: Path, missing: str, where: str) -> None:
    names = ["winner", "loser", "voter", "group", "prompt"]
    rows = [["x", "y", "v", "g", "p"], ["z", "w", "v", "g", "q"], ["x", "y", "v", "g", "p"]]
    rows[1][names.index(where)] = missing
    text = "\n".join(",".join(row) for row in [names, *rows]) + "\n"
    with pytest.raises(ValueError, match=f"column '{where}' has missing labels .* in data row 2; fill them in"):
        read(tmp_path, text)
    reading = read(tmp_path, text, skip=["missing"])
    assert dict(reading.report.skipped) == {f"no {where}": 1}
    assert len(reading.comparisons) == 2


@pytest.mark.parametrize("label", ["NA", "None", "none", "N/A", "na", "Null", " ", "-", "0", "01", "1.0", "1e3"])
def test_labels_that_only_look_missing_or_numeric_survive(tmp_path: Path, label: str) -> None:
    reading = read(tmp_path, f"winner,loser,voter,country\n{label},other,{label},{label}\n")
    votes = reading.comparisons
    assert said(votes) == [(label, "other", False, 1)]
    assert (votes.voters, votes.groups) == ((label,), (label,))


def test_labels_are_told_apart_letter_by_letter(tmp_path: Path) -> None:
    labels = ["1", "01", "1.0", "a", "A", " a", "é", "e\u0301", "2024-01-02", "true", "TRUE"]
    text = "winner,loser\n" + "".join(f"{label},other\n" for label in labels)
    votes = read(tmp_path, text).comparisons
    assert [row[0] for row in said(votes)] == labels
    assert len(votes.alternatives) == len(labels) + 1


def test_comparisons_with_oneself_are_refused_or_counted(tmp_path: Path) -> None:
    text = "winner,loser\na,b\nc,c\nb,a\nd,d\n"
    with pytest.raises(ValueError, match=r"'c' is compared with itself in 2 rows, first data row 2; .*skip"):
        read(tmp_path, text)
    reading = read(tmp_path, text, skip=["self"])
    assert dict(reading.report.skipped) == {"compared with itself": 2}
    assert said(reading.comparisons) == [("a", "b", False, 1), ("b", "a", False, 1)]


def test_skipping_everything_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none of its 2 rows is left \(\{'compared with itself': 2\}\)"):
        read(tmp_path, "winner,loser\na,a\nb,b\n", skip=["self"])


def test_skip_takes_two_words(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="skip: needed one of missing, self, got 'ties'"):
        read(tmp_path, "winner,loser\na,b\n", skip=["ties"])


@pytest.mark.parametrize("weight", ["", "two", "-1", "nan", "inf", "1,5"])
def test_weights_that_are_no_weights(tmp_path: Path, weight: str) -> None:
    text = f'winner,loser,weight\na,b,2\na,b,"{weight}"\nb,a,"{weight}"\n'
    with pytest.raises(ValueError, match=f"column 'weight' holds '{weight}' in 2 rows, first data row 2; a finite"):
        read(tmp_path, text)


def test_rows_are_counted_in_the_file_and_not_after_skipping(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="column 'weight' holds '-1' in data row 3"):
        read(tmp_path, "winner,loser,weight\na,a,1\na,b,1\na,b,-1\n", skip=["self"])


# --- Columns ------------------------------------------------------------------------------------------------------


def test_a_misspelt_column_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match=r"no column 'winer'; the columns are 'winner', 'loser'\. Did you mean 'winner'"):
        read(tmp_path, "winner,loser\na,b\n", winner="winer", loser="loser")


def test_a_misspelt_group_column_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match=r"no column 'contry'; .*Did you mean 'country'"):
        read(tmp_path, "winner,loser,country\na,b,x\n", group=["contry"])


@pytest.mark.parametrize(
    ("header", "roles", "message"),
    [
        ("x,y", {}, "cannot tell who was preferred. Name winner and loser, or first, second and outcome; the columns"),
        ("left,right", {}, "'left' and 'right' are compared, but no column says with what outcome"),
        ("winner,loser", {"winner": "winner"}, "loser= is needed too"),
        ("winner,loser", {"loser": "loser"}, "winner= is needed too"),
        ("x,left,right,winner", {"first": "x"}, "second= is needed too"),
        ("x,left,right,winner", {"second": "x"}, "first= is needed too"),
        ("left,right,n1,winner", {"first_wins": "n1"}, "second_wins= is needed too"),
        ("left,right,n1,winner", {"second_wins": "n1"}, "first_wins= is needed too"),
        ("w,l,o", {"winner": "w", "loser": "l", "outcome": "o"}, "winner= and outcome= belong to different layouts"),
        ("w,l,o", {"winner": "w", "first": "l", "second": "o"}, "winner= and first= belong to different layouts"),
        (
            "left,right,n1,n2,o",
            {"first_wins": "n1", "second_wins": "n2", "outcome": "o"},
            "first_wins= and outcome= belong to different layouts",
        ),
        (
            "left,right,n1,n2,o",
            {"first_wins": "n1", "second_wins": "n2", "weight": "o"},
            "first_wins= and weight= belong to different layouts",
        ),
        (
            "left,right,n1,n2,o",
            {"first_wins": "n1", "second_wins": "n2", "tie": "o"},
            "first_wins= and tie= belong to different layouts",
        ),
    ],
)
def test_half_a_layout_and_two_layouts_are_refused(
    tmp_path: Path, header: str, roles: dict[str, str], message: str
) -> None:
    row = ",".join("abcde"[: header.count(",") + 1])
    with pytest.raises(ValueError, match=f"columns: {message}"):
        read(tmp_path, f"{header}\n{row}\n", **roles)


def test_named_columns_are_never_replaced_by_guesses(tmp_path: Path) -> None:
    text = "left,right,p,q,winner,voter,annotator\nx,y,u,v,p,1,2\n"
    reading = read(tmp_path, text, first="p", second="q", voter="annotator")
    assert said(reading.comparisons) == [("u", "v", False, 1)]
    assert reading.comparisons.voters == ("2",)
    assert reading.report.guessed == ("outcome",)


def test_a_group_column_is_not_used_twice(tmp_path: Path) -> None:
    reading = read(tmp_path, "winner,loser,user,judge\nx,y,1,2\n", group="user")
    assert (reading.comparisons.groups, reading.comparisons.voters) == (("1",), ("2",))


def test_several_groups_can_be_crossed(tmp_path: Path) -> None:
    text = "winner,loser,sex,party\na,b,f,D\nb,a,m,D\na,b,m,R\n"
    votes = read(tmp_path, text, group=["sex", "party"]).comparisons
    assert votes.groups == ("f", "m")
    assert votes.grouped_by("party").groups == ("D", "R")
    assert votes.grouped_by("sex", "party").groups == (("f", "D"), ("m", "D"), ("m", "R"))


# --- A guessed context --------------------------------------------------------------------------------------------


def test_a_context_is_guessed_where_alternatives_belong_to_one(tmp_path: Path) -> None:
    reading = read(tmp_path, "prompt,chosen,rejected\np,a,b\np,b,a\nq,c,d\n")
    assert reading.comparisons.contexts == ("p", "q")
    assert "context" in reading.report.guessed
    assert reading.report.notes == ()


def test_a_context_is_not_guessed_where_alternatives_recur(tmp_path: Path) -> None:
    reading = read(tmp_path, "prompt,chosen,rejected\np,a,b\nq,c,a\n")
    assert reading.comparisons.contexts == ()
    assert "context" not in reading.report.guessed
    assert "context" not in reading.report.roles
    (note,) = reading.report.notes
    assert "'prompt'" in note
    assert "'a'" in note


def test_a_named_context_is_used_though_alternatives_recur(tmp_path: Path) -> None:
    reading = read(tmp_path, "prompt,chosen,rejected\np,a,b\nq,c,a\n", context="prompt")
    assert reading.comparisons.contexts == ("p", "q")
    assert reading.report.notes == ()


def test_a_missing_context_is_not_one_in_which_alternatives_recur(tmp_path: Path) -> None:
    reading = read(tmp_path, "prompt,chosen,rejected\np,a,b\n,b,a\n", skip=["missing"])
    assert reading.comparisons.contexts == ("p",)
    assert dict(reading.report.skipped) == {"no prompt": 1}


def test_rows_are_not_refused_for_a_context_that_is_not_used(tmp_path: Path) -> None:
    reading = read(tmp_path, "prompt,chosen,rejected\np,a,b\nq,c,a\n,a,b\n")
    assert len(reading.comparisons) == 3


# --- Files --------------------------------------------------------------------------------------------------------

PLAIN = "winner,loser\na,b\nb,c\n"
EXPECTED = [("a", "b", False, 1.0), ("b", "c", False, 1.0)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("v.csv", PLAIN), ("v.CSV", PLAIN), ("v.txt", PLAIN), ("v.csv", PLAIN.replace(",", ";")),
        ("v.csv", PLAIN.replace(",", "|")), ("v.tsv", PLAIN.replace(",", "\t")), ("v.csv", PLAIN.replace("\n", "\r\n")),
        ("v.csv", "\ufeff" + PLAIN), ("v.csv", PLAIN.rstrip("\n")), ("v.csv", PLAIN + "\n\n"),
        ("v.csv", 'winner,loser\n"a","b"\n"b","c"\n'), ("v.csv", '"winner","loser"\na,b\nb,c\n'),
        ("v.jsonl", '{"winner": "a", "loser": "b"}\n{"loser": "c", "winner": "b"}\n'),
        ("v.ndjson", '{"winner": "a", "loser": "b"}\r\n\r\n{"winner": "b", "loser": "c"}'),
        ("v.jsonl", '\ufeff{"winner": "a", "loser": "b"}\n{"winner": "b", "loser": "c"}\n'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_ways_to_write_the_same(tmp_path: Path, name: str, text: str, packed: bool) -> None:
    file = tmp_path / (name + ".gz" * packed)
    file.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    reading = read_comparisons(file)
    assert said(reading.comparisons) == EXPECTED
    assert said(read_comparisons(str(file)).comparisons) == EXPECTED
    assert reading.report.source == file.name


def test_parquet(tmp_path: Path) -> None:
    table = pa.table({"winner": ["a", "b"], "loser": ["b", "c"], "weight": [2, 3], "voter": [7, None]})
    pyarrow.parquet.write_table(table, tmp_path / "v.parquet")
    with pytest.raises(ValueError, match=r"column 'voter' has missing labels \(None\) in data row 2"):
        read_comparisons(tmp_path / "v.parquet")
    reading = read_comparisons(tmp_path / "v.parquet", skip=["missing"])
    assert said(reading.comparisons) == [("a", "b", False, 2)]
    assert reading.comparisons.voters == (7,)


def test_quoted_fields_may_hold_anything(tmp_path: Path) -> None:
    text = 'winner,loser\n"one, two\nthree ""four"";",b\n"\r\n",b\n'
    labels = [row[0] for row in said(read(tmp_path, text).comparisons)]
    assert labels == ['one, two\nthree "four";', "\r\n"]


def test_a_long_text_is_one_field(tmp_path: Path) -> None:
    """A row may be longer than the blocks in which a file is read."""
    prompt = "very, long\n" * 300_000
    file = tmp_path / "v.csv"
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([["winner", "loser"], [prompt, "b"], ["c", prompt]])
    assert [row[0] for row in said(read_comparisons(file).comparisons)] == [prompt, "c"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("v.csv", b"", "the file is empty; needed a header line and at least one row"),
        ("v.csv", b"  \n \n", "the file is empty"),
        ("v.csv", b"\xef\xbb\xbf", "the file is empty"),
        ("v.csv", b"winner,loser\n", "has a header and no rows; needed at least one row of data"),
        ("v.csv", b"winner,loser", "has a header and no rows"),
        ("v.csv", b"winner,loser\x00\x01\n\x00,\x02\n", "is a binary file, not text"),
        ("v.csv", "winner,loser\na,b\ncafé,b\n".encode("latin-1"), "line 3 is not UTF-8 text; save the file as UTF-8"),
        ("v.csv", PLAIN.encode("utf-16"), "is a binary file, not text"),
        ("v.csv", b"winner,loser,winner\na,b,c\n", "the header has the column 'winner' more than once"),
        ("v.csv", b"winner,loser\na,b,c\n", "not a well-formed table .*3"),
        ("v.csv", b"winner,loser\na\n", "not a well-formed table"),
        ("v.xlsx", b"PK\x03\x04", "cannot tell the format from the name; rename it to one of .csv"),
        ("v", PLAIN.encode(), "cannot tell the format from the name"),
        ("v.jsonl", b'{"winner": "a", "loser": "b"}\n{"winner": \n', "line 2 is not JSON"),
        ("v.jsonl", b'{"winner": "a", "loser": "b"}\n\n["a", "b"]\n', "line 3 is not a JSON object"),
        ("v.jsonl", b'{"winner": "a", "loser": "b"}\n{"winner": 1, "loser": "b"}\n', "'winner' mixes .*str"),
        ("v.jsonl", b'{"winner": true, "loser": "b"}\n{"winner": 1, "loser": "b"}\n', "'winner' mixes bool"),
        ("v.jsonl", b'{"winner": 99999999999999999999, "loser": 1}\n', "holds a value that no table can .*large"),
        ("v.jsonl", b'{"winner": "\\ud800", "loser": "b"}\n', "holds a value that no table can .*surrogates"),
        ("v.parquet", b"winner,loser\na,b\n", "not a Parquet file"),
        ("v.csv.gz", gzip.compress(b"winner,loser\na,b\n" * 50, mtime=0)[:-20], "cannot be unpacked as gzip"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ValueError, match=message) as refusal:
        read_comparisons(file)
    assert str(file) in str(refusal.value)


@pytest.mark.parametrize("at", range(2, 60, 4))
def test_a_damaged_gzip_file_is_said(tmp_path: Path, at: int) -> None:
    rng = np.random.default_rng(0)
    text = "winner,loser\n" + "".join(f"m{a},m{b + 20}\n" for a, b in rng.integers(0, 20, (200, 2)))
    packed = bytearray(gzip.compress(text.encode(), mtime=0))
    packed[at : at + 4] = b"\xff\xfe\xfd\xfc"
    file = tmp_path / "v.csv.gz"
    file.write_bytes(bytes(packed))
    try:
        found = read_table(file).num_rows
    except ValueError as refusal:
        assert "cannot be unpacked as gzip" in str(refusal)  # noqa: PT017
    else:  # bytes of the header that carry no data
        assert at < 10
        assert found == 200


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder; give one file in it"):
        read_comparisons(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"absent.csv: no such file; give the path of a .csv"):
        read_comparisons(tmp_path / "absent.csv")


def test_things_that_are_no_table() -> None:
    for thing in ({"winner": ["a"]}, [1, 2], None, 7):
        with pytest.raises(TypeError, match="needed a data frame that Narwhals reads .* got " + type(thing).__name__):
            read_comparisons(thing)


def test_a_frame_without_rows() -> None:
    with pytest.raises(ValueError, match="has no rows; needed at least one row of data"):
        read_comparisons(pa.table({"winner": pa.array([], pa.string()), "loser": pa.array([], pa.string())}))


def test_messages_become_their_json_text(tmp_path: Path) -> None:
    """Conversations in the columns are labels like any others; equal ones are one alternative."""
    yes, no = [{"role": "assistant", "content": "Yes."}], [{"role": "assistant", "content": "Nô."}]
    rows = [{"prompt": "p", "chosen": yes, "rejected": no}, {"prompt": "p", "rejected": yes, "chosen": no}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    votes = read(tmp_path, text, "v.jsonl").comparisons
    assert len(votes.alternatives) == 2
    assert [json.loads(label) for label in (said(votes)[0][0], said(votes)[1][0])] == [yes, no]
    assert "Nô." in said(votes)[1][0]


def test_messages_are_the_same_from_every_kind_of_frame(tmp_path: Path) -> None:
    import pandas as pd
    import polars as pl

    yes, no = [{"role": "assistant", "content": "Yes."}], [{"role": "assistant", "content": "No."}]
    table = pa.table({"chosen": [yes, no], "rejected": [no, yes]})
    pyarrow.parquet.write_table(table, tmp_path / "v.parquet")
    expected = said(read_comparisons(table).comparisons)
    assert [json.loads(row[0]) for row in expected] == [yes, no]
    frames = [tmp_path / "v.parquet", pl.from_arrow(table), pd.read_parquet(tmp_path / "v.parquet"),
              pd.DataFrame({"chosen": [yes, no], "rejected": [no, yes]})]  # fmt: skip
    for frame in frames:
        assert said(read_comparisons(frame).comparisons) == expected


def test_json_numbers_are_numbers(tmp_path: Path) -> None:
    text = (
        '{"winner": 1, "loser": 2, "weight": 1}\n{"winner": 2, "loser": 1, "weight": 0.5}\n{"winner": 1, "loser": 2}\n'
    )
    with pytest.raises(ValueError, match="column 'weight' holds None in data row 3"):
        read(tmp_path, text, "v.jsonl")
    votes = read(tmp_path, text.replace("2}\n", '2, "weight": 4}\n'), "v.jsonl").comparisons
    assert said(votes) == [(1, 2, False, 1), (2, 1, False, 0.5), (1, 2, False, 4)]


# --- The voters' table --------------------------------------------------------------------------------------------

VOTES = "winner,loser,participant\na,b,p1\nb,a,p2\na,b,p1\n"


def test_groups_from_a_table_of_voters(tmp_path: Path) -> None:
    people = write(tmp_path, "participant,party,age\np2,R,40\np1,D,30\np9,X,1\n", "people.csv")
    reading = read(tmp_path, VOTES, voters=people, group=["party", "age"])
    votes = reading.comparisons
    assert column(votes.group, votes.groups) == ["D", "R", "D"]
    assert votes.grouped_by("age").groups == ("30", "40")
    assert reading.report.roles["group"] == ("party", "age")
    frame = pa.table({"participant": ["p1", "p2"], "party": ["D", "R"]})
    assert read(tmp_path, VOTES, voters=frame, group="party").comparisons.groups == ("D", "R")


def test_a_group_column_of_the_votes_may_join_those_of_the_voters(tmp_path: Path) -> None:
    people = write(tmp_path, "participant,party\np1,D\np2,R\n", "people.csv")
    votes = read(tmp_path, "winner,loser,participant,day\na,b,p1,mon\nb,a,p2,tue\n", voters=people,
                 group=["day", "party"]).comparisons  # fmt: skip
    assert votes.grouped_by("day", "party").groups == (("mon", "D"), ("tue", "R"))


def test_an_unknown_voter_is_refused_or_counted(tmp_path: Path) -> None:
    people = write(tmp_path, "participant,party\np1,D\n", "people.csv")
    with pytest.raises(ValueError, match=r"column 'party' has missing labels \(None\) in data row 2"):
        read(tmp_path, VOTES, voters=people, group="party")
    reading = read(tmp_path, VOTES, voters=people, group="party", skip=["missing"])
    assert dict(reading.report.skipped) == {"no party": 1}


def test_a_voter_listed_twice_is_refused(tmp_path: Path) -> None:
    people = write(tmp_path, "participant,party\np1,D\np2,R\np1,R\n", "people.csv")
    with pytest.raises(ValueError, match="voters: 'p1' has 2 rows; one row a voter is needed"):
        read(tmp_path, VOTES, voters=people, group="party")


def test_a_table_of_voters_needs_the_voter_column(tmp_path: Path) -> None:
    people = write(tmp_path, "participants,party\np1,D\np2,R\n", "people.csv")
    with pytest.raises(KeyError, match=r"no column 'participant'; .*Did you mean 'participants'"):
        read(tmp_path, VOTES, voters=people, group="party")


def test_a_table_of_voters_needs_group_and_voter_named(tmp_path: Path) -> None:
    people = write(tmp_path, "participant,party\np1,D\np2,R\n", "people.csv")
    with pytest.raises(ValueError, match=r"voters: a table of voters needs the voter column .* and the group columns"):
        read(tmp_path, VOTES, voters=people)
    with pytest.raises(ValueError, match="voters: a table of voters needs the voter column"):
        read(tmp_path, "winner,loser\na,b\n", voters=people, group="party")


def test_a_group_in_neither_table(tmp_path: Path) -> None:
    people = write(tmp_path, "participant,party\np1,D\np2,R\n", "people.csv")
    with pytest.raises(KeyError, match=r"no column 'partie'; .*Did you mean 'party'"):
        read(tmp_path, VOTES, voters=people, group="partie")


# --- Frames -------------------------------------------------------------------------------------------------------


def test_frames_agree_with_the_file(tmp_path: Path) -> None:
    import duckdb
    import pandas as pd
    import polars as pl

    text = "left,right,winner,annotator,country\nx,y,left,v1,US\ny,z,tie,v2,NA\nz,x,right,v1,US\n01,1,right,v3,None\n"
    reading = read(tmp_path, text)
    table = read_table(tmp_path / "votes.csv")
    columns = table.to_pydict()
    with duckdb.connect() as connection:
        connection.register("votes", table)
        frames = [
            table, pd.DataFrame(columns), pl.DataFrame(columns), pl.DataFrame(columns).lazy(),
            connection.sql("select * from votes"), pd.DataFrame(columns).astype("category"),
            pd.DataFrame(columns).convert_dtypes(),
            pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Categorical)),
        ]  # fmt: skip
        for frame in frames:
            other = read_comparisons(frame)
            assert said(other.comparisons) == said(reading.comparisons)
            assert other.comparisons.groups == reading.comparisons.groups == ("NA", "None", "US")
            assert other.comparisons.voters == reading.comparisons.voters
            assert other.report.roles == reading.report.roles
            assert other.report.rows_read == 4


def test_missing_values_of_frames_are_missing() -> None:
    import pandas as pd
    import polars as pl

    for frame in (
        pd.DataFrame({"winner": ["a", None], "loser": ["b", "c"]}),
        pd.DataFrame({"winner": ["a", float("nan")], "loser": ["b", "c"]}),
        pd.DataFrame({"winner": ["a", pd.NA], "loser": ["b", "c"]}).convert_dtypes(),
        pl.DataFrame({"winner": ["a", None], "loser": ["b", "c"]}),
        pd.DataFrame({"winner": [1.0, float("nan")], "loser": [2.0, 3.0]}),
    ):
        with pytest.raises(ValueError, match=r"column 'winner' has missing labels .* in data row 2"):
            read_comparisons(frame)
        assert read_comparisons(frame, skip=["missing"]).report.skipped == {"no winner": 1}


# --- Writing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["t.parquet", "t.jsonl"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    columns = {
        "chosen": ["a", 'b "q"', "c\n"], "rejected": ["é", "", "x"], "tie": np.array([True, False, False]),
        "weight": np.array([1.0, 0.5, 2.0]), "group_id": np.array([0, 1, 0]), "voter": [1, None, 3],
    }  # fmt: skip
    write_table(columns, tmp_path / name)
    found = read_table(tmp_path / name).to_pydict()
    assert list(found) == list(columns)
    for key, values in columns.items():
        assert found[key] == list(values)


def test_columns_of_unequal_length_are_not_written(tmp_path: Path) -> None:
    for name in ("t.parquet", "t.jsonl"):
        with pytest.raises(ValueError, match=r"length|shorter|longer"):
            write_table({"a": [1, 2], "b": [1]}, tmp_path / name)


# --- Whatever comes in comes out ----------------------------------------------------------------------------------

labels = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=8
).filter(lambda label: label not in {"nan", "NaN", "null", "NULL", "<NA>"})  # fmt: skip
rows = st.lists(st.tuples(labels, labels, st.sampled_from([0.5, 1.0, 2.0]), labels), min_size=1, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows, st.sampled_from([",", ";", "\t", "|"]), st.booleans())
def test_rows_written_as_csv_come_back_exactly(tmp_path: Path, drawn: Any, delimiter: str, quoted: bool) -> None:
    kept = [row for row in drawn if row[0] != row[1]]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL if quoted else 0)
    writer.writerows([["winner", "loser", "weight", "voter"], *drawn])
    file = write(tmp_path, text.getvalue())
    if not kept:
        with pytest.raises(ValueError, match="none of its"):
            read_comparisons(file, skip=["self"])
        return
    reading = read_comparisons(file, skip=["self"])
    assert said(reading.comparisons) == [(winner, loser, False, weight) for winner, loser, weight, _ in kept]
    assert column(reading.comparisons.voter, reading.comparisons.voters) == [row[3] for row in kept]
    assert reading.report.rows_read == len(drawn)
    adds_up(reading)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["x", "y", "z", ""]),
            st.sampled_from(["x", "y", "z", ""]),
            st.sampled_from(["left", "right", "tie", "skip me", "both bad"]),
        ),
        min_size=1,
        max_size=15,
    )
)
def test_no_row_is_lost(tmp_path: Path, drawn: list[tuple[str, str, str]]) -> None:
    file = write(tmp_path, "left,right,vote\n" + "".join(",".join(row) + "\n" for row in drawn))
    used = [row for row in drawn if row[0] and row[1] and row[0] != row[1] and row[2] != "skip me"]
    options: dict[str, Any] = {"meaning": {"skip me": "skip", "both bad": "tie"}, "skip": ["missing", "self"]}
    if not used:
        with pytest.raises(ValueError, match="nothing to compare"):
            read_comparisons(file, **options)
        return
    reading = read_comparisons(file, **options)
    adds_up(reading)
    assert reading.report.rows_read == len(drawn)
    expected = [(right, left, False, 1) if vote == "right" else (left, right, vote in ("tie", "both bad"), 1)
                for left, right, vote in used]  # fmt: skip
    assert said(reading.comparisons) == expected


# --- Real data ----------------------------------------------------------------------------------------------------


def test_crowd_comparisons(data: Path) -> None:
    reading = read_comparisons(data / "llmfao/crowd-comparisons.csv.gz")
    adds_up(reading)
    votes = reading.comparisons
    assert (len(votes), len(votes.alternatives), len(votes.voters)) == (8931, 59, 124)
    assert int(votes.tie.sum()) == 3471
    roles = dict(reading.report.roles)
    assert roles == {"first": "left", "second": "right", "outcome": "winner", "voter": "worker"}
    table = read_table(data / "llmfao/crowd-comparisons.csv.gz").to_pydict()
    left_won = [row for row, word in enumerate(table["winner"]) if word == "left"]
    right_won = [row for row, word in enumerate(table["winner"]) if word == "right"]
    assert (len(left_won), len(right_won)) == (2911, 2549)
    rows = said(votes)
    assert all(rows[row][:2] == (table["left"][row], table["right"][row]) for row in left_won)
    assert all(rows[row][:2] == (table["right"][row], table["left"][row]) for row in right_won)
    assert any("'prompt'" in note for note in reading.report.notes)


MEANING = {
    "Thought A": "first", "Thought B": "second", "I agree with both": "tie", "I disagree with both": "tie",
    "These are similar": "tie", "I'm not sure": "skip",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "total", "decided", "party", "other"),
    [
        ("foreign_intervention", 4522, 4137, "party", "age"),
        ("right_to_assemble", 7548, 7152, "politics", "gender"),
    ],
)
def test_polarised_issues(data: Path, name: str, total: int, decided: int, party: str, other: str) -> None:
    file = data / f"polarized_issues/{name}_preference.csv.gz"
    people = data / f"polarized_issues/{name}_participants.csv"
    table = read_table(file).to_pydict()
    counts = {value: table["vote"].count(value) for value in MEANING}
    assert sum(counts.values()) == total
    assert counts["Thought A"] + counts["Thought B"] == decided
    with pytest.raises(ValueError, match="not understood"):
        read_comparisons(file)
    reading = read_comparisons(
        file, voters=people, group=[party, other], meaning=MEANING, skip=["missing"], context="question"
    )
    adds_up(reading)
    votes, report = reading.comparisons, reading.report
    assert report.rows_read == total
    assert report.skipped[f"vote = {chr(34)}I'm not sure{chr(34)}"] == counts["I'm not sure"]
    lost = report.skipped.get(f"no {other}", 0) + report.skipped.get(f"no {party}", 0)
    tied = sum(counts[value] for value, meaning in MEANING.items() if meaning == "tie")
    assert len(votes) == total - counts["I'm not sure"] - lost
    if not lost:
        assert int(votes.tie.sum()) == tied
    who = read_table(people).to_pydict()
    truth = dict(zip(who["participant"], zip(who[party], who[other], strict=True), strict=True))
    crossed = votes.grouped_by(party, other)
    assert column(crossed.group, crossed.groups) == [truth[v] for v in column(votes.voter, votes.voters)]
    assert len(votes.contexts) == len(set(table["question"]))


def test_baseball_counts(data: Path) -> None:
    reading = ingest.read_comparisons(
        data / "r_bradleyterry2/baseball.csv", first="home.team", second="away.team", first_wins="home.wins",
        second_wins="away.wins",
    )  # fmt: skip
    adds_up(reading)
    assert (reading.report.rows_read, len(reading.comparisons.alternatives)) == (42, 7)
    assert reading.comparisons.weight.sum() == 273


def test_citations_of_oneself_are_skipped(data: Path) -> None:
    reading = ingest.read_comparisons(
        data / "r_bradleyterry2/citations.csv", winner="cited", loser="citing", weight="Freq", skip=["self"]
    )
    adds_up(reading)
    assert dict(reading.report.skipped) == {"compared with itself": 4}
    assert reading.comparisons.weight.sum() == 3727


def test_labels_that_differ_in_spaces_alone_are_noted() -> None:
    notes = ingest.read_comparisons(pa.table({"winner": ["a", "b"], "loser": [" b", "a"]})).report.notes
    assert notes == ("' b' and 'b' differ only in the spaces around them, and count as different alternatives",)


def test_a_meaning_without_an_outcome_column_is_refused() -> None:
    with pytest.raises(ValueError, match="no column says an outcome"):
        ingest.read_comparisons(pa.table({"winner": ["a"], "loser": ["b"]}), meaning={"x": "tie"})


def test_meanings_match_values_as_text_too() -> None:
    table = pa.table({"a": ["x", "x"], "b": ["y", "y"], "vote": ["0", "1"]})
    found = ingest.read_comparisons(table, meaning={0: "first", 1: "second"}).comparisons
    assert [found.alternatives[code] for code in found.winner] == ["x", "y"]


def test_a_table_is_written_in_a_known_format_only(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.parquet or \.jsonl"):
        ingest.write_table({"a": [1]}, tmp_path / "rows.csv")


def test_the_first_of_two_sides_was_shown_first() -> None:
    sides = pa.table({"left": ["x", "x", "y"], "right": ["y", "z", "z"], "outcome": ["left", "tie", "right"]})
    reading = ingest.read_comparisons(sides, first="left", second="right", outcome="outcome")
    assert reading.comparisons.order is not None
    assert reading.comparisons.order.tolist() == [1, 1, -1]
    counted = pa.table({"home": ["x"], "away": ["y"], "home_wins": [3], "away_wins": [2]})
    games = ingest.read_comparisons(
        counted, first="home", second="away", first_wins="home_wins", second_wins="away_wins"
    ).comparisons
    assert games.order is not None
    assert games.order.tolist() == [1, -1]
    assert ingest.read_comparisons(pa.table({"chosen": ["a"], "rejected": ["b"]})).comparisons.order is None
