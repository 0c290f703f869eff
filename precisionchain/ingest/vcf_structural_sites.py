"""Structural alleles among the sites of a run: their columns, and how they are told apart.

Runs without any keep the columns of `RUN_SITES`; a run with some has these columns too, null where
an allele is not structural. Blocks hold alleles of one kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from precisionchain.ingest.vcf_run import CallRun, table_schema, take_calls
from precisionchain.ingest.vcf_structural import Interval, StructuralAllele

STRUCTURAL_SITES: Final = table_schema(
    {
        "svtype": pa.string(),
        "sv_end": pa.int32(),
        "sv_len": pa.int32(),
        "cipos": pa.string(),
        "ciend": pa.string(),
        "mate": pa.string(),
    }
)
"""Columns that sites of structural alleles have besides; ``svtype`` is never null in them.

``sv_end`` is the last base, ``sv_len`` a length without sign, ``mate`` is ``chrom:pos``, and the
confidence intervals are ``low,high`` relative to POS and to ``sv_end``.
"""


def with_structural(sites: pa.Table, found: Sequence[tuple[int, StructuralAllele]]) -> pa.Table:
    """Return the sites of a run with the columns of its structural alleles, if it has any.

    Args:
        sites: `RUN_SITES`.
        found: row and allele, for each structural one.
    """
    if not found:
        return sites
    rows: list[tuple[object, ...]] = [(None,) * len(STRUCTURAL_SITES)] * len(sites)
    for row, allele in found:
        confidence = (_written(allele.cipos), _written(allele.ciend))
        rows[row] = (allele.svtype, allele.end, allele.length, *confidence, allele.mate)
    for field, values in zip(STRUCTURAL_SITES, zip(*rows, strict=True), strict=True):
        sites = sites.append_column(field, pa.array(values, field.type))
    return sites


def joined_sites(parts: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of all parts; null where a part has no structural columns."""
    return pa.concat_tables(parts, promote_options="default").combine_chunks()


def is_structural_run(run: CallRun) -> bool:
    """Return whether the sites of a run are those of structural alleles."""
    return "svtype" in run.sites.column_names


def parted(run: CallRun) -> tuple[CallRun, CallRun | None]:
    """Return a run's alleles of bases without structural columns, and its structural alleles."""
    if not is_structural_run(run):
        return run, None
    bases = run.sites.drop_columns(STRUCTURAL_SITES.names)
    structural = pc.is_valid(run.sites["svtype"]).to_numpy()
    if not structural.any():
        return replace(run, sites=bases), None
    if structural.all():
        none = replace(run, sites=bases.slice(0, 0), calls=take_calls(run.calls, slice(0, 0)))
        return none, run
    kept, apart = np.flatnonzero(~structural), np.flatnonzero(structural)
    return (
        replace(run, sites=bases.take(kept), calls=take_calls(run.calls, kept)),
        replace(run, sites=run.sites.take(apart), calls=take_calls(run.calls, apart)),
    )


def _written(interval: Interval | None) -> str | None:
    return None if interval is None else f"{interval[0]},{interval[1]}"
