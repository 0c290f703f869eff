"""The records of a BCF file, read from its bytes (VCF 4.3, section 6.3).

htslib trusts lengths and types that a record states: on damaged files it reads beyond a record,
crashes the interpreter or ends the process. Here every value must lie in its part of the record,
both parts must be used up, and whatever points to the header must find something there; else the
file is refused with the record's number. A Python step per value, none per call.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from precisionchain.errors import VcfFormatError
from precisionchain.ingest.bcf_names import BcfNames
from precisionchain.ingest.vcf_bytes import decompressed
from precisionchain.ingest.vcf_record import Info, Record
from precisionchain.ingest.vcf_scan import Scan

Int16 = npt.NDArray[np.int16]
Bools = npt.NDArray[np.bool_]

_NONE, _INT8, _INT16, _INT32, _FLOAT, _CHAR = 0, 1, 2, 3, 5, 7
_WIDTHS: Final = {_NONE: 0, _INT8: 1, _INT16: 2, _INT32: 4, _FLOAT: 4, _CHAR: 1}
_LETTERS: Final = {_INT8: "b", _INT16: "h", _INT32: "i"}
_FIXED: Final = struct.Struct("<iiifII")
_MISSING_ALLELE, _NO_ALLELE = -1, -2
"""In `BcfRecord.genotypes`: a missing allele, and none, where others have more."""

_MISSING_FLOAT: Final = 0x7F800001
_END_OF_FLOATS: Final = 0x7F800002


class _MalformedError(Exception):
    """What is wrong with a record, in words."""


@dataclass(frozen=True, slots=True)
class BcfRecord:
    """One record.

    Attributes:
        record: all but the calls.
        genotypes: int16 [samples, width + 1]: numbers of alleles, -1 missing, -2 none; the last
            column is 1 where the call is phased. None where FORMAT has no GT.
        phase_sets: bool [samples], whose call names a phase set; None where FORMAT has no PS.
        fields: FORMAT key -> type, elements a sample, and bytes.
    """

    record: Record
    genotypes: Int16 | None
    phase_sets: Bools | None
    fields: Mapping[str, tuple[int, int, bytes]]

    def numbers(self, key: str) -> npt.NDArray[np.float64] | None:
        """Return the first number of a field, NaN where there is none; None without the field."""
        if key not in self.fields:
            return None
        kind, size, content = self.fields[key]
        if kind in (_NONE, _CHAR) or not size:
            samples = 0 if self.genotypes is None else len(self.genotypes)
            return np.full(samples, np.nan)
        if kind == _FLOAT:
            # What stands for a missing float is one of the NaNs.
            return np.frombuffer(content, "<f4")[::size].astype(np.float64)
        stored = np.frombuffer(content, f"<{_LETTERS[kind]}")[::size].astype(np.float64)
        return np.where(stored > -(1 << (8 * _WIDTHS[kind] - 1)) + 7, stored, np.nan)


def read_bcf(scan: Scan) -> Iterator[BcfRecord]:
    """Yield a file's records, as many as the scan counted.

    Raises:
        UnreadableFileError: the file cannot be read.
        VcfFormatError: a record is malformed.
    """
    names = BcfNames.of(scan.header, str(scan.path))
    samples = len(scan.header.samples)
    segments = iter(scan.segments)
    chrom, last = "", 0
    for number, (shared, single) in enumerate(_parts(scan)):
        if number == last:
            segment = next(segments)
            chrom, last = segment.chrom, segment.first_record + segment.records
        try:
            yield _read(number, chrom, shared, single, names, samples)
        except _MalformedError as error:
            raise VcfFormatError(
                f"the record is not BCF: {error}",
                where=scan.where(number),
                hint="write the file again from its source",
            ) from error


def _parts(scan: Scan) -> Iterator[tuple[bytes, bytes]]:
    """Yield what all samples share of each record, and what is of each; lengths were checked."""
    chunks = decompressed(scan.path, scan.compression)
    held = b"".join(_until(b"", 9, chunks))
    at = 9 + int.from_bytes(held[5:9], "little")
    held = b"".join(_until(held, at, chunks))
    for _ in range(scan.records):
        if len(held) < at + 8:
            held, at = b"".join(_until(held[at:], 8, chunks)), 0
        shared, single = struct.unpack_from("<II", held, at)
        size = 8 + shared + single
        if len(held) < at + size:
            held, at = b"".join(_until(held[at:], size, chunks)), 0
        yield held[at + 8 : at + 8 + shared], held[at + 8 + shared : at + size]
        at += size


def _until(held: bytes, size: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what is held, and chunks until there are so many bytes."""
    yield held
    size -= len(held)
    while size > 0 and (chunk := next(chunks, b"")):
        yield chunk
        size -= len(chunk)


