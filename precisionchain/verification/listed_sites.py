"""Calls at listed sites against the genotypes of their batch: extracted anew, they are the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from precisionchain.ingest.site_calls import CallSource, extract
from precisionchain.ingest.site_list_file import SiteList
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.genetic_batch import GeneticBatch
from precisionchain.replica.reading import reading
from precisionchain.replica.site_lists import list_by_digest
from precisionchain.replica.unpack_sites import calls_file, persons_file, said_file
from precisionchain.schemas.site_lists import CALLS, FAMILIES, list_digest
from precisionchain.verification.check import Check


def check_listed_sites(snapshot: Snapshot) -> Check:
    """Check the calls at listed sites of each genetic batch that the replica holds.

    What quality control removed is in no block: of such a batch only the persons are compared.
    """
    check = Check("listed-sites")
    with reading(snapshot):
        for sealed in snapshot.catalogue.sealed:
            folder = snapshot.batch_folder(sealed.batch)
            for name in FAMILIES:
                if sealed.kind == "vcf" and (folder / said_file(name)).exists():
                    check.examined += 1
                    for message in _wrong(snapshot, folder, name):
                        check.find(f"batch {sealed.batch[:16]}: {message}")
    return check


def _wrong(snapshot: Snapshot, folder: Path, name: str) -> Iterator[str]:
    said: dict[str, Any] = json.loads((folder / said_file(name)).read_text(encoding="utf-8"))
    found = list_by_digest(snapshot, said["digest"])
    if found is None:
        yield f"its {name} sites are of a list that is not on the ledger"
        return
    batch = GeneticBatch(folder)
    own, theirs = batch.samples.sort("index"), pl.read_parquet(folder / persons_file(name))
    if not set(own["person_id"]) <= set(theirs["person_id"]):
        yield f"its {name} sites lack persons whose genotypes it holds"
    listed = SiteList(found[0], bool(found[1]["oriented"]))
    if said["listed"] != len(listed.sites) or said["digest"] != list_digest(
        listed.sites, oriented=listed.oriented
    ):
        yield f"its {name} sites are not those of the list"
    if _removed(folder) or not own["person_id"].equals(theirs["person_id"]):
        return
    again = extract(_source(batch), listed)
    if not again.equals(pq.read_table(folder / calls_file(name)).cast(CALLS)):
        yield f"its {name} sites have other calls than its genotypes"


def _removed(folder: Path) -> bool:
    modes = pl.read_parquet(folder / "excluded.parquet", columns=["mode"])["mode"]
    return bool((modes == "remove").any())


def _source(batch: GeneticBatch) -> CallSource:
    """Return a sealed batch's genotypes, as those of a run that was staged."""
    names = ["chrom", "pos", "ref", "alt", "record", "alt_index", "n_alts", "row"]
    sites = pl.concat(
        [
            pl.scan_parquet(path).select(*names, pl.col("run").alias("block"))
            for path in sorted((batch.folder / "sites").glob("*.parquet"))
        ]
    ).sort("block", "row")
    groups: dict[int, list[tuple[Callable[[], bytes], slice]]] = {}
    for run in batch.run_of_object.values():
        place = slice(run.person_offset, run.person_offset + run.n_persons)
        groups.setdefault(run.run, []).append((partial(batch.body, run.object), place))
    return CallSource(sites, groups, batch.samples.height)
