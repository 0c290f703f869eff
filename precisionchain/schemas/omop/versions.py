"""What CDM 5.3 calls otherwise, and how a version is told from the columns of an export."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from precisionchain.schemas.omop.registry import TABLES
from precisionchain.schemas.omop.table import CdmVersion

RENAMED_SINCE_5_3: Mapping[str, Mapping[str, str]] = {
    "visit_occurrence": {
        "admitting_source_concept_id": "admitted_from_concept_id",
        "admitting_source_value": "admitted_from_source_value",
        "discharge_to_concept_id": "discharged_to_concept_id",
        "discharge_to_source_value": "discharged_to_source_value",
    },
    "visit_detail": {
        "admitting_source_concept_id": "admitted_from_concept_id",
        "admitting_source_value": "admitted_from_source_value",
        "discharge_to_concept_id": "discharged_to_concept_id",
        "discharge_to_source_value": "discharged_to_source_value",
        "visit_detail_parent_id": "parent_visit_detail_id",
    },
}
"""Table -> name in 5.3 -> name in 5.4."""

MISSPELT: Mapping[str, Mapping[str, str]] = {
    # The published DDL of 5.3 itself has this one.
    "cost": {"reveue_code_source_value": "revenue_code_source_value"},
}
"""Table -> name in real exports -> the name that was meant."""

SWAPPED_IN_5_3: Mapping[str, tuple[str, str]] = {
    "visit_detail": ("admitted_from_concept_id", "admitted_from_source_value"),
}
"""Table -> neighbouring columns (names of 5.4) that 5.3 has in the other order."""

TABLES_SINCE_5_4 = frozenset({"episode", "episode_event"})
TABLES_UNTIL_5_3 = frozenset({"attribute_definition", "cohort_attribute"})


def canonical_column(table: str, column: str) -> str:
    """Return CDM 5.4's name of a column written in lower case."""
    renamed = RENAMED_SINCE_5_3.get(table, {}).get(column, column)
    return MISSPELT.get(table, {}).get(renamed, renamed)


def cdm_version(headers: Mapping[str, Iterable[str]]) -> CdmVersion:
    """Tell the CDM version from an export's columns; what it says of itself is not trusted.

    The version is the one that more columns and tables belong to alone; 5.4 where nothing tells.

    Args:
        headers: table -> its columns as written, in lower case.
    """
    older = newer = 0
    for table, columns in headers.items():
        names = set(columns)
        renamed = RENAMED_SINCE_5_3.get(table, {})
        since = {field.name for field in TABLES[table].fields if field.since == "5.4"}
        older += len(names & set(renamed)) + (table in TABLES_UNTIL_5_3)
        newer += len(names & (since | set(renamed.values()))) + (table in TABLES_SINCE_5_4)
    return "5.3" if older > newer else "5.4"


def specified_columns(table: str, version: CdmVersion) -> tuple[str, ...]:
    """Return a table's columns in the order of a version's specification, as 5.4 names them.

    Source: the field-level lists of OHDSI's CommonDataModel; of tables that the version does not
    have, nothing.
    """
    if table in (TABLES_UNTIL_5_3 if version == "5.4" else TABLES_SINCE_5_4):
        return ()
    names = [field.name for field in TABLES[table].fields if version in ("5.4", field.since)]
    if version == "5.3" and table in SWAPPED_IN_5_3:
        first, second = (names.index(name) for name in SWAPPED_IN_5_3[table])
        names[first], names[second] = names[second], names[first]
    return tuple(names)
