"""Small random inputs that hold every oddity a criterion has a rule for.

Persons without month, day or year of birth, sexes of concept 0, deaths without a cause, rows of
concept 0, values with operators, without numbers, of several units; and rows to be rejected.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from tests.lib.cohort_oracle_events import ABOVE, AT_LEAST, AT_MOST, BELOW
from tests.lib.cohort_oracle_records import ERAS, EVENTS, Person

Cell = str | int | float | None
_FIRST_DAY: Final = date(2012, 1, 1)
_DAYS: Final = 3_000
_TREE: Final = ((10, 11), (10, 12), (12, 13), (10, 13), (20, 11), (20, 21), (50, 51), (50, 52))
_CONCEPTS: Final = (10, 11, 12, 13, 21, 30, 40, 0)
_MEASURED: Final = (50, 51, 52, 53, 0)
_OPERATORS: Final = (None, 0, 4172703, BELOW, AT_MOST, ABOVE, AT_LEAST)
_BASES: Final = "ACGT"


class RandomInputs:
    """Writes random files; the same seed writes the same.

    Args:
        folder: an empty folder for them.
        seed: of all that is drawn.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self._keys = 0

    def omop(
        self,
        name: str,
        persons: Sequence[int],
        tables: Iterable[str] = (*EVENTS, *ERAS, "note", "observation_period"),
        *,
        rows: int = 60,
        introduce: bool = True,
    ) -> Path:
        """Write a folder of OMOP files: ``persons``, and events of them and of somebody else."""
        folder = self._folder / name
        folder.mkdir(parents=True)
        if introduce:
            _write(folder / "person.csv", [self._person(person) for person in persons])
        for table in tables:
            number = rows * 4 if table in ("measurement", "condition_occurrence") else rows
            who = [*persons, 999] if rows else persons
            made = [self._row(table, self._random.choice(who)) for _ in range(number)]
            _write(folder / f"{table}.csv", made)
        pairs = [*_TREE, *((concept, concept) for concept in (*_CONCEPTS[:-1], 20, 50, 60))]
        _write(folder / "concept_ancestor.csv", [_pair(*pair) for pair in pairs])
        return folder

    def vcf(
        self, name: str, persons: Sequence[Person], positions: Sequence[int], *, bed: str | None
    ) -> tuple[Path, Path, Path | None, dict[str, int]]:
        """Write genotypes of chromosomes 9 and X, a sample map, perhaps a BED file; and the sexes.

        Samples are called ``p<person id>``.
        """
        samples = [f"p{person_id}" for _, person_id in persons]
        sexes = {sample: self._random.choice((0, 1, 2)) for sample in samples}
        lines = [
            "\t".join((chrom, str(pos), ".", ref, alts, ".", "PASS", ".", "GT", *calls))
            for chrom in ("9", "X")
            for at in positions
            for pos, ref, alts, calls in self._records(at, samples)
        ]
        fixed = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")
        head = [
            "##fileformat=VCFv4.2",
            "##contig=<ID=9,length=141213431>",
            "##contig=<ID=X,length=155270560>",
            '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
            "\t".join((*fixed, *samples)),
        ]
        path = self._folder / f"{name}.vcf"
        path.write_text("".join(f"{line}\n" for line in (*head, *lines)), encoding="utf-8")
        of_sex = ("", "M", "F")
        mapped: list[dict[str, Cell]] = [
            {"sample_id": sample, "person_id": person_id, "sex": of_sex[sexes[sample]]}
            for sample, (_, person_id) in zip(samples, persons, strict=True)
        ]
        _write(self._folder / f"{name}.map.csv", mapped)
        extent = None
        if bed is not None:
            extent = self._folder / f"{name}.bed"
            extent.write_text(bed, encoding="utf-8")
        return path, self._folder / f"{name}.map.csv", extent, sexes

    # ------------------------------------------------------------------------------------- rows

    def _person(self, person: int) -> dict[str, Cell]:
        pick = self._random.choice
        return {
            "person_id": person,
            "gender_concept_id": pick((8507, 8507, 8532, 8532, 0, None)),
            "year_of_birth": pick((*range(1930, 2000, 3), None)),
            "month_of_birth": pick((2, 2, *range(1, 13), None)),
            "day_of_birth": pick((28, 29, *range(1, 28), None)),
            "race_concept_id": pick((8515, 8516, 8527, 0)),
            "ethnicity_concept_id": pick((38003563, 38003564, None)),
        }

    def _row(self, table: str, person: int) -> dict[str, Cell]:
        pick = self._random.choice
        self._keys += pick((0, *[1] * 30))  # now and then a primary key twice
        day = _FIRST_DAY + timedelta(self._random.randrange(_DAYS))
        if self._random.random() < 0.2:
            day = date(day.year, *pick(((2, 28), (3, 1), (1, 1), (12, 31))))
        started: Cell = pick((*[day.isoformat()] * 40, None, "2015-02-30"))
        if table == "observation_period":
            last = day + timedelta(self._random.randrange(900))
            return {
                "observation_period_id": self._keys,
                "person_id": person,
                "observation_period_start_date": started,
                "observation_period_end_date": last.isoformat(),
            }
        if table == "note":
            row: dict[str, Cell] = {"note_class_concept_id": 40, "note_date": started}
        else:
            concept, start = (EVENTS | ERAS)[table]
            concepts = _MEASURED if table in ("measurement", "observation") else _CONCEPTS
            row = {concept: pick((*concepts * 6, None)), start: started}
        if table in ("measurement", "observation"):
            row |= {
                "value_as_number": pick((*range(-2, 12), 6.5, None, None)),
                "unit_concept_id": pick((8840, 8840, 8753, 0, None)),
            }
        if table == "measurement":
            row["operator_concept_id"] = pick(_OPERATORS)
            if row["measurement_concept_id"] == 53:
                row["unit_concept_id"] = pick((0, None))
        key = {} if table == "death" else {f"{table}_id": self._keys}
        return {**key, "person_id": person, **row}

    def _records(self, pos: int, samples: Sequence[str]) -> list[tuple[int, str, str, list[str]]]:
        """Return one record at a position, or two with alleles of their own."""
        pick = self._random.choice
        ref, *others = self._random.sample(_BASES, 4)
        alts = pick(
            (
                *(others[:1], others[:1], others[:2], [others[0], "*"], [others[0] + "CA"]),
                *(["."], ["<CPX>", others[0]]),
            )
        )
        made = [(pos, ref + pick(("", "", "T")), ",".join(alts), self._calls(alts, samples))]
        if self._random.random() < 0.2:
            made.append((pos, ref, ref + "GGTT", self._calls(["inserted"], samples)))
        return made

    def _calls(self, alts: Sequence[str], samples: Sequence[str]) -> list[str]:
        pick = self._random.choice
        listed = [] if alts == ["."] else range(1, len(alts) + 1)
        alleles = [*["0"] * pick((2, 5, 30)), *map(str, listed)]

        def call() -> str:
            one, other = (pick(alleles) for _ in range(2))
            return pick((*[f"{one}/{other}"] * 12, f"{one}|{other}", f"{one}/.", "./.", one))

        return [call() for _ in samples]


def _pair(ancestor: int, descendant: int) -> dict[str, Cell]:
    return {
        "ancestor_concept_id": ancestor,
        "descendant_concept_id": descendant,
        "min_levels_of_separation": int(ancestor != descendant),
    }


def _write(path: Path, rows: Sequence[Mapping[str, Cell]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
