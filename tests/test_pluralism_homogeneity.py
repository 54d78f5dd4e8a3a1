"""Homogeneity: linear-time formulas against loops over pairs, SciPy's cosines, and Vendi's own properties."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from choicekit.alignment import homogeneity as h


def cosine_similarity(first: np.ndarray, second: np.ndarray | None = None) -> np.ndarray:
    return 1 - cdist(first, first if second is None else second, "cosine")


def vectors(seed: int, *shape: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + rng.normal(size=shape[-1]) * rng.integers(0, 3)


@given(st.integers(0, 2**32))
def test_mean_cosines_by_pairs(seed: int) -> None:
    first, second = vectors(seed, 6, 3), vectors(seed + 1, 4, 3)
    within = [cosine_similarity(first)[i, j] for i, j in itertools.combinations(range(6), 2)]
    assert h.intra_similarity(first) == pytest.approx(np.mean(within), abs=1e-12)
    assert h.inter_similarity(first, second) == pytest.approx(cosine_similarity(first, second).mean(), abs=1e-12)
    assert h.similar_pairs(first, 0.3) == pytest.approx(np.mean(np.array(within) > 0.3))
    lengths = np.random.default_rng(seed).uniform(1e-3, 1e3, (6, 1))
    assert h.intra_similarity(first * lengths) == pytest.approx(np.mean(within), abs=1e-12)
    turn = np.linalg.qr(vectors(seed + 2, 3, 3))[0]
    assert h.inter_similarity(first @ turn, second @ turn) == pytest.approx(h.inter_similarity(first, second))


def test_batches_models_and_the_random_baseline_by_pairs() -> None:
    for seed in range(20):
        embedded = vectors(seed, 3, 4, 5, 6)  # models, questions, answers, dimensions
        found = h.model_similarities(embedded)
        intra = h.intra_similarity(embedded)
        assert intra.shape == (3, 4)
        for a, b in itertools.product(range(3), repeat=2):
            each = [
                h.intra_similarity(embedded[a, q]) if a == b else h.inter_similarity(embedded[a, q], embedded[b, q])
                for q in range(4)
            ]  # fmt: skip
            assert found[a, b] == pytest.approx(np.mean(each))
        assert h.similar_pairs(embedded, 0.5)[1, 2] == h.similar_pairs(embedded[1, 2], 0.5)
        one = embedded[0]
        pairs = [cosine_similarity(one[q], one[r]).mean() for q, r in itertools.combinations(range(4), 2)]
        assert h.random_pair_similarity(one) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_extremes() -> None:
    same = np.tile([1.0, 2.0, 3.0], (5, 1))
    assert h.intra_similarity(same) == pytest.approx(1)
    simplex = np.eye(4) - 0.25  # four directions as far apart as can be
    assert h.intra_similarity(simplex) == pytest.approx(-1 / 3)
    assert h.intra_similarity([[1e-300, 1e-300], [1e300, 1e300]]) == pytest.approx(1)
    assert h.similar_pairs(same, 0.99) == 1


# --- Vendi -----------------------------------------------------------------------------------------------------


def by_the_book(kernel: np.ndarray, order: float) -> float:
    shares = [value for value in np.linalg.eigvals(kernel / len(kernel)).real.tolist() if value > 1e-10]
    if order == 1:
        return float(np.exp(-sum(s * np.log(s) for s in shares)))
    if order == np.inf:
        return 1 / max(shares)
    return float(sum(s**order for s in shares) ** (1 / (1 - order)))


@given(st.integers(0, 2**32), st.sampled_from([0, 0.5, 1, 2, 3.5, np.inf]))
def test_vendi_by_the_book(seed: int, order: float) -> None:
    rng = np.random.default_rng(seed)
    size, dimension = rng.integers(1, 7), rng.integers(1, 7)  # kernels of less than full rank among them
    units = rng.normal(size=(size, dimension))
    kernel = cosine_similarity(units)
    kernel = (kernel + kernel.T) / 2
    found = h.vendi_score(kernel, order=order)
    assert found == pytest.approx(by_the_book(kernel, order), rel=1e-7)
    assert found == pytest.approx(h.embedding_vendi_score(units, order=order), rel=1e-7)
    assert 1 - 1e-9 <= found <= min(size, dimension) + 1e-6
    # a second copy of every answer changes nothing
    assert h.vendi_score(np.kron(kernel, np.ones((2, 2))), order=order) == pytest.approx(found, rel=1e-7)


def test_vendi_counts_classes() -> None:
    for classes, times in [(1, 4), (3, 2), (5, 1)]:
        kernel = np.kron(np.eye(classes), np.ones((times, times)))
        for order in (0, 0.5, 1, 2, np.inf):
            assert h.vendi_score(kernel, order=order) == pytest.approx(classes)
    sizes = np.array([4, 2, 1, 1])
    kernel = np.equal.outer(np.repeat(range(4), sizes), np.repeat(range(4), sizes)).astype(float)
    shares = sizes / 8
    assert h.vendi_score(kernel) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert h.vendi_score(kernel, order=2) == pytest.approx(1 / (shares**2).sum())


def test_vendi_falls_with_the_order_and_rises_with_variety() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        units = rng.normal(size=(6, 4))
        scores = [h.embedding_vendi_score(units, order=q) for q in (0, 0.5, 1 - 1e-7, 1, 1 + 1e-7, 2, np.inf)]
        assert (np.diff(scores) <= 1e-6).all()
        assert scores[2] == pytest.approx(scores[4], abs=1e-5)
        centre = units.mean(0)
        nearer = [h.embedding_vendi_score(units + t * centre) for t in (0, 3, 30)]
        assert nearer[0] > nearer[1] > nearer[2] >= 1 - 1e-9


def test_vendi_of_batches_is_one_by_one() -> None:
    units = vectors(3, 2, 3, 7, 4)
    found = h.embedding_vendi_score(units)
    kernels = np.stack([[cosine_similarity(one) for one in row] for row in units])
    assert found.shape == (2, 3)
    assert h.vendi_score(kernels) == pytest.approx(found)
    assert found[1, 2] == pytest.approx(h.embedding_vendi_score(units[1, 2]))


# --- Words -----------------------------------------------------------------------------------------------------


def test_distinct_k_by_the_book() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        answers = [" ".join(rng.choice(list("abcd"), rng.integers(0, 9))) for _ in range(4)]
        for k in (1, 2, 3):
            grams = [tuple(a.split()[i : i + k]) for a in answers for i in range(len(a.split()) - k + 1)]
            if grams:
                assert h.distinct_k(answers, k) == pytest.approx(len(set(grams)) / len(grams))
                assert h.distinct_k([a.split() for a in answers], k) == h.distinct_k(answers, k)
                assert h.distinct_k(answers * 3, k) == pytest.approx(h.distinct_k(answers, k) / 3)


def test_distinct_pairs_by_pairs() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        answers = rng.integers(0, 4, rng.integers(2, 9)).tolist()
        pairs = [a != b for a, b in itertools.combinations(answers, 2)]
        assert h.distinct_pairs(answers) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: h.intra_similarity([[1.0, 0.0]]), ValueError, "at least 2 answers"),
        (lambda: h.intra_similarity([[1.0, 0.0], [0.0, 0.0]]), ValueError, "1 vectors have length 0"),
        (lambda: h.intra_similarity([1.0, 0.0]), ValueError, "embeddings: needed"),
        (lambda: h.inter_similarity([[1.0, 0.0]], [[1.0]]), ValueError, "one dimension"),
        (lambda: h.model_similarities([[1.0, 0.0]] * 2), ValueError, r"needed \[model"),
        (lambda: h.random_pair_similarity([[[1.0, 0.0]]]), ValueError, "at least 2 questions"),
        (lambda: h.vendi_score([[1.0, 0.5], [0.4, 1.0]]), ValueError, "symmetric"),
        (lambda: h.vendi_score([[2.0, 0.5], [0.5, 1.0]]), ValueError, "ones on the diagonal"),
        (lambda: h.vendi_score([[1.0, 3.0], [3.0, 1.0]]), ValueError, "positive semi-definite"),
        (lambda: h.vendi_score(np.eye(2), order=-1), ValueError, "order: needed"),
        (lambda: h.vendi_score(np.eye(2), order=np.nan), ValueError, "order: needed"),
        (lambda: h.distinct_k(["a b"], 0), ValueError, "k: needed"),
        (lambda: h.distinct_k(["a b"], 3), ValueError, "no answer has 3 tokens"),
        (lambda: h.distinct_k("a b"), TypeError, "several answers"),
        (lambda: h.distinct_pairs(["a"]), ValueError, "at least 2 answers"),
    ],
)
def test_refusals(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
