"""What the filesets of PLINK 1 and 2 have in common: tables of text beside a file of calls.

The table of variants is read line by line, twice: when the fileset is scanned, and beside the
calls. What a table says in its own way, and the calls, are `plink_bed`'s and `plink_pgen`'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from precisionchain.errors import UnreadableFileError, VcfFormatError
from precisionchain.ingest.sample_names import refuse_twice
from precisionchain.ingest.vcf_file import Scan, Tally, VcfFile
from precisionchain.ingest.vcf_header import Header
from precisionchain.ingest.vcf_lint import Warned
from precisionchain.ingest.vcf_record import Record
from precisionchain.schemas.genome import MAX_POSITION

_BED: Final = (".bed, .bim and .fam", "plink2 --bfile NAME vzs --make-bed")
_PGEN: Final = (".pgen, .pvar and .psam", "plink2 --pfile NAME vzs --make-pgen")
"""The files of a fileset, and how its table of variants is unpacked."""

_AT_ONCE: Final = 65_536
_CHUNK: Final = 4 * 2**20


class PlinkVariant(Protocol):
    """A line of a table of variants; its ``repr`` is digested, so it holds all that counts."""

    @property
    def chrom(self) -> str:
        """The contig as written."""

    @property
    def pos(self) -> int:
        """The position, 1-based."""

    @property
    def provisional(self) -> bool:
        """Whether nothing says that its REF is the reference's."""


_Variant = TypeVar("_Variant", bound=PlinkVariant)


@dataclass(frozen=True, slots=True)
class PlinkRecord:
    """One variant with its calls; see `vcf_records.Called`."""

    record: Record
    genotypes: npt.NDArray[np.int16]
    phase_sets: None = None

    def numbers(self, _key: str) -> None:
        """There are no other fields."""


class FilesetScan:
    """A fileset while it is scanned.

    Attributes:
        samples: how many there are.
        variants: how many have been read.
    """

    def __init__(self, path: Path, kind: Literal["bed", "pgen"], samples: tuple[str, ...]) -> None:
        """Begin with the file of calls, its kind, and the names of the samples."""
        self.samples = len(samples)
        self._provisional = 0
        self._digest = hashlib.sha256("\n".join((*samples, "")).encode())
        self._tally = Tally(VcfFile(path, kind, "none", Header(samples, {}, 0, ())))

    @property
    def variants(self) -> int:
        """How many have been read."""
        return self._tally.records

    def read(self, variants: Iterable[PlinkVariant]) -> None:
        """Read the table of variants to its end.

        Raises:
            VcfFormatError: positions go back, or a contig comes again.
        """
        lines, last = iter(variants), ""
        while block := list(islice(lines, _AT_ONCE)):
            starts = []
            for i, variant in enumerate(block):
                if variant.chrom != last:
                    last = variant.chrom
                    starts.append((i, last))
                self._provisional += variant.provisional
                self._digest.update(repr(variant).encode())
            positions = np.array([variant.pos for variant in block], np.int64)
            self._tally.add(starts, positions, len(block))

    def found(self, *, all_provisional: bool = False) -> Scan:
        """Read the file of calls to its end; return what was found.

        Args:
            all_provisional: whether that file says that all variants are.
        """
        provisional = self.variants if all_provisional else self._provisional
        file, tally, size = self._tally.file, self._tally, 0
        with file.path.open("rb") as calls:
            while chunk := calls.read(_CHUNK):
                self._digest.update(chunk)
                size += len(chunk)
        warned = (Warned("provisional_ref", 1, provisional),) if provisional else ()
        found = (tally.records, size, self._digest.hexdigest(), tuple(tally.segments), warned)
        return Scan(file.path, file.kind, file.compression, file.header, *found)


def numbered(scan: Scan, variants: Iterable[_Variant]) -> Iterator[tuple[int, str, _Variant]]:
    """Yield each variant of a scanned fileset with its number from 0 and its canonical contig."""
    segments = iter(scan.segments)
    chrom, end = "", 0
    for number, variant in enumerate(variants):
        if number == end:
            segment = next(segments)
            chrom, end = segment.chrom, segment.first_record + segment.records
        yield number, chrom, variant


def position(text: str, where: str) -> int:
    """Return a position.

    Raises:
        VcfFormatError: it is none.
    """
    if not text.isascii() or not text.isdigit() or int(text) > MAX_POSITION:
        raise VcfFormatError("the position is no number of bases", where=where)
    return int(text)


def require_samples(names: Sequence[str], path: Path) -> tuple[str, ...]:
    """Return the names of samples, as the table at ``path`` has them.

    Raises:
        VcfFormatError: there is none.
        SampleMapError: one stands twice.
    """
    if not names:
        raise VcfFormatError("names no sample", where=str(path))
    refuse_twice(names, str(path), "families may not share an IID: `plink2 --update-ids`")
    return tuple(names)


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a table that are not blank, with their numbers from 1.

    Raises:
        UnreadableFileError: it cannot be read, or is not UTF-8 text.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except OSError as error:
        three, unpacked = _BED if path.suffix in _BED[0] else _PGEN
        packed = path.with_name(f"{path.name}.zst").exists()
        raise UnreadableFileError(
            f"cannot be read: {error.strerror or error}",
            where=str(path),
            hint=f"`{unpacked}` writes it uncompressed"
            if packed
            else f"a fileset is three files of one name: {three}",
        ) from error
    except UnicodeDecodeError as error:
        raise UnreadableFileError("is not UTF-8 text", where=str(path)) from error
