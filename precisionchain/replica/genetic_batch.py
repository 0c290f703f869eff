"""The files of one sealed genetic batch: what it lists, what it assayed, whose calls lie where.

::

    assay.json                       build, kind and classes
    samples.parquet                  index, person_id, sex, family_bucket, group, group_row
    extent.parquet                   chrom, start, end
    map_variant.parquet              chrom, tile, family
    variant_blocks.parquet           object, family, run, first_row, chrom, first_pos, last_pos, ...
    person_blocks.parquet            object, group, chrom, n_alleles, blocks (objects of the above)
    sites/<VAR family>.parquet       a row an allele, the alleles of its runs in order
    counts/<VAR family>.parquet      the counts the batch published, row by row as the sites
    objects.pack                     bodies of variant and person blocks, as they are on the ledger;
                                     after a variant block, how its rows are told (`Links`)
    sequencing.parquet, .json        where the batch has sequencing metadata (`unpack_sequencing`)

A *run* is a run of alleles; a block holds its calls of some persons.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.replica.kept import Kept
from precisionchain.replica.pack import read_packed
from precisionchain.schemas.calls import Calls, PackedCalls, unpack_calls
from precisionchain.schemas.exclusions import VARIANT
from precisionchain.schemas.genetic_payloads import ALLELE_KEY, Assay
from precisionchain.schemas.genome import TILE_BITS, tile_of
from precisionchain.schemas.genotypes import unpack_variant_block
from precisionchain.schemas.near_calls import Links, joined
from precisionchain.schemas.person_blocks import PersonBlock, unpack_person_block
from precisionchain.schemas.structural import is_structural, is_structural_family

MALE: Final = 1

SITE_COLUMNS: Final = (
    *ALLELE_KEY,
    "record",
    "alt_index",
    "record_pos",
    *("run", "row"),
)
"""Columns of a site that are kept in memory; the file has all that the block has."""

FRAME_BYTES: Final = 256 * 2**20
CALL_BYTES: Final = 256 * 2**20
"""What frames of sites, and packed calls, may take together over all batches."""

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

_FIRST: Final = ("record", "alt_index")
LISTED: Final = {
    "chrom": pl.String,
    "pos": pl.Int32,
    "record": pl.Int32,
    "alt_index": pl.UInt8,
    "an": pl.Int32,
    "n_missing": pl.Int32,
}


def _bytes_of(calls: PackedCalls) -> int:
    arrays = (calls.codes, calls.missing, calls.phased, calls.haploid)
    return sum(array.nbytes for array in arrays if array is not None)


_packed: Final = Kept[PackedCalls](CALL_BYTES, _bytes_of)
_turned: Final = Kept[PersonBlock](CALL_BYTES, lambda block: block.turned.nbytes)
_frames: Final = Kept[pl.DataFrame](FRAME_BYTES, lambda frame: int(frame.estimated_size()))


@dataclass(frozen=True, slots=True)
class Site:
    """Where calls lie: a row of a run; ``own`` if they are the allele's, not its position's."""

    run: int
    row: int
    own: bool


@dataclass(frozen=True, slots=True)
class Run:
    """A variant block: its body's name, its alleles and their rows in a family's sites, its
    persons, and where its body lies in the pack.
    """

    object: str
    family: str
    run: int
    first_row: int
    chrom: str
    first_pos: int
    last_pos: int
    n_alleles: int
    person_offset: int
    n_persons: int
    start: int
    bytes: int


@dataclass(frozen=True)
class GeneticBatch:
    """One sealed batch's folder, read as it is needed; use `genetic_batch` to get the kept one."""

    folder: Path

    @cached_property
    def assay(self) -> Assay:
        """Build, kind and classes."""
        said = json.loads((self.folder / "assay.json").read_text(encoding="utf-8"))
        return Assay(said["build"], said["kind"], tuple(said["classes"]))

    @cached_property
    def samples(self) -> pl.DataFrame:
        """The persons in column order, with the person blocks' group each is in (or null)."""
        return pl.read_parquet(self.folder / "samples.parquet")

    @cached_property
    def person_ids(self) -> Ints:
        """The persons' ids, in column order."""
        return self.samples["person_id"].to_numpy()

    @cached_property
    def males(self) -> Bools:
        """Who is male, in column order."""
        male: Bools = (self.samples["sex"] == MALE).to_numpy()
        return male

    @cached_property
    def extent(self) -> pl.DataFrame:
        """The assayed intervals, in order of chromosome and start, without overlap."""
        return pl.read_parquet(self.folder / "extent.parquet").sort("chrom", "start")

    @cached_property
    def mapping(self) -> pl.DataFrame:
        """Chrom, tile, family."""
        return pl.read_parquet(self.folder / "map_variant.parquet")

    @cached_property
    def removed(self) -> pl.DataFrame:
        """The alleles that quality control removed before publication: chrom, pos, ref, alt.

        The batch tells nothing of them, although it may list their position for another allele.
        """
        rows = pl.read_parquet(self.folder / "excluded.parquet")
        gone = (pl.col("mode") == "remove") & (pl.col("kind") == VARIANT)
        return rows.filter(gone).select(*ALLELE_KEY)

    @cached_property
    def removed_keys(self) -> frozenset[tuple[object, ...]]:
        """The same, to look one up."""
        return frozenset(self.removed.rows())

    @cached_property
    def variant_blocks(self) -> pl.DataFrame:
        """A row a block."""
        return pl.read_parquet(self.folder / "variant_blocks.parquet")

    @cached_property
    def person_blocks(self) -> pl.DataFrame:
        """A row a block; none where the variant blocks serve both views."""
        return pl.read_parquet(self.folder / "person_blocks.parquet")

    @cached_property
    def _families(self) -> dict[tuple[str, int], list[str]]:
        by_tile = self.mapping.group_by("chrom", "tile").agg("family")
        return {(chrom, tile): families for chrom, tile, families in by_tile.iter_rows()}

    @cached_property
    def run_of_object(self) -> dict[str, Run]:
        """The variant blocks by their body's name, in the order of their alleles."""
        return {row[0]: Run(*row) for row in self.variant_blocks.iter_rows()}

    @cached_property
    def _person_blocks(self) -> dict[int, list[tuple[str, str, list[str]]]]:
        found: dict[int, list[tuple[str, str, list[str]]]] = defaultdict(list)
        for name, group, chrom, _, blocks, _, _ in self.person_blocks.iter_rows():
            found[group].append((name, chrom, blocks))
        return found

    @cached_property
    def _blocks_of_run(self) -> dict[int, list[tuple[str, int]]]:
        ordered = self.variant_blocks.sort("run", "person_offset")
        by_run = ordered.group_by("run").agg("object", "person_offset")
        return {
            run: list(zip(objects, offsets, strict=True))
            for run, objects, offsets in by_run.iter_rows()
        }

    @cached_property
    def _runs_of_family(self) -> dict[str, dict[int, list[Run]]]:
        found: dict[str, dict[int, list[Run]]] = defaultdict(lambda: defaultdict(list))
        for run in self.run_of_object.values():
            found[run.family][run.run].append(run)
        return found

    # ------------------------------------------------------------------------ what is listed

    def families_at(self, chrom: str, pos: int) -> list[str]:
        """Return the families that may list a position, by the mapping alone."""
        return self._families.get((chrom, tile_of(pos)), [])

    def sites(self, family: str) -> pl.DataFrame:
        """Return `SITE_COLUMNS` of a family's alleles."""
        path = self.folder / "sites" / f"{family}.parquet"
        return _frames.get(path, lambda: pl.read_parquet(path, columns=list(SITE_COLUMNS)))

    def alleles(self, family: str) -> pl.DataFrame:
        """Return chrom, pos, ref, alt of a family's alleles."""
        path = self.folder / "sites" / f"{family}.parquet"
        return _frames.get((path, ALLELE_KEY), lambda: self.sites(family).select(*ALLELE_KEY))

    def lists(self, family: str) -> bool:
        """Return whether a family has any allele."""
        return (self.folder / "counts" / f"{family}.parquet").exists()

    def counts(self, family: str) -> pl.DataFrame:
        """Return the counts of a family's alleles, in the order of its sites."""
        path = self.folder / "counts" / f"{family}.parquet"
        return pl.read_parquet(path)

    def counts_of(self, families: Sequence[str]) -> pl.DataFrame:
        """Return the counts of several families, one after the other."""
        return pl.read_parquet([self.folder / "counts" / f"{name}.parquet" for name in families])

    def n_listed(self, family: str) -> int:
        """Return how many alleles a family lists."""
        return sum(of_run[0].n_alleles for of_run in self._runs_of_family[family].values())

    def site_at(self, chrom: str, pos: int, ref: str, alt: str) -> Site | None:
        """Return where the calls of an allele lie: its own, else its position's; None if neither
        is listed.

        A structural allele has its own calls alone: another record at its position is about
        something else. A position is listed by an allele as it is normalised and by a record as it
        was written; where several records list it, the first one's calls count.
        """
        first: tuple[int, int] | None = None
        other = None
        structural = is_structural(alt)
        for family in self.families_at(chrom, pos):
            if is_structural_family(family) != structural:
                continue
            at = (pl.col("pos") == pos) | (pl.col("record_pos") == pos)
            here = self.sites(family).filter(at & (pl.col("chrom") == chrom))
            for row in here.iter_rows(named=True):
                place = Site(row["run"], row["row"], own=False)
                if (row["pos"], row["ref"], row["alt"]) == (pos, ref, alt):
                    return replace(place, own=True)
                if first is None or (row["record"], row["alt_index"]) < first:
                    first, other = (row["record"], row["alt_index"]), place
        return None if structural else other

    def listed_at(self, places: pl.DataFrame) -> pl.DataFrame:
        """Return chrom, pos, an, n_missing of the places (chrom, pos) that are listed, each once,
        by another than a structural allele.

        AN and the missing persons are those of the first record that lists the place; all alleles
        of a record have the same.
        """
        wanted = places.select("chrom", "pos").unique()
        tiled = wanted.with_columns(((pl.col("pos").clip(1) - 1) // (1 << TILE_BITS)).alias("tile"))
        families = tiled.join(self.mapping, on=["chrom", "tile"])["family"].unique()
        parts = [pl.DataFrame(schema=LISTED)]
        for family in families:
            if is_structural_family(family):
                continue
            counted = self.counts(family).select("an", "n_missing")
            rows = pl.concat([self.sites(family), counted], how="horizontal")
            parts += [
                rows.select("chrom", pl.col(column).alias("pos"), *_FIRST, "an", "n_missing")
                for column in ("pos", "record_pos")
            ]
        return (
            pl.concat(parts)
            .join(wanted, on=["chrom", "pos"], how="semi")
            .sort("chrom", "pos", *_FIRST)
            .unique(["chrom", "pos"], keep="first", maintain_order=True)
        )

    # ----------------------------------------------------------------------------- the calls

    def runs_of(self, family: str) -> Iterator[list[Run]]:
        """Yield the blocks of each run of a family, those of one run in order of persons."""
        for _, of_run in sorted(self._runs_of_family[family].items()):
            yield sorted(of_run, key=lambda run: run.person_offset)

    def calls_at(self, site: Site) -> Calls:
        """Return the calls [1, persons] of one row of a run, of all persons in column order."""
        parts = []
        for name, _ in self._blocks_of_run[site.run]:
            parts.append(unpack_calls(self.packed(name), [site.row]))
        return joined_persons(parts)

    def person_blocks_of(
        self, group: int, chrom: str | None = None
    ) -> Iterator[tuple[str, list[str]]]:
        """Yield the person blocks of a group: body's name, and names of the variant blocks."""
        for name, of_chrom, blocks in self._person_blocks.get(group, []):
            if chrom in (None, of_chrom):
                yield name, blocks

    def packed(self, name: str) -> PackedCalls:
        """Return the calls of a variant block, packed."""
        return _packed.get((self.folder, name), lambda: _own(self._packed_of(name)))

    def _packed_of(self, name: str) -> PackedCalls:
        return unpack_variant_block(self.body(name)).packed

    def calls_of_person(self, name: str, row: int) -> Calls:
        """Return the calls [alleles, 1] of one row of a person block.

        Of the variant blocks that it names, the links are read, and not the calls.
        """
        block = _turned.get((self.folder, name), lambda: unpack_person_block(self.body(name)))
        links = joined([self._links(of) for of, _ in block.blocks])
        return block.calls(links, [row])

    def _links(self, name: str) -> Links:
        run = self.run_of_object[name]
        told = read_packed(self.folder, run.start + run.bytes, 2 * run.n_alleles)
        return Links.from_bytes(told)

    def body(self, name: str) -> bytes:
        """Return the body of a variant or person block by its name."""
        return read_packed(self.folder, *self._place_of_object[name])

    @cached_property
    def _place_of_object(self) -> dict[str, tuple[int, int]]:
        return {
            name: (start, size)
            for blocks in (self.variant_blocks, self.person_blocks)
            for name, start, size in blocks.select("object", "start", "bytes").iter_rows()
        }


def _own(calls: PackedCalls) -> PackedCalls:
    """Return calls that keep nothing but themselves in memory: bitmaps are views into a body."""
    missing, phased, haploid = (
        None if bits is None else bits.copy()
        for bits in (calls.missing, calls.phased, calls.haploid)
    )
    return replace(calls, missing=missing, phased=phased, haploid=haploid)


@lru_cache(maxsize=1024)
def genetic_batch(folder: Path) -> GeneticBatch:
    """Return a batch of the replica; its small tables stay in memory once read."""
    return GeneticBatch(folder)


def joined_persons(parts: Sequence[Calls]) -> Calls:
    """Return calls of the same alleles and other persons, side by side."""
    if len(parts) == 1:
        return parts[0]
    haploid = phase = None
    if any(part.haploid is not None for part in parts):
        haploid = np.concatenate(
            [np.zeros(p.dosage.shape, np.bool_) if p.haploid is None else p.haploid for p in parts],
            axis=1,
        )
    if any(part.phase is not None for part in parts):
        phase = np.concatenate(
            [np.zeros(p.dosage.shape, np.uint8) if p.phase is None else p.phase for p in parts],
            axis=1,
        )
    return Calls(np.concatenate([part.dosage for part in parts], axis=1), haploid, phase)
