"""CSV files of one site in DuckDB: persons, periods, visits, and events by the names criteria use.

Each event table becomes ``ev_TABLE``, with what each row says under the names of the page of
cohorts. Which rows are rejected is checked elsewhere: the files are valid, and rows of persons
without a person row are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb

PREFIX: Final = {
    "condition_occurrence": ("condition", "condition"),
    "drug_exposure": ("drug_exposure", "drug"),
    "procedure_occurrence": ("procedure", "procedure"),
    "device_exposure": ("device_exposure", "device"),
    "measurement": ("measurement", "measurement"),
    "observation": ("observation", "observation"),
    "visit_occurrence": ("visit", "visit"),
    "visit_detail": ("visit_detail", "visit_detail"),
    "death": ("death", "cause"),
    "specimen": ("specimen", "specimen"),
    "episode": ("episode", "episode"),
    "condition_era": ("condition_era", "condition"),
    "drug_era": ("drug_era", "drug"),
    "dose_era": ("dose_era", "drug"),
}
"""What the date columns of a table begin with, and its main concept."""

_CONCEPTS: Final = {
    "type": "{p}_type_concept_id",
    "source": "{p}_source_concept_id",
    "status": "condition_status_concept_id",
    "route": "route_concept_id",
    "modifier": "modifier_concept_id",
    "unit": "unit_concept_id",
    "unit_source": "unit_source_concept_id",
    "operator": "operator_concept_id",
    "value_concept": "value_as_concept_id",
    "qualifier": "qualifier_concept_id",
    "admitted_from": "admitted_from_concept_id",
    "discharged_to": "discharged_to_concept_id",
    "anatomic_site": "anatomic_site_concept_id",
    "disease_status": "disease_status_concept_id",
    "object": "episode_object_concept_id",
}
_NUMBERS: Final = {
    "value": "value_as_number",
    "number": "episode_number",
    "occurrence_count": "condition_occurrence_count",
    "exposure_count": "drug_exposure_count",
    **{
        name: name
        for name in (
            *("quantity", "days_supply", "refills", "range_low", "range_high"),
            *("gap_days", "dose_value"),
        )
    },
}


@dataclass
class ClinicalTables:
    """The tables of a folder of CSV files.

    Args:
        folder: the files.
    """

    folder: Path
    database: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)

    def __post_init__(self) -> None:
        self.database.sql("set threads = 1")
        self._load("person")
        self.database.sql(
            "create table people as select person_id::bigint as person_id, "
            + ", ".join(
                f"try_cast({self._of('person', name)} as bigint) as {name}"
                for name in (
                    *("gender_concept_id", "race_concept_id", "ethnicity_concept_id"),
                    *("year_of_birth", "month_of_birth", "day_of_birth"),
                )
            )
            + " from raw_person"
        )
        self._load("observation_period")
        self.database.sql(
            "create table periods as select person_id::bigint as person_id, "
            "observation_period_start_date::date as s, observation_period_end_date::date as e "
            "from raw_observation_period semi join people using (person_id)"
        )
        self._load("concept_ancestor")
        self._load("visit_occurrence")
        self.database.sql(
            "create table visits as select person_id::bigint as person_id, "
            "visit_occurrence_id::bigint as visit, visit_concept_id::bigint as in_visit "
            "from raw_visit_occurrence"
        )
        for table in PREFIX:
            self._base(table)

    def _load(self, table: str) -> bool:
        path = self.folder / f"{table}.csv"
        if not path.exists():
            return False
        if f"raw_{table}" in self._names():
            return True
        self.database.sql(
            f"create table raw_{table} as select * from "
            f"read_csv('{path}', all_varchar = true, header = true, normalize_names = false)"
        )
        for name in self._columns(table):
            plain = name.lower().removeprefix("date(").removesuffix(",'unixepoch')")
            if plain != name:
                self.database.execute(f'alter table raw_{table} rename "{name}" to "{plain}_"')
                self.database.execute(f'alter table raw_{table} rename "{plain}_" to "{plain}"')
        return True

    def _names(self) -> set[str]:
        found = self.database.sql("select table_name from duckdb_tables()").fetchall()
        return {name for (name,) in found}

    def _columns(self, table: str) -> list[str]:
        return list(self.database.sql(f"select * from raw_{table} limit 0").columns)

    def _of(self, table: str, column: str) -> str:
        return column if column in self._columns(table) else "null"

    def _base(self, table: str) -> None:
        """Make the table of all rows, with what each says under the page's names."""
        date, main = PREFIX[table]
        if not self._load(table):
            self.database.sql(f"create table raw_{table} (person_id varchar)")
        start = f"{date}_start_date"
        if self._of(table, start) == "null":
            start = f"{date}_date"
        end = {"procedure_occurrence": "procedure_end_date"}.get(table, f"{date}_end_date")
        own = "visit_occurrence_id" if table != "death" else "nothing"
        key = self._of(table, f"{table}_id")
        concepts = ", ".join(
            f"coalesce(try_cast({self._of(table, column.format(p=_stem(table, name)))} as bigint), "
            f"0) as {name}"
            for name, column in _CONCEPTS.items()
        )
        numbers = ", ".join(
            f"try_cast({self._of(table, column)} as double) as {name}"
            for name, column in _NUMBERS.items()
        )
        self.database.sql(
            f"""create table ev_{table} as
            with rows as (
                select person_id::bigint as person_id, '{table}' as tbl,
                    {f"{key}::bigint" if key != "null" else "row_number() over ()"} as key,
                    {self._of(table, start)}::date as day,
                    nullif({self._of(table, end)}, '')::date as ended,
                    try_cast({self._of(table, own)} as bigint) as visit,
                    coalesce(try_cast({self._of(table, f"{main}_concept_id")} as bigint), 0)
                        as concept,
                    {concepts}, {numbers}
                from raw_{table} semi join people using (person_id)
            )
            select rows.*, coalesce(ended, day) as stop, coalesce(in_visit, 0) as in_visit,
                year(day) as year, month(day) as month, day(day) as day_of_month,
                ended - day as length,
                (select min(s) from periods q where q.person_id = rows.person_id
                    and rows.day between q.s and q.e) as pstart,
                (select max(e) from periods q where q.person_id = rows.person_id
                    and rows.day between q.s and q.e) as pend
            from rows left join visits using (person_id, visit)
            where day is not null"""
        )


def _stem(table: str, name: str) -> str:
    """Return how a table's type and source columns begin."""
    if table == "death":
        return "death" if name == "type" else "cause"
    return PREFIX[table][1]
