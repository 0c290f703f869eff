"""What a record's alleles are: taken as bases, passed over (``*``), or a reason to refuse it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from precisionchain.ingest.vcf_record import Record
from precisionchain.ingest.vcf_structural import (
    StructuralAllele,
    StructuralRefusal,
    structural_allele,
)
from precisionchain.schemas.genetic_payloads import NO_ALLELE
from precisionchain.schemas.structural import is_structural
from precisionchain.schemas.variant import MISSING_ALLELE, trim

MAX_ALTS: Final = 255
"""``alt_index`` and ``n_alts`` are stored in a byte."""

_LETTERS = frozenset("ACGT")
_BASES = re.compile(r"[ACGTN]+", re.ASCII)
# VCF 4.3, section 1.6.1, REF: an ambiguity code is reduced to the first base it stands for.
_AMBIGUOUS = str.maketrans("RYSWKMBDHV", "ACCAGACAAA")
_REF = re.compile(r"[ACGTNRYSWKMBDHV]+", re.ASCII)
BLOCK_ALTS: Final = frozenset(("<NON_REF>", "<*>"))
"""ALTs of gVCF that stand for any allele not seen."""


class Refusal(StrEnum):
    """Why a record is refused; its name is the rule in ``refused.parquet``."""

    POSITION = "position"
    REF_BASES = "ref_bases"
    ALT_BASES = "alt_bases"
    ALT_EQUALS_REF = "alt_equals_ref"
    ALT_TWICE = "alt_twice"
    TOO_MANY_ALTS = "too_many_alts"
    SYMBOLIC_ALLELE = "symbolic_allele"
    BREAKEND_ALLELE = "breakend_allele"
    SV_END = "sv_end"
    SV_LENGTH = "sv_length"
    SV_COPIES = "sv_copies"
    SV_CONFIDENCE = "sv_confidence"
    GVCF_BLOCK = "gvcf_block"
    NO_GENOTYPES = "no_genotypes"
    PLOIDY = "ploidy"
    ALLELE_NUMBER = "allele_number"
    FILTER = "filter"
    REFERENCE_MISMATCH = "reference_mismatch"
    NO_REFERENCE = "no_reference"
    LEFT_ALIGN_WINDOW = "left_align_window"


@dataclass(frozen=True, slots=True)
class Allele:
    """One row to be written: ``number`` is the ALT's place in the record, 0 for no allele."""

    pos: int
    ref: str
    alt: str
    number: int
    structural: StructuralAllele | None = None


def alleles_of(record: Record, *, trimmed: bool = True) -> tuple[Allele, ...] | Refusal:
    """Return the alleles of a record to store, or why the record is refused.

    ``*`` gets no row: it counts in AN because calls of it count as called, and so do ``<NON_REF>``
    and ``<*>`` beside another ALT. A record without any ALT but these gets one row with ALT ``.``,
    so that its position is listed.

    Args:
        record: the record.
        trimmed: remove bases shared by REF and ALT (the network's normalisation).
    """
    pos, ref, alts = record.pos, record.ref, record.alts
    if pos < 1:
        return Refusal.POSITION
    if len(alts) == 1 and {ref, alts[0]} <= _LETTERS and ref != alts[0]:
        return (Allele(pos, ref, alts[0], 1),)
    ref = ref.upper()
    if not _REF.fullmatch(ref):
        return Refusal.REF_BASES
    ref = ref.translate(_AMBIGUOUS)
    if is_block(record):
        return Refusal.GVCF_BLOCK
    alts = tuple(alt for alt in alts if alt not in BLOCK_ALTS)
    refusal = _refusal(ref, alts)
    if refusal is not None:
        return refusal
    alleles = []
    for number, alt in enumerate(record.alts, start=1):
        if alt in BLOCK_ALTS:
            continue
        if is_structural(alt):
            found = structural_allele(record, number)
            if isinstance(found, StructuralRefusal):
                return Refusal(found.value)
            alleles.append(Allele(pos, ref, found.alt, number, found))
        elif alt != MISSING_ALLELE:
            place = trim(pos, ref, alt.upper()) if trimmed else (pos, ref, alt.upper())
            alleles.append(Allele(*place, number))
    return tuple(alleles) or (Allele(pos, ref, NO_ALLELE, 0),)


def is_block(record: Record) -> bool:
    """Return whether a record is a block of a gVCF: no allele, over all of its span."""
    if record.alts:
        return BLOCK_ALTS.issuperset(record.alts)
    return record.end > record.pos + len(record.ref) - 1


def _refusal(ref: str, alts: tuple[str, ...]) -> Refusal | None:
    if len(alts) > MAX_ALTS:
        return Refusal.TOO_MANY_ALTS
    upper = [alt.upper() for alt in alts]
    if len(set(upper)) < len(upper):
        return Refusal.ALT_TWICE
    for alt in upper:
        if is_structural(alt):
            continue
        if alt == ref:
            return Refusal.ALT_EQUALS_REF
        if alt != MISSING_ALLELE and not _BASES.fullmatch(alt):
            return Refusal.ALT_BASES
    return None
