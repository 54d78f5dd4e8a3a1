"""Social choice for AI alignment: from preference data to a fair aggregate to a training loss."""

from choicekit import alignment, domains, ingest, models, rules, welfare
from choicekit.outcomes import NoFiniteEstimate, NotConverged
from choicekit.profiles import Approvals, Comparisons, Margins, Rankings, Utilities

# Last: the function takes the place of the room it lives in.
from choicekit.audit import Audit, audit  # isort: skip

__version__ = "0.1.0"

__all__ = [
    "Approvals",
    "Audit",
    "Comparisons",
    "Margins",
    "NoFiniteEstimate",
    "NotConverged",
    "Rankings",
    "Utilities",
    "__version__",
    "alignment",
    "audit",
    "domains",
    "ingest",
    "models",
    "rules",
    "welfare",
]
