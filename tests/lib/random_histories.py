"""Random histories of corrections at two sites; the same seed draws the same."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.lib.cohort_inputs import RandomInputs
from tests.lib.cohort_oracle_records import EVENTS, read
from tests.lib.histories import (
    BatchWithdrawal,
    Export,
    Genotyping,
    Row,
    Step,
    Withdrawal,
)

EHR: Final = ("condition_occurrence", "measurement", "drug_exposure", "death", "observation_period")
PERSONS: Final[Mapping[str, Sequence[int]]] = {"A": range(1, 41), "B": range(-5, 20)}
POSITIONS: Final = range(1_000, 1_200, 10)
BED: Final = "9\t900\t1150\n"
ANYBODY: Final = ("condition_occurrence", "measurement")
"""What the laboratory exports: events, and no persons."""


class RandomHistory:
    """Draws steps one after the other.

    Args:
        folder: an empty folder for the inputs.
        seed: of all that is drawn.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._random = random.Random(seed)
        self._inputs = RandomInputs(folder, seed)
        self._newest: dict[tuple[str, str], dict[str, list[Row]]] = {}
        self._files = 0
        self._keys = 10**6
        self.steps: list[Step] = []
        self.withdrawn: dict[str, set[int]] = defaultdict(set)
        self.ancestors = folder / "first0" / "concept_ancestor.csv"

    def begin(self) -> list[Step]:
        """Return the first steps: a whole export and genotypes of each site."""
        for number, site in enumerate(PERSONS):
            folder = self._inputs.omop(f"first{number}", PERSONS[site], EHR, rows=30)
            self._newest[site, "ehr"] = _acceptable(folder, set(PERSONS[site]))
            self.steps.append(self._exported(site, "ehr"))
            self.steps.append(self._genotyped(site, PERSONS[site], POSITIONS, bed=None))
        self._newest["A", "laboratory"] = {
            table: rows[::3] for table, rows in self._newest["A", "ehr"].items() if table in ANYBODY
        }
        for rows in self._newest["A", "laboratory"].values():
            rows[:] = [self._changed(row, renamed=True) for row in rows]
        self.steps.append(self._exported("A", "laboratory"))
        return list(self.steps)

    def draw(self) -> Step:
        """Return one more step."""
        kinds = (
            *[self._next_export] * 5,
            *[self._withdraw] * 2,
            self._readmit,
            *[self._again] * 2,
            self._elsewhere,
            self._withdraw_batch,
        )
        step = self._random.choice(kinds)()
        while step is None:
            step = self._random.choice(kinds)()
        self.steps.append(step)
        return step

    # ------------------------------------------------------------------------------- exports

    def _next_export(self) -> Step:
        site, source = self._random.choice(sorted(self._newest))
        tables = self._newest[site, source]
        for table, rows in tables.items():
            rows[:] = [
                self._changed(row) if self._random.random() < 0.1 else row
                for row in rows
                if table == "person" or self._random.random() > 0.05
            ]
            if table not in ("person", "death"):
                new = [row for row in rows if self._random.random() < 0.05]
                rows += [self._changed(row, renamed=True) for row in new]
        return self._exported(site, source)

    def _exported(self, site: str, source: str) -> Export:
        tables = {name: list(rows) for name, rows in self._newest[site, source].items() if rows}
        absent = [name for name in tables if name != "person" and self._random.random() < 0.1]
        for name in absent[:1] if self._random.random() < 0.5 else ():
            tables.pop(name)
        return Export(site, source, tables)

    def _changed(self, row: Row, *, renamed: bool = False) -> Row:
        changed = dict(row)
        if renamed:
            self._keys += 1
            own = next(iter(row))
            changed[own] = str(self._keys)
        for name in changed:
            if name.endswith("_concept_id") and self._random.random() < 0.3 and row[name]:
                changed[name] = self._random.choice(("10", "12", "13", "30", "51", "8840"))
            elif name == "value_as_number" and self._random.random() < 0.5:
                changed[name] = str(self._random.randrange(12))
            elif name.endswith(("_start_date", "measurement_date")):
                year = self._random.randrange(2012, 2016)
                changed[name] = f"{year}{changed[name][4:]}".replace("-02-29", "-02-28")
        return changed

    # ----------------------------------------------------------------------------- genotypes

    def _again(self) -> Step:
        """Genotype some persons anew, at some of their positions."""
        site = self._random.choice(sorted(PERSONS))
        persons = self._random.sample(list(PERSONS[site]), 12)
        positions = self._random.sample(list(POSITIONS), 8)
        bed = BED if self._random.random() < 0.5 else None
        return self._genotyped(site, persons, sorted(positions), bed=bed, replace=True)

    def _elsewhere(self) -> Step:
        """Genotype some persons where nobody was."""
        site = self._random.choice(sorted(PERSONS))
        persons = self._random.sample(list(PERSONS[site]), 10)
        first = 10_000 * (len(self.steps) + 1)
        return self._genotyped(site, persons, range(first, first + 40, 10), bed=None)

    def _genotyped(
        self,
        site: str,
        persons: Sequence[int],
        positions: Sequence[int],
        *,
        bed: str | None,
        replace: bool = False,
    ) -> Genotyping:
        self._files += 1
        who = [(site, person) for person in persons]
        name = f"calls_{self._files}"
        path, _, extent, sexes = self._inputs.vcf(name, who, positions, bed=bed)
        named = {f"p{person}": person for person in persons}
        return Genotyping(site, path, named, sexes, extent, replace)

    # --------------------------------------------------------------------------- withdrawals

    def _withdraw(self) -> Step:
        site = self._random.choice(sorted(PERSONS))
        persons = frozenset(self._random.sample(list(PERSONS[site]), self._random.choice((1, 3))))
        self.withdrawn[site] |= persons
        return Withdrawal(site, persons)

    def _readmit(self) -> Step | None:
        site = self._random.choice(sorted(PERSONS))
        if not self.withdrawn[site]:
            return None
        persons = frozenset(self._random.sample(sorted(self.withdrawn[site]), 1))
        self.withdrawn[site] -= persons
        return Withdrawal(site, persons, readmit=True)

    def _withdraw_batch(self) -> Step | None:
        gone = {step.step for step in self.steps if isinstance(step, BatchWithdrawal)}
        left = [
            number
            for number, step in enumerate(self.steps)
            if isinstance(step, Export | Genotyping) and number not in gone
        ]
        return BatchWithdrawal(self._random.choice(left)) if len(left) > 6 else None


def _acceptable(folder: Path, persons: set[int]) -> dict[str, list[Row]]:
    """Return the rows of an export that no rule rejects, by table."""
    tables: dict[str, list[Row]] = {}
    for path in sorted(folder.glob("*.csv")):
        if path.stem == "concept_ancestor":
            continue
        rows: dict[str, Row] = {}
        for row in read(path):
            key = row["person_id"] if path.stem == "death" else row[f"{path.stem}_id"]
            if _is_acceptable(path.stem, row, persons) and key not in rows:
                rows[key] = row
        tables[path.stem] = list(rows.values())
    return tables


def _is_acceptable(table: str, row: Row, persons: set[int]) -> bool:
    if int(row["person_id"]) not in persons:
        return False
    if table == "person":
        return bool(row["gender_concept_id"]) and bool(row["year_of_birth"])
    concept, start = EVENTS.get(table, (None, f"{table}_start_date"))
    return row[start] not in ("", "2015-02-30") and (concept is None or bool(row[concept]))
