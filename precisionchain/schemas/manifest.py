"""The manifest that seals a batch, and the identifiers a batch is known by."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from precisionchain.errors import CodecError
from precisionchain.schemas.canonical import canonical_json, parse_canonical
from precisionchain.schemas.merkle import HASH_BYTES

NO_PARENT = bytes(32)
PAGE_LEAVES = 32_768
"""Leaves a page holds: 1 MiB, half of MultiChain's largest item."""


class Manifest(BaseModel):
    """What a site signs to seal a batch. Members: ``docs/reference/streams.md`` section 4."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    kind: Literal["omop", "vcf", "sequencing", "site-list", "correction"]
    batch: str
    parent: str
    source: str
    source_id: str
    items: int
    root: str
    families: tuple[tuple[str, int], ...]
    pages: tuple[str, ...]
    inputs: tuple[Mapping[str, Any], ...] = ()
    tables: Mapping[str, Mapping[str, int]] = {}
    changes: Mapping[str, Mapping[str, int]] = {}
    supersedes: tuple[str, ...] = ()
    withheld: Mapping[str, int] = {}
    refused_columns: Mapping[str, tuple[str, ...]] = {}
    settings: Mapping[str, Any] = {}
    vocabulary_release: str | None = None
    assay: Mapping[str, Any] | None = None
    build_proof: str | None = None
    statistics: Mapping[str, Any] = {}
    persons: int = 0

    def body(self) -> bytes:
        """Return the canonical JSON that is signed and stored."""
        return canonical_json(self.model_dump(mode="json"))

    @classmethod
    def from_body(cls, body: bytes) -> Manifest:
        """Return the manifest a body holds.

        Raises:
            CodecError: the body is no manifest of this format.
        """
        try:
            return cls.model_validate(parse_canonical(body))
        except ValidationError as error:
            raise CodecError("a manifest that is not of format 1", where="stream BATCH") from error

    @property
    def batch_id(self) -> bytes:
        """The batch's 32-byte id."""
        return bytes.fromhex(self.batch)

    @property
    def parent_id(self) -> bytes:
        """The 32-byte id of the source's head this batch follows."""
        return bytes.fromhex(self.parent)

    def family_of_ordinal(self) -> Iterator[str]:
        """Yield each ordinal's family, from ordinal 0."""
        for family, count in self.families:
            for _ in range(count):
                yield family


def batch_id_of(
    network: bytes, publisher: bytes, source: str, source_id: bytes, parent: bytes
) -> bytes:
    """Return the 32-byte id of a batch: the same source after another parent is another batch."""
    name = source.encode()
    return sha256(
        b"precisionchain batch 1\x00"
        + network
        + publisher
        + struct.pack("<I", len(name))
        + name
        + source_id
        + parent
    ).digest()


def leaf_pages(leaves: Sequence[bytes]) -> list[bytes]:
    """Return the bodies of the leaf pages of ordered 32-byte leaves."""
    return [
        b"".join(leaves[start : start + PAGE_LEAVES])
        for start in range(0, len(leaves), PAGE_LEAVES)
    ]


def leaves_of_pages(pages: Sequence[bytes]) -> list[bytes]:
    """Return the leaves that pages hold, in order; the inverse of ``leaf_pages``.

    Raises:
        CodecError: a page's length is no multiple of 32.
    """
    joined = b"".join(pages)
    if len(joined) % HASH_BYTES:
        raise CodecError("a leaf page whose length is no multiple of 32", where="stream BATCH")
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
