"""A variant and a region as values: parsing, printing, genome order, and trimming of alleles.

>>> Variant.parse("chr9:22,098,574:a:G")
Variant(chrom='9', pos=22098574, ref='A', alt='G', build=None)
>>> str(Region.parse("chr9:22,000,000-22,130,000"))
'9:22000000-22130000'
>>> trim(100, "CTT", "CT")
(100, 'CT', 'C')
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Final

from precisionchain.errors import RegionError
from precisionchain.schemas.genome import (
    CHROMOSOMES,
    MAX_POSITION,
    chrom_rank,
    fold_chrom,
)
from precisionchain.schemas.structural import canonical_alt

MISSING_ALLELE: Final = "*"
"""VCF's allele that is absent because of an upstream deletion; counts in AN, never queryable."""

_POSITION = r"\d{1,3}(?:,\d{3})+|\d+"
_CONTIG = r"[0-9A-Za-z!#$%&+./;=?@^_|~-][0-9A-Za-z!#$%&*+./;=?@^_|~-]*"
_BASES = r"[ACGTNRYSWKMBDHVacgtnryswkmbdhv]+"
_VARIANT = re.compile(rf"({_CONTIG}):({_POSITION}):({_BASES}):([^\s,\ud800-\udfff]+)", re.ASCII)
_REGION = re.compile(rf"({_CONTIG})(?::({_POSITION})(?:-({_POSITION}))?)?", re.ASCII)
_SEQUENCE = re.compile(_BASES, re.ASCII)
_SYMBOLIC = re.compile(r"<[^<>\s]+>|[\[\]]|^\.[A-Za-z]|[A-Za-z]\.$", re.ASCII)


@total_ordering
@dataclass(frozen=True, slots=True)
class Variant:
    """One alternative allele, after the network's normalisation.

    Attributes:
        chrom: canonical chromosome, ``1`` to ``22``, ``X``, ``Y``, ``MT`` or another contig.
        pos: 1-based position of the first base of ``ref`` (0 only at a telomere).
        ref: reference bases, upper case.
        alt: bases in upper case, or the canonical text of a structural allele (`structural`).
        build: ``GRCh37``, ``GRCh38``, or None where the network's build is meant.
    """

    chrom: str
    pos: int
    ref: str
    alt: str
    build: str | None = None

    @classmethod
    def parse(cls, text: str, *, build: str | None = None) -> Variant:
        """Read ``chrom:pos:ref:alt``; ``chr`` prefixes, commas in pos and lower case are folded.

        The alleles are not trimmed: say ``.trimmed()`` to look one up as it is stored.

        A structural allele is written as it is stored, ``2:321682:T:<DEL;END=321887>``.

        Raises:
            RegionError: the text is not of that form, or names ``*``, which cannot be asked for.
        """
        match = _VARIANT.fullmatch(text.strip())
        if match is None:
            raise _malformed("variant", text, "chrom:pos:ref:alt, as in 9:22098574:A:G")
        chrom, pos, ref, alt = match.groups()
        if _SEQUENCE.fullmatch(alt):
            alt = alt.upper()
        elif not _SYMBOLIC.search(alt):
            raise _malformed("variant", text, "the allele asked for must be bases, <...> or [...[")
        else:
            alt = canonical_alt(alt)
        return cls(fold_chrom(chrom), _position(pos, text), ref.upper(), alt, build)

    def trimmed(self) -> Variant:
        """Return the variant with shared bases removed (see `trim`)."""
        return Variant(self.chrom, *trim(self.pos, self.ref, self.alt), self.build)

    @property
    def sort_key(self) -> tuple[tuple[int, str], int, str, str]:
        """Genome order: chromosome, position, then alleles as text."""
        return chrom_rank(self.chrom), self.pos, self.ref, self.alt

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Variant):
            return NotImplemented
        return self.sort_key < other.sort_key

    def __str__(self) -> str:
        return f"{self.chrom}:{self.pos}:{self.ref}:{self.alt}"


@total_ordering
@dataclass(frozen=True, slots=True)
class Region:
    """A closed interval of one chromosome, 1-based."""

    chrom: str
    start: int = 1
    end: int = MAX_POSITION

    @classmethod
    def parse(cls, text: str) -> Region:
        """Read ``9``, ``9:22000000`` (one base) or ``chr9:22,000,000-22,130,000``.

        Raises:
            RegionError: the text is not of that form, or the interval is empty or starts at 0.
        """
        match = _REGION.fullmatch(text.strip())
        if match is None:
            raise _malformed("region", text, "chrom, chrom:pos or chrom:start-end")
        chrom, start, end = match.groups()
        if fold_chrom(chrom.partition("-")[0]) in CHROMOSOMES and "-" in chrom:
            # `9-22000000` would name a contig, and be answered with silence.
            raise _malformed("region", text, "chrom:start-end, with a colon")
        if start is None:
            return cls(fold_chrom(chrom))
        first = _position(start, text)
        last = first if end is None else _position(end, text)
        if not 1 <= first <= last:
            raise _malformed("region", text, "positions start at 1 and start must not exceed end")
        return cls(fold_chrom(chrom), first, last)

    def contains(self, chrom: str, pos: int) -> bool:
        """Return whether a position of a canonical chromosome lies inside."""
        return chrom == self.chrom and self.start <= pos <= self.end

    @property
    def sort_key(self) -> tuple[tuple[int, str], int, int]:
        """Genome order: chromosome, start, end."""
        return chrom_rank(self.chrom), self.start, self.end

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Region):
            return NotImplemented
        return self.sort_key < other.sort_key

    def __str__(self) -> str:
        if (self.start, self.end) == (1, MAX_POSITION):
            return self.chrom
        return f"{self.chrom}:{self.start}-{self.end}"


def trim(pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Return the shortest (pos, ref, alt) that says the same without a reference sequence.

    The common suffix goes first, then the common prefix, and each allele keeps one base (the
    VCF convention, as in Tan, Abecasis and Kang 2015, without the shift to the left). Alleles
    that are not bases (symbolic, breakend, ``*``) are returned as they are. Bases are compared
    as written, so both must have one case.
    """
    if not (_SEQUENCE.fullmatch(ref) and _SEQUENCE.fullmatch(alt)):
        return pos, ref, alt
    tail = 0
    longest = min(len(ref), len(alt)) - 1
    while tail < longest and ref[-1 - tail] == alt[-1 - tail]:
        tail += 1
    ref, alt = ref[: len(ref) - tail], alt[: len(alt) - tail]
    head = 0
    longest = min(len(ref), len(alt)) - 1
    while head < longest and ref[head] == alt[head]:
        head += 1
    return pos + head, ref[head:], alt[head:]


def _position(text: str, whole: str) -> int:
    digits = text.replace(",", "").lstrip("0") or "0"
    # Python refuses to convert thousands of digits, with an error that is not ours.
    value = int(digits) if len(digits) <= len(str(MAX_POSITION)) else MAX_POSITION + 1
    if value > MAX_POSITION:
        raise _malformed("position", whole, f"positions end at {MAX_POSITION}")
    return value


def _malformed(what: str, text: str, hint: str) -> RegionError:
    return RegionError(f"malformed {what} {text!r}", hint=hint)
