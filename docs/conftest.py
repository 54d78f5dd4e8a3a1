"""Pages that read real data run where it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _real_data(request: pytest.FixtureRequest) -> None:
    """Skip a page that names the variable CHOICEKIT_DATA where that names no folder."""
    if request.path.suffix != ".md" or "CHOICEKIT_DATA" not in request.path.read_text(encoding="utf-8"):
        return
    named = os.environ.get("CHOICEKIT_DATA")
    if not named or not Path(named).is_dir():
        pytest.skip("real data: set CHOICEKIT_DATA to its folder")
