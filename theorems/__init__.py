"""Theorems of social choice and alignment, each a file whose claims a machine checks to a stated scope."""
