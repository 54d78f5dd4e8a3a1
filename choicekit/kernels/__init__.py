"""Compiled loops: arrays in, new arrays out; no labels, no options, no exceptions."""
