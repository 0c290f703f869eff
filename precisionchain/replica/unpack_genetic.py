"""One sealed VCF batch as files: bodies as they are on the ledger, and what finds calls in them.

The layout is drawn in `genetic_batch`. Everything is checked here that a reader relies on later:
what a block refers to is in the batch, the counts are of the sites, every person is in one group.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from precisionchain.errors import IntegrityError
from precisionchain.replica.catalogue import SealedBatch
from precisionchain.replica.genetic_frames import (
    alleles_digest,
    block_sites,
    counts_rows,
    joined_rows,
    table_frame,
    write_rows,
)
from precisionchain.replica.pack import Pack, new_pack
from precisionchain.replica.recount import recount
from precisionchain.replica.unpack_sequencing import unpack_sequencing
from precisionchain.replica.unpack_sites import LIST_OF, unpack_site_calls
from precisionchain.schemas.arrow_values import column_of
from precisionchain.schemas.corrections import CORRECTED_COUNTS
from precisionchain.schemas.exclusions import EXCLUDED, EXCLUDED_KIND, read_excluded
from precisionchain.schemas.genetic_payloads import (
    ASSAY,
    MAP_SAMPLE,
    MAP_VARIANT,
    PERSON_BLOCK,
    VARIANT_BLOCK,
    Assay,
    counted_family,
    genetic_rows,
    read_assay,
)
from precisionchain.schemas.genotypes import unpack_variant_block
from precisionchain.schemas.items import Item
from precisionchain.schemas.known_blocks import known_person_block, known_variant_block
from precisionchain.schemas.manifest import Manifest
from precisionchain.schemas.person_blocks import unpack_person_block
from precisionchain.schemas.streams import SEQUENCING, family_of

__all__ = ["recount", "unpack_genetic"]

VARIANT_BLOCKS: Final = {
    "object": pl.String,
    "family": pl.String,
    "run": pl.Int32,
    "first_row": pl.Int32,
    "chrom": pl.String,
    "first_pos": pl.Int32,
    "last_pos": pl.Int32,
    "n_alleles": pl.Int32,
    "person_offset": pl.Int32,
    "n_persons": pl.Int32,
    "start": pl.Int64,
    "bytes": pl.Int64,
}
PERSON_BLOCKS: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "object": pl.String,
    "group": pl.Int32,
    "chrom": pl.String,
    "n_alleles": pl.Int32,
    "blocks": pl.List(pl.String),
    "start": pl.Int64,
    "bytes": pl.Int64,
}
_PLACE: Final = ("person_offset", "n_persons")


def unpack_genetic(
    batch: SealedBatch, manifest: Manifest, items: Iterator[Item], folder: Path
) -> None:
    """Write a batch's files below a folder.

    Args:
        batch: the sealed batch.
        manifest: its manifest.
        items: its items, checked against their leaves, all of a family together.
        folder: an empty folder of its own.

    Raises:
        IntegrityError: the items contradict each other; CodecError where one cannot be read.
    """
    for name in ("sites", "counts"):
        (folder / name).mkdir()
    with new_pack(folder) as pack:
        unpacking = _Unpacking(folder, pack, f"batch {batch.batch[:16]}")
        _take(unpacking, batch, items)
    unpacking.finish(manifest.persons)


def _take(unpacking: _Unpacking, batch: SealedBatch, items: Iterator[Item]) -> None:
    folder = unpacking.folder
    for family, found in groupby(items, key=lambda item: family_of(item.stream)):
        if family == SEQUENCING:
            unpack_sequencing(found, batch.source, folder)
        elif family in LIST_OF:
            unpack_site_calls(found, LIST_OF[family], folder)
        else:
            unpacking.family(family, sorted(found, key=lambda item: item.ordinal))


@dataclass(slots=True)
class _Unpacking:
    """What is known of a batch while its families come by."""

    folder: Path
    pack: Pack
    where: str
    variant_blocks: list[tuple[Any, ...]] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    listed: dict[str, str] = field(default_factory=dict)
    counted: dict[str, str] = field(default_factory=dict)
    person_blocks: list[tuple[Any, ...]] = field(default_factory=list)
    groups: dict[bytes, tuple[int, list[int]]] = field(default_factory=dict)
    person_sets: set[str] = field(default_factory=set)
    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    assay: Assay | None = None
    quality_control: dict[str, Any] = field(default_factory=dict)
    runs: int = 0

    def family(self, family: str, items: list[Item]) -> None:
        """Take all items of a family; corrections of earlier batches' counts are not this one's."""
        items = [item for item in items if item.payload.kind != CORRECTED_COUNTS]
        if not items:
            return
        kind = items[0].payload.kind
        if any(item.payload.kind != kind for item in items):
            raise self._wrong(f"family {family} holds items of several kinds")
        if kind == VARIANT_BLOCK:
            self._variant_blocks(family, items)
        elif kind == PERSON_BLOCK:
            for item in items:
                self._person_block(item)
        elif kind == "counts":
            rows = joined_rows([counts_rows(item.payload) for item in items])
            of = counted_family(family)
            write_rows(rows, self.folder / "counts" / f"{of}.parquet")
            self.counted[of] = alleles_digest(rows)
        elif kind == "assay":
            self.tables[kind] = []
            for item in items:
                self.assay, extent = read_assay(item.payload)
                self.tables[kind].append(extent)
        elif kind in ("map-variant", "map-sample"):
            self.tables[kind] = [genetic_rows(item.payload) for item in items]
        elif kind == EXCLUDED_KIND:
            for item in items:
                excluded, self.quality_control = read_excluded(item.payload)
                self.tables.setdefault(kind, []).append(excluded)
        else:
            raise self._wrong(f"family {family} holds items of a kind this version does not read")

    def _variant_blocks(self, family: str, items: list[Item]) -> None:
        """Write a family's sites: those of each run once, whichever persons its blocks hold."""
        parts: list[pa.Table] = []
        rows = 0
        latest: pa.Table | None = None
        for item in items:
            body = item.payload.body
            name = sha256(body).hexdigest()
            block = known_variant_block(name) or unpack_variant_block(body)
            sites = block_sites(block)
            size = sites.num_rows
            if block.person_offset == 0:
                latest = sites
                self.runs += 1
                run = column_of(np.full(size, self.runs - 1, np.int32))
                row = column_of(np.arange(size, dtype=np.int32))
                parts.append(sites.append_column("run", run).append_column("row", row))
                rows += size
            elif latest is None or not sites.equals(latest):
                raise self._wrong(f"blocks of one run in {family} have different sites")
            first, last = (sites.column("pos")[at].as_py() for at in (0, size - 1))
            spot = (name, family, self.runs - 1, rows - size, block.chrom, first, last)
            place = (self.pack.add(body, block.near.links.to_bytes()), len(body))
            self.variant_blocks.append((*spot, size, block.person_offset, block.n_persons, *place))
            self.sizes[name] = size
            self.person_sets.add(block.person_set)
        listed = joined_rows(parts)
        write_rows(listed, self.folder / "sites" / f"{family}.parquet")
        self.listed[family] = alleles_digest(listed)

    def _person_block(self, item: Item) -> None:
        body = item.payload.body
        name = sha256(body).hexdigest()
        block = known_person_block(name) or unpack_person_block(body)
        persons = block.persons
        group, _ = self.groups.setdefault(persons.tobytes(), (len(self.groups), persons.tolist()))
        self.person_sets.add(block.person_set)
        named = [digest for digest, _ in block.blocks]
        place = (self.pack.add(body), len(body))
        self.person_blocks.append((name, group, block.chrom, block.n_alleles, named, *place))
        if any(self.sizes.get(digest) != size for digest, size in block.blocks):
            raise self._wrong("a person block refers to variant blocks that the batch has not")

    def finish(self, persons: int) -> None:
        """Write what needed all items, and check that they belong together."""
        missing = [k for k in ("assay", "map-variant", "map-sample") if k not in self.tables]
        if missing or self.assay is None:
            raise self._wrong(f"the batch has no item of kind {', '.join(missing)}")
        if len(self.person_sets) > 1:
            raise self._wrong("blocks of the batch are of different lists of persons")
        (self.folder / "assay.json").write_text(json.dumps(asdict(self.assay)), encoding="utf-8")
        self._write("extent", self._table("assay", ASSAY))
        self._write("map_variant", self._table("map-variant", MAP_VARIANT))
        mode = str(self.quality_control.get("mode", "none"))
        self.tables.setdefault(EXCLUDED_KIND, [])
        excluded = self._table(EXCLUDED_KIND, EXCLUDED)
        self._write("excluded", excluded.with_columns(pl.lit(mode).alias("mode")))
        self._write("samples", self._samples(persons))
        blocks = pl.DataFrame(self.variant_blocks, schema=VARIANT_BLOCKS, orient="row")
        self._write("variant_blocks", blocks)
        person_blocks = pl.DataFrame(self.person_blocks, schema=PERSON_BLOCKS, orient="row")
        self._write("person_blocks", person_blocks)
        self._check_persons(blocks, persons)
        self._check_groups(blocks, person_blocks)
        self._check_counts(blocks["family"].unique().to_list())

    def _samples(self, persons: int) -> pl.DataFrame:
        """Return the persons with their group and their row in its blocks (null: no such view)."""
        samples = self._table("map-sample", MAP_SAMPLE).sort("index")
        if samples["index"].to_list() != list(range(persons)):
            raise self._wrong("the persons are not numbered from 0 to their number in the manifest")
        if samples["person_id"].n_unique() < persons:
            raise self._wrong("a person is twice in the batch")
        placed = pl.DataFrame(
            [
                (index, group, row)
                for group, members in self.groups.values()
                for row, index in enumerate(members)
            ],
            schema={"index": pl.Int32, "group": pl.Int32, "group_row": pl.Int32},
            orient="row",
        )
        if placed.height and sorted(placed["index"].to_list()) != list(range(persons)):
            raise self._wrong("a person is in no person block, or in blocks of several groups")
        return samples.join(placed, on="index", how="left", maintain_order="left")

    def _check_persons(self, blocks: pl.DataFrame, persons: int) -> None:
        """Check that the blocks of every run hold each person once."""
        offset, size = pl.col("person_offset"), pl.col("n_persons")
        whole = (offset == (size.cum_sum() - size).over("run")) & (
            size.sum().over("run") == persons
        )
        if not blocks.sort("run", "person_offset").select(whole.all()).item():
            raise self._wrong("a run of variant blocks has not each of the batch's persons once")

    def _check_groups(self, blocks: pl.DataFrame, person_blocks: pl.DataFrame) -> None:
        """Check that each group of persons has all variant blocks that hold them, each once."""
        turned: dict[int, list[str]] = defaultdict(list)
        for group, named in person_blocks.select("group", "blocks").iter_rows():
            turned[group] += named
        held: dict[tuple[int, int], list[str]] = defaultdict(list)
        for name, offset, size in blocks.select("object", *_PLACE).iter_rows():
            held[offset, size].append(name)
        for group, members in self.groups.values():
            first, last = min(members), max(members)
            of_group = [
                name
                for (offset, size), names in held.items()
                if offset <= first and last < offset + size
                for name in names
            ]
            if sorted(turned[group]) != sorted(of_group):
                raise self._wrong("person blocks do not hold what the variant blocks hold")

    def _check_counts(self, families: list[str]) -> None:
        """Check that each family's counts are of its sites, row by row."""
        for family in families:
            if self.counted.get(family) != self.listed[family]:
                raise self._wrong(f"the counts are not of the alleles in {family}")

    def _table(self, kind: str, schema: pa.Schema) -> pl.DataFrame:
        return table_frame(
            pa.concat_tables([pa.Table.from_batches([], schema), *self.tables[kind]])
        )

    def _write(self, name: str, rows: pl.DataFrame) -> None:
        rows.write_parquet(self.folder / f"{name}.parquet")

    def _wrong(self, message: str) -> IntegrityError:
        return IntegrityError(message, where=self.where, hint="run `precisionchain verify`")
