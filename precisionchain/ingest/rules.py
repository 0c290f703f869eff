"""The rules that rows of OMOP tables are judged by: one line each, errors first.

An *error* rejects the row; a *warning* is counted and the row kept. Families are OHDSI's:
conformance (is it written as agreed), completeness (is it there), plausibility (can it be so).

>>> print(RULES["duplicate_key"])
duplicate_key  error  conformance  the primary key of an earlier accepted record of the file
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from precisionchain.schemas.lexical import DATE, DATETIME, FLAG, FLOAT, INTEGER64

RULES_VERSION = 1
"""Changes when the same rows would be judged otherwise; part of a source's identity."""

Severity = Literal["error", "warning"]
Family = Literal["conformance", "completeness", "plausibility"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: what is found fault with, in words that complete "the row has ..."."""

    name: str
    severity: Severity
    family: Family
    description: str

    def __str__(self) -> str:
        return f"{self.name}  {self.severity}  {self.family}  {self.description}"


UNPARSED_RULES = ("encoding", "quoting", "ragged", "too_long")
"""Rules that a record breaks before it has cells."""

_ERRORS = (
    Rule("encoding", "error", "conformance", "bytes that are not UTF-8, or a NUL"),
    Rule("quoting", "error", "conformance", "a quotation mark that is not closed, or not alone"),
    Rule("ragged", "error", "conformance", "more or fewer fields than the header"),
    Rule("too_long", "error", "conformance", "more than 2,000,000 bytes"),
    *(
        Rule(f"type:{kind.name}", "error", "conformance", f"a cell that is not of type {kind.name}")
        for kind in (INTEGER64, FLOAT, DATE, DATETIME, FLAG)
    ),
    Rule("required", "error", "completeness", "no key, person, main concept or start date"),
    Rule("unknown_person", "error", "conformance", "a person no accepted row has introduced"),
    Rule("unknown_parent", "error", "conformance", "a note or episode no accepted row has"),
    Rule(
        "duplicate_key",
        "error",
        "conformance",
        "the primary key of an earlier accepted record of the file",
    ),
)

_WARNINGS = (
    Rule("expected", "warning", "completeness", "nothing in a column the CDM requires"),
    Rule("missing_column", "warning", "completeness", "no column the CDM requires"),
    Rule("length", "warning", "conformance", "a text longer than the CDM allows"),
    Rule("concept_zero", "warning", "completeness", "concept 0 where the CDM requires a concept"),
    Rule("concept_unknown", "warning", "conformance", "a concept the staged vocabulary lacks"),
    Rule("concept_domain", "warning", "conformance", "a concept of a domain the column is not for"),
    Rule("concept_standard", "warning", "conformance", "a main concept that is not standard"),
    Rule("datetime_differs", "warning", "conformance", "a datetime on another day than its date"),
    Rule("date_order", "warning", "plausibility", "an end before its start"),
    Rule("before_birth", "warning", "plausibility", "a start before the year of birth"),
    Rule("after_death", "warning", "plausibility", "a start more than 60 days after death"),
    Rule("birth_range", "warning", "plausibility", "a month or day of birth that does not exist"),
)

RULES: Mapping[str, Rule] = {rule.name: rule for rule in (*_ERRORS, *_WARNINGS)}
