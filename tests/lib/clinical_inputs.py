"""Generated OMOP files of one site, valid, with every attribute that a criterion may ask for."""

from __future__ import annotations

import csv
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from precisionchain.schemas.omop import TABLES, Table

_FIRST: Final = date(2010, 1, 1)
_TREE: Final = (
    *((10, 11), (10, 12), (12, 13), (10, 13), (20, 21), (20, 22)),
    *((50, 51), (50, 52), (60, 61), (70, 71), (70, 72), (9201, 9203)),
)
_MAIN: Final = (10, 11, 12, 13, 21, 22, 30)
_MEASURED: Final = (50, 51, 52, 53)
_OTHERS: Final = (60, 61, 71, 72, 80, 0)
_VISITS: Final = (9201, 9202, 9203)
_OPERATORS: Final = (0, 4172703, 4171756, 4171754, 4172704, 4171755)
_ROWS: Final = {
    "condition_occurrence": 6.0,
    "drug_exposure": 5.0,
    "procedure_occurrence": 3.0,
    "measurement": 6.0,
    "observation": 3.0,
    "visit_detail": 1.0,
    "device_exposure": 0.7,
    "specimen": 0.7,
    "episode": 0.5,
    "condition_era": 2.0,
    "drug_era": 2.0,
    "dose_era": 0.5,
    "death": 0.1,
}


def write_clinical(folder: Path, *, persons: int, seed: int) -> Path:
    """Write the files of a site; return the folder. The same seed writes the same."""
    folder.mkdir(parents=True)
    made = _Site(random.Random(seed), range(1, persons + 1))
    _write(folder, "person", [made.person(person) for person in made.persons])
    _write(folder, "observation_period", made.periods())
    visits = made.visits()
    _write(folder, "visit_occurrence", visits)
    for table, often in _ROWS.items():
        rows = int(often * persons)
        _write(folder, table, [made.row(TABLES[table], key, visits) for key in range(1, rows + 1)])
    concepts = {*_MAIN, *_MEASURED, *_OTHERS, *_VISITS, *_OPERATORS, 20, 70, 8840, 8753} - {0}
    pairs = [*_TREE, *((one, one) for one in sorted(concepts))]
    _write(
        folder,
        "concept_ancestor",
        [
            {
                "ancestor_concept_id": above,
                "descendant_concept_id": below,
                "min_levels_of_separation": int(above != below),
                "max_levels_of_separation": int(above != below),
            }
            for above, below in pairs
        ],
    )
    return folder


class _Site:
    """Draws rows."""

    def __init__(self, source: random.Random, persons: range) -> None:
        self._random, self.persons = source, persons

    def person(self, person: int) -> dict[str, Any]:
        pick = self._random.choice
        return {
            "person_id": person,
            "gender_concept_id": pick((8507, 8507, 8532, 8532, 0)),
            "year_of_birth": pick((*range(1930, 2005, 3), None)),
            "month_of_birth": pick((2, *range(1, 13), None)),
            "day_of_birth": pick((28, *range(1, 28), None)),
            "race_concept_id": pick((8515, 8516, 8527, 0)),
            "ethnicity_concept_id": 38003564,
        }

    def periods(self) -> list[dict[str, Any]]:
        """Return none to three periods a person, which may overlap."""
        rows: list[dict[str, Any]] = []
        for person in self.persons:
            for _ in range(self._random.choice((0, 1, 1, 1, 2, 3))):
                start = self._day()
                rows.append(
                    {
                        "observation_period_id": len(rows) + 1,
                        "person_id": person,
                        "observation_period_start_date": start,
                        "observation_period_end_date": start + timedelta(self._days(2000)),
                        "period_type_concept_id": 32817,
                    }
                )
        return rows

    def visits(self) -> list[dict[str, Any]]:
        rows = []
        for key in range(1, 3 * len(self.persons)):
            row = self.row(TABLES["visit_occurrence"], key, [])
            rows.append({**row, "visit_concept_id": self._random.choice(_VISITS)})
        return rows

    def row(self, table: Table, key: int, visits: list[dict[str, Any]]) -> dict[str, Any]:
        """Return a row: near a visit of its person, or anywhere."""
        visit = self._random.choice(visits) if visits and self._random.random() < 0.6 else None
        person = visit["person_id"] if visit else self._random.choice(self.persons)
        start = self._day()
        if visit:
            start = visit["visit_start_date"] + timedelta(self._random.choice((-1, 0, 0, 1, 4)))
        row: dict[str, Any] = {}
        for field in table.fields:
            if field.published:
                row[field.name] = self._cell(table, field.name, start)
        row["person_id"] = person
        if table.primary_key:
            row[table.primary_key] = key
        if "visit_occurrence_id" in row and table.name != "visit_occurrence":
            linked = visit["visit_occurrence_id"] if visit else self._random.choice((None, 10**6))
            row["visit_occurrence_id"] = linked if self._random.random() < 0.9 else None
        return row

    def _cell(self, table: Table, name: str, start: date) -> Any:
        pick = self._random.choice
        if name == table.start_date_column:
            return start
        if name == table.end_date_column:
            return pick((start, start + timedelta(self._days(40)), None))
        if name == table.concept_column:
            measured = table.name in ("measurement", "observation")
            if table.name == "visit_detail":
                return pick(_VISITS)
            return pick(_MEASURED if measured else _MAIN)
        if name == "unit_concept_id":
            return pick((8840, 8840, 8753, 0, None))
        if name == "operator_concept_id":
            return pick((*_OPERATORS, None, None, None))
        if name.endswith("concept_id"):
            return pick((*_OTHERS, None))
        if name in {"value_as_number", "range_low", "range_high"}:
            return pick((*range(-2, 12), 6.5, None))
        if name in {
            *("quantity", "days_supply", "refills", "gap_days", "dose_value", "episode_number"),
            *("condition_occurrence_count", "drug_exposure_count"),
        }:
            return pick((0, 1, 2, 3, 10, 30, None))
        return None

    def _day(self) -> date:
        return _FIRST + timedelta(self._days(3000))

    def _days(self, most: int) -> int:
        return self._random.randrange(most)


def _write(folder: Path, table: str, rows: list[dict[str, Any]]) -> None:
    with (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
