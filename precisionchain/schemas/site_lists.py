"""Lists of sites that a network extracts from every batch: for kinship, and for loadings of PCs.

The network's parameters name a list by its digest; the list itself is on the ledger as a batch of
kind ``site-list``, which anybody may check against that. What was found of a list in a batch of
genotypes is in items of kind ``site-calls``. Normative text: ``docs/reference/site-lists.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from precisionchain.errors import CodecError
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.items import Payload
from precisionchain.schemas.said_tables import read_table, table_payload
from precisionchain.schemas.streams import KINSHIP_SITES, PC_SITES

KINSHIP: Final = "kinship"
PC: Final = "pc"

FAMILIES: Final[Mapping[str, str]] = {KINSHIP: KINSHIP_SITES, PC: PC_SITES}
"""The family of what was found of each list."""

LIST_KIND: Final = "site-list"
"""Kind of the batches that hold a list, and of their items."""
CALLS_KIND: Final = "site-calls"
PERSONS_KIND: Final = "site-persons"

SOURCE_PREFIX: Final = "sites:"
"""Before the name of a list: the source of its batch."""

AS_LISTED: Final = "as_listed"
SWAPPED: Final = "swapped"
FLIPPED: Final = "flipped"
FLIPPED_SWAPPED: Final = "flipped_swapped"
FOUND: Final = (AS_LISTED, SWAPPED, FLIPPED, FLIPPED_SWAPPED)
"""How a record's REF and ALT are the list's two alleles; flipped: on the other strand."""

AMBIGUOUS: Final = "ambiguous"
OTHER_ALLELES: Final = "other_alleles"
NOT_SNV: Final = "not_snv"
REFUSED: Final = (AMBIGUOUS, OTHER_ALLELES, NOT_SNV)
"""Why a site whose position a file lists is refused."""

MISSING: Final = 3
"""The dosage of a person who is not called, or carries another allele than the list's."""

LIST_ROWS: Final = 4_096
"""Sites in an item of a list."""

LEVEL: Final = 6

Bytes = npt.NDArray[np.uint8]


def _schema(**types: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in types.items()])


SITES: Final = _schema(
    chrom=pa.string(),
    pos=pa.int32(),
    id=pa.string(),
    first=pa.string(),
    second=pa.string(),
    af=pa.float64(),
    weights=pa.list_(pa.float64()),
)
"""A site: its two alleles, of which copies of the second are counted; the second's frequency and
its loadings where the list has them."""

CALLS: Final = _schema(site=pa.int32(), fate=pa.string(), dosage=pa.binary(), haploid=pa.binary())
"""``site`` is a row of the list, from 0. ``dosage`` has two bits a person from the low end of each
byte, null where the site is refused; ``haploid`` a bit a person, null where nobody is."""

PERSONS: Final = _schema(index=pa.int32(), person_id=pa.int64(), sex=pa.uint8())

_OF_KIND: Final = {LIST_KIND: SITES, CALLS_KIND: CALLS, PERSONS_KIND: PERSONS}


def list_digest(sites: pa.Table, *, oriented: bool) -> str:
    """Return what a list is known by in a network's parameters.

    Args:
        sites: `SITES`.
        oriented: whether the first allele is the reference's, as in a VCF file.
    """
    columns = [sites[name].to_pylist() for name in SITES.names]
    text = b"precisionchain site list 1\0" + canonical_json([oriented, columns])
    return hashlib.sha256(text).hexdigest()


def list_payloads(sites: pa.Table, name: str, digest: str, *, oriented: bool) -> Iterator[Payload]:
    """Yield the payloads of a list."""
    said = {"list": name, "digest": digest, "oriented": oriented}
    for start in range(0, len(sites), LIST_ROWS):
        yield site_payload(LIST_KIND, sites.slice(start, LIST_ROWS), said)


def site_payload(kind: str, rows: pa.Table, said: Mapping[str, Any]) -> Payload:
    """Return a payload of one of the three kinds, with what holds for all its rows."""
    return table_payload(kind, rows.cast(_OF_KIND[kind]), LEVEL, said)


def read_sites(payload: Payload) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows of a payload of one of the three kinds, and what it says of them.

    Raises:
        CodecError: it is none.
    """
    rows, said = read_table(payload, _OF_KIND, "sites are")
    if said.get("list") not in FAMILIES:
        raise CodecError("sites that do not say which list they are of")
    if payload.kind != LIST_KIND and not _counts(said):
        raise CodecError("calls at sites that do not say of how many")
    if rows.schema != _OF_KIND[payload.kind]:
        raise CodecError("sites with other columns than the format has")
    return rows, said


def _counts(said: Mapping[str, Any]) -> bool:
    """Return whether a batch says how many sites are listed, and how many have each fate."""
    fates = said.get("fates")
    if not isinstance(fates, dict) or fates.keys() != {*FOUND, *REFUSED, "absent"}:
        return False
    return all(type(n) is int for n in (said.get("listed"), *fates.values()))


def pack_dosages(dosage: Bytes) -> list[bytes]:
    """Return rows of dosages (0 to 3) in two bits each, counted from the low end of each byte."""
    rows, persons = dosage.shape
    width = -(-persons // 4)
    padded = np.zeros((rows, width * 4), np.uint8)
    padded[:, :persons] = dosage
    fours = padded.reshape(rows, width, 4) << np.array([0, 2, 4, 6], np.uint8)
    packed = np.bitwise_or.reduce(fours, axis=2)
    return [row.tobytes() for row in packed]


def unpack_dosages(packed: Sequence[bytes], persons: int) -> Bytes:
    """Return the rows that `pack_dosages` packed.

    Raises:
        CodecError: a row is of another length.
    """
    width = -(-persons // 4)
    if any(len(row) != width for row in packed):
        raise CodecError("calls of another number of persons than their batch has")
    whole = np.frombuffer(b"".join(packed), np.uint8).reshape(len(packed), width)
    fours = (whole[:, :, None] >> np.array([0, 2, 4, 6], np.uint8)) & np.uint8(3)
    return fours.reshape(len(packed), width * 4)[:, :persons].astype(np.uint8)


def pack_bits(bits: npt.NDArray[np.bool_]) -> list[bytes | None]:
    """Return rows of bits, counted from the low end of each byte; None where none is set."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    return [row.tobytes() if row.any() else None for row in packed]


def unpack_bits(packed: Sequence[bytes | None], persons: int) -> npt.NDArray[np.bool_]:
    """Return the rows that `pack_bits` packed.

    Raises:
        CodecError: a row is of another length.
    """
    width = -(-persons // 8)
    if any(row is not None and len(row) != width for row in packed):
        raise CodecError("calls of another number of persons than their batch has")
    none = bytes(width)
    joined = b"".join(none if row is None else row for row in packed)
    whole = np.frombuffer(joined, np.uint8).reshape(len(packed), width)
    return np.unpackbits(whole, axis=1, count=persons, bitorder="little").astype(np.bool_)
