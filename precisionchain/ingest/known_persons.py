"""Who a site's events may be about, besides the persons of the same export."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.ingest.staging import Run, Staging


def known_persons(staging: Staging, run: Run) -> pa.Table:
    """Return the persons accepted from this site's other sources, or from this one before.

    An export without a person table adds to the persons its source had.

    Returns:
        Column person_id, int64; a person of several sources stands as often.
    """
    own = (run.path / "raw" / "person.parquet").exists()
    files = [
        other.path / "accepted" / "person.parquet"
        for other in staging.runs()
        if other.kind == "omop"
        and other.validated
        and other.name != run.name
        and not (own and other.source == run.source)
    ]
    schema = pa.schema([("person_id", pa.int64())])
    found = [pq.read_table(file, columns=["person_id"]) for file in files if file.exists()]
    return pa.concat_tables([schema.empty_table(), *(one.cast(schema) for one in found)])
