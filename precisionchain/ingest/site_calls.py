"""The sites of the network's lists, extracted from a staged run before quality control.

For every person of the run: what quality control removes later is in the blocks no more, and here
all the same. A site is found where a record's REF and ALT are the list's two alleles, as they are
written or on the other strand; rules in ``docs/reference/site-lists.md``.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.ingest.encode_vcf import StagedGenotypes
from precisionchain.ingest.report import Step, silent
from precisionchain.ingest.site_list_file import SiteList
from precisionchain.ingest.staging import DESCRIPTION, Run, Staging
from precisionchain.schemas.calls import unpack_calls
from precisionchain.schemas.genotypes import unpack_variant_block
from precisionchain.schemas.site_lists import (
    AMBIGUOUS,
    AS_LISTED,
    CALLS,
    FLIPPED,
    FLIPPED_SWAPPED,
    FOUND,
    MISSING,
    NOT_SNV,
    OTHER_ALLELES,
    REFUSED,
    SWAPPED,
    pack_bits,
    pack_dosages,
)

SETTING: Final = "sites"
PERSONS_FILE: Final = "site_persons.parquet"

_OTHER_STRAND: Final = {"A": "T", "C": "G", "G": "C", "T": "A"}
_RANK: Final = {fate: rank for rank, fate in enumerate((*FOUND, *REFUSED))}

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


def calls_file(name: str) -> str:
    """Return the file of a list's calls in a run's folder."""
    return f"site_calls_{name}.parquet"


def attach_sites(
    staging: Staging, run: Run, lists: Mapping[str, SiteList], *, step: Step = silent
) -> Run:
    """Put what a run lists of the network's site lists beside it; return the run as it is then.

    Args:
        staging: where the run is; needs the site's lock.
        run: a VCF run before quality control.
        lists: by name; on the run's build.
        step: called with a line a step.
    """
    if not lists:
        return run
    said: dict[str, Any] = {}
    with staging.revise(run) as partial:
        for entry in sorted(run.path.iterdir()):
            if entry.name != DESCRIPTION:
                partial.keep(run, entry.name)
        shutil.copyfile(run.path / "samples.parquet", partial.path / PERSONS_FILE)
        for name, one in lists.items():
            step(f"extract {len(one.sites)} {name} sites")
            calls = extract(staged_source(run.path), one)
            pq.write_table(calls, partial.path / calls_file(name), compression="zstd")
            said[name] = coverage(calls, one)
            step(f"  {', '.join(f'{n} {fate}' for fate, n in said[name]['fates'].items() if n)}")
        described = dict(run.description)
        partial.describe(described | {"settings": described["settings"] | {SETTING: said}})
    return staging.read(run.name)


def coverage(calls: pa.Table, listed: SiteList) -> dict[str, Any]:
    """Return how much of a list there is: its digest, sites listed, and how many have each fate."""
    fates = Counter(calls["fate"].to_pylist())
    counted = {fate: fates[fate] for fate in (*FOUND, *REFUSED)}
    absent = len(listed.sites) - len(calls)
    return {
        "digest": listed.digest,
        "listed": len(listed.sites),
        "fates": {**counted, "absent": absent},
    }


@dataclass(frozen=True, slots=True)
class CallSource:
    """Genotypes, staged or sealed, that sites are extracted from.

    Attributes:
        sites: chrom, pos, ref, alt, record, alt_index, n_alts, block and row: a row an allele;
            ``block`` names a run of alleles, ``row`` counts in it.
        groups: by that name, the blocks of the run: a body, and the place of its persons.
        persons: how many there are.
    """

    sites: pl.LazyFrame
    groups: Mapping[int, Sequence[tuple[Callable[[], bytes], slice]]]
    persons: int


def staged_source(folder: Path) -> CallSource:
    """Return the genotypes of a staged run."""
    run = StagedGenotypes(folder)
    groups: dict[int, list[tuple[Callable[[], bytes], slice]]] = {}
    names = ("block", "run", "person_offset", "n_persons")
    for block, of_run, offset, size in run.blocks.select(*names).iter_rows():
        place = slice(offset, offset + size)
        groups.setdefault(of_run, []).append((partial(run.body, block), place))
    return CallSource(pl.scan_parquet(folder / "sites.parquet"), groups, run.samples.height)


def extract(run: CallSource, listed: SiteList) -> pa.Table:
    """Return the calls (`CALLS`) of a list's sites that genotypes list, by site.

    Args:
        run: the genotypes.
        listed: the list, on their build.
    """
    rows = _rows_at(run.sites, listed)
    fated = _fated(rows, oriented=listed.oriented)
    found = fated.filter(pl.col("fate").is_in(FOUND))
    others = _others(run.sites, rows, found)
    packed: dict[int, tuple[bytes, bytes | None]] = {}
    shadows = _carriers(run, others)
    for part, dosage, haploid in _decoded(run, found):
        sites = part["site"].to_list()
        swapped = part["fate"].is_in([SWAPPED, FLIPPED_SWAPPED]).to_numpy()
        turned = _copies_of_second(dosage, haploid, swapped)
        for place, site in enumerate(sites):
            if site in shadows:
                turned[place, shadows[site]] = MISSING
        bits = pack_bits(haploid)
        packed.update(zip(sites, zip(pack_dosages(turned), bits, strict=True), strict=True))
    return _table(fated, packed)


def _table(fated: pl.DataFrame, packed: Mapping[int, tuple[bytes, bytes | None]]) -> pa.Table:
    sites = fated["site"].to_list()
    nothing = (None, None)
    columns = [
        pa.array(sites, pa.int32()),
        pa.array(fated["fate"].to_list(), pa.string()),
        pa.array([packed.get(site, nothing)[0] for site in sites], pa.binary()),
        pa.array([packed.get(site, nothing)[1] for site in sites], pa.binary()),
    ]
    return pa.table(columns, schema=CALLS)


def _copies_of_second(dosage: Bytes, haploid: Bools, swapped: Bools) -> Bytes:
    """Return copies of the list's second allele from those of ALT, which may be the first."""
    ploidy = np.where(haploid, np.uint8(1), np.uint8(2))
    other = np.where(dosage == MISSING, np.uint8(MISSING), ploidy - np.minimum(dosage, ploidy))
    turned: Bytes = np.where(swapped[:, None], other, dosage).astype(np.uint8)
    return turned


