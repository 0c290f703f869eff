"""A source that is exported again and again, on a ledger that is replayed row by row."""

from __future__ import annotations

from typing import Any

from precisionchain.ingest.report import Ingested
from tests.lib.omop_builder import write_omop
from tests.lib.replayed_state import Replayed
from tests.lib.site_builder import BuiltNetwork
from tests.lib.tables import assert_same

VIEWS = ("domain", "person")

PERSONS = """
    person
    id | year_of_birth
    7  | 1950
    8  | 1960
    9  | 1970
    """
JANUARY = f"""{PERSONS}
    condition_occurrence
    id | person | concept | start
    1  | 7      | 10      | 2015-01-01
    2  | 8      | 20      | 2015-01-02
    3  | 9      | 20      | 2015-01-03
    4  | 9      | 20      | 2015-01-04

    death
    person | death_date
    9      | 2020-01-01
    """
FEBRUARY = f"""{PERSONS}
    condition_occurrence
    id | person | concept | start
    1  | 7      | 10      | 2015-01-01
    2  | 8      | 30      | 2015-01-02
    3  | 9      | 20      | 2015-01-03
    5  | 7      | 20      | 2015-02-04

    death
    person | death_date
    9      | 2020-01-01
    """
DELTA = """
    condition_occurrence
    id | person | concept | start
    2  | 8      | 30      | 2015-01-02
    6  | 9      | 10      | 2015-03-01
    """


def ingest(network: BuiltNetwork, text: str, *, vocabulary: str = "", **said: Any) -> Ingested:
    """Ingest drawn tables as the next export of site A's source; that it shrinks is accepted."""
    site = network.site()
    folder = write_omop(site.new_folder(), text)
    terms = write_omop(site.new_folder(), vocabulary) if vocabulary else None
    options = {"allow_shrinking": True, **said}
    return site.site.ingest_omop(folder, vocabulary=terms, source="ehr", **options)


def holds(network: BuiltNetwork, table: str, expected: str) -> None:
    """Assert that both views of a table are what is drawn, in the columns it draws."""
    headings = [cell.strip() for cell in expected.strip().splitlines()[0].split("|")]
    state = Replayed(network)
    for view in VIEWS:
        assert_same(state.shown(view, table, *headings), expected)


def conditions_of(export: str) -> str:
    """Return the conditions that an export draws."""
    return export.split("condition_occurrence\n")[1].split("\n\n", maxsplit=1)[0]
