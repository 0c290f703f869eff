"""What a staged run of genotypes becomes: items, families, keys, and what stays at home."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from precisionchain.errors import OverlapError
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.encode_persons import PersonGroup, person_groups
from precisionchain.ingest.encode_vcf import encode_vcf
from precisionchain.ingest.overlap import refuse_overlap
from precisionchain.replica.catalogue import Catalogue, SealedBatch, Snapshot
from precisionchain.schemas.genetic_payloads import Assay, genetic_rows, read_assay
from precisionchain.schemas.genotypes import unpack_variant_block
from precisionchain.schemas.person_blocks import unpack_person_block
from tests.lib.genetic_runs import (
    PUBLISHER,
    Batch,
    Person,
    Record,
    parameters,
    replica,
    write_run,
)

GROUP = 256


def persons(count: int, first: int = 1) -> tuple[Person, ...]:
    return tuple(Person(first + i, 1 + i % 2) for i in range(count))


def record(place: str, calls: Iterable[str]) -> Record:
    """A record of ``1:100 A G,T``."""
    where, ref, alts = place.split()
    chrom, pos = where.split(":")
    return Record(chrom, int(pos), ref, tuple(alts.split(",")), tuple(calls))


def cohort(size: int, *places: str) -> Batch:
    """Persons whose calls differ, at several places."""
    made = np.random.default_rng(size).choice(["0|0", "0|1", "1|0", "./."], (len(places), size))
    records = tuple(record(place, row) for place, row in zip(places, made.tolist(), strict=True))
    return Batch(persons(size), records)


PLACES = (
    "1:100 A G",
    "1:16384 AT AC",
    "1:40000 C T,G",
    "1:16777217 G A",
    "2:50 T C",
    "GL1:7 A T",
)


def drafts(folder: Path, batch: Batch, **sizes: int) -> list[Draft]:
    return list(encode_vcf(write_run(folder, batch, **sizes), parameters()))


def of_kind(found: Iterable[Draft], kind: str) -> list[Draft]:
    return [draft for draft in found if draft.payload.kind == kind]


def test_items_come_as_data_then_counts_then_mappings(tmp_path: Path) -> None:
    found = drafts(tmp_path, cohort(70, *PLACES))
    kinds = list(dict.fromkeys(draft.payload.kind for draft in found))
    assert kinds == [
        "variant-block",
        "person-block",
        "counts",
        "assay",
        "map-variant",
        "map-sample",
    ]


def test_the_same_run_gives_the_same_items(tmp_path: Path) -> None:
    batch = cohort(70, *PLACES)
    assert drafts(tmp_path / "a", batch) == drafts(tmp_path / "b", batch)


def test_blocks_are_published_as_they_were_staged(tmp_path: Path) -> None:
    found = of_kind(drafts(tmp_path, cohort(5, *PLACES), alleles=1), "variant-block")
    staged = [path.read_bytes() for path in sorted((tmp_path / "blocks").iterdir())]
    assert [draft.payload.body for draft in found] == staged


def test_variant_blocks_are_keyed_by_every_tile_that_lists_a_position(tmp_path: Path) -> None:
    """1:16384 AT>AC is written in tile 0 and, trimmed to 16385 T>C, found in tile 1."""
    found = of_kind(drafts(tmp_path, cohort(5, *PLACES), alleles=10), "variant-block")
    assert [(draft.family, draft.keys) for draft in found] == [
        ("VAR_1_1_16777216", ("t:1:0", "t:1:1", "t:1:2")),
        ("VAR_1_16777217_33554432", ("t:1:1024",)),
        ("VAR_2_1_16777216", ("t:2:0",)),
        ("VAR_UN_1_16777216", ("t:GL1:0",)),
    ]


def test_the_mapping_leads_from_each_of_these_tiles_to_the_family(tmp_path: Path) -> None:
    (mapping,) = of_kind(drafts(tmp_path, cohort(5, *PLACES), alleles=1), "map-variant")
    assert set(pl.DataFrame(genetic_rows(mapping.payload)).iter_rows()) == {
        ("1", 0, "VAR_1_1_16777216"),
        ("1", 1, "VAR_1_1_16777216"),
        ("1", 2, "VAR_1_1_16777216"),
        ("1", 1024, "VAR_1_16777217_33554432"),
        ("2", 0, "VAR_2_1_16777216"),
        ("GL1", 0, "VAR_UN_1_16777216"),
    }


def test_up_to_64_persons_have_no_person_view(tmp_path: Path) -> None:
    found = drafts(tmp_path, cohort(64, *PLACES))
    (samples,) = of_kind(found, "map-sample")
    assert not of_kind(found, "person-block")
    assert genetic_rows(samples.payload)["family_bucket"].null_count == 64


def test_person_blocks_hold_each_person_once_a_run_under_the_mapped_bucket(tmp_path: Path) -> None:
    batch = cohort(300, *PLACES)
    found = drafts(tmp_path, batch, alleles=2)
    (samples,) = of_kind(found, "map-sample")
    bucket = dict(
        pl.DataFrame(genetic_rows(samples.payload)).select("index", "family_bucket").iter_rows()
    )
    assert bucket == {i: 1 + i // GROUP for i in range(300)}
    held: dict[str, list[int]] = {}
    for draft in of_kind(found, "person-block"):
        block = unpack_person_block(draft.payload.body)
        held.setdefault(block.chrom, []).extend(block.persons.tolist())
        assert draft.keys == tuple(f"p:{1 + i}" for i in block.persons)
        token = "UN" if block.chrom == "GL1" else block.chrom
        assert draft.family == f"VARP_{token}_{bucket[int(block.persons[0])]}"
    assert held == {chrom: list(range(300)) for chrom in ("1", "2", "GL1")}


def test_person_blocks_refer_to_the_variant_blocks_in_order(tmp_path: Path) -> None:
    found = drafts(tmp_path, cohort(70, *PLACES), alleles=1)
    digests: dict[str, list[str]] = {}
    for draft in of_kind(found, "variant-block"):
        chrom = unpack_variant_block(draft.payload.body).chrom
        digests.setdefault(chrom, []).append(sha256(draft.payload.body).hexdigest())
    for draft in of_kind(found, "person-block"):
        block = unpack_person_block(draft.payload.body)
        assert [name for name, _ in block.blocks] == digests[block.chrom]


def test_groups_stay_within_the_persons_of_a_variant_block() -> None:
    blocks = pl.DataFrame({"person_offset": [0, 300, 0, 300], "n_persons": [300, 20, 300, 20]})
    assert person_groups(blocks, 2) == [
        PersonGroup(0, 256, 0, 1),
        PersonGroup(256, 44, 0, 2),
        PersonGroup(300, 20, 300, 1),
    ]


def test_counts_are_those_staged_with_the_record_they_are_of(tmp_path: Path) -> None:
    found = of_kind(drafts(tmp_path, cohort(9, *PLACES), alleles=2), "counts")
    rows = pl.concat([pl.DataFrame(genetic_rows(draft.payload)) for draft in found])
    staged = pl.read_parquet(tmp_path / "counts.parquet").drop("ac")
    assert rows.drop("record").equals(staged)
    assert (
        rows["record"].to_list() == pl.read_parquet(tmp_path / "sites.parquet")["record"].to_list()
    )
    assert [draft.family for draft in found] == [
        "CNT_1_1_16777216",
        "CNT_1_16777217_33554432",
        "CNT_2_1_16777216",
        "CNT_UN_1_16777216",
    ]


def test_counts_are_cut_to_fit_into_items(tmp_path: Path) -> None:
    positions = sorted({i * i * 37 % 16_000 for i in range(1, 200)})
    run = write_run(tmp_path, cohort(3, *(f"1:{pos} A C" for pos in positions)), alleles=50)
    (whole,) = of_kind(encode_vcf(run, parameters()), "counts")
    size = len(whole.payload.body)
    small = parameters().model_copy(update={"max_item_bytes": 2 * size - 2})
    found = of_kind(encode_vcf(run, small), "counts")
    assert len(found) == 2
    assert all(len(draft.payload.body) < size for draft in found)
    rows = pl.concat([pl.DataFrame(genetic_rows(draft.payload)) for draft in found])
    assert rows.equals(pl.DataFrame(genetic_rows(whole.payload)))


def test_an_assay_says_build_kind_classes_and_extent(tmp_path: Path) -> None:
    batch = Batch(persons(2), (), "bed", (("1", 10, 20), ("X", 5, 6)))
    (draft,) = of_kind(drafts(tmp_path, batch), "assay")
    assay, extent = read_assay(draft.payload)
    assert assay == Assay("GRCh37", "bed", ("snv", "indel"))
    assert extent.to_pylist() == [
        {"chrom": "1", "start": 10, "end": 20},
        {"chrom": "X", "start": 5, "end": 6},
    ]


def test_sample_names_and_filters_of_the_map_never_leave(tmp_path: Path) -> None:
    run = write_run(tmp_path, cohort(70, *PLACES))
    samples = pl.read_parquet(run / "samples.parquet")
    named = samples.with_columns(("SECRET" + pl.col("sample_id")).alias("sample_id"))
    named.write_parquet(run / "samples.parquet")
    for draft in encode_vcf(run, parameters()):
        kind = draft.payload.kind
        if kind == "variant-block":
            tables = [unpack_variant_block(draft.payload.body).sites]
        elif kind == "person-block":
            tables = []
        else:
            tables = [genetic_rows(draft.payload)]
        for table in tables:
            assert "SECRET" not in str(table.to_pylist())
        assert not any("SECRET" in key for key in draft.keys)


# ------------------------------------------------------------------------------------- overlap

ONE_CALL = ("0/1",)


@dataclass(frozen=True)
class Cover:
    """What a batch of one person covers."""

    places: tuple[str, ...] = ()
    extent: tuple[tuple[str, int, int], ...] = ()
    person: int = 1

    def batch(self) -> Batch:
        records = tuple(record(place, ONE_CALL) for place in self.places)
        kind = "bed" if self.extent else "sites"
        return Batch((Person(self.person),), records, kind, self.extent)


MEETING = {
    "one position listed in both": (Cover(("1:5 A G", "1:9 A G")), Cover(("1:9 A T",)), "1:9"),
    "a listed position inside an extent": (Cover(("1:9 A G",)), Cover((), (("1", 8, 9),)), "1:9"),
    "an extent around a listed position": (Cover((), (("1", 8, 9),)), Cover(("1:8 A G",)), "1:8"),
    "extents that share a base": (
        Cover((), (("1", 2, 4), ("1", 8, 9))),
        Cover((), (("1", 5, 6), ("1", 9, 20))),
        "1:9",
    ),
    "an interval that holds several": (
        Cover((), (("2", 1, 100),)),
        Cover((), (("1", 1, 9), ("2", 30, 31), ("2", 40, 41))),
        "2:30",
    ),
    "the record's position": (Cover(("1:9 CA CG",)), Cover(("1:9 C T",)), "1:9"),
    "the trimmed one": (Cover(("1:9 CA CG",)), Cover(("1:10 A T",)), "1:10"),
}
APART = {
    "other positions": (Cover(("1:5 A G",)), Cover(("1:6 A G", "2:5 A G"))),
    "extents side by side": (Cover((), (("1", 1, 5),)), Cover((), (("1", 6, 9), ("2", 1, 5)))),
    "a position beside an extent": (Cover(("1:5 A G",)), Cover((), (("1", 1, 4), ("1", 6, 9)))),
    "another person": (Cover(("1:5 A G",)), Cover(("1:5 A G",), person=2)),
    "nothing listed": (Cover((), (("1", 1, 5),)), Cover(())),
}


def sealed(root: Path, batch: Batch) -> Snapshot:
    return replica(root, [batch])


@pytest.mark.parametrize("case", MEETING)
def test_persons_sealed_over_a_position_are_refused(tmp_path: Path, case: str) -> None:
    ours, theirs, place = MEETING[case]
    snapshot = sealed(tmp_path / "replica", theirs.batch())
    run = write_run(tmp_path / "run", ours.batch())
    with pytest.raises(OverlapError, match=f"{place}$|{place} ") as refused:
        refuse_overlap(run, snapshot, PUBLISHER.hex())
    assert refused.value.where == f"batch {snapshot.catalogue.batches[0].batch[:16]}"


@pytest.mark.parametrize("case", APART)
def test_what_does_not_meet_is_accepted(tmp_path: Path, case: str) -> None:
    ours, theirs = APART[case]
    snapshot = sealed(tmp_path / "replica", theirs.batch())
    refuse_overlap(write_run(tmp_path / "run", ours.batch()), snapshot, PUBLISHER.hex())


def test_a_person_of_another_site_is_another_person(tmp_path: Path) -> None:
    snapshot = sealed(tmp_path / "replica", Cover(("1:5 A G",)).batch())
    run = write_run(tmp_path / "run", Cover(("1:5 A G",)).batch())
    refuse_overlap(run, snapshot, "ff" * 32)


def test_clinical_batches_are_not_looked_at(tmp_path: Path) -> None:
    clinical = SealedBatch("aa" * 32, "ff" * 32, "A", "ehr", "omop", 0, 1)
    snapshot = Snapshot(tmp_path, Catalogue("", 1, 0, (clinical,)))
    refuse_overlap(
        write_run(tmp_path / "run", Cover(("1:5 A G",)).batch()), snapshot, PUBLISHER.hex()
    )
