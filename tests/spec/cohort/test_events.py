"""Who has an event: what is on the ledger, the criterion, who is true and who unknown."""

from __future__ import annotations

import pytest

from precisionchain.errors import UnknownConceptError, UsageError
from precisionchain.query import expressions as of
from precisionchain.query.criteria import Criterion
from precisionchain.query.criterion_scope import CriterionScope
from tests.lib.asked_cohorts import answer, scope_of
from tests.spec.conftest import Build

SITE_A = """
    person
    person_id | year_of_birth | month_of_birth | day_of_birth
    1         | 1960          | 2              | 29
    2         | 1970          |                |
    3         |               | 1              | 1
    4         | 1980          | 6              | 15

    concept_ancestor
    ancestor | descendant | levels
    10       | 10         | 0
    10       | 11         | 1
    10       | 12         | 1
    12       | 12         | 0

    condition_occurrence
    person | concept | start
    1      | 10      | 2011-02-28
    1      | 11      | 2011-03-01
    1      | 11      | 2011-03-01
    2      | 12      | 2015-01-01
    3      | 13      | 2015-06-30
    4      | 0       | 2020-01-01

    drug_exposure
    person | concept | start      | end
    1      | 50      | 2011-03-31 | 2011-04-30
    2      | 50      | 2014-12-31 | 2014-12-31

    death
    person | start      | concept
    2      | 2021-01-01 |

    condition_era
    person | concept | start      | end
    4      | 10      | 2010-01-01 | 2010-02-01
    """
SITE_B = """
    person
    person_id | year_of_birth
    1         | 1950
    5         | 1951

    condition_occurrence
    person | concept | start
    1      | 12      | 2012-07-01
    5      | 11      | 1949-12-31

    concept_ancestor
    ancestor | descendant | levels
    70       | 11         | 2
    """


@pytest.fixture(scope="module")
def scope(build: Build) -> CriterionScope:
    """Two sites; the second one's slice says what the first one's does not."""
    network = build()
    network.site("A").ingest(SITE_A)
    network.site("B").ingest(SITE_B)
    return scope_of(network)


