"""What a fit predicts of a meeting: win, tie or loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.models.fit import Fit, Prediction
from choicekit.profiles import Comparisons, PairCounts
from choicekit.profiles._columns import Label, listed, short

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TieKind = Literal["none", "davidson", "rao_kupper"]


def predict(fit: Fit, first: Any, second: Any, order: ArrayLike = 0, features: ArrayLike | None = None) -> Prediction:
    """Probabilities that ``first`` wins, ties with and loses to ``second``, with delta-method errors.

    With η = s_first − s_second + order·effects["order"] + Σ_f features_f·effects[f]:

    - Bradley–Terry: P(win) = σ(η), and no ties;
    - Davidson (1970, doi:10.1080/01621459.1970.10481082), and Plackett–Luce with a tie effect:
      win : tie : loss = e^{η/2} : ν : e^{−η/2};
    - Rao and Kupper (1967, doi:10.1080/01621459.1967.10482901): P(win) = σ(η − log θ), P(loss) = σ(−η − log θ),
      P(tie) = (θ² − 1)·P(win)·P(loss).

    Parameters
    ----------
    first, second : labels, or equally long lists of labels; one label may also meet a list. A string is a label, and
        so is a tuple that is itself an alternative.
    order : 1 where the first is shown first, -1 where the second is, 0 where neither; one number or one a meeting.
    features : ``[n, q]`` (or ``[q]`` for all meetings alike), in the order of ``fit.features``; ``None`` for zeros.

    Raises ``KeyError`` for a label that the fit does not have; ``ValueError`` for lists of unequal length, an
    alternative that meets itself, an order or features where the fit has no such effect, and above the number of
    alternatives for which a covariance is computed.

    >>> import choicekit as ck
    >>> fit = ck.models.bradley_terry(ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"]))
    >>> chance = predict(fit, "a", ["b", "b"])
    >>> chance.win.round(6).tolist(), chance.tie.tolist()
    ([0.75, 0.75], [0.0, 0.0])
    >>> chance.errors.round(4)[0].tolist()      # ¾·¼·√(4/3)
    [0.2165, 0.0, 0.2165]
    """
    i, j, shown, given = meetings(fit, first, second, order, features)
    eta = advantage(fit, i, j, shown, given)
    kind, tie = tie_of(fit)
    share = np.exp(log_outcomes(kind, tie, eta))
    slope, tie_slope = slopes(kind, tie, eta)
    variance, covariance, tie_variance = _spread(fit, i, j, shown, given)
    squared = slope**2 * variance[:, None] + 2 * slope * tie_slope * covariance[:, None] + tie_slope**2 * tie_variance
    return Prediction(share[:, 0], share[:, 1], share[:, 2], np.sqrt(np.maximum(squared, 0.0)))


def tie_of(fit: Fit) -> tuple[TieKind, float]:
    """How a fit models ties, and log ν or log θ.

    >>> import choicekit as ck
    >>> tie_of(ck.models.bradley_terry(ck.Comparisons(["a", "b"], ["b", "a"])))
    ('none', 0.0)
    """
    if "tie" not in fit.effects:
        return "none", 0.0
    return ("rao_kupper" if fit.model == "rao_kupper" else "davidson"), float(fit.effects["tie"])


def log_outcomes(kind: TieKind, tie: float, eta: ArrayLike) -> Floats:
    """Logarithms ``[..., 3]`` of P(win), P(tie) and P(loss) at log-odds η, finite however far apart the two are.

    ``tie`` is log ν (Davidson) or log θ ≥ 0 (Rao and Kupper).

    >>> np.exp(log_outcomes("davidson", np.log(2.0), 0.0)).round(6).tolist()       # 1 : 2 : 1
    [0.25, 0.5, 0.25]
    >>> np.exp(log_outcomes("rao_kupper", np.log(3.0), 0.0)).round(6).tolist()     # 1/(1 + 3) each, and the rest
    [0.25, 0.5, 0.25]
    >>> log_outcomes("none", 0.0, -800.0).tolist()
    [-800.0, -inf, -0.0]
    """
    x = np.asarray(eta, np.float64)
    if kind == "davidson":
        logs = np.stack([x / 2, np.full_like(x, tie), -x / 2], axis=-1)
        total = np.logaddexp(np.abs(x / 2) + np.log1p(np.exp(-np.abs(x))), tie)
        return np.asarray(logs - total[..., None], np.float64)
    win, loss = _log_sigmoid(x - tie), _log_sigmoid(-x - tie)
    if kind == "none" or tie <= 0:
        drawn = np.full_like(x, -np.inf)
    else:
        # log(θ² − 1), also where θ² overflows
        drawn = 2 * tie + np.log(-np.expm1(-2 * tie)) + win + loss
    return np.stack([win, drawn, loss], axis=-1)


def slopes(kind: TieKind, tie: float, eta: ArrayLike) -> tuple[Floats, Floats]:
    """Derivatives ``[..., 3]`` of the three probabilities by η, and by log ν or log θ.

    >>> by_eta, by_tie = slopes("davidson", np.log(2.0), 0.0)
    >>> by_eta.tolist(), by_tie.tolist()
    ([0.125, -0.0, -0.125], [-0.125, 0.25, -0.125])
    """
    x = np.asarray(eta, np.float64)
    if kind == "davidson":
        win, drawn, loss = np.moveaxis(np.exp(log_outcomes(kind, tie, x)), -1, 0)
        by_eta = [win * (drawn + 2 * loss) / 2, -drawn * (win - loss) / 2, -loss * (drawn + 2 * win) / 2]
        return np.stack(by_eta, axis=-1), np.stack([-win * drawn, drawn * (win + loss), -loss * drawn], axis=-1)
    win = np.exp(_log_sigmoid(x - tie) + _log_sigmoid(tie - x))
    loss = np.exp(_log_sigmoid(-x - tie) + _log_sigmoid(x + tie))
    if kind == "none":
        return np.stack([win, np.zeros_like(x), -loss], axis=-1), np.zeros((*x.shape, 3))
    return np.stack([win, loss - win, -loss], axis=-1), np.stack([-win, win + loss, -loss], axis=-1)


def advantage(
    fit: Fit, first: Ints, second: Ints, order: Floats | None = None, features: Floats | None = None
) -> Floats:
    """The log-odds η of the alternatives coded ``first`` over those coded ``second``, with order and features.

    >>> import choicekit as ck
    >>> fit = ck.models.bradley_terry(ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"]))
    >>> advantage(fit, np.array([0]), np.array([1])).round(4).tolist()      # log 3
    [1.0986]
    """
    eta = fit.scores[first] - fit.scores[second]
    if order is not None and "order" in fit.effects:
        eta = eta + np.asarray(order, np.float64) * fit.effects["order"]
    names = feature_names(fit)
    if features is not None and names:
        eta = eta + np.asarray(features, np.float64) @ np.array([fit.effects[name] for name in names])
    return np.asarray(eta, np.float64)


def feature_names(fit: Fit) -> tuple[str, ...]:
    """The names of the effects that belong to features of a comparison (those of alternatives are in the scores).

    >>> import choicekit as ck
    >>> feature_names(ck.models.bradley_terry(ck.Comparisons(["a", "b"], ["b", "a"])))
    ()
    """
    return tuple(getattr(fit, "features", ()))


def meetings(
    fit: Fit, first: Any, second: Any, order: ArrayLike = 0, features: ArrayLike | None = None
) -> tuple[Ints, Ints, Floats, Floats]:
    """Codes of the two sides, orders ``[n]`` and features ``[n, q]`` of the meetings asked for, checked.

    >>> import choicekit as ck
    >>> fit = ck.models.bradley_terry(ck.Comparisons(["a", "b"], ["b", "a"]))
    >>> [part.tolist() for part in meetings(fit, "a", ["b", "b"])]
    [[0, 0], [1, 1], [0.0, 0.0], [[], []]]
    """
    table = {label: code for code, label in enumerate(fit.alternatives)}
    i, j = (_codes(table, name, labels) for name, labels in (("first", first), ("second", second)))
    if i.ndim and j.ndim and len(i) != len(j):
        raise ValueError(f"predict: needed as many second alternatives as first ones, got {len(i)} and {len(j)}")
    i, j = (side.reshape(-1) for side in np.broadcast_arrays(i, j))
    same = np.flatnonzero(i == j)
    if same.size:
        raise ValueError(
            f"predict: {fit.alternatives[i[same[0]]]!r} is on both sides of meeting {same[0]}; an alternative does not "
            "meet itself"
        )
    _refuse_apart(fit, i, j)
    return i, j, _orders(fit, order, len(i)), _features(fit, features, len(i))


class Observed(NamedTuple):
    """Meetings and how they went, by the codes of a fit, with what the fit had predicted: ``logs[n, 3]``.

    Where ``half``, the fit does not model ties, and a tie counts as half a win each way.

    >>> import choicekit as ck
    >>> votes = ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"])
    >>> seen = observed(ck.models.bradley_terry(votes), votes)
    >>> seen.won.tolist(), seen.lost.tolist(), np.exp(seen.logs).round(2).tolist()
    ([3.0], [1.0], [[0.75, 0.0, 0.25]])
    """

    first: Ints
    second: Ints
    won: Floats
    lost: Floats
    tied: Floats
    logs: Floats
    half: bool

    @property
    def loglik(self) -> float:
        """The log-likelihood of what was seen.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons(["a", "a"], ["b", "b"], tie=[False, True])
        >>> fit = ck.models.bradley_terry(ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"]))
        >>> abs(observed(fit, votes).loglik - (1.5 * np.log(0.75) + 0.5 * np.log(0.25))) < 1e-9
        np.True_
        """
        win, drawn, loss = self.logs.T
        parts = ((self.won, win), (self.tied, (win + loss) / 2 if self.half else drawn), (self.lost, loss))
        return float(sum((count * np.where(count > 0, logs, 0.0)).sum() for count, logs in parts))


def observed(
    fit: Fit, data: Comparisons | PairCounts, comparison_features: Mapping[str, ArrayLike] | None = None
) -> Observed:
    """What was seen, beside what a fit predicts of it: a meeting a cell, or a row where rows have features.

    ``comparison_features`` are those of the single comparison as in :func:`bradley_terry`, ``{name: [n] values}``,
    the winner's less the loser's; needed where the fit has such effects.

    Raises ``ValueError`` for an alternative that the fit does not know, and where the fit has an effect of order or of
    comparison features and the data do not say what they were.

    >>> import choicekit as ck
    >>> fit = ck.models.bradley_terry(ck.Comparisons(["a", "b"], ["b", "a"]))
    >>> observed(fit, ck.Comparisons(["c"], ["a"]))
    Traceback (most recent call last):
        ...
    ValueError: the data have an alternative 'c' that the fit does not know; it knows 'a', 'b'
    """
    names, ordered = feature_names(fit), "order" in fit.effects
    if ordered and data.order is None:
        raise ValueError(
            "the fit has an effect of order, and the data do not say who was shown first; give order=, or counts by "
            "'order'"
        )
    given = comparison_features or {}
    lacking = [name for name in names if name not in given]
    if lacking or (names and not isinstance(data, Comparisons)):
        raise ValueError(
            f"the fit has effects of comparison features ({short(names)}); pass the comparisons row by row, and "
            f"comparison_features= with {short(lacking or names)}"
        )
    features = None
    if names and isinstance(data, Comparisons):
        features = np.stack([np.asarray(given[name], np.float64) for name in names], axis=-1)
        if features.shape != (len(data), len(names)) or not np.isfinite(features).all():
            raise ValueError(f"comparison_features: needed {len(data)} finite numbers each, one a comparison")
        first, second, order = data.winner, data.loser, data.order
        tied = np.where(data.tie, data.weight, 0.0)
        won, lost = data.weight - tied, np.zeros(len(data))
    else:
        counts = data if isinstance(data, PairCounts) else data.counts("order") if ordered else data.counts()
        first, second, order = counts.first, counts.second, counts.order
        won, lost, tied = (np.asarray(part, np.float64) for part in (counts.won, counts.lost, counts.tied))
    code = _recoded(fit, data.alternatives, np.concatenate([first, second]))
    first, second = code[first], code[second]
    _refuse_apart(fit, first, second)
    shown = None if order is None else order.astype(np.float64)
    kind, tie = tie_of(fit)
    logs = log_outcomes(kind, tie, advantage(fit, first, second, shown, features))
    return Observed(first, second, won, lost, tied, logs, kind == "none")


def _recoded(fit: Fit, labels: tuple[Label, ...], used: Ints) -> Ints:
    """The fit's code of each label; of labels without a comparison -1."""
    table = {label: code for code, label in enumerate(fit.alternatives)}
    found = np.array([table.get(label, -1) for label in labels], np.int64)
    unknown = np.unique(used[found[used] < 0])
    if unknown.size:
        raise ValueError(
            f"the data have an alternative {labels[int(unknown[0])]!r} that the fit does not know; it knows "
            f"{short(fit.alternatives)}"
        )
    return found


def _refuse_apart(fit: Fit, first: Ints, second: Ints) -> None:
    if fit.components is None:
        return
    across = np.flatnonzero(fit.components[first] != fit.components[second])
    if across.size:
        i, j = (fit.alternatives[int(side[across[0]])] for side in (first, second))
        raise ValueError(
            f"{i!r} and {j!r} were fitted apart, and nothing is known of how they compare; fit them together with a "
            "prior"
        )


def _log_sigmoid(x: Floats) -> Floats:
    return np.asarray(-np.logaddexp(0.0, -x), np.float64)


def _codes(table: dict[Label, int], name: str, labels: Any) -> Ints:
    """The code of one label (no dimension), or those of a list."""
    try:
        if labels in table:
            return np.array(table[labels])
        single = isinstance(labels, str | bytes) or not hasattr(labels, "__iter__")
    except TypeError:  # a list: no label, for it cannot be hashed
        single = False
    items = [labels] if single else list(listed(name, labels))
    lacking = [item for item in items if item not in table]
    if lacking:
        raise KeyError(f"predict: no alternative {lacking[0]!r} ({name}); there are {short(list(table))}")
    found = np.array([table[item] for item in items], np.int64)
    return found[0] if single else found


def _orders(fit: Fit, order: ArrayLike, size: int) -> Floats:
    given = np.asarray(order, np.float64)
    if given.shape not in {(), (size,)} or not np.isin(given, (-1, 0, 1)).all():
        raise ValueError(
            f"predict: order must be 1 (first shown first), -1 or 0, one number or one for each of {size} meetings; "
            f"got {short(given.ravel().tolist(), 4)}"
        )
    if given.any() and "order" not in fit.effects:
        raise ValueError(
            "predict: an order was given, but the fit has no effect of order; fit with order=True, or leave it out"
        )
    return np.broadcast_to(given, (size,))


def _features(fit: Fit, features: ArrayLike | None, size: int) -> Floats:
    names = feature_names(fit)
    if features is None:
        return np.zeros((size, len(names)))
    if not names:
        raise ValueError(
            "predict: features were given, but the fit has no effect of comparison features; leave them out"
        )
    given = np.asarray(features, np.float64)
    if len(names) == 1 and given.shape == (size,):
        given = given[:, None]
    if given.shape not in {(len(names),), (size, len(names))} or not np.isfinite(given).all():
        raise ValueError(
            f"predict: needed finite features of shape ({size}, {len(names)}), for {short(names)}; "
            f"got shape {given.shape}"
        )
    return np.broadcast_to(given, (size, len(names)))


def _spread(fit: Fit, i: Ints, j: Ints, order: Floats, features: Floats) -> tuple[Floats, Floats, float]:
    """Var η, Cov(η, tie) and Var(tie), the tie being its logarithm."""
    joint, size, names = fit.joint_covariance, len(fit.scores), list(fit.effects)
    variance = joint[i, i] + joint[j, j] - 2 * joint[i, j]
    columns = [size + names.index(name) for name in feature_names(fit)]
    moved = features
    if "order" in names:
        columns, moved = [size + names.index("order"), *columns], np.column_stack([order, features])
    if columns:
        across = joint[:, columns]
        block = across[columns]
        variance = variance + 2 * ((across[i] - across[j]) * moved).sum(1) + ((moved @ block) * moved).sum(1)
    if "tie" not in names:
        return variance, np.zeros(len(i)), 0.0
    at = size + names.index("tie")
    covariance = joint[i, at] - joint[j, at] + (moved @ joint[columns, at] if columns else 0.0)
    return variance, covariance, float(joint[at, at])
