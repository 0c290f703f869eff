"""Parts of a sealed VCF batch: whom they hold, which folders they share, and the view by person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from precisionchain.query.person_variants import person_variants
from precisionchain.replica.catalogue import SealedBatch
from precisionchain.replica.corrected_genetic import Part, corrected_parts
from precisionchain.replica.cover import Spans
from precisionchain.replica.taken_over import superseding
from tests.generative.test_counts_fold import folded
from tests.lib.genetic_history import History
from tests.lib.genetic_runs import Batch, Person, Record, replica

PLACES = (
    ("1", 100, "A", "G"),
    ("1", 200, "C", "T"),
    ("1", 300, "AT", "AC"),
    ("1", 16_777_217, "G", "A"),
    ("2", 5, "T", "C"),
)
CALLS = ["0|0", "0|1", "1|1", "./.", "1/0"]
PERSONS = 150


def cohort(ids: range, places: tuple[tuple[str, int, str, str], ...] = PLACES) -> Batch:
    rng = np.random.default_rng(ids.start)
    records = tuple(
        Record(chrom, pos, ref, (alt,), tuple(rng.choice(CALLS, len(ids)).tolist()))
        for chrom, pos, ref, alt in places
    )
    return Batch(tuple(Person(one) for one in ids), records)


WHOLE = cohort(range(PERSONS))
RECALLED = cohort(range(60, 100), (PLACES[1], PLACES[2]))
GONE = frozenset({3, 70, 71, 149})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The whole batch with a view by person, the one that replaces it, and a folder for parts."""
    root = tmp_path_factory.mktemp("replica")
    snapshot = replica(root, [WHOLE, RECALLED], alleles=2, persons=80)
    first, second = (snapshot.batch_folder(b.batch) for b in snapshot.catalogue.batches)
    return first, second, root / "parts"


def people(parts: list[Part]) -> list[list[int]]:
    from precisionchain.replica.genetic_batch import genetic_batch

    return [genetic_batch(part.folder).person_ids.tolist() for part in parts]


def test_of_nothing_left_out_the_batch_itself_is_the_only_part(
    folders: tuple[Path, Path, Path],
) -> None:
    first, _, root = folders
    assert corrected_parts(first, root, batch="b") == [Part(first, PERSONS)]
    assert corrected_parts(first, root, batch="b", withdrawn={9999}) == [Part(first, PERSONS)]
    assert not root.exists()


def test_persons_are_parted_by_what_happened_to_them(folders: tuple[Path, Path, Path]) -> None:
    first, second, root = folders
    parts = corrected_parts(first, root, batch="b", withdrawn=GONE, later=[("c", second)])
    untouched = [p for p in range(PERSONS) if p not in GONE and not 60 <= p < 100]
    assert people(parts) == [untouched, [p for p in range(60, 100) if p not in GONE]]
    assert [part.persons for part in parts] == [len(ids) for ids in people(parts)]


def test_what_did_not_change_keeps_its_folder(folders: tuple[Path, Path, Path]) -> None:
    first, second, root = folders
    before = corrected_parts(first, root, batch="b", withdrawn={3}, later=[("c", second)])
    after = corrected_parts(first, root, batch="b", withdrawn={3, 70}, later=[("c", second)])
    again = corrected_parts(first, root, batch="b", withdrawn=[3], later=[("c", second)])
    assert again == before
    assert after[0] == before[0]
    assert after[1].folder != before[1].folder
    other = corrected_parts(first, root, batch="d", withdrawn={3}, later=[("c", second)])
    assert other[0].folder != before[0].folder


def test_where_nobody_and_nothing_is_left_there_is_no_part(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    first, _, root = folders
    assert corrected_parts(first, root, batch="b", withdrawn=range(PERSONS)) == []
    taken = corrected_parts(first, tmp_path, batch="b", later=[("itself", first)])
    assert taken == []
    assert corrected_parts(first, tmp_path, batch="b", later=[("itself", first)]) == []


def test_parts_with_a_view_by_person_answer_as_the_records_say(tmp_path: Path) -> None:
    history = History((WHOLE, RECALLED), ((), (0,)), GONE)
    snapshot = history.snapshot(tmp_path, alleles=2, persons=80)
    found = folded(snapshot)
    assert {batch.batch for batch in snapshot.catalogue.batches} == {"01" * 32, "02" * 32}
    for key in history.alleles():
        of = found.pop(key)
        # Two batches add to what both list, however many parts they are in.
        assert of.pop("batches") == 1 + (key[:2] in {("1", 200), ("1", 301)})
        assert of == history.counts(key)
    assert not found
    for person_id in (0, 59, 60, 79, 80, 99, 100, 148, *GONE):
        answer = person_variants(snapshot, "A", person_id)
        carried = {
            (*key, known.genotype, known.ploidy, known.phase)
            for key in history.alleles()
            for known in [history.known(person_id, key)]
            if known.genotype in ("1", "2")
        }
        assert set(answer.drop("site", "person_id").iter_rows()) == carried


def sealed(batch: str, *over: str, publisher: str = "p", kind: str = "vcf") -> SealedBatch:
    return SealedBatch(batch, publisher, "A", "s", kind, 0, 1, None, over)


def test_only_earlier_batches_of_the_same_site_are_superseded() -> None:
    found = superseding(
        [
            sealed("a"),
            sealed("x", publisher="q"),
            sealed("c", kind="omop"),
            sealed("b", "a", "a", "x", "c", "later", "b"),
            sealed("later", "a", "b"),
        ]
    )
    assert found == {"a": ("b", "later"), "b": ("later",)}


def test_spans_that_touch_or_hold_each_other_are_one() -> None:
    spans = Spans.of(np.array([10, 1, 2, 20, 12]), np.array([12, 8, 3, 20, 13]))
    assert spans.first.tolist() == [1, 10, 20]
    assert spans.last.tolist() == [8, 13, 20]


@pytest.mark.parametrize("seed", range(20))
def test_spans_are_the_positions_in_them(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def some() -> tuple[Spans, set[int]]:
        first = rng.integers(1, 60, rng.integers(0, 8))
        last = first + rng.integers(0, 9, len(first))
        inside = {
            p for a, b in zip(first.tolist(), last.tolist(), strict=True) for p in range(a, b + 1)
        }
        return Spans.of(first, last), inside

    def positions(spans: Spans) -> list[int]:
        pairs = zip(spans.first.tolist(), spans.last.tolist(), strict=True)
        return [p for a, b in pairs for p in range(a, b + 1)]

    (one, in_one), (other, in_other) = some(), some()
    assert positions(one) == sorted(in_one)
    assert positions(one.meeting(other)) == sorted(in_one & in_other)
    assert positions(one.without(other)) == sorted(in_one - in_other)
    asked = np.arange(0, 80)
    assert asked[one.hold(asked)].tolist() == sorted(in_one)
