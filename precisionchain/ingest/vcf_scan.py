"""One pass over the bytes of a VCF or BCF file, before anything is made of its genotypes.

htslib takes a record with too many columns without a word, lets a position overflow, and cyvcf2
crashes the interpreter on an empty line; neither knows line numbers. This pass counts and checks
every record for itself, finds where each contig lies, and digests the records. A single text file
is staged in this very pass (`vcf_stream`); of several files, and of BCF, it is the first of two.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from precisionchain.errors import UnreadableFileError, VcfFormatError
from precisionchain.ingest.bcf_index import index_bcf
from precisionchain.ingest.bcf_names import BcfNames
from precisionchain.ingest.vcf_bytes import (
    MAX_HEADER,
    Decompressed,
    compression_of,
    decompressed,
)
from precisionchain.ingest.vcf_file import Scan, Segment, Tally, VcfFile
from precisionchain.ingest.vcf_header import parse_header
from precisionchain.ingest.vcf_lint import header_warnings
from precisionchain.ingest.vcf_stream import TextStream
from precisionchain.schemas.genome import MAX_POSITION

__all__ = ["Scan", "Segment", "is_bcf", "scan"]

_BCF_MAGIC: Final = b"BCF\x02"


def scan(path: Path) -> Scan:
    """Read a file to its end and check everything that does not need its genotypes.

    Raises:
        UnreadableFileError: absent, truncated, damaged, or compressed in a way VCF never is.
        VcfFormatError: not VCF or BCF; a ragged line, a malformed position, records out of order.
        SampleMapError: a sample has two columns.
    """
    if is_bcf(path):
        return _scan_bcf(path)
    stream = TextStream(path)
    for _ in stream.lines():
        pass
    return stream.scan()


def is_bcf(path: Path) -> bool:
    """Return whether a file is BCF, by its first bytes.

    Raises:
        UnreadableFileError: it cannot be read, or is compressed in a way VCF never is.
    """
    head = bytearray(len(_BCF_MAGIC))
    with Decompressed(path, compression_of(path)) as stream:
        size = stream.read_into(memoryview(head))
    return head[:size] == _BCF_MAGIC


def _scan_bcf(path: Path) -> Scan:
    compression = compression_of(path)
    chunks = decompressed(path, compression)

    def fill(held: bytes, needed: int) -> bytes:
        while len(held) < needed:
            chunk = next(chunks, b"")
            if not chunk:
                raise UnreadableFileError("is a truncated BCF file", where=str(path))
            held += chunk
        return held

    head = fill(b"", 9)
    (length,) = struct.unpack("<I", head[5:9])
    if length > MAX_HEADER:
        raise VcfFormatError("the BCF header is not one", where=str(path))
    head = fill(head, 9 + length)
    raw, rest = head[9 : 9 + length], head[9 + length :]
    header = parse_header(raw, str(path))
    names = BcfNames.of(header, str(path)).contigs
    digest = hashlib.sha256("\n".join((*header.dictionary, *header.samples, "")).encode())
    tally = Tally(VcfFile(path, "bcf", compression, header))
    size = 9 + length
    last = -1
    while True:
        contigs, positions = (np.empty(len(rest) // 32 + 1, dtype=np.int64) for _ in range(2))
        n, used = index_bcf(np.frombuffer(rest, dtype=np.uint8), contigs, positions)
        if n < 0:
            raise VcfFormatError("is not BCF from here on", where=f"{path}:byte {size + used}")
        if n:
            last = _add_bcf(tally, names, last, contigs[:n], positions[:n])
        digest.update(rest[:used])
        size += used
        chunk = next(chunks, b"")
        rest = rest[used:] + chunk
        if not chunk:
            break
    if rest:
        raise UnreadableFileError("is a truncated BCF file", where=str(path))
    segments = tuple(tally.segments)
    return Scan(
        path,
        "bcf",
        compression,
        header,
        tally.records,
        size,
        digest.hexdigest(),
        segments,
        tuple(header_warnings(header.meta)),
    )


def _add_bcf(
    tally: Tally,
    names: Mapping[int, str],
    last: int,
    contigs: npt.NDArray[np.int64],
    positions: npt.NDArray[np.int64],
) -> int:
    """Add the records of one block; return the contig of the last one."""
    starts = []
    if len(beyond := np.flatnonzero(positions > MAX_POSITION)):
        tally.refuse(tally.records + int(beyond[0]), "POS is not an integer from 0 to 2147483647")
    changed = np.concatenate(([last], contigs[:-1])) != contigs
    for i in np.flatnonzero(changed).tolist():
        if int(contigs[i]) not in names:
            tally.refuse(tally.records + i, "CHROM is not in the header")
        starts.append((i, names[int(contigs[i])]))
    tally.add(starts, positions, len(positions))
    return int(contigs[-1])
