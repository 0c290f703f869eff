"""Sequencing metadata beside a staged run of genotypes, and as a batch that adds to a source.

The metadata of a run are ``sequencing.parquet`` in its folder: person_id, then the columns that
leave. Sample names stay at the site. What each rule is: ``docs/reference/sequencing.md``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.report import Step, silent
from precisionchain.ingest.sequencing_file import SAMPLE, SequencingFile
from precisionchain.ingest.staging import Run, Staging
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.column_names import folded
from precisionchain.schemas.sequencing import PERSON, sequencing_payload
from precisionchain.schemas.streams import SEQUENCING, column_key

FILE: Final = "sequencing.parquet"
SETTING: Final = "sequencing"

ITEM_ROWS: Final = 50_000
"""The most persons in an item."""


def attach_sequencing(
    staging: Staging, run: Run, found: SequencingFile, *, step: Step = silent
) -> Run:
    """Put metadata beside a staged run; return the run as it is afterwards.

    The run's source id is derived anew: the same genotypes with other metadata are another source
    id. Either the whole form replaces the run or nothing does.

    Args:
        staging: where the run is; needs the site's lock.
        run: a VCF run as `stage_vcf` left it, before quality control.
        found: of its samples, or some of them; others are left aside.
        step: called with a line a step.
    """
    samples = pl.read_parquet(run.path / "samples.parquet", columns=["sample_id", PERSON])
    rows = of_persons(found.rows, samples)
    said = {"columns": found.columns, "left_out": list(found.left_out), "persons": rows.height}
    source_id = _source_id(bytes.fromhex(run.source_id), content_digest(rows))
    with staging.revise(run) as partial:
        for entry in sorted(run.path.iterdir()):
            if entry.name != "run.json":
                partial.keep(run, entry.name)
        rows.write_parquet(partial.path / FILE)
        described = dict(run.description)
        partial.describe(
            described
            | {
                "source_id": source_id,
                "settings": described["settings"] | {SETTING: said},
                "inputs": [*described["inputs"], input_of(found)],
            }
        )
    for line in said_of(found):
        step(line)
    return staging.read(run.name)


def said_of(found: SequencingFile) -> Iterator[str]:
    """Yield what is said of a file's columns: names alone."""
    yield f"sequencing metadata: {', '.join(found.columns) or 'no column'}"
    if found.left_out:
        yield f"  stay at the site: {', '.join(found.left_out)} (--metadata-column names some)"


def of_persons(rows: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    """Return metadata by person_id, ascending, of known samples (sample_id, person_id).

    Persons of whom every column is unknown have a row, too: a later file says so of an earlier one.
    """
    known = samples.join(rows, on=SAMPLE, how="inner").drop(SAMPLE)
    return known.sort(PERSON).select(PERSON, *(name for name in rows.columns if name != SAMPLE))


def content_digest(rows: pl.DataFrame) -> bytes:
    """Return the SHA-256 of names, types and values, row by row."""
    names = [[name, str(kind)] for name, kind in rows.schema.items()]
    columns = [column.to_list() for column in rows.get_columns()]
    return hashlib.sha256(canonical_json([names, columns])).digest()


def _source_id(staged: bytes, content: bytes) -> str:
    return hashlib.sha256(b"precisionchain sequencing 1\0" + staged + content).hexdigest()


def input_of(found: SequencingFile) -> dict[str, Any]:
    """Return a file as ``run.json`` and the manifest list it."""
    return {
        "role": SETTING,
        "file": found.path.name,
        "sha256": found.sha256,
        "bytes": found.size,
        "records": found.rows.height,
    }


def left_out_columns(description: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the columns of a run's metadata that stay at the site, as a manifest names them."""
    left_out = description["settings"].get(SETTING, {}).get("left_out", ())
    return {SETTING: tuple(left_out)} if left_out else {}


def leaving_beside(description: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Yield what leaves a site beside a run's genotypes, and which columns of metadata stay.

    ``sequencing`` and a column, ``sites`` and the name of a list; and whether it leaves.
    """
    said = description["settings"].get(SETTING, {})
    yield from ((SETTING, name, True) for name in said.get("columns", ()))
    yield from ((SETTING, name, False) for name in said.get("left_out", ()))
    yield from (("sites", name, True) for name in description["settings"].get("sites", ()))


def keep_sequencing(run: Path, folder: Path, without: npt.NDArray[np.int64]) -> None:
    """Write a run's metadata to another folder, without some persons; none where there are none."""
    if (run / FILE).exists():
        gone = pl.Series(without, dtype=pl.Int64).implode()
        rows = pl.read_parquet(run / FILE)
        rows.filter(~pl.col(PERSON).is_in(gone)).write_parquet(folder / FILE)


def run_drafts(run: Path, max_bytes: int) -> Iterator[Draft]:
    """Yield the drafts of a run's metadata: of the persons whose genotypes are in it.

    Args:
        run: a run's folder.
        max_bytes: the most bytes of an item's body.
    """
    if not (run / FILE).exists():
        return
    samples = pl.read_parquet(run / "samples.parquet", columns=[PERSON])
    rows = pl.read_parquet(run / FILE).join(samples, on=PERSON, how="semi", maintain_order="left")
    description = json.loads((run / "run.json").read_text(encoding="utf-8"))
    yield from drafts_of(rows, description["source"], max_bytes)


def drafts_of(rows: pl.DataFrame, source: str, max_bytes: int) -> Iterator[Draft]:
    """Yield the drafts of metadata of a source's persons; none where there is no row."""
    keys = tuple(column_key(folded(name)) for name in rows.columns if name != PERSON)
    for start in range(0, rows.height, ITEM_ROWS):
        yield from _fitting(rows[start : start + ITEM_ROWS], source, keys, max_bytes)


def _fitting(
    rows: pl.DataFrame, source: str, keys: Sequence[str], max_bytes: int
) -> Iterator[Draft]:
    table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
    table = table.cast(_plain(table.schema))
    payload = sequencing_payload(table, source)
    if len(payload.body) > max_bytes and rows.height > 1:
        half = rows.height // 2
        yield from _fitting(rows[:half], source, keys, max_bytes)
        yield from _fitting(rows[half:], source, keys, max_bytes)
        return
    yield Draft(SEQUENCING, tuple(keys), payload)


def _plain(schema: Any) -> Any:
    """Return a schema with short strings in place of polars' long ones."""
    import pyarrow as pa

    fields = [
        pa.field(field.name, pa.string() if pa.types.is_large_string(field.type) else field.type)
        for field in schema
    ]
    return pa.schema(fields)
