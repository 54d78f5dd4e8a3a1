"""What people said: frozen, checked once, read-only."""

from choicekit.profiles.ballots import Approvals, Margins, Rankings, Utilities
from choicekit.profiles.batches import Batch
from choicekit.profiles.comparisons import Comparisons
from choicekit.profiles.counts import PairCounts

__all__ = ["Approvals", "Batch", "Comparisons", "Margins", "PairCounts", "Rankings", "Utilities"]
