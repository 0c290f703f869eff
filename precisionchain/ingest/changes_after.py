"""What a source holds after a batch: the state's rows that still count, and the rows that come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from precisionchain.ingest.accepted_rows import AcceptedRows
from precisionchain.ingest.changes_limits import TableChange
from precisionchain.ingest.changes_rows import PLACE
from precisionchain.ingest.changes_state import StateViews, clinical_columns
from precisionchain.schemas.omop import TABLES, Table


@dataclass(frozen=True, slots=True)
class RowsAfter:
    """The rows there are after a batch; withdrawn persons' are among them.

    Args:
        rows: of the run.
        state: of its source, in the same database as the table ``superseded``.
        tables: what the run changes, by table.
        fresh: relations of the rows to encode, where they are not all of the export's.
    """

    rows: AcceptedRows
    state: StateViews
    tables: Mapping[str, TableChange]
    fresh: Mapping[str, str]

    def relations(self, table: Table, column: str = "person_id") -> list[str]:
        """Return relations of all of a table's rows, where they have a column.

        Those of tables that the export lacks are among them.
        """
        held = self.state.whole(table)
        found = [] if held is None else [f"({self.counting(table, held)})"]
        if table.name in self.tables:
            rows = str(self.fresh.get(table.name) or self.rows.export(table))
            if column == "person_id" or column in self.rows.published_columns(table):
                found.append(rows)
        return found

    def counting(self, table: Table, held: str) -> str:
        """Return SQL of the state's rows of a table but those that this batch supersedes."""
        one = self.tables.get(table.name)
        gone = one is not None and one.changed + one.gone > 0
        return f"from {held}" + (f" anti join superseded using ({PLACE})" if gone else "")

    def used_concepts(self) -> list[str]:
        """Return SQL for the concepts in any row, relation by relation."""
        columns = {
            table: [
                name
                for name in clinical_columns(table, self.rows.parameters)
                if name.endswith("concept_id")
            ]
            for table in TABLES.values()
            if table.scope != "vocabulary"
        }
        parts = []
        for table, names in columns.items():
            of_rows: dict[str, list[str]] = defaultdict(list)
            for name in names:
                for rows in self.relations(table, name):
                    of_rows[rows].append(name)
            parts += [_concepts(rows, found) for rows, found in of_rows.items()]
        return parts


def _concepts(rows: str, names: Sequence[str]) -> str:
    """Return SQL for the concepts in some columns of a relation."""
    if "superseded" not in rows:
        found = [f"select {name} as concept_id from {rows} where {name} <> 0" for name in names]
        return " union ".join(found)
    # what no longer holds is looked for once, not once for each of the columns
    found = [f"select {name} as concept_id from held where {name} <> 0" for name in names]
    distinct = f"select distinct {', '.join(names)} from {rows}"
    return f"(with held as materialized ({distinct}) {' union '.join(found)})"
