"""The state matrix against a reading of every record by hand, and the question by allele."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from precisionchain.query import criteria
from precisionchain.query.genotype_matrix import GenotypeMatrix, StateBlock
from precisionchain.query.variants import variant_calls
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.variant import Region, Variant
from tests.generative.test_counts_fold import STATES, UNLISTED, batches, networks
from tests.lib.genetic_runs import Batch, Key, State, listed_keys, replica, state

EXAMPLES = settings().max_examples // 5
PHASES = (None, "0|0", "0|1", "1|0", "1|1")

Known = dict[tuple[Key, str, int], State]


def known(block: StateBlock, persons: pl.DataFrame) -> Known:
    """A block, cell by cell."""
    assert block.state.shape == block.ploidy.shape == block.phase.shape
    assert block.state.shape == (block.alleles.height, persons.height)
    return {
        (key, site, person): State(
            criteria.STATES[block.state[i, j]],
            int(block.ploidy[i, j]) or None,
            PHASES[block.phase[i, j]],
        )
        for i, key in enumerate(block.alleles.iter_rows())
        for j, (site, person) in enumerate(persons.select("site", "person_id").iter_rows())
    }


def of_variants(snapshot: Snapshot, keys: list[Key]) -> Known:
    """The same by asking for each allele."""
    return {
        (key, site, person): State(genotype, ploidy, phase)
        for key in keys
        for site, person, genotype, ploidy, phase, _ in variant_calls(
            snapshot, Variant(*key), STATES
        ).iter_rows()
    }


def together(matrix: GenotypeMatrix, keys: list[Key]) -> Known:
    alleles = pl.DataFrame(
        keys,
        schema={"chrom": pl.String, "pos": pl.Int32, "ref": pl.String, "alt": pl.String},
        orient="row",
    )
    found: Known = {}
    for block in matrix.of_alleles(alleles):
        found |= known(block, matrix.persons)
    return found


@settings(max_examples=EXAMPLES)
@given(networks(), st.integers(1, 4), st.integers(2, 6), st.sampled_from([1, 40, 2**20]))
def test_every_state_is_that_of_the_records(
    network: list[Batch], alleles: int, persons: int, cells: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        snapshot = replica(Path(folder), network, alleles=alleles, persons=persons)
        keys = sorted(listed_keys(network) | set(UNLISTED))
        due = {
            (key, "A", person.person_id): state(batch, column, key)
            for key in keys
            for batch in network
            for column, person in enumerate(batch.persons)
        }
        matrix = GenotypeMatrix(snapshot, cells=cells)
        assert together(matrix, keys) == due
        listed: Known = {}
        for block in matrix.of_region(None):
            listed |= known(block, matrix.persons)
        assert listed == {at: of for at, of in due.items() if at[0] in listed_keys(network)}


@settings(max_examples=EXAMPLES)
@given(st.data(), st.integers(1, 4), st.integers(2, 6))
def test_any_persons_of_several_sites_and_batches_are_as_the_variants_say(
    data: st.DataObject, alleles: int, persons: int
) -> None:
    """Here batches share persons, which sealing refuses and readers nevertheless can meet."""
    network = [data.draw(batches(data.draw(st.integers(0, 3)))) for _ in range(3)]
    sites = data.draw(st.lists(st.sampled_from("AB"), min_size=3, max_size=3))
    with tempfile.TemporaryDirectory() as folder:
        snapshot = replica(Path(folder), network, sites=sites, alleles=alleles, persons=persons)
        keys = sorted(listed_keys(network) | set(UNLISTED))
        everyone = GenotypeMatrix(snapshot).persons.select("site", "person_id").rows()
        due = of_variants(snapshot, keys)
        assert {at[1:] for at in due} == set(everyone)
        some = data.draw(st.lists(st.sampled_from([*everyone, ("A", 999), ("C", 1)]), unique=True))
        chosen = pl.DataFrame(some, schema={"site": pl.String, "person_id": pl.Int64}, orient="row")
        matrix = GenotypeMatrix(snapshot, chosen)
        assert matrix.persons.select("site", "person_id").rows() == sorted(some)
        unknown = {
            (key, *person): State("not_assayed")
            for key in keys
            for person in some
            if person not in everyone
        }
        assert together(matrix, keys) == unknown | {
            at: of for at, of in due.items() if at[1:] in some
        }


@settings(max_examples=EXAMPLES)
@given(networks(), st.sampled_from(["1:100-300", "1:16384", "X", "GL000192.1:50-60", "2"]))
def test_a_region_holds_the_listed_alleles_with_pos_inside(network: list[Batch], text: str) -> None:
    region = Region.parse(text)
    with tempfile.TemporaryDirectory() as folder:
        blocks = list(GenotypeMatrix(replica(Path(folder), network)).of_region(region))
        found = [key for block in blocks for key in block.alleles.iter_rows()]
        inside = [key for key in listed_keys(network) if region.contains(key[0], key[1])]
        assert found == sorted(inside)
