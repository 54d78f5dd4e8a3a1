"""Social choice for AI alignment: from preference data to a fair aggregate to a training loss."""

from choicekit import alignment, domains, ingest, models, rules, statistics, welfare
from choicekit.models import Fit
from choicekit.outcomes import Lottery, NoFiniteEstimate, NotConverged, Policy, Scores
from choicekit.profiles import Approvals, Comparisons, Margins, PairCounts, Rankings, Utilities

# Last: the function takes the place of the room it lives in.
from choicekit.audit import Audit, audit  # isort: skip

__version__ = "0.1.0"

__all__ = [
    "Approvals",
    "Audit",
    "Comparisons",
    "Fit",
    "Lottery",
    "Margins",
    "NoFiniteEstimate",
    "NotConverged",
    "PairCounts",
    "Policy",
    "Rankings",
    "Scores",
    "Utilities",
    "__version__",
    "alignment",
    "audit",
    "domains",
    "ingest",
    "models",
    "rules",
    "statistics",
    "welfare",
]
