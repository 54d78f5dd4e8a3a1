"""Voters in memory, as EM over mixtures needs them: comparisons by voter, and rankings; and where restarts begin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.kernels import luce
from choicekit.kernels import mixtures as kernels
from choicekit.models._em import Parameters
from choicekit.models.luce import Pairs, win_components
from choicekit.profiles import Comparisons, Rankings
from choicekit.profiles._columns import Label, short
from choicekit.profiles.counts import PairCounts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Ties = Literal["half", "drop"]
Concomitants = Mapping[Any, ArrayLike] | ArrayLike

_LARGEST_TABLE = 2_000  # alternatives for which all pairs are looked up in a table
_BLOCK = 1_000_000  # rows that are coded at once
_NOTHING = 1e-9  # comparisons that say nothing
_SHRINK = 5.0  # comparisons of indifference that a voter's record is mixed with where voters are set side by side


@dataclass(frozen=True, eq=False)
class PairFamily:
    """Bradley–Terry: tallies ``[k, pair, 2]`` of wins of the first and of the second, and how scores answer."""

    first: Ints
    second: Ints
    size: int

    def refit(self, scores: Floats, tallies: Floats, precision: float, tolerance: float) -> Floats:
        middle = np.zeros(self.size)
        found = []
        for mine, start in zip(tallies, scores, strict=True):
            count, won = mine.sum(1), np.ascontiguousarray(mine[:, 0])
            if not count.sum() > (0.0 if precision else _NOTHING):
                found.append(np.zeros(self.size) if precision else start)
                continue
            new = luce.newton(self.first, self.second, count, won, middle, precision, start, tolerance, 30)[0]
            found.append(new if np.isfinite(new).all() else start)  # without a prior, wins may all but go one way
        scores = np.stack(found)
        return np.asarray(scores - scores.mean(1, keepdims=True), np.float64)

    def surpluses(self, tallies: Floats, scores: Floats) -> tuple[Floats, Floats]:
        return kernels.surpluses(self.first, self.second, tallies, scores)

    def parts(self, tallies: Floats, least: float) -> list[list[int]]:
        """Strongly connected components of "won at least ``least`` of the comparisons"."""
        kept = np.where(tallies > least, tallies, 0.0)
        return win_components(Pairs(self.first, self.second, kept.sum(1), kept[:, 0]), self.size)


@dataclass(frozen=True, eq=False)
class BallotFamily:
    """Plackett–Luce: tallies ``[k, m, 2]`` of choices made and expected, and a minorise–maximise step (Hunter 2004)."""

    def refit(self, scores: Floats, tallies: Floats, precision: float, tolerance: float) -> Floats:
        made, due = tallies[..., 0], tallies[..., 1]
        if precision == 0.0:
            safe = (made > 0) & (due > 0)
            move = np.where(safe, np.log(np.where(safe, made, 1.0) / np.where(safe, due, 1.0)), -2.0 * (due > 0))
        else:  # the root of made − due·e^d − precision·(score + d), a decreasing concave function of d
            move = np.zeros_like(scores)
            for _ in range(60):
                grown = due * np.exp(move)
                step = (made - grown - precision * (scores + move)) / (grown + precision)
                move += np.clip(step, -5.0, 5.0)
                if np.abs(step).max() <= tolerance:
                    break
        new = scores + move
        return np.asarray(new - new.mean(1, keepdims=True), np.float64)

    def surpluses(self, tallies: Floats, scores: Floats) -> tuple[Floats, Floats]:
        del scores
        return tallies[..., 0] - tallies[..., 1], tallies.sum(-1)


@dataclass(frozen=True, eq=False)
class PairVotes:
    """Comparisons by voter: an electorate whose events are directed pairs (see ``choicekit.kernels.mixtures``)."""

    family: PairFamily
    start: Ints
    event: NDArray[np.int32]
    weight: Floats
    times: Floats
    covariates: Floats | None

    def logs(self, scores: Floats) -> Floats:
        gap = scores[:, self.family.first] - scores[:, self.family.second]
        tail = np.log1p(np.exp(-np.abs(gap)))
        table = np.stack([np.minimum(gap, 0.0) - tail, np.minimum(-gap, 0.0) - tail], axis=-1)
        return kernels.event_sums(self.start, self.event, self.weight, self._table(table))

    def tallies(self, shares: Floats, scores: Floats) -> Floats:
        del scores
        sums = kernels.event_tallies(self.start, self.event, self.weight, shares, 2 * len(self.family.first))
        return np.ascontiguousarray(sums.reshape(-1, 2, shares.shape[1]).transpose(2, 0, 1))

    def subset(self, rows: Ints) -> PairVotes:
        """Some voters alone, in the order of ``rows``; pairs keep their places."""
        start, event, weight = kernels.chosen(self.start, self.event, self.weight, rows)
        covariates = None if self.covariates is None else self.covariates[rows]
        return PairVotes(self.family, start, event, weight, self.times[rows], covariates)

    def sizes(self) -> Floats:
        """The weight of each voter's comparisons."""
        one = np.ones((2 * len(self.family.first), 1))
        return kernels.event_sums(self.start, self.event, self.weight, one).ravel()

    def cells(self) -> int:
        """How many pairs were compared by how many voters: cells of the table (voter, pair) that are not empty."""
        return kernels.distinct(self.start, self.event, len(self.family.first))

    def outlook(self, scores: Floats, columns: int, rng: np.random.Generator) -> Floats:
        """Where each voter departs from ``scores[m]``, ``[n, columns]``: the leading directions of their surplus wins.

        A voter's surplus of alternative i is wins minus wins expected, per comparison (with some of indifference);
        subspace iteration finds the directions without ever making the ``[n, m]`` table.
        """
        family = self.family
        winner = np.stack([family.first, family.second], 1).ravel()
        loser = np.stack([family.second, family.first], 1).ravel()
        surplus = (1 / (1 + np.exp(scores[winner] - scores[loser])))[:, None]
        scale = (1 / (self.sizes() + _SHRINK))[:, None]

        def project(basis: Floats) -> Floats:
            table = np.ascontiguousarray(surplus * (basis[winner] - basis[loser]))
            return np.asarray(kernels.event_sums(self.start, self.event, self.weight, table) * scale, np.float64)

        basis = np.linalg.qr(rng.normal(size=(family.size, columns)))[0]
        for _ in range(5):
            back = kernels.event_tallies(self.start, self.event, self.weight, project(basis) * scale, len(winner))
            back = np.asarray(back * surplus, np.float64)
            image = [np.bincount(winner, c, family.size) - np.bincount(loser, c, family.size) for c in back.T]
            basis = np.linalg.qr(np.stack(image, 1))[0]
        return project(basis)

    @staticmethod
    def _table(values: Floats) -> Floats:
        """``[k, pair, 2]`` as the kernels' ``[event, k]``."""
        return np.ascontiguousarray(values.transpose(1, 2, 0).reshape(-1, len(values)))


