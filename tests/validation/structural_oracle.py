"""Structural variants of a file as bcftools prints them, and a slow reading of what they are.

Nothing of the package is used: the texts of alleles are put together here once more, by the table
of ``docs/reference/structural-variants.md``, for what the files of the set hold.
"""

from __future__ import annotations

import gzip
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Key = tuple[str, int, str, str]

_INFO = ("%INFO/END", "%INFO/SVLEN", "%INFO/CHR2", "%INFO/END2", "%INFO/STRANDS")
_FIELDS = "\\t".join(("%CHROM", "%POS", "%REF", "%ALT", *_INFO))
_SPANNING = ("DEL", "DUP", "INV", "CNV")


@dataclass(frozen=True)
class Line:
    """One record: its line in the file, its key (None: refused), ALT and END as written, the end of
    its span, its mate, its calls.
    """

    line: int
    key: Key | None
    written: str
    said_end: str
    end: int
    mate: tuple[str, int] | None
    calls: tuple[str, ...]

    @property
    def svtype(self) -> str:
        return re.split("[:;>]", self.written[1:])[0] if self.written[0] == "<" else "BND"

    def reaches(self, chrom: str, start: int, end: int) -> bool:
        """Whether the span shares a base with a region, or its mate lies there."""
        assert self.key is not None
        here = self.key[0] == chrom and self.key[1] <= end and self.end >= start
        mate = self.mate is not None and self.mate[0] == chrom and start <= self.mate[1] <= end
        return here or mate


@dataclass(frozen=True)
class StructuralFile:
    """A file of biallelic structural variants, with the FORMAT field GT or without genotypes."""

    path: Path
    genotypes: bool = True

    @cached_property
    def samples(self) -> list[str]:
        return bcftools("query", "-l", self.path).split()

    @cached_property
    def lines(self) -> list[Line]:
        form = _FIELDS + ("[\\t%GT]" if self.genotypes else "") + "\\n"
        raw = self.path.read_bytes()
        opened = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
        header = sum(line.startswith(b"#") for line in opened.splitlines())
        text = _INFO_ABSENT.sub("", form) if self._lacking else form
        rows = bcftools("query", "-f", text, self.path).splitlines()
        return [
            _line(header + number, row.split("\t"), lacking=self._lacking)
            for number, row in enumerate(rows, 1)
        ]

    @cached_property
    def _lacking(self) -> bool:
        """Whether the header declares no CHR2, END2 and STRANDS: bcftools refuses to print them."""
        header = bcftools("view", "-h", self.path)
        return any(f"##INFO=<ID={key}," not in header for key in ("CHR2", "END2", "STRANDS"))

    @cached_property
    def taken(self) -> list[Line]:
        return [line for line in self.lines if line.key is not None]


_INFO_ABSENT = re.compile(r"\\t%INFO/(?:CHR2|END2|STRANDS)")


def _line(number: int, row: Sequence[str], *, lacking: bool) -> Line:
    chrom, pos, ref, alt, end, length, *rest = row
    chr2, end2, strands, *calls = (".", ".", ".", *rest) if lacking else rest
    key, last, mate = _read(int(pos), alt, (end, length), (chr2, end2, strands))
    where = None if key is None else (_name(chrom), int(pos), ref, key)
    return Line(number, where, alt, end, last, mate, tuple(calls))


def _read(
    pos: int, alt: str, spans: tuple[str, str], mate: tuple[str, str, str]
) -> tuple[str | None, int, tuple[str, int] | None]:
    """Return the stored text (None: refused), the end of the span, and the mate.

    Args:
        pos: POS.
        alt: ALT as written.
        spans: END and SVLEN as written.
        mate: CHR2, END2 and STRANDS as written.
    """
    end, length = spans
    if alt[0] != "<":
        bracket = "[" if "[" in alt else "]"
        before, place, after = alt.split(bracket)
        joined, _, at = place.rpartition(":")
        text = f"{before}{bracket}{_name(joined)}:{at}{bracket}{after}"
        return text, pos, (_name(joined), int(at))
    inside = alt[1:-1]
    svtype = inside.split(":")[0]
    if svtype in _SPANNING:
        return f"<{inside};END={end}>", int(end), None
    if svtype == "INS":
        return f"<{inside};SVLEN={length}>", pos, None
    if svtype == "BND" and mate[1] != ".":
        joined = f"CHR2={_name(mate[0])};END2={mate[1]}"
        strands = "" if mate[2] == "." else f";STRANDS={mate[2]}"
        return f"<BND;{joined}{strands}>", pos, (_name(mate[0]), int(mate[1]))
    return None, pos, None


def _name(chrom: str) -> str:
    return chrom.removeprefix("chr")


def bcftools(*arguments: str | Path) -> str:
    """Run bcftools and return what it prints."""
    done = subprocess.run(
        ["bcftools", *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return done.stdout
