"""Genetic batches add up: other persons, other positions; the same twice is refused."""

from __future__ import annotations

import pytest

from precisionchain.errors import OverlapError
from tests.lib.drawn_genotypes import assert_answer, ingest_genotypes
from tests.spec.conftest import Build

CHROMOSOME_9 = """
    place | ref | alt | 1   | 2
    9:100 | A   | G   | 0/1 | 0/0
    """
CHROMOSOME_10 = """
    place  | ref | alt | 1   | 2
    10:100 | A   | G   | 0/1 | 1/1
    """
OTHER_PERSONS = """
    place | ref | alt | 3   | 4
    9:100 | A   | G   | 1/1 | ./.
    """
AGAIN = """
    place | ref | alt | 2   | 5
    9:100 | A   | T   | 0/1 | 0/1
    """


def test_other_positions_and_other_persons_add_up(build: Build) -> None:
    site = build().site()
    for number, text in enumerate((CHROMOSOME_9, CHROMOSOME_10, OTHER_PERSONS)):
        ingest_genotypes(site, text, source=f"s{number}")
    with site.network() as door:
        assert_answer(
            door.maf(0, 0.5),
            """
            chrom | pos | ac | an | batches
            9     | 100 | 3  | 6  | 2
            10    | 100 | 3  | 4  | 1
            """,
        )
        assert_answer(
            door.variant("9:100:A:G", genotype=("1", "2", "missing")),
            """
            person | genotype
            A:1    | 1
            A:3    | 2
            A:4    | missing
            """,
        )


def test_a_person_sealed_at_a_position_is_not_sealed_there_again(build: Build) -> None:
    """The message names the batch and the position, not the persons; the ledger stays as it was."""
    network = build()
    site = network.site()
    sealed = ingest_genotypes(site, CHROMOSOME_9, source="first")
    ledger = network.ledger()
    head = ledger.head()
    with pytest.raises(OverlapError) as refused:
        ingest_genotypes(site, AGAIN, source="second")
    assert "1 of the run's persons" in refused.value.message
    assert "9:100" in refused.value.message
    assert refused.value.where == f"batch {sealed.batch[:16]}"
    assert ledger.head() == head
    ledger.close()


def test_the_same_source_again_publishes_nothing(build: Build) -> None:
    site = build().site()
    first = ingest_genotypes(site, CHROMOSOME_9)
    again = ingest_genotypes(site, CHROMOSOME_9)
    assert (again.batch, again.new_items) == (first.batch, 0)


def test_another_site_may_hold_the_same_person_ids(build: Build) -> None:
    network = build()
    ingest_genotypes(network.site("A"), CHROMOSOME_9)
    ingest_genotypes(network.site("B"), AGAIN, source="other")
    network.site("A").site.sync()
    with network.site("A").network() as door:
        assert_answer(
            door.variant("9:100:A:T"),
            """
            person | genotype
            B:2    | 1
            B:5    | 1
            """,
        )


def test_the_counts_are_those_of_one_batch_in_either_order(build: Build) -> None:
    answers = []
    for order in ((CHROMOSOME_9, OTHER_PERSONS), (OTHER_PERSONS, CHROMOSOME_9)):
        site = build().site()
        for number, text in enumerate(order):
            ingest_genotypes(site, text, source=f"s{number}")
        with site.network() as door:
            answers.append(door.maf(0, 0.5))
    assert answers[0].equals(answers[1])
