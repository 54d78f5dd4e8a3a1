"""How alike a model's answers are to each other, to another model's, and to answers to other questions.

Embeddings ``[..., k, d]`` are vectors of k answers by any sentence encoder; leading axes hold questions. Cosines do
not depend on their lengths. What counts as alike depends on the encoder: compare with :func:`random_pair_similarity`
under the same one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from choicekit.alignment._shares import Floats, finite


def intra_similarity(embeddings: ArrayLike) -> Floats:
    """The mean cosine between two different answers of one model to one question, over pairs i < j.

    With unit vectors u_i it is (|Σ u_i|² − k)/(k(k − 1)), which takes time linear in the number k of answers.
    ``embeddings[..., k, d]`` with k ≥ 2 give ``[...]``, between −1/(k − 1) and 1. Raises ``ValueError`` for a vector of
    length 0, which has no direction.

    Source: Jiang et al. 2025, arXiv:2510.22954 (seen at second hand).

    >>> intra_similarity([[1, 0], [2, 0], [0, 3]]).round(6).item()      # pairs: 1, 0, 0
    0.333333
    """
    units = _units("embeddings", embeddings)
    size = units.shape[-2]
    _enough("embeddings", size)
    found: Floats = ((units.sum(-2) ** 2).sum(-1) - size) / (size * (size - 1))
    return found


def inter_similarity(embeddings: ArrayLike, others: ArrayLike) -> Floats:
    """The mean cosine between an answer of one model and an answer of another, over all pairs.

    ``embeddings[..., k, d]`` and ``others[..., l, d]`` give ``[...]``: the inner product of the mean unit vectors.

    Source: Jiang et al. 2025, arXiv:2510.22954 (seen at second hand).

    >>> inter_similarity([[1, 0], [0, 1]], [[1, 0], [1, 0], [1, 0]]).item()
    0.5
    """
    first, second = _units("embeddings", embeddings).mean(-2), _units("others", others).mean(-2)
    if first.shape[-1] != second.shape[-1]:
        raise ValueError(f"needed vectors of one dimension, got {first.shape[-1]} and {second.shape[-1]}")
    found: Floats = (first * second).sum(-1)
    return found


def model_similarities(embeddings: ArrayLike) -> Floats:
    """Similarities within and between models: inter_similarity off the diagonal and intra_similarity on it.

    ``embeddings[model, ..., k, d]`` with the same questions for every model give ``[model, model]``, averaged over
    questions.

    >>> model_similarities([[[1, 0], [1, 0]], [[0, 1], [1, 0]]]).tolist()
    [[1.0, 0.5], [0.5, 0.0]]
    """
    units = _units("embeddings", embeddings)
    if units.ndim < 3:
        raise ValueError(f"embeddings: needed [model, ..., k, d], got shape {units.shape}")
    means = units.mean(-2).reshape(len(units), -1, units.shape[-1])
    found: Floats = np.einsum("aqd,bqd->ab", means, means, optimize=True) / means.shape[1]
    np.fill_diagonal(found, intra_similarity(units).reshape(len(units), -1).mean(-1))
    return found


def random_pair_similarity(embeddings: ArrayLike) -> float:
    """The mean cosine between answers to different questions: what similarity amounts to by chance.

    Over all pairs, not a sample of them, by sums of unit vectors. ``embeddings[x, k, d]`` with x ≥ 2.

    Source: the random baseline of Jiang et al. 2025, arXiv:2510.22954 (seen at second hand; there pairs are drawn).

    >>> random_pair_similarity([[[1, 0], [1, 0]], [[0, 1], [1, 0]]])
    0.5
    """
    units = _units("embeddings", embeddings)
    if units.ndim != 3 or len(units) < 2:
        raise ValueError(f"embeddings: needed [x, k, d] with at least 2 questions, got shape {units.shape}")
    questions, size = units.shape[:2]
    sums = units.sum(1)
    between = (sums.sum(0) ** 2).sum() - (sums**2).sum()
    return float(between / (questions * (questions - 1) * size**2))


def similar_pairs(embeddings: ArrayLike, threshold: float) -> Floats:
    """The share of pairs of answers to one question whose cosine is above a threshold.

    ``embeddings[..., k, d]`` with k ≥ 2 give ``[...]``. It takes time k² a question.

    >>> similar_pairs([[1, 0], [2, 0], [0, 3]], 0.8).round(6).item()
    0.333333
    """
    units = _units("embeddings", embeddings)
    size = units.shape[-2]
    _enough("embeddings", size)
    first, second = np.triu_indices(size, 1)
    flat = units.reshape(-1, *units.shape[-2:])
    shares = [float(((question @ question.T)[first, second] > threshold).mean()) for question in flat]
    return np.array(shares).reshape(units.shape[:-2])


def vendi_score(similarity: ArrayLike, *, order: float = 1.0) -> Floats:
    """The effective number of different answers: the exponential of the entropy of the eigenvalues of K/n.

    K is the similarity of n answers, positive semi-definite with ones on the diagonal. The score is n where all
    answers are unlike (K = 1), 1 where all are the same, and c where they fall into c classes of equal size. Other
    orders q are Hill's numbers (Σ λ^q)^{1/(1−q)}: 0 counts the classes (the rank), ∞ is 1/λ_max; it falls with q.
    Eigenvalues within rounding of 0 count as 0.

    ``similarity[..., n, n]`` gives ``[...]``. Raises ``ValueError`` for a matrix that is not symmetric, has other than
    ones on the diagonal, or has a negative eigenvalue (a mean of cosines of different encoders may), and for a
    negative order.

    Source: Friedman and Dieng 2023, arXiv:2210.02410; orders other than 1 in Pasarkar and Dieng 2023, arXiv:2310.12952.

    >>> vendi_score([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).round(6).item()      # eigenvalues 2/3 and 1/3: 3/2^(2/3)
    1.889882
    """
    values = finite("similarity", similarity, "[..., n, n]", 2)
    size = values.shape[-1]
    if values.shape[-2] != size or not np.allclose(values, np.swapaxes(values, -1, -2), rtol=0, atol=1e-8):
        raise ValueError(f"similarity: needed symmetric matrices [..., n, n], got shape {values.shape}")
    if not np.allclose(np.diagonal(values, axis1=-2, axis2=-1), 1, rtol=0, atol=1e-6):
        raise ValueError("similarity: needed ones on the diagonal (an answer is just like itself); scale it")
    return _hill(np.linalg.eigvalsh(values) / size, order)


def embedding_vendi_score(embeddings: ArrayLike, *, order: float = 1.0) -> Floats:
    """The Vendi score of answers under cosine similarity, from their vectors.

    K = U·Uᵀ and Uᵀ·U have the same eigenvalues other than 0, so the smaller of the two is decomposed: time linear in
    the number k of answers where k is above the dimension. ``embeddings[..., k, d]`` give ``[...]``, at most
    min(k, d). ``order`` as for :func:`vendi_score`.

    Source: Friedman and Dieng 2023, arXiv:2210.02410.

    >>> embedding_vendi_score([[1, 0], [2, 0], [0, 3]]).round(6).item()
    1.889882
    """
    units = _units("embeddings", embeddings)
    size, dimension = units.shape[-2:]
    turned = np.swapaxes(units, -1, -2)
    gram = units @ turned if size <= dimension else turned @ units
    return _hill(np.linalg.eigvalsh(gram) / size, order)


def distinct_k(answers: Iterable[str | Sequence[Hashable]], k: int = 1) -> float:
    """The share of k-grams in a set of answers that are different: distinct k-grams over all k-grams.

    An answer is a sequence of tokens, or a string, which is split at white space. Longer sets of answers repeat more
    and score lower: compare sets of like length. Raises ``ValueError`` where no answer has k tokens.

    Source: Li et al. 2016, arXiv:1510.03055 (who divide by the number of tokens).

    >>> distinct_k(["the cat sat", "the cat ran"]), distinct_k(["the cat sat", "the cat ran"], 2)
    (0.6666666666666666, 0.75)
    """
    if k < 1:
        raise ValueError(f"k: needed a whole number of at least 1, got {k!r}")
    if isinstance(answers, str):
        raise TypeError("answers: needed several answers, got a single string; pass a list of strings")
    grams: Counter[tuple[Hashable, ...]] = Counter()
    for answer in answers:
        tokens = answer.split() if isinstance(answer, str) else tuple(answer)
        grams.update(tuple(tokens[start : start + k]) for start in range(len(tokens) - k + 1))
    if not grams:
        raise ValueError(f"distinct_k: no answer has {k} tokens; take a smaller k")
    return len(grams) / grams.total()


def distinct_pairs(answers: Iterable[Hashable]) -> float:
    """The share of pairs of answers that are not the same to the letter: 1 − Σ c(c − 1)/(n(n − 1)).

    Raises ``ValueError`` for fewer than two answers.

    >>> distinct_pairs(["yes", "yes", "no"])      # two of three pairs
    0.6666666666666667
    """
    counts = Counter(answers)
    size = counts.total()
    _enough("answers", size)
    return 1 - sum(count * (count - 1) for count in counts.values()) / (size * (size - 1))


def _units(name: str, embeddings: ArrayLike) -> Floats:
    values = finite(name, embeddings, "[..., k, d]", 2)
    peak = np.abs(values).max(-1, keepdims=True)
    if not (peak > 0).all():
        raise ValueError(f"{name}: {int((peak <= 0).sum())} vectors have length 0 and so no direction; leave them out")
    values = values / peak  # squares of extreme numbers would overflow or vanish
    found: Floats = values / np.sqrt((values**2).sum(-1, keepdims=True))
    return found


def _enough(name: str, size: int) -> None:
    if size < 2:
        raise ValueError(f"{name}: needed at least 2 answers to compare, got {size}")


def _hill(eigenvalues: Floats, order: float) -> Floats:
    """Hill's number of eigenvalues ``[..., n]`` that sum to one."""
    if not order >= 0:
        raise ValueError(f"order: needed a number of at least 0, got {order!r}")
    if eigenvalues.min() < -1e-8:
        raise ValueError(
            f"similarity: needed a positive semi-definite matrix, but K/n has the eigenvalue {eigenvalues.min():.3g}"
        )
    noise = 1e-12 * eigenvalues.shape[-1]
    there = eigenvalues > noise
    shares = np.where(there, eigenvalues, 0.0)
    shares = shares / shares.sum(-1, keepdims=True)
    found: Floats
    if order == 1:
        found = np.exp(-(shares * np.log(np.where(there, shares, 1.0))).sum(-1))
    elif np.isinf(order):
        found = 1 / shares.max(-1)
    else:
        found = (np.where(there, shares, 1.0) ** order * there).sum(-1) ** (1 / (1 - order))
    return found
