"""What VCF files say of persons, read from their text as the sites wrote it, records unsplit.

A person's state at an allele, by the files that hold the person: the call, where a record lists
the allele; no copy, or missing, where a record lists another allele at that position; no copy,
where only the assayed intervals cover it; else it was not assayed.
"""

from __future__ import annotations

import gzip
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import Final

from tests.lib.cohort_oracle_records import Person
from tests.lib.genotype_text import PAR, meaning, shortest

Allele = tuple[str, int, str, str]
"""chrom, pos, ref, alt: split, and trimmed to the shortest spelling."""

MISSING: Final = 3
NOT_ASSAYED: Final = 4
STATES: Final = ("0", "1", "2", "missing", "not_assayed")
MALE: Final = 1
_NO_COPIES: Final = bytes.maketrans(bytes((MISSING, NOT_ASSAYED)), b"\0\0")

# Of two batches that hold a person: a call before a missing one, that before not assayed; of two
# calls the one that carries.
_BETTER: Final = {1: 3, 2: 3, 0: 2, MISSING: 1, NOT_ASSAYED: 0}


@dataclass(frozen=True, slots=True)
class State:
    """Of one person at one allele: the place in ``STATES``, and the ploidy, 0 if not called."""

    code: int
    ploidy: int


@dataclass(frozen=True, slots=True)
class Record:
    """A line: where, what, and each sample's call as a place in the file's list of texts."""

    chrom: str
    pos: int
    ref: str
    alts: tuple[str, ...]
    calls: array[int]

    @property
    def ploidy_rule(self) -> str:
        """``X``, ``Y`` or ``MT``; ``.`` where everybody has two copies."""
        return _rule(self.chrom, self.pos)


@dataclass(frozen=True)
class GenotypeFile:
    """A file as a site ingested it, build GRCh37, half-calls missing.

    Attributes:
        path: the file, plain or gzipped text.
        persons: sample -> person.
        sexes: sample -> 1 male, 2 female, 0 unknown.
        bed: the assayed intervals; None where only listed positions are assayed.
    """

    path: Path
    persons: Mapping[str, Person]
    sexes: Mapping[str, int]
    bed: Path | None = None

    @cached_property
    def samples(self) -> list[str]:
        """Sample names in column order."""
        heading = next(line for line in _lines(self.path) if line.startswith("#CHROM"))
        return heading.rstrip("\n").split("\t")[9:]

    @cached_property
    def _read(self) -> tuple[list[Record], list[str]]:
        texts: dict[str, int] = {}
        records = []
        for line in _lines(self.path):
            if line.startswith("#"):
                continue
            fields = line.rstrip("\n").split("\t")
            calls = [call.partition(":")[0] for call in fields[9:]]
            for call in set(calls):
                texts.setdefault(call, len(texts))
            codes = array("H", [texts[call] for call in calls])
            alts = tuple(fields[4].split(","))
            if any("<" in alt for alt in alts):
                continue  # rejected: ``vcf-staging.md``, symbolic_allele
            chrom = fields[0].removeprefix("chr")
            records.append(Record(chrom, int(fields[1]), fields[3].upper(), alts, codes))
        return records, list(texts)

    @cached_property
    def listed(self) -> dict[Allele, tuple[Record, int]]:
        """Allele -> the record that lists it, and its number there."""
        found: dict[Allele, tuple[Record, int]] = {}
        for record in self._read[0]:
            for number, alt in enumerate(record.alts, start=1):
                if alt not in ("*", "."):
                    own = (record.chrom, *shortest(record.pos, record.ref, alt))
                    found.setdefault(own, (record, number))
        return found

    @cached_property
    def at(self) -> dict[tuple[str, int], Record]:
        """Position -> the first record that lists it."""
        found: dict[tuple[str, int], Record] = {}
        for record in self._read[0]:
            trimmed = [shortest(record.pos, record.ref, alt)[0] for alt in record.alts]
            for pos in (*trimmed, record.pos):
                found.setdefault((record.chrom, pos), record)
        return found

    @cached_property
    def intervals(self) -> list[tuple[str, int, int]]:
        """The assayed intervals, 1-based and closed."""
        if self.bed is None:
            return []
        rows = [line.split("\t") for line in self.bed.read_text("utf-8").splitlines()]
        return [(chrom, int(start) + 1, int(end)) for chrom, start, end, *_ in rows]

    def states(self, allele: Allele) -> list[State]:
        """Return each sample's state, in column order."""
        chrom, pos, _, _ = allele
        sexes = [self.sexes[name] for name in self.samples]
        if allele in self.listed:
            record, number = self.listed[allele]
            return self._called(record, number, sexes)
        if (chrom, pos) in self.at:
            called = self._called(self.at[chrom, pos], 0, sexes)
            return [State(MISSING if s.code == MISSING else 0, s.ploidy) for s in called]
        if any(c == chrom and first <= pos <= last for c, first, last in self.intervals):
            single = _rule(chrom, pos) == "X"
            return [State(0, 1 if single and sex == MALE else 2) for sex in sexes]
        return [State(NOT_ASSAYED, 0)] * len(sexes)

    def _called(self, record: Record, number: int, sexes: Sequence[int]) -> list[State]:
        texts, rule, known = self._read[1], record.ploidy_rule, {}
        for code, sex in set(zip(record.calls, sexes, strict=True)):
            dosage, haploid, _ = meaning(texts[code], number, rule, sex, "missing")
            ploidy = 0 if dosage == MISSING else 1 if haploid else 2
            known[code, sex] = State(dosage, ploidy)
        return [known[pair] for pair in zip(record.calls, sexes, strict=True)]


