"""The words and limits of criteria: functions of events, sexes, states, names, depth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

STATES: Final = ("0", "1", "2", "missing", "not_assayed")
"""The states of a person and an allele that a question can ask for, in the order of their codes."""

ANY_EVENT: Final = "event"
"""In place of a table: every table with a main concept but eras."""

EVENT_TABLES: Final[Mapping[str, str]] = {
    "event": ANY_EVENT,
    "condition": "condition_occurrence",
    "drug": "drug_exposure",
    "procedure": "procedure_occurrence",
    "device": "device_exposure",
    "measurement": "measurement",
    "observation": "observation",
    "visit": "visit_occurrence",
    "visit_detail": "visit_detail",
    "death": "death",
    "specimen": "specimen",
    "episode": "episode",
    "condition_era": "condition_era",
    "drug_era": "drug_era",
    "dose_era": "dose_era",
}
"""Functions of events, and the CDM table each reads."""

SEXES: Final[Mapping[str, int]] = {"male": 8507, "female": 8532}
"""The sexes that have a name, and their gender concepts."""

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
"""How a saved cohort may be called."""

OPERATORS: Final = (">", ">=", "<", "<=", "=")
"""How a value may be compared with a number, in the order they are written."""

MAX_DEPTH: Final = 100
"""How deep criteria nest; a call in a call and a negation are levels as well."""
