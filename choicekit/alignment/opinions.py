"""Whose opinions does a model reflect? Survey tables, and how close a model's answers are to each group's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._shares import Floats, over_contexts, resampled
from choicekit.alignment._tabular import distribution, normalised
from choicekit.alignment.distances import Distribution
from choicekit.alignment.steerability import Similarity
from choicekit.profiles._columns import Column, Label, encode, frozen, is_missing, listed, numbers, short

#: The answers to a question in order, the same for all questions or one sequence for each.
Scales = Sequence[Label] | Mapping[Label, Sequence[Label]]


@dataclass(frozen=True, eq=False)
class Opinions:
    """How each group answers each question, on ordered scales.

    ``shares[x, g, m]`` are shares of the answers on the scale of question x, ``scales[x]``; questions with fewer than m
    answers have zeros behind, and a group that did not answer has NaN. ``counts[x, g]`` are rows on the scale,
    ``refused[x, g]`` rows that were left out as refusals, ``totals[x, g]`` the weight of the former.

    >>> found = opinions_from_table(["q"] * 3, ["a", "a", "b"], ["no", "yes", "yes"], scales=["no", "yes"])
    >>> found.shares.tolist(), found.counts.tolist()
    ([[[0.5, 0.5], [0.0, 1.0]]], [[2, 1]])
    """

    questions: tuple[Label, ...]
    groups: tuple[Label, ...]
    scales: tuple[tuple[Label, ...], ...]
    shares: Floats
    counts: NDArray[np.int64]
    refused: NDArray[np.int64]
    totals: Floats

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many answers each scale has, ``[x]``.

        >>> opinions_from_table(["q"], ["a"], ["no"], scales=["no", "yes"]).sizes.tolist()
        [2]
        """
        return np.array([len(scale) for scale in self.scales])

    @property
    def population(self) -> Floats:
        """The answers of all groups together, each by the weight of its rows, ``[x, m]``.

        >>> opinions_from_table(["q"] * 3, list("aab"), [0, 1, 1], scales=[0, 1]).population.round(3).tolist()
        [[0.333, 0.667]]
        """
        whole: Floats = np.einsum("xg,xgm->xm", self.totals, np.nan_to_num(self.shares))
        whole /= self.totals.sum(-1, keepdims=True)
        return whole

    def of(self, group: Label) -> Floats:
        """How one group answers, ``[x, m]``.

        >>> opinions_from_table(["q"], ["a"], ["no"], scales=["no", "yes"]).of("a").tolist()
        [[1.0, 0.0]]
        """
        if group not in self.groups:
            raise ValueError(f"group: needed one of {short(self.groups)}, got {group!r}")
        return self.shares[:, self.groups.index(group)]

    def resampled(self, draws: int, *, rng: int | np.random.Generator = 0) -> Floats:
        """Shares as they would be had other people been asked: each group's rows drawn anew, ``[draws, x, g, m]``.

        Rows are independent draws from the group's shares, as many as there were. It takes a respondent's answers to
        different questions as unrelated, and of weights knows the shares alone, so that it is too sure where weights
        vary much.

        >>> opinions_from_table(["q"] * 4, ["a"] * 4, [0, 0, 0, 0], scales=[0, 1]).resampled(2).tolist()
        [[[[1.0, 0.0]]], [[[1.0, 0.0]]]]
        """
        there = self.counts > 0
        drawn = np.full((draws, *self.shares.shape), np.nan)
        counts = np.random.default_rng(rng).multinomial(
            self.counts[there], self.shares[there], size=(draws, int(there.sum()))
        )
        drawn[:, there] = counts / self.counts[there][:, None]
        return drawn