@dataclass(frozen=True, eq=False)
class Ballots:
    """Strict rankings, full or of the best few: ``orders[n, m]`` best first, ``lengths[n]`` of them ranked."""

    orders: Ints
    lengths: Ints
    times: Floats
    covariates: Floats | None

    def logs(self, scores: Floats) -> Floats:
        return kernels.ballot_logs(self.orders, self.lengths, scores)

    def tallies(self, shares: Floats, scores: Floats) -> Floats:
        return kernels.ballot_tallies(self.orders, self.lengths, scores, shares)

    def subset(self, rows: Ints) -> Ballots:
        """Some voters alone, in the order of ``rows``."""
        covariates = None if self.covariates is None else self.covariates[rows]
        return Ballots(self.orders[rows], self.lengths[rows], self.times[rows], covariates)

    def sizes(self) -> Floats:
        """How many choices each ballot shows: its length, less one where everything is ranked."""
        return np.asarray(np.minimum(self.lengths, self.orders.shape[1] - 1), np.float64)

    def cells(self) -> int:
        """How many choices all ballots show."""
        return int(self.sizes().sum())

    def outlook(self, scores: Floats, columns: int, rng: np.random.Generator) -> Floats:
        """Where each ballot departs from ``scores[m]``: the leading directions of choices made minus expected."""
        away = kernels.ballot_surpluses(self.orders, self.lengths, scores)
        basis = np.linalg.qr(rng.normal(size=(away.shape[1], columns)))[0]
        for _ in range(5):
            basis = np.linalg.qr(away.T @ (away @ basis * self.times[:, None]))[0]
        return np.asarray(away @ basis, np.float64)

    def parts(self, shares: Floats, least: float) -> list[list[int]]:
        """Strongly connected components of "chosen before, in ballots of weight at least ``least``"."""
        beats = kernels.ballot_beats(self.orders, self.lengths, shares)
        beats[beats <= least] = 0.0
        size = len(beats)
        first, second = np.triu_indices(size, 1)
        count = beats[first, second] + beats[second, first]
        return win_components(Pairs(first, second, count, beats[first, second]), size)


