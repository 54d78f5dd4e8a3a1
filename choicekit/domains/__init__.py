"""Where profiles come from, drawn or enumerated, and which restricted domains they lie in."""

from choicekit.domains._culture import Culture, Draw, culture
from choicekit.domains.cultures import (
    euclidean_culture,
    euclidean_utilities,
    impartial_anonymous_culture,
    impartial_culture,
    mallows,
    mallows_dispersion,
    mallows_normalised,
    plackett_luce,
    positions,
    single_crossing_culture,
    single_peaked_conitzer,
    single_peaked_walsh,
    spatial_utilities,
    urn,
)
from choicekit.domains.enumeration import Orbit, count, every, orbits
from choicekit.domains.lines import Line, euclidean
from choicekit.domains.population import Population, three_groups
from choicekit.domains.recognition import single_crossing, single_peaked
from choicekit.domains.restrictions import Restriction, ValueRestriction, value_restricted

__all__ = [
    "Culture",
    "Draw",
    "Line",
    "Orbit",
    "Population",
    "Restriction",
    "ValueRestriction",
    "count",
    "culture",
    "euclidean",
    "euclidean_culture",
    "euclidean_utilities",
    "every",
    "impartial_anonymous_culture",
    "impartial_culture",
    "mallows",
    "mallows_dispersion",
    "mallows_normalised",
    "orbits",
    "plackett_luce",
    "positions",
    "single_crossing",
    "single_crossing_culture",
    "single_peaked",
    "single_peaked_conitzer",
    "single_peaked_walsh",
    "spatial_utilities",
    "three_groups",
    "urn",
    "value_restricted",
]
