"""Criteria: what makes a person a member of a cohort, as frozen values. No data, no engine.

``docs/reference/cohorts.md`` says what each means and is what tests are written from. A criterion
knows how it is called (`Criterion.call`); text, Python and JSON are spellings of that one call
(``spelling.py``), and ``expressions.py`` holds the functions that make criteria from it and check
what they are given. Equal criteria have equal spellings.

Parts: ``names``, ``values`` (intervals, bounds, the call), ``attributes`` (of rows), ``logic``
(what every criterion can; and what and, or, not make of others), ``events``, ``clinical``,
``genetic``, ``who``. Others import from here.
"""

from __future__ import annotations

from precisionchain.query.criteria.attributes import (
    CALENDAR,
    CONCEPT_COLUMNS,
    LENGTH,
    NUMBER_COLUMNS,
    VISIT,
    Attribute,
    concept_attributes,
    every_attribute,
    every_number,
    number_attributes,
    require_attribute,
)
from precisionchain.query.criteria.clinical import Age, Born, Demographic, Observed
from precisionchain.query.criteria.events import (
    ENDS,
    WHICH,
    WINDOW_ARGUMENTS,
    AtLeast,
    Either,
    Event,
    Events,
    Index,
    Window,
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
from precisionchain.query.criteria.logic import And, Criterion, Not, Or, SomeOf, checked
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
from precisionchain.query.criteria.who import AtSite, CohortDefinition, Everyone, Persons, Saved

__all__ = [
    "ANY_EVENT",
    "CALENDAR",
    "COMPARISONS",
    "CONCEPT_COLUMNS",
    "ENDS",
    "EVENT_TABLES",
    "LENGTH",
    "MAX_DEPTH",
    "NAME",
    "NUMBER_COLUMNS",
    "OPERATORS",
    "SEXES",
    "STATES",
    "VISIT",
    "WHICH",
    "WINDOW_ARGUMENTS",
    "Age",
    "And",
    "Argument",
    "Assayed",
    "AtLeast",
    "AtSite",
    "Attribute",
    "Born",
    "Bound",
    "Call",
    "Carries",
    "CarriesIn",
    "CarriesStructural",
    "CohortDefinition",
    "ColumnBound",
    "Criterion",
    "Demographic",
    "Either",
    "Event",
    "Events",
    "Everyone",
    "Genotype",
    "Index",
    "Interval",
    "Maf",
    "Not",
    "Observed",
    "Or",
    "Persons",
    "Saved",
    "Sequenced",
    "SomeOf",
    "Window",
    "WithinDays",
    "checked",
    "concept_attributes",
    "every_attribute",
    "every_number",
    "number",
    "number_attributes",
    "require_attribute",
]
