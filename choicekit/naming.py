"""What makes a frozen value that wraps a function pass for it: its name, its docstring, and how it is pickled."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any


def pass_for(thing: object, function: Callable[..., Any]) -> None:
    """Give a frozen value the name, module, docstring and annotations of the function it wraps.

    :func:`functools.update_wrapper` sets attributes one by one, which a frozen class does not allow.

    >>> class Wrapper: ...
    >>> one = Wrapper()
    >>> pass_for(one, len)
    >>> one.__name__, one.__wrapped__ is len
    ('len', True)
    """
    for key in functools.WRAPPER_ASSIGNMENTS:
        if hasattr(function, key):
            object.__setattr__(thing, key, getattr(function, key))
    object.__setattr__(thing, "__wrapped__", function)


def importable_name(thing: object) -> str | None:
    """The name by which a value is pickled, as functions are, where importing its module gives it; else ``None``.

    >>> from choicekit import rules
    >>> importable_name(rules.borda), importable_name(rules.rule(rules.borda.function))
    ('borda', None)
    """
    module, name = getattr(thing, "__module__", ""), getattr(thing, "__qualname__", "")
    there = module != "__main__" and getattr(sys.modules.get(module), name, None) is thing
    return name if there else None
