"""What people said: frozen, checked once, read-only."""

from choicekit.profiles.ballots import Approvals, Margins, Rankings, Utilities
from choicekit.profiles.comparisons import Comparisons

__all__ = ["Approvals", "Comparisons", "Margins", "Rankings", "Utilities"]
