"""What is left of genotypes after supersession and withdrawal, by a slow reading of records."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from precisionchain.query.genotype_matrix import GenotypeMatrix
from precisionchain.query.person_variants import person_variants
from precisionchain.query.persons import with_genotypes
from precisionchain.query.variants import variant_calls
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.variant import Variant
from tests.generative.test_counts_fold import (
    INTERVALS,
    PLACES,
    STATES,
    UNLISTED,
    calls,
    classes,
    folded,
)
from tests.lib.genetic_history import History
from tests.lib.genetic_runs import Batch, Key, Person, Record

EXAMPLES = settings().max_examples // 5
"""An example stages, unpacks and folds several batches."""

# Also such as cut another extent in two, or take a record's position and not its allele's.
EXTENTS = (*INTERVALS, ("1", 101, 150), ("1", 16_385, 16_400), ("1", 16_777_217, 16_777_217))


@st.composite
def batches_of(draw: st.DrawFn, people: dict[int, int]) -> Batch:
    """Draw a batch of some of these persons (id -> sex), in any order of columns."""
    ids = draw(st.lists(st.sampled_from(sorted(people)), unique=True, min_size=1))
    places = draw(st.lists(st.sampled_from(PLACES), unique=True, max_size=6))
    records = [
        Record(
            chrom,
            pos,
            ref,
            alts,
            tuple(
                draw(calls(chrom, pos, 0 if alts == (".",) else len(alts), people[one]))
                for one in ids
            ),
        )
        for chrom, pos, ref, alts in sorted(places, key=PLACES.index)
    ]
    kind = draw(st.sampled_from(["sites", "bed"]))
    drawn = draw(st.lists(st.sampled_from(EXTENTS), unique=True)) if kind == "bed" else []
    extent = [one for one in drawn if not any(_inside(one, other) for other in drawn)]
    persons = tuple(Person(one, people[one]) for one in ids)
    return Batch(persons, tuple(records), kind, tuple(sorted(extent)), draw(classes()))


def _inside(one: tuple[str, int, int], other: tuple[str, int, int]) -> bool:
    """Whether an interval is a part of another: those of a batch do not overlap."""
    return one != other and one[0] == other[0] and other[1] <= one[1] and one[2] <= other[2]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Draw batches of the same few persons, each replacing all earlier ones where they meet."""
    sexes = draw(st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=5))
    people = dict(enumerate(sexes, start=10))
    made = draw(st.lists(batches_of(people), min_size=1, max_size=4))
    return History(
        tuple(made),
        tuple(tuple(range(i)) for i in range(len(made))),
        draw(st.frozensets(st.sampled_from(sorted(people)), max_size=2)),
        draw(st.frozensets(st.integers(0, len(made) - 1), max_size=1)),
    )


def states(snapshot: Snapshot, key: Key) -> dict[int, tuple[str, int | None, str | None]]:
    answer = variant_calls(snapshot, Variant(*key), STATES)
    return {row[1]: row[2:5] for row in answer.iter_rows()}


@settings(max_examples=EXAMPLES)
@given(histories(), st.integers(1, 4), st.integers(2, 6))
def test_every_state_and_count_is_that_of_what_counts(
    history: History, alleles: int, persons: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        snapshot = history.snapshot(Path(folder), alleles=alleles, persons=persons)
        keys = history.alleles()
        found = folded(snapshot)
        for of in found.values():
            of.pop("batches")
        assert found == {key: history.counts(key) for key in keys}
        genotyped = set(with_genotypes(snapshot).get("A", []))
        assert not genotyped & history.withdrawn_persons
        matrix = GenotypeMatrix(snapshot)
        for key in sorted(keys | set(UNLISTED)):
            due = {}
            for person_id in genotyped:
                known = history.known(person_id, key)
                due[person_id] = (known.genotype, known.ploidy, known.phase)
            assert states(snapshot, key) == due, key
            alone = pl.DataFrame([key], schema=["chrom", "pos", "ref", "alt"], orient="row")
            (block,) = matrix.of_alleles(alone.cast({"pos": pl.Int32}))
            named = ("0", "1", "2", "missing", "not_assayed")
            assert [named[code] for code in block.state[0]] == [
                due[person_id][0] for person_id in matrix.persons["person_id"]
            ]
        for person_id in history.persons():
            answer = person_variants(snapshot, "A", person_id)
            assert set(answer.drop("site", "person_id").iter_rows()) == {
                (*key, known.genotype, known.ploidy, known.phase)
                for key in keys
                for known in [history.known(person_id, key)]
                if known.genotype in ("1", "2")
            }
