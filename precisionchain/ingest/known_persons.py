"""Whom a site's events may be about, and what rows may follow, besides what the export holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.ingest.changes_limits import Mode
from precisionchain.ingest.staging import Run, Staging

PERSON = pa.schema([("person_id", pa.int64())])


@dataclass(frozen=True, slots=True)
class Known:
    """What a site has sealed before; nothing where it has not, or where nobody looked.

    Args:
        persons: by source, the persons with rows: person_id.
        parents: by table, the keys in the state of the run's own source: a column named so.
    """

    persons: Mapping[str, pa.Table] = field(default_factory=dict)
    parents: Mapping[str, pa.Table] = field(default_factory=dict)


def known_persons(
    staging: Staging, run: Run, *, mode: Mode = "full", sealed: Known | None = None
) -> pa.Table:
    """Return the persons of this site's other sources, and those of this one that stay.

    Known are the accepted persons of staged runs, and those on the ledger, also when their run was
    deleted since. An export without a person table, and a delta, adds to the persons that its
    source has; a whole export with one says who its persons are.

    Returns:
        Column person_id, int64; a person of several sources stands as often.
    """
    whole = (run.path / "raw" / "person.parquet").exists() and mode == "full"
    runs = [
        other
        for other in staging.runs()
        if other.kind == "omop" and other.validated and other.name != run.name
    ]
    files = [
        other.path / "accepted" / "person.parquet"
        for other in runs
        if other.source != run.source or not (whole or mode == "delta")
    ]
    found = [pq.read_table(file, columns=["person_id"]) for file in files if file.exists()]
    persons = (sealed or Known()).persons
    found += [rows for source, rows in persons.items() if source != run.source or not whole]
    return pa.concat_tables([PERSON.empty_table(), *(one.cast(PERSON) for one in found)])
