"""The OMOP tables of a synthetic site: files read by slow plain code say what its truth says."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from precisionchain.synthetic.concepts import CONCEPTS, ancestor_table
from precisionchain.synthetic.dirt import FAULTS
from precisionchain.synthetic.generate import generate
from precisionchain.synthetic.genome import Stretch
from precisionchain.synthetic.tables import EVENT_CONCEPT, KEYS
from precisionchain.synthetic.truth import Truth
from tests.lib.omop_judge import REQUIRED, Reason, Row, judge, kind_of, plain

Spans = dict[tuple[Any, Any], list[tuple[date, date]]]
HARDLY = (Stretch("9", 22_090_000, 20_000),)


@dataclass(frozen=True)
class Hospital:
    folder: Path
    truth: Truth
    rejected: set[Reason]
    accepted: dict[str, list[Row]]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    folder = tmp_path_factory.mktemp("hospital")
    truth = generate(folder, seed=11, persons=120, stretches=HARDLY)
    return Hospital(folder, truth, *judge(folder / "omop"))


def typed(hospital: Hospital, table: str) -> list[dict[str, Any]]:
    return [
        {c: plain(kind_of(table, c), text) for c, text in row.items()}
        for row in hospital.accepted[table]
    ]


# ------------------------------------------------------------------------------------- rejects


def test_the_rejected_list_is_what_a_slow_validator_finds(hospital: Hospital) -> None:
    assert set(hospital.truth.rejected.iter_rows()) == hospital.rejected
    assert len(hospital.truth.rejected) == len(hospital.rejected)
    assert {rule for _, rule, *_ in hospital.rejected} == {
        "duplicate_key",
        "encoding",
        "quoting",
        "ragged",
        "required",
        "type:Date",
        "type:Datetime",
        "type:Float",
        "type:Integer64",
        "unknown_person",
    }
    assert {table for table, *_ in hospital.rejected} == set(KEYS) == set(REQUIRED)


def test_each_fault_occurs_as_often_as_asked(hospital: Hospital) -> None:
    reasons = sum(len(fault.reasons) for faults in FAULTS.values() for fault in faults)
    assert len(hospital.truth.rejected) == 2 * reasons
    per_table = Counter(table for table, *_ in {r[:1] + r[2:3] for r in hospital.rejected})
    assert per_table == hospital.truth.settings["rejected"]


def test_a_rejected_person_takes_events_along(hospital: Hospital) -> None:
    with (hospital.folder / "omop" / "person.csv").open(encoding="utf-8") as file:
        broken = {
            row["person_id"] for row in csv.DictReader(file) if row["year_of_birth"] == "19xx"
        }
    with (hospital.folder / "omop" / "measurement.csv").open(encoding="utf-8") as file:
        followers = [row for row in csv.DictReader(file) if row["person_id"] in broken]
    assert broken
    assert followers


@pytest.mark.parametrize("table", KEYS)
def test_accepted_rows_are_those_of_the_file(hospital: Hospital, table: str) -> None:
    truth = hospital.truth.tables[table]
    read = [{c: row[c] for c in truth.columns} for row in typed(hospital, table)]
    assert truth.to_dicts() == read
    assert len(read) == hospital.truth.settings["accepted"][table] > 0


def test_files_hold_what_csv_readers_stumble_over(hospital: Hospital) -> None:
    text = (hospital.folder / "omop" / "condition_occurrence.csv").read_text(encoding="utf-8")
    assert '"Diabetes, ""type 2"""' in text
    assert '"Coronary\narteriosclerosis"' in text
    starts = [row["condition_start_date"] for row in hospital.accepted["condition_occurrence"]]
    shapes = {re.sub(r"\d", "9", start) for start in starts}
    assert {"9999-99-99", "99999999", "9999-99-99 99:99:99"} <= shapes


