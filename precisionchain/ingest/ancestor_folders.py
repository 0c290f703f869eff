"""Folders of vocabularies and exports as what the choice of ancestors weighs.

Files are read as ingestion reads them; of each only concepts and how many rows they have are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from precisionchain.bounded_database import bounded_database
from precisionchain.errors import OmopFormatError
from precisionchain.ingest.ancestor_choice import Weighed
from precisionchain.ingest.omop_files import found_tables
from precisionchain.ingest.omop_reading import Reading, TableSource
from precisionchain.ingest.raw_rows import RawRows
from precisionchain.ingest.report import Step, silent
from precisionchain.schemas.omop import TABLES

SHARES: Final = 10**9
"""What the rows of a folder, or the concepts of a domain, weigh together."""

PREFIX_OF_DOMAIN: Final = {
    "Condition": "CONDITION",
    "Device": "DEVICE",
    "Drug": "DRUG",
    "Measurement": "MEASUREMENT",
    "Observation": "OBSERVATION",
    "Procedure": "PROCEDURE",
    "Specimen": "SPECIMEN",
    "Visit": "VISIT",
}
"""Where rows of a domain's standard concepts stand, for a choice without rows."""


def weighed_folders(
    vocabularies: Sequence[Path], data: Sequence[Path] = (), *, step: Step = silent
) -> Weighed:
    """Return what is to be spread, of vocabularies and, where given, exports that use them.

    With exports a concept of a table weighs its share of the export's rows; without, each standard
    concept its share of its domain.

    Args:
        vocabularies: folders, or DuckDB files, with ``concept_ancestor``, and ``concept`` where
            there is no export.
        data: folders or DuckDB files of exports with event tables.
        step: called with a line per file.

    Raises:
        UnreadableFileError: a folder or file that is absent, truncated or not text.
        OmopFormatError: a header that is not its table's, or a table that is needed and absent.
        SiteError: no room on the disk.
    """
    with (
        TemporaryDirectory(prefix="precisionchain-") as scratch,
        bounded_database(Path(scratch)) as database,
    ):
        files = _Files(database, Path(scratch), step)
        database.execute(f"create table pair as {_pairs(files, vocabularies)}")
        weights = _rows_of(files, data) if data else _concepts_of(files, vocabularies)
        return _weighed(database, weights)


@dataclass(slots=True)
class _Files:
    """Tables of folders as relations of text columns."""

    database: duckdb.DuckDBPyConnection
    scratch: Path
    step: Step
    read: int = field(default=0)

    def tables(self, folder: Path, wanted: Iterable[str]) -> dict[str, str]:
        """Return relations of those of some tables that a folder has, by table."""
        with found_tables(self.database, folder, reading=Reading()) as found:
            there = [found.tables[name] for name in wanted if name in found.tables]
            return {table.table: self._loaded(table) for table in there}

    def _loaded(self, table: TableSource) -> str:
        self.read += 1
        run = self.scratch / str(self.read)
        target = run / "raw" / f"{table.table}.parquet"
        target.parent.mkdir(parents=True)
        table.look(self.database)
        table.scan(target)
        loaded = table.load(self.database, target)
        self.step(f"read {loaded.file}: {loaded.records:,} records")
        rows = RawRows(run, table.table, unparsed=0).text()
        if not len(loaded.faulty):
            return rows
        unparsed = f"unparsed_{self.read}"
        self.database.register(unparsed, pa.table({"record": loaded.faulty[:, 0]}))
        return f"(select * from {rows} where _record not in (select record from {unparsed}))"


def _cell(table: str, column: str) -> str:
    """Return SQL for the value of a column of text, NULL where it is none."""
    return TABLES[table].field(column).lexical.sql_cast(column)


