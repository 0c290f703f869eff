"""What an export changes in the state of its source: the rows to publish, the places to list.

The rules are those of ``docs/reference/streams.md`` section 7. A later batch holds the rows that
the state has not and lists the places of those that the export has no longer, in both views; a row
in both is in neither. Rows of withdrawn persons are not looked at on either side.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import pyarrow as pa

from precisionchain.ingest.accepted_rows import AcceptedRows
from precisionchain.ingest.changes_after import RowsAfter
from precisionchain.ingest.changes_drafts import mapping_drafts, superseded_drafts
from precisionchain.ingest.changes_limits import WHOLE, Refresh, TableChange
from precisionchain.ingest.changes_maps import compare_concept_map, compare_persons
from precisionchain.ingest.changes_rows import PLACE, Compared, compare_by_key, count
from precisionchain.ingest.changes_state import StateViews, clinical_columns
from precisionchain.ingest.changes_tables import TableComparison
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.report import Step, silent
from precisionchain.ingest.vocabulary import SLICE_COLUMNS, make_slice, slice_drafts
from precisionchain.schemas.omop import TABLES, Table

_SLICE_KEYS: Final = {
    "concept": ("concept_id",),
    "concept_relationship": ("concept_id_1", "concept_id_2"),
    "vocabulary": ("vocabulary_id",),
    "concept_ancestor": ("ancestor_concept_id", "descendant_concept_id"),
}


@dataclass
class Changes:
    """What a run changes in a state, found table by table when it is made.

    Args:
        rows: of the run; they get the ledger's keys where an export has given new ones.
        state: of the run's source, in the database of the rows.
        refresh: how the run follows the state.
        empty: tables of the run whose file has no record.
        renumbered_before: tables whose keys on the ledger are no longer those of the exports.
        reused_keys: whether two rows of the state may have one key, as where a withdrawn person's
            was used again before the person was readmitted.
        step: called with a line per table.

    Attributes:
        tables: what changes, by table of the run.
        fresh: relations of the rows to encode, by table.
        placed: relation of the state's placements of concepts.
        persons: persons of the source after this batch.
        vanished: how many of the source's persons vanish, and of how many.

    Raises:
        SealRefusedError: rows name, or are named by, keys that the ledger does not have.
    """

    rows: AcceptedRows
    state: StateViews
    refresh: Refresh = WHOLE
    empty: Collection[str] = ()
    renumbered_before: Collection[str] = ()
    reused_keys: bool = True
    step: Step = silent
    tables: dict[str, TableChange] = field(default_factory=dict)
    fresh: dict[str, str] = field(default_factory=dict)
    persons: int = 0
    vanished: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        self._database = self.rows.database
        self._database.execute('create temp table superseded (b integer, ordinal int, "row" int)')
        self.placed = self.state.first_placements()
        comparison = TableComparison(
            self.rows,
            self.state,
            self.refresh,
            self.empty,
            self.renumbered_before,
            self.reused_keys,
            self.step,
            self.fresh,
        )
        withheld = self.rows.withheld()
        there = {table.name for table in self.rows.clinical}
        for table in TABLES.values():
            if table.name in there and self._is_published(table):
                found = comparison.compare(table)
                self.tables[table.name] = replace(found, withheld=withheld.get(table.name, 0))
                self._say(table.name)
        self._after = RowsAfter(self.rows, self.state, self.tables, self.fresh)
        for name in self._slice_tables():
            self.tables[name] = self._compare_slice(name)
            self._say(name)
        gone, before, self.persons = compare_persons(self._after)
        self.vanished = gone, before

    @property
    def renumbered(self) -> tuple[str, ...]:
        """The tables whose keys on the ledger are not those of this export."""
        return tuple(name for name, one in self.tables.items() if one.renumbered)

    @property
    def found(self) -> bool:
        """Whether anything is new, changed or gone."""
        return any(one.new + one.changed + one.gone for one in self.tables.values())

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the counts that the manifest states, by table."""
        return {name: one.counts() for name, one in self.tables.items()}

    # ---------------------------------------------------------------------------------- drafts

    def slice_drafts(self) -> Iterator[Draft]:
        """Yield what the state's vocabulary slice has not."""
        for name in SLICE_COLUMNS:
            if name in self.tables:
                rows = f"(from now_{name} semi join fresh_{name} using (_record))"
                yield from slice_drafts(self._database, name, rows)

    def correcting_drafts(self, encoded: pa.Table) -> Iterator[Draft]:
        """Yield the mappings' new rows, after the places that no longer hold, theirs among them.

        Args:
            encoded: ``map-concept`` rows of what this batch encodes.
        """
        compare_concept_map(self._after, encoded, self.placed)
        parameters = self.rows.parameters
        half = parameters.max_item_bytes // 2
        yield from superseded_drafts(self._database, self.state.batch_ids(), half)
        yield from mapping_drafts(self._database, parameters.person_buckets)

    # -------------------------------------------------------------------------- the vocabulary

    def _is_published(self, table: Table) -> bool:
        columns = clinical_columns(table, self.rows.parameters)
        return bool(columns) and bool(self.rows.export(table))

    def _slice_tables(self) -> list[str]:
        """Make the slice that the export's vocabulary gives; none where it brings none."""
        if self.rows.tables.keys().isdisjoint(SLICE_COLUMNS):
            return []
        return make_slice(self._database, self.rows.tables, self._after.used_concepts())

    def _compare_slice(self, name: str) -> TableChange:
        """Find what the state's slice has not, and what no row uses any more."""
        self._database.execute(
            f"create temp table now_{name} as select *, row_number() over () as _record"
            f" from slice_{name}"
        )
        held = self.state.vocabulary(name)
        new = count(self._database, f"now_{name}")
        if held is None:
            self._database.execute(f"create temp table fresh_{name} as from now_{name}")
            return TableChange(new=new)
        compared = Compared(
            name,
            held,
            f"now_{name}",
            dict(SLICE_COLUMNS[name]),
            _SLICE_KEYS[name],
            keeps=self.refresh.mode == "delta",
        )
        found = compare_by_key(self._database, compared)
        self._database.execute(f"insert into superseded select {PLACE} from gone_{name}")
        empty = name in self.empty and self.refresh.mode == "full"
        return TableChange(
            found.old, found.new, found.changed, found.gone, found.unchanged, empty=empty
        )

    def _say(self, name: str) -> None:
        counts = self.tables[name].counts()
        self.step(f"{name}: {', '.join(f'{n} {fate}' for fate, n in counts.items())}")
