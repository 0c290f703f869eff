"""Counts over batches, and states of persons, against a reading of every record by hand.

Also: however persons are split into batches and in whatever order these are sealed, the network's
counts are those of one single load.
"""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from precisionchain.query.frequencies import allele_frequencies
from precisionchain.query.person_variants import person_variants
from precisionchain.query.variants import variant_calls
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.genome import expected_ploidy
from precisionchain.schemas.variant import Variant
from tests.lib.genetic_runs import (
    BUILD,
    MALE,
    Batch,
    Key,
    Person,
    Record,
    counts,
    listed_keys,
    replica,
    state,
)

EXAMPLES = settings().max_examples // 5
"""An example stages, unpacks and folds several batches."""

Comparable = dict[Key, tuple[int, ...]]

STATES = frozenset({"0", "1", "2", "missing", "not_assayed"})

# Chosen for their edges: several records at one position; a record written in one tile, or bin,
# and normalised into the next; no ALT; `*`; every rule of ploidy; a contig without a stream name.
PLACES = (
    ("1", 100, "A", ("G",)),
    ("1", 100, "A", ("T", "C")),
    ("1", 100, "AC", ("A",)),
    ("1", 200, "G", (".",)),
    ("1", 300, "A", ("*", "T")),
    ("1", 100, "A", ("<DEL;END=350>",)),
    ("1", 200, "G", ("<DUP;END=900>", "T")),
    ("1", 16_384, "AT", ("AC",)),
    ("1", 16_777_215, "GAT", ("GAC", "G")),
    ("1", 16_777_217, "T", ("A",)),
    ("X", 100_000, "C", ("T",)),
    ("X", 5_000_000, "A", ("G",)),
    ("Y", 5_000_000, "A", ("G",)),
    ("MT", 100, "A", ("G", "T")),
    ("GL000192.1", 50, "A", ("C",)),
)
UNLISTED: tuple[Key, ...] = (
    ("1", 100, "A", "N"),
    ("1", 101, "A", "G"),
    ("1", 16_384, "A", "G"),
    ("1", 16_777_216, "A", "AT"),
    ("1", 100, "A", "<DEL;END=400>"),
    ("1", 101, "A", "<DEL;END=400>"),
    ("1", 200, "G", "C"),
    ("X", 5_000_001, "A", "G"),
    ("Y", 5_000_001, "A", "G"),
    ("MT", 101, "A", "G"),
)
INTERVALS = (
    ("1", 90, 310),
    ("1", 16_000, 17_000),
    ("1", 16_777_000, 16_778_000),
    ("MT", 1, 16_569),
    ("X", 90_000, 6_000_000),
    ("Y", 4_000_000, 6_000_000),
)
EVERYWHERE = (*INTERVALS, ("GL000192.1", 1, 100))


@st.composite
def calls(draw: st.DrawFn, chrom: str, pos: int, alts: int, sex: int) -> str:
    """Draw a call's text as it would be stored: of the ploidy the position has, or missing."""
    ploidy = expected_ploidy(BUILD, chrom, pos, male=sex == MALE)
    if ploidy == 0 or draw(st.integers(0, 4)) == 0:
        return "." if ploidy < 2 else draw(st.sampled_from(["./.", ".|."]))
    numbers = [str(draw(st.integers(0, alts))) for _ in range(ploidy)]
    return draw(st.sampled_from("/|")).join(numbers)


@st.composite
def batches(draw: st.DrawFn, first_person: int) -> Batch:
    sexes = draw(st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=5))
    places = draw(st.lists(st.sampled_from(PLACES), unique=True, max_size=8))
    records = [
        Record(
            chrom,
            pos,
            ref,
            alts,
            tuple(draw(calls(chrom, pos, 0 if alts == (".",) else len(alts), s)) for s in sexes),
        )
        for chrom, pos, ref, alts in sorted(places, key=PLACES.index)
    ]
    kind = draw(st.sampled_from(["sites", "bed"]))
    extent = draw(st.lists(st.sampled_from(INTERVALS), unique=True)) if kind == "bed" else []
    persons = tuple(Person(first_person + i, sex) for i, sex in enumerate(sexes))
    return Batch(persons, tuple(records), kind, tuple(sorted(extent)), draw(classes()))


def classes() -> st.SearchStrategy[tuple[str, ...]]:
    """Return what an assay may have called."""
    return st.sampled_from([("snv", "indel"), ("snv", "indel", "sv"), ("sv",)])


@st.composite
def networks(draw: st.DrawFn) -> list[Batch]:
    return [draw(batches(100 * number)) for number in range(draw(st.integers(1, 3)))]


def folded(snapshot: Snapshot) -> dict[Key, dict[str, int]]:
    frames = [pl.read_parquet(path) for path in snapshot.paths("folded/").values()]
    rows = [row for frame in frames for row in frame.iter_rows(named=True)]
    names = ("ac", "an", "n_het", "n_hom_alt", "n_hemi", "n_missing", "batches")
    keys = [tuple(row[name] for name in ("chrom", "pos", "ref", "alt")) for row in rows]
    assert len(keys) == len(set(keys))
    return {key: {n: row[n] for n in names} for key, row in zip(keys, rows, strict=True)}


