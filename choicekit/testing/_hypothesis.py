"""The one door to Hypothesis, which is opened when something is drawn and not before."""

from __future__ import annotations

from typing import Any


def hypothesis() -> Any:
    """The library, with its strategies."""
    try:
        import hypothesis
        import hypothesis.errors
        import hypothesis.strategies
    except ImportError:
        raise ImportError("drawing profiles needs Hypothesis: pip install 'choicekit[testing]'") from None
    return hypothesis
