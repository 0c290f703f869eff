"""What a network must know of persons at alleles, from the files its sites were given and no more.

A *load* is one command: VCF files, a sample map, an assay, policies. `SiteOracle` goes through the
lines of all loads, one person and one allele at a time. The rules are those of
``docs/reference/vcf-staging.md`` and of section 7 of ``docs/reference/streams.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from tests.lib.genotype_text import PAR, shortest

BUILD = "GRCh37"
LENGTHS = {"1": 249_250_621, "X": 155_270_560, "Y": 59_373_566, "MT": 16_569}
"""Of the contigs of drawn files (the assembly's report)."""

COUNTED = ("ac", "an", "n_het", "n_hom_alt", "n_hemi", "n_missing")

Key = tuple[str, int, str, str]
"""chrom, pos, ref and alt of an allele, in its shortest spelling."""
Place = tuple[str, int]
_BASES = re.compile("[ACGTN]+")


class State(NamedTuple):
    """What is known of a person at an allele; ploidy 0 unless it is 0, 1 or 2 copies."""

    genotype: str
    ploidy: int = 0


NOT_ASSAYED = State("not_assayed")
_RANKS = {"not_assayed": 0, "missing": 1, "0": 2, "1": 3, "2": 3}


@dataclass(frozen=True)
class Load:
    """What one command was given.

    Attributes:
        site: who gave it.
        files: plain VCF files.
        persons: sample -> person.
        sexes: sample -> ``M``, ``F`` or nothing.
        assay: ``sites``, ``wgs`` or a BED file.
        half_call: the policy.
        filter_policy: ``any`` or ``pass``.
        removed: alleles that quality control took out before publication; where their records lie
            nobody's genotypes are told.
    """

    site: str
    files: tuple[Path, ...]
    persons: Mapping[str, int]
    sexes: Mapping[str, str]
    assay: str | Path = "sites"
    half_call: str = "missing"
    filter_policy: str = "any"
    removed: frozenset[Key] = frozenset()

    @cached_property
    def lines(self) -> list[Line]:
        """The records, in the order in which the files are read."""
        parts = [_lines(path) for path in self.files]
        order = list(LENGTHS)
        parts.sort(key=lambda part: (order.index(part[0].chrom), part[0].pos))
        return [line for part in parts for line in part]

    @cached_property
    def taken(self) -> list[Line]:
        """The records that no rule refuses and of which an allele is left."""
        return [
            line
            for line in self.lines
            if not line.is_refused(self.filter_policy) and self.listed(line)
        ]

    def listed(self, line: Line) -> list[tuple[int, Key]]:
        """The number and the key of each of a record's alleles that are left."""
        return [(number, key) for number, key in line.alleles() if key not in self.removed]

    def places(self, line: Line) -> set[Place]:
        """The positions that a record lists: its own, and those of its alleles."""
        return {(line.chrom, line.pos), *(key[:2] for _, key in self.listed(line))}

    @cached_property
    def spans(self) -> list[tuple[str, int, int]]:
        """Where a position without a record means no copy, if no refused record lies there."""
        if self.assay == "sites":
            return []
        if self.assay == "wgs":
            contigs = dict.fromkeys(line.chrom for line in self.lines)
            return [(chrom, 1, LENGTHS[chrom]) for chrom in contigs]
        rows = [row.split("\t") for row in Path(self.assay).read_text("utf-8").splitlines()]
        return [(row[0].removeprefix("chr"), int(row[1]) + 1, int(row[2])) for row in rows]

    def spans_over(self, place: Place) -> bool:
        """Whether a position is assayed without being listed."""
        chrom, pos = place
        return any(c == chrom and a <= pos <= b for c, a, b in self.spans) and not any(
            line.chrom == chrom and line.pos <= pos < line.pos + len(line.ref)
            for line in self.lines
            if line.is_refused(self.filter_policy) or len(self.listed(line)) < len(line.alleles())
        )

    def covers(self, place: Place) -> bool:
        """Whether a position is listed or spanned."""
        return any(place in self.places(line) for line in self.taken) or self.spans_over(place)

    def state(self, sample: str, key: Key, covers: Sequence[Load] = ()) -> State:
        """Return what the load says of a sample at an allele, less what others cover."""
        left = [
            line
            for line in self.taken
            if not any(other.covers(place) for other in covers for place in self.places(line))
        ]
        sex = self.sexes[sample]
        for line in self.taken:
            for number, own in self.listed(line):
                if own == key and not any(
                    other.covers(place)
                    for other in covers
                    for place in ((line.chrom, line.pos), own[:2])
                ):
                    return line.state(sample, number, sex, self.half_call)
        for line in left:
            if key[:2] in self.places(line) and key not in self.removed:
                return line.state(sample, 0, sex, self.half_call)
        spanned = self.spans_over(key[:2]) and not any(one.covers(key[:2]) for one in covers)
        ploidy = _copies(key[0], key[1], sex)
        if spanned and ploidy and _BASES.fullmatch(key[3]):
            return State("0", ploidy)
        return NOT_ASSAYED


@dataclass(frozen=True)
class Line:
    """A record of a file, as written."""

    chrom: str
    pos: int
    ref: str
    alts: tuple[str, ...]
    filters: str
    calls: Mapping[str, str]

    def is_refused(self, filter_policy: str) -> bool:
        """Whether a rule refuses it: of bases, of ploidy, of alleles' numbers, of the filter."""
        if filter_policy == "pass" and self.filters not in ("PASS", "."):
            return True
        if not all(alt in ("*", ".") or _BASES.fullmatch(alt) for alt in self.alts):
            return True
        known = {".", *map(str, range(len([a for a in self.alts if a != "."]) + 1))}
        alleles = [re.split("[/|]", call) for call in self.calls.values()]
        return any(len(numbers) > 2 or not set(numbers) <= known for numbers in alleles)

    def alleles(self) -> list[tuple[int, Key]]:
        """The number and the key of each ALT that has a row, or of ``.`` where none has."""
        named = [(n, alt) for n, alt in enumerate(self.alts, 1) if alt not in ("*", ".")]
        if not named:
            return [(0, (self.chrom, self.pos, self.ref, "."))]
        return [(n, (self.chrom, *shortest(self.pos, self.ref, alt))) for n, alt in named]

    @cached_property
    def places(self) -> frozenset[Place]:
        """The positions that it lists: its own, and those of its alleles."""
        return frozenset({(self.chrom, self.pos), *(key[:2] for _, key in self.alleles())})

    def state(self, sample: str, number: int, sex: str, half_call: str) -> State:
        """Return what a sample's call says of an ALT; number 0 is none of them."""
        alleles = re.split("[/|]", self.calls[sample])
        if len(alleles) == 2 and alleles.count(".") == 1:
            if half_call == "reference":
                alleles = ["0" if allele == "." else allele for allele in alleles]
            elif half_call == "haploid":
                alleles.remove(".")
        if "." in alleles or (sex == "F" and _copies(self.chrom, self.pos, sex) == 0):
            return State("missing")
        # Of people of unknown sex X and Y stay as written.
        single = self.chrom == "MT" or (sex == "M" and _copies(self.chrom, self.pos, sex) == 1)
        if single and len(alleles) == 2:
            if alleles[0] != alleles[1]:
                return State("missing")
            del alleles[1]
        return State(str(alleles.count(str(number)) if number else 0), len(alleles))


def _copies(chrom: str, pos: int, sex: str) -> int:
    """Return how many copies of a position somebody has."""
    if chrom == "MT":
        return 1
    if chrom not in ("X", "Y") or any(a <= pos <= b for a, b in PAR[BUILD, chrom]):
        return 2
    return 1 if sex == "M" else 2 if chrom == "X" else 0


def _lines(path: Path) -> list[Line]:
    found, samples = [], []
    for text in path.read_text("utf-8").splitlines():
        cells = text.split("\t")
        if text.startswith("#CHROM"):
            samples = cells[9:]
        elif not text.startswith("#"):
            calls = dict(zip(samples, cells[9:], strict=True))
            alts = tuple(cells[4].split(","))
            chrom = cells[0].removeprefix("chr")
            found.append(Line(chrom, int(cells[1]), cells[3], alts, cells[6], calls))
    return found


@dataclass
class _Published:
    """A load, and who of it was published: all but who was withdrawn then."""

    load: Load
    samples: dict[int, str]
    withdrawn: bool = False


@dataclass
class SiteOracle:
    """What one site's loads and withdrawals, in order, leave to be known of its persons.

    Every load takes the place of what it covers of earlier ones.
    """

    published: list[_Published] = field(default_factory=list)
    withdrawn: set[int] = field(default_factory=set)

    def load(self, load: Load) -> bool:
        """Take a load; return whether anybody of it was left to be published."""
        left = {p: s for s, p in load.persons.items() if p not in self.withdrawn}
        if left:
            self.published.append(_Published(load, left))
        return bool(left)

    def sex(self, person: int) -> str:
        """Return a person's sex by the sample maps; nothing where these do not agree."""
        found = {one.load.sexes[one.samples[person]] for one in self._of(person)} - {""}
        return found.pop() if len(found) == 1 else ""

    def _of(self, person: int) -> list[_Published]:
        return [one for one in self.published if person in one.samples and not one.withdrawn]

    def persons(self) -> set[int]:
        """Return who has genotypes that count."""
        named = {p for one in self.published if not one.withdrawn for p in one.samples}
        return named - self.withdrawn

    def _covers(self, number: int, person: int) -> list[Load]:
        return [one.load for one in self.published[number + 1 :] if person in one.samples]

    def known(self, person: int, key: Key) -> State:
        """Return the best of what counts of a person at an allele."""
        found = [NOT_ASSAYED]
        for number, one in enumerate(self.published):
            if not one.withdrawn and person in one.samples:
                covers = self._covers(number, person)
                found.append(one.load.state(one.samples[person], key, covers))
        return max(found, key=lambda state: _RANKS[state.genotype])

    def alleles(self) -> Iterator[Key]:
        """Yield the alleles that are listed for somebody who counts."""
        for number, one in enumerate(self.published):
            if one.withdrawn:
                continue
            for person in one.samples.keys() - self.withdrawn:
                covers = self._covers(number, person)
                for line in one.load.taken:
                    for _, key in one.load.listed(line):
                        places = ((line.chrom, line.pos), key[:2])
                        if key[3] != "." and not any(c.covers(p) for c in covers for p in places):
                            yield key


class NetworkOracle:
    """All sites of a network, by name."""

    def __init__(self, names: Iterable[str]) -> None:
        self.sites = {name: SiteOracle() for name in names}

    def persons(self) -> set[tuple[str, int]]:
        """Return who has genotypes that count: site and person."""
        return {(name, person) for name, site in self.sites.items() for person in site.persons()}

    def alleles(self) -> set[Key]:
        """Return the alleles that some site lists."""
        return {key for site in self.sites.values() for key in site.alleles()}

    def states(self, key: Key) -> dict[tuple[str, int], State]:
        """Return everybody's state at an allele."""
        return {
            (name, person): site.known(person, key)
            for name, site in self.sites.items()
            for person in site.persons()
        }


def counts(states: Iterable[State]) -> dict[str, int]:
    """Count an allele over persons."""
    total = dict.fromkeys(COUNTED, 0)
    for state in states:
        total["n_missing"] += state.genotype == "missing"
        if state.ploidy:
            total["an"] += state.ploidy
            total["ac"] += int(state.genotype)
            total["n_het"] += state == State("1", 2)
            total["n_hom_alt"] += state == State("2", 2)
            total["n_hemi"] += state == State("1", 1)
    return total
