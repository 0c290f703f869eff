"""Demographics, observation, and who somebody is."""

from __future__ import annotations

import pytest

from precisionchain.errors import AmbiguousPersonError, UnknownPersonError, UsageError
from precisionchain.query import expressions as of
from precisionchain.query.criteria import MAX_DEPTH, Criterion
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.persons import published
from tests.lib.asked_cohorts import answer, scope_of
from tests.lib.drawn_genotypes import ingest_genotypes
from tests.spec.conftest import Build

SITE_A = """
    person
    person_id | gender_concept_id | race_concept_id | year_of_birth | month_of_birth | day_of_birth
    1         | 8507              | 8527            | 1960          | 2              | 29
    2         | 8532              | 0               | 1970          | 6              |
    3         | 0                 |                 |               |                |
    -4        |                   | 8515            | 1980          | 1              | 1

    observation_period
    person | start      | end
    1      | 2010-01-01 | 2012-12-31
    1      | 2013-01-01 | 2015-12-31
    2      | 2012-01-01 |
    """
SITE_B = """
    person
    person_id | gender_concept_id | year_of_birth
    1         | 8521              | 1960
    """


@pytest.fixture(scope="module")
def scope(build: Build) -> CriterionScope:
    """Two sites; person 9 of A has genotypes alone, and of 1 there are both."""
    network = build(genetic=True)
    network.site("A").ingest(SITE_A)
    network.site("B").ingest(SITE_B)
    drawn = """
        place | ref | alt | 1   | 9
        9:100 | A   | G   | 0/1 | 0/0
        """
    ingest_genotypes(network.site("A"), drawn)
    return scope_of(network)


ALL = "A:-4 A:1 A:2 A:3 A:9 B:1"
CASES: dict[str, tuple[Criterion, str, str]] = {
    "everyone": (of.everyone(), ALL, ""),
    "with a clinical record": (of.recorded(), "A:-4 A:1 A:2 A:3 B:1", ""),
    "with genotypes": (of.genotyped(), "A:1 A:9", ""),
    "of a site": (of.at_site("B"), "B:1", ""),
    "of both": (of.at_site("A", "B"), ALL, ""),
    "named": (of.persons("A:-4", "B:1"), "A:-4 B:1", ""),
    "named without a site": (of.persons(1), "A:1", ""),
    "men": (of.sex("male"), "A:1", "A:-4 A:3 A:9"),
    "women and others": (of.sex("female", 8521), "A:2 B:1", "A:-4 A:3 A:9"),
    "not men": (~of.sex("male"), "A:2 B:1", "A:-4 A:3 A:9"),
    "concept 0 is unknown": (of.sex(0), "", "A:-4 A:3 A:9"),
    "race": (of.race(8515), "A:-4", "A:2 A:3 A:9 B:1"),
    "ethnicity nobody told": (of.ethnicity(38003564), "", ALL),
    "born": (of.born((1960, 1970)), "A:1 A:2 B:1", "A:3 A:9"),
    "born until": (of.born((None, 1969)), "A:1 B:1", "A:3 A:9"),
    "age": (of.age((50, 60), at="2020-12-31"), "A:1 A:2 B:1", "A:3 A:9"),
    "exact age": (of.age((59, 59), at="2019-02-28", exact=True), "", "A:2 A:3 A:9 B:1"),
    "a leap day's birthday": (
        of.age((59, 59), at="2019-03-01", exact=True),
        "A:1",
        "A:2 A:3 A:9 B:1",
    ),
    "observed at all": (of.observed(), "A:1 A:2", ""),
    "observed on a day": (of.observed(since="2012-12-31"), "A:1", ""),
    "observed on another day": (of.observed(until="2013-01-01"), "A:1", ""),
    "observed all the time": (of.observed(since="2010-01-01", until="2012-12-31"), "A:1", ""),
    "periods are not merged": (of.observed(since="2012-12-31", until="2013-01-01"), "", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_persons(scope: CriterionScope, case: str) -> None:
    criterion, true, unknown = CASES[case]
    assert answer(scope, criterion) == (true, unknown)


def asked_by(scope: CriterionScope, site: str) -> CriterionScope:
    return CriterionScope(scope.snapshot, scope.universe, site, scope.sites)


def test_a_bare_id_is_that_of_who_asks_or_of_the_only_other_who_has_it(
    scope: CriterionScope,
) -> None:
    by_b = asked_by(scope, "B")
    assert answer(by_b, of.persons(1)) == ("B:1", "")
    assert answer(by_b, of.persons(-4)) == ("A:-4", "")
    assert answer(by_b, of.persons(9, "B:1")) == ("A:9 B:1", "")
    with pytest.raises(AmbiguousPersonError, match="sites A, B hold"):
        answer(asked_by(scope, "C"), of.persons(1))
    with pytest.raises(UnknownPersonError) as refused:
        answer(by_b, of.persons(77))
    assert "77" not in str(refused.value)


@pytest.mark.parametrize("asking", ["A", "B", "C"])
@pytest.mark.parametrize("person", [1, 2, 3, -4, 9, 77])
def test_a_bare_id_means_in_a_cohort_whom_it_means_elsewhere(
    scope: CriterionScope, asking: str, person: int
) -> None:
    try:
        site, _ = published(scope.snapshot, person, own_site=asking)
    except UsageError as refused:
        with pytest.raises(type(refused)):
            answer(asked_by(scope, asking), of.persons(person))
    else:
        assert answer(asked_by(scope, asking), of.persons(person)) == (f"{site}:{person}", "")


def test_who_is_not_there_is_refused(scope: CriterionScope) -> None:
    with pytest.raises(UnknownPersonError) as refused:
        answer(scope, of.persons("A:1", "A:77"))
    assert "77" not in str(refused.value)
    with pytest.raises(UsageError, match="C is no site"):
        answer(scope, of.at_site("A", "C"))


def test_of_several_rows_of_a_person_the_one_sealed_last_counts(build: Build) -> None:
    network = build()
    row = """
        person
        person_id | gender_concept_id | year_of_birth
        1         | {}                | {}
        """
    network.site().ingest(row.format(8507, 1950), source="one")
    network.site().ingest(row.format("", 1960), source="two")
    scope = scope_of(network)
    assert answer(scope, of.born((1960, 1960))) == ("A:1", "")
    assert answer(scope, of.sex("male")) == ("", "A:1")


def test_as_deep_as_criteria_nest(scope: CriterionScope) -> None:
    nested: Criterion = of.born((1960, 1960))
    while nested.depth < MAX_DEPTH - 1:
        nested = ~(nested & of.everyone())
    assert answer(scope, nested)[1] == "A:3 A:9"


def test_an_empty_network(build: Build) -> None:
    network = build(genetic=True)
    scope = scope_of(network)
    nobody = (of.everyone(), of.condition(), of.sex("male"), of.carries("9:1:A:G"))
    for criterion in (*nobody, of.carries("9:1-5"), of.observed(), of.at_site("A")):
        assert answer(scope, criterion) == ("", "")
