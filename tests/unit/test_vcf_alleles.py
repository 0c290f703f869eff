"""Which alleles of a record are stored, how, and why a record is refused."""

from __future__ import annotations

import pytest

from precisionchain.ingest.vcf_alleles import Allele, Refusal, alleles_of
from precisionchain.ingest.vcf_record import Record


def record(pos: int, ref: str, alts: list[str]) -> Record:
    return Record(0, "9", pos, ref, tuple(alts))


TAKEN = {
    "a SNV": ("A", ["G"], [(10, "A", "G", 1)]),
    "two ALTs are split": ("A", ["G", "T"], [(10, "A", "G", 1), (10, "A", "T", 2)]),
    "each is trimmed": ("CTT", ["CT", "CTTT"], [(10, "CT", "C", 1), (10, "C", "CT", 2)]),
    "trimming may move to the right": ("AAG", ["AAC"], [(12, "G", "C", 1)]),
    "lower case": ("a", ["g"], [(10, "A", "G", 1)]),
    "N is a base": ("N", ["C"], [(10, "N", "C", 1)]),
    "an ambiguous REF is its first base": ("R", ["C"], [(10, "A", "C", 1)]),
    "a deleted allele has no row": ("A", ["*", "G"], [(10, "A", "G", 2)]),
    "only a deleted allele": ("A", ["*"], [(10, "A", ".", 0)]),
    "no ALT": ("AC", [], [(10, "AC", ".", 0)]),
}


@pytest.mark.parametrize("case", TAKEN)
def test_taken(case: str) -> None:
    ref, alts, expected = TAKEN[case]
    assert alleles_of(record(10, ref, alts)) == tuple(Allele(*allele) for allele in expected)


def test_untrimmed_networks_keep_alleles_as_written() -> None:
    assert alleles_of(record(10, "CTT", ["CT"]), trimmed=False) == (Allele(10, "CTT", "CT", 1),)


REFUSED = {
    "a deletion without an END": (10, "A", ["<DEL>"], Refusal.SV_END),
    "copy number beside a base": (10, "A", ["G", "<CN0>"], Refusal.SV_END),
    "complex": (10, "A", ["<CPX>"], Refusal.SYMBOLIC_ALLELE),
    "a breakend of no base": (10, "A", ["]2:321681]"], Refusal.BREAKEND_ALLELE),
    "a block of GATK": (10, "A", ["<NON_REF>"], Refusal.GVCF_BLOCK),
    "gVCF of bcftools": (10, "A", ["<*>"], Refusal.GVCF_BLOCK),
    "telomere": (0, "N", ["G"], Refusal.POSITION),
    "REF of dots": (10, ".", ["G"], Refusal.REF_BASES),
    "ambiguous ALT": (10, "A", ["R"], Refusal.ALT_BASES),
    "ALT is REF": (10, "A", ["a"], Refusal.ALT_EQUALS_REF),
    "ALT is the reduced REF": (10, "R", ["A"], Refusal.ALT_EQUALS_REF),
    "an ALT twice": (10, "A", ["G", "g"], Refusal.ALT_TWICE),
    "256 ALTs": (10, "A", ["A" * n for n in range(2, 258)], Refusal.TOO_MANY_ALTS),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    pos, ref, alts, rule = REFUSED[case]
    assert alleles_of(record(pos, ref, alts)) is rule