def _pairs(files: _Files, vocabularies: Sequence[Path]) -> str:
    """Return SQL for ancestor, concept, levels: each pair once, with the fewest levels."""
    name = "concept_ancestor"
    cells = [
        f"{_cell(name, column)} as {shown}"
        for column, shown in (
            ("ancestor_concept_id", "ancestor"),
            ("descendant_concept_id", "concept"),
            ("min_levels_of_separation", "levels"),
        )
    ]
    found = [files.tables(folder, [name]) for folder in vocabularies]
    relations = [tables[name] for tables in found if tables]
    if not relations:
        raise OmopFormatError(
            "no folder has the table concept_ancestor",
            where=", ".join(folder.name for folder in vocabularies),
            hint="name the folder of the vocabulary, as downloaded from Athena",
        )
    parts = [f"select {', '.join(cells)} from {relation}" for relation in relations]
    return (
        f"select ancestor, concept, min(levels) as levels from ({' union all '.join(parts)})"
        " where ancestor <> 0 and ancestor <> concept and levels is not null group by all"
    )


def _rows_of(files: _Files, data: Sequence[Path]) -> str:
    """Return SQL for prefix, concept, weight: shares of the rows of each export, summed."""
    events = {table.name: table for table in TABLES.values() if table.domain_prefix}
    parts = []
    for place, folder in enumerate(data):
        found = files.tables(folder, events)
        if not found:
            raise OmopFormatError("no table of events is there", where=folder.name)
        for name, relation in found.items():
            concept = _cell(name, str(events[name].concept_column))
            parts.append(
                f"select {place} as place, '{events[name].domain_prefix}' as prefix,"
                f" coalesce({concept}, 0) as concept, count(*) as n from {relation} group by all"
            )
    return (
        "select prefix, concept, sum(share)::bigint as weight from (select prefix, concept,"
        f" n::hugeint * {SHARES} // sum(n) over (partition by place) as share"
        f" from ({' union all '.join(parts)})) group by all"
    )


def _concepts_of(files: _Files, vocabularies: Sequence[Path]) -> str:
    """Return SQL for prefix, concept, weight: shares of the standard concepts of each domain.

    A concept is in the domain that the first of the folders says.
    """
    parts = [
        f"select {place} as place, {_cell('concept', 'concept_id')} as concept, domain_id"
        f" from {relation} where standard_concept = 'S'"
        for place, folder in enumerate(vocabularies)
        for relation in files.tables(folder, ["concept"]).values()
    ]
    if not parts:
        raise OmopFormatError(
            "no folder has the table concept",
            where=", ".join(folder.name for folder in vocabularies),
            hint="or name an export that uses the vocabulary with --data",
        )
    cases = " ".join(
        f"when '{domain}' then '{prefix}'" for domain, prefix in PREFIX_OF_DOMAIN.items()
    )
    return (
        f"select prefix, concept, {SHARES} // count(*) over (partition by prefix) as weight from"
        f" (select concept, case arg_min(domain_id, (place, domain_id)) {cases} end as prefix"
        f" from ({' union all '.join(parts)}) where concept <> 0 group by concept)"
        " where prefix is not null"
    )


def _weighed(database: duckdb.DuckDBPyConnection, weights: str) -> Weighed:
    database.execute(
        "create table unit as select row_number() over (order by prefix, concept) - 1 as unit,"
        f" prefix, concept, weight from ({weights})"
    )
    units = database.sql("select prefix, weight from unit order by unit").fetchnumpy()
    pairs = database.sql(
        "select unit, concept as ancestor, 0 as levels from unit where concept <> 0"
        " union all select unit, ancestor, levels from unit join pair using (concept)"
    ).fetchnumpy()
    prefixes, place = np.unique(units["prefix"].astype(str), return_inverse=True)
    return Weighed(
        tuple(prefixes.tolist()),
        place.astype(np.int64),
        *(
            np.asarray(column, np.int64)
            for column in (units["weight"], pairs["unit"], pairs["ancestor"], pairs["levels"])
        ),
    )
