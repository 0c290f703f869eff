"""An OMOP folder read by other means: Python's csv module, DuckDB, and the CDM's own field list.

The types of columns come from ``OMOP_CDMv5.4_Field_Level.csv`` of OHDSI, not from our models. Rows
that PrecisionChain rejected are left out by record number; everything else comes from the input.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

EVENTS = {
    "condition_occurrence": "condition_concept_id",
    "death": "cause_concept_id",
    "device_exposure": "device_concept_id",
    "drug_exposure": "drug_concept_id",
    "episode": "episode_concept_id",
    "measurement": "measurement_concept_id",
    "note": "note_class_concept_id",
    "observation": "observation_concept_id",
    "procedure_occurrence": "procedure_concept_id",
    "specimen": "specimen_concept_id",
    "visit_detail": "visit_detail_concept_id",
    "visit_occurrence": "visit_concept_id",
}
"""Event tables and their main concept; eras are asked for by name only."""

ERAS = {
    "condition_era": "condition_concept_id",
    "dose_era": "drug_concept_id",
    "drug_era": "drug_concept_id",
}

# CDM 5.3 -> 5.4, from the OHDSI changelog of 5.4; and a slip in the published DDL of 5.3.
_RENAMED = {
    ("visit_occurrence", "admitting_source_concept_id"): "admitted_from_concept_id",
    ("visit_occurrence", "admitting_source_value"): "admitted_from_source_value",
    ("visit_occurrence", "discharge_to_concept_id"): "discharged_to_concept_id",
    ("visit_occurrence", "discharge_to_source_value"): "discharged_to_source_value",
    ("visit_detail", "admitting_source_concept_id"): "admitted_from_concept_id",
    ("visit_detail", "admitting_source_value"): "admitted_from_source_value",
    ("visit_detail", "discharge_to_concept_id"): "discharged_to_concept_id",
    ("visit_detail", "discharge_to_source_value"): "discharged_to_source_value",
    ("visit_detail", "visit_detail_parent_id"): "parent_visit_detail_id",
    ("cost", "reveue_code_source_value"): "revenue_code_source_value",
}
# Tables of 5.3 alone are in no list of 5.4.
_ONLY_5_3 = {"attribute_definition", "cohort_attribute"}
_STAY = {"provider_id", "latitude", "longitude"}

_TYPED = {
    "integer": (
        "case when regexp_full_match({0}, '[+-]?[0-9]+([.]0+)?')"
        " then cast(split_part({0}, '.', 1) as bigint) end"
    ),
    "float": "try_cast({0} as double)",
    "date": (
        "cast(coalesce(try_strptime({0}, '%Y-%m-%d'), try_strptime({0}, '%Y%m%d'),"
        " try_strptime({0}, '%Y-%m-%d %H:%M:%S')) as date)"
    ),
    "datetime": (
        "coalesce(try_strptime({0}, '%Y-%m-%d %H:%M:%S'), try_strptime({0}, '%Y-%m-%dT%H:%M:%S'),"
        " try_strptime({0}, '%Y-%m-%d %H:%M:%S.%f'), try_strptime({0}, '%Y-%m-%d'))"
    ),
}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One CSV file: its table, canonical columns in file order, delimiter, and record count."""

    table: str
    path: Path
    columns: tuple[str, ...]
    delimiter: str
    records: int


def cdm_fields(specification: Path) -> dict[str, dict[str, str]]:
    """Table -> column -> data type without length, from OHDSI's field-level list."""
    fields: dict[str, dict[str, str]] = {}
    with specification.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            kind = row["cdmDatatype"].lower().partition("(")[0].strip()
            fields.setdefault(row["cdmTableName"].lower(), {})[row["cdmFieldName"].lower()] = kind
    return fields


def source_files(folder: Path, fields: Mapping[str, object]) -> dict[str, SourceFile]:
    """Every file of the folder that is a CDM table by its name, whatever its case."""
    found = {}
    for path in sorted(folder.iterdir()):
        table = path.stem.lower()
        if path.suffix.lower() == ".csv" and (table in fields or table in _ONLY_5_3):
            found[table] = _source_file(table, path)
    return found


def _source_file(table: str, path: Path) -> SourceFile:
    with path.open(encoding="utf-8-sig", newline="") as file:
        delimiter = "\t" if "\t" in file.readline() else ","
        file.seek(0)
        rows = csv.reader(file, delimiter=delimiter, strict=True)
        columns = tuple(_canonical(table, name) for name in next(rows))
        records = sum(1 for row in rows if row)
    return SourceFile(table, path, columns, delimiter, records)


