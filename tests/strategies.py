"""What Hypothesis draws for tests of rules."""

from __future__ import annotations

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

import choicekit as ck


@st.composite
def ballots(draw: st.DrawFn, voters: int = 6, alternatives: int = 5, least: int = 1) -> ck.Rankings:
    """Strict, weak or truncated ballots, with weights that are exact in binary (some may be 0)."""
    size = draw(st.integers(least, alternatives))
    strict = st.permutations(range(size))
    weak = st.lists(st.integers(0, size - 1), min_size=size, max_size=size)
    truncated = st.lists(st.integers(-1, size - 1), min_size=size, max_size=size)
    ranks = draw(st.lists(draw(st.sampled_from([strict, weak, truncated])), min_size=1, max_size=voters))
    weights = draw(st.lists(st.integers(0, 32), min_size=len(ranks), max_size=len(ranks)))
    assume(any(weights))
    return ck.Rankings(ranks, np.array(weights) / 4)


@st.composite
def strict_ballots(draw: st.DrawFn, voters: int = 7, alternatives: int = 5, least: int = 1) -> ck.Rankings:
    """Strict complete ballots, one voter each."""
    size = draw(st.integers(least, alternatives))
    return ck.Rankings(draw(st.lists(st.permutations(range(size)), min_size=1, max_size=voters)))


@st.composite
def odd_electorates(draw: st.DrawFn) -> ck.Rankings:
    """An odd number of strict ballots, whose margins are odd."""
    size = draw(st.integers(2, 5))
    voters = draw(st.sampled_from([1, 3, 5, 7]))
    return ck.Rankings(draw(st.lists(st.permutations(range(size)), min_size=voters, max_size=voters)))


@st.composite
def margins(draw: st.DrawFn, alternatives: int = 6, largest: int = 4) -> ck.Margins:
    """Whole-number margins, with many ties."""
    size = draw(st.integers(1, alternatives))
    flat = draw(st.lists(st.integers(-largest, largest), min_size=size * size, max_size=size * size))
    upper = np.triu(np.array(flat).reshape(size, size), 1)
    return ck.Margins(upper - upper.T)
