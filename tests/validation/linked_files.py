"""GiBleed's persons linked to 1000 Genomes samples: the files that a site ingests, made of both.

What the real files lack is added by a seed: values with units and operators, deaths, calls that
are missing, batches that assay different variants, persons that only one of the two has.
"""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from tests.lib.cohort_oracle_events import ABOVE, AT_LEAST, AT_MOST, BELOW
from tests.lib.cohort_oracle_records import read

FIRST, SECOND, AGAIN, FOREIGN = 1_400, 850, 250, 200
"""Samples of the first batch; of the second; of the first once more; who are not of GiBleed."""

_SITES_ONLY: Final = ("8", "10", "13", "16")
_CHROMOSOMES: Final = (*_SITES_ONLY, "22", "X")
_RECORDS_EACH: Final = 400
_WINDOW: Final = 5_000
_MISSING_RATES: Final = (0, 0, 0.01, 0.03, 0.2)

# GiBleed's measurements hold no number. Body weight (kg, pound), haematocrit (percent).
_MEASURED: Final = {3025315: (9529, 8739), 3009542: (8554,), 3013682: (8840, 0)}
_OPERATORS: Final = (0, 0, 0, 4172703, BELOW, AT_MOST, ABOVE, AT_LEAST)


@dataclass(frozen=True, slots=True)
class Record:
    """A line of the 1000 Genomes file; ``length`` is that of REF."""

    chrom: str
    pos: int
    length: int
    line: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A genotype file to be ingested: its samples' persons, and its assayed intervals."""

    path: Path
    persons: dict[str, int]
    bed: Path | None


class LinkedFiles:
    """Makes the files in a folder.

    Args:
        folder: an empty folder.
        omop: GiBleed's CSV files.
        vcf: the 1000 Genomes file.
        seed: of all that is chosen.
    """

    def __init__(self, folder: Path, omop: Path, vcf: Path, seed: int = 20_261_001) -> None:
        self._folder, self._omop, self._vcf = folder, omop, vcf
        self._random = random.Random(seed)
        self.persons = [int(cells["person_id"]) for cells in read(omop / "person.csv")]

    def laboratory(self) -> Path:
        """Write values and deaths of GiBleed's persons, without ``person``."""
        folder = self._folder / "laboratory"
        folder.mkdir()
        pick = self._random.choice
        rows = []
        for number in range(8_000):
            concept = pick(list(_MEASURED))
            day = date(2005, 1, 1) + timedelta(self._random.randrange(5_000))
            value = pick((*range(20, 60), 42.5, ""))
            cells = (number, pick(self.persons), concept, day, 0, pick(_OPERATORS), value)
            rows.append((*cells, pick((*_MEASURED[concept] * 3, ""))))
        _write_csv(
            folder / "measurement.csv",
            "measurement_id,person_id,measurement_concept_id,measurement_date,"
            "measurement_type_concept_id,operator_concept_id,value_as_number,unit_concept_id",
            rows,
        )
        dead = self._random.sample(self.persons, 150)
        causes = ("", 0, 192671, 4112343)
        died = [(p, f"20{self._random.randint(10, 19)}-06-30", 0, pick(causes)) for p in dead]
        _write_csv(
            folder / "death.csv",
            "person_id,death_date,death_type_concept_id,cause_concept_id",
            died,
        )
        return folder

    def genotypes(self) -> list[Batch]:
        """Write three files: positions alone; a BED file, other persons; the first ones elsewhere.

        The samples that are left have no genotypes, nor have the persons nobody is linked to.
        """
        head, records = self._records()
        samples = head[-1].split("\t")[9:]
        linked = self._linked(samples)
        shuffled = self._random.sample(samples, FIRST + SECOND)
        first, second = shuffled[:FIRST], shuffled[FIRST:]
        again = self._random.sample(first, AGAIN)
        windows = self._windows(records)

        def in_window(record: Record) -> bool:
            window = (record.pos - 1) // _WINDOW
            last = (record.pos + record.length - 2) // _WINDOW
            return last == window and (record.chrom, window) in windows

        chosen: list[tuple[str, list[str], Callable[[Record], bool], float]] = [
            ("first", first, lambda record: record.chrom in _SITES_ONLY, 0.75),
            ("second", second, in_window, 0.6),
            ("again", again, lambda record: record.chrom not in _SITES_ONLY, 0.9),
        ]
        bed = self._folder / "second.bed"
        intervals = [(c, w * _WINDOW, (w + 1) * _WINDOW) for c, w in sorted(windows)]
        bed.write_text("".join(f"{c}\t{s}\t{e}\n" for c, s, e in intervals), encoding="utf-8")
        batches = []
        for name, of, wanted, share in chosen:
            kept = [r for r in records if wanted(r) and self._random.random() < share]
            path = self._write_vcf(name, head, kept, of)
            persons = {sample: linked[sample] for sample in of}
            batches.append(Batch(path, persons, bed if name == "second" else None))
        return batches

    def _linked(self, samples: Sequence[str]) -> dict[str, int]:
        foreign = [*range(-FOREIGN // 2, 0), *range(10**9, 10**9 + FOREIGN // 2)]
        ids = [*self._random.sample(self.persons, len(samples) - FOREIGN), *foreign]
        self._random.shuffle(ids)
        return dict(zip(samples, ids, strict=True))

    def _records(self) -> tuple[list[str], list[Record]]:
        """Return the header, and the first records of some chromosomes."""
        head: list[str] = []
        found: dict[str, list[Record]] = {chrom: [] for chrom in _CHROMOSOMES}
        with gzip.open(self._vcf, "rt") as file:
            for line in file:
                if line.startswith("#"):
                    head.append(line.rstrip("\n"))
                    continue
                own = found.get(line.partition("\t")[0])
                if own is not None and len(own) < _RECORDS_EACH:
                    chrom, pos, _, ref, _ = line.split("\t", 4)
                    own.append(Record(chrom, int(pos), len(ref), line.rstrip("\n")))
        return head, [record for records in found.values() for record in records]

    def _windows(self, records: Sequence[Record]) -> set[tuple[str, int]]:
        every = sorted({(record.chrom, (record.pos - 1) // _WINDOW) for record in records})
        return {window for window in every if self._random.random() < 0.7}

    def _write_vcf(
        self, name: str, head: Sequence[str], records: Iterable[Record], samples: Sequence[str]
    ) -> Path:
        place = {sample: number for number, sample in enumerate(head[-1].split("\t"))}
        columns = [*range(9), *(place[sample] for sample in samples)]
        path = self._folder / f"{name}.vcf"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in head[:-1])
            file.write("\t".join(head[-1].split("\t")[column] for column in columns) + "\n")
            for record in records:
                whole = record.line.split("\t")
                fields = [whole[column] for column in columns]
                missing = int(len(samples) * self._random.choice(_MISSING_RATES))
                for column in self._random.sample(range(9, len(fields)), missing):
                    fields[column] = self._random.choice(("./.", "./.", "0/.", ".|1"))
                file.write("\t".join(fields) + "\n")
        return path


def _write_csv(path: Path, headings: str, rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(headings + "\n")
        csv.writer(file).writerows(rows)
