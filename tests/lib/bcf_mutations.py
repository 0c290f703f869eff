"""Ways to spoil a BCF file: its records' bytes and lengths, its header, its compression."""

from __future__ import annotations

import struct
from random import Random

from tests.lib.vcf_builder import bgzf
from tests.lib.vcf_mutations import HEADER_LINES, spoil_bytes, spoil_packed

_LENGTHS = (0, 1, 2, 3, 7, 15, 24, 127, 128, 255, 256, 65_535, 2**31 - 1, 2**31, 2**32 - 1)
_TYPES = tuple(
    bytes((size << 4 | kind,)) for size in (0, 1, 2, 3, 7, 14, 15) for kind in (0, 1, 2, 3, 5, 7, 9)
)


def spoilt(content: bytes, rng: Random) -> bytes:
    """Spoil a decompressed BCF file in one to a few ways, and compress it."""
    (length,) = struct.unpack("<I", content[5:9])
    header, records = content[9 : 9 + length], _cut(content, 9 + length)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        kind = rng.random()
        if kind < 0.8 and records:
            at = rng.randrange(len(records))
            records[at] = _spoilt_record(records[at], rng)
        elif kind < 0.9 and records:
            _spoil_order(records, rng)
        else:
            header = _spoilt_header(header, rng)
    said = rng.choice(_LENGTHS) if rng.random() < 0.01 else len(header)
    whole = content[:5] + struct.pack("<I", said) + header + b"".join(records)
    if rng.random() < 0.1:
        whole = spoil_bytes(whole, rng)
    kind = rng.random()
    if kind < 0.02:
        return whole
    packed = bgzf(whole, block=rng.choice((65_280, 512, 100)))
    return spoil_packed(packed, rng) if kind < 0.08 else packed


def _cut(content: bytes, at: int) -> list[bytes]:
    records = []
    while at < len(content):
        shared, single = struct.unpack("<II", content[at : at + 8])
        records.append(content[at : at + 8 + shared + single])
        at += 8 + shared + single
    return records


def _spoilt_record(record: bytes, rng: Random) -> bytes:
    """Change a byte, a type, one of the fixed numbers, or the record's length with its bytes."""
    if len(record) < 34:
        return record
    at = rng.randrange(len(record))
    kind = rng.randrange(7)
    if kind == 0:
        return record[:at] + bytes((record[at] ^ 1 << rng.randrange(8),)) + record[at + 1 :]
    if kind == 1:
        return record[:at] + bytes((rng.choice((0, 1, 127, 128, 129, 255)),)) + record[at + 1 :]
    if kind == 2:
        return record[:at] + rng.choice(_TYPES) + record[at + 1 :]
    if kind == 3:  # contig, position, length of REF, quality, numbers of alleles and samples
        at = 8 + 4 * rng.randrange(6)
        return record[:at] + struct.pack("<I", rng.choice(_LENGTHS)) + record[at + 4 :]
    if kind == 4:  # one byte of the numbers of alleles, of infos, of samples, of formats
        at = 24 + rng.randrange(8)
        return record[:at] + bytes((rng.choice((0, 1, 2, 3, 4, 5, 255)),)) + record[at + 1 :]
    if kind == 5:  # the two lengths, the record's bytes as they are
        at = 4 * rng.randrange(2)
        (length,) = struct.unpack("<I", record[at : at + 4])
        length = rng.choice((length + 1, max(0, length - 1), rng.choice(_LENGTHS)))
        return record[:at] + struct.pack("<I", length) + record[at + 4 :]
    return _resized(record, rng)


def _resized(record: bytes, rng: Random) -> bytes:
    """Drop or insert some bytes of either part, and say the new lengths."""
    (shared,) = struct.unpack("<I", record[:4])
    parts = [record[8 : 8 + shared], record[8 + shared :]]
    which = rng.randrange(2)
    part = parts[which]
    at = rng.randrange(len(part) + 1)
    if rng.random() < 0.5:
        parts[which] = part[:at] + part[at + rng.choice((1, 2, 8)) :]
    else:
        parts[which] = part[:at] + rng.randbytes(rng.choice((1, 2, 8))) + part[at:]
    return struct.pack("<II", len(parts[0]), len(parts[1])) + b"".join(parts)


def _spoil_order(records: list[bytes], rng: Random) -> None:
    at, other = rng.randrange(len(records)), rng.randrange(len(records))
    kind = rng.randrange(3)
    if kind == 0:
        del records[at]
    elif kind == 1:
        records.insert(at, records[other])
    else:
        records[at], records[other] = records[other], records[at]


def _spoilt_header(header: bytes, rng: Random) -> bytes:
    lines = header.rstrip(b"\0").split(b"\n")
    at = rng.randrange(len(lines))
    kind = rng.randrange(4)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, rng.choice(HEADER_LINES))
    elif kind == 2:
        return spoil_bytes(header, rng)
    else:
        lines[at] = lines[at].replace(
            b"IDX=", rng.choice((b"IDX=1", b"IDX=-", b"IDX=99999", b"X="))
        )
    return b"\n".join(lines) + rng.choice((b"\0", b"\0", b""))
