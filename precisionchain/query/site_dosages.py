"""The network's listed sites: how much of a list each batch has, and the calls of many persons.

``site_dosages`` gives what kinship and projections are computed from: one matrix over all
batches, every column in the list's own orientation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow.parquet as pq

from precisionchain.errors import UsageError
from precisionchain.query.frames import index_file
from precisionchain.query.genotyped import genetic_batches
from precisionchain.replica.catalogue import SealedBatch, Snapshot
from precisionchain.replica.site_lists import list_by_digest
from precisionchain.replica.unpack_sites import calls_file, persons_file, said_file
from precisionchain.schemas.site_lists import FOUND, MISSING, REFUSED, unpack_bits, unpack_dosages

NOT_THERE: Final = 4
"""In place of a dosage: no batch of the person has the site."""

SITE_COVERAGE: Final = {
    "site": pl.String,
    "source": pl.String,
    "batch": pl.String,
    "list": pl.String,
    "persons": pl.UInt32,
    "listed": pl.UInt32,
    "found": pl.UInt32,
    **dict.fromkeys((*FOUND, *REFUSED), pl.UInt32),
    "absent": pl.UInt32,
}
"""Columns of an answer: a row a batch that counts."""

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class SiteDosages:
    """Calls of persons at the sites of a list.

    Attributes:
        sites: chrom, pos, id, first, second, af, weights: a row a column of the matrix.
        persons: site, person_id: a row a row of the matrix.
        dosage: uint8 [persons, sites]: copies of the site's second allele: 0, 1, 2; 3 missing;
            4 where no batch of the person has the site.
        ploidy: uint8, same shape: alleles called, 1 or 2; 0 where none is.
    """

    sites: pl.DataFrame
    persons: pl.DataFrame
    dosage: Bytes
    ploidy: Bytes


def site_coverage(snapshot: Snapshot, name: str) -> pl.DataFrame:
    """Return how much of a list each batch has (`SITE_COVERAGE`), by site and seal."""
    rows = []
    for sealed, folder in _holding(snapshot, name):
        said = json.loads((folder / said_file(name)).read_text(encoding="utf-8"))
        fates = said["fates"]
        rows.append(
            {
                "site": sealed.site,
                "source": sealed.source,
                "batch": sealed.batch,
                "list": name,
                "persons": len(_counting(snapshot, name, sealed, folder)),
                "listed": said["listed"],
                "found": sum(fates[fate] for fate in FOUND),
                **fates,
            }
        )
    return pl.DataFrame(rows, schema=SITE_COVERAGE).sort("site", maintain_order=True)


def persons_at_sites(snapshot: Snapshot, name: str) -> pl.DataFrame:
    """Return whose calls any batch has of a list (site, person_id), in order."""
    found = [pl.DataFrame(schema={"site": pl.String, "person_id": pl.Int64})]
    for sealed, folder in _holding(snapshot, name):
        here = _counting(snapshot, name, sealed, folder)
        found.append(here.select(pl.lit(sealed.site).alias("site"), "person_id"))
    return pl.concat(found).unique().sort("site", "person_id")


def site_dosages(
    snapshot: Snapshot, name: str, digest: str | None, persons: pl.DataFrame | None = None
) -> SiteDosages:
    """Return the calls of persons at the sites of a list, of all batches together.

    Of a person in several batches a call counts before a missing one, and of calls the one sealed
    last.

    Args:
        snapshot: the generation to read.
        name: ``kinship`` or ``pc``.
        digest: of the network's list of that name; None where it has none.
        persons: site, person_id; None means everybody of whom there are calls.

    Raises:
        UsageError: the network has no such list, or nobody has published it yet.
    """
    found = None if digest is None else list_by_digest(snapshot, digest)
    if found is None:
        raise UsageError(f"this network has no list of {name} sites on its ledger")
    sites = pl.DataFrame(found[0])
    held = persons_at_sites(snapshot, name)
    wanted = ["site", "person_id"]
    chosen = held if persons is None else persons.select(wanted).unique().sort(wanted)
    dosage = np.full((chosen.height, sites.height), NOT_THERE, np.uint8)
    ploidy = np.zeros_like(dosage)
    numbered = chosen.with_row_index("target")
    for sealed, folder in _holding(snapshot, name):
        here = _counting(snapshot, name, sealed, folder)
        placed = here.join(numbered.filter(pl.col("site") == sealed.site), on="person_id")
        if placed.height:
            targets, columns = placed["target"].to_numpy(), placed["index"].to_numpy()
            _add(
                dosage, ploidy, folder / calls_file(name), _persons(folder, name), targets, columns
            )
    return SiteDosages(sites, chosen, dosage, ploidy)


def _add(  # noqa: PLR0917 (two arrays that are written, and where from)
    dosage: Bytes,
    ploidy: Bytes,
    path: Path,
    persons: int,
    targets: npt.NDArray[np.uint32],
    columns: npt.NDArray[np.int32],
) -> None:
    """Put a batch's calls over what is there: a call over anything, a missing one over nothing."""
    calls = pq.read_table(path)
    calls = calls.filter(calls["dosage"].is_valid())
    called = unpack_dosages([row for row in calls["dosage"].to_pylist() if row], persons)
    bits = unpack_bits(calls["haploid"].to_pylist(), persons)
    at = np.ix_(targets, calls["site"].to_numpy())
    new = called[:, columns].T
    copies = np.where(bits[:, columns].T, np.uint8(1), np.uint8(2))
    better = (new != MISSING) | (dosage[at] == NOT_THERE)
    dosage[at] = np.where(better, new, dosage[at])
    ploidy[at] = np.where(better, np.where(new == MISSING, np.uint8(0), copies), ploidy[at])


def _holding(snapshot: Snapshot, name: str) -> Iterator[tuple[SealedBatch, Path]]:
    """Yield the batches that count and have calls of a list, by seal, with their own folders."""
    batches = {one.batch: one for one in snapshot.catalogue.batches if one.kind == "vcf"}
    for sealed in sorted(batches.values(), key=lambda one: one.position):
        folder = snapshot.batch_folder(sealed.batch)
        if (folder / said_file(name)).exists():
            yield sealed, folder


def _persons(folder: Path, name: str) -> int:
    return pq.read_metadata(folder / persons_file(name)).num_rows


def _counting(snapshot: Snapshot, name: str, sealed: SealedBatch, folder: Path) -> pl.DataFrame:
    """Return index and person_id of whose calls of a batch count.

    Withdrawn persons do not, nor those whose genotypes another batch replaced whole; whom quality
    control removed does.
    """
    persons = pl.read_parquet(folder / persons_file(name)).select("index", "person_id")
    gone = pl.Series(snapshot.catalogue.withdrawn.get(sealed.site, ()), dtype=pl.Int64)
    own = index_file(folder / "samples.parquet")["person_id"]
    counting = [
        batch.samples["person_id"]
        for one, batch in genetic_batches(snapshot)
        if one.batch == sealed.batch
    ]
    replaced = own.filter(~own.is_in(pl.concat(counting).implode()))
    person = pl.col("person_id")
    return persons.filter(~person.is_in(gone.implode()) & ~person.is_in(replaced.implode()))
