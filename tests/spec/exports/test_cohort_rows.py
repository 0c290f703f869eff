"""A cohort as rows of the CDM's COHORT table: whose, from when to when, and what the log says."""

from __future__ import annotations

import json
from datetime import date

import polars as pl
import pytest

from precisionchain.errors import UnknownPersonError, UsageError
from tests.lib.site_builder import BuiltNetwork
from tests.lib.tables import assert_same
from tests.spec.conftest import Build

HOSPITAL = """
    observation_period
    id | person | start      | end
    1  | 7      | 2010-01-01 | 2012-12-31
    2  | 7      | 2015-06-01 | 2020-06-30
    3  | -8     | 2018-02-28 | 2018-03-01
    4  | 10     | 2000-01-01 | 2001-01-01

    condition_occurrence
    id | person | concept
    1  | 9      | 10
    """
CLINIC = """
    observation_period
    id | person | start      | end
    1  | 7      | 1999-01-01 | 1999-12-31
    """


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    network = build()
    network.site("A").ingest(HOSPITAL)
    network.site("B").ingest(CLINIC)
    network.site("A").site.sync()
    return network


def persons(*named: str, index: list[date | None] | None = None) -> pl.DataFrame:
    rows = [(name.split(":")[0], int(name.split(":")[1])) for name in named]
    frame = pl.DataFrame(rows, schema=["site", "person_id"], orient="row")
    return frame if index is None else frame.with_columns(pl.Series("index_date", index, pl.Date))


def test_a_member_is_one_for_as_long_as_observed(network: BuiltNetwork) -> None:
    with network.site("A").network() as door:
        answer = door.export_cohort(["A:7", -8], definition_id=12)
    assert_same(
        [{name: str(value) for name, value in row.items()} for row in answer.to_dicts()],
        """
        cohort_definition_id | subject_id | cohort_start_date | cohort_end_date
        12                   | -8         | 2018-02-28        | 2018-03-01
        12                   | 7          | 2010-01-01        | 2020-06-30
        """,
    )
    assert answer.schema == {
        "cohort_definition_id": pl.Int64,
        "subject_id": pl.Int64,
        "cohort_start_date": pl.Date,
        "cohort_end_date": pl.Date,
    }


def test_with_index_dates_from_that_day_to_the_end_of_its_period(network: BuiltNetwork) -> None:
    """A day of two persons, each in another period; of the last day of one; and of none."""
    days = [date(2012, 12, 31), date(2018, 3, 1), None]
    with network.site("A").network() as door:
        answer = door.export_cohort(persons("A:7", "A:-8", "A:10", index=days), definition_id=1)
    assert answer.select("subject_id", "cohort_start_date", "cohort_end_date").rows() == [
        (-8, date(2018, 3, 1), date(2018, 3, 1)),
        (7, date(2012, 12, 31), date(2012, 12, 31)),
        (10, date(2000, 1, 1), date(2001, 1, 1)),
    ]


@pytest.mark.parametrize(
    ("chosen", "index"),
    [(("A:7", "A:9"), None), (("A:-8", "A:7"), [None, date(2014, 1, 1)])],
    ids=["no period at all", "an index date between two periods"],
)
def test_who_was_not_observed_is_counted_and_left_out_only_if_asked(
    network: BuiltNetwork, chosen: tuple[str, ...], index: list[date | None] | None
) -> None:
    frame = persons(*chosen, index=index)
    with network.site("A").network() as door:
        with pytest.raises(UsageError, match="1 of the 2 persons"):
            door.export_cohort(frame, definition_id=1)
        answer = door.export_cohort(frame, definition_id=1, skip_unobserved=True)
    assert answer.height == 1


def test_rows_are_of_one_site(network: BuiltNetwork) -> None:
    """Both sites have a person 7."""
    both = persons("A:7", "B:7", "A:-8")
    with network.site("A").network() as door:
        with pytest.raises(UsageError, match=r"sites A \(2\), B \(1\)"):
            door.export_cohort(both, definition_id=1)
        of_b = door.export_cohort(both, definition_id=1, site="B")
        of_nobody = door.export_cohort(both, definition_id=1, site="C")
    assert of_b["cohort_start_date"].to_list() == [date(1999, 1, 1)]
    assert (of_nobody.height, of_nobody.columns) == (0, of_b.columns)


def test_a_person_nobody_published_is_an_error_that_does_not_repeat_who(
    network: BuiltNetwork,
) -> None:
    with network.site("A").network() as door, pytest.raises(UnknownPersonError) as refused:
        door.export_cohort(["A:7", "A:987654"], definition_id=1)
    assert "987654" not in str(refused.value)


def test_the_log_says_who_was_exported(network: BuiltNetwork) -> None:
    with network.site("A").network() as door:
        door.export_cohort(["A:7", "A:-8", "A:9"], definition_id=5, skip_unobserved=True)
        seen = door.audit.seen_by("admin@A").filter(pl.col("operation") == "export-cohort")
    entry = seen.row(-1, named=True)
    assert entry["persons_returned"] == ["A:-8", "A:7"]
    assert json.loads(entry["question"]) == {
        "cohort": ["A:7", "A:-8", "A:9"],
        "definition_id": 5,
        "site": None,
    }
