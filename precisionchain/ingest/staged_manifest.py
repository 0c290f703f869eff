"""What a batch's manifest says of its staged run; the items come when it is sealed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from precisionchain.ingest.sequencing import left_out_columns
from precisionchain.ingest.sql_text import parquet
from precisionchain.schemas.manifest import Manifest

if TYPE_CHECKING:
    from precisionchain.ingest.accepted_rows import AcceptedRows
    from precisionchain.ingest.changes import Changes


def omop_manifest(
    run: Path,
    description: dict[str, Any],
    rows: AcceptedRows,
    identity: dict[str, str],
    changes: Changes | None = None,
) -> Manifest:
    """Return the manifest of clinical tables.

    Args:
        run: the run's folder.
        description: its ``run.json``.
        rows: those that may leave.
        identity: ``batch`` and ``parent``, in hex.
        changes: against the state that the batch follows; None where it is the first.
    """
    import duckdb  # genotypes do without

    with duckdb.connect() as database:
        fates = database.execute(
            "select table_name, sum(n_records)::bigint, sum(n_accepted)::bigint,"
            f" sum(n_rejected)::bigint from {parquet(run / 'tables.parquet')}"
            " group by 1 order by 1"
        ).fetchall()
        normalised = dict(
            database.execute(
                "select table_name, sum(n)::bigint"
                f" from {parquet(run / 'normalised.parquet')} group by 1"
            ).fetchall()
        )
    withheld = {"persons": rows.withheld_persons(), "rows": sum(rows.withheld().values())}
    if changes is not None and changes.renumbered:
        settings = {**description["settings"], "renumbered": list(changes.renumbered)}
        description = {**description, "settings": settings}
    return _manifest(
        description,
        identity,
        tables={
            name: {
                "records": records,
                "accepted": accepted,
                "rejected": rejected,
                "normalised": normalised.get(name, 0),
            }
            for name, records, accepted, rejected in fates
        },
        refused_columns=rows.refused_columns(),
        vocabulary_release=rows.vocabulary_release(),
        changes={} if changes is None else changes.counts(),
        withheld={**withheld, "calls": 0} if withheld["rows"] else {},
        persons=len(rows.persons()) if changes is None else changes.persons,
    )


def vcf_manifest(run: Path, description: dict[str, Any], identity: dict[str, str]) -> Manifest:
    """Return the manifest of genotypes; arguments as of `omop_manifest`."""
    return _manifest(
        description,
        identity,
        assay=description["assay"],
        build_proof=description["build_proof"],
        statistics=description.get("statistics", {}),
        refused_columns=left_out_columns(description),
        persons=pq.read_metadata(run / "samples.parquet").num_rows,
    )


def _manifest(description: dict[str, Any], identity: dict[str, str], **content: Any) -> Manifest:
    """Return a manifest still without items, root and pages; inputs lose their file names."""
    inputs = [
        {name: value for name, value in entry.items() if name != "file"}
        for entry in description["inputs"]
    ]
    return Manifest(
        kind=description["kind"],
        source=description["source"],
        source_id=description["source_id"],
        items=0,
        root="",
        families=(),
        pages=(),
        inputs=tuple(inputs),
        settings=description.get("settings", {}),
        **identity,
        **content,
    )