def pair_keys(cells: PairCounts | Comparisons, alternatives: tuple[Label, ...]) -> Ints:
    """The unordered pairs that met, as ``low · m + high`` of places among ``alternatives``, sorted."""
    size = len(alternatives)
    if size > _LARGEST_TABLE:
        found = [np.unique(_keys(first, second, size)) for _, first, second in _blocks(cells, alternatives)]
        return np.unique(np.concatenate([np.empty(0, np.int64), *found]))
    met = np.zeros(size * size, np.bool_)
    for _, first, second in _blocks(cells, alternatives):
        met[_keys(first, second, size)] = True
    return np.flatnonzero(met)


def pair_votes(
    cells: PairCounts | Comparisons, alternatives: tuple[Label, ...], keys: Ints, ties: Ties,
    concomitants: Concomitants | None, rows: Ints | None = None,
) -> PairVotes:  # fmt: skip
    """Comparisons by voter, with the pairs numbered by their place in ``keys``; of all voters, or of some ``rows``.

    Other voters than those in ``rows`` must have no cells.
    """
    if cells.voter is None:
        raise KeyError(
            "mixture: the comparisons do not say whose they are; give voter= when they are made, "
            "or pass counts by voter, comparisons.counts('voter')"
        )
    voters, voter = cells.voters, cells.voter.astype(np.int32, copy=False)
    if rows is not None:
        code = np.zeros(len(voters), np.int32)
        code[rows] = np.arange(len(rows), dtype=np.int32)
        voters, voter = tuple(voters[row] for row in rows.tolist()), code[voter]
    size = len(alternatives)
    arc = np.empty(len(voter), np.int32)
    table = np.zeros(size * size if size <= _LARGEST_TABLE else 0, np.int32)
    if size <= _LARGEST_TABLE:
        table[keys] = np.arange(len(keys), dtype=np.int32)
    for block, first, second in _blocks(cells, alternatives):
        key = _keys(first, second, size)
        edge = table[key] if size <= _LARGEST_TABLE else np.searchsorted(keys, key)
        arc[block] = 2 * edge + (first > second)
    start, event, weight = kernels.events(voter, arc, *_ways(cells, ties), len(voters))
    return PairVotes(
        PairFamily(keys // size, keys % size, size), start, event, weight,
        (np.diff(start) > 0).astype(np.float64), covariates_of(concomitants, voters),
    )  # fmt: skip


def _ways(cells: PairCounts | Comparisons, ties: Ties) -> tuple[Floats, Floats]:
    """The weight of each row for its first (empty where all are 1), and for its second (empty where all are 0)."""
    half, nothing = 0.5 if ties == "half" else 0.0, np.empty(0)
    if isinstance(cells, PairCounts):
        return cells.won + half * cells.tied, cells.lost + half * cells.tied
    if cells._tie is None or not cells._tie.any():
        return nothing if cells._weight is None else cells._weight, nothing
    weight = 1.0 if cells._weight is None else cells._weight
    return np.where(cells._tie, half, 1.0) * weight, np.where(cells._tie, half, 0.0) * weight


def _keys(first: Ints, second: Ints, size: int) -> Ints:
    return np.minimum(first, second) * size + np.maximum(first, second)


def _blocks(cells: PairCounts | Comparisons, alternatives: tuple[Label, ...]) -> Iterator[tuple[slice, Ints, Ints]]:
    """The two sides of the rows as places among ``alternatives``, block by block, so that little is held at once."""
    first, second = (cells.first, cells.second) if isinstance(cells, PairCounts) else (cells._winner, cells._loser)
    same = cells.alternatives == alternatives
    place = {label: code for code, label in enumerate(alternatives)}
    codes = np.arange(len(alternatives)) if same else np.array([place[label] for label in cells.alternatives], np.int64)
    for begin in range(0, len(first), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        yield block, codes[first[block]], codes[second[block]]


def joined(parts: Sequence[PairVotes]) -> PairVotes:
    """The voters of several electorates over the same pairs, one after the other."""
    if len(parts) == 1:
        return parts[0]
    ends = np.cumsum([part.start[-1] for part in parts])
    starts = [part.start[:-1] + end - part.start[-1] for part, end in zip(parts, ends, strict=True)]
    covariates = [part.covariates for part in parts if part.covariates is not None]
    return PairVotes(
        parts[0].family, np.append(np.concatenate(starts), ends[-1]), np.concatenate([part.event for part in parts]),
        np.concatenate([part.weight for part in parts]), np.concatenate([part.times for part in parts]),
        np.concatenate(covariates) if covariates else None,
    )  # fmt: skip


def ballots(rankings: Rankings, concomitants: Concomitants | None) -> Ballots:
    """Strict rankings as orders; refuses ties."""
    ranks = rankings.ranks
    ranked = ranks >= 0
    keys = np.where(ranked, ranks, np.iinfo(np.int64).max)
    orders = np.argsort(keys, axis=1, kind="stable")
    ordered = np.take_along_axis(keys, orders, 1)
    tied = np.flatnonzero(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] < np.iinfo(np.int64).max)).any(1))
    if tied.size:
        raise ValueError(
            f"plackett_luce_mixture: needed strict rankings, but {tied.size} have ties, the first in row {tied[0]}; "
            "break the ties or leave those rows out"
        )
    lengths = ranked.sum(1).astype(np.int64)
    says = np.minimum(lengths, ranks.shape[1] - 1) > 0
    if not (says & (rankings.weights > 0)).any():
        raise ValueError("plackett_luce_mixture: needed a ranking that prefers something to something, got none")
    voters = tuple(range(len(ranks)))
    return Ballots(orders, lengths, rankings.weights * says, covariates_of(concomitants, voters))


