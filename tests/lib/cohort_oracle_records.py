"""What OMOP files say of persons, read a row at a time with Python's csv module.

Nothing of the package is used: which rows count is worked out anew from ``staging.md`` (a row is
left out that lacks a key, person, main concept or start date, that names a person nobody has
introduced, that repeats a primary key, or that has a cell that cannot be read).
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Final

Person = tuple[str, int]
Cells = dict[str, str]

EVENTS: Final = {
    "condition_occurrence": ("condition_concept_id", "condition_start_date"),
    "drug_exposure": ("drug_concept_id", "drug_exposure_start_date"),
    "procedure_occurrence": ("procedure_concept_id", "procedure_date"),
    "device_exposure": ("device_concept_id", "device_exposure_start_date"),
    "measurement": ("measurement_concept_id", "measurement_date"),
    "observation": ("observation_concept_id", "observation_date"),
    "visit_occurrence": ("visit_concept_id", "visit_start_date"),
    "visit_detail": ("visit_detail_concept_id", "visit_detail_start_date"),
    "death": ("cause_concept_id", "death_date"),
    "specimen": ("specimen_concept_id", "specimen_date"),
    "episode": ("episode_concept_id", "episode_start_date"),
}
"""Tables that ``event`` reads: main concept, start date."""

ERAS: Final = {
    "condition_era": ("condition_concept_id", "condition_era_start_date"),
    "drug_era": ("drug_concept_id", "drug_era_start_date"),
    "dose_era": ("drug_concept_id", "dose_era_start_date"),
}

_VOCABULARY: Final = {
    *("concept", "vocabulary", "domain", "concept_class", "concept_relationship", "relationship"),
    *("concept_synonym", "concept_ancestor", "source_to_concept_map", "drug_strength"),
}
_NO_CAUSE: Final = "death"
_WITHOUT_KEY: Final = {"death"}


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row of an event table; concept, operator and unit are 0 where the row has none.

    ``value`` is ``value_as_number``; None also in tables without that column.
    """

    person: Person
    concept: int
    day: date
    value: Fraction | None
    operator: int
    unit: int


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A row of ``person``; concepts are 0 where there is none."""

    sex: int
    race: int
    ethnicity: int
    year: int | None
    month: int | None
    day: int | None


@dataclass
class Records:
    """The accepted rows of all folders that were added.

    Attributes:
        persons: person -> the row of ``person``.
        recorded: who has any row.
        events: table -> concept -> rows.
        periods: person -> observation periods, first and last day.
        below: concept -> concepts below it that some row uses.
        known: concepts that a vocabulary slice or a row has.
        rejected: table -> rows left out.
    """

    persons: dict[Person, PersonRow] = field(default_factory=dict)
    recorded: set[Person] = field(default_factory=set)
    events: dict[str, dict[int, list[EventRow]]] = field(
        default_factory=lambda: {table: defaultdict(list) for table in EVENTS | ERAS}
    )
    periods: dict[Person, list[tuple[date, date]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    below: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    known: set[int] = field(default_factory=set)
    rejected: Counter[str] = field(default_factory=Counter)
    _introduced: set[Person] = field(default_factory=set)

    def introduce(self, persons: Iterable[Person]) -> None:
        """Take rows about persons whose own rows no folder has."""
        self._introduced |= set(persons)

    def add(self, site: str, folder: Path, *, superseded: bool = False) -> None:
        """Add the files of a folder, in the order the site ingested its folders.

        Of an export that a later one of its source superseded only this remains: it has introduced
        its persons.
        """
        used: set[int] = set()
        files = {path.stem.lower(): path for path in folder.glob("*.csv")}
        introduces = [name for name in ("person",) if name in files]
        for table in introduces if superseded else [*introduces, *sorted(set(files) - {"person"})]:
            if table not in _VOCABULARY:
                self._add_table(site, table, files[table], used, keep=not superseded)
        if not superseded:
            self.add_slice(files, used)

    def _add_table(self, site: str, table: str, path: Path, used: set[int], *, keep: bool) -> None:
        keys: set[str] = set()
        for cells in read(path):
            key = "" if table in _WITHOUT_KEY else cells.get(f"{table}_id", "")
            try:
                accepted = self._accepts(site, table, cells) and (not key or key not in keys)
                if accepted and keep:
                    self._keep(site, table, cells)
            except ValueError:
                accepted = False
            if not accepted:
                self.rejected[table] += 1
                continue
            keys.add(key)
            if table == "person":
                self._introduced.add((site, int(cells["person_id"])))
            used |= {int(c) for name, c in cells.items() if name.endswith("concept_id") and c}

    def _accepts(self, site: str, table: str, cells: Cells) -> bool:
        if table not in _WITHOUT_KEY and f"{table}_id" in cells and not cells[f"{table}_id"]:
            return False
        if table in EVENTS or table in ERAS:
            concept, start = (EVENTS | ERAS)[table]
            if not cells[start] or not (cells[concept] or table == _NO_CAUSE):
                return False
        if table == "person" or "person_id" not in cells:
            return True
        return bool(cells["person_id"]) and (site, int(cells["person_id"])) in self._introduced

    def _keep(self, site: str, table: str, cells: Cells) -> None:
        if "person_id" not in cells:
            return
        person = (site, int(cells["person_id"]))
        if table == "person":
            assert person not in self.persons, "two rows of one person: nothing says which counts"
            self.persons[person] = _person_row(cells)
        elif table in self.events:
            row = _event_row(person, table, cells)
            self.events[table][row.concept].append(row)
            self.known.add(row.concept)
        elif table == "observation_period":
            first, last = (cells[f"observation_period_{end}_date"] for end in ("start", "end"))
            self.periods[person].append((_day(first), _day(last)))
        self.recorded.add(person)

    def add_slice(self, files: Mapping[str, Path], used: set[int]) -> None:
        """Add what a batch seals of the vocabulary: its concepts, what they map to, what is above
        all of these, names.
        """
        used.discard(0)
        if "concept_relationship" in files:
            maps = {
                (int(cells["concept_id_1"]), int(cells["concept_id_2"]))
                for cells in read(files["concept_relationship"])
                if cells["relationship_id"] == "Maps to" and not cells.get("invalid_reason")
            }
            ends = {pair for pair in maps if pair[0] in used and pair[0] != pair[1]}
            self.known |= {one for pair in ends for one in pair}
            used |= {target for _, target in ends}
        above: set[int] = set()
        if "concept_ancestor" in files:
            for cells in read(files["concept_ancestor"]):
                ancestor = int(cells["ancestor_concept_id"])
                descendant = int(cells["descendant_concept_id"])
                if descendant in used:
                    self.below[ancestor].add(descendant)
                    above |= {ancestor, descendant}
        named: set[int] = set()
        if "concept" in files:
            named = {int(cells["concept_id"]) for cells in read(files["concept"])}
        self.known |= above | (named & used)


def read(path: Path) -> Iterator[Cells]:
    """Yield the records of a CSV file as stripped cells by CDM column.

    ``date(x,'unixepoch')`` and ``X`` head the column ``x``.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        headings = [_heading(name) for name in next(rows)]
        for row in rows:
            if row:
                yield dict(zip(headings, (cell.strip() for cell in row), strict=True))


def _heading(written: str) -> str:
    spelled = re.fullmatch(r"date\((\w+),'unixepoch'\)", written.strip().lower())
    return spelled.group(1) if spelled else written.strip().lower()


def _event_row(person: Person, table: str, cells: Cells) -> EventRow:
    concept, start = (EVENTS | ERAS)[table]
    value = cells.get("value_as_number", "")
    censors = table == "measurement"
    return EventRow(
        person,
        int(cells[concept] or 0),
        _day(cells[start]),
        Fraction(float(value)) if value else None,
        int(cells.get("operator_concept_id") or 0) if censors else 0,
        int(cells.get("unit_concept_id") or 0),
    )


def _person_row(cells: Cells) -> PersonRow:
    numbers = [
        int(cells.get(name) or 0)
        for name in ("gender_concept_id", "race_concept_id", "ethnicity_concept_id")
    ]
    birth = [
        int(cells[name]) if cells.get(name) else None
        for name in ("year_of_birth", "month_of_birth", "day_of_birth")
    ]
    return PersonRow(*numbers, *birth)


@lru_cache(maxsize=100_000)
def _day(text: str) -> date:
    return date.fromisoformat(text)
