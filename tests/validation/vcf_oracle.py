"""Genotypes as ``bcftools query`` prints them from the unsplit file, read the slow and plain way.

Nothing here knows how PrecisionChain stores genotypes. A call's text (``0|1``, ``1/.``, ``1``) is
read once per distinct text; numpy only repeats that reading over the file.
"""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

MISSING = 3
"""How this module writes a missing call in matrices of dosages."""
NOT_ASSAYED = 4
MALE, FEMALE, UNKNOWN = 1, 2, 0

# Pseudo-autosomal regions of GRCh37 (Genome Reference Consortium), 1-based, closed.
_PAR_37 = {
    "X": ((60_001, 2_699_520), (154_931_044, 155_260_560)),
    "Y": ((10_001, 2_649_520), (59_034_050, 59_363_566)),
}
_RECORDS_AT_ONCE = 400

Uint8 = npt.NDArray[np.uint8]
Rule = Literal["autosome", "X", "Y", "MT"]
HalfCall = Literal["missing", "haploid"]
PHASES = (None, "0|0", "0|1", "1|0", "1|1")


@dataclass(frozen=True, slots=True)
class Call:
    """One person's call of one ALT: dosage (3 missing), alleles called (0, 1, 2), phase text."""

    dosage: int
    ploidy: int
    phase: str | None


@dataclass(frozen=True, slots=True)
class CallMatrix:
    """uint8 [alleles, samples] each: dosage (3 missing), ploidy, and the place in ``PHASES``."""

    dosage: Uint8
    ploidy: Uint8
    phase: Uint8


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the file, as written."""

    chrom: str
    pos: int
    ref: str
    alts: tuple[str, ...]

    @property
    def end(self) -> int:
        return self.pos + len(self.ref) - 1


@dataclass(frozen=True, slots=True)
class Allele:
    """One ALT of a record under its identity: split, and trimmed to the shortest spelling."""

    chrom: str
    pos: int
    ref: str
    alt: str
    record: int
    number: int

    @property
    def text(self) -> str:
        return f"{self.chrom}:{self.pos}:{self.ref}:{self.alt}"


@dataclass(frozen=True, slots=True)
class Genotypes:
    """A whole file.

    Attributes:
        samples: sample names in column order.
        records: the lines, in order.
        texts: the distinct texts of calls.
        codes: uint16 [records, samples], index into ``texts``.
    """

    samples: tuple[str, ...]
    records: tuple[Record, ...]
    texts: tuple[str, ...]
    codes: npt.NDArray[np.uint16]

    def alleles(self) -> list[Allele]:
        """Every ALT but ``*``, in file order."""
        return [
            Allele(record.chrom, *shortest(record.pos, record.ref, alt), index, number)
            for index, record in enumerate(self.records)
            for number, alt in enumerate(record.alts, start=1)
            if alt not in ("*", ".")
        ]

    def only(self, samples: Sequence[str]) -> Genotypes:
        """The same lines for some samples, in the order given."""
        place = {name: i for i, name in enumerate(self.samples)}
        columns = [place[name] for name in samples]
        return Genotypes(tuple(samples), self.records, self.texts, self.codes[:, columns])

    def calls(
        self, alleles: Sequence[Allele], sex: Uint8, half_call: HalfCall = "missing"
    ) -> CallMatrix:
        """Every sample's call of each allele, by the texts of the file."""
        tables: dict[tuple[Rule, int], npt.NDArray[np.uint8]] = {}
        shape = (len(alleles), len(self.samples))
        matrix = CallMatrix(*(np.empty(shape, dtype=np.uint8) for _ in range(3)))
        for row, allele in enumerate(alleles):
            rule = rule_at(self.records[allele.record])
            key = (rule, allele.number)
            if key not in tables:
                calls = [
                    [read_call(text, allele.number, rule, of_sex, half_call) for text in self.texts]
                    for of_sex in range(3)
                ]
                tables[key] = np.array(
                    [
                        [[c.dosage for c in line] for line in calls],
                        [[c.ploidy for c in line] for line in calls],
                        [[PHASES.index(c.phase) for c in line] for line in calls],
                    ],
                    dtype=np.uint8,
                )
            found = tables[key][:, sex, self.codes[allele.record]]
            matrix.dosage[row], matrix.ploidy[row], matrix.phase[row] = found
        return matrix


