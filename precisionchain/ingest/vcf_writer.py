"""Writing the tables and blocks of a VCF run, piece by piece, so that memory stays bounded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from precisionchain.ingest.vcf_assay import Interval, assayed_classes, extent_table
from precisionchain.ingest.vcf_blocks import person_groups
from precisionchain.ingest.vcf_file import VcfFile
from precisionchain.ingest.vcf_run import RUN_SITES, CallRun, Refused, table_schema, take_calls
from precisionchain.ingest.vcf_samples import SampleSet
from precisionchain.ingest.vcf_sites import compact
from precisionchain.ingest.vcf_structural_sites import STRUCTURAL_SITES, is_structural_run
from precisionchain.schemas.counts import COUNT_COLUMNS, packed_counts
from precisionchain.schemas.genome import tile_of, tiles
from precisionchain.schemas.genotypes import VariantBlock, pack_variant_block
from precisionchain.schemas.known_blocks import remember_variant_block
from precisionchain.schemas.near_calls import near_calls
from precisionchain.schemas.packed_calls import narrowed, take_persons
from precisionchain.schemas.structural import LONG_BASES

MAX_BODY_BYTES: Final = 2 * 2**20 - 64 * 2**10
"""An item holds 2 MiB; what is left is for the envelope, the keys and the signature."""

ROWS_WRITTEN: Final = 2**16
"""Rows of sites and counts written at a time: many small writes cost more than the blocks do."""

SAMPLES: Final = table_schema(
    {
        "index": pa.int32(),
        "sample_id": pa.string(),
        "person_id": pa.int64(),
        "sex": pa.uint8(),
        "father": pa.string(),
        "mother": pa.string(),
    }
)
SITES: Final = table_schema(
    {
        "chrom": pa.string(),
        **{field.name: field.type for field in RUN_SITES},
        "block": pa.int32(),
        "row": pa.int32(),
        **{field.name: field.type for field in STRUCTURAL_SITES},
    }
)
COUNTS: Final = table_schema(
    {
        "chrom": pa.string(),
        "pos": pa.int32(),
        "ref": pa.string(),
        "alt": pa.string(),
        **dict.fromkeys(COUNT_COLUMNS, pa.int32()),
    }
)
BLOCKS: Final = table_schema(
    {
        "block": pa.int32(),
        "chrom": pa.string(),
        "first_pos": pa.int32(),
        "last_pos": pa.int32(),
        "first_tile": pa.int32(),
        "last_tile": pa.int32(),
        "n_alleles": pa.int32(),
        "n_persons": pa.int32(),
        "person_offset": pa.int32(),
        "sha256": pa.binary(32),
        "structural": pa.bool_(),
    }
)
REFUSED: Final = table_schema(
    {
        "file": pa.string(),
        "line": pa.int64(),
        "chrom": pa.string(),
        "pos": pa.int32(),
        "rule": pa.string(),
        "severity": pa.string(),
    }
)


def person_set(samples: SampleSet) -> str:
    """Return the SHA-256 (hex) that names an ordered list of persons and their sexes."""
    digest = hashlib.sha256(b"precisionchain person set 1\0")
    digest.update(samples.person_ids.astype("<i8").tobytes())
    digest.update(samples.sex.tobytes())
    return digest.hexdigest()


class RunWriter:
    """The files of one run, in a folder that exists and is empty.

    A context manager: it closes its files; the caller renames the folder into place.
    """

    def __init__(self, folder: Path, samples: SampleSet) -> None:
        self._folder = folder
        self._groups = person_groups(len(samples.samples))
        self._person_set = person_set(samples)
        self._blocks: list[tuple[object, ...]] = []
        self._held: list[tuple[pa.Table, pa.Table]] = []
        self.alleles = 0
        self.has_small = self.has_symbolic = self.has_long = False
        self.body_bytes = 0
        (folder / "blocks").mkdir()
        self._sites = pq.ParquetWriter(folder / "sites.parquet", SITES, compression="zstd")
        self._counts = pq.ParquetWriter(folder / "counts.parquet", COUNTS, compression="zstd")
        self._refused = pq.ParquetWriter(folder / "refused.parquet", REFUSED, compression="zstd")
        _write(folder / "samples.parquet", _samples_table(samples))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._write_held()
        for writer in (self._sites, self._counts, self._refused):
            writer.close()

    @property
    def blocks(self) -> int:
        """Block bodies written so far."""
        return len(self._blocks)

    def add(self, run: CallRun) -> None:
        """Write the alleles of one block: a body for each person group, sites and counts.

        The bodies of the groups have consecutive numbers; ``sites.block`` is the first one's. A
        block whose body would be larger than an item is written as two.
        """
        self._note_classes(run)
        first = len(self._blocks)
        run = replace(run, sites=compact(run.sites))
        packed = []
        for group in self._groups:
            near = near_calls(narrowed(take_persons(run.calls, group)))
            body = pack_variant_block(
                run.sites,
                near,
                chrom=run.chrom,
                person_set=self._person_set,
                person_offset=group.start,
            )
            if len(body) > MAX_BODY_BYTES and len(run.sites) > 1:
                for half in _halves(run):
                    self.add(half)
                return
            packed.append((group, near, body))
        for number, (group, near, body) in enumerate(packed, first):
            name = self._write_body(number, run, group, body)
            block = VariantBlock(run.chrom, group.start, self._person_set, near, run.sites)
            remember_variant_block(name.hex(), block)
        self._write_tables(run, first)

    def copy(self, run: CallRun, bodies: Sequence[bytes]) -> None:
        """Write a block that was encoded before, of the same persons, as it is.

        Args:
            run: its alleles and calls.
            bodies: one for each person group, in order.
        """
        self._note_classes(run)
        first = len(self._blocks)
        for number, (group, body) in enumerate(zip(self._groups, bodies, strict=True), first):
            self._write_body(number, run, group, body)
        self._write_tables(run, first)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of variants that the batch assays."""
        structural = self.has_symbolic or (self.has_long and not self.has_small)
        return assayed_classes(small=self.has_small, structural=structural)

    def _note_classes(self, run: CallRun) -> None:
        if is_structural_run(run):
            self.has_symbolic = True
        elif not (self.has_small and self.has_long):
            ref, alt = (pc.utf8_length(run.sites[name]).to_numpy() for name in ("ref", "alt"))
            long = np.abs(ref - alt) >= LONG_BASES
            self.has_long = self.has_long or bool(long.any())
            self.has_small = self.has_small or not long.all()

    def _write_body(self, number: int, run: CallRun, group: slice, body: bytes) -> bytes:
        """Write a body; return its SHA-256."""
        (self._folder / "blocks" / f"{number:06d}.arrow").write_bytes(body)
        self.body_bytes += len(body)
        pos = run.sites["pos"]
        first, last = pos[0].as_py(), pos[-1].as_py()
        place = (number, run.chrom, first, last, tile_of(first), tile_of(last))
        size = (len(run.sites), group.stop - group.start, group.start)
        digest = hashlib.sha256(body).digest()
        self._blocks.append((*place, *size, digest, is_structural_run(run)))
        return digest

    def _write_tables(self, run: CallRun, block: int) -> None:
        n = len(run.sites)
        self.alleles += n
        chrom = pa.repeat(pa.scalar(run.chrom), n)
        rows = pa.array(np.arange(n, dtype=np.int32))
        place = {"chrom": chrom, "block": pa.repeat(pa.scalar(block, pa.int32()), n), "row": rows}
        listed = {name: run.sites[name] for name in run.sites.column_names} | place
        columns = [listed.get(field.name, pa.nulls(n, field.type)) for field in SITES]
        sites = pa.table(columns, schema=SITES)
        counts = packed_counts(run.calls).columns()
        key = [run.sites[name] for name in ("pos", "ref", "alt")]
        self._held.append((sites, pa.table([chrom, *key, *counts.values()], schema=COUNTS)))
        if sum(len(held) for held, _ in self._held) >= ROWS_WRITTEN:
            self._write_held()

    def _write_held(self) -> None:
        if self._held:
            for writer, tables in zip(
                (self._sites, self._counts), zip(*self._held, strict=True), strict=True
            ):
                writer.write_table(pa.concat_tables(tables))
        self._held = []

    def refuse(self, file: VcfFile, refused: Iterable[Refused]) -> None:
        """Write refused records of one file."""
        rows = [
            (file.path.name, file.line_of(r.record), r.chrom, r.pos, r.rule.value, "error")
            for r in refused
        ]
        if rows:
            self._refused.write_table(_table(rows, REFUSED))

    def finish(self, extent: Iterable[Interval]) -> None:
        """Write what is known at the end."""
        _write(self._folder / "extent.parquet", extent_table(extent))
        _write(self._folder / "blocks.parquet", _table(self._blocks, BLOCKS))


def _halves(run: CallRun) -> tuple[CallRun, CallRun]:
    """Cut a block in two, between two tiles if it has several."""
    tile = tiles(run.sites["pos"].to_numpy())
    edges: npt.NDArray[np.intp] = np.flatnonzero(tile[1:] != tile[:-1]) + 1
    middle = len(tile) // 2
    cut = int(edges[np.argmin(np.abs(edges - middle))]) if len(edges) else middle
    return (
        replace(run, sites=run.sites.slice(0, cut), calls=take_calls(run.calls, slice(0, cut))),
        replace(run, sites=run.sites.slice(cut), calls=take_calls(run.calls, slice(cut, None))),
    )


def _samples_table(samples: SampleSet) -> pa.Table:
    rows = [
        (i, s.sample_id, s.person_id, s.sex, s.father, s.mother)
        for i, s in enumerate(samples.samples)
    ]
    return _table(rows, SAMPLES)


def _table(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [() for _ in schema]
    return pa.table(
        [pa.array(column, type=field.type) for column, field in zip(columns, schema, strict=True)],
        schema=schema,
    )


def _write(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, compression="zstd")