def _canonical(table: str, written: str) -> str:
    """``"date(observation_date,'unixepoch')"`` and ``OBSERVATION_DATE`` are observation_date."""
    name = written.strip().lower()
    if name.startswith("date(") and name.endswith(",'unixepoch')"):
        name = name.removeprefix("date(").removesuffix(",'unixepoch')")
    return _RENAMED.get((table, name), name)


class OmopSource:
    """A folder in DuckDB, typed, without the records named in ``rejected``.

    Args:
        folder: of CSV files.
        specification: OHDSI's field-level list.
        rejected: table -> record numbers (1 = first data record) to leave out.
    """

    def __init__(self, folder: Path, specification: Path, rejected: Mapping[str, set[int]]) -> None:
        self.fields = cdm_fields(specification)
        self.files = source_files(folder, self.fields)
        self.database = duckdb.connect()
        self.database.execute("set enable_progress_bar = false")
        for file in self.files.values():
            self._load(file, rejected.get(file.table, set()))

    def count(self, table: str) -> int:
        return int(self._one(f"select count(*) from {table}"))

    def published(self, table: str) -> list[str]:
        """Columns in the file that may leave a site: neither text nor pointing at staff or places.

        In tables of persons every text column is free text, a source value or a device number.
        """
        kinds = self.fields[table]
        return [
            name
            for name in self.files[table].columns
            if name in kinds and kinds[name] in _TYPED and name not in _STAY
        ]

    @cached_property
    def _event_rows(self) -> str:
        parts = [
            f"select '{table}' as tab, coalesce({concept}, 0) as concept_id, person_id from {table}"
            for table, concept in EVENTS.items()
            if table in self.files
        ]
        return " union all ".join(parts)

    def main_concepts(self) -> set[int]:
        """Every concept that is the main concept of an event; 0 for events without one."""
        rows = self.database.sql(f"select distinct concept_id from ({self._event_rows})").fetchall()
        return {row[0] for row in rows}

    @cached_property
    def persons_by_concept(self) -> dict[int, tuple[set[int], int]]:
        """Concept -> (persons, rows) of events of it or of a descendant.

        Every concept that occurs, and every ancestor of one.
        """
        pairs = "select distinct concept_id as ancestor, concept_id as descendant from event"
        if "concept_ancestor" in self.files:
            pairs += (
                " union select ancestor_concept_id, descendant_concept_id from concept_ancestor"
                " where descendant_concept_id in (select concept_id from event)"
            )
        rows = self.database.execute(
            f"with event as ({self._event_rows}), pair as ({pairs})"
            " select ancestor, list(distinct person_id), count(*) from pair"
            " join event on event.concept_id = pair.descendant group by 1 order by 1"
        ).fetchall()
        return {concept: (set(persons), n) for concept, persons, n in rows}

    def rows_of(self, table: str, persons: Sequence[int]) -> pl.DataFrame:
        """Published columns of some persons' rows, and the table's name."""
        columns = self.published(table)
        names = ", ".join(columns)
        listed = ", ".join(map(str, persons))
        rows: pl.DataFrame = self.database.sql(
            f"select {names} from {table} where person_id in ({listed}) order by all"
        ).pl()
        return rows

    def persons(self) -> list[int]:
        return [row[0] for row in self.database.sql("select person_id from person").fetchall()]

    def person_tables(self) -> list[str]:
        return [name for name, file in self.files.items() if "person_id" in file.columns]

    def _load(self, file: SourceFile, rejected: set[int]) -> None:
        names = [f"c{i}" for i in range(len(file.columns))]
        spelled = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
        typed = ", ".join(
            f"{self._typed(file.table, column, name)} as {column}"
            for column, name in zip(file.columns, names, strict=True)
            if column.isidentifier()
        )
        self.database.execute(
            f"create table raw_{file.table} as select row_number() over () as _record, * from"
            " read_csv(?, delim=?, quote='\"', escape='\"', header=true, auto_detect=false,"
            f" parallel=false, strict_mode=true, max_line_size=10000000, columns={{{spelled}}})",
            [str(file.path), file.delimiter],
        )
        assert self._one(f"select count(*) from raw_{file.table}") == file.records, file.table
        left_out = pl.DataFrame({"_record": sorted(rejected)}, schema={"_record": pl.Int64})
        self.database.register("left_out", left_out)
        self.database.execute(
            f"create table {file.table} as select _record, {typed} from raw_{file.table}"
            " where _record not in (select _record from left_out)"
        )
        self.database.unregister("left_out")

    def _typed(self, table: str, column: str, name: str) -> str:
        kind = self.fields.get(table, {}).get(column, "varchar")
        cell = f"nullif(trim({name}), '')"
        return _TYPED[kind].format(cell) if kind in _TYPED else f"nullif({name}, '')"

    def _one(self, sql: str) -> Any:
        return self.database.sql(sql).fetchall()[0][0]
