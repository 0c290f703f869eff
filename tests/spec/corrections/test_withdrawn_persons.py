"""A withdrawn person is in nothing that is given out, also not in what was kept before."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from precisionchain.errors import UnknownPersonError
from tests.lib.drawn_genotypes import ingest_genotypes
from tests.lib.site_builder import BuiltSite
from tests.spec.conftest import Build

RECORDS = """
    person
    person_id | gender_concept_id | year_of_birth
    1         | 8507              | 1950
    2         | 8532              | 1960
    3         | 8532              | 1970

    condition_occurrence
    person | concept | start
    1      | 10      | 2015-01-01
    2      | 10      | 2016-01-01

    observation_period
    person | start      | end
    1      | 2014-01-01 | 2016-01-01
    2      | 2014-01-01 | 2016-01-01
    """
GENOTYPES = """
    place | ref | alt | 1   | 2   | 3
    9:100 | A   | G   | 0/1 | 1/1 | 0/0
    """


@pytest.fixture(scope="module")
def site(build: Build) -> BuiltSite:
    """A site that saved and holds cohorts, and then withdrew person 2."""
    found = build(genetic=True).site()
    found.ingest(RECORDS)
    ingest_genotypes(found, GENOTYPES, source="calls")
    with found.network() as door:
        door.cohort("condition(10)", save="kept")
    found.site.withdraw_persons([2])
    return found


def persons(frame: pl.DataFrame) -> list[int]:
    return sorted(frame["person_id"])


def test_no_question_shows_the_person(site: BuiltSite) -> None:
    with site.network() as door:
        assert persons(door.domain(10)) == [1]
        assert persons(door.variant("9:100:A:G", genotype=[0, 1, 2])) == [1, 3]
        assert door.maf(0, 0.5).select("ac", "an").rows() == [(1, 4)]
        cohort = door.cohort("sex(female) | carries(9:100:A:G)")
        assert (persons(cohort.persons), cohort.universe) == ([1, 3], 2)
        for ask in (door.person, door.person_variants):
            with pytest.raises(UnknownPersonError) as withdrawn:
                ask("A:2")
            with pytest.raises(UnknownPersonError) as unknown:
                ask("A:99")
            assert str(withdrawn.value) == str(unknown.value)


def test_a_saved_cohort_comes_back_without_the_person(site: BuiltSite) -> None:
    with site.network() as door:
        kept = door.cohort("saved(kept)")
        assert (persons(kept.persons), kept.universe) == ([1], 2)
        assert not door.is_current(kept)
        (listed,) = door.cohorts().to_dicts()
        assert (listed["members"], listed["universe"], listed["state"]) == (1, 2, "older")
        assert persons(door.cohort(kept).persons) == [1]


def test_exports_leave_the_person_out(site: BuiltSite, tmp_path: Path) -> None:
    with site.network() as door:
        kept = door.cohort("saved(kept)")
        assert door.export_cohort(kept, definition_id=1)["subject_id"].to_list() == [1]
        everybody = door.export_genotypes(output=tmp_path / "all.vcf")
        assert everybody.persons == 2
        with pytest.raises(UnknownPersonError):
            door.export_genotypes(output=tmp_path / "two.vcf", persons=["A:2"])
        named = pl.DataFrame({"site": ["A", "A"], "person_id": [1, 2]})
        exported = door.export_genotypes(output=tmp_path / "some.vcf", persons=named)
        assert (exported.persons, exported.persons_without_genotypes) == (1, 1)


def test_a_cohort_held_from_before_is_exported_without_the_person(build: Build) -> None:
    site = build(genetic=True).site()
    site.ingest(RECORDS)
    with site.network() as door:
        held = door.cohort("condition(10)")
        site.site.withdraw_persons([2])
        assert persons(held.persons) == [1, 2]  # what was given out before nobody can take back
        assert door.export_cohort(held, definition_id=1)["subject_id"].to_list() == [1]
        assert persons(door.cohort(held).persons) == [1]
