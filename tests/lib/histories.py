"""Histories of corrections, and what counts after each step, replayed from the input files.

A history is a list of steps: exports, genotypes, withdrawals. What counts after step *k* is written
as input files again (rows, records and samples that no longer count left out), for the oracle of
cohorts to read. Nothing here looks at a ledger or at what the package made of the inputs; the rules
are those of ``docs/reference/streams.md`` section 7, applied one row at a time.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lib.cohort_oracle import Oracle
from tests.lib.cohort_oracle_genotypes import GenotypeFile, Genotypes
from tests.lib.cohort_oracle_records import Records

Row = Mapping[str, str]
Tables = Mapping[str, Sequence[Row]]
Place = tuple[str, int]


@dataclass(frozen=True)
class Export:
    """A whole export of a source: the tables it has, all rows acceptable."""

    site: str
    source: str
    tables: Tables


@dataclass(frozen=True)
class Genotyping:
    """A VCF of a site's persons; ``replace`` where it supersedes what it covers of earlier ones."""

    site: str
    file: Path
    persons: Mapping[str, int]
    sexes: Mapping[str, int]
    bed: Path | None = None
    replace: bool = False


@dataclass(frozen=True)
class Withdrawal:
    """Persons of a site withdrawn, or readmitted."""

    site: str
    persons: frozenset[int]
    readmit: bool = False


@dataclass(frozen=True)
class BatchWithdrawal:
    """The batch that an earlier step (by its number) made, withdrawn."""

    step: int


Step = Export | Genotyping | Withdrawal | BatchWithdrawal


@dataclass
class _Source:
    """What counts of one OMOP source: by table and key, the row and the step that brought it."""

    rows: dict[tuple[str, str], tuple[Row, int]] = field(default_factory=dict)
    sliced: set[int] = field(default_factory=set)


@dataclass
class _Called:
    """A genotyping, who of it was published, and which later ones superseded whom."""

    step: Genotyping
    persons: frozenset[int]
    superseded: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))


class Replay:
    """What counts after some steps.

    Args:
        steps: from the first.
        withdrawn_now: persons withdrawn at the end of the whole history, by site; they are left
            out whatever the steps say.
    """

    def __init__(self, steps: Sequence[Step], withdrawn_now: Mapping[str, set[int]]) -> None:
        self._sources: dict[tuple[str, str], _Source] = {}
        self._called: dict[int, _Called] = {}
        self._withdrawn: dict[str, set[int]] = defaultdict(set)
        self._now = withdrawn_now
        self._introduced: set[tuple[str, int]] = set()
        for number, step in enumerate(steps):
            self._take(number, step)

    def _take(self, number: int, step: Step) -> None:
        if isinstance(step, Export):
            self._export(number, step)
        elif isinstance(step, Genotyping):
            self._genotype(number, step)
        elif isinstance(step, Withdrawal):
            gone = self._withdrawn[step.site]
            self._withdrawn[step.site] = (
                gone - step.persons if step.readmit else gone | step.persons
            )
        elif step.step in self._called:
            del self._called[step.step]
        else:
            for source in self._sources.values():
                source.rows = {k: v for k, v in source.rows.items() if v[1] != step.step}

    def _export(self, number: int, step: Export) -> None:
        source = self._sources.setdefault((step.site, step.source), _Source())
        gone = self._withdrawn[step.site]
        for table, rows in step.tables.items():
            keyed = {_key(table, row): row for row in rows}
            assert len(keyed) == len(rows), "keys of a table are distinct"
            for place in [p for p in source.rows if p[0] == table]:
                row = source.rows[place][0]
                if int(row["person_id"]) not in gone and keyed.get(place[1]) != row:
                    del source.rows[place]
            for key, row in keyed.items():
                if int(row["person_id"]) not in gone:
                    source.rows.setdefault((table, key), (row, number))
                if table == "person":
                    self._introduced.add((step.site, int(key)))
        source.sliced = {
            int(cell)
            for row, _ in source.rows.values()
            for name, cell in row.items()
            if name.endswith("concept_id") and cell
        }

    def _genotype(self, number: int, step: Genotyping) -> None:
        published = frozenset(step.persons.values()) - self._withdrawn[step.site]
        if step.replace:
            for called in self._called.values():
                if called.step.site == step.site:
                    for person in called.persons & published:
                        called.superseded[person].add(number)
        self._called[number] = _Called(step, published)

    # ------------------------------------------------------------------------------- as inputs

    def oracle(self, folder: Path, steps: Sequence[Step], ancestors: Path) -> Oracle:
        """Write what counts as files of an empty folder, and return the oracle that reads them."""
        records = Records()
        records.introduce(self._introduced)
        for number, ((site, _), source) in enumerate(sorted(self._sources.items())):
            files = folder / f"omop_{number}"
            self._write_rows(files, site, source)
            (files / "concept_ancestor.csv").write_bytes(ancestors.read_bytes())
            records.add(site, files)
            records.add_slice({"concept_ancestor": ancestors}, set(source.sliced))
        genotypes = [
            part
            for number, called in sorted(self._called.items())
            for part in self._parts(folder / f"vcf_{number}", called, steps)
        ]
        return Oracle(records, Genotypes(genotypes), frozenset({"A", "B"}))

    def _write_rows(self, files: Path, site: str, source: _Source) -> None:
        by_table: dict[str, list[Row]] = defaultdict(list)
        for (table, _), (row, _) in source.rows.items():
            if int(row["person_id"]) not in self._now.get(site, set()):
                by_table[table].append(row)
        files.mkdir(parents=True)
        for table, rows in by_table.items():
            write_rows(files / f"{table}.csv", rows)

    def _parts(
        self, folder: Path, called: _Called, steps: Sequence[Step]
    ) -> Iterable[GenotypeFile]:
        """Yield a file for each group of persons whose calls fell at the same positions."""
        step = called.step
        groups: dict[frozenset[int], set[int]] = defaultdict(set)
        for person in called.persons - self._now.get(step.site, set()):
            groups[frozenset(called.superseded.get(person, ()))].add(person)
        for number, (by, persons) in enumerate(sorted(groups.items(), key=repr)):
            covers = [Cover.of(steps[later]) for later in sorted(by)]
            part = folder / str(number)
            part.mkdir(parents=True)
            samples = {s: (step.site, p) for s, p in step.persons.items() if p in persons}
            path = part / "calls.vcf"
            _write_left(step.file, path, list(samples), covers)
            bed = None
            if step.bed is not None:
                bed = part / "extent.bed"
                bed.write_text(_left_of(step, covers), encoding="utf-8")
            yield GenotypeFile(path, samples, step.sexes, bed)


