"""A person's timeline: what is on the ledger, what is asked, the rows in order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from precisionchain.errors import UnknownConceptError, UnknownPersonError, UsageError
from precisionchain.query.timeline import TIMELINE, Wanted, timeline
from precisionchain.replica.catalogue import Snapshot
from tests.lib.site_builder import open_on
from tests.spec.conftest import Build

SITE = """
    person
    person_id | year_of_birth
    1         | 1960
    2         | 1961

    concept
    concept_id | concept_name | vocabulary_id | domain_id | concept_class_id | concept_code | valid_start_date | valid_end_date
    10         | Cough        | SNOMED        | Condition | Finding          | 1            | 1970-01-01       | 2099-12-31
    70         | Bulbar       | SNOMED        | Meas      | Finding          | 2            | 1970-01-01       | 2099-12-31

    concept_ancestor
    ancestor | descendant | levels
    9        | 10         | 1

    condition_occurrence
    person | concept | start      | end        | visit_occurrence_id
    1      | 10      | 2014-01-02 | 2014-02-01 | 5
    2      | 10      | 2014-01-02 |            |

    condition_era
    person | concept | start      | end
    1      | 10      | 2014-01-02 | 2014-02-01

    measurement
    person | concept | start      | value_as_number | unit_concept_id | value_as_concept_id
    1      | 30      | 2014-01-02 | 7.5             | 8840            |
    1      | 31      | 2013-12-31 |                 |                 | 70

    death
    person | start      | concept
    1      | 2021-01-01 |
    """  # noqa: E501


@pytest.fixture(scope="module")
def snapshot(build: Build) -> Iterator[Snapshot]:
    network = build()
    network.site("A").ingest(SITE)
    opened = open_on(network.place, network.site("A").folder.root)
    yield opened.sync_if_behind()
    opened.close()


def _lines(snapshot: Snapshot, wanted: Wanted) -> list[str]:
    frame = timeline(snapshot, "A", 1, wanted)
    assert dict(frame.schema) == dict(TIMELINE)
    return [" ".join("." if one is None else str(one) for one in row[2:]) for row in frame.rows()]


MEASURED = "measurement 2014-01-02 . 30 . 7.5 8840 . . ."
CONDITION = "condition_occurrence 2014-01-02 2014-02-01 10 Cough . . . . 5"
FIRST = "measurement 2013-12-31 . 31 . . . 70 Bulbar ."
DEATH = "death 2021-01-01 . . . . . . . ."


@pytest.mark.parametrize(
    ("wanted", "lines"),
    [
        (Wanted(), [FIRST, CONDITION, MEASURED, DEATH]),
        (Wanted(tables=["measurement", "death"]), [FIRST, MEASURED, DEATH]),
        (
            Wanted(tables=["condition_era"]),
            ["condition_era 2014-01-02 2014-02-01 10 Cough . . . . ."],
        ),
        (Wanted(since=date(2014, 1, 1), until=date(2014, 1, 2)), [CONDITION, MEASURED]),
        (Wanted(concepts=[9, 30]), [CONDITION, MEASURED]),
        (Wanted(concepts=[9], descendants=False), []),
        (Wanted(concepts=[0]), [DEATH]),
        (Wanted(tables=["device"]), []),
    ],
)
def test_events_in_order(snapshot: Snapshot, wanted: Wanted, lines: list[str]) -> None:
    assert _lines(snapshot, wanted) == lines


def test_what_is_not_there_is_refused(snapshot: Snapshot) -> None:
    with pytest.raises(UnknownPersonError):
        timeline(snapshot, "A", 3, Wanted())
    with pytest.raises(UnknownConceptError):
        timeline(snapshot, "A", 1, Wanted(concepts=[999]))
    with pytest.raises(UsageError):
        timeline(snapshot, "A", 1, Wanted(tables=["person"]))
