"""Social choice for AI alignment: from preference data to a fair aggregate to a training loss."""

from choicekit import alignment, axioms, domains, ingest, models, rules, sat, statistics, welfare
from choicekit.models import Fit
from choicekit.outcomes import (
    Bargain,
    Committees,
    Lottery,
    NoFiniteEstimate,
    NotConverged,
    Orders,
    Policy,
    Scores,
    TieBreak,
    Winners,
)
from choicekit.profiles import Approvals, Batch, Comparisons, Margins, PairCounts, Rankings, Utilities

# Last: the function takes the place of the room it lives in.
from choicekit.audit import Audit, audit  # isort: skip

__version__ = "0.1.0"

__all__ = [
    "Approvals",
    "Audit",
    "Bargain",
    "Batch",
    "Committees",
    "Comparisons",
    "Fit",
    "Lottery",
    "Margins",
    "NoFiniteEstimate",
    "NotConverged",
    "Orders",
    "PairCounts",
    "Policy",
    "Rankings",
    "Scores",
    "TieBreak",
    "Utilities",
    "Winners",
    "__version__",
    "alignment",
    "audit",
    "axioms",
    "domains",
    "ingest",
    "models",
    "rules",
    "sat",
    "statistics",
    "welfare",
]
