"""Loads of array, exome and genome data as they are drawn, and written to files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path
from random import Random
from typing import TypeVar

from tests.lib.mixed_oracle import LENGTHS, Key, Line, Load
from tests.lib.vcf_builder import header

# Chosen for their edges: several records at one position; a record written in one tile, or bin, and
# normalised into the next; no ALT; `*`; both regions of X and Y; MT; the last base of a contig.
PLACES: tuple[tuple[str, int, str, str], ...] = (
    ("1", 100, "A", "G"),
    ("1", 100, "A", "T,C"),
    ("1", 100, "AC", "A"),
    ("1", 200, "G", "."),
    ("1", 300, "A", "*,T"),
    ("1", 500, "C", "CTT,CT,G"),
    ("1", 16_384, "AT", "AC"),
    ("1", 16_777_215, "GAT", "GAC,G"),
    ("1", 16_777_217, "T", "A"),
    ("1", 249_250_621, "N", "A"),
    ("X", 100_000, "C", "T"),
    ("X", 2_699_520, "A", "G"),
    ("X", 2_699_521, "A", "G,T"),
    ("X", 5_000_000, "AT", "A"),
    ("Y", 100_000, "C", "T"),
    ("Y", 5_000_000, "A", "G,C"),
    ("MT", 100, "A", "G,T"),
    ("MT", 16_569, "G", "A"),
)
UNLISTED: tuple[Key, ...] = (
    ("1", 100, "A", "N"),
    ("1", 101, "C", "G"),
    ("1", 250, "A", "G"),
    ("1", 16_385, "T", "G"),
    ("1", 16_777_216, "A", "AT"),
    ("X", 100_001, "A", "G"),
    ("X", 5_000_001, "T", "G"),
    ("Y", 5_000_001, "A", "G"),
    ("MT", 101, "A", "G"),
)
INTERVALS = (
    ("1", 90, 310),
    ("chr1", 99, 100),
    ("1", 101, 300),
    ("1", 16_000, 17_000),
    ("1", 16_777_000, 16_778_000),
    ("MT", 0, 16_569),
    ("X", 90_000, 2_699_520),
    ("X", 2_699_520, 6_000_000),
    ("Y", 90_000, 6_000_000),
)
_SEXES = ("M", "F", "")

T = TypeVar("T")


class Drawing:
    """Draws loads, and writes their files.

    Args:
        folder: an empty folder for the files.
        rng: what is drawn from.
    """

    def __init__(self, folder: Path, rng: Random) -> None:
        self._folder, self._rng = folder, rng
        self._files = 0
        self.sexes: dict[tuple[str, int], str] = {}

    def load(self, site: str, *, odd: float = 0.1) -> Load:
        """Draw a load of some of a site's persons; some of its records are refused."""
        rng = self._rng
        persons = rng.sample(range(1, 7), rng.randrange(1, 5))
        places = sorted(rng.sample(range(len(PLACES)), rng.randrange(2, 12)))
        samples = {f"s{person}": person for person in persons}
        sexes = {s: self._sex(site, person) for s, person in samples.items()}
        lines = [self._line(PLACES[at], sexes, odd) for at in places]
        kind = rng.choice(("sites", "bed", "wgs"))
        return self.write(
            Load(
                site,
                (),
                samples,
                sexes,
                self._bed() if kind == "bed" else kind,
                rng.choice(("missing", "missing", "haploid", "reference")),
                rng.choice(("any", "any", "pass")),
            ),
            lines,
        )

    def whole(self, site: str, persons: int) -> Load:
        """Draw a load of many persons and of most places, none refused for one person alone."""
        rng = self._rng
        samples = {f"s{person}": person for person in range(1, persons + 1)}
        sexes = {sample: self._sex(site, person) for sample, person in samples.items()}
        places = sorted(rng.sample(range(len(PLACES)), rng.randrange(8, len(PLACES))))
        lines = [self._line(PLACES[at], sexes, 0.0) for at in places]
        kind = rng.choice(("sites", "bed", "wgs"))
        assay = self._bed() if kind == "bed" else kind
        half_call = rng.choice(("missing", "haploid", "reference"))
        policy = rng.choice(("any", "pass"))
        return self.write(Load(site, (), samples, sexes, assay, half_call, policy), lines)

    def split(self, whole: Load, sites: Sequence[str]) -> list[Load]:
        """Split a load by persons, then by what its assay lets stand apart; in any order.

        Listed positions alone may be parted anywhere, genomes between contigs, intervals not.
        """
        rng = self._rng
        persons = rng.sample(sorted(whole.persons.values()), len(whole.persons))
        order = list(LENGTHS)
        ordered = sorted(whole.lines, key=lambda line: (order.index(line.chrom), line.pos))
        found = []
        for part in _parted(persons, rng.choice((1, 2, 3)), rng):
            samples = {s: p for s, p in whole.persons.items() if p in part}
            site = rng.choice(sites)
            groups = [list(group) for group in _together(ordered)]
            if whole.assay != "sites":
                by = {"wgs": lambda line: line.chrom}.get(str(whole.assay), lambda line: "")
                groups = [list(group) for _, group in groupby(ordered, key=by)]
            for some in _parted(groups, rng.choice((1, 2)), rng):
                lines = [
                    Line(x.chrom, x.pos, x.ref, x.alts, x.filters, {s: x.calls[s] for s in samples})
                    for group in groups
                    if group in some
                    for x in group
                ]
                sexes = {sample: whole.sexes[sample] for sample in samples}
                load = replace(whole, site=site, persons=samples, sexes=sexes)
                found.append(self.write(load, lines))
        rng.shuffle(found)
        return found

    def _sex(self, site: str, person: int) -> str:
        return self.sexes.setdefault((site, person), self._rng.choice(_SEXES))

    def _line(self, place: tuple[str, int, str, str], sexes: Mapping[str, str], odd: float) -> Line:
        rng = self._rng
        chrom, pos, ref, alt = place
        alts = () if alt == "." else tuple(alt.split(","))
        calls = {sample: self.call(chrom, sex, len(alts)) for sample, sex in sexes.items()}
        if rng.random() < odd:
            spoilt = rng.choice(sorted(calls))
            calls[spoilt] = rng.choice(("0/0/0", "0|0|0|0", "0/9"))
        if rng.random() < odd / 2:
            alts = (*alts, "R")
        filters = rng.choice(("PASS", ".", "q10"))
        return Line(chrom, pos, ref, alts or (".",), filters, calls)

    def call(self, chrom: str, sex: str, alts: int) -> str:
        """Draw a call: diploid or, where somebody may have one copy, of one allele."""
        rng = self._rng
        single = chrom == "MT" or (chrom in ("X", "Y") and sex != "F")
        size = 1 if rng.random() < (0.5 if single else 0.05) else 2
        numbers = ["."] * 1 + [str(n) for n in range(alts + 1)] * 3
        alleles = [rng.choice(numbers) for _ in range(size)]
        if size == 2 and rng.random() < (0.6 if single else 0.2):
            alleles[1] = alleles[0]
        return rng.choice("/|").join(alleles)

    def _bed(self) -> Path:
        self._files += 1
        path = self._folder / f"assay_{self._files}.bed"
        chosen = self._rng.sample(INTERVALS, self._rng.randrange(1, 5))
        path.write_text("".join(f"{c}\t{a}\t{b}\n" for c, a, b in chosen), encoding="utf-8")
        return path

    def write(self, load: Load, lines: Sequence[Line]) -> Load:
        """Write lines, in order, into one to three files whose columns are in any order."""
        groups = list(_together(lines))
        parts: list[list[Line]] = [[] for _ in range(self._rng.choice((1, 1, 2, 3)))]
        for group in groups:
            self._rng.choice(parts).extend(group)
        files = [self._file(part, list(load.persons)) for part in parts if part]
        self._rng.shuffle(files)
        return replace(load, files=tuple(files))

    def _file(self, lines: Sequence[Line], samples: list[str]) -> Path:
        self._files += 1
        path = self._folder / f"calls_{self._files}.vcf"
        samples = self._rng.sample(samples, len(samples))
        prefix = self._rng.choice(("", "", "chr"))
        contigs = [f"{prefix}{chrom}" for chrom in dict.fromkeys(line.chrom for line in lines)]
        rows = [
            "\t".join(
                (
                    *(prefix + line.chrom, str(line.pos), ".", line.ref, ",".join(line.alts)),
                    *(".", line.filters, ".", "GT"),
                    *(line.calls[sample] for sample in samples),
                )
            )
            for line in lines
        ]
        text = header(contigs, samples=samples) + "".join(f"{row}\n" for row in rows)
        path.write_text(text, encoding="utf-8")
        return path


def _parted(things: Sequence[T], parts: int, rng: Random) -> list[list[T]]:
    """Return things in so many parts or fewer, none of them empty."""
    cuts = sorted(rng.randrange(len(things) + 1) for _ in range(parts - 1))
    edges = [0, *cuts, len(things)]
    return [list(things[a:b]) for a, b in pairwise(edges) if a < b]


def _together(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Yield lines that list a position together as one group, in order."""
    place = 0
    numbers, last = [], None
    for line in lines:
        if last is None or not last & line.places:
            place += 1
        last = line.places if last is None or not last & line.places else last | line.places
        numbers.append(place)
    for _, group in groupby(zip(numbers, lines, strict=True), key=lambda pair: pair[0]):
        yield [line for _, line in group]
