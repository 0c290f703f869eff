"""Genotypes of persons and a region as files of other programs: VCF, PLINK 1, PLINK 2.

Streamed block by block: memory does not grow with the region. What a format cannot hold is refused
or counted in the answer, never dropped in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, TypeAlias, get_args

import numpy as np
import polars as pl

from precisionchain.access.digest import value_digest
from precisionchain.access.evaluated import Evaluated
from precisionchain.access.postings import alleles as logged_alleles
from precisionchain.access.postings import no_alleles
from precisionchain.access.postings import persons as logged_persons
from precisionchain.errors import UsageError
from precisionchain.query.genotype_matrix import GenotypeMatrix, StateBlock, listed_alleles
from precisionchain.query.genotyped import MISSING, NOT_ASSAYED, genetic_batches
from precisionchain.query.known_contigs import require_contig
from precisionchain.query.structural_fields import SITE_FIELDS
from precisionchain.query.write_plink import BedWriter, PgenWriter, pseudo_autosomal
from precisionchain.query.write_vcf import MALE, VcfWriter, expect_one_copy
from precisionchain.replica.assayed import allele_class
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.genetic_batch import GeneticBatch
from precisionchain.schemas.genetic_payloads import ALLELE_KEY
from precisionchain.schemas.genome import TILE_BITS
from precisionchain.schemas.variant import Region

GenotypeFormat: TypeAlias = Literal["vcf", "bed", "pgen"]

SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "bed": (".bed", ".bim", ".fam"),
    "pgen": (".pgen", ".pvar", ".psam"),
}
"""The files of a format that has several."""

PLINK_NOBODY: Final = 0
"""The person id that PLINK keeps for "no person"."""


@dataclass(frozen=True, slots=True)
class ExportedGenotypes:
    """What an export wrote, and what it left out or its format cannot say.

    Attributes:
        form: ``vcf``, ``bed`` or ``pgen``.
        files: their names.
        persons: in the files.
        alleles: in the files.
        called: calls made.
        missing: calls that were tried and not made.
        not_assayed: calls that were never tried; in PLINK's files these are missing, too.
        persons_without_genotypes: asked for and left out.
        alleles_nobody_assayed: alleles of the region left out, because none of these persons was
            looked at there.
        symbolic_left_out: alleles that are not bases, left out of bed as asked.
        phased_left_out: heterozygous calls whose phase the format cannot hold.
        haploid_as_homozygous: calls of one copy that read as two where PLINK expects two.
        digest: of the files' bytes, as it stands in the access log.
    """

    form: str
    files: tuple[str, ...]
    persons: int
    alleles: int
    called: int
    missing: int
    not_assayed: int
    persons_without_genotypes: int
    alleles_nobody_assayed: int
    symbolic_left_out: int
    phased_left_out: int
    haploid_as_homozygous: int
    digest: str

    def row(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self)


def genotype_targets(output: Path, form: str | None) -> tuple[GenotypeFormat, tuple[Path, ...]]:
    """Return the format and the files of an output.

    Args:
        output: ``x.vcf``, ``x.vcf.gz`` (BGZF), or the prefix of PLINK's files, with or without the
            suffix of the first of them.
        form: the format; None means what the output ends in.

    Raises:
        UsageError: the format is none, is not told, or contradicts the output's name.
    """
    told = next((of for of in SUFFIXES if output.suffix == f".{of}"), None)
    if output.name.endswith((".vcf", ".vcf.gz")):
        told = "vcf"
    form = form or told
    if form is None or form not in get_args(GenotypeFormat):
        raise UsageError(
            "not a format of genotypes" if form else "the output's name does not tell its format",
            hint=f"one of {', '.join(get_args(GenotypeFormat))}",
        )
    if (form == "vcf") != (told == "vcf") or told not in (form, None):
        raise UsageError(
            f"the output's name is not one of {form}",
            where=str(output),
            hint="x.vcf or x.vcf.gz for VCF, a prefix for bed and pgen",
        )
    if form == "vcf":
        return "vcf", (output,)
    prefix = output.name.removesuffix(f".{form}")
    targets = tuple(output.with_name(f"{prefix}{suffix}") for suffix in SUFFIXES[form])
    return "bed" if form == "bed" else "pgen", targets


def export_genotypes(
    snapshot: Snapshot,
    form: GenotypeFormat,
    files: Mapping[Path, Path],
    *,
    build: str,
    persons: pl.DataFrame | None = None,
    region: Region | None = None,
    skip_symbolic: bool = False,
) -> Evaluated[ExportedGenotypes]:
    """Write genotypes to files, and return what they show.

    Args:
        snapshot: the generation to read.
        form: the format.
        files: the files of `genotype_targets`, in their order -> where each is written for now.
        build: the network's reference build.
        persons: site and person_id; None means everybody with genotypes.
        region: where POS must lie; None means everywhere.
        skip_symbolic: leave alleles that are not bases out of bed, instead of refusing.

    Raises:
        RegionError: a contig that nobody has, see `require_contig`.
        UsageError: nobody of the persons has genotypes; the format cannot hold the answer.
    """
    if region is not None:
        require_contig(snapshot, region.chrom)
    everyone = GenotypeMatrix(snapshot).persons
    chosen = everyone if persons is None else _chosen(everyone, persons)
    asked = chosen.height if persons is None else persons.select("site", "person_id").n_unique()
    _check_persons(form, chosen)
    listed = _Listed(snapshot, region, build, form)
    symbolic = listed.count_symbolic()
    if symbolic and not skip_symbolic:
        _refuse_symbolic(form, symbolic)
    tally = _Tally(form, build, (chosen["sex"] == MALE).to_numpy())
    written: list[pl.DataFrame] = [no_alleles()]
    with ExitStack() as open_files:
        writer = _opened(form, list(files.values()), listed, build=build, persons=chosen)
        open_files.callback(writer.close)
        sites = _Sites(snapshot)
        matrix = GenotypeMatrix(snapshot, chosen)
        for alleles in listed:
            for whole in matrix.of_alleles(alleles):
                if (block := tally.assayed(whole)) is not None:
                    writer.write(block, sites.of(block.alleles))
                    written.append(logged_alleles(block.alleles))
    if form != "vcf" and len(written) == 1:
        raise UsageError(f"none of the persons was looked at in the region: {form} needs an allele")
    exported = ExportedGenotypes(
        form=form,
        files=tuple(str(path) for path in files),
        persons=chosen.height,
        persons_without_genotypes=asked - chosen.height,
        symbolic_left_out=symbolic,
        digest=value_digest([_digest(path) for path in files.values()]),
        **tally.counts,
    )
    return _evaluated(exported, chosen, pl.concat(written))


def _refuse_symbolic(form: GenotypeFormat, symbolic: int) -> NoReturn:
    raise UsageError(
        f"{symbolic} alleles of the region are not bases, which {form} cannot hold",
        hint="export VCF, or leave them out with --skip-symbolic",
    )


def _evaluated(
    exported: ExportedGenotypes, chosen: pl.DataFrame, alleles: pl.DataFrame
) -> Evaluated[ExportedGenotypes]:
    """Return what an export shows: the persons chosen, and the alleles written."""
    ids = {str(site): rows["person_id"].to_numpy() for (site,), rows in chosen.group_by("site")}
    return Evaluated(
        exported,
        exported.alleles,
        exported.digest,
        logged_persons(ids),
        variants_returned=logged_alleles(alleles),
    )


def _chosen(everyone: pl.DataFrame, persons: pl.DataFrame) -> pl.DataFrame:
    return everyone.join(persons, on=["site", "person_id"], how="semi", maintain_order="left")


def _check_persons(form: str, persons: pl.DataFrame) -> None:
    if not persons.height:
        raise UsageError(
            "none of the persons has genotypes", hint="name no persons to export all who have"
        )
    if form != "vcf" and (persons["person_id"] == PLINK_NOBODY).any():
        raise UsageError(
            "a person has the id 0, which PLINK keeps for nobody",
            hint="export VCF, or leave the person out",
        )


class _Listed:
    """The alleles to be written, in the order of the format."""

    def __init__(
        self, snapshot: Snapshot, region: Region | None, build: str, form: GenotypeFormat
    ) -> None:
        self._snapshot, self._region = snapshot, region
        self._build, self._form = build, form

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Yield alleles a bin at a time; for bed, PAR as the chromosome of its own after X."""
        apart: list[pl.DataFrame] = []
        for alleles in listed_alleles(self._snapshot, self._region):
            if self._form != "bed":
                yield alleles
                continue
            bases = alleles.filter(allele_class() != "sv")
            if bases["chrom"].first() != "X":
                yield from apart
                apart = []
            par = pseudo_autosomal(self._build, bases)
            apart.append(bases.filter(par))
            yield bases.filter(~par)
        yield from apart

    def count_symbolic(self) -> int:
        """Return how many alleles bed cannot hold."""
        if self._form != "bed":
            return 0
        return sum(
            int(alleles.select((allele_class() == "sv").sum()).item())
            for alleles in listed_alleles(self._snapshot, self._region)
        )

    def chroms(self) -> list[str]:
        """Return the contigs of the alleles."""
        found = [a["chrom"].unique() for a in listed_alleles(self._snapshot, self._region)]
        return pl.concat(found).unique(maintain_order=True).to_list() if found else []


