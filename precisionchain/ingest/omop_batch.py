"""What publishing a staged OMOP run comes to: a first batch, what follows a state, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from precisionchain.bounded_database import bounded
from precisionchain.ingest.accepted_rows import AcceptedRows
from precisionchain.ingest.changes import Changes
from precisionchain.ingest.changes_limits import Refresh, refuse_excess
from precisionchain.ingest.changes_run import changes_of
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.encode_omop import OmopEncoder
from precisionchain.ingest.quality_policy import (
    DEFAULT,
    QualityPolicy,
    found_in,
    quality_drafts,
    refuse_quality,
)
from precisionchain.ingest.report import Step, silent
from precisionchain.ingest.source_history import History, read_run
from precisionchain.ingest.staged_manifest import omop_manifest
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.manifest import Manifest
from precisionchain.schemas.parameters import NetworkParameters


@dataclass(frozen=True, slots=True)
class OmopBatch:
    """An OMOP run that is to be sealed.

    Args:
        run: its folder.
        rows: its rows that may leave.
        refresh: how it follows its source's state.
        changes: against that state; None where there is none.
    """

    run: Path
    rows: AcceptedRows
    refresh: Refresh
    changes: Changes | None = None

    @property
    def policy(self) -> QualityPolicy:
        """How its quality is judged."""
        return self.refresh.quality or DEFAULT

    def drafts(self) -> Iterator[Draft]:
        """Yield every draft, in publishing order."""
        yield from OmopEncoder(self.rows, self.changes).drafts()
        yield from quality_drafts(found_in(self.run), self.policy, self.refresh.mode)

    def manifest(self, identity: dict[str, str]) -> Manifest:
        """Return the manifest without items; ``identity``: batch and parent, in hex."""
        description = read_run(self.run, self.refresh)
        if said := self.policy.said:
            description["settings"] = {**description["settings"], "quality": said}
        return omop_manifest(self.run, description, self.rows, identity, self.changes)


@contextmanager
def omop_batch(
    run: Path,
    parameters: NetworkParameters,
    history: History,
    *,
    snapshot: Snapshot,
    refresh: Refresh,
    step: Step = silent,
) -> Iterator[OmopBatch | None]:
    """Give what publishing a validated run comes to; None where there is nothing to seal.

    That is a run that its source's head holds already, and a delta that adds and replaces nothing:
    a whole export that changes nothing says that its source is still so, a delta says no such
    thing. Arguments and errors as of `changes_of`; ``parameters`` are the network's.

    Raises:
        SealRefusedError: the run undoes more than it may, or its quality keeps it from sealing.
    """
    description = read_run(run, refresh)
    source = description["source"]
    head = history.head(source)
    again = head is not None and history.is_head(source, description["source_id"])
    if head is not None and again and not head.manifest.withheld:
        yield None
        return
    refuse_quality(source, found_in(run), refresh.quality or DEFAULT)
    rows = AcceptedRows(run, parameters, withheld=history.withdrawn_persons)
    if head is None:
        empty = refresh.mode == "delta" and not rows.holds_rows()
        with bounded(rows.database, run.with_name(f".{run.name}.encoded.partial")):
            yield None if empty else OmopBatch(run, rows, refresh)
        return
    with changes_of(rows, run, history, snapshot=snapshot, refresh=refresh, step=step) as changes:
        # of the same run, nobody whose rows were withheld is back
        if not changes.found and (again or refresh.mode == "delta"):
            yield None
            return
        refuse_excess(source, refresh, changes.tables, changes.vanished)
        yield OmopBatch(run, rows, refresh, changes)
