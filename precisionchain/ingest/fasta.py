"""A reference sequence: a plain FASTA file, mapped into memory and read base by base.

Its contigs are told by digest, not by file: the GA4GH refget digest (``SQ.`` and the first 24 bytes
of SHA-512 over the upper-case sequence, base64url), so line widths, lower case and other contigs in
the file do not matter.
"""

from __future__ import annotations

import base64
import hashlib
import mmap
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from precisionchain.errors import (
    BuildMismatchError,
    ParameterMismatchError,
    UnreadableFileError,
    UsageError,
)
from precisionchain.schemas.genome import BUILDS, fold_chrom

_CHUNK: Final = 2**22
_INDEX_LINE = re.compile(r"([^\t]+)\t(\d+)\t(\d+)\t(\d+)\t(\d+)", re.ASCII)

# VCF 4.3, section 1.6.1: an ambiguity code stands for the first of its bases; anything else for N.
_UPPER: Final = np.full(256, ord("N"), np.uint8)
for _letters, _bases in (
    ("ACGT", "ACGT"),
    ("acgt", "ACGT"),
    ("RYSWKMBDHV", "ACCAGACAAA"),
    ("ryswkmbdhv", "ACCAGACAAA"),
):
    _UPPER[list(_letters.encode())] = list(_bases.encode())
BASES: Final = _UPPER
"""Byte of a sequence -> the base compared with REF."""


@dataclass(frozen=True, slots=True)
class Contig:
    """Where a sequence lies in the file, as a line of a ``.fai`` says it.

    Attributes:
        length: bases.
        offset: byte of the first base.
        line_bases: bases in a line.
        line_bytes: bytes in a line, its end included.
    """

    length: int
    offset: int
    line_bases: int
    line_bytes: int


