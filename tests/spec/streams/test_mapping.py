"""The mapping streams lead to every published row, and without them nothing is found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from precisionchain.errors import UnknownConceptError, UnknownPersonError
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.encode_omop import OmopEncoder
from precisionchain.ledger.batches import family_items
from precisionchain.schemas.omop import TABLES
from precisionchain.schemas.payloads import payload_table
from precisionchain.schemas.streams import family_of
from tests.lib.site_builder import BuiltNetwork
from tests.spec.conftest import Build

TABLES_DRAWN = """
    concept_ancestor
    ancestor | descendant | levels
    100      | 10         | 1

    condition_occurrence
    id | person | concept | start
    1  | 7      | 10      | 2015-01-01
    2  | -8     | 20      | 2015-01-02
    3  | 9      | 0       | 2015-01-03

    drug_exposure
    id | person | concept | start
    1  | 7      | 30      | 2015-01-01

    death
    person | concept | start
    9      |         | 2020-01-01

    observation_period
    id | person | start      | end
    1  | 11     | 2010-01-01 | 2011-01-01
    """
ANCESTORS = """
    domain    | concept_id
    CONDITION | 100
    CONDITION | 20
    """


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    network = build(ancestors=ANCESTORS)
    network.site().ingest(TABLES_DRAWN)
    return network


def rows_on_the_ledger(network: BuiltNetwork) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Every row of a person on the ledger: its family, its CDM table, its columns."""
    ledger = network.ledger()
    for found in ledger.items():
        if found.item.payload.kind == "clinical":
            table, rows = payload_table(found.item.payload)
            for row in rows.to_pylist():
                yield family_of(found.item.stream), table, row
    ledger.close()


def mapping(network: BuiltNetwork, family: str) -> list[dict[str, object]]:
    ledger = network.ledger()
    rows = [
        row
        for found in family_items(ledger, family)
        for row in payload_table(found.item.payload)[1].to_pylist()
    ]
    ledger.close()
    return rows


def test_every_row_is_in_both_views_and_both_mappings_lead_to_it(network: BuiltNetwork) -> None:
    concepts = {
        (row["table"], row["concept_id"], row["family"]) for row in mapping(network, "MAP_CONCEPT")
    }
    persons = {(row["person_id"], row["family"]) for row in mapping(network, "MAP_PERSON")}
    by_concept, by_person = [], []
    for family, table, row in rows_on_the_ledger(network):
        if family.startswith("CLIN_PERSON"):
            assert (row["person_id"], family) in persons
            by_person.append((table, sorted(map(str, row.values()))))
        else:
            concept = row[str(TABLES[table].concept_column)] or 0
            assert (table, concept, family) in concepts
            by_concept.append((table, sorted(map(str, row.values()))))
    with_concept = [each for each in by_person if TABLES[each[0]].concept_column]
    assert sorted(by_concept) == sorted(with_concept)
    assert len(by_concept) == 5
    assert len(by_person) == 5 + 1 + 4  # and one observation period, and the persons themselves


def test_the_mappings_name_nothing_that_is_not_there(network: BuiltNetwork) -> None:
    rows = list(rows_on_the_ledger(network))
    for entry in mapping(network, "MAP_CONCEPT"):
        column = str(TABLES[str(entry["table"])].concept_column)
        there = [
            row
            for family, table, row in rows
            if (table, family) == (entry["table"], entry["family"])
            and (row[column] or 0) == entry["concept_id"]
        ]
        assert len(there) == entry["n"]
    for entry in mapping(network, "MAP_PERSON"):
        assert any(
            family == entry["family"] and row["person_id"] == entry["person_id"]
            for family, _, row in rows
        )


def test_items_carry_the_keys_of_what_they_hold(network: BuiltNetwork) -> None:
    ledger = network.ledger()
    found = [f.item for f in family_items(ledger, "CONDITION_20")]
    (batch_key,) = {key for item in found for key in item.keys if key.startswith("b:")}
    assert [set(item.keys) for item in found] == [{"c:20", "y:2015", batch_key}]
    for person in (7, -8, 9, 11):
        streams = [name for name in ledger.streams() if name.startswith("CLIN_PERSON")]
        assert any(list(ledger.items(name, f"p:{person}")) for name in streams)
    ledger.close()


def test_without_the_mapping_nothing_is_found(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are on the ledger and sealed; no question finds them, and verify says so."""
    network = build(ancestors=ANCESTORS)

    def no_mappings(_encoder: OmopEncoder) -> Iterator[Draft]:
        return iter(())

    monkeypatch.setattr(OmopEncoder, "_mappings", no_mappings)
    site = network.site()
    site.ingest(TABLES_DRAWN)
    assert len(list(rows_on_the_ledger(network))) == 15
    assert site.domain(10).height == 0  # the vocabulary slice knows it
    for concept in (0, 20, 30):
        with pytest.raises(UnknownConceptError):
            site.domain(concept)
    for person in ("A:7", "A:-8", 9):
        with pytest.raises(UnknownPersonError):
            site.person(person)
    (batches,) = [check for check in site.site.verify() if check.name == "batches"]
    assert not batches.ok
    assert {finding.stream for finding in batches.findings} >= {"CONDITION_20", "DRUG_0"}
