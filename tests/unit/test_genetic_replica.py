"""A sealed VCF batch as files: what is refused, what a recount finds, what is kept and reused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from precisionchain.errors import IntegrityError
from precisionchain.ingest.encode_vcf import encode_vcf
from precisionchain.query.person_variants import person_variants
from precisionchain.query.variants import variant_calls
from precisionchain.replica import fold_counts as folding
from precisionchain.replica import kept as keeping
from precisionchain.replica.catalogue import SealedBatch, Snapshot
from precisionchain.replica.checkpoints import Recounts, checkpoint_payloads
from precisionchain.replica.fold_counts import fold, fold_counts
from precisionchain.replica.genetic_batch import genetic_batch
from precisionchain.replica.kept import ENTRY_BYTES, Kept
from precisionchain.replica.recount import recount
from precisionchain.replica.unpack_genetic import unpack_genetic
from precisionchain.schemas.counts import COUNT_COLUMNS
from precisionchain.schemas.genetic_payloads import (
    ALLELE_KEY,
    checkpoint_payload,
    counts_payload,
    genetic_rows,
    mapping_payload,
    read_checkpoint,
)
from precisionchain.schemas.genotypes import pack_variant_block, unpack_variant_block
from precisionchain.schemas.items import Item
from precisionchain.schemas.person_blocks import person_bodies
from precisionchain.schemas.variant import Region, Variant
from tests.lib.genetic_runs import (
    Batch,
    Person,
    Record,
    grouped,
    items_of,
    manifest,
    parameters,
    replica,
    state,
    write_run,
)

BATCH_ID = b"\x01" * 32
SEALED = SealedBatch(BATCH_ID.hex(), "00" * 32, "A", "s", "vcf", 0, 70)
PLACES = (
    ("1", 100, "A", "G"),
    ("1", 200, "C", "T"),
    ("1", 16_777_217, "G", "A"),
    ("2", 5, "T", "C"),
)


def cohort(size: int, first: int = 0) -> Batch:
    rng = np.random.default_rng(first)
    records = tuple(
        Record(
            chrom, pos, ref, (alt,), tuple(rng.choice(["0|0", "0|1", "1|1", "./."], size).tolist())
        )
        for chrom, pos, ref, alt in PLACES
    )
    return Batch(tuple(Person(first + i) for i in range(size)), records)


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[Item]:
    """A batch of 70 persons in variant blocks of 40 and of one allele: a person view, two blocks
    a run of alleles, several runs a bin.
    """
    run = write_run(tmp_path_factory.mktemp("run"), cohort(70), alleles=1, persons=40)
    return grouped(items_of(encode_vcf(run, parameters()), BATCH_ID))


def place(items: list[Item], kind: str) -> int:
    return next(i for i, item in enumerate(items) if item.payload.kind == kind)


def without(kind: str) -> Callable[[list[Item]], list[Item]]:
    return lambda items: [item for item in items if item.payload.kind != kind]


def changed(kind: str, change: Callable[[Item], Item]) -> Callable[[list[Item]], list[Item]]:
    def change_first(items: list[Item]) -> list[Item]:
        at = place(items, kind)
        return [*items[:at], change(items[at]), *items[at + 1 :]]

    return change_first


def with_rows(item: Item, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Item:
    """Replace the rows of a counts or mapping item."""
    rows = change(pl.DataFrame(genetic_rows(item.payload))).to_arrow()
    kind = item.payload.kind
    made = counts_payload(rows) if kind == "counts" else mapping_payload(kind, rows)
    return replace(item, payload=made)


def flipped(item: Item) -> Item:
    """Give the first person of a variant block another call of the first allele."""
    block = unpack_variant_block(item.payload.body)
    calls = block.calls()
    calls.dosage[0, 0] = (int(calls.dosage[0, 0]) + 1) % 3
    assert calls.phase is not None
    calls.phase[0, 0] = 0
    body = pack_variant_block(
        block.sites,
        calls,
        chrom=block.chrom,
        person_set=block.person_set,
        person_offset=block.person_offset,
    )
    return replace(item, payload=replace(item.payload, body=body))


def one_more(item: Item) -> Item:
    return with_rows(item, lambda rows: rows.with_columns(pl.col("n_het") + 1))


def elsewhere(item: Item) -> Item:
    return with_rows(item, lambda rows: rows.with_columns(pl.col("pos") + 1))


def renumbered(item: Item) -> Item:
    return with_rows(item, lambda rows: rows.with_columns(pl.col("index") + 1))


def one_person(item: Item) -> Item:
    return with_rows(item, lambda rows: rows.with_columns(pl.lit(7, pl.Int64).alias("person_id")))


# ------------------------------------------------------------------------------------ unpacking

REFUSED = {
    "no assay": (without("assay"), "no item of kind assay"),
    "no mapping of samples": (without("map-sample"), "no item of kind map-sample"),
    "no counts": (without("counts"), "the counts are not of the alleles"),
    "counts of other alleles": (changed("counts", elsewhere), "the counts are not of the alleles"),
    "persons numbered otherwise": (changed("map-sample", renumbered), "not numbered from 0"),
    "one person twice": (changed("map-sample", one_person), "a person is twice"),
    "a variant block left out": (
        lambda items: [i for i in items if i.ordinal != 1],
        "variant blocks that the batch has not",
    ),
    "a variant block exchanged": (
        changed("variant-block", flipped),
        "variant blocks that the batch has not",
    ),
    "a person block left out": (
        lambda items: [i for i in items if i.stream != "VARP_2_2_1"],
        "do not hold what the variant blocks hold",
    ),
    "all person blocks of a group left out": (
        lambda items: [i for i in items if i.stream not in ("VARP_1_2_1", "VARP_2_2_1")],
        "a person is in no person block",
    ),
    "a payload cut short": (
        changed(
            "counts", lambda i: replace(i, payload=replace(i.payload, body=i.payload.body[:99]))
        ),
        "check sum",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_batch_that_contradicts_itself_is_refused(
    tmp_path: Path, items: list[Item], case: str
) -> None:
    spoil, message = REFUSED[case]
    with pytest.raises(IntegrityError, match=message):
        unpack_genetic(SEALED, manifest(BATCH_ID, 70), iter(spoil(items)), tmp_path)


def test_the_number_of_persons_is_the_manifests(tmp_path: Path, items: list[Item]) -> None:
    with pytest.raises(IntegrityError, match="number in the manifest"):
        unpack_genetic(SEALED, manifest(BATCH_ID, 71), iter(items), tmp_path)


def test_bodies_are_kept_as_they_are_on_the_ledger(tmp_path: Path, items: list[Item]) -> None:
    unpack_genetic(SEALED, manifest(BATCH_ID, 70), iter(items), tmp_path)
    batch = genetic_batch(tmp_path)
    names = [*batch.variant_blocks["object"], *batch.person_blocks["object"]]
    kept = {batch.body(name) for name in names}
    blocks = ("variant-block", "person-block")
    assert kept == {item.payload.body for item in items if item.payload.kind in blocks}


# --------------------------------------------------------------------------------------- recount


def test_a_sound_batch_recounts_without_a_word(items: list[Item]) -> None:
    assert list(recount(items)) == []


def fewer_tiles(item: Item) -> Item:
    return with_rows(item, lambda rows: rows.filter(pl.col("chrom") != "2"))


def other_bucket(item: Item) -> Item:
    return with_rows(item, lambda rows: rows.with_columns(pl.col("family_bucket") + 1))


FOUND = {
    "counts one too high": (
        changed("counts", one_more),
        ["the counts in CNT_1_1_16777216 are not those of the genotypes"],
    ),
    "no counts": (
        without("counts"),
        [
            f"no counts in {family}, which has genotypes"
            for family in ("CNT_1_16777217_33554432", "CNT_1_1_16777216", "CNT_2_1_16777216")
        ],
    ),
    "a tile that no mapping names": (
        changed("map-variant", fewer_tiles),
        ["positions in VAR_2_1_16777216 that no mapping leads to"],
    ),
    "another bucket than the mapping says": (
        changed("map-sample", other_bucket),
        ["persons whose mapping does not lead to their person blocks"],
    ),
    "a payload cut short": (
        changed(
            "counts", lambda i: replace(i, payload=replace(i.payload, body=i.payload.body[:99]))
        ),
        ["the check sum of a payload does not match its bytes in CNT_1_1_16777216"],
    ),
}


@pytest.mark.parametrize("case", FOUND)
def test_a_recount_finds(items: list[Item], case: str) -> None:
    spoil, messages = FOUND[case]
    assert set(messages) <= set(recount(spoil(items)))


def test_a_recount_finds_a_person_view_of_other_calls(tmp_path: Path, items: list[Item]) -> None:
    """A publisher who turns calls that its variant blocks do not have, and names those blocks."""
    other = write_run(tmp_path, cohort(70, first=500), alleles=1, persons=40)
    theirs = grouped(items_of(encode_vcf(other, parameters()), BATCH_ID))
    names = {
        ours.payload.body: item.payload.body
        for ours, item in zip(items, theirs, strict=True)
        if ours.payload.kind == "variant-block"
    }
    assert len(names) > 1
    mixed = [
        b if a.payload.kind == "person-block" else a for a, b in zip(items, theirs, strict=True)
    ]
    assert any("calls that no variant block holds" in message for message in recount(mixed))


CALLS = {"dosage": ("0/1", "1/1"), "phase": ("0|1", "1|0"), "ploidy": ("0/0", "0")}


@pytest.mark.parametrize("what", CALLS)
def test_a_recount_finds_one_call_turned_otherwise(tmp_path: Path, what: str) -> None:
    """A publisher who turns other calls and says that they are those of the variant block."""

    def one_record(call: str) -> list[Item]:
        texts = ("0/1", "0|0", call, *["0/0"] * 67)
        record = Record("1", 100, "A", ("G",), texts)
        batch = Batch(tuple(Person(i) for i in range(70)), (record,))
        run = write_run(tmp_path / call.replace("/", "_"), batch)
        return grouped(items_of(encode_vcf(run, parameters()), BATCH_ID))

    sound, other = (one_record(call) for call in CALLS[what])
    bodies = [items[place(items, "variant-block")].payload.body for items in (sound, other)]
    (turned,) = person_bodies(
        [(sha256(bodies[0]).hexdigest(), unpack_variant_block(bodies[1]).near)],
        [np.arange(70)],
        chrom="1",
        person_set="00",
    )
    mixed = changed(
        "person-block", lambda item: replace(item, payload=replace(item.payload, body=turned))
    )(sound)
    assert list(recount(sound)) == []
    assert list(recount(mixed)) == [
        "a person block in VARP_1_1 has other calls than the variant blocks"
    ]


# ------------------------------------------------------------------------------- what is answered


def test_nothing_is_found_without_the_mapping(tmp_path: Path, items: list[Item]) -> None:
    found = changed("map-variant", fewer_tiles)(items)
    snapshot = Snapshot(tmp_path, replica(tmp_path / "other", []).catalogue)
    folder = snapshot.batch_folder(SEALED.batch)
    folder.mkdir(parents=True)
    unpack_genetic(SEALED, manifest(BATCH_ID, 70), iter(found), folder)
    snapshot = Snapshot(tmp_path, replace(snapshot.catalogue, batches=(SEALED,)))
    everyone = frozenset({"0", "1", "2", "missing", "not_assayed"})
    assert set(variant_calls(snapshot, Variant("2", 5, "T", "C"), everyone)["genotype"]) == {
        "not_assayed"
    }
    assert variant_calls(snapshot, Variant("1", 100, "A", "G")).height > 0


def test_a_large_batch_in_several_blocks_of_persons_answers_as_its_records(tmp_path: Path) -> None:
    batch = cohort(600)
    snapshot = replica(tmp_path, [batch], alleles=2, persons=280)
    for key in PLACES:
        answer = variant_calls(snapshot, Variant(*key), frozenset({"1", "2", "missing"}))
        due = {
            person.person_id: state(batch, column, key).genotype
            for column, person in enumerate(batch.persons)
        }
        assert dict(answer.select("person_id", "genotype").iter_rows()) == {
            person: genotype for person, genotype in due.items() if genotype != "0"
        }
    for column in (0, 255, 256, 279, 280, 599):
        answer = person_variants(snapshot, "A", column)
        carried = {
            (*key, state(batch, column, key).genotype)
            for key in PLACES
            if state(batch, column, key).genotype in ("1", "2")
        }
        assert set(answer.select("chrom", "pos", "ref", "alt", "genotype").iter_rows()) == carried
        inside = person_variants(snapshot, "A", column, Region("1", 100, 200))
        assert inside.equals(answer.filter((pl.col("chrom") == "1") & (pl.col("pos") <= 200)))


# --------------------------------------------------------------------------- folds, checkpoints

LISTED_ELSEWHERE = {
    "the record as written, one base before its allele": (
        [("1", 100, "AT", ("AC",), ("0/0", "./."))],
        ("1", 100, "A", "G"),
    ),
    "a record of the bin before, normalised into the next": (
        [("1", 16_777_216, "AT", ("AC",), ("0/0", "./."))],
        ("1", 16_777_216, "A", "G"),
    ),
    "the first of several records": (
        [
            ("1", 100, "A", ("T",), ("0/0", "./.")),
            ("1", 100, "A", ("C",), ("0/0", "0/0")),
        ],
        ("1", 100, "A", "G"),
    ),
    "the first of several records, not the first allele in order": (
        [
            ("1", 100, "A", ("T",), ("0/0", "./.")),
            ("1", 99, "CA", ("CC",), ("./.", "./.")),
        ],
        ("1", 100, "A", "G"),
    ),
    "a record without an allele": (
        [("1", 100, "A", (".",), ("0/0", "./."))],
        ("1", 100, "A", "G"),
    ),
}


@pytest.mark.parametrize("case", LISTED_ELSEWHERE)
def test_a_batch_that_lists_the_position_adds_its_calls_there(tmp_path: Path, case: str) -> None:
    """One of two persons is called at the position, of which another batch lists the allele."""
    rows, key = LISTED_ELSEWHERE[case]
    other = Batch((Person(1), Person(2)), tuple(Record(*row) for row in rows))
    chrom, pos, ref, alt = key
    own = Batch((Person(3),), (Record(chrom, pos, ref, (alt,), ("0/1",)),))
    snapshot = replica(tmp_path, [own, other], alleles=1)
    folded = pl.concat([pl.read_parquet(path) for path in snapshot.paths("folded/").values()])
    (row,) = folded.filter((pl.col("pos") == pos) & (pl.col("alt") == alt)).iter_rows(named=True)
    found = {name: row[name] for name in ("ac", "an", "n_het", "n_missing", "batches")}
    assert found == {"ac": 1, "an": 4, "n_het": 1, "n_missing": 1, "batches": 2}
    answer = variant_calls(snapshot, Variant(*key), frozenset({"0", "1", "missing"}))
    assert answer["genotype"].to_list() == ["0", "missing", "1"]


def test_of_a_person_in_several_batches_the_best_known_state_counts(tmp_path: Path) -> None:
    """A call before a missing one, that before not assayed, and of two calls the one that carries.

    Sealing refuses such batches; a reader who meets them nevertheless answers once a person.
    """

    def listing(*calls: str, pos: int = 100) -> Batch:
        persons = tuple(Person(1 + i) for i in range(len(calls)))
        return Batch(persons, (Record("1", pos, "A", ("G",), calls),))

    batches = [
        listing("./.", "0/0", "./.", "1/1"),
        listing("0/0", "0/1", "./.", "0/1"),
        listing("./.", "0/0", "0/0", "0/0", "0/0", pos=500),
    ]
    snapshot = replica(tmp_path, batches)
    everyone = frozenset({"0", "1", "2", "missing", "not_assayed"})
    answer = variant_calls(snapshot, Variant("1", 100, "A", "G"), everyone)
    of_batch = {batch.batch: i for i, batch in enumerate(snapshot.catalogue.batches)}
    found = [(g, of_batch.get(b)) for g, b in answer.select("genotype", "batch").iter_rows()]
    assert found == [("0", 1), ("1", 1), ("missing", 0), ("2", 0), ("not_assayed", None)]
    carried = person_variants(snapshot, "A", 4)
    assert carried.select("genotype").rows() == [("2",)]


def test_a_bin_no_new_batch_touches_is_not_folded_again(tmp_path: Path) -> None:
    first = replica(tmp_path / "one", [cohort(5)])
    other = Batch((Person(99),), (Record("2", 5, "T", ("C",), ("0/1",)),))
    second = replica(tmp_path / "two", [cohort(5), other])
    batches = [(b, second.batch_folder(b.batch)) for b in second.catalogue.batches]
    assert batches[0][0].batch == first.catalogue.batches[0].batch
    out = tmp_path / "two" / "folded"
    alone, both = fold_counts(batches[:1], out), fold_counts(batches, out)
    untouched = ("folded/VAR_1_1_16777216", "folded/VAR_1_16777217_33554432")
    assert [alone[name] for name in untouched] == [both[name] for name in untouched]
    assert alone["folded/VAR_2_1_16777216"] != both["folded/VAR_2_1_16777216"]


@pytest.mark.parametrize("rows_at_once", [1, 65_536])
def test_bins_folded_together_are_as_each_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    monkeypatch.setattr(folding, "_ROWS_AT_ONCE", rows_at_once)
    snapshot = replica(tmp_path, [cohort(5)])
    (batch,) = snapshot.catalogue.batches
    folder = snapshot.batch_folder(batch.batch)
    files = fold_counts([(batch, folder)], tmp_path / "folded")
    assert len(files) > 2
    for name, path in files.items():
        family = name.removeprefix(folding.PREFIX)
        assert_frame_equal(
            pl.read_parquet(path), fold(family, [(batch.batch, genetic_batch(folder))])
        )


COUNTED = (
    (0, "1", 100, "A", "G"),
    (0, "1", 100, "A", "T"),
    (0, "1", 100, "AT", "A"),
    (0, "1", 101, "A", "G"),
    (1, "1", 50, "C", "T"),
    (2, "2", 60, "C", "T"),
)


@pytest.mark.parametrize("order", list(permutations(range(4))))
@pytest.mark.parametrize("again", [None, 0, 3, 5])
def test_alleles_of_a_bin_are_added_up_in_whatever_order_they_come(
    order: tuple[int, ...], again: int | None
) -> None:
    places = [*(COUNTED[at] for at in order), *COUNTED[4:]]
    if again is not None:
        places.insert(again, places[again])
    rows = pl.DataFrame(
        [(*place, *range(at, at + len(COUNT_COLUMNS))) for at, place in enumerate(places)],
        schema={
            "bin": pl.Int32,
            **dict.fromkeys(ALLELE_KEY, pl.String),
            "pos": pl.Int32,
            **dict.fromkeys(COUNT_COLUMNS, pl.Int32),
        },
        orient="row",
    )
    expected: dict[tuple[object, ...], list[int]] = {
        place: [0] * len(COUNT_COLUMNS) for place in COUNTED
    }
    for row in rows.iter_rows():
        expected[row[:5]] = [
            one + other for one, other in zip(expected[row[:5]], row[5:], strict=True)
        ]
    found = folding._added_up(rows)
    assert found.columns == ["bin", *ALLELE_KEY, *COUNT_COLUMNS, "batches"]
    assert [(row[:5], list(row[5:-1])) for row in found.iter_rows()] == list(expected.items())
    an = 5 + COUNT_COLUMNS.index("an")
    assert found["batches"].to_list() == [int(row[an] > 0) for row in found.iter_rows()]


def test_checkpoints_hold_every_allele_with_a_frequency_once(tmp_path: Path) -> None:
    snapshot = replica(tmp_path, [cohort(7), cohort(6, first=50)])
    edges = (0.0, 0.1, 0.3, 0.5)
    payloads = list(checkpoint_payloads(snapshot, edges))
    assert [family for family, _ in payloads] == ["MAF_0_1000", "MAF_1000_3000", "MAF_3000_5000"]
    rows = [pl.DataFrame(read_checkpoint(payload)[0]) for _, payload in payloads]
    folded = pl.concat([pl.read_parquet(path) for path in snapshot.paths("folded/").values()])
    assert sum(frame.height for frame in rows) == folded.filter(pl.col("an") > 0).height
    for frame, (low, high) in zip(rows, pairwise(edges), strict=True):
        mafs = frame.select(pl.min_horizontal("ac", pl.col("an") - pl.col("ac")) / pl.col("an"))
        assert mafs.to_series().is_between(low, high).all()
    batches = tuple(batch.batch for batch in snapshot.catalogue.batches)
    assert {read_checkpoint(payload)[1] for _, payload in payloads} == {batches}


def test_checkpoints_are_compared_with_a_recount_of_the_batches_they_name(tmp_path: Path) -> None:
    snapshot = replica(tmp_path, [cohort(7), cohort(6, first=50)])
    payloads = [payload for _, payload in checkpoint_payloads(snapshot, (0.0, 0.1, 0.5))]
    recounts = Recounts(snapshot)
    assert recounts.differing(payloads) == []
    rows, names = read_checkpoint(payloads[1])
    spoilt = checkpoint_payload(rows.slice(1), list(names))
    assert recounts.differing([payloads[0], spoilt]) == [
        "the checkpoints are not what the batches they name give"
    ]
    one = snapshot.catalogue.batches[:1]
    fewer = Snapshot(tmp_path, replace(snapshot.catalogue, batches=one, sealed=one))
    assert Recounts(fewer).differing(payloads) == [
        "the checkpoints name batches that are not sealed"
    ]


def test_checkpoints_name_corrections_and_are_not_compared_without_them(tmp_path: Path) -> None:
    before = replica(tmp_path, [cohort(7), cohort(6, first=50)])
    old = [payload for _, payload in checkpoint_payloads(before, (0.0, 0.5))]
    correction = SealedBatch("cc" * 32, "00" * 32, "A", "corrections", "correction", 9, 0)
    kept = before.catalogue.batches[1:]
    gone = replace(before.catalogue.batches[0], withdrawn=9)
    files = fold_counts([(b, before.batch_folder(b.batch)) for b in kept], tmp_path / "less")
    named = {name: str(path.relative_to(tmp_path)) for name, path in files.items()}
    sealed = (gone, *kept, correction)
    after = Snapshot(tmp_path, replace(before.catalogue, batches=kept, sealed=sealed, files=named))
    new = [payload for _, payload in checkpoint_payloads(after, (0.0, 0.5))]
    assert read_checkpoint(new[0])[1] == tuple(batch.batch for batch in sealed)
    assert Recounts(after).differing(new) == []
    assert Recounts(after).differing(old) == []
    rows, names = read_checkpoint(new[0])
    spoilt = checkpoint_payload(rows.slice(1), list(names))
    assert len(Recounts(after).differing([spoilt])) == 1


# -------------------------------------------------------------------------------- kept in memory


def test_kept_values_are_made_once_and_dropped_when_room_runs_out() -> None:
    made: list[str] = []

    def value(name: str, size: int) -> bytes:
        def make() -> bytes:
            made.append(name)
            return bytes(size)

        return kept.get(name, make)

    kept = Kept[bytes](10 + 2 * ENTRY_BYTES, len)
    for name, size in (
        ("a", 4),
        ("b", 4),
        ("a", 4),
        ("c", 4),
        ("a", 4),
        ("b", 4),
        ("big", 11 + ENTRY_BYTES),
    ):
        assert len(value(name, size)) == size
    assert made == ["a", "b", "c", "b", "big"]


def test_values_of_all_kinds_share_room_and_the_one_used_longest_ago_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeping, "_kinds", set())
    monkeypatch.setattr(keeping, "TOTAL_BYTES", 3 * ENTRY_BYTES)
    made: list[str] = []

    def ask(kind: Kept[bytes], name: str) -> None:
        def make() -> bytes:
            made.append(name)
            return b""

        kind.get(name, make)

    one, other = (Kept[bytes](10 * ENTRY_BYTES, len) for _ in range(2))
    for kind, name in ((one, "a"), (other, "b"), (one, "c"), (one, "a"), (other, "d")):
        ask(kind, name)
    assert made == ["a", "b", "c", "d"]
    for kind, name in ((one, "a"), (one, "c"), (other, "d"), (other, "b")):
        ask(kind, name)
    assert made == ["a", "b", "c", "d", "b"], "b was used longest ago when d came"
