"""Social choice for AI alignment: from preference data to a fair aggregate to a training loss."""

from choicekit.profiles import Approvals, Comparisons, Margins, Rankings, Utilities

__version__ = "0.1.0"

__all__ = ["Approvals", "Comparisons", "Margins", "Rankings", "Utilities", "__version__"]
