"""Genotypes as a test writes them, as a staged run, as a replica, and by a slow reading of states.

A batch is a list of records with one text a person (``0|1``, ``./.``, ``1``). `write_run` writes
what `ingest.stage_vcf` would, without a VCF file; `state` says what is known of a person at an
allele by going through the records one by one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.encode_vcf import encode_vcf
from precisionchain.replica.catalogue import Catalogue, SealedBatch, Snapshot
from precisionchain.replica.fold_counts import fold_counts
from precisionchain.replica.unpack_genetic import unpack_genetic
from precisionchain.schemas.calls import Calls
from precisionchain.schemas.genome import bin_of, chrom_rank, expected_ploidy, tile_of
from precisionchain.schemas.genotypes import pack_variant_block
from precisionchain.schemas.items import Item, ItemClass
from precisionchain.schemas.manifest import Manifest
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.structural import is_structural
from precisionchain.schemas.variant import trim

BUILD = "GRCh37"
MALE, FEMALE, UNKNOWN = 1, 2, 0
PUBLISHER = bytes(range(32))

Key = tuple[str, int, str, str]
"""Chromosome, position, ref and alt of an allele."""

Row = dict[str, Any]
Split = tuple[Key, int, int]
"""An allele, its number in its record, and the record's number."""


@dataclass(frozen=True)
class Person:
    """A person of a batch."""

    person_id: int
    sex: int = UNKNOWN


@dataclass(frozen=True)
class Record:
    """A record as written: its ALTs, and a text for each person of the batch."""

    chrom: str
    pos: int
    ref: str
    alts: tuple[str, ...]
    calls: tuple[str, ...]

    def alleles(self) -> list[tuple[int, Key]]:
        """The number and the trimmed key of each ALT; 0 and ``.`` where there is none."""
        named = [(n, alt) for n, alt in enumerate(self.alts, 1) if alt not in ("*", ".")]
        if not named:
            return [(0, (self.chrom, self.pos, self.ref, "."))]
        return [(n, (self.chrom, *trim(self.pos, self.ref, alt))) for n, alt in named]


@dataclass(frozen=True)
class Batch:
    """One batch: ``kind``, ``extent`` (closed intervals) and ``classes`` are its assay."""

    persons: tuple[Person, ...]
    records: tuple[Record, ...]
    kind: str = "sites"
    extent: tuple[tuple[str, int, int], ...] = ()
    classes: tuple[str, ...] = ("snv", "indel")

    def of(self, columns: Sequence[int], *, without_copies: bool = True) -> Batch:
        """The batch of some persons; by choice without records nobody of them has an ALT of."""
        records = [
            Record(r.chrom, r.pos, r.ref, r.alts, tuple(r.calls[i] for i in columns))
            for r in self.records
        ]
        kept = [
            r for r in records if without_copies or any(set(text) - set("0./|") for text in r.calls)
        ]
        persons = tuple(self.persons[i] for i in columns)
        return Batch(persons, tuple(kept), self.kind, self.extent, self.classes)


@dataclass(frozen=True)
class State:
    """What is known of a person at an allele."""

    genotype: str
    ploidy: int | None = None
    phase: str | None = None


NOT_ASSAYED = State("not_assayed")


# ------------------------------------------------------------------------ the slow reading


def read_call(text: str, number: int) -> State:
    """Read a call's text for one ALT (0: none of them)."""
    alleles = text.replace("|", "/").split("/")
    if "." in alleles:
        return State("missing")
    copies = [int(number > 0 and allele == str(number)) for allele in alleles]
    phased = "|" in text and len(copies) == 2
    return State(str(sum(copies)), len(copies), f"{copies[0]}|{copies[1]}" if phased else None)


def state(batch: Batch, column: int, key: Key) -> State:
    """Return what a batch knows of one of its persons at an allele."""
    chrom, pos, _, alt = key
    for record in batch.records:
        for number, own in record.alleles():
            if own == key:
                return read_call(record.calls[column], number)
    for record in batch.records:
        bases = [own[1] for _, own in record.alleles() if not is_structural(own[3])]
        listed = {record.pos, *bases} if bases else set()
        if record.chrom == chrom and pos in listed and not is_structural(alt):
            return read_call(record.calls[column], 0)
    called = ("sv" if is_structural(alt) else "snv") in batch.classes
    if called and any(c == chrom and first <= pos <= last for c, first, last in batch.extent):
        male = batch.persons[column].sex == MALE
        ploidy = expected_ploidy(BUILD, chrom, pos, male=male)
        return State("0", ploidy) if ploidy else NOT_ASSAYED
    return NOT_ASSAYED


def counts(batches: Sequence[Batch], key: Key) -> dict[str, int]:
    """Count an allele over batches, person by person."""
    total = dict.fromkeys(("ac", "an", "n_het", "n_hom_alt", "n_hemi", "n_missing", "batches"), 0)
    for batch in batches:
        an = 0
        for column in range(len(batch.persons)):
            found = state(batch, column, key)
            if found.genotype == "missing":
                total["n_missing"] += 1
            if found.ploidy is None:
                continue
            an += found.ploidy
            total["ac"] += int(found.genotype)
            total["n_het"] += (found.genotype, found.ploidy) == ("1", 2)
            total["n_hom_alt"] += found.genotype == "2"
            total["n_hemi"] += (found.genotype, found.ploidy) == ("1", 1)
        total["an"] += an
        total["batches"] += an > 0
    return total


