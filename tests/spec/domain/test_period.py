"""Q1: since and until bound the start date, both inclusive."""

from __future__ import annotations

from datetime import date

import pytest

from precisionchain.errors import UsageError
from tests.lib.site_builder import BuiltSite
from tests.spec.conftest import Build


@pytest.fixture(scope="module")
def site(build: Build) -> BuiltSite:
    site = build().site()
    site.ingest("""
        condition_occurrence
        id | person | concept | start      | condition_start_datetime | end
        1  | 7      | 10      | 2015-12-31 | 2015-12-31 23:59:59      | 2016-06-01
        2  | 7      | 10      | 2016-02-29 | 2016-02-29 00:00:00      | 2016-02-29
        3  | -8     | 10      | 2201-01-01 |                          |
        """)
    return site


@pytest.mark.parametrize(
    ("since", "until", "ids"),
    [
        (None, None, [1, 2, 3]),
        ("2015-12-31", None, [1, 2, 3]),
        ("2016-01-01", None, [2, 3]),
        ("2016-02-29", "2016-02-29", [2]),
        (None, "2015-12-31", [1]),
        (None, "2015-12-30", []),
        ("2201-01-01", None, [3]),
        ("2201-01-02", None, []),
    ],
)
def test_bounds_are_inclusive_and_look_at_the_start(
    site: BuiltSite, since: str | None, until: str | None, ids: list[int]
) -> None:
    """Dates in the far future are dates: MIMIC lives in 2110 to 2202."""
    answer = site.domain(10, since=since, until=until)
    assert sorted(_ids(answer.to_dicts())) == ids
    days = [None if day is None else date.fromisoformat(day) for day in (since, until)]
    answer = site.domain(10, since=days[0], until=days[1])
    assert sorted(_ids(answer.to_dicts())) == ids


@pytest.mark.parametrize("day", ["2016-02-30", "29.02.2016", "yesterday", ""])
def test_what_is_no_date_is_refused(site: BuiltSite, day: str) -> None:
    with pytest.raises(UsageError, match="not a date"):
        site.domain(10, since=day)


def test_a_period_that_ends_before_it_begins_is_refused(site: BuiltSite) -> None:
    with pytest.raises(UsageError, match="since is after until"):
        site.domain(10, since="2016-03-01", until="2015-01-01")


def _ids(rows: list[dict[str, int]]) -> list[int]:
    return [row["condition_occurrence_id"] for row in rows]
