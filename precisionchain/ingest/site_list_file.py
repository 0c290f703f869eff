"""Files of site lists: GRAF's fingerprint SNPs, or a VCF without genotypes, as akt's for PCs.

Both are read into `schemas.site_lists.SITES`, on the network's build. The formats and rules stand
in ``docs/reference/site-lists.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from precisionchain.errors import MetadataFormatError
from precisionchain.ingest.whole_texts import whole_text
from precisionchain.schemas.genome import BUILDS, fold_chrom
from precisionchain.schemas.site_lists import SITES, list_digest

_BASES: Final = frozenset("ACGT")
_COLUMNS: Final = 6
_VCF_COLUMNS: Final = 8

Row = tuple[str, int, str | None, str, str, float | None, list[float] | None]


@dataclass(frozen=True, slots=True)
class SiteList:
    """A list.

    Attributes:
        sites: `SITES`, in the order of the file.
        oriented: whether the first allele is the reference's.
    """

    sites: pa.Table
    oriented: bool

    @property
    def digest(self) -> str:
        """What the network's parameters name it by."""
        return list_digest(self.sites, oriented=self.oriented)


def read_site_list(path: Path, build: str) -> SiteList:
    """Read a list.

    Args:
        path: six columns without a header (rs number, chromosome, position on GRCh37 and on
            GRCh38, two alleles), or VCF; plain or gzip.
        build: canonical build of the network; a VCF must be on it.

    Raises:
        UnreadableFileError: it cannot be read, or is not text.
        MetadataFormatError: a line that is no site, or a position twice; naming the line.
    """
    text, _ = whole_text(path)
    oriented = text.startswith("##fileformat=VCF")
    lines = enumerate(text.splitlines(), start=1)
    rows: list[Row] = []
    places: dict[tuple[str, int], int] = {}
    lengths = BUILDS[build].lengths
    for number, line in lines:
        if not line.strip() or (oriented and line.startswith("#")):
            continue
        row = _vcf_row(line) if oriented else _graf_row(line, build)
        where = f"{path}:{number}"
        if row is None:
            raise MetadataFormatError("is no site of two bases", where=where, hint=_hint(oriented))
        chrom, pos = row[0], row[1]
        if not 1 <= pos <= lengths.get(chrom, 0):
            raise MetadataFormatError(f"lies on no chromosome of {build}", where=where)
        if (chrom, pos) in places:
            raise MetadataFormatError(
                f"has the position of line {places[chrom, pos]} once more", where=where
            )
        places[chrom, pos] = number
        rows.append(row)
    if not rows:
        raise MetadataFormatError("names no site", where=str(path), hint=_hint(oriented))
    return SiteList(_table(rows), oriented)


def _hint(oriented: bool) -> str:
    if oriented:
        return "a VCF of SNVs with one ALT each"
    return "rs number, chromosome, position on GRCh37, on GRCh38, two alleles; or a VCF"


def _graf_row(line: str, build: str) -> Row | None:
    cells = line.split()
    if len(cells) != _COLUMNS or not all(cell.isascii() and cell.isdigit() for cell in cells[:4:2]):
        return None
    rs, chrom, on_37, on_38, first, second = cells
    pos = on_37 if build == "GRCh37" else on_38
    if not (pos.isascii() and pos.isdigit()) or not _two_bases(first, second):
        return None
    return fold_chrom(chrom), int(pos), f"rs{rs}", first, second, None, None


def _vcf_row(line: str) -> Row | None:
    cells = line.split("\t")
    if len(cells) < _VCF_COLUMNS or not (cells[1].isascii() and cells[1].isdigit()):
        return None
    chrom, pos, ident, first, second = cells[:5]
    if not _two_bases(first, second):
        return None
    info = dict(part.partition("=")[::2] for part in cells[7].split(";"))
    try:
        af = float(info["AF"]) if "AF" in info else None
        weights = [float(one) for one in info["WEIGHT"].split(",")] if "WEIGHT" in info else None
    except ValueError:
        return None
    return fold_chrom(chrom), int(pos), None if ident == "." else ident, first, second, af, weights


def _two_bases(first: str, second: str) -> bool:
    return {first, second} <= _BASES and first != second


def _table(rows: list[Row]) -> pa.Table:
    columns: Iterator[tuple[Any, ...]] = zip(*rows, strict=True)
    arrays = [pa.array(list(c), f.type) for c, f in zip(columns, SITES, strict=True)]
    return pa.table(arrays, schema=SITES)