def listed_keys(batches: Sequence[Batch]) -> set[Key]:
    """Return the alleles that any batch lists."""
    keys = {key for b in batches for record in b.records for _, key in record.alleles()}
    return {key for key in keys if key[3] != "."}


# -------------------------------------------------------------------- the run and the replica


def write_run(folder: Path, batch: Batch, *, alleles: int = 3, persons: int = 1_000) -> Path:
    """Write a staged run, in blocks of at most so many alleles and persons."""
    (folder / "blocks").mkdir(parents=True)
    rows = sorted(
        (
            (key, number, index)
            for index, record in enumerate(batch.records)
            for number, key in record.alleles()
        ),
        key=lambda row: (chrom_rank(row[0][0]), is_structural(row[0][3]), *row[0][1:]),
    )
    sites: list[Row] = []
    counted: list[Row] = []
    blocks: list[Any] = []
    for run in _runs(rows, alleles):
        first = len(blocks)
        calls = _calls(batch, run)
        of_run = _site_rows(batch, run)
        for offset in range(0, len(batch.persons), persons):
            columns = slice(offset, offset + persons)
            body = _body(of_run, calls, columns, run[0][0][0], offset)
            (folder / "blocks" / f"{len(blocks):06d}.arrow").write_bytes(body)
            pos = [key[1] for key, _, _ in run]
            digest = sha256(body).digest()
            size = (len(run), len(batch.persons[columns]), offset, digest, _kind(run[0]))
            tiles = (tile_of(pos[0]), tile_of(pos[-1]))
            blocks.append((len(blocks), run[0][0][0], pos[0], pos[-1], *tiles, *size))
        for place, ((key, _, _), site) in enumerate(zip(run, of_run, strict=True)):
            sites.append({"chrom": key[0], **site, "block": first, "row": place})
            numbers = counts([Batch(batch.persons, batch.records)], key)
            if key[3] == ".":
                numbers |= _of_record(batch, key)
            numbers.pop("batches")
            counted.append(dict(zip(("chrom", "pos", "ref", "alt"), key, strict=True)) | numbers)
    _write_tables(folder, batch, sites, counted, blocks)
    return folder


def replica(
    root: Path,
    batches: Sequence[Batch],
    *,
    sites: Sequence[str] | None = None,
    alleles: int = 3,
    persons: int = 1_000,
) -> Snapshot:
    """Encode batches and unpack them below a folder; batch *i* is of ``sites[i]`` (default A)."""
    sealed = []
    snapshot = Snapshot(root, Catalogue("", 0, 0))
    for number, batch in enumerate(batches):
        run = write_run(root / f"run{number}", batch, alleles=alleles, persons=persons)
        batch_id = bytes([number + 1]) * 32
        drafts = encode_vcf(run, parameters())
        items = grouped(items_of(drafts, batch_id))
        site = sites[number] if sites else "A"
        described = SealedBatch(
            batch_id.hex(), PUBLISHER.hex(), site, f"s{number}", "vcf", number, len(batch.persons)
        )
        folder = snapshot.batch_folder(described.batch)
        folder.mkdir(parents=True)
        unpack_genetic(described, manifest(batch_id, len(batch.persons)), iter(items), folder)
        sealed.append((described, folder))
    files = fold_counts(sealed, root / "folded")
    names = {name: str(path.relative_to(root)) for name, path in files.items()}
    found = tuple(described for described, _ in sealed)
    return Snapshot(root, Catalogue("", 1, 0, found, files=names, sealed=found))


def parameters() -> NetworkParameters:
    """Network parameters of which only the build and the sizes matter."""
    return NetworkParameters(nonce="00" * 16, build=BUILD, ancestors={}, published={})


def manifest(batch_id: bytes, persons: int) -> Manifest:
    """A manifest that says how many persons a batch has."""
    return Manifest(
        kind="vcf",
        batch=batch_id.hex(),
        parent="00" * 32,
        source="s",
        source_id="00" * 32,
        items=0,
        root="",
        families=(),
        pages=(),
        persons=persons,
    )


def items_of(drafts: Iterable[Draft], batch_id: bytes) -> list[Item]:
    """Number drafts as a batch's items, all in bucket 1."""
    return [
        Item(
            f"{draft.family}_1",
            draft.keys,
            ItemClass.BATCH,
            PUBLISHER,
            batch_id,
            ordinal,
            draft.payload,
        )
        for ordinal, draft in enumerate(drafts)
    ]


def grouped(items: Sequence[Item]) -> list[Item]:
    """Order items as a reader gets them: family by family."""
    families = list(dict.fromkeys(item.stream for item in items))
    return sorted(items, key=lambda item: families.index(item.stream))


