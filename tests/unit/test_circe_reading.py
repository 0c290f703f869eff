"""Cohort definitions are read into one form, and what is not covered is refused by its place."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import precisionchain as pc
from precisionchain.errors import InputError, UnreadableFileError, UsageError
from precisionchain.query.circe.reading import circe, cohort_definition
from precisionchain.query.criteria import CohortDefinition


def a_set(number: int, *concepts: int) -> dict[str, Any]:
    items = [
        {"concept": {"CONCEPT_ID": one, "CONCEPT_NAME": "Smith"}, "includeDescendants": True}
        for one in concepts
    ]
    return {"id": number, "name": "Smith", "expression": {"items": items}}


def plain(**members: Any) -> dict[str, Any]:
    """Return a definition as ATLAS writes it, defaults and nulls included, with other members."""
    return {
        "cdmVersionRange": ">=5.0.0",
        "ConceptSets": [a_set(0, 10), a_set(7, 20)],
        "PrimaryCriteria": {
            "CriteriaList": [{"ConditionOccurrence": {"CodesetId": 0, "StopReason": None}}],
            "ObservationWindow": {"PriorDays": 365, "PostDays": 0},
            "PrimaryCriteriaLimit": {"Type": "All"},
        },
        "QualifiedLimit": {"Type": "First"},
        "ExpressionLimit": {"Type": "First"},
        "InclusionRules": [],
        "CensoringCriteria": [],
        "CollapseSettings": {"CollapseType": "ERA", "EraPad": 0},
        "CensorWindow": {},
        **members,
    }


def correlated(criterion: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    around = {"Start": {"Days": 0, "Coeff": -1}, "End": {"Coeff": 1}}
    return {
        "Criteria": criterion,
        "StartWindow": around,
        "Occurrence": {"Type": 2, "Count": 1},
        **members,
    }


def group(*of: Any, **members: Any) -> dict[str, Any]:
    return {"Type": "ALL", "CriteriaList": list(of), **members}


def written(criterion: CohortDefinition) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(criterion.definition)
    return found


def test_the_one_form_says_what_is_meant_and_no_more() -> None:
    assert written(cohort_definition(plain())) == {
        "ConceptSets": [
            {
                "id": 0,
                "expression": {
                    "items": [{"concept": {"CONCEPT_ID": 10}, "includeDescendants": True}]
                },
            }
        ],
        "PrimaryCriteria": {
            "CriteriaList": [{"ConditionOccurrence": {"CodesetId": 0}}],
            "ObservationWindow": {"PriorDays": 365, "PostDays": 0},
            "PrimaryCriteriaLimit": {"Type": "All"},
        },
    }


def test_no_name_that_somebody_gave_is_kept() -> None:
    rule = {"name": "Smith", "description": "Smith", "expression": group()}
    assert "Smith" not in cohort_definition(plain(InclusionRules=[rule])).text


def test_the_one_form_is_a_definition_of_the_same_meaning() -> None:
    full = plain(
        AdditionalCriteria=group(correlated({"DrugExposure": {"CodesetId": 7, "First": True}})),
        EndStrategy={"DateOffset": {"DateField": "StartDate", "Offset": 30}},
        CensorWindow={"StartDate": "2010-1-1"},
    )
    once = cohort_definition(full)
    assert cohort_definition(written(once)) == once == circe(once.definition)
    assert pc.criterion(once.text) == once == pc.criterion(once.json)
    assert written(once)["CensorWindow"] == {"StartDate": "2010-01-01"}


@pytest.mark.parametrize("as_text", [False, True])
def test_what_webapi_answers_with_has_the_definition_inside(*, as_text: bool) -> None:
    inner: Any = json.dumps(plain()) if as_text else plain()
    assert cohort_definition({"id": 3, "name": "x", "expression": inner}) == cohort_definition(
        plain()
    )


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(plain()), encoding="utf-8")
    assert (
        pc.cohort_definition(file) == pc.cohort_definition(str(file)) == cohort_definition(plain())
    )
    file.write_text("{", encoding="utf-8")
    with pytest.raises(InputError):
        pc.cohort_definition(file)
    with pytest.raises(UnreadableFileError):
        pc.cohort_definition(tmp_path / "none.json")


def test_a_text_names_no_file() -> None:
    with pytest.raises(UsageError, match="not JSON"):
        pc.criterion('circe("a.json")')
    with pytest.raises(UsageError, match="path"):
        pc.cohort_definition("{}")


def _primary(criterion: Mapping[str, Any]) -> dict[str, Any]:
    given = plain()
    given["PrimaryCriteria"]["CriteriaList"] = [criterion]
    return given


def _rule(*of: Any, **members: Any) -> dict[str, Any]:
    return plain(InclusionRules=[{"expression": group(*of, **members)}])


FIRST = "PrimaryCriteria.CriteriaList[0]"
RULE = "InclusionRules[0].expression"
MEASURED = {"Measurement": {"CodesetId": 7}}


@pytest.mark.parametrize(
    ("definition", "place", "words"),
    [
        (
            _primary({"DrugExposure": {"LotNumber": {"Text": "x", "Op": "eq"}}}),
            f"{FIRST}.DrugExposure.LotNumber",
            "free text is not published",
        ),
        (
            _rule(correlated({"VisitOccurrence": {"ProviderSpecialty": [{"CONCEPT_ID": 1}]}})),
            f"{RULE}.CriteriaList[0].Criteria.VisitOccurrence.ProviderSpecialty",
            "not published",
        ),
        (
            _primary({"PayerPlanPeriod": {}}),
            f"{FIRST}.PayerPlanPeriod",
            "PayerPlanPeriod is not covered",
        ),
        (
            _primary({"DrugExposure": {"OccurrenceEndDate": {"Value": "2010-01-01", "Op": "gt"}}}),
            f"{FIRST}.DrugExposure.OccurrenceEndDate",
            "start date",
        ),
        (plain(Anything={"new": 1}), "Anything", "Anything is not covered"),
        (
            _primary({"ConditionOccurrence": {"codesetid": 0}}),
            f"{FIRST}.ConditionOccurrence.codesetid",
            "not covered",
        ),
        (
            _primary({"ConditionOccurrence": {"CodesetId": 4}}),
            f"{FIRST}.ConditionOccurrence.CodesetId",
            "no concept set of that number",
        ),
        (
            _primary({"Measurement": {"ValueAsNumber": {"Value": 0.00001, "Op": "gt"}}}),
            f"{FIRST}.Measurement.ValueAsNumber.Value",
            "four",
        ),
        (
            _primary({"Measurement": {"Age": {"Value": 1.5, "Op": "gt"}}}),
            f"{FIRST}.Measurement.Age.Value",
            "whole",
        ),
        (
            _primary({"Measurement": {"Age": {"Value": 1, "Op": "bt"}}}),
            f"{FIRST}.Measurement.Age",
            "Extent is missing",
        ),
        (
            _primary({"Measurement": {"Age": {"Value": 1, "Op": "like"}}}),
            f"{FIRST}.Measurement.Age.Op",
            "lt, lte",
        ),
        (
            _primary({"Death": {"OccurrenceStartDate": {"Value": "2010-02-30", "Op": "gt"}}}),
            f"{FIRST}.Death.OccurrenceStartDate.Value",
            "not a day",
        ),
        (
            _rule(correlated(MEASURED, Occurrence={"Type": 3, "Count": 1})),
            f"{RULE}.CriteriaList[0].Occurrence.Type",
            "at least",
        ),
        (
            _rule(
                correlated(
                    MEASURED,
                    Occurrence={
                        "Type": 2,
                        "Count": 1,
                        "IsDistinct": True,
                        "CountColumn": "DAYS_SUPPLY",
                    },
                )
            ),
            f"{RULE}.CriteriaList[0].Occurrence.CountColumn",
            "RANGE_LOW",
        ),
        (
            _rule(Groups=[{"Type": "AT_LEAST", "CriteriaList": [correlated(MEASURED)]}]),
            f"{RULE}.Groups[0]",
            "Count is missing",
        ),
        (
            _rule(
                correlated(
                    MEASURED, StartWindow={"Start": {"Days": 1, "Coeff": 2}, "End": {"Coeff": 1}}
                )
            ),
            f"{RULE}.CriteriaList[0].StartWindow.Start.Coeff",
            "-1 nor 1",
        ),
        (
            plain(EndStrategy={"CustomEra": {"GapDays": 30}}),
            "EndStrategy.CustomEra",
            "DrugCodesetId is missing",
        ),
        (
            _primary({"Death": {"DateAdjustment": {"StartWith": "END_DATE"}}}),
            f"{FIRST}.Death.DateAdjustment",
            "death",
        ),
        (plain(ExpressionLimit={"Type": None}), "ExpressionLimit", "null"),
        (plain(ConceptSets=[a_set(0, 1), a_set(0, 2)]), "ConceptSets[1].id", "number of its own"),
    ],
)
def test_what_is_not_covered_is_refused_by_its_place(
    definition: dict[str, Any], place: str, words: str
) -> None:
    with pytest.raises(UsageError) as refused:
        cohort_definition(definition)
    assert refused.value.where == place
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "given", [{}, {"items": []}, {"PrimaryCriteria": None}, {"expression": "x"}]
)
def test_other_documents_are_none(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        cohort_definition(given)


def test_members_that_say_nothing_are_absent() -> None:
    said = copy.deepcopy(plain())
    said["PrimaryCriteria"]["CriteriaList"][0]["ConditionOccurrence"] |= {
        "First": False,
        "Gender": [],
        "ConditionTypeExclude": True,
        "ProviderSpecialty": [],
        "CorrelatedCriteria": {"Type": "ALL", "CriteriaList": [], "Groups": []},
    }
    assert cohort_definition(said) == cohort_definition(plain())


def test_groups_nest_so_deep_and_no_deeper() -> None:
    deep = group(correlated(MEASURED))
    for _ in range(200):
        deep = {"Type": "ALL", "Groups": [deep]}
    with pytest.raises(UsageError, match="100 deep"):
        cohort_definition(plain(AdditionalCriteria=deep))
