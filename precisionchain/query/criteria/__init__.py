"""Criteria: what makes a person a member of a cohort, as frozen values. No data, no engine.

``docs/reference/cohorts.md`` says what each means and is what tests are written from. A criterion
knows how it is called (`Criterion.call`); text, Python and JSON are spellings of that one call
(``spelling.py``), and ``expressions.py`` holds the functions that make criteria from it and check
what they are given. Equal criteria have equal spellings.

Parts: ``names``, ``values`` (intervals, bounds, the call), ``logic`` (what every criterion can; and
what and, or, not make of others), ``clinical``, ``genetic``, ``who``. Others import from here.
"""

from __future__ import annotations

from precisionchain.query.criteria.clinical import (
    Age,
    AtLeast,
    Born,
    Demographic,
    Event,
    Observed,
    WithinDays,
)
from precisionchain.query.criteria.genetic import (
    COMPARISONS,
    Assayed,
    Carries,
    CarriesIn,
    CarriesStructural,
    ColumnBound,
    Genotype,
    Maf,
    Sequenced,
)
from precisionchain.query.criteria.logic import And, Criterion, Not, Or, checked
from precisionchain.query.criteria.names import (
    ANY_EVENT,
    EVENT_TABLES,
    MAX_DEPTH,
    NAME,
    OPERATORS,
    SEXES,
    STATES,
)
from precisionchain.query.criteria.values import Argument, Bound, Call, Interval, number
from precisionchain.query.criteria.who import AtSite, Everyone, Persons, Saved

__all__ = [
    "ANY_EVENT",
    "COMPARISONS",
    "EVENT_TABLES",
    "MAX_DEPTH",
    "NAME",
    "OPERATORS",
    "SEXES",
    "STATES",
    "Age",
    "And",
    "Argument",
    "Assayed",
    "AtLeast",
    "AtSite",
    "Born",
    "Bound",
    "Call",
    "Carries",
    "CarriesIn",
    "CarriesStructural",
    "ColumnBound",
    "Criterion",
    "Demographic",
    "Event",
    "Everyone",
    "Genotype",
    "Interval",
    "Maf",
    "Not",
    "Observed",
    "Or",
    "Persons",
    "Saved",
    "Sequenced",
    "WithinDays",
    "checked",
    "number",
]
