"""What an export changes in the state of its source: the rows to publish, the places to list.

The rules are those of ``docs/reference/streams.md`` section 7. A later batch holds the rows that
the state has not and lists the places of those that the export has no longer, in both views; a row
in both is in neither. Rows of withdrawn persons are not looked at on either side.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pyarrow as pa

from precisionchain.errors import SealRefusedError
from precisionchain.ingest.changes_limits import MAX_CHURN, WHOLE, Refresh, TableChange
from precisionchain.ingest.changes_rows import (
    PLACE,
    Compared,
    RowCounts,
    compare_by_content,
    compare_by_key,
    count,
    has_unique_key,
    match_renumbered,
)
from precisionchain.ingest.changes_state import StateViews, clinical_columns
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.encode_omop import OmopEncoder
from precisionchain.ingest.report import Step, silent
from precisionchain.ingest.sql_text import identifier
from precisionchain.ingest.vocabulary import SLICE_COLUMNS, make_slice, slice_drafts
from precisionchain.replica.source_state import View
from precisionchain.schemas.corrections import superseded_payload
from precisionchain.schemas.omop import TABLES, Table
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.payloads import table_payload
from precisionchain.schemas.placement import person_buckets
from precisionchain.schemas.streams import MAP_CONCEPT, MAP_PERSON, SUPERSEDED

SUPERSEDED_ROWS: Final = 262_144
"""Places an item lists at most."""

_SLICE_KEYS: Final = {
    "concept": ("concept_id",),
    "concept_ancestor": ("ancestor_concept_id", "descendant_concept_id"),
}
_MAP_CONCEPT: Final = {
    "table": "VARCHAR",
    "concept_id": "BIGINT",
    "family": "VARCHAR",
    "n": "BIGINT",
}


@dataclass
class Changes:
    """What a run changes in a state, found table by table when it is made.

    Args:
        encoder: of the run; rows get the ledger's keys where an export has given new ones.
        state: of the run's source, in the encoder's database.
        parameters: the network's.
        refresh: how the run follows the state.
        empty: tables of the run whose file has no record.
        renumbered_before: tables whose keys on the ledger are no longer those of the exports.
        reused_keys: whether two rows of the state may have one key, as where a withdrawn person's
            was used again before the person was readmitted.
        step: called with a line per table.

    Attributes:
        tables: what changes, by table of the run.
        fresh: relations of the rows to encode, by table.
        persons: persons of the source after this batch.
        vanished: how many of the source's persons vanish, and of how many.

    Raises:
        SealRefusedError: a delta by keys that the ledger does not have.
    """

    encoder: OmopEncoder
    state: StateViews
    parameters: NetworkParameters
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
        self._database = self.encoder.database
        self._database.execute('create temp table superseded (b integer, ordinal int, "row" int)')
        self.placed = self.state.first_placements()
        self._know_parents()
        withheld = self.encoder.withheld()
        there = {table.name for table in self.encoder.clinical}
        for table in TABLES.values():
            if table.name in there and self._is_published(table):
                found = self._compare(table)
                self.tables[table.name] = replace(found, withheld=withheld.get(table.name, 0))
                self._say(table.name)
        for name in self._slice_tables():
            self.tables[name] = self._compare_slice(name)
            self._say(name)
        self._compare_persons()

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
        self._compare_concept_map(encoded)
        yield from self._superseded_drafts()
        concepts = self._database.sql(
            f"select {', '.join(map(identifier, _MAP_CONCEPT))}"
            " from now_map_concept semi join fresh_map_concept using (_record) order by 1, 2"
        ).to_arrow_table()
        if concepts.num_rows:
            yield Draft(MAP_CONCEPT, (), table_payload("map-concept", concepts))
        persons = self._database.sql("from new_person order by 1").to_arrow_table()
        if persons.num_rows:
            ids = persons["person_id"].to_numpy().astype(np.int64)
            buckets = person_buckets(ids, self.parameters.person_buckets)
            families = pa.array([f"CLIN_PERSON_{bucket}" for bucket in buckets.tolist()])
            placed = pa.table({"person_id": ids, "family": families})
            yield Draft(MAP_PERSON, (), table_payload("map-person", placed))

    def _superseded_drafts(self) -> Iterator[Draft]:
        self._database.register("batch_ids", self.state.batch_ids())
        places = self._database.sql(
            'select distinct batch, ordinal, "row" from superseded join batch_ids using (b)'
            " order by all"
        )
        for found in places.to_arrow_reader(SUPERSEDED_ROWS):
            if found.num_rows:
                yield from self._places(pa.Table.from_batches([found]))

    def _places(self, rows: pa.Table) -> Iterator[Draft]:
        payload = superseded_payload(rows)
        if len(payload.body) > self.parameters.max_item_bytes // 2:
            half = rows.num_rows // 2
            yield from self._places(rows.slice(0, half))
            yield from self._places(rows.slice(half))
        else:
            yield Draft(SUPERSEDED, (), payload)

    # ---------------------------------------------------------------------------------- tables

    def _is_published(self, table: Table) -> bool:
        return bool(clinical_columns(table, self.parameters)) and bool(self.encoder.export(table))

    def _know_parents(self) -> None:
        """Let children follow the state's parents where the export has not all of them."""
        for table in self.encoder.clinical:
            parent = TABLES.get(table.parent) if table.parent else None
            if parent is None or parent.primary_key is None:
                continue
            whole = self.refresh.mode == "full" and parent.name in self.encoder.tables
            rows = None if whole else self.state.clinical(parent, "person")
            if rows is not None and parent.primary_key in clinical_columns(parent, self.parameters):
                self.encoder.know_parents(parent.name, rows)

    def _compare(self, table: Table) -> TableChange:
        """Find what is fresh and gone of one table, and list the places."""
        self._translate(table)
        view: View = "site" if table.scope == "site" else "person"
        held = self.state.clinical(table, view)
        export = str(self.encoder.export(table))
        empty = table.name in self.empty and self.refresh.mode == "full"
        if held is None:
            n = count(self._database, export)
            return TableChange(new=n, empty=empty)
        compared = self._compared(table, held)
        keyed = bool(compared.key)
        if keyed and self.reused_keys:
            keyed = has_unique_key(self._database, compared)
        renumbered = False
        if keyed:
            found, renumbered = self._compare_keyed(table, compared)
        else:
            found = compare_by_content(self._database, replace(compared, key=()))
        self._database.execute(f"insert into superseded select {PLACE} from gone_{table.name}")
        if domain := self.state.clinical(table, "domain"):
            self._supersede_in_domain_view(compared, domain, keyed=keyed)
        self._keep_fresh(table, found)
        return TableChange(
            found.old,
            found.new,
            found.changed,
            found.gone,
            found.unchanged,
            keyed=keyed and not renumbered,
            empty=empty,
            renumbered=renumbered,
        )

    def _compare_keyed(self, table: Table, compared: Compared) -> tuple[RowCounts, bool]:
        """Compare by key; where too little is found again so, by content without it."""
        found = compare_by_key(self._database, compared)
        if compared.keeps:
            if self._is_renumbered_before(table):
                raise SealRefusedError(
                    f"the keys of {table.name}, or of a table it points to, were given anew in an"
                    " earlier export, so the ledger has others and no row can be replaced by key",
                    hint="send the whole tables, with --mode full",
                )
            return found, False
        churned = found.changed + found.gone
        if churned <= MAX_CHURN * found.old or table.name == "person":
            return found, False
        own = [link.name for link in table.fields if link.references == table.name]
        own = [name for name in own if name in compared.columns and name not in compared.key]
        matched = match_renumbered(self._database, compared, own)
        if matched is None:
            return found, False
        keys = f"keys_{table.name}"
        self.encoder.translate(table, dict.fromkeys([*compared.key, *own], keys))
        self.step(f"{table.name}: rows have other keys than before; the ledger's are kept")
        return matched, True

    def _compared(self, table: Table, held: str) -> Compared:
        """Return a table of the state and of the export, with the columns and key to compare by."""
        columns = clinical_columns(table, self.parameters)
        export = self.encoder.export(table)
        there = {
            row[0]
            for row in self._database.execute(
                f"select column_name from (describe {export})"
            ).fetchall()
        }
        values = [
            f"{identifier(name) if name in there else 'null'}::{kind} as {identifier(name)}"
            for name, kind in columns.items()
        ]
        key = table.primary_key
        return Compared(
            table.name,
            f"(from {held} where not withdrawn)",
            f"(select {', '.join(values)}, _record from {export})",
            columns,
            (key,) if key in columns and key in there else (),
            keeps=self.refresh.mode == "delta",
        )

    def _translate(self, table: Table) -> None:
        """Give the keys of renumbered tables that rows point to their ledger's numbers."""
        names = set(self.encoder.published_columns(table))
        links = {
            link.name: f"keys_{link.references}"
            for link in table.fields
            if link.name in names and link.references in self.renumbered
        }
        if links:
            self.encoder.translate(table, links)

    def _is_renumbered_before(self, table: Table) -> bool:
        columns = clinical_columns(table, self.parameters)
        links = {link.references for link in table.fields if link.name in columns}
        return not ({table.name, *links}.isdisjoint(self.renumbered_before))

    def _supersede_in_domain_view(self, compared: Compared, held: str, *, keyed: bool) -> None:
        """List the other places of the rows that are gone."""
        gone, rows = f"gone_{compared.name}", f"(from {held} where not withdrawn)"
        if keyed:
            places = f"from {rows} semi join {gone} using ({identifier(compared.key[0])})"
        else:
            one, two = compared.digests()
            places = (
                f"from (select {PLACE}, {one} as h1, {two} as h2 from {rows})"
                f" join (select h1, h2, count(*) as n from {gone} group by all) using (h1, h2)"
                f" qualify row_number() over (partition by h1, h2 order by {PLACE}) <= n"
            )
        self._database.execute(f"insert into superseded select {PLACE} {places}")

    def _keep_fresh(self, table: Table, found: RowCounts) -> None:
        """Make the relation of the rows to encode: the view itself where it is all of them."""
        export = self.encoder.export(table)
        if found.unchanged:
            self._database.execute(
                f"create temp table encoded_{table.name} as"
                f" from {export} semi join fresh_{table.name} using (_record)"
            )
            self.fresh[table.name] = f"encoded_{table.name}"

    # -------------------------------------------------------------- vocabulary and the mappings

    def _slice_tables(self) -> list[str]:
        """Make the slice that the export's vocabulary gives; none where it brings none."""
        if self.encoder.tables.keys().isdisjoint(SLICE_COLUMNS):
            return []
        return make_slice(self._database, self.encoder.tables, self._used_concepts())

    def _used_concepts(self) -> str:
        """Return SQL for the concepts in any row there is after this batch."""
        parts = [
            f"select {name} as concept_id from {rows} where {name} <> 0"
            for table in TABLES.values()
            for name in clinical_columns(table, self.parameters)
            if name.endswith("concept_id") and table.scope != "vocabulary"
            for rows in self._rows_now(table, name)
        ]
        return " union ".join(parts) or "select null::bigint as concept_id limit 0"

    def _rows_now(self, table: Table, column: str = "person_id") -> list[str]:
        """Return relations of all rows that a table has after this batch, where they have a column.

        Those of withdrawn persons and of tables that the export lacks are among them.
        """
        held = self.state.clinical(table, "site" if table.scope == "site" else "person")
        found = [] if held is None else [f"(from {held} {self._but_superseded(table)})"]
        if table.name in self.tables:
            rows = str(self.fresh.get(table.name) or self.encoder.export(table))
            if column == "person_id" or column in self.encoder.published_columns(table):
                found.append(rows)
        return found

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

    def _compare_persons(self) -> None:
        """Find who has rows now: ``new_person``, and the places of those who have none left."""
        tables = [table for table in TABLES.values() if table.scope == "person"]
        now = [rows for table in tables for rows in self._rows_now(table)]
        held = [rows for table in tables if (rows := self.state.clinical(table, "person"))]
        before = [f"(from {rows} where not withdrawn)" for rows in held]
        for name, relations in (("person_now", now), ("person_before", before)):
            parts = [f"select person_id from {rows}" for rows in relations]
            union = " union ".join(parts) or "select null::bigint as person_id limit 0"
            self._database.execute(f"create temp table {name} as {union}")
        mapped = self.state.mapping("map-person")
        self._database.execute(
            "create temp table new_person as select person_id from person_now"
            + (f" anti join {mapped} using (person_id)" if mapped else "")
        )
        if mapped:
            self._database.execute(
                f"insert into superseded select {PLACE} from {mapped}"
                " anti join person_now using (person_id)"
            )
        gone = count(self._database, "(from person_before anti join person_now using (person_id))")
        self.vanished = (gone, count(self._database, "person_before"))
        self.persons = count(
            self._database, "(from person_now anti join withheld_person using (person_id))"
        )

    def _compare_concept_map(self, encoded: pa.Table) -> None:
        """Find the mapping's rows of tables in which rows come or go, counted as they are now."""
        self._database.register("encoded_map", encoded)
        parts = ['select "table", concept_id, family, n from encoded_map']
        touched = [
            name
            for name, one in self.tables.items()
            if name not in SLICE_COLUMNS and one.new + one.changed + one.gone
        ]
        for table in map(TABLES.__getitem__, touched):
            held = self.state.clinical(table, "domain")
            if held is not None:
                named = table.concept_column in clinical_columns(table, self.parameters)
                concept = f"coalesce({table.concept_column}, 0)" if named else "0::bigint"
                parts.append(
                    f"select '{table.name}', {concept}, null, count(*)"
                    f" from {held} {self._but_superseded(table)} group by all"
                )
        self._database.execute(
            "create temp table now_map_concept as select *, row_number() over () as _record from"
            ' (select now."table", now.concept_id, coalesce(any_value(now.family),'
            " any_value(was.family)) as family, sum(n)::bigint as n"
            f" from ({' union all '.join(parts)}) now left join ({self._placed_families()}) was"
            ' on was."table" = now."table" and was.concept_id = now.concept_id group by all)'
        )
        held = self.state.mapping("map-concept")
        if held is None:
            self._database.execute("create temp table fresh_map_concept as from now_map_concept")
            return
        names = ", ".join(f"'{name}'" for name in touched) or "null"
        compared = Compared(
            "map_concept",
            f'(from {held} where "table" in ({names}))',
            "now_map_concept",
            _MAP_CONCEPT,
            ("table", "concept_id"),
        )
        compare_by_key(self._database, compared)
        self._database.execute(f"insert into superseded select {PLACE} from gone_map_concept")

    def _placed_families(self) -> str:
        prefixes = " ".join(
            f"when '{table.name}' then '{table.domain_prefix}'"
            for table in TABLES.values()
            if table.domain_prefix
        )
        return (
            f'select "table", concept_id, case "table" {prefixes} end || \'_\' || ancestor'
            f" as family from {self.placed}"
        )

    def _but_superseded(self, table: Table) -> str:
        """Return SQL that leaves out what this batch supersedes of a table's rows, if anything."""
        one: Mapping[str, TableChange] = self.tables
        if table.name in one and one[table.name].changed + one[table.name].gone:
            return f"anti join superseded using ({PLACE})"
        return ""

    def _say(self, name: str) -> None:
        counts = self.tables[name].counts()
        self.step(f"{name}: {', '.join(f'{n} {fate}' for fate, n in counts.items())}")