# --------------------------------------------------------------------------------- typed values


class _Part:
    """One part of a record, read from its start."""

    __slots__ = ("at", "content")

    def __init__(self, content: bytes, at: int = 0) -> None:
        self.content, self.at = content, at

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        at = self.at
        self.at = at + size
        if self.at > len(self.content):
            raise _MalformedError("a value goes beyond its end")
        return self.content[at : self.at]

    def descriptor(self) -> tuple[int, int]:
        """Return a type and a number of elements."""
        byte = self.take(1)[0]
        kind, size = byte & 15, byte >> 4
        if kind not in _WIDTHS:
            raise _MalformedError("a value of unknown type")
        if size == 15:
            size = self.integer()
            if size < 0:
                raise _MalformedError("a value of negative length")
        return kind, size

    def integer(self) -> int:
        """Return one integer."""
        kind, size = self.descriptor()
        if size != 1 or kind not in _LETTERS:
            raise _MalformedError("no integer where one must be")
        return int.from_bytes(self.take(_WIDTHS[kind]), "little", signed=True)

    def value(self) -> tuple[int, bytes]:
        """Return a type and the bytes of its elements."""
        kind, size = self.descriptor()
        return kind, self.take(size * _WIDTHS[kind])

    def text(self) -> str:
        """Return a string."""
        kind, written = self.value()
        if kind not in (_NONE, _CHAR):
            raise _MalformedError("no string where one must be")
        try:
            return written.rstrip(b"\0").decode("utf-8")
        except UnicodeDecodeError:
            raise _MalformedError("a string is not UTF-8") from None

    def finish(self) -> None:
        """Require that everything was read."""
        if self.at != len(self.content):
            raise _MalformedError("is longer than its values")


def _name(names: BcfNames, number: int) -> str:
    if number not in names.strings:
        raise _MalformedError("a number that the header does not explain")
    return names.strings[number]


def _read(  # noqa: PLR0917 - a record in its file
    number: int, chrom: str, shared: bytes, single: bytes, names: BcfNames, samples: int
) -> BcfRecord:
    _, pos, _, _, alleles_infos, formats_samples = _FIXED.unpack_from(shared)
    if pos < -1:
        raise _MalformedError("POS is not an integer from 0 to 2147483647")
    if formats_samples & 0xFFFFFF != samples:
        raise _MalformedError(
            f"has calls of {formats_samples & 0xFFFFFF} samples, not of {samples}"
        )
    part = _Part(shared, _FIXED.size)
    ident = part.text()
    # A string without a letter is a missing one (section 6.3.3).
    alleles = [part.text() or "." for _ in range(alleles_infos >> 16)]
    if not alleles:
        raise _MalformedError("has no REF")
    filters = tuple(_name(names, one) for one in _integers(*part.value()))
    infos: dict[str, tuple[int, bytes]] = {}
    for _ in range(alleles_infos & 0xFFFF):
        key = _name(names, part.integer())
        infos.setdefault(key, part.value())
    part.finish()
    fields = _formats(_Part(single), formats_samples >> 24, names, samples)
    record = Record(
        number=number,
        chrom=chrom,
        pos=pos + 1,
        ref=alleles[0],
        alts=() if alleles[1:] == ["."] else tuple(alleles[1:]),
        id=None if ident in ("", ".") else ident,
        filters=filters,
        format=tuple(fields),
        info=_look_up(infos),
    )
    genotypes = _genotypes(*fields["GT"], samples) if "GT" in fields else None
    phase_sets = _named(*fields["PS"], samples) if "PS" in fields else None
    return BcfRecord(record, genotypes, phase_sets, fields)