def opinions_from_table(
    question: Column,
    group: Column,
    answer: Column,
    *,
    scales: Scales,
    refusals: Collection[Label] = (),
    weights: ArrayLike | None = None,
) -> Opinions:
    """A long table of answers, one row for each respondent and question, as each group's shares of each answer.

    ``question``, ``group`` and ``answer`` are columns of equal length. ``scales`` are the answers in order: one
    sequence for all questions, or a mapping with one for each. Rows whose answer is in ``refusals``, or missing (None,
    NaN), are left out and counted as refused; ``weights`` weigh the others. Raises ``ValueError`` for an answer that is
    neither on the scale nor a refusal, or both, and for a question that nobody answered.

    >>> table = ["poverty"] * 4, ["Norway", "Norway", "USA", "USA"], ["too little", "refused", "too much", "too little"]
    >>> found = opinions_from_table(*table, scales=["too little", "about right", "too much"], refusals=["refused"])
    >>> found.shares.tolist(), found.refused.tolist()
    ([[[1.0, 0.0, 0.0], [0.5, 0.0, 0.5]]], [[1, 0]])
    """
    asked, questions = encode("question", question)
    who, groups = encode("group", group)
    said = listed("answer", answer)
    items = said.tolist() if isinstance(said, np.ndarray) else said
    if not len(asked) == len(who) == len(items):
        raise ValueError(f"needed columns of one length, got {len(asked)}, {len(who)} and {len(items)} rows")
    orders = _scales(questions, scales, refusals)
    places = [{label: place for place, label in enumerate(order)} for order in orders]
    codes = np.array([_place(places[x], item, refusals) for x, item in zip(asked.tolist(), items, strict=True)], int)
    if (codes == -2).any():
        row = int(np.flatnonzero(codes == -2)[0])
        raise ValueError(
            f"answer: {items[row]!r} in row {row} is not on the scale of {questions[asked[row]]!r} "
            f"({int((codes == -2).sum())} such rows); put it on the scale or among the refusals"
        )
    there, shape = codes >= 0, (len(questions), len(groups))
    size = max(len(order) for order in orders)
    heavy = numbers("weights", weights, len(items))[there]
    cell = asked * shape[1] + who
    cells = shape[0] * shape[1]
    tallies = np.bincount(cell[there] * size + codes[there], heavy, minlength=cells * size).reshape(*shape, size)
    totals = tallies.sum(-1)
    silent = np.flatnonzero(totals.sum(-1) == 0)
    if silent.size:
        raise ValueError(f"question: nobody answered {questions[silent[0]]!r} ({silent.size} such); leave it out")
    shares = np.full(tallies.shape, np.nan)
    np.divide(tallies, totals[..., None], out=shares, where=totals[..., None] > 0)
    return Opinions(
        questions=questions,
        groups=groups,
        scales=tuple(tuple(order) for order in orders),
        shares=frozen(shares),
        counts=frozen(np.where(totals > 0, np.bincount(cell[there], minlength=cells).reshape(shape), 0)),
        refused=frozen(np.bincount(cell[~there], minlength=cells).reshape(shape)),
        totals=frozen(totals),
    )


@dataclass(frozen=True, eq=False)
class Representativeness:
    """How close a model's answers are to each group's, ``by_question[x, g]``, in [0, 1] on ordered scales.

    ``scores[g]`` are means over the questions that the group answered (NaN elsewhere), with ``question_weights[x]``.

    >>> answers = opinions_from_table(["q"] * 2, ["a", "b"], [0, 2], scales=[0, 1, 2])
    >>> found = representativeness([[1.0, 0.0, 0.0]], answers)
    >>> found.scores.tolist(), found.best
    ([1.0, 0.0], ('a',))
    """

    groups: tuple[Label, ...]
    by_question: Floats
    question_weights: Floats

    @property
    def scores(self) -> Floats:
        """The mean over questions, ``[g]``.

        >>> answers = opinions_from_table(["q"] * 2, ["a", "b"], [0, 2], scales=[0, 1, 2])
        >>> representativeness([[0.0, 1.0, 0.0]], answers).scores.tolist()
        [0.5, 0.5]
        """
        return over_contexts(self.by_question, self.question_weights)

    @property
    def best(self) -> tuple[Label, ...]:
        """The groups that the model is closest to, several where they tie.

        >>> answers = opinions_from_table(["q"] * 2, ["a", "b"], [0, 2], scales=[0, 1, 2])
        >>> representativeness([[0.0, 1.0, 0.0]], answers).best
        ('a', 'b')
        """
        return _best(self.groups, self.scores)

    def interval(self, level: float = 0.95, *, draws: int = 1000, rng: int | np.random.Generator = 0) -> Floats:
        """Percentile bootstrap intervals ``[g, 2]`` of the scores, questions drawn anew with replacement.

        >>> answers = opinions_from_table(["q", "r"], ["a", "a"], [0, 2], scales=[0, 1, 2])
        >>> representativeness([[0.0, 1.0, 0.0]] * 2, answers).interval().tolist()
        [[0.5, 0.5]]
        """
        return resampled(self.by_question, self.question_weights, level, draws, rng)


