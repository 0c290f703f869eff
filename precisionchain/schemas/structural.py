"""Structural alleles: the canonical ALT text that is their identity, and what it says.

A structural allele is a row like any other; what tells it from its neighbours stands in its ALT.
Normative text: ``docs/reference/structural-variants.md``.

>>> canonical_alt("<del;end=2827762>"), canonical_alt("n]chrX:148,486,773]".replace(",", ""))
('<DEL;END=2827762>', 'N]X:148486773]')
>>> parse_alt(2827694, "<DUP:TANDEM;END=2827762>")
Structural(svtype='DUP', end=2827762, length=68, copies=None, mate=None)
>>> parse_alt(17, "G]17:198982]").mate
('17', 198982)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from precisionchain.schemas.genome import fold_chrom
from precisionchain.schemas.streams import ranged_family

SVTYPES: Final = ("DEL", "DUP", "INV", "INS", "CNV", "BND")
"""Types of structural alleles; a subtype, as in ``<DUP:TANDEM>``, counts as its type."""

SPANNING: Final = frozenset(("DEL", "DUP", "INV", "CNV"))
"""Types that reach from POS to their END; an insertion and a breakend are at POS alone."""

LONG_BASES: Final = 50
"""Alleles written in bases are structural too if they add or take so many (VCF's usual bound)."""

STRUCTURAL: Final = "SV"
STRUCTURAL_COUNTER: Final = "CSV"
"""What the families of structural alleles begin with: their blocks, and their counts."""

STRUCTURAL_CLASS: Final = "sv"
"""The class of structural alleles, as an assay names it."""

FAMILY_BITS: Final = 28
"""A family of structural alleles is 2^28 bp wide: they are few, and so a chromosome has one."""

IS_STRUCTURAL: Final = r"[<\[\]]|^\.[A-Za-z]|[A-Za-z]\.$"
"""Regular expression that finds an ALT which is neither bases, ``*`` nor ``.``."""

_SYMBOL: Final = re.compile(
    r"<(?P<type>[A-Z]+)(?P<subtype>(?::[A-Z0-9_]+)*)"
    r"(?:;END=(?P<end>\d+))?(?:;SVLEN=(?P<length>\d+))?(?:;CN=(?P<copies>\d+))?"
    r"(?:;CHR2=(?P<chrom>[^;<>\s]+);END2=(?P<pos>\d+))?(?:;STRANDS=[+-]{2})?>",
    re.ASCII,
)
_MATE: Final = re.compile(
    r"(?P<before>[A-Za-z]*)(?P<side>[\[\]])(?P<chrom>[^\[\]<>\s]+):(?P<pos>\d+)(?P=side)"
    r"(?P<after>[A-Za-z]*)",
    re.ASCII,
)
_SINGLE: Final = re.compile(r"\.[A-Za-z]+|[A-Za-z]+\.", re.ASCII)
_CHROM: Final = re.compile(r"(?<=;CHR2=)[^;>]+")


@dataclass(frozen=True, slots=True)
class Structural:
    """What a canonical ALT says.

    Attributes:
        svtype: one of `SVTYPES`.
        end: last base of its span, 1-based; POS of an insertion or breakend.
        length: bases taken, added or turned; None where it is not known, and of breakends.
        copies: of a copy number allele, in all; None where the ALT does not say.
        mate: of a breakend, the contig and position it is joined to; None of a single one.
    """

    svtype: str
    end: int
    length: int | None = None
    copies: int | None = None
    mate: tuple[str, int] | None = None


def is_structural(alt: str) -> bool:
    """Return whether an ALT is symbolic or a breakend."""
    return re.search(IS_STRUCTURAL, alt) is not None


def structural_family(chrom: str, pos: int) -> str:
    """Return the family of the blocks of the structural alleles at a position.

    >>> structural_family("9", 22_098_574)
    'SV_9_1_268435456'
    """
    first = max(pos - 1, 0) >> FAMILY_BITS << FAMILY_BITS
    return ranged_family(STRUCTURAL, chrom, first + 1, first + (1 << FAMILY_BITS))


def is_structural_family(family: str) -> bool:
    """Return whether a family of variant blocks is one of structural alleles."""
    return family.startswith(f"{STRUCTURAL}_")


def symbol(
    svtype: str,
    *,
    end: int | None = None,
    length: int | None = None,
    copies: int | None = None,
    mate: tuple[str, int] | None = None,
    strands: str | None = None,
) -> str:
    """Return the canonical text of a symbolic allele.

    Args:
        svtype: type with its subtype, ``DUP:TANDEM``.
        end: last base, of types that span.
        length: of an insertion.
        copies: of a copy number allele.
        mate: canonical contig and position, of a breakend that is written as ``<BND>``.
        strands: of such a breakend.
    """
    said = [svtype]
    said += [] if end is None else [f"END={end}"]
    said += [] if length is None else [f"SVLEN={length}"]
    said += [] if copies is None else [f"CN={copies}"]
    said += [] if mate is None else [f"CHR2={mate[0]}", f"END2={mate[1]}"]
    said += [] if strands is None else [f"STRANDS={strands}"]
    return f"<{';'.join(said)}>"


def breakend(alt: str) -> str | None:
    """Return a breakend with its bases in upper case and its mate's contig by canonical name.

    None where it is no breakend of VCF: no base beside the mate, or a mate that is no position of
    a contig of the reference (``<ctg1>:7``).
    """
    if _SINGLE.fullmatch(alt):
        return alt.upper()
    found = _MATE.fullmatch(alt)
    if found is None or bool(found["before"]) == bool(found["after"]):
        return None
    mate = f"{found['side']}{fold_chrom(found['chrom'])}:{int(found['pos'])}{found['side']}"
    return f"{found['before'].upper()}{mate}{found['after'].upper()}"


def canonical_alt(alt: str) -> str:
    """Return a symbolic allele or breakend as it is stored; another text as it is."""
    if alt.startswith("<"):
        folded = alt.upper()
        chrom = _CHROM.search(folded)
        if chrom is None:
            return folded
        written = alt[chrom.start() : chrom.end()]
        return f"{folded[: chrom.start()]}{fold_chrom(written)}{folded[chrom.end() :]}"
    return breakend(alt) or alt


def parse_alt(pos: int, alt: str) -> Structural | None:
    """Return what a canonical ALT says; None where it is not one of a structural allele.

    Args:
        pos: POS.
        alt: as it is stored.
    """
    if not alt.startswith("<"):
        found = _MATE.fullmatch(alt)
        if found is not None:
            return Structural("BND", pos, mate=(found["chrom"], int(found["pos"])))
        return Structural("BND", pos) if _SINGLE.fullmatch(alt) else None
    said = _SYMBOL.fullmatch(alt)
    if said is None or said["type"] not in SVTYPES:
        return None
    svtype = said["type"]
    copies = None if said["copies"] is None else int(said["copies"])
    if svtype in SPANNING:
        if said["end"] is None:
            return None
        end = int(said["end"])
        return Structural(svtype, end, end - pos, copies)
    if svtype == "BND":
        mate = None if said["chrom"] is None else (said["chrom"], int(said["pos"]))
        return Structural(svtype, pos, mate=mate)
    return Structural(svtype, pos, None if said["length"] is None else int(said["length"]))