class Genotypes:
    """All files of a network."""

    def __init__(self, files: Sequence[GenotypeFile]) -> None:
        self.files = tuple(files)
        self._known: dict[Allele, tuple[bytes, bytes]] = {}
        self._counted: dict[Allele, tuple[int, int]] = {}
        self._columns = [
            [self._places[file.persons[name]] for name in file.samples] for file in self.files
        ]

    @cached_property
    def persons(self) -> list[Person]:
        """Everybody with genotypes, ascending."""
        return sorted({f.persons[name] for f in self.files for name in f.samples})

    @cached_property
    def _places(self) -> dict[Person, int]:
        return {person: place for place, person in enumerate(self.persons)}

    @cached_property
    def alleles(self) -> list[Allele]:
        """Every allele that some file lists, once, in the order it is first met."""
        return list(dict.fromkeys(allele for file in self.files for allele in file.listed))

    def states(self, allele: Allele) -> tuple[bytes, bytes]:
        """Return the state and the ploidy of each of ``persons`` at an allele."""
        if allele not in self._known:
            best = [State(NOT_ASSAYED, 0)] * len(self.persons)
            for file, columns in zip(self.files, self._columns, strict=True):
                for place, state in zip(columns, file.states(allele), strict=True):
                    if _BETTER[state.code] > _BETTER[best[place].code]:
                        best[place] = state
            self._known[allele] = bytes(s.code for s in best), bytes(s.ploidy for s in best)
        return self._known[allele]

    def counts(self, allele: Allele, among: Sequence[bool] | None = None) -> tuple[int, int]:
        """Return AC and AN over everybody, or over those of ``persons`` marked as meant."""
        if among is None:
            if allele not in self._counted:
                self._counted[allele] = self.counts(allele, [True] * len(self.persons))
            return self._counted[allele]
        codes, ploidies = self.states(allele)
        copies = codes.translate(_NO_COPIES)
        return sum(compress(copies, among)), sum(compress(ploidies, among))


def _rule(chrom: str, pos: int) -> str:
    if chrom not in ("X", "Y", "MT"):
        return "."
    shared = PAR.get(("GRCh37", chrom), ())
    return "." if any(first <= pos <= last for first, last in shared) else chrom


def _lines(path: Path) -> Iterator[str]:
    stored = path.read_bytes()
    text = gzip.decompress(stored) if path.suffix == ".gz" else stored
    yield from text.decode().splitlines()