class _Tally:
    """Counts what is written, and takes out alleles at which nobody was assayed."""

    def __init__(self, form: GenotypeFormat, build: str, males: Any) -> None:
        self._form, self._build, self._males = form, build, males
        names = ("alleles", "called", "missing", "not_assayed", "alleles_nobody_assayed")
        self.counts = dict.fromkeys((*names, "phased_left_out", "haploid_as_homozygous"), 0)

    def assayed(self, block: StateBlock) -> StateBlock | None:
        """Return the alleles of a block at which anybody was assayed; None if there are none."""
        kept = (block.state != NOT_ASSAYED).any(axis=1)
        self.counts["alleles_nobody_assayed"] += int((~kept).sum())
        if not kept.any():
            return None
        if not kept.all():
            alleles = block.alleles.filter(pl.Series(kept))
            block = StateBlock(alleles, block.state[kept], block.ploidy[kept], block.phase[kept])
        self._count(block)
        return block

    def _count(self, block: StateBlock) -> None:
        counts = self.counts
        of_state = np.bincount(block.state.ravel(), minlength=NOT_ASSAYED + 1)
        counts["alleles"] += block.alleles.height
        counts["called"] += int(of_state[:MISSING].sum())
        counts["missing"] += int(of_state[MISSING])
        counts["not_assayed"] += int(of_state[NOT_ASSAYED])
        if self._form == "bed":
            counts["phased_left_out"] += int(((block.phase > 0) & (block.state == 1)).sum())
        if self._form != "vcf":
            one = (block.ploidy == 1) & (block.state < MISSING)
            expected = expect_one_copy(self._build, block.alleles, self._males)
            counts["haploid_as_homozygous"] += int((one & ~expected).sum())


