"""Blocks that a job packed itself are known by their bodies: as what these hold, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from precisionchain.errors import CodecError
from precisionchain.ingest import vcf_blocks
from precisionchain.ingest.encode_vcf import encode_vcf
from precisionchain.ingest.stage_vcf import stage_vcf
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.vcf_settings import VcfSettings
from precisionchain.replica import unpack_genetic as unpacking
from precisionchain.replica.catalogue import SealedBatch
from precisionchain.schemas import known_blocks
from precisionchain.schemas.genetic_payloads import PERSON_BLOCK, VARIANT_BLOCK
from precisionchain.schemas.genotypes import VariantBlock, unpack_variant_block
from precisionchain.schemas.items import Item
from precisionchain.schemas.known_blocks import (
    known_person_block,
    known_variant_block,
    packed_here,
)
from precisionchain.schemas.person_blocks import unpack_person_block
from tests.lib.genetic_runs import grouped, items_of, manifest, parameters
from tests.lib.vcf_builder import header, record, write_map, write_text

PERSONS = 70
BATCH_ID = b"\x02" * 32
SEALED = SealedBatch(BATCH_ID.hex(), "00" * 32, "A", "s", "vcf", 0, PERSONS)
KINDS = {
    "phased": ("9:100 A G", ("0|0", "0|1", "1|0", "1|1")),
    "unphased": ("9:200 C T", ("0/0", "0/1", "1/1")),
    "mixed": ("9:300 C T", ("0/0", "0|1", "1/1", "./.", ".|1")),
    "several": ("9:400 AT A,ATT", ("0|1", "1|2", "2|2", "./.")),
    "hemizygous": ("X:5000000 G A", ("0/0", "0/1", "1", "0")),
    "structural": ("9:500 T <DEL>", ("0/0", "0/1", "1/1")),
}


def staged(folder: Path, kinds: tuple[str, ...], records: int = 40) -> Run:
    """Stage some records of each kind, of persons half of whom are male."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(len(kinds))
    names = [f"s{i}" for i in range(PERSONS)]
    lines: list[tuple[int, str]] = []
    for kind in kinds:
        spec, calls = KINDS[kind]
        place, *alleles = spec.split()
        chrom, first = place.split(":")
        for at in range(records):
            pos = int(first) + 7 * at + 1000 * (at // 10)
            of_males = [call for call in calls if chrom != "X" or len(call) == 1]
            of_females = [call for call in calls if chrom != "X" or len(call) > 1]
            said = (rng.choice(of_females if i % 2 else of_males) for i in range(PERSONS))
            info = f"END={pos + 50}" if "<" in spec else "."
            line = record(f"{chrom}:{pos} {' '.join(alleles)} {' '.join(said)}", info=info)
            lines.append((pos, line))
    text = header(dict.fromkeys(line.split("\t")[0] for _, line in lines), samples=names)
    ordered = sorted(lines, key=lambda line: (line[1].split("\t")[0], line[0]))
    vcf = write_text(folder / "a.vcf", text + "".join(line for _, line in ordered))
    rows = [f"{name},{i + 1},{'F' if i % 2 else 'M'}" for i, name in enumerate(names)]
    settings = VcfSettings(samples=write_map(folder / "m.csv", *rows), build="GRCh37")
    return stage_vcf(Staging(folder / "staging"), [vcf], settings)


def bodies(run: Run) -> Iterator[bytes]:
    return (path.read_bytes() for path in sorted((run.path / "blocks").iterdir()))


def require_equal(known: VariantBlock | None, body: bytes) -> None:
    read = unpack_variant_block(body)
    assert known is not None
    for name in ("chrom", "person_offset", "person_set", "n_alleles", "n_persons"):
        assert getattr(known, name) == getattr(read, name)
    assert known.sites.equals(read.sites, check_metadata=True)
    assert known.near.phase == read.near.phase
    for name in ("places", "long", "missing", "phased", "haploid"):
        ours, theirs = getattr(known.near, name), getattr(read.near, name)
        assert (ours is None) == (theirs is None)
        assert ours is None or (ours.dtype == theirs.dtype and np.array_equal(ours, theirs))
    assert known.near.links.to_bytes() == read.near.links.to_bytes()


def files_below(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def items_of_run(run: Run) -> list[Item]:
    return grouped(items_of(encode_vcf(run.path, parameters()), BATCH_ID))


def unpacked(items: list[Item], folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    unpacking.unpack_genetic(SEALED, manifest(BATCH_ID, PERSONS), iter(items), folder)
    return files_below(folder)


@pytest.mark.parametrize("kinds", [*((kind,) for kind in KINDS), tuple(KINDS)], ids="-".join)
@pytest.mark.parametrize("at_once", [8192, 30])
def test_what_is_known_of_a_body_is_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, ...], at_once: int
) -> None:
    monkeypatch.setattr(vcf_blocks, "MAX_PERSONS", at_once)
    with packed_here():
        run = staged(tmp_path, kinds)
        for body in bodies(run):
            require_equal(known_variant_block(sha256(body).hexdigest()), body)
        drafts = list(encode_vcf(run.path, parameters()))
        turned = [draft.payload.body for draft in drafts if draft.payload.kind == PERSON_BLOCK]
        assert turned
        for body in turned:
            known, read = known_person_block(sha256(body).hexdigest()), unpack_person_block(body)
            assert known is not None
            assert (known.chrom, known.person_set) == (read.chrom, read.person_set)
            assert (known.blocks, known.n_alleles) == (read.blocks, read.n_alleles)
            assert known.persons.tolist() == read.persons.tolist()
            assert known.persons.dtype == read.persons.dtype


def test_the_replica_is_the_same_whether_its_blocks_are_known_or_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = items_of_run(staged(tmp_path / "other", tuple(KINDS)))
    read = unpacked(items, tmp_path / "read")
    with packed_here():
        run = staged(tmp_path, tuple(KINDS))
        assert items_of_run(run) == items
        with monkeypatch.context() as patch:
            for name in ("unpack_variant_block", "unpack_person_block"):
                patch.delattr(unpacking, name)  # nothing is left to be read
            assert unpacked(items, tmp_path / "known") == read
    assert len([name for name in read if name.startswith("sites")]) > 2


def test_a_staged_run_is_read_once_for_both_the_persons_and_the_replica(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = staged(tmp_path, ("mixed",))
    with packed_here():
        items = items_of_run(run)
        monkeypatch.delattr(unpacking, "unpack_variant_block")
        found = unpacked(items, tmp_path / "known")
    monkeypatch.undo()
    assert found == unpacked(items, tmp_path / "read")


def test_nothing_is_known_of_another_body_outside_and_where_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with packed_here():
        run = staged(tmp_path / "one", ("phased",))
        items = items_of_run(run)
        changed = [
            replace(item, payload=replace(item.payload, body=item.payload.body[:-1] + b"?"))
            if item.payload.kind in (VARIANT_BLOCK, PERSON_BLOCK)
            else item
            for item in items
        ]
        with pytest.raises(CodecError):
            unpacked(changed, tmp_path / "changed")
        with packed_here():  # what one job does is one
            assert all(known_variant_block(sha256(body).hexdigest()) for body in bodies(run))
    names = [sha256(body).hexdigest() for body in bodies(run)]
    assert not any(known_variant_block(name) for name in names)
    with packed_here():
        assert not any(known_variant_block(name) for name in names)
        monkeypatch.setattr(known_blocks, "MAX_BYTES", 0)
        again = staged(tmp_path / "two", ("phased",))
        assert items_of_run(again) == items
        assert not any(known_variant_block(name) for name in names)
