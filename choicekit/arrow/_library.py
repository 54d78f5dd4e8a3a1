"""The door itself."""

from __future__ import annotations

from typing import Any


def library() -> Any:
    """The module pyarrow, or an error that says how to get it.

    >>> library().__name__
    'pyarrow'
    """
    try:
        import pyarrow
    except ImportError:
        raise ImportError("counting files and saving counts need pyarrow: pip install 'choicekit[frames]'") from None
    return pyarrow