def read_call(
    text: str, number: int, rule: Rule, sex: int, half_call: HalfCall = "missing"
) -> Call:
    """Read one call for ALT ``number``.

    A half-called diploid is missing, or by choice the one allele that was called. Where one copy
    is expected (males outside the PAR of X and
    Y; everybody on MT), a homozygote is one copy and a heterozygote is missing. A female has no
    call on Y.
    """
    phased = "|" in text
    alleles = text.replace("|", "/").split("/")
    missing = Call(MISSING, 0, None)
    if half_call == "haploid" and len(alleles) == 2 and alleles.count(".") == 1:
        alleles.remove(".")
    if "." in alleles or len(alleles) > 2:
        return missing
    if rule == "Y" and sex == FEMALE:
        return missing
    if len(alleles) == 2 and (rule == "MT" or (rule in ("X", "Y") and sex == MALE)):
        if alleles[0] != alleles[1]:
            return missing
        alleles = alleles[:1]
    copies = [int(allele == str(number)) for allele in alleles]
    if len(alleles) == 1:
        return Call(copies[0], 1, None)
    return Call(sum(copies), 2, f"{copies[0]}|{copies[1]}" if phased else None)


def rule_at(record: Record | Allele) -> Rule:
    """Which rule of ploidy holds at a position (GRCh37)."""
    for first, last in _PAR_37.get(record.chrom, ()):
        if first <= record.pos <= last:
            return "autosome"
    if record.chrom == "X":
        return "X"
    if record.chrom == "Y":
        return "Y"
    return "MT" if record.chrom == "MT" else "autosome"


def shortest(pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Remove shared bases one at a time: from the end, then from the start; one base stays."""
    ref, alt = ref.upper(), alt.upper()
    if not set(ref + alt) <= set("ACGTN"):
        return pos, ref, alt
    while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return pos, ref, alt


def read_genotypes(path: Path, bcftools: str = "bcftools") -> Genotypes:
    """Read a file through ``bcftools query``, records and alleles as written."""
    names = subprocess.run(
        [bcftools, "query", "-l", str(path)], stdout=subprocess.PIPE, check=True
    ).stdout.decode()
    samples = tuple(names.split())
    records: list[Record] = []
    texts: dict[bytes, int] = {}
    codes = []
    for lines in _query(path, bcftools):
        heads, block = _cut(lines, len(samples))
        for head in heads:
            chrom, pos, ref, alts = head.decode().split("\t")
            records.append(Record(chrom.removeprefix("chr"), int(pos), ref, tuple(alts.split(","))))
        distinct = np.sort(pl.Series(block.ravel()).unique().to_numpy())
        known = [texts.setdefault(word.tobytes().rstrip(b"\0"), len(texts)) for word in distinct]
        codes.append(np.array(known, dtype=np.uint16)[np.searchsorted(distinct, block)])
    return Genotypes(
        samples, tuple(records), tuple(text.decode() for text in texts), np.concatenate(codes)
    )


def _query(path: Path, bcftools: str) -> Iterator[list[bytes]]:
    command = [bcftools, "query", "-f", "%CHROM\t%POS\t%REF\t%ALT[\t%GT]\n", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        lines: list[bytes] = []
        for line in running.stdout:
            lines.append(line)
            if len(lines) == _RECORDS_AT_ONCE:
                yield lines
                lines = []
        if lines:
            yield lines
    assert running.returncode == 0


def _cut(lines: list[bytes], samples: int) -> tuple[list[bytes], npt.NDArray[np.uint64]]:
    """Return each line's first four fields, and its calls as eight zero-padded bytes each."""
    heads, calls = [], []
    for line in lines:
        fields = line.rstrip(b"\n").split(b"\t", 4)
        heads.append(b"\t".join(fields[:4]))
        calls.append(fields[4])
    text = np.frombuffer(b"\t".join(calls) + b"\t", dtype=np.uint8)
    ends = np.flatnonzero(text == ord("\t"))
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts
    assert len(ends) == len(lines) * samples
    assert lengths.max() <= 8, "a call of more than eight characters: widen the word"
    padded = np.concatenate((text, np.zeros(8, dtype=np.uint8)))
    words = padded[starts[:, None] + np.arange(8)[None, :]]
    words[np.arange(8)[None, :] >= lengths[:, None]] = 0
    return heads, np.ascontiguousarray(words).view(np.uint64).reshape(len(lines), samples)


def write_vcf(path: Path, lines: Sequence[str]) -> Path:
    """Write VCF lines, gzipped where the name says so."""
    text = "".join(f"{line}\n" for line in lines)
    if path.suffix == ".gz":
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.write(text)
    else:
        path.write_text(text, encoding="utf-8")
    return path
