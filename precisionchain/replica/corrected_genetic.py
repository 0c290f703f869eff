"""What still counts of a sealed genetic batch, as *parts* with the layout of a whole one.

Later batches of the site may have taken positions of some persons over (`supersedes`), and persons
may be withdrawn. Persons to whom the same happened are one part: withdrawn persons are in none, a
part whose persons were superseded lists no covered allele, and its extent ends at what is covered.
Each part reads as a batch of its own, so that parts add up as batches do. Rules:
``docs/reference/streams.md`` section 7.

Blocks are coded anew one run of alleles at a time. A part's folder is named by what it is made of,
so that generations which leave out the same share it.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.replica.cover import Cover, Spans, layer_of
from precisionchain.replica.genetic_batch import GeneticBatch, Run, genetic_batch
from precisionchain.replica.pack import Pack, new_pack
from precisionchain.replica.taken_over import Taken, taken
from precisionchain.schemas.calls import Calls, PackedCalls, pack_calls, unpack_calls
from precisionchain.schemas.counts import AlleleCounts, packed_counts
from precisionchain.schemas.exclusions import PERSON
from precisionchain.schemas.genome import TILE_BITS
from precisionchain.schemas.genotypes import pack_variant_block, unpack_variant_block
from precisionchain.schemas.person_blocks import PERSON_GROUP, person_bodies, runs

FORMAT: Final = "corrected genotypes 2"
LEVEL: Final = 1
"""The zstd level: a part stays here, and is made while somebody waits for a sync."""

Ints = npt.NDArray[np.int64]
Place = tuple[int, int]
"""Where a body begins in the pack, and its bytes."""


@dataclass(frozen=True, slots=True)
class Part:
    """A folder with the layout of a batch (`genetic_batch`), and how many persons it holds."""

    folder: Path
    persons: int


def corrected_parts(
    folder: Path,
    root: Path,
    *,
    batch: str,
    withdrawn: Collection[int] = (),
    later: Sequence[tuple[str, Path]] = (),
) -> list[Part]:
    """Return what counts of a batch as parts, writing those that are not there yet.

    Args:
        folder: the batch as it was unpacked.
        root: where parts are kept, each below a digest of what it is made of.
        batch: its id, hex.
        withdrawn: person ids of its site that are in no answer.
        later: id and unpacked folder of the batches that supersede it (`superseding`), by seal.

    Returns:
        The batch itself where nothing is left out; no part where nothing is left.
    """
    whole = genetic_batch(folder)
    groups = taken(whole.person_ids, withdrawn, later)
    if len(groups) == 1 and not groups[0].by and len(groups[0].columns) == len(whole.person_ids):
        return [Part(folder, len(whole.person_ids))]
    found = []
    for group in groups:
        made = _made(whole, group, root, batch)
        if (made / "samples.parquet").exists():
            found.append(Part(made, len(group.columns)))
    return found


def _made(whole: GeneticBatch, group: Taken, root: Path, batch: str) -> Path:
    """Return a part's folder, which is empty if nothing of its persons is left."""
    persons = whole.person_ids[group.columns].astype("<i8").tobytes()
    origin = "\n".join([FORMAT, batch, *group.by, sha256(persons).hexdigest()])
    target = root / sha256(origin.encode()).hexdigest()[:32]
    if not target.exists():
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        with new_pack(partial) as pack:
            left = _Rewriting(whole, group, partial, pack).write()
        if not left:
            shutil.rmtree(partial)
            partial.mkdir()
        partial.rename(target)
    return target


