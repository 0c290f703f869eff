"""One record of a VCF or BCF file whose alleles need thought: what both readers make of it.

A record whose alleles are all plain bases never becomes a `Record`: the text reader takes it as
columns. Every other one (symbolic, breakend, ``*``, no ALT, lower case, IUPAC codes) is asked of
`vcf_alleles.alleles_of`, the one place that says what is stored or why the record is refused.

>>> info = info_text("END=9;IMPRECISE")
>>> record = Record(number=0, chrom="9", pos=5, ref="A", alts=("<DEL>",), info=info)
>>> record.info("END"), record.info("IMPRECISE"), record.info("SVLEN"), record.end
('9', True, None, 9)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Info = Callable[[str], str | Literal[True] | None]
"""INFO key -> its value as written, True for a flag, None if the record has no such key."""

_INTEGER: Final = re.compile(r"\d{1,10}", re.ASCII)


def info_text(text: str) -> Info:
    """Return a look-up in the INFO column of a text file; of a key twice the first counts."""

    def look_up(key: str) -> str | Literal[True] | None:
        for entry in text.split(";"):
            name, equals, value = entry.partition("=")
            if name == key:
                return value if equals else True
        return None

    return look_up


@dataclass(frozen=True, slots=True)
class Record:
    """One source record.

    Attributes:
        number: 0-based, within its file.
        chrom: canonical contig.
        pos: POS, 1-based (0: the telomere).
        ref: REF as written.
        alts: ALT as written, without ``.``.
        id: ID as written, None for ``.``.
        filters: FILTER, without ``.``.
        format: the keys of FORMAT.
        info: looks up a key of INFO, when asked.
    """

    number: int
    chrom: str
    pos: int
    ref: str
    alts: tuple[str, ...]
    id: str | None = None
    filters: tuple[str, ...] = ()
    format: tuple[str, ...] = ("GT",)
    info: Info = field(default=info_text(""), repr=False, compare=False)

    @property
    def end(self) -> int:
        """The last base: INFO END where it is a number not before POS, else that of REF."""
        said = self.info("END")
        if isinstance(said, str) and _INTEGER.fullmatch(said) and int(said) >= self.pos:
            return int(said)
        return self.pos + len(self.ref) - 1


def record_of(
    text: npt.NDArray[np.uint8], starts: npt.NDArray[np.int32], number: int, chrom: str
) -> Record:
    """Return the record of a line of text.

    Args:
        text: uint8 [bytes].
        starts: where its columns begin, see `vcf_lines.read_lines`.
        number: of the record.
        chrom: canonical contig.

    Raises:
        UnicodeDecodeError: ID, REF, ALT or FILTER is not UTF-8.
    """
    pos, ident, ref, alt, _, filters, info, form = (
        text[starts[i] : starts[i + 1] - 1].tobytes() for i in range(1, 9)
    )
    alts = tuple(one or "." for one in alt.decode().split(","))
    names = tuple(filters.decode().removesuffix(";").split(";"))
    return Record(
        number=number,
        chrom=chrom,
        pos=int(pos),
        ref=ref.decode() or ".",
        alts=() if alts == (".",) else alts,
        id=None if ident in (b"", b".") else ident.decode(),
        filters=() if names in (("",), (".",)) else names,
        format=tuple(form.decode("ascii").split(":")),
        info=info_text(info.decode("utf-8", "replace")),
    )
