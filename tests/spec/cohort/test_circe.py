"""OHDSI cohort definitions: what is on the ledger, the definition, who is in from when to when."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import polars as pl
import pytest

import precisionchain as pc
from precisionchain.query.cohort_question import answer as ask
from precisionchain.query.criterion_scope import CriterionScope
from tests.lib.asked_cohorts import scope_of
from tests.lib.site_builder import BuiltNetwork
from tests.spec.conftest import Build

SITE = """
    person
    person_id | year_of_birth | gender_concept_id
    1         | 1960          | 8507
    2         | 1970          | 8532
    3         | 1980          | 8507

    concept_ancestor
    ancestor | descendant | levels
    10       | 11         | 1

    observation_period
    id | person | start      | end
    1  | 1      | 2010-01-01 | 2015-12-31
    2  | 2      | 2014-06-01 | 2014-12-31
    3  | 3      | 2010-01-01 | 2012-12-31
    4  | 3      | 2014-01-01 | 2020-12-31

    visit_occurrence
    id | person | concept | start      | end
    1  | 1      | 9201    | 2014-01-10 | 2014-01-20
    2  | 2      | 9202    | 2014-07-01 | 2014-07-01

    condition_occurrence
    id | person | concept | start      | end        | visit_occurrence_id
    1  | 1      | 10      | 2014-01-12 |            | 1
    2  | 1      | 10      | 2015-01-12 | 2015-01-20 |
    3  | 2      | 10      | 2014-07-02 |            | 2
    4  | 3      | 10      | 2009-05-01 | 2009-05-03 |
    5  | 3      | 10      | 2014-01-02 | 2014-01-02 |
    6  | 3      | 11      | 2016-02-01 | 2016-02-05 |

    drug_exposure
    id | person | concept | start      | end        | days_supply | visit_occurrence_id
    1  | 1      | 50      | 2014-01-15 |            | 30          | 1
    2  | 1      | 50      | 2014-03-01 | 2014-03-10 |             |
    3  | 2      | 50      | 2014-07-01 |            |             | 2
    4  | 3      | 50      | 2012-06-01 | 2012-06-10 |             |

    death
    person | concept | start
    2      | 60      | 2014-10-01

    measurement
    id | person | concept | start      | value_as_number | range_high | operator_concept_id | unit_concept_id
    1  | 1      | 30      | 2014-01-01 | 9               | 8          | 4171756             | 8840
    2  | 2      | 30      | 2014-07-05 | 7               | 8          |                     | 8753
    """  # noqa: E501

CONDITION = {"ConditionOccurrence": {"CodesetId": 0}}
DRUG = {"DrugExposure": {"CodesetId": 1}}
EVER = {"Start": {"Coeff": -1}, "End": {"Coeff": 1}}
ON_THE_DAY = {"DateOffset": {"DateField": "StartDate", "Offset": 0}}
TO_ITS_END = {"DateOffset": {"DateField": "EndDate", "Offset": 0}}


def define(*primary: dict[str, Any], limit: str = "All", prior: int = 0, **members: Any) -> Any:
    sets = [
        {
            "id": number,
            "expression": {
                "items": [{"concept": {"CONCEPT_ID": concept}, "includeDescendants": True}]
            },
        }
        for number, concept in enumerate((10, 50, 30, 77))
    ]
    return {
        "ConceptSets": sets,
        "PrimaryCriteria": {
            "CriteriaList": list(primary or (CONDITION,)),
            "ObservationWindow": {"PriorDays": prior, "PostDays": 0},
            "PrimaryCriteriaLimit": {"Type": limit},
        },
        "QualifiedLimit": {"Type": "All"},
        "ExpressionLimit": {"Type": "All"},
        **members,
    }


def rule(criterion: dict[str, Any], occurrence: tuple[int, int] = (2, 1), **members: Any) -> Any:
    """Return inclusion rules: rows of a criterion, exactly (0), at most, at least so many."""
    asked = {
        "Criteria": criterion,
        "StartWindow": EVER,
        "Occurrence": {"Type": occurrence[0], "Count": occurrence[1]},
        **members,
    }
    return [{"expression": {"Type": "ALL", "CriteriaList": [asked]}}]


def window(low: int, high: int) -> dict[str, Any]:
    return {
        name: {"Days": abs(days), "Coeff": -1 if days < 0 else 1}
        for name, days in (("Start", low), ("End", high))
    }


CASES: dict[str, tuple[Any, str]] = {
    "events of one period are one time, and none is outside of all": (
        define(),
        """
        1 2014-01-12 2015-12-31
        2 2014-07-02 2014-12-31
        3 2014-01-02 2020-12-31
        """,
    ),
    "the first of each, to its end: a day later where a row has none": (
        define(limit="First", EndStrategy=TO_ITS_END),
        """
        1 2014-01-12 2014-01-13
        2 2014-07-02 2014-07-03
        3 2014-01-02 2014-01-02
        """,
    ),
    "the last of each": (
        define(limit="Last", EndStrategy=TO_ITS_END),
        """
        1 2015-01-12 2015-01-20
        2 2014-07-02 2014-07-03
        3 2016-02-01 2016-02-05
        """,
    ),
    "first ever, before it is asked whether that was observed": (
        define({"ConditionOccurrence": {"CodesetId": 0, "First": True}}, EndStrategy=ON_THE_DAY),
        """
        1 2014-01-12 2014-01-12
        2 2014-07-02 2014-07-02
        """,
    ),
    "a year of observation before": (
        define(limit="First", prior=365, EndStrategy=ON_THE_DAY),
        """
        1 2014-01-12 2014-01-12
        3 2016-02-01 2016-02-01
        """,
    ),
    "a drug within a month": (
        define(InclusionRules=rule(DRUG, StartWindow=window(0, 30)), EndStrategy=ON_THE_DAY),
        "1 2014-01-12 2014-01-12",
    ),
    "no drug in the same period": (
        define(limit="First", InclusionRules=rule(DRUG, (0, 0)), EndStrategy=ON_THE_DAY),
        "3 2014-01-02 2014-01-02",
    ),
    "no drug, observed or not": (
        define(InclusionRules=rule(DRUG, (1, 0), IgnoreObservationPeriod=True)),
        "",
    ),
    "a drug of the same visit": (
        define(InclusionRules=rule(DRUG, RestrictVisit=True), EndStrategy=ON_THE_DAY),
        """
        1 2014-01-12 2014-01-12
        2 2014-07-02 2014-07-02
        """,
    ),
    "during a visit, by its start and its end": (
        define(
            InclusionRules=rule(
                {"VisitOccurrence": {}},
                StartWindow={"Start": {"Coeff": -1}, "End": {"Days": 0, "Coeff": -1}},
                EndWindow={"Start": {"Days": 0, "Coeff": 1}, "End": {"Coeff": 1}},
            ),
            EndStrategy=ON_THE_DAY,
        ),
        "1 2014-01-12 2014-01-12",
    ),
    "men of 44 at least": (
        define(
            AdditionalCriteria={
                "Type": "ALL",
                "DemographicCriteriaList": [
                    {"Age": {"Value": 44, "Op": "gte"}, "Gender": [{"CONCEPT_ID": 8507}]}
                ],
            },
        ),
        "1 2014-01-12 2015-12-31",
    ),
    "the last that qualifies": (
        define(
            AdditionalCriteria={"Type": "ANY", "DemographicCriteriaList": [{}]},
            QualifiedLimit={"Type": "Last"},
            EndStrategy=ON_THE_DAY,
        ),
        """
        1 2015-01-12 2015-01-12
        2 2014-07-02 2014-07-02
        3 2016-02-01 2016-02-01
        """,
    ),
    "until death": (
        define(CensoringCriteria=[{"Death": {}}]),
        """
        1 2014-01-12 2015-12-31
        2 2014-07-02 2014-10-01
        3 2014-01-02 2020-12-31
        """,
    ),
    "while a drug is taken, with gaps of a month": (
        define(DRUG, EndStrategy={"CustomEra": {"DrugCodesetId": 1, "GapDays": 30}}),
        """
        1 2014-01-15 2014-03-10
        2 2014-07-01 2014-07-02
        3 2012-06-01 2012-06-10
        """,
    ),
    "while a drug is taken, without a gap": (
        define(DRUG, EndStrategy={"CustomEra": {"DrugCodesetId": 1, "GapDays": 0}}),
        """
        1 2014-01-15 2014-02-14
        1 2014-03-01 2014-03-10
        2 2014-07-01 2014-07-02
        3 2012-06-01 2012-06-10
        """,
    ),
    "times 15 days apart are one": (
        define(
            DRUG,
            EndStrategy={"CustomEra": {"DrugCodesetId": 1, "GapDays": 0}},
            CollapseSettings={"EraPad": 15},
        ),
        """
        1 2014-01-15 2014-03-10
        2 2014-07-01 2014-07-02
        3 2012-06-01 2012-06-10
        """,
    ),
    "within a calendar window": (
        define(CensorWindow={"StartDate": "2014-02-01", "EndDate": "2014-07-01"}),
        """
        1 2014-02-01 2014-07-01
        3 2014-02-01 2014-07-01
        """,
    ),
    "a value is a number, whatever its operator and unit": (
        define(
            {"Measurement": {"ValueAsNumber": {"Value": 7, "Op": "gte"}}}, EndStrategy=ON_THE_DAY
        ),
        """
        1 2014-01-01 2014-01-01
        2 2014-07-05 2014-07-05
        """,
    ),
    "beyond its own range": (
        define({"Measurement": {"CodesetId": 2, "Abnormal": True}}, EndStrategy=ON_THE_DAY),
        "1 2014-01-01 2014-01-01",
    ),
    "a set of which nobody has a concept finds nothing": (
        define({"ConditionOccurrence": {"CodesetId": 3}}),
        "",
    ),
    "dates moved": (
        define(
            {
                "ConditionOccurrence": {
                    "CodesetId": 0,
                    "DateAdjustment": {
                        "StartWith": "END_DATE",
                        "StartOffset": 0,
                        "EndWith": "END_DATE",
                        "EndOffset": 3,
                    },
                }
            },
            limit="First",
            EndStrategy=TO_ITS_END,
        ),
        """
        1 2014-01-13 2014-01-16
        2 2014-07-03 2014-07-06
        3 2014-01-02 2014-01-05
        """,
    ),
}


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    network = build()
    network.site("A").ingest(SITE)
    return network


@pytest.fixture(scope="module")
def scope(network: BuiltNetwork) -> CriterionScope:
    return scope_of(network)


def said(dates: pl.DataFrame | None) -> list[str]:
    assert dates is not None
    return [f"{person} {first} {last}" for _, person, first, last in dates.rows()]


@pytest.mark.parametrize("case", CASES)
def test_who_and_when(scope: CriterionScope, case: str) -> None:
    definition, expected = CASES[case]
    cohort = ask(pc.cohort_definition(definition), scope).value
    assert said(cohort.index_dates) == [line.strip() for line in expected.strip().splitlines()]
    assert cohort.n_unknown == 0
    assert cohort.persons["person_id"].to_list() == sorted(
        {int(line.split()[0]) for line in expected.split("\n") if line.strip()}
    )


def test_with_a_criterion_the_times_of_those_who_meet_both(network: BuiltNetwork) -> None:
    with network.site("A").network() as door:
        women = door.cohort(pc.cohort_definition(define()) & pc.sex("female"), save="women")
        again = door.cohort(pc.saved("women"))
        asked = door.audit.entries().filter(pl.col("kind") == "request")["question"].to_list()
    assert said(women.index_dates) == ["2 2014-07-02 2014-12-31"] == said(again.index_dates)
    assert again.index_dates is not None
    assert again.index_dates["index_date"].to_list() == [date(2014, 7, 2)]
    assert any(json.loads(one).get("criterion") == women.criterion.json for one in asked)