def _formats(
    part: _Part, keys: int, names: BcfNames, samples: int
) -> dict[str, tuple[int, int, bytes]]:
    """Return type, elements a sample, and bytes of each key of FORMAT."""
    fields: dict[str, tuple[int, int, bytes]] = {}
    for _ in range(keys):
        key = _name(names, part.integer())
        kind, size = part.descriptor()
        if key in fields:
            raise _MalformedError("FORMAT has a key twice")
        fields[key] = kind, size, part.take(size * _WIDTHS[kind] * samples)
    part.finish()
    return fields


def _integers(kind: int, content: bytes) -> list[int]:
    if kind == _NONE:
        return []
    if kind not in _LETTERS:
        raise _MalformedError("no integers where some must be")
    return [int(value) for value in np.frombuffer(content, f"<{_LETTERS[kind]}")]


def _genotypes(kind: int, size: int, content: bytes, samples: int) -> Int16:
    """Return GT as `BcfRecord` has it: an allele is stored as (number + 1) << 1 | phased."""
    found = np.full((samples, max(size, 1) + 1), _NO_ALLELE, dtype=np.int16)
    found[:, 0], found[:, -1] = _MISSING_ALLELE, 0
    if kind == _NONE or size == 0:
        return found
    if kind not in _LETTERS:
        raise _MalformedError("GT is not of integers")
    stored = np.frombuffer(content, f"<{_LETTERS[kind]}").reshape(samples, size).astype(np.int32)
    missing = -(1 << (8 * _WIDTHS[kind] - 1))
    ended = stored == missing + 1
    if (ended[:, :-1] & ~ended[:, 1:]).any():
        raise _MalformedError("GT goes on after its end")
    if (stored[~ended & (stored != missing)] < 0).any():
        raise _MalformedError("GT has a negative allele")
    alleles = np.where(stored == missing, _MISSING_ALLELE, (stored >> 1) - 1)
    alleles[ended] = _NO_ALLELE
    # No record has so many alleles: whatever is cut here is refused by its number.
    found[:, :-1] = np.minimum(alleles, np.iinfo(np.int16).max)
    found[ended[:, 0], 0] = _MISSING_ALLELE
    if size > 1:
        found[:, -1] = ~ended[:, 1] & (stored[:, 1] != missing) & (stored[:, 1] & 1 == 1)
    return found


def _named(kind: int, size: int, content: bytes, samples: int) -> Bools:
    """Return which samples' values are not all missing: integers, a float, or text."""
    if kind == _NONE or size == 0:
        return np.zeros(samples, dtype=np.bool_)
    if kind == _CHAR:
        cells = np.frombuffer(content, dtype=f"S{size}")
        named: Bools = (cells != b".") & (cells != b"")
        return named
    letter = "u4" if kind == _FLOAT else _LETTERS[kind]
    stored = np.frombuffer(content, f"<{letter}").reshape(samples, size).astype(np.int64)
    if kind == _FLOAT:
        told = (stored != _MISSING_FLOAT) & (stored != _END_OF_FLOATS)
    else:
        # Eight values from the smallest on are reserved (section 6.3.3).
        told = stored > -(1 << (8 * _WIDTHS[kind] - 1)) + 7
    return np.asarray(told.any(axis=1), dtype=np.bool_)


def _look_up(infos: Mapping[str, tuple[int, bytes]]) -> Info:
    """Return a look-up of INFO values, as text."""

    def look_up(key: str) -> str | Literal[True] | None:
        if key not in infos:
            return None
        kind, content = infos[key]
        if kind == _CHAR:
            return content.rstrip(b"\0").decode("utf-8", "replace")
        if not content:
            return True
        values: list[Any] = _floats(content) if kind == _FLOAT else _values(kind, content)
        return ",".join("." if value is None else str(value) for value in values)

    return look_up


def _values(kind: int, content: bytes) -> list[int | None]:
    missing = -(1 << (8 * _WIDTHS[kind] - 1))
    stored = _integers(kind, content)
    return [None if value == missing else value for value in stored if value != missing + 1]


def _floats(content: bytes) -> list[float | None]:
    bits = np.frombuffer(content, "<u4")
    kept = bits[bits != _END_OF_FLOATS]
    values = kept.view("<f4").tolist()
    return [
        None if bit == _MISSING_FLOAT else value
        for bit, value in zip(kept.tolist(), values, strict=True)
    ]
