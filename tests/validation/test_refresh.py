"""A hospital of 5,000 persons, 1 % of its export otherwise: what is published is what DuckDB finds.

Oracle: EXCEPT ALL and joins of the CSV files. At 100,000 persons: ``python -m benchmarks --only
refresh``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

import precisionchain as pc
from benchmarks.except_all import differences
from precisionchain.ingest.report import Ingested
from precisionchain.schemas.omop import TABLES
from precisionchain.synthetic.clinical_site import write_clinical_site
from precisionchain.synthetic.next_export import (
    Monthly,
    points_to_rows,
    renumbered,
    write_next_export,
)
from tests.validation.conftest import new_site

PERSONS = 5_000
EVENTS = ("visit_occurrence", "condition_occurrence", "measurement", "drug_era")
Changes = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Months:
    """The exports, what became of each, and what the network answered after each.

    ``records``: month -> table -> rows of some persons, in the published columns.
    """

    folder: Path
    done: Mapping[str, Ingested]
    records: Mapping[str, Mapping[str, Counter[tuple[Any, ...]]]]

    def read(self, month: str, table: str) -> str:
        path = self.folder / month / f"{table}.csv"
        with path.open(encoding="utf-8") as file:
            columns = file.readline().strip().split(",")
        types = {f.name: f.lexical.sql_type for f in TABLES[table].fields}
        spelled = ", ".join(f"'{name}': '{types[name]}'" for name in columns)
        return (
            f"read_csv('{path}', header = true, auto_detect = false, delim = ',', quote = '\"',"
            f" escape = '\"', columns = {{{spelled}}})"
        )


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> Months:
    folder = tmp_path_factory.mktemp("months")
    write_clinical_site(folder, seed=3, persons=PERSONS)
    (folder / "omop").rename(folder / "january")
    write_next_export(folder / "january", folder / "february", Monthly(seed=1))
    write_next_export(folder / "february", folder / "march", Monthly(seed=2, renumbered=True))
    site = new_site(folder / "site_a")
    done, records = {}, {}
    for name, month in (
        ("january", "january"),
        ("february", "february"),
        ("again", "february"),
        ("march", "march"),
    ):
        done[name] = site.ingest_omop(
            folder / month, vocabulary=folder / "vocabulary", source="ehr"
        )
        records[name] = _records(folder)
    return Months(folder, done, records)


def _persons(folder: Path) -> list[int]:
    lines = (folder / "january" / "person.csv").read_text("utf-8").splitlines()[1:]
    return [int(line.split(",")[0]) for line in lines[:: PERSONS // 100]]


def _records(folder: Path) -> dict[str, Counter[tuple[Any, ...]]]:
    found: dict[str, Counter[tuple[Any, ...]]] = {name: Counter() for name in EVENTS}
    with pc.connect(folder / "site_a") as net:
        for person in _persons(folder):
            for name in EVENTS:
                for frame in net.person(f"A:{person}", table=name).values():
                    columns = [c for c in TABLES[name].published_columns if c in frame.columns]
                    found[name].update(frame.select(columns).iter_rows())
    return found


def _counts(changes: Changes, *fates: str) -> dict[str, int]:
    """Rows of these fates by table, but for the vocabulary's."""
    return {
        name: sum(one[fate] for fate in fates)
        for name, one in changes.items()
        if TABLES[name].scope != "vocabulary"
    }


def test_a_refresh_publishes_what_differs_and_nothing_else(months: Months) -> None:
    alone = differences(months.folder / "january", months.folder / "february")
    changes = months.done["february"].changes
    assert _counts(changes, "changed", "gone") == {name: one for name, (one, _) in alone.items()}
    assert _counts(changes, "changed", "new") == {name: two for name, (_, two) in alone.items()}
    assert sum(one for one, _ in alone.values()) > 2_500


