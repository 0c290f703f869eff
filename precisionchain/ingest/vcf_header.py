"""What staging needs to know of a VCF header: samples, contigs, and what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from precisionchain.errors import VcfFormatError
from precisionchain.ingest.sample_names import refuse_twice

FIXED_COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")
"""VCF 4.x, section 1.5; then one column a sample."""

_PLINK2 = "`plink2 --vcf FILE dosage={0} --export vcf` makes calls of {0}"
_CALL = "{0} is a likelihood: let the program that made it call genotypes"
_INSTEAD: Final = {
    "GP": "`bcftools +tag2tag FILE -- -r --GP-to-GT` makes calls of GP",
    "DS": _PLINK2.format("DS"),
    "HDS": _PLINK2.format("HDS"),
    "PL": _CALL.format("PL"),
    "GL": _CALL.format("GL"),
}
"""FORMAT keys that stand where GT does not, and what to do."""

_ITEM = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^,>]*)')
_DICTIONARY = re.compile(r"##(?:FILTER|INFO|FORMAT|contig)=<")


@dataclass(frozen=True, slots=True)
class Header:
    """The header of one file.

    Attributes:
        samples: sample names in column order.
        contigs: declared contig, as written -> its length, or None where none is given.
        columns_line: 1-based line of ``#CHROM``, so record *i* (from 0) is line
            ``columns_line + 1 + i`` of a text file.
        dictionary: the lines a BCF record's numbers point into, IDs only, in their order.
        meta: the ``##`` lines.
    """

    samples: tuple[str, ...]
    contigs: dict[str, int | None]
    columns_line: int
    dictionary: tuple[str, ...]
    meta: tuple[str, ...] = ()

    @property
    def n_columns(self) -> int:
        """Columns every record must have."""
        return len(FIXED_COLUMNS) + len(self.samples)


def parse_header(raw: bytes, where: str) -> Header:
    """Read a header, from ``##fileformat`` to the end of the ``#CHROM`` line.

    Raises:
        VcfFormatError: it is no VCF header, or has no sample columns.
        SampleMapError: a sample has two columns.
    """
    lines = raw.rstrip(b"\r\n\0").split(b"\n")
    if not lines[0].startswith(b"##fileformat=VCFv4"):
        raise VcfFormatError(
            "does not begin with ##fileformat=VCFv4", where=f"{where}:1", hint="is it a VCF file?"
        )
    text = []
    for number, line in enumerate(lines, start=1):
        try:
            text.append(line.decode("utf-8").rstrip("\r"))
        except UnicodeDecodeError as error:
            raise VcfFormatError("the header is not UTF-8", where=f"{where}:{number}") from error
    samples = _samples(text[-1], f"{where}:{len(text)}")
    meta = tuple(text[:-1])
    return Header(samples, _contigs(text), len(text), tuple(_dictionary(text)), meta)


def instead_of_genotypes(header: Header) -> tuple[str, str] | None:
    """Return what a file without GT holds instead, and what makes calls of it; None for nothing."""
    declared = {
        _fields(line).get("ID", "") for line in header.meta if line.startswith("##FORMAT=<")
    }
    held = [name for name in _INSTEAD if name in declared]
    return (", ".join(held), _INSTEAD[held[0]]) if held else None


def _samples(line: str, where: str) -> tuple[str, ...]:
    columns = line.split("\t")
    if tuple(columns[:8]) != FIXED_COLUMNS[:8]:
        raise VcfFormatError("the #CHROM line is missing or malformed", where=where)
    if len(columns) <= len(FIXED_COLUMNS) or columns[8] != "FORMAT":
        raise VcfFormatError(
            "has no sample columns",
            where=where,
            hint="genotypes are needed; a file of sites alone cannot be ingested",
        )
    samples = columns[9:]
    if "" in samples:
        raise VcfFormatError("a sample column has no name", where=where)
    refuse_twice(samples, where)
    return tuple(samples)


def _fields(line: str) -> dict[str, str]:
    return {key: value.strip('"') for key, value in _ITEM.findall(line.partition("<")[2])}


def _contigs(lines: list[str]) -> dict[str, int | None]:
    contigs: dict[str, int | None] = {}
    for line in lines:
        if line.startswith("##contig=<"):
            fields = _fields(line)
            length = fields.get("length", "")
            contigs[fields.get("ID", "")] = (
                int(length) if re.fullmatch(r"\d{1,18}", length, re.ASCII) else None
            )
    return contigs


def _dictionary(lines: list[str]) -> list[str]:
    kept = []
    for line in lines:
        kind = _DICTIONARY.match(line)
        if kind:
            fields = _fields(line)
            kept.append(f"{kind[0]}{fields.get('ID', '')},{fields.get('IDX', '')}")
    return kept
