"""What a symbolic allele or a breakend is stored as, and which rule refuses it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precisionchain.ingest.vcf_record import Record, info_text
from precisionchain.ingest.vcf_structural import (
    StructuralAllele,
    StructuralRefusal,
    structural_allele,
)
from precisionchain.schemas.structural import canonical_alt, is_structural, parse_alt
from precisionchain.schemas.variant import Variant

POS = 1000

TAKEN = {
    # REF, ALTs, which of them, INFO; canonical ALT, type, end, length
    "END": ("T", "<DEL>", 1, "END=1205;SVTYPE=DEL", "<DEL;END=1205>", "DEL", 1205, 205),
    "END and its SVLEN": (
        "T",
        "<DEL>",
        1,
        "END=1205;SVLEN=-205",
        "<DEL;END=1205>",
        "DEL",
        1205,
        205,
    ),
    "SVLEN differs": ("T", "<DEL>", 1, "END=1205;SVLEN=-200", "<DEL;END=1205>", "DEL", 1205, 200),
    "END from SVLEN": ("T", "<DUP>", 1, "SVLEN=205", "<DUP;END=1205>", "DUP", 1205, 205),
    "END from a negative SVLEN": (
        "T",
        "<DEL>",
        1,
        "SVLEN=-205",
        "<DEL;END=1205>",
        "DEL",
        1205,
        205,
    ),
    "END from REF": ("TACG", "<INV>", 1, "", "<INV;END=1003>", "INV", 1003, 3),
    "a point": ("T", "<DEL>", 1, "END=1000", "<DEL;END=1000>", "DEL", 1000, 0),
    "a subtype": ("T", "<DUP:TANDEM>", 1, "END=1009", "<DUP:TANDEM;END=1009>", "DUP", 1009, 9),
    "lower case": ("T", "<del:me>", 1, "END=1009", "<DEL:ME;END=1009>", "DEL", 1009, 9),
    "an insertion": ("T", "<INS>", 1, "SVLEN=310", "<INS;SVLEN=310>", "INS", 1000, 310),
    "an insertion has no END": (
        "T",
        "<INS>",
        1,
        "SVLEN=310;END=900",
        "<INS;SVLEN=310>",
        "INS",
        1000,
        310,
    ),
    "of unknown length": ("T", "<INS:ME:ALU>", 1, "SVLEN=.", "<INS:ME:ALU>", "INS", 1000, None),
    "copies": ("T", "<CN0>,<CN3>", 2, "END=1500", "<CNV;END=1500;CN=3>", "CNV", 1500, 500),
    "copies in INFO": ("T", "<CNV>", 1, "END=1500;CN=3", "<CNV;END=1500;CN=3>", "CNV", 1500, 500),
    "copies of each ALT": (
        "T",
        "<CNV>,<CNV:TR>",
        2,
        "END=1500;CN=1,4.0",
        "<CNV:TR;END=1500;CN=4>",
        "CNV",
        1500,
        500,
    ),
    "no copies": ("T", "<CNV>", 1, "END=1500;CN=.", "<CNV;END=1500>", "CNV", 1500, 500),
    "lengths of each ALT": (
        "T",
        "<DEL>,<DUP>",
        1,
        "END=1500;SVLEN=-90,500",
        "<DEL;END=1090>",
        "DEL",
        1090,
        90,
    ),
    "the longest of them": (
        "T",
        "<DEL>,<DUP>",
        2,
        "END=1500;SVLEN=-90,500",
        "<DUP;END=1500>",
        "DUP",
        1500,
        500,
    ),
    "beside bases": ("T", "G,<DEL>", 2, "END=1009", "<DEL;END=1009>", "DEL", 1009, 9),
    "mate after": ("n", "n]chrX:000148]", 1, "END=148;SVLEN=-1", "N]X:148]", "BND", 1000, None),
    "mate before": ("G", "[CHR3:9[g", 1, "MATEID=b", "[3:9[G", "BND", 1000, None),
    "inserted bases": (
        "G",
        "GAT]HLA-A*01:01:01:5]",
        1,
        "",
        "GAT]HLA-A*01:01:01:5]",
        "BND",
        1000,
        None,
    ),
    "the telomere": ("G", "G]5:0]", 1, "", "G]5:0]", "BND", 1000, None),
    "a single breakend": ("G", ".g", 1, "", ".G", "BND", 1000, None),
    "and the other way": ("G", "ga.", 1, "", "GA.", "BND", 1000, None),
    "a mate in INFO": (
        "N",
        "<BND>",
        1,
        "CHR2=chr3;END2=77;STRANDS=+-",
        "<BND;CHR2=3;END2=77;STRANDS=+->",
        "BND",
        1000,
        None,
    ),
    "of unknown strands": (
        "N",
        "<BND>",
        1,
        "CHR2=3;END2=77",
        "<BND;CHR2=3;END2=77>",
        "BND",
        1000,
        None,
    ),
}

REFUSED = {
    "complex": ("<CPX>", "END=1009", StructuralRefusal.TYPE),
    "translocation of old callers": ("<TRA>", "CHR2=3;END=77", StructuralRefusal.TYPE),
    "reciprocal translocation": ("<CTX>", "CHR2=3;END2=77", StructuralRefusal.TYPE),
    "unknown": ("<UNKNOWN>", "END=1009", StructuralRefusal.TYPE),
    "a type that only begins so": ("<DELX>", "END=1009", StructuralRefusal.TYPE),
    "text of our own": ("<DEL;END=1009>", "END=1009", StructuralRefusal.TYPE),
    "an ID with signs": ("<DEL:a-b>", "END=1009", StructuralRefusal.TYPE),
    "neither END nor SVLEN": ("<DEL>", "SVTYPE=DEL", StructuralRefusal.END),
    "END before POS": ("<DEL>", "END=999", StructuralRefusal.END),
    "END is a flag, and no SVLEN": ("<DEL>", "END", StructuralRefusal.END),
    "END is text": ("<DUP>", "END=12x", StructuralRefusal.END),
    "END is no base": ("<DUP>", "END=3000000000", StructuralRefusal.END),
    "SVLEN is text": ("<INS>", "SVLEN=big", StructuralRefusal.LENGTH),
    "two SVLEN of one ALT": ("<DEL>", "END=1009;SVLEN=-9,-8", StructuralRefusal.LENGTH),
    "half a copy": ("<CNV>", "END=1009;CN=1.5", StructuralRefusal.COPIES),
    "no mate": ("<BND>", "SVTYPE=BND", StructuralRefusal.BREAKEND),
    "a mate without a position": ("<BND>", "CHR2=3", StructuralRefusal.BREAKEND),
    "strands that are none": ("<BND>", "CHR2=3;END2=7;STRANDS=+", StructuralRefusal.BREAKEND),
    "no bracket": ("T]5:100", "", StructuralRefusal.BREAKEND),
    "no base": ("[1:100[", "", StructuralRefusal.BREAKEND),
    "bases on both sides": ("A]1:100]T", "", StructuralRefusal.BREAKEND),
    "an assembled contig": ("T]<ctg1>:7]", "", StructuralRefusal.BREAKEND),
    "different brackets": ("T[5:100]", "", StructuralRefusal.BREAKEND),
    "a mate beyond any contig": ("T]5:9999999999]", "", StructuralRefusal.BREAKEND),
    "one end of an interval": ("<DEL>", "END=1009;CIPOS=-5", StructuralRefusal.CONFIDENCE),
    "an interval backwards": ("<DEL>", "END=1009;CIEND=5,-5", StructuralRefusal.CONFIDENCE),
}


def read(ref: str, alts: str, number: int, info: str) -> StructuralAllele | StructuralRefusal:
    record = Record(0, "2", POS, ref, tuple(alts.split(",")), info=info_text(info))
    return structural_allele(record, number)


@pytest.mark.parametrize("case", TAKEN)
def test_taken(case: str) -> None:
    ref, alts, number, info, alt, svtype, end, length = TAKEN[case]
    found = read(ref, alts, number, info)
    assert isinstance(found, StructuralAllele)
    assert (found.alt, found.svtype, found.end, found.length) == (alt, svtype, end, length)
    assert is_structural(found.alt)
    assert canonical_alt(found.alt) == found.alt
    said = parse_alt(POS, found.alt)
    assert said is not None
    assert (said.svtype, said.end) == (svtype, end)
    assert found.mate == (None if said.mate is None else f"{said.mate[0]}:{said.mate[1]}")


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    alt, info, rule = REFUSED[case]
    assert read("T", alt, 1, info) is rule


def test_confidence_intervals_are_of_the_record_or_of_the_allele() -> None:
    one = read("T", "<DEL>,<DUP>", 2, "END=1009;CIPOS=-5,6;CIEND=.")
    each = read("T", "<DEL>,<DUP>", 2, "END=1009;CIPOS=-5,6,-7,8")
    assert isinstance(one, StructuralAllele)
    assert isinstance(each, StructuralAllele)
    assert (one.cipos, one.ciend, each.cipos) == ((-5, 6), None, (-7, 8))


def test_copies_of_persons_are_noticed() -> None:
    info = info_text("END=1009")
    with_cn = Record(0, "2", POS, "T", ("<CNV>",), format=("GT", "CN"), info=info)
    noticed = [structural_allele(one, 1) for one in (with_cn, replace(with_cn, format=("GT",)))]
    assert [isinstance(one, StructuralAllele) and one.person_copies for one in noticed] == [
        True,
        False,
    ]


def test_a_variant_is_asked_for_as_it_is_stored() -> None:
    asked = Variant.parse("chr2:321,682:t:<del;end=321887>")
    assert str(asked) == "2:321682:T:<DEL;END=321887>"
    assert str(Variant.parse("2:9:N:n]chrX:148]")) == "2:9:N:N]X:148]"
    assert str(Variant.parse("2:9:N:<bnd;chr2=chr3;end2=7>")) == "2:9:N:<BND;CHR2=3;END2=7>"


@settings(deadline=None, max_examples=300)
@given(
    st.text("<>DELINSUPCVB:0123[].ATn;=", max_size=14),
    st.text("END=SVL;CIPOHR2-0123,.", max_size=30),
)
def test_anything_is_taken_in_one_form_or_refused(alt: str, info: str) -> None:
    if not is_structural(alt) or "," in alt:
        return
    found = read("T", alt, 1, info)
    if isinstance(found, StructuralAllele):
        assert canonical_alt(found.alt) == found.alt
        assert parse_alt(POS, found.alt) is not None
