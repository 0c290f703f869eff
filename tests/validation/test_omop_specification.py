"""OHDSI's specification of CDM 5.3 and 5.4, table by table and field by field, against ours."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from precisionchain.schemas.omop import TABLES, CdmVersion, canonical_column, specified_columns

VERSIONS: tuple[CdmVersion, ...] = ("5.3", "5.4")
LEXICAL = {
    "integer": "Integer64",
    "float": "Float",
    "date": "Date",
    "datetime": "Datetime",
    "varchar": "Varchar",
}

# 5.3's table level has what 5.4's calls results, or dropped; each lacks these of the other.
ONLY = {
    "5.3": {"attribute_definition"},
    "5.4": {"episode", "episode_event", "cohort"},
}


def rows(shared_data: Path, version: str, level: str) -> list[dict[str, str]]:
    path = shared_data / "omop_cdm_spec" / f"OMOP_CDMv{version}_{level}_Level.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def fields(shared_data: Path, version: str) -> dict[str, list[tuple[str, str]]]:
    """Table -> (field, type) in the specification's order."""
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows(shared_data, version, "Field"):
        name = row["cdmFieldName"].strip().strip('"').lower()
        found.setdefault(row["cdmTableName"].lower(), []).append((name, row["cdmDatatype"].lower()))
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_table_is_known(shared_data: Path, version: CdmVersion) -> None:
    named = {row["cdmTableName"].lower() for row in rows(shared_data, version, "Table")}
    assert named == set(fields(shared_data, version))
    assert named <= set(TABLES)
    assert len(named) > 36
    other = {row["cdmTableName"].lower() for v in VERSIONS for row in rows(shared_data, v, "Table")}
    assert other - named == ONLY["5.4" if version == "5.3" else "5.3"] - named
    # Beyond both: a table of 5.3's results schema that real exports have.
    assert set(TABLES) - other == {"cohort_attribute"}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_field_is_known_and_in_its_place(shared_data: Path, version: CdmVersion) -> None:
    for table, specified in fields(shared_data, version).items():
        names = tuple(canonical_column(table, name) for name, _ in specified)
        assert names == specified_columns(table, version), table


@pytest.mark.parametrize("version", VERSIONS)
def test_every_field_is_of_its_type(shared_data: Path, version: CdmVersion) -> None:
    for table, specified in fields(shared_data, version).items():
        for name, written in specified:
            field = TABLES[table].field(canonical_column(table, name))
            kind, _, length = written.partition("(")
            expected = LEXICAL[kind.strip()]
            ours = field.lexical.name.partition("(")[0]
            where = f"{table}.{name}"
            if ours == "Flag":
                assert (expected, length) == ("Varchar", "1)"), where
            else:
                assert ours == expected, where
            # The longer of two limits is 5.4's.
            if version == "5.4" and expected == "Varchar" and length and ours == "Varchar":
                limit = None if length == "max)" else int(length.rstrip(")"))
                assert field.lexical.limit == limit, where


def test_names_of_5_3_alone_are_known(shared_data: Path) -> None:
    newer = fields(shared_data, "5.4")
    renamed = {
        (table, name): canonical_column(table, name)
        for table, specified in fields(shared_data, "5.3").items()
        if table in newer
        for name, _ in specified
        if name not in dict(newer[table])
    }
    assert len(renamed) > 5
    for (table, name), ours in renamed.items():
        assert ours in dict(newer[table]), (table, name)
