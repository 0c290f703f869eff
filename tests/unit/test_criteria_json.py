"""Criteria as JSON: the objects the page shows, and where an error says it is."""

from __future__ import annotations

from typing import Any

import pytest

from precisionchain.errors import UsageError
from precisionchain.query.spelling import criterion

OBJECTS: list[tuple[str, dict[str, Any]]] = [
    (
        "condition(201826, since=2015-01-01) & carries(9:22098574:A:G)",
        {
            "and": [
                {"condition": [201826], "since": "2015-01-01"},
                {"carries": ["9:22098574:A:G"]},
            ]
        },
    ),
    ("everyone()", {"everyone": []}),
    ("~recorded()", {"not": [{"recorded": []}]}),
    (
        "measurement([1, 2], unit=8840, age=50.., first=true, value > 7, value <= 9.5)",
        {
            "measurement": [[1, 2]],
            "unit": 8840,
            "age": {"from": 50, "to": None},
            "first": True,
            "value": {">": 7, "<=": 9.5},
        },
    ),
    (
        "drug(concept_set(5, 7+, exclude=[9+*]), route=[1, 2], quantity >= 10)",
        {
            "drug": [{"concept_set": [5, "7+"], "exclude": ["9+*"]}],
            "route": [1, 2],
            "quantity": {">=": 10},
        },
    ),
    (
        "measurement(value > range_high)",
        {"measurement": [], "value": {">": "range_high"}},
    ),
    (
        "index(visit(1), first, where=~drug(2, from_index=-365..0))",
        {
            "index": [{"visit": [1]}, "first"],
            "where": {"not": [{"drug": [2], "from_index": {"from": -365, "to": 0}}]},
        },
    ),
    (
        "at_least(2, condition(1), days=true)",
        {"at_least": [2, {"condition": [1]}], "days": True},
    ),
    (
        "within_days(condition(1), drug(2), -30..30)",
        {"within_days": [{"condition": [1]}, {"drug": [2]}, {"from": -30, "to": 30}]},
    ),
    (
        "carries(9, maf(0..0.01, within=sex(male)))",
        {"carries": ["9", {"maf": [{"from": 0, "to": 0.01}], "within": {"sex": ["male"]}}]},
    ),
    ("genotype(9:5:A:G, 1, missing)", {"genotype": ["9:5:A:G", 1, "missing"]}),
    ("persons(42, A:7)", {"persons": [42, "A:7"]}),
]


@pytest.mark.parametrize(("text", "written"), OBJECTS)
def test_an_object_and_a_text_spell_one_criterion(text: str, written: dict[str, Any]) -> None:
    assert criterion(text).json == written
    assert criterion(written).text == text
    assert list(criterion(text).json) == list(written)  # the function first


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "^criterion: no member names a function"),
        ({"condition": 201826}, "^criterion: no member names"),
        ({"conditoin": [1]}, "^criterion: no member names"),
        ({"condition": [1], "drug": [2]}, "^criterion: condition and drug each name"),
        ([{"condition": [1]}], "^criterion: a criterion is an object"),
        (None, "^criterion: a criterion is an object"),
        ({"maf": [{"from": 0, "to": 0.1}]}, "^criterion: maf is no criterion"),
        ({"condition": [1], "sinc": "2015-01-01"}, r"^criterion.condition: .*'sinc'.*since="),
        ({"condition": [1], "since": None}, r"^criterion.condition.since: neither"),
        ({"condition": [[1, [2]]]}, r"^criterion.condition\[0\]: neither"),
        ({"condition": ["1"]}, "^criterion.condition: not a concept"),
        ({"condition": [1], "first": "true"}, "first is true or false"),
        ({"condition": [1], "age": [18, 65]}, "condition and age each name"),
        ({"condition": [1], "age": {"from": 18}}, "^criterion.condition.age: no member names"),
        ({"condition": [1], "age": {"from": "a", "to": None}}, r"condition.age: .*a number"),
        ({"measurement": [1], "value": {}}, "measurement.value: not conditions"),
        ({"measurement": [1], "value": {"!=": 5}}, "measurement.value: not conditions"),
        ({"measurement": [1], "value": {">": "5"}}, "needs a number"),
        ({"measurement": [1], "value": 5}, "measurement.value: not conditions"),
        ({"sex": ["male"], "value": {">": 5}}, "no value to compare"),
        ({"and": [{"recorded": []}]}, "^criterion.and: .*two criteria"),
        ({"and": [{"recorded": []}, {"sex": ["x"]}]}, r"^criterion.and\[1\].sex: not a sex"),
        ({"and": [{"recorded": []}, 5]}, "^criterion.and: this needs a criterion"),
        ({"not": [{"recorded": []}, {"recorded": []}]}, "too many positional"),
        ({1: [5], "recorded": []}, "^criterion: a member without a name"),
    ],
)
def test_an_error_names_the_place(given: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        criterion(given)
