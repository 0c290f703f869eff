"""What ``bcftools query`` prints of a file, and what each printed call means."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

QUERY = "%CHROM\t%POS\t%REF\t%ALT[\t%GT]\n"
Uint8 = npt.NDArray[np.uint8]

# Genome Reference Consortium; 1-based, closed.
PAR = {
    ("GRCh37", "X"): ((60_001, 2_699_520), (154_931_044, 155_260_560)),
    ("GRCh38", "X"): ((10_001, 2_781_479), (155_701_383, 156_030_895)),
    ("GRCh37", "Y"): ((10_001, 2_649_520), (59_034_050, 59_363_566)),
    ("GRCh38", "Y"): ((10_001, 2_781_479), (56_887_903, 57_217_415)),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A record as printed; ``calls`` are the texts of its calls, in the order of the samples."""

    record: int
    chrom: str
    pos: int
    ref: str
    alts: tuple[str, ...]
    calls: list[str]

    def queryable(self) -> list[tuple[int, str]]:
        """Number and text of each ALT with a row; one ``.`` with number 0 if there is none."""
        any_other = ("*", ".", "<NON_REF>", "<*>")
        named = [(n, a) for n, a in enumerate(self.alts, 1) if a not in any_other]
        return named or [(0, ".")]


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the records of the unsplit file as bcftools prints them."""
    command = ["bcftools", "query", "-f", QUERY, str(path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stdout is not None
        for record, text in enumerate(running.stdout):
            chrom, pos, ref, alts, *calls = text.rstrip("\n").split("\t")
            alt = tuple(alts.split(","))
            yield Line(record, _plain(chrom), int(pos), ref.upper(), alt, calls)
    assert running.returncode == 0


def _plain(chrom: str) -> str:
    name = chrom.removeprefix("chr")
    return "MT" if name == "M" else name


@lru_cache(maxsize=100_000)
def meaning(call: str, number: int, chrom: str, sex: int, half_call: str) -> tuple[int, int, int]:
    """Return (dosage, 1 if haploid, phase) of one text for one ALT and one sex.

    Dosage 3 is missing, with the others 0. Phase is 0 unphased, 2 for ``1|0``, else 1.
    ``chrom`` is ``X``, ``Y``, ``MT``, or ``.`` for where everybody has two copies.
    """
    phased = "|" in call
    alleles = call.replace("|", "/").split("/")
    if "." in alleles and len(set(alleles)) > 1 and half_call == "haploid":
        alleles = [a for a in alleles if a != "."]
    if "." in alleles or (chrom == "Y" and sex == 2):
        return 3, 0, 0
    if len(alleles) == 2 and (chrom == "MT" or (chrom in ("X", "Y") and sex == 1)):
        if alleles[0] != alleles[1]:
            return 3, 0, 0
        del alleles[1]
    copies = [number > 0 and a == str(number) for a in alleles]
    if len(copies) == 1:
        return int(copies[0]), 1, 0
    phase = 0 if not phased else 2 if copies == [True, False] else 1
    return sum(copies), 0, phase


def expected_row(
    line: Line, number: int, sex: list[int], *, build: str = "GRCh37", half_call: str = "missing"
) -> tuple[Uint8, Uint8, Uint8]:
    """Return dosage, haploid and phase of every sample for an ALT."""
    chrom = line.chrom if line.chrom in ("X", "Y", "MT") else "."
    if any(first <= line.pos <= last for first, last in PAR.get((build, chrom), ())):
        chrom = "."
    places: dict[tuple[str, int], int] = {}
    codes = [places.setdefault(pair, len(places)) for pair in zip(line.calls, sex, strict=True)]
    found = [meaning(call, number, chrom, of, half_call) for call, of in places]
    array = np.array(found, dtype=np.uint8)[np.array(codes)]
    return array[:, 0], array[:, 1], array[:, 2]


def shortest(pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Remove shared bases one at a time: from the end, then from the start; one base stays."""
    alt = alt.upper()
    while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return pos, ref, alt
