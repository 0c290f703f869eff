"""What a run has of the network's site lists, as drafts; without persons who are left out."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.errors import SealRefusedError
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.site_calls import PERSONS_FILE, SETTING, calls_file
from precisionchain.ingest.site_list_batch import digests_of
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.site_lists import (
    CALLS,
    CALLS_KIND,
    FAMILIES,
    PERSONS,
    PERSONS_KIND,
    pack_bits,
    pack_dosages,
    site_payload,
    unpack_bits,
    unpack_dosages,
)

ROWS_AT_ONCE = 4_096


def require_extracted(description: Mapping[str, Any], parameters: NetworkParameters) -> None:
    """Refuse a run whose sites were not extracted by the network's lists.

    Raises:
        SealRefusedError: it was staged before there were lists here, or by others.
    """
    said = description["settings"].get(SETTING, {})
    for name, digest in digests_of(parameters).items():
        if said.get(name, {}).get("digest") != digest:
            raise SealRefusedError(
                f"the network's {name} sites were not extracted when this run was staged",
                where=f"run {description['run']}",
                hint="stage the files again, where the ledger can be read",
            )


def site_drafts(run: Path, without: Collection[int], max_bytes: int) -> Iterator[Draft]:
    """Yield the drafts of a run's sites, list by list: whose calls they are, then the calls.

    Args:
        run: the folder of the staged run, whatever quality control left of its blocks.
        without: persons to be left out.
        max_bytes: the most bytes of an item's body.
    """
    description = json.loads((run / "run.json").read_text(encoding="utf-8"))
    said = description["settings"].get(SETTING, {})
    for name, coverage in said.items():
        persons = pl.read_parquet(run / PERSONS_FILE).sort("index")
        kept = ~persons["person_id"].is_in(list(without)).to_numpy()
        rows = persons.filter(pl.Series(kept)).select(
            pl.int_range(pl.len(), dtype=pl.Int32).alias("index"), "person_id", "sex"
        )
        about = {"list": name, **coverage}
        family = FAMILIES[name]
        table = rows.to_arrow().cast(PERSONS)
        yield Draft(family, (), site_payload(PERSONS_KIND, table, about))
        calls = pq.read_table(run / calls_file(name))
        at_once = min(ROWS_AT_ONCE, max(1, 2 * max_bytes // max(1, rows.height // 4)))
        for start in range(0, max(len(calls), 1), at_once):
            piece = _of_persons(calls.slice(start, at_once), kept)
            yield from _fitting(family, piece, about, max_bytes)


def _fitting(
    family: str, calls: pa.Table, about: Mapping[str, Any], max_bytes: int
) -> Iterator[Draft]:
    payload = site_payload(CALLS_KIND, calls, about)
    if len(payload.body) > max_bytes and len(calls) > 1:
        half = len(calls) // 2
        yield from _fitting(family, calls.slice(0, half), about, max_bytes)
        yield from _fitting(family, calls.slice(half), about, max_bytes)
        return
    yield Draft(family, (), payload)


def _of_persons(calls: pa.Table, kept: Any) -> pa.Table:
    """Return calls of some persons."""
    if kept.all():
        return calls
    found = calls["dosage"].is_valid().to_numpy()
    at = np.flatnonzero(found)
    called = [row for row in calls["dosage"].to_pylist() if row is not None]
    dosages = unpack_dosages(called, len(kept))[:, kept]
    bits = unpack_bits(calls["haploid"].take(at).to_pylist(), len(kept))[:, kept]
    packed: list[bytes | None] = [None] * len(calls)
    haploid: list[bytes | None] = [None] * len(calls)
    for place, row, of_row in zip(at.tolist(), pack_dosages(dosages), pack_bits(bits), strict=True):
        packed[place], haploid[place] = row, of_row
    columns = [calls["site"], calls["fate"], pa.array(packed, pa.binary())]
    return pa.table([*columns, pa.array(haploid, pa.binary())], schema=CALLS)
