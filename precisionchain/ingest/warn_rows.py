"""What is odd about accepted rows: counted by rule and column, and kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import duckdb

from precisionchain.ingest.sql_text import identifier, parquet
from precisionchain.schemas.omop import CdmVersion, Table

Reason = tuple[str, str]
"""A rule and a column."""

DAYS_AFTER_DEATH = 60
"""Days after a death within which something may be written without a warning: OHDSI's tolerance
(DataQualityDashboard, ``plausibleAfterDeath``)."""

_BORN = "LEFT JOIN born USING (person_id)"
_DIED = "LEFT JOIN died USING (person_id)"


class RowWarnings:
    """Counts warnings over a run's accepted rows, table after table.

    Args:
        database: to ask.
        accepted: the folder of accepted rows.
        version: the CDM version of the export.
    """

    def __init__(
        self, database: duckdb.DuckDBPyConnection, accepted: Path, version: CdmVersion
    ) -> None:
        self._database = database
        self._accepted = accepted
        self._version = version
        self._known: set[str] = set()
        self.rows: list[dict[str, object]] = []

    def add(self, table: Table, columns: Collection[str], accepted: int) -> None:
        """Count what is odd about one table's accepted rows.

        Args:
            table: which; persons and deaths come before what is compared with them.
            columns: those the export has.
            accepted: how many rows.
        """
        if not accepted:
            return
        for name in self._absent(table, columns):
            self._note(table, {("missing_column", name): accepted})
        source = parquet(self._accepted / f"{table.name}.parquet")
        odd = dict(_oddities(table, columns))
        start = table.start_date_column
        if start and table.person_column and "born" in self._known:
            odd["before_birth", start] = f"year({start}) < born_in"
            source += f" {_BORN}"
        if start and table.domain_prefix and table.name != "death" and "died" in self._known:
            odd["after_death", start] = f"{start} > died_on + {DAYS_AFTER_DEATH}"
            source += f" {_DIED}"
        if odd:
            counts = ", ".join(f"count(*) FILTER (WHERE {each})" for each in odd.values())
            found = self._database.execute(f"SELECT {counts} FROM {source}").fetchall()[0]
            self._note(table, dict(zip(odd, found, strict=True)))
        self._remember(table, columns)

    def _absent(self, table: Table, columns: Collection[str]) -> Iterator[str]:
        for each in table.fields:
            newer = each.since == "5.4" and self._version == "5.3"
            if each.expected and each.name not in columns and not newer:
                yield each.name

    def _remember(self, table: Table, columns: Collection[str]) -> None:
        """Keep what later tables are compared with: years of birth, dates of death."""
        source = parquet(self._accepted / f"{table.name}.parquet")
        if table.name == "person" and "year_of_birth" in columns:
            self._known.add("born")
            self._database.execute(
                "CREATE TEMP TABLE born AS SELECT person_id, year_of_birth AS born_in"
                f" FROM {source}"
            )
        if table.name == "death":
            self._known.add("died")
            self._database.execute(
                "CREATE TEMP TABLE died AS SELECT person_id, min(death_date) AS died_on"
                f" FROM {source} GROUP BY ALL"
            )

    def _note(self, table: Table, found: Mapping[Reason, int]) -> None:
        self.rows += [warning(table.name, reason, n) for reason, n in found.items() if n]


def warning(table: str, reason: Reason, n: int) -> dict[str, object]:
    """Return a row of ``warnings.parquet``."""
    rule, column = reason
    return {
        "table_name": table,
        "rule": rule,
        "severity": "warning",
        "column_name": column,
        "n": n,
    }


def _oddities(table: Table, columns: Collection[str]) -> Iterator[tuple[Reason, str]]:
    """Yield (rule, column) and SQL for the rows of a table that are odd in themselves."""
    for each in table.fields:
        if each.name not in columns:
            continue
        name = identifier(each.name)
        if each.expected and not each.must:
            yield ("expected", each.name), f"{name} IS NULL"
        if each.lexical.limit is not None:
            yield ("length", each.name), f"length({name}) > {each.lexical.limit}"
        day = each.name.removesuffix("time")
        if each.lexical.name == "Datetime" and day in columns:
            yield ("datetime_differs", each.name), f"CAST({name} AS DATE) <> {day}"
    start, end = table.start_date_column, table.end_date_column
    if start and end in columns:
        yield ("date_order", str(end)), f"{end} < {start}"
    for name, largest in (("month_of_birth", 12), ("day_of_birth", 31)):
        if name in columns:
            yield ("birth_range", name), f"{name} NOT BETWEEN 1 AND {largest}"
