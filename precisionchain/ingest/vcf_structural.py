"""From a record's symbolic alleles and breakends to their canonical text, or why they are refused.

What VCF versions and callers differ in ends here: a missing END, the sign and number of SVLEN,
``<CN2>``, mates that stand in INFO. Rules: ``docs/reference/structural-variants.md``.

>>> from precisionchain.ingest.vcf_record import Record, info_text
>>> info = info_text("SVTYPE=DEL;SVLEN=-205;CIPOS=-56,20")
>>> structural_allele(Record(0, "2", 321682, "T", ("<DEL>",), info=info), 1)
StructuralAllele(alt='<DEL;END=321887>', svtype='DEL', end=321887, length=205, cipos=(-56, 20), \
ciend=None, mate=None, person_copies=False)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from precisionchain.ingest.vcf_record import Record
from precisionchain.schemas.genome import MAX_POSITION, fold_chrom
from precisionchain.schemas.structural import SPANNING, SVTYPES, breakend, parse_alt, symbol

_TYPE: Final = re.compile(r"<([A-Z]+)((?::[A-Z0-9_]+)*)>", re.ASCII)
_COPIES: Final = re.compile(r"<CN(\d{1,4})>", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d{1,10}", re.ASCII)
_WHOLE: Final = re.compile(r"(\d{1,9})(?:\.0*)?", re.ASCII)
_CONTIG: Final = re.compile(r"[^;=,<>\[\]\s]+", re.ASCII)
_STRANDS: Final = frozenset(("++", "+-", "-+", "--"))

Interval = tuple[int, int]


class StructuralRefusal(StrEnum):
    """Why a record with a structural allele is refused."""

    TYPE = "symbolic_allele"
    BREAKEND = "breakend_allele"
    END = "sv_end"
    LENGTH = "sv_length"
    COPIES = "sv_copies"
    CONFIDENCE = "sv_confidence"


@dataclass(frozen=True, slots=True)
class StructuralAllele:
    """A structural allele as it is stored.

    Attributes:
        alt: its canonical text.
        svtype: one of `SVTYPES`.
        end: last base of its span; POS of insertions and breakends.
        length: SVLEN without its sign, else END - POS; None where it is not known.
        cipos: confidence interval around POS, relative.
        ciend: the same around END.
        mate: of a breakend, ``chrom:pos`` that it is joined to.
        person_copies: FORMAT has CN, persons' copies, which are not kept.
    """

    alt: str
    svtype: str
    end: int
    length: int | None
    cipos: Interval | None
    ciend: Interval | None
    mate: str | None
    person_copies: bool = False


class _RefusedError(Exception):
    """Carries the rule out of the steps below."""

    def __init__(self, rule: StructuralRefusal) -> None:
        super().__init__(rule)
        self.rule = rule


def structural_allele(record: Record, number: int) -> StructuralAllele | StructuralRefusal:
    """Return one ALT of a record as a structural allele, or the rule by which it is none.

    Args:
        record: the record.
        number: place of the ALT, from 1; a symbolic allele or a breakend.
    """
    try:
        written = record.alts[number - 1]
        text = _symbolic(record, number) if written.startswith("<") else _breakend(written)
        said = parse_alt(record.pos, text)
        if said is None:
            raise AssertionError("a canonical text that says nothing")
        length = said.length
        if said.svtype in SPANNING:
            length = _length(record, number) or length
        return StructuralAllele(
            text,
            said.svtype,
            said.end,
            length,
            _confidence(record, number, "CIPOS"),
            _confidence(record, number, "CIEND"),
            None if said.mate is None else f"{said.mate[0]}:{said.mate[1]}",
            "CN" in record.format,
        )
    except _RefusedError as refused:
        return refused.rule


def _breakend(written: str) -> str:
    text = breakend(written)
    if text is None:
        raise _RefusedError(StructuralRefusal.BREAKEND)
    mate = re.search(r":(\d+)[\[\]]", text)
    if mate is not None and int(mate[1]) > MAX_POSITION:
        raise _RefusedError(StructuralRefusal.BREAKEND)
    return text


def _symbolic(record: Record, number: int) -> str:
    written = record.alts[number - 1].upper()
    copies = _COPIES.fullmatch(written)
    found = _TYPE.fullmatch("<CNV>" if copies else written)
    if found is None or found[1] not in SVTYPES:
        raise _RefusedError(StructuralRefusal.TYPE)
    svtype, named = found[1], f"{found[1]}{found[2]}"
    if svtype == "INS":
        return symbol(named, length=_length(record, number) or None)
    if svtype == "BND":
        return _mate_in_info(record, named)
    end = _end(record, number)
    if svtype != "CNV":
        return symbol(named, end=end)
    return symbol(named, end=end, copies=int(copies[1]) if copies else _copies(record, number))


def _end(record: Record, number: int) -> int:
    """Return the last base: END, else from SVLEN, else from REF.

    END is one for the record. Where several ALTs have lengths of their own, these say where each
    ends (VCF 4.5, section 3).
    """
    said = _text(record, "END")
    length = _length(record, number)
    several = len(record.alts) > 1 and len(_values(record, "SVLEN")) == len(record.alts)
    end: int | None = None
    if said is not None:
        if not _WHOLE.fullmatch(said) or "." in said:
            raise _RefusedError(StructuralRefusal.END)
        end = int(said)
    if length is not None and (end is None or (several and record.pos + length < end)):
        end = record.pos + length
    if end is None and len(record.ref) > 1:
        end = record.pos + len(record.ref) - 1
    if end is None or not record.pos <= end <= MAX_POSITION:
        raise _RefusedError(StructuralRefusal.END)
    return end


def _length(record: Record, number: int) -> int | None:
    """Return SVLEN of an ALT without its sign; None where there is none."""
    value = _of_alt(record, number, "SVLEN", StructuralRefusal.LENGTH)
    if value is None:
        return None
    if not _NUMBER.fullmatch(value) or abs(int(value)) > MAX_POSITION:
        raise _RefusedError(StructuralRefusal.LENGTH)
    return abs(int(value))


def _copies(record: Record, number: int) -> int | None:
    """Return the copies that INFO CN says an ALT has."""
    value = _of_alt(record, number, "CN", StructuralRefusal.COPIES)
    if value is None:
        return None
    found = _WHOLE.fullmatch(value)
    if found is None:
        raise _RefusedError(StructuralRefusal.COPIES)
    return int(found[1])


def _mate_in_info(record: Record, named: str) -> str:
    """Return a breakend that is written as ``<BND>``, its mate in CHR2 and END2."""
    chrom, pos, strands = (_text(record, key) for key in ("CHR2", "END2", "STRANDS"))
    if chrom is None or not _CONTIG.fullmatch(chrom) or pos is None or not _WHOLE.fullmatch(pos):
        raise _RefusedError(StructuralRefusal.BREAKEND)
    if "." in pos or int(pos) > MAX_POSITION or strands not in (None, *_STRANDS):
        raise _RefusedError(StructuralRefusal.BREAKEND)
    return symbol(named, mate=(fold_chrom(chrom), int(pos)), strands=strands)


def _confidence(record: Record, number: int, key: str) -> Interval | None:
    """Return a confidence interval: two numbers a record, or two an ALT (VCF 4.4)."""
    values = _values(record, key)
    if len(values) == 2 * len(record.alts):
        values = values[2 * number - 2 : 2 * number]
    if not values or values in (["."], [".", "."]):
        return None
    if len(values) != 2 or not all(_NUMBER.fullmatch(value) for value in values):
        raise _RefusedError(StructuralRefusal.CONFIDENCE)
    low, high = int(values[0]), int(values[1])
    if not -MAX_POSITION <= low <= high <= MAX_POSITION:
        raise _RefusedError(StructuralRefusal.CONFIDENCE)
    return low, high


def _of_alt(record: Record, number: int, key: str, rule: StructuralRefusal) -> str | None:
    """Return what a key says of an ALT: one value a record, or one an ALT."""
    values = _values(record, key)
    if len(values) not in (0, 1, len(record.alts)):
        raise _RefusedError(rule)
    if not values:
        return None
    value = values[0] if len(values) == 1 else values[number - 1]
    return None if value == "." else value


def _values(record: Record, key: str) -> list[str]:
    text = _text(record, key)
    return [] if text is None else text.split(",")


def _text(record: Record, key: str) -> str | None:
    """Return what a key says; a flag, an empty value and ``.`` say nothing."""
    value = record.info(key)
    return value if isinstance(value, str) and value not in ("", ".") else None
