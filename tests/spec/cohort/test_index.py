"""Attributes, visits, windows, indexes: what is on the ledger, the criterion, who is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from precisionchain.errors import UnknownConceptError, UsageError
from precisionchain.query import expressions as of
from precisionchain.query.cohort_question import answer as ask
from precisionchain.query.criteria import Criterion
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.saved_cohorts import SavedCohorts
from precisionchain.query.spelling import criterion
from tests.lib.asked_cohorts import answer, scope_of
from tests.spec.conftest import Build

SITE = """
    person
    person_id | year_of_birth
    1         | 1960
    2         | 1970
    3         | 1980
    4         |

    concept_ancestor
    ancestor | descendant | levels
    900      | 901        | 1
    910      | 911        | 1

    observation_period
    observation_period_id | person | start      | end
    1                     | 1      | 2010-01-01 | 2015-12-31
    2                     | 2      | 2014-06-01 | 2014-12-31
    3                     | 3      | 2010-01-01 | 2020-12-31

    visit_occurrence
    id | person | concept | start      | end        | discharged_to_concept_id
    1  | 1      | 911     | 2014-01-10 | 2014-01-20 | 8536
    2  | 2      | 911     | 2014-07-01 | 2014-07-01 |
    3  | 3      | 9202    | 2014-01-01 | 2014-01-03 |

    condition_occurrence
    person | concept | start      | end        | visit_occurrence_id
    1      | 10      | 2014-01-12 |            | 1
    1      | 10      | 2015-01-12 | 2015-01-20 |
    2      | 10      | 2014-07-02 |            | 2
    3      | 10      | 2014-01-02 | 2014-01-02 | 77
    3      | 11      | 2013-01-02 | 2013-01-02 |
    4      | 10      | 2014-01-01 |            |

    drug_exposure
    person | concept | start      | quantity | route_concept_id | visit_occurrence_id
    1      | 50      | 2014-01-15 | 30       | 901              | 1
    1      | 50      | 2013-12-31 | 10       | 0                |
    2      | 50      | 2014-07-01 |          | 901              |
    3      | 51      | 2014-01-02 | 5.5      | 902              |

    observation
    person | concept | start      | value_as_concept_id | qualifier_concept_id
    1      | 60      | 2014-01-01 | 70                  | 80
    2      | 60      | 2014-01-01 | 71                  |
    3      | 61      | 2014-01-01 |                     | 80

    measurement
    person | concept | start      | value_as_number | range_low | range_high | unit_concept_id | operator_concept_id
    1      | 30      | 2014-01-01 | 9               | 1         | 8          | 8840            |
    2      | 30      | 2014-01-01 | 9               | 1         | 9          | 8753            |
    3      | 30      | 2014-01-01 | 7               | 1         | 8          | 8840            | 4172704
    4      | 30      | 2014-01-01 | 100             |           |            | 8840            |

    condition_era
    person | concept | start      | end        | condition_occurrence_count
    1      | 10      | 2014-01-01 | 2014-03-01 | 3
    2      | 10      | 2014-01-01 | 2014-01-02 | 1
    """  # noqa: E501


@pytest.fixture(scope="module")
def scope(build: Build) -> CriterionScope:
    """One site."""
    network = build()
    network.site("A").ingest(SITE)
    return scope_of(network)


CASES = """
    observation(60, value_concept=70)                          => 1
    observation(value_concept=[70, 71], qualifier=80)          => 1
    observation(60, qualifier=0)                               => 2
    drug(50, route=900)                                        => 1 2
    drug(50, route=900, descendants=false)                     =>
    drug(route=902)                                            => 3
    drug(50, route=concept_set(900+, exclude=[901]))           =>
    visit(concept_set(910+, 9202, 12345))                      => 1 2 3
    drug(50, quantity >= 10)                                   => 1
    drug(quantity=5.5..9)                                      => 3
    drug(50, quantity < 20, route=0)                           => 1
    condition(10, year=2015)                                   => 1
    condition(10, month=1, day=2)                              => 3
    condition(10, length >= 0)                                 => 1 3
    condition(10, end_since=2015-01-01)                        => 1
    condition_era(10, length > 30)                             => 1
    condition_era(10, occurrence_count=1)                      => 2
    condition(10, in_visit=910)                                => 1 2
    condition(10, in_visit=0)                                  => 1 3 4
    visit(911, length=10)                                      => 1
    visit(discharged_to=8536)                                  => 1
    measurement(30, value > range_high)                        => 1 ? 3
    measurement(30, value <= range_high)                       => 2 ? 3
    measurement(30, range_low < range_high)                    => 1 2 3
    measurement(30, unit=8753)                                 => 2
    condition(10, observed=true)                               => 1 2 3
    observed(before=365, after=0, at=2014-07-02)               => 1 3
    during(condition(10), visit(911))                          => 1
    same_visit(condition(10), visit(911))                      => 1 2
    same_visit(condition(10), drug(50))                        => 1
    before(drug(50), condition(10))                            => 1 2
    after(drug(50), condition(10))                             => 1
    without(condition(10), drug(50), -7..0)                    => 1 3 4
    index(condition(10), first, where=drug(50, from_index=-30..-1))      => 1 2
    index(condition(10), last, where=drug(50, from_index=-30..-1))       => 2
    index(condition(10), each, where=drug(from_index=0..0))    => 3
    index(condition(10), where=observed(before=365))           => 1 3
    index(condition(10), where=age(40..60))                    => 1 2 ? 4
    index(condition(10), where=~age(40..50))                   => 1 3 ? 4
    index(condition(10), last, where=condition(10, from_index=..-1, same_period=true)) => 1
    index(visit(911), where=condition(10, from_index_end=..-1))          => 1
    index(visit(911), where=drug(50, from_index=0.., end_from_index_end=..0)) => 1 2
    index(index(condition(10), each, where=observed(after=365)), first)  => 1 3
    index(condition([10, 11]), where=at_least(2, condition([10, 11], from_index=0..400))) => 1 3
    index(condition(10), where=sex(male) | recorded())         => 1 2 3 4
    condition(10, where=drug(50, from_index=-1..0))            => 2
    at_least(2, condition(10, where=observed()))               => 1
    at_least(2, either(condition(11), drug(51)))               => 3
    at_least(3, either(condition(10), condition([10, 11])))    =>
    at_least(2, either(condition(10), condition([10, 11])))    => 1 3
    at_least(2, condition([10, 11]), concepts=true)            => 3
    at_least(1, condition(10), visits=true)                    => 1 2 3
    at_most(1, condition(10))                                  => 2 3 4
    exactly(2, condition(10))                                  => 1
    some_of(2, condition(10), drug(50), observation(61))       => 1 2 3
    index(measurement(30, value > range_high), where=observed())         => 1 ? 3