@pytest.mark.parametrize("name", EVENTS)
def test_its_fates_are_those_of_the_keys(name: str, months: Months) -> None:
    key = TABLES[name].primary_key
    one, two = (months.read(month, name) for month in ("january", "february"))
    ((new, gone),) = duckdb.execute(
        f"select count(*) filter (a.k is null), count(*) filter (b.k is null)"
        f" from (select {key} as k from {one}) a full join (select {key} as k from {two}) b"
        " using (k)"
    ).fetchall()
    changes = months.done["february"].changes[name]
    assert (changes["new"], changes["gone"]) == (new, gone)


def test_bytes_follow_what_changed(months: Months) -> None:
    first, later = months.done["january"].ledger_bytes, months.done["february"].ledger_bytes
    assert later < 0.04 * first  # 250 kB, of which each family and table touched has 1 to 3 kB


def test_the_same_export_again_publishes_nothing(months: Months) -> None:
    again = months.done["again"]
    assert (again.new_items, again.ledger_bytes) == (0, 0)
    assert months.records["again"] == months.records["february"]


def test_with_all_keys_given_anew_rows_are_told_by_content(months: Months) -> None:
    alone = differences(months.folder / "february", months.folder / "march", anew=True)
    changes = months.done["march"].changes
    for name, (one, two) in alone.items():
        found = changes[name]
        # A visit that differs gets a key of its own, and of equal ones either may be taken: what
        # points to these differs too.
        doubtful = _pointing_to_doubtful_visits(months, name)
        assert one <= found["changed"] + found["gone"] <= one + doubtful, name
        assert two <= found["changed"] + found["new"] <= two + doubtful, name


def _pointing_to_doubtful_visits(months: Months, name: str) -> int:
    if name == "visit_occurrence" or "visit_occurrence_id" not in TABLES[name].columns:
        return 0
    own = {"visit_occurrence_id", "preceding_visit_occurrence_id"}
    content = ", ".join(
        column for column in TABLES["visit_occurrence"].published_columns if column not in own
    )
    before, after = (months.read(month, "visit_occurrence") for month in ("february", "march"))
    ((number,),) = duckdb.execute(
        f"with known as (select hash({content}) as h from {before}"
        " group by 1 having count(*) = 1),"
        f" certain as (select visit_occurrence_id from (select *, hash({content}) as h from {after}"
        f" qualify count(*) over (partition by h) = 1) semi join known using (h))"
        f" select count(*) from {months.read('march', name)} anti join certain"
        " using (visit_occurrence_id)"
    ).fetchall()
    return int(number)


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("month", ["january", "february", "march"])
def test_answers_are_those_of_the_export(name: str, month: str, months: Months) -> None:
    table = TABLES[name]
    links = [c for c in table.published_columns if month == "march" and points_to_rows(table, c)]
    taken = [c for c in table.published_columns if c not in links]
    who = ", ".join(map(str, _persons(months.folder)))
    rows = duckdb.execute(
        f"select {', '.join(taken)} from {months.read(month, name)} where person_id in ({who})"
    ).fetchall()
    places = [table.published_columns.index(column) for column in taken]
    answered: Counter[tuple[Any, ...]] = Counter()
    for row, number in months.records[month][name].items():
        answered[tuple(row[place] for place in places)] += number
    assert answered == Counter(rows)
    assert len(rows) > 100


def test_march_has_the_keys_of_the_ledger(months: Months) -> None:
    """Of a row that did not change, the key that an inverse of the new numbers gives."""
    name, key = "drug_era", "drug_era_id"
    ((kept,),) = duckdb.execute(
        f"select count(*) from {months.read('february', name)} f join"
        f" {months.read('march', name)} m on m.{key} = {renumbered(f'f.{key}')}"
    ).fetchall()
    assert kept > 0.99 * months.done["march"].changes[name]["unchanged"]
    place = TABLES[name].published_columns.index(key)
    before, after = (
        {row[place] for row in months.records[month][name]} for month in ("february", "march")
    )
    assert len(before & after) > 0.98 * len(before)
