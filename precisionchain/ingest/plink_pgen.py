"""PLINK 2 filesets as a source of genotypes: ``.pgen`` with its ``.pvar`` and ``.psam``.

The only module that imports Pgenlib (LGPL-3, extra ``pgen``), when a fileset is named. Hard
calls and their phase are read; dosages are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from precisionchain.errors import UnreadableFileError, UsageError, VcfFormatError
from precisionchain.ingest.plink_files import (
    FilesetScan,
    PlinkRecord,
    lines,
    numbered,
    position,
    require_samples,
)
from precisionchain.ingest.vcf_file import Scan
from precisionchain.ingest.vcf_record import Record, info_text

SUFFIX: Final = ".pgen"
_MISSING: Final = -9
_ALL_PROVISIONAL: Final = 2
_FLAGS_AT: Final = 11  # bits 6 and 7: whose REF is provisional
_PAR: Final = frozenset(("PAR1", "PAR2"))
_WANTED: Final = ("#CHROM", "POS", "ID", "REF", "ALT")


@dataclass(frozen=True, slots=True)
class _Variant:
    """A line of a ``.pvar``."""

    chrom: str
    pos: int
    id: str
    ref: str
    alts: tuple[str, ...]
    filters: str
    info: str

    @property
    def alleles(self) -> int:
        """Alleles in the ``.pgen``, where a variant without an ALT has two all the same."""
        return 1 + max(1, len(self.alts))

    @property
    def provisional(self) -> bool:
        """Whether its REF need not be the reference's."""
        return "PR" in self.info.split(";")


def is_pgen(path: Path) -> bool:
    """Return whether a file is named as PLINK 2's genotypes are."""
    return path.suffix == SUFFIX


def scan_pgen(path: Path) -> Scan:
    """Read a fileset's ``.pvar`` and ``.psam`` to their ends, and check the ``.pgen`` with them.

    Raises:
        UsageError: Pgenlib is not installed.
        UnreadableFileError: a file is absent, or the ``.pgen`` is not one of these variants.
        VcfFormatError: a line is not of its kind, or positions go back.
        SampleMapError: a sample stands twice.
    """
    fileset = FilesetScan(path, "pgen", _samples(path.with_suffix(".psam")))
    fileset.read(_variants(path))
    _opened(path, fileset.samples, fileset.variants, _offsets(path)).close()
    with path.open("rb") as calls:
        all_provisional = calls.read(_FLAGS_AT + 1)[_FLAGS_AT] >> 6 == _ALL_PROVISIONAL
    return fileset.found(all_provisional=all_provisional)


def read_pgen_calls(scan: Scan) -> Iterator[PlinkRecord]:
    """Yield the variants of a fileset with their calls."""
    n = len(scan.header.samples)
    reader = _opened(scan.path, n, scan.records, _offsets(scan.path))
    alleles, phased = np.empty(2 * n, np.int32), np.empty(n, np.uint8)
    try:
        for number, chrom, variant in numbered(scan, _variants(scan.path)):
            try:
                reader.read_alleles_and_phasepresent(number, alleles, phased)
            except RuntimeError as error:
                raise UnreadableFileError(
                    "the calls cannot be read", where=scan.where(number)
                ) from error
            calls = np.empty((n, 3), np.int16)
            calls[:, :2] = np.where(alleles == _MISSING, -1, alleles).reshape(n, 2)
            # Of calls that have no phase, all equal ones are said to be phased.
            calls[:, 2] = (phased != 0) & (calls[:, 0] != calls[:, 1])
            yield PlinkRecord(_record(number, chrom, variant), calls)
    finally:
        reader.close()


def _record(number: int, chrom: str, variant: _Variant) -> Record:
    filters = () if variant.filters == "." else tuple(variant.filters.split(";"))
    ident = None if variant.id == "." else variant.id
    info = info_text(variant.info)
    return Record(number, chrom, variant.pos, variant.ref, variant.alts, ident, filters, info=info)


def _opened(path: Path, samples: int, variants: int, offsets: npt.NDArray[np.uintp] | None) -> Any:
    """Return Pgenlib's reader."""
    try:
        from pgenlib import PgenReader
    except ImportError as error:
        raise UsageError(
            "reading .pgen needs Pgenlib, which is not installed",
            where=str(path),
            hint=f"pip install 'precisionchain[pgen]', or `plink2 --pfile {path.stem} "
            "--export vcf bgz` and name the VCF",
        ) from error
    if not path.is_file():
        raise UnreadableFileError("cannot be read: no such file", where=str(path))
    try:
        return PgenReader(
            bytes(path),
            raw_sample_ct=samples,
            variant_ct=variants,
            allele_idx_offsets=offsets,
        )
    except RuntimeError as error:
        raise UnreadableFileError(
            f"is no .pgen of {variants} variants of {samples} samples, as its .pvar and .psam say",
            where=str(path),
            hint="`plink2 --pfile ... --validate` says what is wrong",
        ) from error


def _offsets(path: Path) -> npt.NDArray[np.uintp] | None:
    """Return where each variant's alleles begin, uintp [variants + 1]; None if all have two."""
    counts = np.fromiter((variant.alleles for variant in _variants(path)), np.uintp)
    if (counts == 2).all():
        return None
    return np.concatenate((np.zeros(1, np.uintp), np.cumsum(counts, dtype=np.uintp)))


def _samples(path: Path) -> tuple[str, ...]:
    names: list[str] = []
    column = -1
    for number, line in lines(path):
        cells = line.split()
        if line.startswith("#"):
            header = [cell.removeprefix("#") for cell in cells]
            column = header.index("IID") if "IID" in header else column
            continue
        if not 0 <= column < len(cells):
            raise VcfFormatError(
                "has no IID",
                where=f"{path}:{number}",
                hint="a .psam begins with #FID IID or #IID",
            )
        names.append(cells[column])
    return require_samples(names, path)


def _variants(path: Path) -> Iterator[_Variant]:
    pvar = path.with_suffix(".pvar")
    columns: dict[str, int] = {}
    for number, line in lines(pvar):
        where = f"{pvar}:{number}"
        cells = line.split("\t") if "\t" in line else line.split()
        if line.startswith("#"):
            if cells[0] == "#CHROM":
                columns = {name: i for i, name in enumerate(cells)}
            continue
        if not set(_WANTED) <= set(columns):
            raise VcfFormatError(
                "has no line #CHROM POS ID REF ALT before its variants",
                where=where,
                hint="`plink2 --make-pgen` writes one",
            )
        if len(cells) != len(columns):
            raise VcfFormatError(f"has {len(cells)} columns, not {len(columns)}", where=where)
        chrom, pos, ident, ref, alt = (cells[columns[name]] for name in _WANTED)
        filters, info = (
            cells[columns[name]] if name in columns else "." for name in ("FILTER", "INFO")
        )
        alts = () if alt == "." else tuple(alt.split(","))
        named = "X" if chrom in _PAR else chrom
        yield _Variant(named, position(pos, where), ident, ref, alts, filters, info)
