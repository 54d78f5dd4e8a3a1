from typing import Any

from hypothesis.strategies import SearchStrategy as SearchStrategy

def hypothesis() -> Any: ...