def _runs(rows: list[Split], alleles: int) -> Iterator[list[Split]]:
    """Cut sorted alleles where a block must end: chromosome, bin, size, kind."""
    run: list[Split] = []
    for row in rows:
        if run and (len(run) == alleles or _place(row) != _place(run[0])):
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _kind(row: Split) -> bool:
    return is_structural(row[0][3])


def _place(row: Split) -> tuple[str, bool, int]:
    return row[0][0], _kind(row), 0 if _kind(row) else bin_of(row[0][1])


def _calls(batch: Batch, run: list[Split]) -> Calls:
    shape = (len(run), len(batch.persons))
    dosage, phase = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    haploid = np.zeros(shape, np.bool_)
    for i, (_, number, index) in enumerate(run):
        for j, text in enumerate(batch.records[index].calls):
            found = read_call(text, number)
            dosage[i, j] = 3 if found.genotype == "missing" else int(found.genotype)
            haploid[i, j] = found.ploidy == 1
            phase[i, j] = 0 if found.phase is None else 1 + (found.phase == "1|0")
    return Calls(dosage, haploid, phase)


def _site_rows(batch: Batch, run: list[Split]) -> list[Row]:
    return [
        {
            "pos": key[1],
            "ref": key[2],
            "alt": key[3],
            "id": None,
            "record": index,
            "alt_index": number,
            "n_alts": len(batch.records[index].alts),
            "record_pos": batch.records[index].pos,
            "record_end": batch.records[index].pos + len(batch.records[index].ref) - 1,
            "filter": "PASS",
            **({"svtype": "DEL"} if is_structural(key[3]) else {}),
        }
        for key, number, index in run
    ]


_SITES = {
    "pos": pl.Int32,
    "ref": pl.String,
    "alt": pl.String,
    "id": pl.String,
    "record": pl.Int32,
    "alt_index": pl.UInt8,
    "n_alts": pl.UInt8,
    "record_pos": pl.Int32,
    "record_end": pl.Int32,
    "filter": pl.String,
}


def _body(sites: list[Row], calls: Calls, columns: slice, chrom: str, offset: int) -> bytes:
    assert calls.haploid is not None
    assert calls.phase is not None
    structural = {"svtype": pl.String} if "svtype" in sites[0] else {}
    return pack_variant_block(
        pl.DataFrame(sites, schema={**_SITES, **structural}).to_arrow(),
        Calls(calls.dosage[:, columns], calls.haploid[:, columns], calls.phase[:, columns]),
        chrom=chrom,
        person_set="00",
        person_offset=offset,
    )


def _of_record(batch: Batch, key: Key) -> dict[str, int]:
    """Count a record without ALT: what is called, and what is missing."""
    record = next(r for r in batch.records if any(own == key for _, own in r.alleles()))
    states = [read_call(text, 0) for text in record.calls]
    an = sum(found.ploidy or 0 for found in states)
    missing = sum(found.genotype == "missing" for found in states)
    return {"an": an, "n_missing": missing}


def _write_tables(
    folder: Path, batch: Batch, sites: list[Row], counted: list[Row], blocks: list[Any]
) -> None:
    said = {"assay": {"kind": batch.kind, "classes": list(batch.classes)}}
    (folder / "run.json").write_text(json.dumps(said), encoding="utf-8")
    ints = dict.fromkeys(("ac", "an", "n_het", "n_hom_alt", "n_hemi", "n_missing"), pl.Int32)
    key = {"chrom": pl.String, "pos": pl.Int32, "ref": pl.String, "alt": pl.String}
    tables: dict[str, tuple[list[Row], dict[str, Any]]] = {
        "samples": (
            [
                {"index": i, "sample_id": f"s{i}", "person_id": p.person_id, "sex": p.sex}
                for i, p in enumerate(batch.persons)
            ],
            {"index": pl.Int32, "sample_id": pl.String, "person_id": pl.Int64, "sex": pl.UInt8},
        ),
        "sites": (
            sites,
            {
                "chrom": pl.String,
                **_SITES,
                "block": pl.Int32,
                "row": pl.Int32,
                "svtype": pl.String,
            },
        ),
        "counts": (counted, {**key, **ints}),
        "extent": (
            [dict(zip(("chrom", "start", "end"), i, strict=True)) for i in sorted(batch.extent)],
            {"chrom": pl.String, "start": pl.Int32, "end": pl.Int32},
        ),
    }
    for name, (rows, schema) in tables.items():
        pl.DataFrame(rows, schema=schema).write_parquet(folder / f"{name}.parquet")
    pl.DataFrame(
        blocks,
        schema={
            "block": pl.Int32,
            "chrom": pl.String,
            "first_pos": pl.Int32,
            "last_pos": pl.Int32,
            "first_tile": pl.Int32,
            "last_tile": pl.Int32,
            "n_alleles": pl.Int32,
            "n_persons": pl.Int32,
            "person_offset": pl.Int32,
            "sha256": pl.Binary,
            "structural": pl.Boolean,
        },
        orient="row",
    ).write_parquet(folder / "blocks.parquet")
