"""Data in pieces: a function of each piece, its results added up, by whatever runs functions."""

from __future__ import annotations

import os
import pickle
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

R = TypeVar("R")
S = TypeVar("S")


def reduce(shards: Sequence[S], function: Callable[[S], R], *, executor: Any = None) -> R:
    """The sum of ``function(shard)`` over the shards, added up in their order with ``+``.

    Parameters
    ----------
    shards : paths, frames, arrays, functions that load them: anything that ``function`` takes.
    function : one shard to a value with ``+``, such as :class:`Counted`, :class:`PairCounts`, a number or an array.
        Lists and tuples have a ``+`` too: they are joined, not summed.
    executor : who calls it. ``None`` for threads, one for each processor (compiled kernels and Arrow let go of the
        interpreter's lock); a ``concurrent.futures.Executor``; a ``joblib.Parallel``; a Dask ``Client``; the module
        ``ray``; a ``SparkContext`` or ``SparkSession``. All but threads need a function that can be pickled (Ray and
        Spark pickle functions defined on the spot as well) and choicekit installed where it runs.

    Results are added in the order of the shards whoever runs them, so that a sum of floats has the same bits too. With
    threads at most two shards a processor are computed ahead of the sum.

    Raises ``ValueError`` for no shards, ``TypeError`` for an executor that is none of these, and what ``function``
    raises, with a note that names the shard.

    >>> reduce(["ab", "cde"], len)
    5
    >>> reduce([], len)
    Traceback (most recent call last):
        ...
    ValueError: reduce: needed at least one shard, got none
    """
    shards = list(shards)
    if not shards:
        raise ValueError("reduce: needed at least one shard, got none")
    call = _Call(function)
    total: Any = None
    for number, (found, failure) in enumerate(_results(call, shards, executor)):
        if failure is not None:
            raise _noted(failure, f"in shard {number} of {len(shards)}: {_name(shards[number])}")
        total = found if number == 0 else total + found
    return total  # type: ignore[no-any-return]


class _Call:
    """The function, its failure returned as a value, so that every scheduler hands it back alike."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __call__(self, shard: Any) -> tuple[Any, _Failure | None]:
        try:
            return self.function(shard), None
        except Exception as error:
            return None, _Failure(error, traceback.format_exc())


class _Failure:
    """An exception that travels between processes, whatever it holds."""

    def __init__(self, error: Exception, trace: str) -> None:
        self.error, self.trace = error, trace

    def __reduce__(self) -> tuple[Any, ...]:
        self.error.add_note(f"there:\n{self.trace}")
        try:
            pickle.loads(pickle.dumps(self.error))
        except Exception:
            return _Failure, (RuntimeError(f"{type(self.error).__name__}: {self.error}\n{self.trace}"), self.trace)
        return _Failure, (self.error, self.trace)


def _noted(failure: _Failure, note: str) -> Exception:
    failure.error.add_note(note)
    return failure.error


def _results(call: _Call, shards: list[Any], executor: Any) -> Iterator[Any]:
    """The results in the order of the shards."""
    executor = getattr(executor, "sparkContext", executor)
    if executor is None:
        yield from _threads(call, shards)
    elif hasattr(executor, "parallelize"):  # Spark
        numbered = executor.parallelize(list(enumerate(shards)), len(shards))
        yield from _in_order(numbered.map(_Numbered(call)).collect())
    elif hasattr(executor, "remote") and hasattr(executor, "get"):  # Ray
        remote = executor.remote(_called)
        references = deque(remote.remote(call, shard) for shard in shards)
        while references:
            yield executor.get(references.popleft())
    elif callable(executor) and hasattr(executor, "n_jobs"):  # joblib
        numbered = _Numbered(call)
        yield from _in_order(executor((numbered, (pair,), {}) for pair in enumerate(shards)))
    elif hasattr(executor, "submit"):
        # Dask would take the same call for the same result, and so answer for a file that has changed meanwhile.
        options = {"pure": False} if hasattr(executor, "gather") else {}
        futures = deque(executor.submit(call, shard, **options) for shard in shards)
        try:
            while futures:
                yield futures.popleft().result()
        finally:
            for future in futures:
                future.cancel()
    else:
        raise TypeError(
            "reduce: needed as executor None, a concurrent.futures.Executor, a joblib.Parallel, a Dask Client, the "
            f"module ray, a SparkContext or a SparkSession, got {type(executor).__name__}"
        )


def _threads(call: _Call, shards: list[Any]) -> Iterator[Any]:
    workers = min(os.cpu_count() or 1, len(shards))
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque(pool.submit(call, shard) for shard in shards[: 2 * workers])
        try:
            for shard in shards[2 * workers :]:
                yield waiting.popleft().result()
                waiting.append(pool.submit(call, shard))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class _Numbered:
    """A call on (number, shard) that keeps the number."""

    def __init__(self, call: _Call) -> None:
        self.call = call

    def __call__(self, pair: tuple[int, Any]) -> tuple[int, Any]:
        return pair[0], self.call(pair[1])


def _in_order(found: Any) -> Iterator[Any]:
    """Numbered results in the order of their numbers, however they arrive."""
    early: dict[int, Any] = {}
    number = 0
    for place, result in found:
        early[place] = result
        while number in early:
            yield early.pop(number)
            number += 1


def _called(call: _Call, shard: Any) -> Any:
    return call(shard)


def _name(shard: Any) -> str:
    if isinstance(shard, str | os.PathLike):
        return os.fspath(shard) if isinstance(os.fspath(shard), str) else repr(shard)
    return str(getattr(shard, "__name__", None) or type(shard).__name__)