CASES: dict[str, tuple[Criterion, str]] = {
    "a concept and what is below it, at all sites": (of.condition(10), "A:1 A:2 B:1 B:5"),
    "a concept alone": (of.condition(10, descendants=False), "A:1"),
    "a descendant that another site's slice names": (of.condition(70), "A:1 B:5"),
    "several concepts": (of.condition([12, 13]), "A:2 A:3 B:1"),
    "but for some, and what is below them": (of.condition(10, exclude=12), "A:1 B:5"),
    "but for some alone": (
        of.condition([10, 11], exclude=10, descendants=False),
        "A:1 B:5",
    ),
    "all are excluded": (of.condition(12, exclude=10), ""),
    "any row": (of.condition(), "A:1 A:2 A:3 A:4 B:1 B:5"),
    "concept 0": (of.condition(0), "A:4"),
    "a cause of death that is not told": (of.death(0), "A:2"),
    "eras by name": (of.condition_era(10), "A:4"),
    "any event but eras": (of.event(10), "A:1 A:2 B:1 B:5"),
    "any event of any concept": (of.event(50), "A:1 A:2"),
    "from a day on": (of.condition(since="2015-01-01"), "A:2 A:3 A:4"),
    "up to a day": (of.condition(until="2011-02-28"), "A:1 B:5"),
    "between days": (of.condition(since="2011-03-02", until="2014-12-31"), "B:1"),
    "by calendar years of age": (of.condition(age=(51, 51)), "A:1"),
    "older": (of.condition(age=(62, None)), "B:1"),
    "before birth": (of.condition(age=(None, 0)), "B:5"),
    "by completed years": (of.condition(10, age=(50, 50), exact_age=True), "A:1"),
    "29 February is 1 March in a common year": (
        of.condition(11, age=(51, 51), exact_age=True),
        "A:1",
    ),
    "and not 28 February": (
        of.condition(10, descendants=False, age=(51, 51), exact_age=True),
        "",
    ),
    "the first day is that of all the concepts": (of.condition(10, first=True), "A:1 A:2 B:1 B:5"),
    "first, then the window": (of.condition(10, first=True, since="2011-03-01"), "A:2 B:1"),
    "first of the concepts that are left": (
        of.condition(10, exclude=12, first=True, since="2011-03-01"),
        "",
    ),
    "two rows": (of.at_least(2, of.condition(11)), "A:1"),
    "three rows": (of.at_least(3, of.condition(10)), "A:1"),
    "three days": (of.at_least(3, of.condition(10), days=True), ""),
    "two days": (of.at_least(2, of.condition(10), days=True), "A:1"),
    "a month later": (of.within_days(of.condition(10), of.drug(50), (30, 31)), "A:1"),
    "a month apart": (of.within_days(of.condition(10), of.drug(50), 31), "A:1 A:2"),
    "just before": (of.within_days(of.condition(10), of.drug(50), (-1, 0)), "A:2"),
    "any time later": (of.within_days(of.condition(), of.drug(), (0, None)), "A:1"),
    "a row and itself": (
        of.within_days(of.condition(13), of.condition(13), 0),
        "A:3",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_events(scope: CriterionScope, case: str) -> None:
    criterion, true = CASES[case]
    assert answer(scope, criterion) == (true, "")
    everyone = answer(scope, of.everyone())[0].split()
    others = " ".join(person for person in everyone if person not in true.split())
    assert answer(scope, ~criterion) == (others, "")


def test_a_concept_that_nobody_knows_is_refused(scope: CriterionScope) -> None:
    for criterion in (of.condition(99), of.condition(10, exclude=99), of.death([10, 99])):
        with pytest.raises(UnknownConceptError, match="99"):
            answer(scope, criterion | of.everyone())


def test_a_concept_of_another_table_is_known(scope: CriterionScope) -> None:
    assert answer(scope, of.procedure(50)) == ("", "")


MEASURED = """
    measurement
    person | concept | start      | value_as_number | operator_concept_id | unit_concept_id
    1      | 20      | 2015-01-01 | 7               |                     | 8840
    2      | 20      | 2015-01-01 | 7               | 4171756             | 8840
    3      | 20      | 2015-01-01 | 7               | 4172704             | 8840
    4      | 20      | 2015-01-01 | 7               | 4171754             | 8840
    5      | 20      | 2015-01-01 | 7               | 4171755             | 8840
    6      | 20      | 2015-01-01 | 7               | 4172703             | 8840
    7      | 20      | 2015-01-01 |                 | 4171756             |
    8      | 20      | 2014-01-01 | 1               |                     | 8840
    8      | 20      | 2015-01-01 | 9               |                     | 8840
    9      | 21      | 2015-01-01 | 7               |                     |
    9      | 21      | 2015-01-02 | 9               | 4171756             | 0
    10     | 22      | 2015-01-01 | 7               |                     | 8840
    10     | 22      | 2015-01-01 | 7               |                     | 8713
    11     | 22      | 2015-01-01 | 7               |                     |

    observation
    person | concept | start      | value_as_number
    12     | 30      | 2015-01-01 | 4

    condition_occurrence
    person | concept | start
    13     | 30      | 2015-01-01
    """


@pytest.fixture(scope="module")
def measured(build: Build) -> CriterionScope:
    """Values with operators and units."""
    network = build()
    network.site("A").ingest(MEASURED)
    return scope_of(network)


VALUES: dict[str, tuple[Criterion, str, str]] = {
    "above, and what may be": (of.measurement(20, value__gt=7), "A:3 A:8", "A:5"),
    "at least": (of.measurement(20, value__ge=7), "A:1 A:3 A:5 A:6 A:8", "A:4"),
    "below": (of.measurement(20, value__lt=7), "A:2 A:8", "A:4"),
    "at most": (of.measurement(20, value__le=7), "A:1 A:2 A:4 A:6 A:8", "A:5"),
    "just that": (of.measurement(20, value__eq=7), "A:1 A:6", "A:4 A:5"),
    "far above": (of.measurement(20, value__gt=100), "", "A:3 A:5"),
    "between": (of.measurement(20, value__gt=7, value__lt=8), "", "A:3 A:5"),
    "nothing is between": (of.measurement(20, value__gt=8, value__lt=7), "", ""),
    "what may be is not what is not": (
        ~of.measurement(20, value__lt=7),
        "A:1 A:10 A:11 A:12 A:13 A:3 A:5 A:6 A:7 A:9",
        "A:4",
    ),
    "the first value": (of.measurement(20, value__gt=8, first=True), "", "A:3 A:5"),
    "no unit and unit 0 are one": (of.measurement(21, value__gt=6), "A:9", ""),
    "a row without a number": (of.measurement(20), "A:1 A:2 A:3 A:4 A:5 A:6 A:7 A:8", ""),
    "a unit": (of.measurement(22, value__gt=6, unit=8713), "A:10", ""),
    "no unit": (of.measurement(22, value__gt=6, unit=0), "A:11", ""),
    "one of some units": (of.measurement(22, value__gt=6, unit=[0, 8840]), "A:10 A:11", ""),
    "tables without values": (of.event(30, value__gt=3), "A:12", ""),
    "enough of what may be": (of.at_least(2, of.measurement(21, value__lt=8)), "", "A:9"),
    "one of them is sure": (of.at_least(1, of.measurement(21, value__lt=8)), "A:9", ""),
    "days apart of what may be": (
        of.within_days(of.measurement(21, value__eq=7), of.measurement(21, value__le=5), 1),
        "",
        "A:9",
    ),
}


@pytest.mark.parametrize("case", VALUES)
def test_values(measured: CriterionScope, case: str) -> None:
    criterion, true, unknown = VALUES[case]
    found = [sorted(part.split()) for part in answer(measured, criterion)]
    assert found == [sorted(true.split()), sorted(unknown.split())]


def test_values_in_several_units_are_refused_by_name(measured: CriterionScope) -> None:
    for criterion in (of.measurement(22, value__gt=6), of.measurement(value__gt=6)):
        with pytest.raises(UsageError, match=r"none, .*8840"):
            answer(measured, criterion & ~of.everyone())
    # However few rows are looked at: it is the concepts' rows that are mixed.
    with pytest.raises(UsageError, match="units"):
        answer(measured, of.measurement(22, value__gt=6, until="1900-01-01"))