@dataclass(slots=True)
class _Rewriting:
    """Writes one part below a folder of its own."""

    whole: GeneticBatch
    group: Taken
    folder: Path
    pack: Pack
    person_set: str = field(init=False)
    blocks: list[tuple[Any, ...]] = field(default_factory=list)
    runs: int = 0

    def __post_init__(self) -> None:
        samples = self.whole.samples[self.group.columns]
        digest = sha256(b"precisionchain person set 1\0")
        digest.update(samples["person_id"].to_numpy().astype("<i8").tobytes())
        digest.update(samples["sex"].to_numpy().astype(np.uint8).tobytes())
        self.person_set = digest.hexdigest()

    def write(self) -> bool:
        """Write the part; return whether anything is left of its persons."""
        for name in ("sites", "counts"):
            (self.folder / name).mkdir()
        extent = self._extent()
        for family in self.whole.variant_blocks["family"].unique(maintain_order=True):
            self._family(family)
        if not self.blocks and not extent.height:
            return False
        shutil.copy(self.whole.folder / "assay.json", self.folder)
        self._write("extent", extent)
        self._write("map_variant", self._mapping())
        self._write("excluded", self._excluded())
        schema = self.whole.variant_blocks.schema
        self._write("variant_blocks", pl.DataFrame(self.blocks, schema=schema, orient="row"))
        groups = self._groups()
        self._write("person_blocks", self._person_blocks(groups))
        self._write("samples", self._samples(groups))
        return True

    # ------------------------------------------------------------------------- variant view

    def _family(self, family: str) -> None:
        """Write what is left of a family's sites, counts and blocks."""
        sites = pl.read_parquet(self.whole.folder / "sites" / f"{family}.parquet")
        parts: list[pl.DataFrame] = []
        counted: list[AlleleCounts] = []
        rows = 0
        for of_run in self.whole.runs_of(family):
            first = of_run[0]
            here = sites[first.first_row : first.first_row + first.n_alleles]
            positions = (here["pos"], here["record_pos"])
            keep = np.flatnonzero(self.group.counts(first.chrom, layer_of(family), *positions))
            if not len(keep):
                continue
            left = here[keep].with_columns(
                pl.lit(self.runs, pl.Int32).alias("run"),
                pl.int_range(pl.len(), dtype=pl.Int32).alias("row"),
            )
            counted.append(self._run(family, of_run, keep, left, rows))
            parts.append(left)
            rows += left.height
            self.runs += 1
        if parts:
            kept = pl.concat(parts)
            kept.write_parquet(self.folder / "sites" / f"{family}.parquet")
            self._counts(family, kept, counted)

    def _run(
        self, family: str, of_run: Sequence[Run], keep: Ints, left: pl.DataFrame, rows: int
    ) -> AlleleCounts:
        """Write the blocks of a run's remaining alleles and persons; return their counts."""
        offset = 0
        total: AlleleCounts | None = None
        for run in of_run:
            columns = self._columns(run)
            if not len(columns):
                continue
            block = unpack_variant_block(self.whole.body(run.object))
            packed = pack_calls(some_calls(block.packed, keep, columns))
            counts = packed_counts(packed)
            total = counts if total is None else total + counts
            made = pack_variant_block(
                block.sites.take(keep),
                packed,
                chrom=run.chrom,
                person_set=self.person_set,
                person_offset=offset,
                level=LEVEL,
            )
            name, links = sha256(made).hexdigest(), unpack_variant_block(made).near.links
            place = (self.pack.add(made, links.to_bytes()), len(made))
            pos = left["pos"]
            spot = (name, family, self.runs, rows, run.chrom, pos[0], pos[-1], left.height)
            self.blocks.append((*spot, offset, len(columns), *place))
            offset += len(columns)
        if total is None:
            raise AssertionError("a part has persons")
        return total

    def _columns(self, run: Run) -> Ints:
        """Return the columns of a block that are the part's persons'."""
        columns = self.group.columns - run.person_offset
        return columns[(columns >= 0) & (columns < run.n_persons)]

    def _counts(self, family: str, sites: pl.DataFrame, counted: Sequence[AlleleCounts]) -> None:
        published = pl.read_parquet_schema(self.whole.folder / "counts" / f"{family}.parquet")
        columns = [pl.DataFrame(counts.columns()) for counts in counted]
        rows = pl.concat(
            [sites.select("chrom", "pos", "ref", "alt", "record"), pl.concat(columns)],
            how="horizontal",
        )
        rows.select(*published).cast(pl.Schema(published)).write_parquet(
            self.folder / "counts" / f"{family}.parquet"
        )

    # -------------------------------------------------------------------------- person view

    def _groups(self) -> list[tuple[int, Ints]]:
        """Return the person blocks' groups: offset of their variant blocks, columns in these."""
        if self.whole.person_blocks.is_empty():
            return []
        spans = {(offset, persons) for *_, offset, persons, _, _ in self.blocks}
        return [
            (offset, np.arange(first, min(first + PERSON_GROUP, persons)))
            for offset, persons in sorted(spans)
            for first in range(0, persons, PERSON_GROUP)
        ]

    def _person_blocks(self, groups: Sequence[tuple[int, Ints]]) -> pl.DataFrame:
        rows: list[tuple[Any, ...]] = []
        by_offset: dict[int, list[tuple[int, Ints]]] = defaultdict(list)
        for number, (offset, columns) in enumerate(groups):
            by_offset[offset].append((number, columns))
        found: dict[tuple[str, int], list[tuple[str, int, Place]]] = defaultdict(list)
        for name, _, _, _, chrom, _, _, alleles, offset, _, *place in self.blocks:
            found[chrom, offset].append((name, alleles, (place[0], place[1])))
        for (chrom, offset), blocks in found.items():
            for of_run in runs([alleles for _, alleles, _ in blocks]):
                some = [blocks[i] for i in of_run]
                if by_offset[offset]:
                    rows += self._turned(chrom, offset, some, by_offset[offset])
        return pl.DataFrame(rows, schema=self.whole.person_blocks.schema, orient="row")

    def _turned(
        self,
        chrom: str,
        offset: int,
        blocks: Sequence[tuple[str, int, Place]],
        groups: Sequence[tuple[int, Ints]],
    ) -> Iterator[tuple[Any, ...]]:
        """Write the person block of each group over some variant blocks; yield their rows."""
        parts = [
            (name, unpack_variant_block(self.pack.read(*place)).near) for name, _, place in blocks
        ]
        names = [name for name, _ in parts]
        bodies = person_bodies(
            parts,
            [columns for _, columns in groups],
            chrom=chrom,
            person_set=self.person_set,
            person_offset=offset,
            level=LEVEL,
        )
        for (number, _), body in zip(groups, bodies, strict=True):
            name, place = sha256(body).hexdigest(), (self.pack.add(body), len(body))
            yield name, number, chrom, sum(size for _, size, _ in blocks), names, *place

    def _samples(self, groups: Sequence[tuple[int, Ints]]) -> pl.DataFrame:
        samples = self.whole.samples[self.group.columns]
        placed = [
            (offset + column, number, row)
            for number, (offset, columns) in enumerate(groups)
            for row, column in enumerate(columns.tolist())
        ]
        schema = {"index": pl.Int32, "group": pl.Int32, "group_row": pl.Int32}
        places = pl.DataFrame(placed, schema=schema, orient="row")
        numbered = samples.with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias("index"))
        joined = numbered.drop("group", "group_row").join(
            places, on="index", how="left", maintain_order="left"
        )
        return joined.select(samples.columns)

    # ------------------------------------------------------------------------- small tables

    def _extent(self) -> pl.DataFrame:
        """Return the extent without what is covered."""
        extent, layers = self.whole.extent, Cover(self.whole.folder).layers
        parts = [extent.clear()]
        for (chrom,), here in extent.group_by("chrom", maintain_order=True):
            left = Spans(here["start"].to_numpy(), here["end"].to_numpy())
            for cover in self.group.covers:
                left = cover.taken_from(left, str(chrom), layers)
            rows = {"chrom": [chrom] * len(left.first), "start": left.first, "end": left.last}
            parts.append(pl.DataFrame(rows, schema_overrides=extent.schema).select(*extent.columns))
        return pl.concat([part.cast(extent.schema) for part in parts])

    def _mapping(self) -> pl.DataFrame:
        """Return the mapping of the tiles in which the part lists a position."""
        mapping = self.whole.mapping
        parts = [mapping.clear()]
        for path in sorted((self.folder / "sites").glob("*.parquet")):
            sites = pl.scan_parquet(path)
            tiles = [
                sites.select("chrom", ((pl.col(at).clip(1) - 1) // (1 << TILE_BITS)).alias("tile"))
                for at in ("pos", "record_pos")
            ]
            listed = pl.concat(tiles).unique().collect()
            parts.append(listed.with_columns(pl.lit(path.stem).alias("family")))
        return pl.concat([part.select(*mapping.columns).cast(mapping.schema) for part in parts])

    def _excluded(self) -> pl.DataFrame:
        """Return what quality control excluded, of persons those of the part."""
        rows = pl.read_parquet(self.whole.folder / "excluded.parquet")
        persons = self.whole.person_ids[self.group.columns]
        other = (pl.col("kind") == PERSON) & ~pl.col("person_id").is_in(persons.tolist())
        return rows.filter(~other)

    def _write(self, name: str, rows: pl.DataFrame) -> None:
        rows.write_parquet(self.folder / f"{name}.parquet")


def some_calls(packed: PackedCalls, rows: Ints, columns: Ints) -> Calls:
    """Return the calls of some alleles and persons."""
    calls = unpack_calls(packed, rows)
    return Calls(
        np.take(calls.dosage, columns, axis=1),
        None if calls.haploid is None else np.take(calls.haploid, columns, axis=1),
        None if calls.phase is None else np.take(calls.phase, columns, axis=1),
    )
