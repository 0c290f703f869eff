"""Names of streams, families, buckets and keys: each name has its parser beside its formatter.

A *family* is what an item belongs to by meaning (``CONDITION_436670``); a *stream* is a family's
numbered bucket on a ledger (``CONDITION_436670_1``). Bucket 1 is created by ``init``; a later
bucket is opened by one site and carries that site's code (``CONDITION_436670_2k3``), so that two
sites can never create the same name. Names are at most 32 bytes and compared case-folded on every
ledger, because MultiChain does both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from precisionchain.errors import UsageError

MAX_NAME_BYTES = 32
MAX_KEY_BYTES = 256

NETWORK = "NETWORK"
"""Parameters, members, users, grants: single items."""
BATCH = "BATCH"
"""Manifests and their leaf pages."""
ACCESS = "ACCESS"
"""Access entries: single items."""
CHECKPOINT = "CHECKPOINT"
"""Members' checkpoints of the whole ledger: single items."""
MAP_CONCEPT = "MAP_CONCEPT"
"""Concept -> Domain-view family."""
MAP_PERSON = "MAP_PERSON"
"""Person -> Person-view family."""
MAP_VARIANT = "MAP_VARIANT"
"""Tile -> Variant-view family."""
MAP_SAMPLE = "MAP_SAMPLE"
"""Person with genotypes -> Variant-Person-view families; the batch's person set."""
VOCABULARY = "VOCAB"
"""Vocabulary slices."""
SITE_TABLES = "CLIN_SITE"
"""OMOP tables without a person."""
QUALITY = "QUALITY"
"""What rules of data quality found in an OMOP export."""
ASSAY = "ASSAY"
"""What a genetic batch assayed."""
EXCLUDED = "EXCLUDED"
"""Variants and persons that quality control marked or removed."""
SEQUENCING = "SEQ"
"""Sequencing metadata of persons, by the source of their genotypes."""
SITE_LISTS = "SITES"
"""The lists of sites that the network extracts from every batch of genotypes."""
KINSHIP_SITES = "KINSHIP"
PC_SITES = "PCSITES"
"""Calls at the sites of these lists."""
SUPERSEDED = "SUPERSEDED"
"""Places of rows that no longer hold."""
WITHDRAWN = "WITHDRAWN"
"""Withdrawn persons and batches."""

FREQUENCIES = "MAF_"
"""How families of MAF checkpoints begin."""

_STREAM = re.compile(
    r"(?P<family>[A-Z][A-Z0-9_]*?)_(?P<bucket>[1-9][0-9]{0,2})(?P<code>[a-z][a-z0-9])?"
)
_CODE = re.compile(r"[a-z][a-z0-9]")


@dataclass(frozen=True, slots=True)
class StreamName:
    """A family's bucket. ``code`` is the opening site's two characters, empty for bucket 1."""

    family: str
    bucket: int = 1
    code: str = ""

    def __post_init__(self) -> None:
        if self.bucket < 1 or (self.bucket == 1) != (self.code == ""):
            raise UsageError(f"bucket {self.bucket} with site code {self.code!r} is no stream")
        if self.code and not _CODE.fullmatch(self.code):
            raise UsageError(f"site code {self.code!r} is not a letter and a letter or digit")
        if len(str(self).encode()) > MAX_NAME_BYTES:
            raise UsageError(f"stream name {self} is longer than {MAX_NAME_BYTES} bytes")

    def __str__(self) -> str:
        return f"{self.family}_{self.bucket}{self.code}"

    @classmethod
    def parse(cls, text: str) -> StreamName:
        """Return the parts of a stream name.

        Raises:
            UsageError: the text is no stream name.
        """
        return _parsed(text)


@lru_cache(maxsize=16_384)
def _parsed(text: str) -> StreamName:
    found = _STREAM.fullmatch(text)
    if not found:
        raise UsageError(f"{text!r} is not a stream name")
    return StreamName(found["family"], int(found["bucket"]), found["code"] or "")


def family_of(stream: str) -> str:
    """Return the family a stream is a bucket of."""
    return StreamName.parse(stream).family


def domain_family(prefix: str, ancestor: int) -> str:
    """Return the Domain-view family of an OMOP domain prefix and an ancestor concept (0 = none)."""
    return f"{prefix}_{ancestor}"


def person_family(person_bucket: int) -> str:
    """Return the Person-view family of a person bucket, counted from 1."""
    return f"CLIN_PERSON_{person_bucket}"


VARIANT_PERSON_BUCKETS = 20
"""How many families of the Variant-Person view a chromosome has."""


def variant_person_family(chrom: str, person_bucket: int) -> str:
    """Return the Variant-Person-view family of a chromosome and a bucket counted from 1."""
    return f"VARP_{contig_token(chrom)}_{person_bucket}"


def ranged_family(prefix: str, chrom: str, start: int, end: int) -> str:
    """Return a family named by genomic range, ``VAR_9_16777217_33554432`` (1-based, inclusive)."""
    return f"{prefix}_{contig_token(chrom)}_{start}_{end}"


def frequency_family(low: float, high: float) -> str:
    """Return the MAF-checkpoint family of a frequency range, in parts per 10,000."""
    return f"{FREQUENCIES}{round(low * 10_000)}_{round(high * 10_000)}"


def contig_token(chrom: str) -> str:
    """Return a contig as it stands in a stream name: upper-case letters and digits only.

    Raises:
        UsageError: the contig has no place in a stream name (decoys, patches); such contigs share
            the family of contig ``UN``.
    """
    return chrom if re.fullmatch(r"[0-9]{1,2}|X|Y|MT", chrom) else "UN"


# ------------------------------------------------------------------------------------------- keys


def concept_key(concept_id: int) -> str:
    """Return the key of an OMOP concept."""
    return f"c:{concept_id}"


def year_key(year: int) -> str:
    """Return the key of a calendar year."""
    return f"y:{year}"


def person_key(person_id: int) -> str:
    """Return the key of a person; the site is the item's publisher."""
    return f"p:{person_id}"


def tile_key(chrom: str, tile: int) -> str:
    """Return the key of a 16,384-bp tile, counted from 0."""
    return f"t:{chrom}:{tile}"


def batch_key(batch_id: bytes) -> str:
    """Return the key every batch item carries, so that readers find a batch's items."""
    return f"b:{batch_id.hex()[:32]}"


def column_key(folded: str) -> str:
    """Return the key of a column of sequencing metadata, by what its name folds to."""
    return f"m:{folded}"


def table_key(table: str) -> str:
    """Return the key of an OMOP table."""
    return f"d:{table}"
