"""Models of who prefers what."""

from choicekit.models.luce import bradley_terry

__all__ = ["bradley_terry"]