def test_source_values_are_in_the_files_and_not_in_what_may_leave(hospital: Hospital) -> None:
    assert "MRN-00000042" in (hospital.folder / "omop" / "person.csv").read_text(encoding="utf-8")
    columns = {c for table in KEYS for c in hospital.truth.tables[table].columns}
    assert not [c for c in columns if c.endswith(("source_value", "_name", "_string"))]
    assert not columns & {"sig", "latitude", "provider_id", "zip", "unique_device_id"}


def test_clean_tables_on_request(tmp_path: Path) -> None:
    truth = generate(tmp_path, seed=3, persons=30, dirty=0, stretches=HARDLY)
    assert judge(tmp_path / "omop")[0] == set()
    assert truth.rejected.is_empty()


# ---------------------------------------------------------------- tables agree with each other


def test_events_fall_into_their_visits_and_these_into_observation(hospital: Hospital) -> None:
    periods = {
        row["person_id"]: (row["observation_period_start_date"], row["observation_period_end_date"])
        for row in typed(hospital, "observation_period")
    }
    visits = {row["visit_occurrence_id"]: row for row in typed(hospital, "visit_occurrence")}
    assert len(periods) == 120
    for visit in visits.values():
        first, last = periods[visit["person_id"]]
        assert first <= visit["visit_start_date"] <= visit["visit_end_date"] <= last
    checked = 0
    for table in EVENT_CONCEPT:
        for row in typed(hospital, table) if table not in ("death", "visit_occurrence") else ():
            visit = visits[row["visit_occurrence_id"]]
            start = next(v for c, v in row.items() if c.endswith("_date"))
            assert visit["person_id"] == row["person_id"]
            assert visit["visit_start_date"] <= start <= visit["visit_end_date"]
            checked += 1
    assert checked > 2_000


def test_nothing_starts_before_birth_or_after_death(hospital: Hospital) -> None:
    born = {row["person_id"]: row["birth_datetime"] for row in typed(hospital, "person")}
    died = {row["person_id"]: row["death_date"] for row in typed(hospital, "death")}
    assert len(died) > 3
    for table in KEYS:
        for row in typed(hospital, table):
            dates = [v for c, v in row.items() if c.endswith("_date") and v is not None]
            person = row.get("person_id")
            if person is None or not dates:
                continue
            assert min(dates) >= born[person].date()
            if person in died:
                assert max(dates) <= died[person] + timedelta(days=1)


def slow_eras(spans: Spans) -> Counter[tuple[object, ...]]:
    """Person, concept, start, end, count and gap days of eras, span by span."""
    eras: Counter[tuple[object, ...]] = Counter()
    for who, own in spans.items():
        current: list[tuple[date, date]] = []
        for span in [*sorted(own), (date(9000, 1, 1), date(9000, 1, 1))]:
            end = max((e for _, e in current), default=None)
            if end is not None and (span[0] - end).days > 30:
                covered = {s + timedelta(d) for s, e in current for d in range((e - s).days + 1)}
                start = current[0][0]
                gap = (end - start).days + 1 - len(covered)
                eras[*who, start, end, len(current), gap] += 1
                current = []
            current.append(span)
    return eras


def test_condition_eras_follow_from_accepted_conditions(hospital: Hospital) -> None:
    spans: Spans = defaultdict(list)
    for row in typed(hospital, "condition_occurrence"):
        start = row["condition_start_date"]
        assert isinstance(start, date)
        end = row["condition_end_date"] or start + timedelta(days=1)
        if row["condition_concept_id"]:
            spans[row["person_id"], row["condition_concept_id"]].append((start, end))
    found = hospital.truth.tables["condition_era"].drop("condition_era_id")
    assert Counter(found.iter_rows()) == Counter(era[:5] for era in slow_eras(spans).elements())


