"""Q1 and Q2 with conditions over GiBleed: the rows that DuckDB finds in the CSV files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import precisionchain as pc
from precisionchain.errors import UsageError
from precisionchain.network import Network
from tests.lib.clinical_expressions import ClinicalExpressions
from tests.lib.clinical_sql import ClinicalSql, RefusedError
from tests.lib.domain_answers import assert_rows
from tests.validation.conftest import OMOP_FOLDERS, new_site

ASKED, PERSONS = 400, 60


@pytest.fixture(scope="module")
def oracle(shared_data: Path) -> ClinicalSql:
    return ClinicalSql(shared_data / OMOP_FOLDERS["gibleed"])


@pytest.fixture(scope="module")
def network(oracle: ClinicalSql, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("domain") / "site_a"
    new_site(folder).ingest_omop(oracle.folder, source="gibleed")
    with pc.connect(folder) as asking:
        yield asking


BY_HAND: tuple[tuple[int, dict[str, Any], str, str], ...] = (
    (3006322, {"year": 2005}, "measurement", "year(measurement_date::date) = 2005"),
    (1127433, {"days_supply__ge": 14}, "drug_exposure", "days_supply::double >= 14"),
    (
        1127433,
        {"month": (6, 8)},
        "drug_exposure",
        "month(drug_exposure_start_date::date) in (6, 7, 8)",
    ),
    (
        260139,
        {"until": "1990-06-30", "length__gt": 7},
        "condition_occurrence",
        """condition_start_date::date <= date '1990-06-30'
            and nullif(condition_end_date, '')::date - condition_start_date::date > 7""",
    ),
    (4024958, {"unit": 0}, "measurement", "coalesce(try_cast(unit_concept_id as int), 0) = 0"),
)


@pytest.mark.parametrize("asked", BY_HAND, ids=lambda asked: str(asked[1]))
def test_conditions_in_sql_by_hand(
    network: Network, oracle: ClinicalSql, asked: tuple[int, dict[str, Any], str, str]
) -> None:
    concept, given, table, where = asked
    main = {"measurement": "measurement", "drug_exposure": "drug"}.get(table, "condition")
    must = oracle.database.sql(
        f"select {table}_id::bigint from raw_{table} "
        f"where {main}_concept_id = '{concept}' and {where} order by all"
    ).fetchall()
    got = network.domain(concept, descendants=False, table=table, **given)
    assert sorted(got[f"{table}_id"].to_list()) == [key for (key,) in must]
    assert must


def test_rows_of_random_events(network: Network, oracle: ClinicalSql) -> None:
    drawn, answered = ClinicalExpressions(oracle, 7), 0
    for number in range(ASKED):
        events = drawn.events(number)
        try:
            must = oracle.rows(events)
        except RefusedError:
            with pytest.raises(UsageError, match="units"):
                network.domain(events)
            continue
        assert_rows(events, network.domain(events), must)
        answered += bool(must)
    assert answered > ASKED / 3


def test_a_part_of_a_record(network: Network, oracle: ClinicalSql) -> None:
    since, until = "1990-01-01", "2005-12-31"
    persons = oracle.database.sql(
        f"select person_id from people order by hash(person_id) limit {PERSONS}"
    ).fetchall()
    tables = {"condition_occurrence": "condition_start_date", "drug_era": "drug_era_start_date"}
    rows = 0
    for (person,) in persons:
        record = network.person(f"A:{person}", since=since, until=until)
        for table, start in tables.items():
            must = oracle.database.sql(
                f"select {table}_id::bigint from raw_{table} where person_id = '{person}' and "
                f"{start}::date between date '{since}' and date '{until}' order by all"
            ).fetchall()
            shown = record.get(table, pl.DataFrame({f"{table}_id": []}))
            assert sorted(shown[f"{table}_id"].to_list()) == [key for (key,) in must]
            rows += len(must)
    assert rows > PERSONS