def _opened(
    form: GenotypeFormat,
    paths: Sequence[Path],
    listed: _Listed,
    *,
    build: str,
    persons: pl.DataFrame,
) -> VcfWriter | BedWriter | PgenWriter:
    """Return a writer, its files open."""
    if form == "vcf":
        return VcfWriter(paths[0], build=build, chroms=listed.chroms(), persons=persons)
    return (BedWriter if form == "bed" else PgenWriter)(*paths, build=build, persons=persons)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


# --------------------------------------------------------------------------- what sites are called


class _Sites:
    """Names of alleles, from the batches that list them."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._batches = [batch for _, batch in genetic_batches(snapshot)]

    def of(self, alleles: pl.DataFrame) -> pl.DataFrame:
        """Return id, n_alts and what structural sites say besides, a row an allele; of the first
        batch that has an id, if any.
        """
        low, high = alleles["pos"].min(), alleles["pos"].max()
        found = [
            rows.filter(pl.col("pos").is_between(low, high))
            for batch in self._batches
            for rows in _sites_of(batch, alleles)
        ]
        key = list(ALLELE_KEY)
        best = (
            pl.concat(found, how="diagonal")
            .sort(pl.col("id").is_null(), maintain_order=True)
            .unique(key, keep="first", maintain_order=True)
        )
        return alleles.join(best, on=key, how="left", maintain_order="left").drop(key)


def _sites_of(batch: GeneticBatch, alleles: pl.DataFrame) -> Iterator[pl.DataFrame]:
    tile = ((pl.col("pos").clip(1) - 1) // (1 << TILE_BITS)).cast(pl.Int32)
    tiles = alleles.select("chrom", tile.alias("tile")).unique()
    for family in tiles.join(batch.mapping, on=["chrom", "tile"])["family"].unique():
        yield _named_sites(batch.folder / "sites" / f"{family}.parquet")


@lru_cache(maxsize=16)
def _named_sites(path: Path) -> pl.DataFrame:
    ident = pl.when(pl.col("id") != ".").then(pl.col("id")).alias("id")
    known = pl.read_parquet_schema(path)
    told = [name for name in SITE_FIELDS if name in known]
    rows = pl.read_parquet(path, columns=[*ALLELE_KEY, "id", "n_alts", *told])
    return rows.select(*ALLELE_KEY, ident, "n_alts", *told)
