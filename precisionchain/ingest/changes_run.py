"""A staged run beside the history of its source: what it changes, before anything is published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from precisionchain.bounded_database import bounded
from precisionchain.errors import SealRefusedError
from precisionchain.ingest.accepted_rows import AcceptedRows
from precisionchain.ingest.changes import Changes
from precisionchain.ingest.changes_limits import Refresh, TableChange, refuse_excess
from precisionchain.ingest.changes_rows import count
from precisionchain.ingest.changes_state import StateViews
from precisionchain.ingest.quality_policy import DEFAULT, found_in, refuse_quality
from precisionchain.ingest.report import Step, silent
from precisionchain.ingest.reserved import refuse_other_kind
from precisionchain.ingest.source_history import History, read_run
from precisionchain.ingest.vocabulary import make_slice
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.source_state import SourceState
from precisionchain.schemas.corrections import CORRECTIONS_SOURCE
from precisionchain.schemas.parameters import NetworkParameters


@contextmanager
def changes_of(
    rows: AcceptedRows,
    run: Path,
    history: History,
    *,
    snapshot: Snapshot,
    refresh: Refresh,
    step: Step = silent,
) -> Iterator[Changes]:
    """Give what a run changes in the state of its source, for as long as it is looked at.

    Args:
        rows: of the run.
        run: its folder.
        history: of the publisher, where the source has a head.
        snapshot: synced to that head.
        refresh: how the run follows.
        step: called with a line per table.

    Raises:
        SealRefusedError: the replica has not all of the source's batches, these hold genotypes, or
            the run is a delta by keys that the ledger does not have.
    """
    description = read_run(run, refresh)
    source = description["source"]
    refuse_other_kind(source, "omop", history.chain(source))
    state = SourceState(snapshot, history.publisher.hex(), source)
    chain = [seal.manifest.batch for seal in history.chain(source)]
    views = StateViews(rows.database, state, rows.parameters)
    if missing := [batch for batch in chain if batch not in views.batches]:
        raise SealRefusedError(
            f"{len(missing)} of the {len(chain)} batches of this source cannot be read, so what is"
            " new is not known",
            where=f"source {source}, batch {missing[0][:16]}",
            hint="run `precisionchain sync`, then `precisionchain verify`",
        )
    scratch = run.with_name(f".{run.name}.compared.partial")
    with bounded(rows.database, scratch):
        yield Changes(
            rows,
            views,
            refresh,
            frozenset(entry["table"] for entry in description["inputs"] if not entry["records"]),
            history.renumbered(source),
            bool(history.chain(CORRECTIONS_SOURCE)),
            step,
        )


@dataclass(frozen=True, slots=True)
class Preview:
    """What publishing a run would do: changes by table, and why it would be refused, if so."""

    source: str
    tables: Mapping[str, TableChange]
    refusal: SealRefusedError | None = None


def preview(
    run: Path,
    parameters: NetworkParameters,
    history: History,
    *,
    snapshot: Snapshot,
    refresh: Refresh,
) -> Preview:
    """Return what a validated OMOP run would change.

    Args:
        run: the run's folder.
        parameters: the network's.
        history: as of `changes_of`.
        snapshot: likewise.
        refresh: likewise.
    """
    rows = AcceptedRows(run, parameters, withheld=history.withdrawn_persons)
    source = read_run(run, refresh)["source"]
    quality = _refusal_of_quality(source, run, refresh)
    if history.head(source) is None:
        return Preview(source, _all_new(rows), quality)
    try:
        with changes_of(rows, run, history, snapshot=snapshot, refresh=refresh) as changes:
            try:
                refuse_excess(source, refresh, changes.tables, changes.vanished)
            except SealRefusedError as refusal:
                return Preview(source, changes.tables, refusal)
            return Preview(source, changes.tables, quality)
    except SealRefusedError as refusal:
        return Preview(source, {}, refusal)


def _refusal_of_quality(source: str, run: Path, refresh: Refresh) -> SealRefusedError | None:
    try:
        refuse_quality(source, found_in(run), refresh.quality or DEFAULT)
    except SealRefusedError as refusal:
        return refusal
    return None


def _all_new(rows: AcceptedRows) -> dict[str, TableChange]:
    withheld = rows.withheld()
    database: duckdb.DuckDBPyConnection = rows.database
    found = {
        table.name: TableChange(new=count(database, export), withheld=withheld.get(table.name, 0))
        for table in rows.clinical
        if (export := rows.export(table)) and rows.published_columns(table)
    }
    for name in make_slice(database, rows.tables, rows.used_concepts()):
        found[name] = TableChange(new=count(database, f"slice_{name}"))
    return found
