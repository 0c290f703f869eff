"""One table of an export beside the same table of the state: what is fresh, and what is gone.

Of each table the database gets ``fresh_<table>`` and ``gone_<table>`` (`changes_rows`), and the
places that no longer hold are added to its table ``superseded`` (b, ordinal, row).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from precisionchain.errors import SealRefusedError
from precisionchain.ingest.accepted_rows import AcceptedRows
from precisionchain.ingest.changes_limits import MAX_CHURN, Refresh, TableChange
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
from precisionchain.ingest.report import Step
from precisionchain.ingest.sql_text import identifier
from precisionchain.schemas.omop import TABLES, Table


@dataclass
class TableComparison:
    """Compares the tables of a run with the state of its source, parents before what names them.

    Args:
        rows: of the run; they get the ledger's keys where an export has given new ones.
        state: of the run's source, in the database of the rows.
        refresh: how the run follows the state.
        empty: tables of the run whose file has no record.
        renumbered_before: tables whose keys on the ledger are no longer those of the exports.
        reused_keys: whether two rows of the state may have one key, as where a withdrawn person's
            was used again before the person was readmitted.
        step: called with a line where keys were given anew.

    Attributes:
        fresh: relations of the rows to encode, by table, where they are not all of the export's.
        renumbered: the tables found to stand under other keys than before.
        told: those of whose keys it is known which rows they stand for.
    """

    rows: AcceptedRows
    state: StateViews
    refresh: Refresh
    empty: Collection[str]
    renumbered_before: Collection[str]
    reused_keys: bool
    step: Step
    fresh: dict[str, str] = field(default_factory=dict)
    renumbered: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._database, self._parameters = self.rows.database, self.rows.parameters
        self._know_parents()

    def _know_parents(self) -> None:
        """Let children follow the state's parents where the export has not all of them."""
        for table in self.rows.clinical:
            parent = TABLES.get(table.parent) if table.parent else None
            if parent is None or parent.primary_key is None:
                continue
            whole = self.refresh.mode == "full" and parent.name in self.rows.tables
            held = None if whole else self.state.clinical(parent, "person")
            if held is not None and parent.primary_key in clinical_columns(
                parent, self._parameters
            ):
                self.rows.know_parents(parent.name, held)

    def compare(self, table: Table) -> TableChange:
        """Find what is fresh and gone of one table, and list the places.

        Raises:
            SealRefusedError: rows name, or are named by, keys that the ledger does not have.
        """
        self._refuse_unknown_keys(table)
        self._translate(table)
        held = self.state.whole(table)
        empty = table.name in self.empty and self.refresh.mode == "full"
        if held is None:
            n = count(self._database, str(self.rows.export(table)))
            self.told.add(table.name)
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
        if keyed:
            self.told.add(table.name)
        if renumbered:
            self.renumbered.add(table.name)
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
        self.rows.translate(table, dict.fromkeys([*compared.key, *own], keys))
        self.step(f"{table.name}: rows have other keys than before; the ledger's are kept")
        return matched, True

    def _compared(self, table: Table, held: str) -> Compared:
        """Return a table of the state and of the export, with the columns and key to compare by."""
        columns = clinical_columns(table, self._parameters)
        export = self.rows.export(table)
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
        names = set(self.rows.published_columns(table))
        links = {
            link.name: f"keys_{link.references}"
            for link in table.fields
            if link.name in names and link.references in self.renumbered
        }
        if links:
            self.rows.translate(table, links)

    def _refuse_unknown_keys(self, table: Table) -> None:
        """Refuse keys of tables whose keys were given anew, where it cannot be told whose they are.

        Raises:
            SealRefusedError: so.
        """
        anew = self.renumbered_before
        if self.refresh.mode == "delta" and table.name in anew:
            raise SealRefusedError(
                f"the keys of {table.name} were given anew in an earlier export, so the ledger has"
                " others and no row can be replaced by key",
                hint="send the whole table, with --mode full",
            )
        leaving, there = self.rows.published_columns(table), self.rows.columns(table.name)
        unknown = {
            link.name: str(link.references)
            for link in table.fields
            if link.references in {*anew} - {*self.told, table.name}  # its own links are translated
            and (link.name in leaving or (link.name in there and link.references == table.parent))
        }
        used = " or ".join(f"{identifier(name)} is not null" for name in unknown)
        if used and count(self._database, f"(from accepted_{table.name} where {used})"):
            named = ", ".join(sorted({*unknown.values()}))
            raise SealRefusedError(
                f"rows of {table.name} point to {named}, whose keys were given anew in an earlier"
                " export, and this one does not say which rows they stand for now",
                hint=f"send the whole tables {table.name} and {named} together, with --mode full",
            )

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
        export = self.rows.export(table)
        if found.unchanged:
            self._database.execute(
                f"create temp table encoded_{table.name} as"
                f" from {export} semi join fresh_{table.name} using (_record)"
            )
            self.fresh[table.name] = f"encoded_{table.name}"
