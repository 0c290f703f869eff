"""PLINK 2 filesets as a source of genotypes: ``.pgen`` with its ``.pvar`` and ``.psam``.

The only module that imports Pgenlib (LGPL-3, extra ``pgen``), when a fileset is named. Hard
calls and their phase are read; dosages are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from precisionchain.errors import UnreadableFileError, UsageError, VcfFormatError
from precisionchain.ingest.vcf_file import Scan, Tally, VcfFile
from precisionchain.ingest.vcf_header import Header, refuse_twice
from precisionchain.ingest.vcf_lint import Warned
from precisionchain.ingest.vcf_record import Record, info_text
from precisionchain.schemas.genome import MAX_POSITION

SUFFIX: Final = ".pgen"
_AT_ONCE: Final = 65_536
_CHUNK: Final = 4 * 2**20
_MISSING: Final = -9
_ALL_PROVISIONAL: Final = 2
_FLAGS_AT: Final = 11  # bits 6 and 7: whose REF is provisional
_PAR: Final = frozenset(("PAR1", "PAR2"))
_WANTED: Final = ("#CHROM", "POS", "ID", "REF", "ALT")


@dataclass(frozen=True, slots=True)
class PgenRecord:
    """One variant with its calls; see `vcf_records.Called`."""

    record: Record
    genotypes: npt.NDArray[np.int16]
    phase_sets: None = None

    def numbers(self, _key: str) -> None:
        """There are no other fields."""


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
    samples = _samples(path.with_suffix(".psam"))
    file = VcfFile(path, "pgen", "none", Header(samples, {}, 0, ()))
    tally = Tally(file)
    digest = hashlib.sha256("\n".join((*samples, "")).encode())
    provisional, last = 0, ""
    lines = _variants(path)
    while block := list(islice(lines, _AT_ONCE)):
        starts = []
        for i, variant in enumerate(block):
            if variant.chrom != last:
                last = variant.chrom
                starts.append((i, last))
            provisional += "PR" in variant.info.split(";")
            digest.update(repr(variant).encode())
        tally.add(starts, np.array([variant.pos for variant in block], np.int64), len(block))
    _opened(path, len(samples), tally.records, _offsets(path)).close()
    with path.open("rb") as binary:
        start = binary.read(_FLAGS_AT + 1)
        if start[_FLAGS_AT] >> 6 == _ALL_PROVISIONAL:
            provisional = tally.records
        digest.update(start)
        while chunk := binary.read(_CHUNK):
            digest.update(chunk)
    warned = (Warned("provisional_ref", 1, provisional),) if provisional else ()
    found = (tally.records, path.stat().st_size, digest.hexdigest(), tuple(tally.segments), warned)
    return Scan(path, "pgen", "none", file.header, *found)


def read_pgen_calls(scan: Scan) -> Iterator[PgenRecord]:
    """Yield the variants of a fileset with their calls."""
    n = len(scan.header.samples)
    reader = _opened(scan.path, n, scan.records, _offsets(scan.path))
    chroms = iter(scan.segments)
    chrom, end = "", 0
    alleles, phased = np.empty(2 * n, np.int32), np.empty(n, np.uint8)
    try:
        for number, variant in enumerate(_variants(scan.path)):
            if number == end:
                segment = next(chroms)
                chrom, end = segment.chrom, segment.first_record + segment.records
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
            yield PgenRecord(_record(number, chrom, variant), calls)
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
    for number, line in _lines(path):
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
    if not names:
        raise VcfFormatError("names no sample", where=str(path))
    refuse_twice(names, str(path))
    return tuple(names)


def _variants(path: Path) -> Iterator[_Variant]:
    pvar = path.with_suffix(".pvar")
    columns: dict[str, int] = {}
    for number, line in _lines(pvar):
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
        if not pos.isascii() or not pos.isdigit() or int(pos) > MAX_POSITION:
            raise VcfFormatError("the position is no number of bases", where=where)
        filters, info = (
            cells[columns[name]] if name in columns else "." for name in ("FILTER", "INFO")
        )
        alts = () if alt == "." else tuple(alt.split(","))
        named = "X" if chrom in _PAR else chrom
        yield _Variant(named, int(pos), ident, ref, alts, filters, info)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except OSError as error:
        packed = path.with_name(f"{path.name}.zst").exists()
        raise UnreadableFileError(
            f"cannot be read: {error.strerror or error}",
            where=str(path),
            hint="`plink2 --pfile ... vzs --make-pgen` writes it uncompressed"
            if packed
            else "a .pgen needs the .pvar and .psam of the same name beside it",
        ) from error
    except UnicodeDecodeError as error:
        raise UnreadableFileError("is not UTF-8 text", where=str(path)) from error