def representativeness(
    policies: Distribution,
    opinions: Opinions,
    *,
    similarity: Similarity | None = None,
    question_weights: ArrayLike | None = None,
) -> Representativeness:
    """How close a model's answers are to each group's: the mean over questions of 1 − W1/(N − 1).

    W1 is the Wasserstein distance between the two distributions over the N answers of a question, one step apart, so
    that 1 is the same distribution and 0 opposite ends of the scale. ``policies[x, m]`` are the model's shares in the
    order of ``opinions.questions``, its refusals removed, with zeros behind short scales; ``question_weights[x]``
    default to equal. For answers without an order give a ``similarity`` of arrays ``[..., m]``, such as
    ``lambda p, q: 1 - jensen_shannon_distance(p, q)``.

    Source: Santurkar et al. 2023, arXiv:2303.17548.

    >>> answers = opinions_from_table(["q"] * 10, ["a"] * 10, [0, 1, 1, 2, 2, 2, 3, 3, 3, 3], scales=range(4))
    >>> representativeness([[0.5, 0.3, 0.2, 0]], answers).scores.round(6).tolist()      # 1 − 1.3/3
    [0.566667]
    """
    model = _answers(policies, opinions, ())
    return Representativeness(
        opinions.groups,
        _alike(model[:, None], opinions.shares, opinions.sizes, similarity),
        normalised(question_weights, len(opinions.questions)),
    )


def group_similarities(opinions: Opinions, *, similarity: Similarity | None = None) -> Floats:
    """How close the groups' opinions are to each other, ``[g, g]``: means over the questions that both answered.

    The measure is that of :func:`representativeness`; NaN for groups without a common question.

    >>> answers = opinions_from_table(["q"] * 3, list("abc"), [0, 1, 2], scales=[0, 1, 2])
    >>> group_similarities(answers).tolist()
    [[1.0, 0.5, 0.0], [0.5, 1.0, 0.5], [0.0, 0.5, 1.0]]
    """
    shares = opinions.shares
    each = _alike(shares[:, :, None], shares[:, None, :], opinions.sizes, similarity)
    return over_contexts(each, np.ones(len(shares)))


class TopicConsistency(NamedTuple):
    """Whether a model is closest to the same group on every topic.

    ``share`` of the topics have the overall closest group (``overall``) among their own closest; ``topics`` and
    ``best`` are the topics with the groups closest there.

    >>> TopicConsistency(0.5, ("a",), ("t", "u"), (("a",), ("b",))).share
    0.5
    """

    share: float
    overall: tuple[Label, ...]
    topics: tuple[Label, ...]
    best: tuple[tuple[Label, ...], ...]


def topic_consistency(found: Representativeness, topics: Column) -> TopicConsistency:
    """The share of topics on which the group that the model is closest to is the one it is closest to overall.

    ``topics[x]`` are the questions' topics. A topic's score is the weighted mean over its questions and the overall
    score the mean over topics. Where groups tie, a topic counts if one of the overall closest is among its closest.

    Source: Santurkar et al. 2023, arXiv:2303.17548 (ties are our convention).

    >>> answers = opinions_from_table(["q", "q", "r", "r"], list("abab"), [0, 2, 2, 1], scales=[0, 1, 2])
    >>> found = representativeness([[1.0, 0, 0], [1.0, 0, 0]], answers)      # a has 1 and 0, b has 0 and ½
    >>> topic_consistency(found, ["poverty", "war"])[:2]
    (0.5, ('a',))
    """
    codes, labels = encode("topics", topics)
    if len(codes) != len(found.by_question):
        raise ValueError(f"topics: needed one for each of {len(found.by_question)} questions, got {len(codes)}")
    rows = [codes == topic for topic in range(len(labels))]
    scores = np.stack([over_contexts(found.by_question[row], found.question_weights[row]) for row in rows])
    best = tuple(_best(found.groups, score) for score in scores)
    overall = _best(found.groups, over_contexts(scores, np.ones(len(labels))))
    hits = [bool(set(overall) & set(closest)) for closest in best]
    return TopicConsistency(sum(hits) / len(hits), overall, labels, best)


@dataclass(frozen=True, eq=False)
class OpinionSteerability:
    """How close a model comes to each group when it is asked to answer as that group.

    ``by_prompting[c, g]`` are representativeness scores for each way of asking, ``scores[g]`` the mean over questions
    of the best way for each.

    >>> answers = opinions_from_table(["q"] * 2, ["a", "b"], [0, 2], scales=[0, 1, 2])
    >>> found = opinion_steerability([[[[1.0, 0, 0], [0, 0, 1.0]]], [[[0, 1.0, 0], [0, 1.0, 0]]]], answers)
    >>> found.scores.tolist(), found.by_prompting.tolist()
    ([1.0, 1.0], [[1.0, 1.0], [0.5, 0.5]])
    """

    groups: tuple[Label, ...]
    scores: Floats
    by_prompting: Floats