"""
ASKED = [tuple(part.strip() for part in line.split("=>")) for line in CASES.strip().splitlines()]


@pytest.mark.parametrize(("asked", "who"), ASKED)
def test_who(scope: CriterionScope, asked: str, who: str) -> None:
    true, _, unknown = who.partition("?")
    expected = tuple(" ".join(f"A:{one}" for one in some.split()) for some in (true, unknown))
    assert answer(scope, criterion(asked)) == expected


UNCERTAIN = """
    measurement
    person | concept | start      | value_as_number | operator_concept_id
    1      | 30      | 2014-01-01 | 5               | 4172704
    1      | 30      | 2014-02-01 | 9               |
    2      | 30      | 2014-01-01 | 9               |
    2      | 30      | 2014-02-01 | 5               | 4172704

    condition_occurrence
    person | concept | start
    1      | 10      | 2014-02-02
    2      | 10      | 2014-02-02
    """


def test_which_is_first_may_be_unknown(build: Build) -> None:
    network = build()
    network.site("A").ingest(UNCERTAIN)
    scope = scope_of(network)
    event = of.measurement(30, value__gt=7)

    def asked(which: str, days: tuple[int, int]) -> tuple[str, str]:
        return answer(scope, of.index(event, which, where=of.condition(10, from_index=days)))

    assert asked("first", (0, 90)) == ("A:2", "A:1")
    assert asked("first", (0, 10)) == ("", "A:1")
    assert asked("last", (0, 90)) == ("A:1", "A:2")
    assert asked("each", (0, 10)) == ("A:1", "A:2")
    assert asked("first", (40, 41)) == ("", "")


DATES: dict[str, tuple[Criterion, str]] = {
    "the period's end": (
        of.index(of.condition(10)),
        "1 2014-01-12 2015-12-31, 2 2014-07-02 2014-12-31, 3 2014-01-02 2020-12-31, 4 2014-01-01 None",  # noqa: E501
    ),
    "the last": (
        of.index(of.condition(10), "last", where=of.drug(50)),
        "1 2015-01-12 2015-12-31, 2 2014-07-02 2014-12-31",
    ),
    "each, some days after its end": (
        of.index(of.condition(10), "each", ends="end", offset=300) & of.persons("A:1", "A:2"),
        "1 2014-01-12 2014-11-08, 1 2015-01-12 2015-11-16, 2 2014-07-02 2014-12-31",
    ),
    "its own start": (
        of.index(of.condition(11), ends="start"),
        "3 2013-01-02 2013-01-02",
    ),
    "until something else": (
        of.index(of.drug(50), censor=of.condition(10)),
        "1 2013-12-31 2014-01-12, 2 2014-07-01 2014-07-02",
    ),
}


@pytest.mark.parametrize("case", DATES)
def test_index_dates(scope: CriterionScope, case: str) -> None:
    asked, expected = DATES[case]
    cohort = ask(asked, scope).value
    assert cohort.index_dates is not None
    found = [" ".join(map(str, row[1:])) for row in cohort.index_dates.rows()]
    assert ", ".join(found) == expected
    assert set(cohort.index_dates["person_id"]) == set(cohort.persons["person_id"])


def test_without_an_index_there_are_no_dates(scope: CriterionScope) -> None:
    index = of.index(of.condition(10))
    for asked in (of.condition(10), index | of.recorded(), index & index, ~index):
        assert ask(asked, scope).value.index_dates is None


@pytest.mark.parametrize(
    "asked",
    [
        of.condition(10, from_index=(0, 1)),
        of.at_least(2, of.condition(10, same_visit=True)),
        of.index(of.condition(10, from_index=(0, 1))),
        of.index(of.condition(10), where=of.index(of.drug(50, from_index=(0, 1)))),
        of.within_days(of.condition(10, from_index=(0, 1)), of.drug(50), 5),
        of.age((18, 65)),
        of.observed(before=5),
    ],
)
def test_what_speaks_of_an_index_needs_one(scope: CriterionScope, asked: Criterion) -> None:
    with pytest.raises(UsageError, match=r"index|from a day|of a day"):
        answer(scope, asked | of.everyone())


def test_an_attribute_that_nobody_knows_is_refused(scope: CriterionScope) -> None:
    with pytest.raises(UnknownConceptError, match="999"):
        answer(scope, of.drug(50, route=[901, 999]))


def test_a_saved_cohort_keeps_its_dates(scope: CriterionScope, tmp_path: Path) -> None:
    kept = SavedCohorts(tmp_path / "cohorts", scope.snapshot.catalogue.network)
    for name, asked in (
        ("each", of.index(of.condition(10), "each")),
        ("nobody", of.index(of.condition(10), where=of.condition(11, from_index=(5000, None)))),
        ("none", of.condition(10)),
    ):
        cohort = ask(asked, scope).value
        kept.save(name, cohort)
        again = kept.load(name)
        assert again == cohort
        if cohort.index_dates is None:
            assert again.index_dates is None
        else:
            assert again.index_dates is not None
            assert again.index_dates.equals(cohort.index_dates)
    withdrawn = kept.load("each").without({"A": [1]})
    assert withdrawn.index_dates is not None
    assert withdrawn.index_dates["person_id"].to_list() == [2, 3, 4]