# ------------------------------------------------------------------------------- which rows match


def _rows_at(alleles: pl.LazyFrame, listed: SiteList) -> pl.DataFrame:
    """Return the run's rows at listed positions, by site; ``at`` is a row's place in its sites."""
    names = ["chrom", "pos", "first", "second"]
    numbered = (
        pl.DataFrame(listed.sites.select(names))
        .with_row_index("site")
        .with_columns(pl.col("site").cast(pl.Int32))
    )
    names = ["chrom", "pos", "ref", "alt", "record", "alt_index", "n_alts", "block", "row"]
    return (
        alleles.select(names)
        .with_row_index("at")
        .join(numbered.lazy(), on=["chrom", "pos"], how="inner")
        .collect(engine="streaming")
        .sort("site", "at")
    )


def _fated(rows: pl.DataFrame, *, oriented: bool) -> pl.DataFrame:
    """Return one row a site that the run lists, by site: the best matching, with its ``fate``."""
    names = [*rows.columns, "fate"]
    fates = _fates(oriented=oriented)
    rank = pl.col("fate").replace_strict(_RANK, return_dtype=pl.Int32)
    return (
        rows.with_columns(fates.alias("fate"))
        .sort("site", rank, "record", "alt_index", "at")
        .unique("site", keep="first", maintain_order=True)
        .select(names)
    )


def _fates(*, oriented: bool) -> pl.Expr:
    ref, alt, first, second = (pl.col(name) for name in ("ref", "alt", "first", "second"))
    one, two = (column.replace_strict(_OTHER_STRAND, default=None) for column in (first, second))
    bases = list(_OTHER_STRAND)
    snv = ref.is_in(bases) & (alt.is_in(bases) | (alt == "."))

    def alleles(of_ref: pl.Expr, of_alt: pl.Expr) -> pl.Expr:
        return (ref == of_ref) & ((alt == of_alt) | (alt == "."))

    ambiguous = one == second
    exact = alleles(first, second)
    either = exact | alleles(second, first)
    settled = exact if oriented else pl.lit(value=False)
    return (
        pl.when(~snv)
        .then(pl.lit(NOT_SNV))
        .when(ambiguous & settled)
        .then(pl.lit(AS_LISTED))
        .when(ambiguous & either)
        .then(pl.lit(AMBIGUOUS))
        .when(ambiguous)
        .then(pl.lit(OTHER_ALLELES))
        .when(exact)
        .then(pl.lit(AS_LISTED))
        .when(alleles(second, first))
        .then(pl.lit(SWAPPED))
        .when(alleles(one, two))
        .then(pl.lit(FLIPPED))
        .when(alleles(two, one))
        .then(pl.lit(FLIPPED_SWAPPED))
        .otherwise(pl.lit(OTHER_ALLELES))
    )


def _others(alleles: pl.LazyFrame, rows: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of other alleles at found sites: of the same record, or SNVs of others."""
    several = found.filter(pl.col("n_alts") > 1).select("record", "site", own="at")
    names = ["at", "site", "block", "row"]
    same_record = (
        alleles.select("record", "block", "row")
        .with_row_index("at")
        .join(several.lazy(), on="record")
        .filter(pl.col("at") != pl.col("own"))
        .select(names)
        .collect(engine="streaming")
    )
    bases = list(_OTHER_STRAND)
    beside = rows.join(found.select("site", own="at"), on="site").filter(
        (pl.col("at") != pl.col("own")) & pl.col("ref").is_in(bases) & pl.col("alt").is_in(bases)
    )
    return pl.concat([same_record, beside.select(names)]).unique().sort("at", "site")


# -------------------------------------------------------------------------------------- the calls


def _carriers(run: CallSource, others: pl.DataFrame) -> dict[int, Bools]:
    """Return, by site, who carries another allele than the list's."""
    found: dict[int, Bools] = {}
    for part, dosage, _ in _decoded(run, others):
        carried = (dosage > 0) & (dosage != MISSING)
        for place, site in enumerate(part["site"].to_list()):
            found[site] = found.get(site, np.zeros(run.persons, np.bool_)) | carried[place]
    return found


def _decoded(run: CallSource, rows: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, Bytes, Bools]]:
    """Yield rows of one run of blocks after the other: dosages and who is haploid."""
    for (of_run,), part in rows.group_by("block", maintain_order=True):
        at = part["row"].to_numpy().astype(np.int64)
        dosage = np.full((part.height, run.persons), MISSING, np.uint8)
        haploid = np.zeros((part.height, run.persons), np.bool_)
        for body, columns in run.groups[int(str(of_run))]:
            calls = unpack_calls(unpack_variant_block(body()).packed, at)
            dosage[:, columns] = calls.dosage
            if calls.haploid is not None:
                haploid[:, columns] = calls.haploid
        yield part, dosage, haploid