def opinion_steerability(
    steered: ArrayLike,
    opinions: Opinions,
    *,
    similarity: Similarity | None = None,
    question_weights: ArrayLike | None = None,
) -> OpinionSteerability:
    """Representativeness for each group of the answers given when steered to it, by the best of several prompts.

    ``steered[c, x, g, m]`` is how the model answers question x when asked in way c to speak for group g. For each
    question and group the best way counts, which with many ways and few answers flatters the model.

    Source: Santurkar et al. 2023, arXiv:2303.17548 (the best of the ways of asking; that the best is taken question by
    question was seen at second hand).

    >>> answers = opinions_from_table(["q"], ["a"], [0], scales=[0, 1, 2])
    >>> opinion_steerability([[[[0.5, 0.5, 0]]]], answers).scores.tolist()
    [0.75]
    """
    told = _answers(steered, opinions, (len(opinions.groups),), ways=True)
    each = _alike(told, opinions.shares, opinions.sizes, similarity)
    weights = normalised(question_weights, len(opinions.questions))
    return OpinionSteerability(
        opinions.groups,
        over_contexts(each.max(0), weights),
        np.stack([over_contexts(way, weights) for way in each]),
    )


def _scales(questions: Sequence[Label], scales: Scales, refusals: Collection[Label]) -> list[list[Label]]:
    """The answers of each question in order, checked."""
    found = []
    for name in questions:
        if isinstance(scales, Mapping) and name not in scales:
            raise ValueError(f"scales: none for the question {name!r}; give its answers in order")
        order = list(scales[name] if isinstance(scales, Mapping) else scales)
        if len(order) < 2 or len(set(order)) < len(order):
            raise ValueError(f"scales: needed at least 2 different answers for {name!r}, got {order!r}")
        if both := [answer for answer in order if answer in refusals]:
            raise ValueError(f"scales: {short(both)} is on the scale of {name!r} and among the refusals; keep one")
        found.append(order)
    return found


def _place(places: Mapping[Label, int], answer: Label, refusals: Collection[Label]) -> int:
    """An answer's place on the scale, −1 for a refusal, −2 for what is neither."""
    if answer in places:
        return places[answer]
    return -1 if is_missing(answer) or answer in refusals else -2


def _answers(given: Distribution, opinions: Opinions, middle: tuple[int, ...], ways: bool = False) -> Floats:
    """A model's answers ``[x, *middle, m]``, or ``[c, x, *middle, m]``, with nothing beyond the ends of scales."""
    model = distribution("policies", given)
    size = opinions.shares.shape[-1]
    shape = (len(opinions.questions), *middle, size)
    if model.shape[int(ways) :] != shape:
        raise ValueError(f"policies: needed shape {('c',) * ways + shape}, one row a question, got {model.shape}")
    beyond = np.arange(size) >= opinions.sizes.reshape(-1, *[1] * (len(middle) + 1))
    if (np.where(beyond, model, 0.0) > 0).any():
        raise ValueError("policies: probability on answers beyond the end of a question's scale; put zeros there")
    return model


def _alike(p: Floats, q: Floats, sizes: NDArray[np.int64], similarity: Similarity | None) -> Floats:
    """How alike distributions ``[..., x, …, m]`` are, NaN where a group did not answer."""
    if similarity is None:
        longest = np.asarray(sizes - 1, np.float64)
        moved = np.abs(np.cumsum(p - q, axis=-1)[..., :-1]).sum(-1)
        found: Floats = 1 - moved / longest.reshape(-1, *[1] * (q.ndim - 2))
        return found
    first, second = np.broadcast_arrays(p, q)
    there = ~(np.isnan(first).any(-1) | np.isnan(second).any(-1))
    found = np.full(there.shape, np.nan)
    found[there] = similarity(first[there], second[there])
    return found


def _best(groups: tuple[Label, ...], scores: Floats) -> tuple[Label, ...]:
    if np.isnan(scores).all():
        return ()
    level = scores >= np.nanmax(scores) - 1e-12
    return tuple(group for group, one in zip(groups, level.tolist(), strict=True) if one)