def test_drug_eras_are_by_ingredient(hospital: Hospital) -> None:
    ingredient = {}
    with (hospital.folder / "vocabulary" / "concept_ancestor.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["min_levels_of_separation"] == "1":
                ingredient[int(row["descendant_concept_id"])] = int(row["ancestor_concept_id"])
    spans: Spans = defaultdict(list)
    for drug in typed(hospital, "drug_exposure"):
        what = ingredient[drug["drug_concept_id"]]
        dates = drug["drug_exposure_start_date"], drug["drug_exposure_end_date"]
        spans[drug["person_id"], what].append(dates)
    found = hospital.truth.tables["drug_era"].drop("drug_era_id")
    assert Counter(found.iter_rows()) == slow_eras(spans)
    assert (found["gap_days"] > 0).any()
    assert (found["drug_exposure_count"] > 1).any()


def test_measurements_come_in_several_units_and_with_operators(hospital: Hospital) -> None:
    rows = hospital.truth.tables["measurement"]
    glucose = rows.filter(pl.col("measurement_concept_id") == 3004501)
    means = dict(glucose.group_by("unit_concept_id").agg(pl.mean("value_as_number")).iter_rows())
    assert means[8840] == pytest.approx(18 * means[8753], rel=0.15)
    assert None in means
    below = rows.filter(pl.col("operator_concept_id") == 4171756)
    assert len(below) > 0
    assert set(below["value_as_number"]) == {0.3}


# --------------------------------------------------------------------------------- vocabulary


def test_concept_ancestors_are_all_ways_up() -> None:
    parents = {c.concept_id: c.parents for c in CONCEPTS}

    def ways(concept: int) -> list[tuple[int, int]]:
        """(ancestor, levels) of every way up from a concept."""
        return [(concept, 0)] + [
            (ancestor, levels + 1) for p in parents[concept] for ancestor, levels in ways(p)
        ]

    expected = set()
    for concept in parents:
        levels = defaultdict(list)
        for ancestor, level in ways(concept):
            levels[ancestor].append(level)
        expected |= {(a, concept, min(found), max(found)) for a, found in levels.items()}
    table = ancestor_table()
    assert set(table.iter_rows()) == expected
    assert len(table) == len(expected)
    assert (table["min_levels_of_separation"] < table["max_levels_of_separation"]).any()
    assert table["max_levels_of_separation"].max() == 6
    assert len(CONCEPTS) > 350


def test_every_concept_of_a_row_is_in_the_vocabulary(hospital: Hospital) -> None:
    with (hospital.folder / "vocabulary" / "concept.csv").open(encoding="utf-8") as file:
        domains = {row["concept_id"]: row["domain_id"] for row in csv.DictReader(file)}
    used = {
        (column, text)
        for table in KEYS
        for row in hospital.accepted[table]
        for column, text in row.items()
        if column.endswith("concept_id") and text
    }
    assert {text for _, text in used} <= set(domains)
    assert {domains[t] for c, t in used if c == "unit_concept_id" and t != "0"} == {"Unit"}


def test_source_codes_map_to_the_concept_of_the_row(hospital: Hospital) -> None:
    with (hospital.folder / "vocabulary" / "concept_relationship.csv").open() as file:
        maps = {
            row["concept_id_1"]: row["concept_id_2"]
            for row in csv.DictReader(file)
            if row["relationship_id"] == "Maps to"
        }
    for row in hospital.accepted["condition_occurrence"]:
        code = row["condition_source_concept_id"]
        assert row["condition_concept_id"] == maps.get(code, "0")


def test_persons_by_concept_follow_from_the_files(hospital: Hospital) -> None:
    ancestors = defaultdict(set)
    with (hospital.folder / "vocabulary" / "concept_ancestor.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            ancestors[row["descendant_concept_id"]].add(int(row["ancestor_concept_id"]))
    expected = {
        (ancestor, int(row["person_id"]))
        for table, column in EVENT_CONCEPT.items()
        for row in hospital.accepted[table]
        for ancestor in ancestors[row[column]]
    }
    assert set(hospital.truth.concept_persons.iter_rows()) == expected
    assert hospital.truth.persons_of(201826) == sorted(p for c, p in expected if c == 201826)


def test_a_question_can_be_answered_from_two_tables(hospital: Hospital) -> None:
    below = hospital.truth.domain(2_000_000_007)
    assert set(below) == {"condition_occurrence", "measurement"}
    assert hospital.truth.domain(2_000_000_007, descendants=False) == {}