@settings(max_examples=EXAMPLES)
@given(networks(), st.integers(1, 4), st.integers(2, 6))
def test_every_state_and_every_count_is_that_of_the_records(
    network: list[Batch], alleles: int, persons: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        snapshot = replica(Path(folder), network, alleles=alleles, persons=persons)
        keys = listed_keys(network)
        assert folded(snapshot) == {key: counts(network, key) for key in keys}
        for key in sorted(keys | set(UNLISTED)):
            answer = variant_calls(snapshot, Variant(*key), STATES)
            got = {
                person: (genotype, ploidy, phase)
                for _, person, genotype, ploidy, phase, _ in answer.iter_rows()
            }
            due = {
                person.person_id: (known.genotype, known.ploidy, known.phase)
                for batch in network
                for column, person in enumerate(batch.persons)
                for known in [state(batch, column, key)]
            }
            assert got == due, key
        for batch in network:
            for column, person in enumerate(batch.persons):
                answer = person_variants(snapshot, "A", person.person_id)
                carried = {
                    (*key, known.genotype, known.ploidy, known.phase)
                    for key in listed_keys([batch])
                    for known in [state(batch, column, key)]
                    if known.genotype in ("1", "2")
                }
                assert set(answer.drop("site", "person_id").iter_rows()) == carried
                assert answer.height == len(carried)


@st.composite
def one_load(draw: st.DrawFn) -> Batch:
    """Draw a batch whose positions are listed by one record each."""
    whole = draw(batches(0))
    at: dict[tuple[str, int], Record] = {}
    for record in whole.records:
        places = {(record.chrom, key[1]) for _, key in record.alleles()}
        if not any(place in at for place in places | {(record.chrom, record.pos)}):
            at.update(dict.fromkeys(places | {(record.chrom, record.pos)}, record))
    kept = [record for record in whole.records if record in at.values()]
    return Batch(whole.persons, tuple(kept))


@settings(max_examples=EXAMPLES)
@given(one_load(), st.data())
def test_any_split_in_any_order_counts_as_one_load(whole: Batch, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(whole.persons))))
    cuts = data.draw(st.lists(st.integers(0, len(order)), max_size=2))
    edges = [0, *sorted(cuts), len(order)]
    parts = [order[a:b] for a, b in pairwise(edges) if a < b]
    with tempfile.TemporaryDirectory() as folder:
        once = folded(replica(Path(folder, "once"), [whole]))
        split = folded(replica(Path(folder, "split"), [whole.of(part) for part in parts]))
    assert without_batches(split) == without_batches(once)


@settings(max_examples=EXAMPLES)
@given(one_load(), st.data())
def test_records_nobody_carries_may_be_left_out_inside_an_extent(
    whole: Batch, data: st.DataObject
) -> None:
    """With every call made, a record without copies says what the extent says."""
    called = tuple(
        Record(r.chrom, r.pos, r.ref, r.alts, calls_made(r, whole.persons)) for r in whole.records
    )
    whole = Batch(whole.persons, called, "bed", EVERYWHERE)
    cut = data.draw(st.integers(0, len(whole.persons)))
    parts = [part for part in (range(cut), range(cut, len(whole.persons))) if part]
    with tempfile.TemporaryDirectory() as folder:
        full = replica(Path(folder, "full"), [whole.of(part) for part in parts])
        left = replica(
            Path(folder, "left"), [whole.of(part, without_copies=False) for part in parts]
        )
        due = without_missing(folded(full))
        found = without_missing(folded(left))
        assert found.items() <= due.items()
        assert found.keys() >= {key for key, of in due.items() if of[0]}
        answered = allele_frequencies(left, 0, 0.5)
        assert answered.height == sum(of[1] > 0 for of in found.values())


def calls_made(record: Record, persons: tuple[Person, ...]) -> tuple[str, ...]:
    """Return a record's calls, missing ones replaced by no copy where there is a copy to have."""
    made = []
    for text, person in zip(record.calls, persons, strict=True):
        male = person.sex == MALE
        ploidy = expected_ploidy(BUILD, record.chrom, record.pos, male=male)
        made.append("/".join(["0"] * ploidy) if "." in text and ploidy else text)
    return tuple(made)


def without_missing(found: dict[Key, dict[str, int]]) -> Comparable:
    """Leave out who is missing: on Y a woman is, if a record is listed, and has no state if not."""
    return {
        key: tuple(n for name, n in of.items() if name != "n_missing") for key, of in found.items()
    }


def without_batches(found: dict[Key, dict[str, int]]) -> Comparable:
    return {
        key: tuple(n for name, n in of.items() if name != "batches") for key, of in found.items()
    }
