"""The rules of data quality: those that judge rows of OMOP tables, errors first, and measures.

An *error* rejects the row; a *warning* is counted and the row kept; a *measure* is the share of
something. Families are OHDSI's: conformance (is it written as agreed), completeness (is it there),
plausibility (can it be so). Warnings and measures are the SQL of ``quality_rules/``, a file a rule;
errors are decided while cells are read (``judge_cells.py``, ``judge_rows.py``).

>>> print(RULES["duplicate_key"])
duplicate_key  error  conformance  the primary key of an earlier accepted record of the file
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

from precisionchain.ingest.rule_text import Rule, rule_of_text
from precisionchain.schemas.lexical import (
    DATE,
    DATETIME,
    FLAG,
    FLOAT,
    INTEGER64,
    LexicalType,
)

RULES_VERSION = 1
"""Changes when the same rows would be judged otherwise; part of a source's identity."""

UNPARSED_RULES = ("encoding", "quoting", "ragged", "too_long")
"""Rules that a record breaks before it has cells."""

_RANGES = {
    "Integer64": "from -2^63 to 2^63 - 1; with a decimal point below 2^53",
    "Float": "finite",
    "Date": "in the calendar, years 0001 to 9999",
    "Datetime": "in the calendar, years 0001 to 9999",
    "Flag": "one letter or digit",
}

_STRANGER = """SELECT _record
FROM raw_{table}
WHERE {column} IS NOT NULL
    AND CAST({column} AS {type}) NOT IN (SELECT {key} FROM {referred})"""

_DUPLICATE = """SELECT _record
FROM raw_{table}
WHERE _record NOT IN (
    SELECT record FROM rejected WHERE table_name = '{table}' AND rule <> 'duplicate_key'
)
QUALIFY row_number() OVER (PARTITION BY CAST({key} AS {type}) ORDER BY _record) > 1"""


def _spelling(kind: LexicalType) -> str:
    """Return what decides whether a cell is of a type: an expression, and a range."""
    null = "|".join(f"(?:{pattern})" for pattern in kind.nulls.values())
    return (
        f"-- a cell is of the type when it matches, and its value is {_RANGES[kind.name]}\n"
        f"^(?:{kind.accepted})$\n"
        "-- it is NULL when it is empty or matches\n"
        f"^(?:{null})$"
    )


_ERRORS = (
    Rule(
        "encoding",
        "error",
        "conformance",
        "bytes that are not UTF-8, or a NUL",
        definition="-- decided by bytes: a record is UTF-8 as RFC 3629 has it, without 0x00",
    ),
    Rule(
        "quoting",
        "error",
        "conformance",
        "a quotation mark that is not closed, or not alone",
        definition="-- decided by bytes: a quoted field ends at a mark before a separator or the"
        " record's end",
    ),
    Rule(
        "ragged",
        "error",
        "conformance",
        "more or fewer fields than the header",
        definition="-- decided by bytes: a record has as many fields as the header",
    ),
    Rule(
        "too_long",
        "error",
        "conformance",
        "more than 2,000,000 bytes",
        definition="-- decided by bytes: a record has at most 2,000,000 of them",
    ),
    *(
        Rule(
            f"type:{kind.name}",
            "error",
            "conformance",
            f"a cell that is not of type {kind.name}",
            ohdsi="cdmDatatype",
            definition=_spelling(kind),
        )
        for kind in (INTEGER64, FLOAT, DATE, DATETIME, FLAG)
    ),
    Rule(
        "required",
        "error",
        "completeness",
        "no key, person, main concept or start date",
        ohdsi="isRequired",
        definition="SELECT _record\nFROM raw_{table}\nWHERE {column} IS NULL",
    ),
    Rule(
        "unknown_person",
        "error",
        "conformance",
        "a person no accepted row has introduced",
        ohdsi="isForeignKey",
        definition=_STRANGER.format(
            table="{table}", column="person_id", type="BIGINT", key="person_id", referred="person"
        ),
    ),
    Rule(
        "unknown_parent",
        "error",
        "conformance",
        "a note or episode no accepted row has",
        ohdsi="isForeignKey",
        definition=_STRANGER,
    ),
    Rule(
        "duplicate_key",
        "error",
        "conformance",
        "the primary key of an earlier accepted record of the file",
        ohdsi="isPrimaryKey",
        definition=_DUPLICATE,
    ),
)

_FILES = resources.files("precisionchain.ingest").joinpath("quality_rules")
_ORDER = {"warning": 0, "measure": 1}


def _written() -> list[Rule]:
    """Return the rules of ``quality_rules/``, warnings first, by family and name."""
    found = [
        rule_of_text(file.read_text(encoding="utf-8"), file.name)
        for file in _FILES.iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found, key=lambda rule: (_ORDER[rule.severity], rule.family, rule.name))


def plausible_file(name: str) -> str:
    """Return the text of a table that comes with the rules, ``plausible_ranges.csv``."""
    return _FILES.joinpath(name).read_text(encoding="utf-8")


RULES: Mapping[str, Rule] = {rule.name: rule for rule in (*_ERRORS, *_written())}