def covariates_of(concomitants: Concomitants | None, voters: Sequence[Label]) -> Floats | None:
    """A row for each voter, with a leading column of ones, from an array ``[n, c]`` or a mapping by voter."""
    if concomitants is None:
        return None
    if isinstance(concomitants, Mapping):
        lacking = [voter for voter in voters if voter not in concomitants]
        if lacking:
            raise KeyError(f"concomitants: {len(lacking)} voters have no covariates, such as {short(lacking, 4)}")
        table = np.array([np.atleast_1d(np.asarray(concomitants[voter], np.float64)) for voter in voters])
    else:
        table = np.array(concomitants, np.float64)
        table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or len(table) != len(voters) or not np.isfinite(table).all():
        raise ValueError(
            f"concomitants: needed finite numbers [{len(voters)} voters, covariates] in the order of the voters, "
            f"got shape {table.shape}{'' if np.isfinite(table).all() else ' with entries that are not finite'}"
        )
    return np.column_stack([np.ones(len(table)), table])


def seeds(
    electorate: PairVotes | Ballots, family: PairFamily | BallotFamily, centre: Floats, components: int,
    precision: float, spread: bool, rng: np.random.Generator,
) -> Parameters:  # fmt: skip
    """Where a restart begins: scores after one M-step from guessed responsibilities.

    ``spread``: voters are clustered by their departures from the pooled scores ``centre`` (k-means++, Arthur and
    Vassilvitskii 2007, and a few rounds of Lloyd's). Otherwise each component gets a few voters drawn at random.
    """
    voters = len(electorate.times)
    if spread:
        columns = min(components + 1, len(centre) - 1)
        part = _clusters(electorate.outlook(centre, columns, rng), electorate.times, components, rng)
    else:
        part = rng.integers(components, size=voters)
        part[rng.permutation(voters)[max(components * 3, voters // 5) :]] = -1
    shares = (part[:, None] == np.arange(components)).astype(np.float64)
    if spread:
        shares = 0.9 * shares + 0.1 / components
    shares *= electorate.times[:, None]
    begin = np.tile(centre, (components, 1))
    members = np.maximum(shares.sum(0), 1.0) if spread else np.ones(components)
    # No prior keeps apart what a few voters leave unconnected: begin with one, whatever is maximised afterwards.
    scores = family.refit(begin, electorate.tallies(shares, begin), max(precision, 0.1), 1e-6)
    constant = np.log(members) - np.log(members).mean()
    rows = 1 if electorate.covariates is None else electorate.covariates.shape[1]
    return Parameters(scores, np.concatenate([constant[None], np.zeros((rows - 1, components))]))


def _clusters(points: Floats, times: Floats, components: int, rng: np.random.Generator) -> Ints:
    """k-means from k-means++ seeds: the cluster of each point."""
    weight = (times > 0) / max(float((times > 0).sum()), 1.0)
    centres = points[rng.choice(len(points), p=weight)][None]
    for _ in range(components - 1):
        far = ((points[:, None] - centres) ** 2).sum(2).min(1) * weight
        chance = far / far.sum() if far.sum() > 0 else weight
        centres = np.concatenate([centres, points[rng.choice(len(points), p=chance)][None]])
    part = np.zeros(len(points), np.int64)
    for _ in range(10):
        part = ((points[:, None] - centres) ** 2).sum(2).argmin(1)
        for k in range(components):
            if (part == k).any():
                centres[k] = points[part == k].mean(0)
    return part
