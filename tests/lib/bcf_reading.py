"""BCF read byte by byte as VCF 4.3, section 6.3 has it, into the columns its text would have.

Slow and strict: a length that points outside of its record, a type nobody knows, or a number that
points to nothing raises `MalformedError`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_INTEGERS = {1: ("b", 1), 2: ("h", 2), 3: ("i", 4)}
_WIDTHS = {0: 0, 1: 1, 2: 2, 3: 4, 5: 4, 7: 1}
"""Bytes of an element of each type: none, integers of 8, 16 and 32 bits, a float, a character."""

Fields = tuple[bytes, ...]


class MalformedError(Exception):
    """These bytes are not BCF."""


@dataclass(frozen=True)
class Names:
    """What the numbers in records point to: contigs, and FILTERs and keys."""

    contigs: dict[int, bytes]
    strings: dict[int, bytes]

    @classmethod
    def of(cls, header: bytes) -> Names:
        """Number a header's lines, by IDX where they have one."""
        contigs: dict[int, bytes] = {}
        strings = {0: b"PASS"}
        for line in header.split(b"\n"):
            found = re.match(rb"##(contig|FILTER|INFO|FORMAT)=<(?:.*?,)?ID=([^,>]*)", line)
            if not found:
                continue
            into = contigs if found[1] == b"contig" else strings
            index = re.search(rb"[,<]IDX=([^,>]*)", line)
            if index and not index[1].isdigit():
                raise MalformedError("an IDX that is no number")
            if found[2] not in into.values():
                into[int(index[1]) if index else len(into)] = found[2]
        return cls(contigs, strings)


@dataclass
class _Bytes:
    """A part of a record that is read from its start."""

    content: bytes
    at: int = 0

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.content):
            raise MalformedError("a value goes beyond its record")
        self.at += size
        return self.content[self.at - size : self.at]

    def kind(self) -> tuple[int, int]:
        """Read a type and how many elements there are of it."""
        (byte,) = self.take(1)
        size = byte >> 4
        if size == 15:
            size = self.integer()
        if byte & 15 not in _WIDTHS or size < 0:
            raise MalformedError("a type nobody knows")
        return byte & 15, size

    def integer(self) -> int:
        kind, size = self.kind()
        if size != 1 or kind not in _INTEGERS:
            raise MalformedError("not one integer")
        letter, width = _INTEGERS[kind]
        return int(struct.unpack(f"<{letter}", self.take(width))[0])

    def value(self) -> tuple[int, bytes]:
        """Read a typed value as it stands."""
        kind, size = self.kind()
        return kind, self.take(size * _WIDTHS[kind])

    def text(self) -> bytes:
        kind, found = self.value()
        if kind not in (0, 7):
            raise MalformedError("not a string")
        return found.rstrip(b"\0")


@dataclass(frozen=True)
class Whole:
    """A whole file: the text of its header, and what its records would be as columns of text; in
    place of a malformed one stands why it is.
    """

    header: bytes
    records: tuple[Fields | str, ...]


def read(content: bytes) -> Whole:
    """Read a decompressed file.

    Raises:
        MalformedError: it is not BCF, or a record's length points beyond its end.
    """
    if content[:3] != b"BCF" or len(content) < 9:
        raise MalformedError("not BCF")
    (length,) = struct.unpack("<I", content[5:9])
    if 9 + length > len(content):
        raise MalformedError("the header is cut off")
    header = content[9 : 9 + length].rstrip(b"\0")
    columns = header.rstrip(b"\r\n").rpartition(b"\n")[2].split(b"\t")
    names = Names.of(header)
    found: list[Fields | str] = []
    for shared, single in _cut(content, 9 + length):
        try:
            found.append(_fields(shared, single, names, len(columns) - 9))
        except (MalformedError, struct.error, KeyError) as error:
            found.append(f"{type(error).__name__}: {error}")
    return Whole(header, tuple(found))


def _cut(content: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield what all samples share of a record, and what is of each."""
    while at < len(content):
        if at + 8 > len(content):
            raise MalformedError("a record is cut off")
        shared, single = struct.unpack("<II", content[at : at + 8])
        at += 8
        if at + shared + single > len(content) or shared < 24:
            raise MalformedError("a record is cut off")
        yield content[at : at + shared], content[at + shared : at + shared + single]
        at += shared + single


def _fields(shared: bytes, single: bytes, names: Names, samples: int) -> Fields:
    contig, pos, _, _, alleles, formats = struct.unpack("<iiifII", shared[:24])
    if formats & 0xFFFFFF != samples:
        raise MalformedError("another number of samples")
    rest = _Bytes(shared, 24)
    ident = rest.text() or b"."
    written = [rest.text() for _ in range(alleles >> 16)]
    if not written:
        raise MalformedError("no REF")
    kind, numbers = rest.value()
    filters = [names.strings[number] for number in _integers(kind, numbers)]
    for _ in range(alleles & 0xFFFF):
        _ = names.strings[rest.integer()]
        rest.value()
    if rest.at != len(shared):
        raise MalformedError("more than the record says")
    calls = _calls(_Bytes(single), formats >> 24, names, samples)
    alts = b",".join(written[1:]) or b"."
    head = (names.contigs[contig], b"%d" % (pos + 1), ident, written[0], alts, b".")
    tail = (b";".join(filters) or b".", b".")
    return (*head, *tail, *((b"GT", *calls) if calls else (b"DP", *[b"."] * samples)))


def _calls(part: _Bytes, keys: int, names: Names, samples: int) -> list[bytes]:
    """Return the text of each sample's GT; nothing where there is none."""
    calls: list[bytes] = []
    for _ in range(keys):
        key = names.strings[part.integer()]
        kind, size = part.kind()
        cells = [part.take(size * _WIDTHS[kind]) for _ in range(samples)]
        if key == b"GT":
            if calls:
                raise MalformedError("GT twice")
            calls = [_call(_integers(kind, cell, ended=True)) for cell in cells]
    if part.at != len(part.content):
        raise MalformedError("more than the record says")
    return calls


def _integers(kind: int, content: bytes, *, ended: bool = False) -> list[int]:
    """Return integers; where a vector may end early, those before its end (section 6.3.3)."""
    if not content and kind in _WIDTHS:
        return []
    if kind not in _INTEGERS:
        raise MalformedError("not integers")
    letter, width = _INTEGERS[kind]
    numbers = list(struct.unpack(f"<{len(content) // width}{letter}", content))
    end = -(1 << (8 * width - 1)) + 1
    if ended and end in numbers:
        if set(numbers[numbers.index(end) :]) != {end}:
            raise MalformedError("values after the end of a vector")
        numbers = numbers[: numbers.index(end)]
    if ended:  # the missing integer is a missing allele, too
        numbers = [0 if number == end - 1 else number for number in numbers]
    return numbers


def _call(numbers: list[int]) -> bytes:
    """Return a call's text: (allele + 1) << 1 | phased, 0 for a missing allele."""
    if any(number < 0 for number in numbers):
        raise MalformedError("a negative allele")
    text = b""
    for at, number in enumerate(numbers):
        text += (b"|" if number & 1 else b"/") if at else b""
        text += b"." if number < 2 else b"%d" % ((number >> 1) - 1)
    return text or b"."
