"""The one door to numba."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel lazily, without the GIL, and cache it where a cache can be written.

    numba raises at decoration when neither the package nor the user has a writable cache directory (containers,
    read-only installs); the kernel is then compiled once a process. ``CHOICEKIT_NUMBA_CACHE=0`` asks for that.
    """
    return _compiled(function, False)


def jit_sums(function: Callable[P, R]) -> Callable[P, R]:
    """The same for a kernel whose sums may be taken in any order, so that several terms are added at once."""
    return _compiled(function, {"reassoc", "contract"})


def _compiled(function: Callable[P, R], fastmath: bool | set[str]) -> Callable[P, R]:
    if os.environ.get("CHOICEKIT_NUMBA_CACHE", "1") != "0":
        try:
            return cast("Callable[P, R]", numba.njit(cache=True, nogil=True, fastmath=fastmath)(function))
        except RuntimeError:
            pass
    return cast("Callable[P, R]", numba.njit(nogil=True, fastmath=fastmath)(function))