@dataclass(frozen=True)
class Cover:
    """The positions a genotyping covers: those its records list, and its intervals without what
    records that were refused span (``vcf-staging.md``): one with a symbolic allele is.
    """

    listed: frozenset[Place]
    refused: frozenset[Place]
    intervals: tuple[tuple[str, int, int], ...]

    @classmethod
    def of(cls, step: Step) -> Cover:
        """Return what a genotyping covers."""
        assert isinstance(step, Genotyping)
        lines = step.file.read_text(encoding="utf-8").splitlines()
        listed, refused = set(), set()
        for chrom, pos, _, ref, alts, *_ in (x.split("\t") for x in lines if x[0] != "#"):
            if "<" in alts:
                refused |= {(chrom, int(pos) + base) for base in range(len(ref))}
            else:
                listed.add((chrom, int(pos)))
        intervals = tuple(_intervals(step.bed)) if step.bed else ()
        return cls(frozenset(listed), frozenset(refused), intervals)

    def spans(self, chrom: str, pos: int) -> bool:
        """Return whether a position (from 1) is assayed without being listed."""
        inside = any(c == chrom and start < pos <= end for c, start, end in self.intervals)
        return inside and (chrom, pos) not in self.refused

    def holds(self, chrom: str, pos: int) -> bool:
        """Return whether a position (from 1) is covered."""
        return (chrom, pos) in self.listed or self.spans(chrom, pos)


def _write_left(
    source: Path, target: Path, samples: Sequence[str], covers: Sequence[Cover]
) -> None:
    """Write the records that no cover holds, of some samples."""
    written = []
    columns: list[int] = []
    for line in source.read_text(encoding="utf-8").splitlines():
        if line.startswith("##"):
            written.append(line)
            continue
        cells = line.split("\t")
        if line.startswith("#"):
            columns = [*range(9), *(cells.index(sample) for sample in samples)]
        elif any(cover.holds(cells[0], int(cells[1])) for cover in covers):
            continue
        written.append("\t".join(cells[column] for column in columns))
    target.write_text("".join(f"{line}\n" for line in written), encoding="utf-8")


def _left_of(step: Genotyping, covers: Sequence[Cover]) -> str:
    """Return what a genotyping spans without the covered positions, position by position."""
    own, left = Cover.of(step), []
    for chrom, start, end in own.intervals:
        for pos in range(start + 1, end + 1):
            if own.spans(chrom, pos) and not any(cover.holds(chrom, pos) for cover in covers):
                left.append(f"{chrom}\t{pos - 1}\t{pos}\n")
    return "".join(left)


def _intervals(bed: Path) -> Iterable[tuple[str, int, int]]:
    for line in bed.read_text(encoding="utf-8").splitlines():
        chrom, start, end = line.split("\t")[:3]
        yield chrom, int(start), int(end)


def _key(table: str, row: Row) -> str:
    return row["person_id"] if table == "death" else row[f"{table}_id"]


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows of the same columns as a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
