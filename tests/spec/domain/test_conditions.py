"""Q1: rows by what else they say, in the words of events: of a concept, or as events themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

import precisionchain as pc
from precisionchain.errors import PrecisionChainError, UnknownConceptError, UsageError
from precisionchain.network import Network
from tests.lib.omop_builder import answer_rows
from tests.lib.site_builder import BuiltSite
from tests.lib.tables import assert_same, drawn
from tests.spec.conftest import Build

TABLES = """
    concept
    id | concept_name
    30 | Glucose
    31 | Glucose in blood
    40 | Onset
    41 | Bulbar
    60 | mmol/l
    70 | Inpatient

    concept_ancestor
    ancestor_concept_id | descendant_concept_id
    30                  | 31

    person
    id | year_of_birth
    7  | 1950
    8  | 1990

    visit_occurrence
    id | person | concept | start      | end
    5  | 7      | 70      | 2015-01-01 | 2015-01-09

    measurement
    id | person | concept | start      | value_as_number | unit_concept_id | operator_concept_id | range_high | visit_occurrence_id
    1  | 7      | 30      | 2015-01-01 | 6.0             | 60              |                     | 6.5        |
    2  | 7      | 31      | 2015-02-01 | 8.0             | 60              |                     | 6.5        | 5
    3  | 8      | 31      | 2016-01-01 | 9.0             | 60              | 4171756             |            |
    4  | 8      | 31      | 2016-02-01 | 7.5             |                 |                     | 8.0        |
    5  | 8      | 30      | 2016-03-01 |                 |                 |                     |            |

    observation
    id | person | concept | start      | value_as_concept_id
    1  | 8      | 40      | 2016-01-01 | 41
    2  | 7      | 40      | 2016-01-01 |
    """  # noqa: E501  # a row of a table stands on a line


@pytest.fixture(scope="module")
def site(build: Build) -> BuiltSite:
    site = build().site()
    site.ingest(TABLES)
    return site


Ask = Callable[[Network], pl.DataFrame]


@pytest.mark.parametrize(
    ("ask", "ids"),
    [
        (lambda net: net.domain(30, value__gt=7, unit=60), [2]),
        (lambda net: net.domain(30, value__gt=7, unit=0), [4]),
        (lambda net: net.domain(30, value__lt=9, unit=60), [1, 2, 3]),
        (lambda net: net.domain(30, value__gt="range_high"), [2]),
        (lambda net: net.domain(30, in_visit=70), [2]),
        (lambda net: net.domain(30, year=2016, month__ge=2), [4, 5]),
        (lambda net: net.domain(30, first=True, table="measurement"), [1, 3]),
        (lambda net: net.domain(30, age=(60, None)), [1, 2]),
        (lambda net: net.domain(30, since="2016-02-01", until="2016-02-29", day=1), [4]),
        (lambda net: net.domain(30, descendants=False, unit=60), [1]),
        (lambda net: net.domain(30, exclude=31), [1, 5]),
        (lambda net: net.domain([31, 40], table="measurement"), [2, 3, 4]),
        (lambda net: net.domain(pc.concept_set("30+", exclude=["31"])), [1, 5]),
        (lambda net: net.domain(pc.measurement(30, value__gt=7, unit=60)), [2]),
        (lambda net: net.domain("measurement(30, value > 7, unit=60)"), [2]),
        (lambda net: net.domain(pc.index(pc.measurement(30), "last")), [2, 5]),
        (lambda net: net.domain("during(measurement(30), visit(70))"), [1]),
        (lambda net: net.domain("measurement(30, where=sex(male))"), []),
        (lambda net: net.domain(40, value_concept=41), [1]),
        (lambda net: net.domain(40, value_concept=0), [2]),
        (lambda net: net.domain(30, value__gt=70, unit=60), []),
    ],
)
def test_rows_that_meet_what_is_asked(site: BuiltSite, ask: Ask, ids: list[int]) -> None:
    with site.network() as network:
        answer = ask(network)
    assert answer.columns[:3] == ["site", "person_id", "table"]
    keys = [name for name in ("measurement_id", "observation_id") if name in answer.columns]
    assert sorted(one for name in keys for one in answer[name].drop_nulls().to_list()) == ids


def test_a_row_has_all_that_is_published_of_it(site: BuiltSite) -> None:
    with site.network() as network:
        whole, asked = network.domain(30), network.domain(30, year__ge=1900)
    assert asked.equals(whole)
    expected = """
        table       | person | concept | start      | value_as_number | unit_concept_id | range_high
        measurement | A:7    | 31      | 2015-02-01 | 8.0             | 60              | 6.5
        """
    with site.network() as network:
        answer = network.domain(30, value__ge=8, unit=60)
    assert_same(answer_rows(answer, drawn(expected).headings), expected)


@pytest.mark.parametrize(
    ("asked", "given", "error", "says"),
    [
        (30, {"value__gt": 7}, UsageError, "several units"),
        (30, {"table": "drug", "value__gt": 7}, UsageError, "'value'"),
        (30, {"rout": 7}, UsageError, "rout"),
        (30, {"unit": 999}, None, ""),
        (99, {"unit": 60}, UnknownConceptError, "99"),
        (30, {"in_visit": 99}, UnknownConceptError, "99"),
        (pc.measurement(30), {"unit": 60}, UsageError, "their own brackets"),
        ("measurement(30)", {"descendants": False}, UsageError, "their own brackets"),
        ("measurement(30) & sex(male)", {}, UsageError, "by events"),
        (pc.measurement(30, from_index=(0, 1)), {}, UsageError, "window"),
        (3.5, {}, UsageError, "concept"),
        (30, {"since": "yesterday", "unit": 60}, UsageError, "date"),
        (30, {"table": "person", "unit": 60}, UsageError, "not an event table"),
    ],
)
def test_what_cannot_be_asked_is_told(
    site: BuiltSite,
    asked: Any,
    given: dict[str, Any],
    error: type[PrecisionChainError] | None,
    says: str,
) -> None:
    with site.network() as network:
        if error is None:
            assert network.domain(asked, **given).height == 0
            return
        with pytest.raises(error, match=says):
            network.domain(asked, **given)


def test_the_question_and_whom_it_rests_on_are_logged(site: BuiltSite) -> None:
    with site.network() as network:
        network.domain(30, value__gt=7, unit=60)
        network.domain("measurement(30, value > 7, unit=60, where=sex(female))")
    answers = site.entries().tail(4)
    assert answers["operation"].to_list() == ["domain"] * 4
    counted = answers.filter(pl.col("kind") == "result")
    assert counted["n_persons_returned"].to_list() == [1, 0]
    assert counted["n_persons_contributed"].to_list() == [0, 2]
    asked = answers.filter(pl.col("kind") == "request")["question"].to_list()
    assert '"measurement"' not in asked[0]
    assert '"event":[30]' in asked[0].replace(" ", "")
    assert '"where":{"sex":["female"]}' in asked[1].replace(" ", "")
