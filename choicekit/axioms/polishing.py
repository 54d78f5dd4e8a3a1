from typing import Any


def polish(axiom: Any, rule: Any, violation: Any) -> Any:
    from choicekit.testing import polish as p

    return p(axiom, rule, violation)