@dataclass(frozen=True, slots=True)
class Fasta:
    """An open reference.

    Attributes:
        path: the file.
        contigs: by canonical name; of two of one name the first.
        raw: uint8 [bytes], the file.
    """

    path: Path
    contigs: dict[str, Contig]
    raw: npt.NDArray[np.uint8]

    @classmethod
    def open(cls, path: Path) -> Fasta:
        """Map a file, and find its contigs by its ``.fai`` or by reading it.

        Raises:
            UnreadableFileError: it cannot be read, is compressed, or is no FASTA whose bases have
                places.
        """
        try:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise UnreadableFileError("cannot be read, or is empty", where=str(path)) from error
        raw = np.frombuffer(mapped, np.uint8)
        if mapped[:2] == b"\x1f\x8b":
            raise UnreadableFileError(
                "is compressed", where=str(path), hint="decompress it: `bgzip -d` or `gunzip -k`"
            )
        if mapped[:1] != b">":
            raise UnreadableFileError("does not begin with >", where=str(path))
        index = path.with_name(path.name + ".fai")
        found = _read_index(index, len(raw)) if index.is_file() else _find_contigs(raw, path)
        contigs: dict[str, Contig] = {}
        for name, contig in found:
            contigs.setdefault(fold_chrom(name), contig)
        return cls(path, contigs, raw)

    def digest(self, chrom: str) -> str:
        """Return the refget digest of a contig's sequence."""
        contig = self.contigs[chrom]
        lines = -(-contig.length // contig.line_bases)
        bytes_of_end = contig.line_bytes - contig.line_bases
        end = contig.offset + contig.length + (lines - 1) * bytes_of_end
        digest = hashlib.sha512()
        for start in range(contig.offset, end, _CHUNK):
            part = self.raw[start : min(start + _CHUNK, end)].tobytes()
            digest.update(part.translate(None, b"\r\n").upper())
        return "SQ." + base64.urlsafe_b64encode(digest.digest()[:24]).decode()

    def digests_of(self, build: str) -> dict[str, str]:
        """Return the digests of a build's chromosomes that the file has, by canonical name.

        Raises:
            BuildMismatchError: one is not as long as the build's, or none is there.
        """
        lengths = BUILDS[build].lengths
        here = [chrom for chrom in lengths if chrom in self.contigs]
        wrong = [chrom for chrom in here if self.contigs[chrom].length != lengths[chrom]]
        if wrong or not here:
            raise BuildMismatchError(
                f"contig {wrong[0]} is not as long as {build}'s"
                if wrong
                else f"holds no chromosome of {build}",
                where=str(self.path),
                hint="name the build's own FASTA",
            )
        return {chrom: self.digest(chrom) for chrom in here}

    def require(self, digests: Mapping[str, str], contigs: Iterable[str]) -> None:
        """Check the sequences of contigs that are to be read against the network's.

        Raises:
            ParameterMismatchError: one of them is another sequence, or absent here.
        """
        for chrom in contigs:
            if chrom in digests and (
                chrom not in self.contigs or self.digest(chrom) != digests[chrom]
            ):
                raise ParameterMismatchError(
                    f"contig {chrom} is not the sequence that this network's left-align uses "
                    f"({digests[chrom]})",
                    where=str(self.path),
                    hint="--reference names the FASTA that the network was founded with",
                )

    def sequence(self, chrom: str, start: int, end: int) -> str:
        """Return bases ``start`` to ``end``, 1-based and closed, as they are compared with REF."""
        contig = self.contigs[chrom]
        return bytes(
            base_at(self.raw, BASES, _place(contig), p) for p in range(start, end + 1)
        ).decode()

    def place(self, chrom: str) -> npt.NDArray[np.int64]:
        """Return a contig's length, offset, and line geometry, for kernels."""
        return _place(self.contigs[chrom])


def _place(contig: Contig) -> npt.NDArray[np.int64]:
    return np.array([contig.length, contig.offset, contig.line_bases, contig.line_bytes], np.int64)


@numba.njit(cache=True, nogil=True)
def base_at(
    raw: npt.NDArray[np.uint8],
    bases: npt.NDArray[np.uint8],
    place: npt.NDArray[np.int64],
    pos: int,
) -> int:
    """Return the base at a 1-based position, 0 outside the contig."""
    if pos < 1 or pos > place[0]:
        return 0
    line, within = divmod(pos - 1, place[2])
    return int(bases[raw[place[1] + line * place[3] + within]])


def _read_index(path: Path, size: int) -> list[tuple[str, Contig]]:
    found = []
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError("the FASTA index cannot be read", where=str(path)) from error
    for number, line in enumerate(lines, start=1):
        match = _INDEX_LINE.fullmatch(line)
        cells = [int(cell) for cell in match.groups()[1:]] if match else []
        if match is None or not 0 < cells[2] < cells[3] or cells[1] + cells[0] > size:
            raise UnreadableFileError(
                "is no FASTA index, or not of this file",
                where=f"{path}:{number}",
                hint="make it again: `samtools faidx`",
            )
        found.append((match[1], Contig(*cells)))
    return found


def _find_contigs(raw: npt.NDArray[np.uint8], path: Path) -> list[tuple[str, Contig]]:
    starts = _headers(raw)
    found = []
    for at, end in zip(starts, [*starts[1:], len(raw)], strict=True):
        body = _line_end(raw, at) + 1
        name = raw[at + 1 : body].tobytes().decode("utf-8", errors="replace").split()
        length, line_bases, line_bytes = _measure(raw, body, end)
        if length < 0 or not name:
            raise UnreadableFileError(
                "a sequence has no name, or lines of different lengths",
                where=f"{path}:byte {at}",
                hint="write it again with lines of one length: `samtools faidx` says where",
            )
        found.append((name[0], Contig(length, body, max(line_bases, 1), max(line_bytes, 2))))
    return found


@numba.njit(cache=True, nogil=True)
def _headers(raw: npt.NDArray[np.uint8]) -> list[int]:
    found = [0]
    for i in range(1, len(raw)):
        if raw[i] == 62 and raw[i - 1] == 10:
            found.append(i)  # noqa: PERF401 - numba
    return found


@numba.njit(cache=True, nogil=True)
def _line_end(raw: npt.NDArray[np.uint8], at: int) -> int:
    while at < len(raw) and raw[at] != 10:
        at += 1
    return at


@numba.njit(cache=True, nogil=True)
def _measure(raw: npt.NDArray[np.uint8], start: int, end: int) -> tuple[int, int, int]:
    """Return bases in all, bases and bytes of a line; -1 bases where lines differ."""
    length, line_bases, line_bytes = 0, 0, 0
    at, short = start, False
    while at < end:
        stop = _line_end(raw, at)
        bases = stop - at
        if bases > 0 and raw[stop - 1] == 13:
            bases -= 1
        if bases > 0 and (short or (line_bases > 0 and bases > line_bases)):
            return -1, 0, 0
        if line_bases == 0:
            line_bases, line_bytes = bases, stop + 1 - at
        short = short or bases < line_bases
        length += bases
        at = stop + 1
    return length, line_bases, line_bytes


@dataclass(frozen=True, slots=True)
class Reference:
    """The FASTA that a site has for its network's ``left-align``.

    Attributes:
        path: the file; None where the network needs none.
        digests: the network's, by contig.
    """

    path: Path | None
    digests: Mapping[str, str]

    def open(self, contigs: Iterable[str]) -> Fasta:
        """Open the file, with those of its contigs that the network names.

        Args:
            contigs: those that will be read; their digests are checked.

        Raises:
            UsageError: there is no file.
            UnreadableFileError: it cannot be taken.
            ParameterMismatchError: a sequence is not the network's.
        """
        if self.path is None:
            raise UsageError("left-align needs a reference", hint="--reference FASTA")
        fasta = Fasta.open(self.path)
        fasta.require(self.digests, contigs)
        known = {name: place for name, place in fasta.contigs.items() if name in self.digests}
        return replace(fasta, contigs=known)


NO_REFERENCE: Final = Reference(None, {})
"""Where nothing is aligned to the left."""
