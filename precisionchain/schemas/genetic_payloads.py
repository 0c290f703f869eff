"""Payloads of the Genetic level that are tables: counts, assay, mappings, MAF checkpoints.

Kinds and columns are those of ``docs/reference/streams.md`` section 5; genotype blocks are in
`genotypes` and `person_blocks`. Some tables carry what holds for all their rows as JSON in the
schema's metadata: an assay its build, a checkpoint the batches it was folded from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from precisionchain.errors import CodecError
from precisionchain.schemas.counts import COUNT_COLUMNS
from precisionchain.schemas.genome import bin_of, bin_span
from precisionchain.schemas.items import Payload
from precisionchain.schemas.said_tables import read_table, table_payload
from precisionchain.schemas.streams import ranged_family
from precisionchain.schemas.structural import STRUCTURAL, STRUCTURAL_COUNTER

VARIANT_BLOCK: Final = "variant-block"
PERSON_BLOCK: Final = "person-block"

VARIANTS: Final = "VAR"
COUNTER: Final = "CNT"
"""What the families of a bin begin with: its variant blocks, and the counts of their alleles."""

_COUNTERS: Final = {VARIANTS: COUNTER, STRUCTURAL: STRUCTURAL_COUNTER}

NO_ALLELE: Final = "."
"""ALT of a record without one: its position is listed, but it is no allele."""

ALLELE_KEY: Final = ("chrom", "pos", "ref", "alt")
"""What two alleles of one build differ in."""

PUBLISHED_COUNTS: Final = tuple(name for name in COUNT_COLUMNS if name != "ac")
"""AC is n_het + 2 n_hom_alt + n_hemi, so it is not published beside them."""


def _schema(**types: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in types.items()])


_ALLELE: Final[dict[str, pa.DataType]] = {
    "chrom": pa.string(),
    "pos": pa.int32(),
    "ref": pa.string(),
    "alt": pa.string(),
}
_COUNTED: Final[dict[str, pa.DataType]] = dict.fromkeys(PUBLISHED_COUNTS, pa.int32())

COUNTS: Final = _schema(**_ALLELE, record=pa.int32(), **_COUNTED)
ASSAY: Final = _schema(chrom=pa.string(), start=pa.int32(), end=pa.int32())
MAP_VARIANT: Final = _schema(chrom=pa.string(), tile=pa.int32(), family=pa.string())
MAP_SAMPLE: Final = _schema(
    index=pa.int32(), person_id=pa.int64(), sex=pa.uint8(), family_bucket=pa.int32()
)
CHECKPOINT: Final = _schema(**_ALLELE, ac=pa.int64(), an=pa.int64())

TABLE_KINDS: Final[Mapping[str, pa.Schema]] = {
    "counts": COUNTS,
    "assay": ASSAY,
    "map-variant": MAP_VARIANT,
    "map-sample": MAP_SAMPLE,
    "maf-checkpoint": CHECKPOINT,
}
"""Kind of payload -> its columns."""

LEVEL: Final = 6
"""The zstd level."""

_RELATIVE: Final = {"end": "start"}
"""A column stored as its difference from another."""


@dataclass(frozen=True, slots=True)
class Assay:
    """What a genetic batch assayed.

    Attributes:
        build: canonical reference build.
        kind: ``sites`` (the listed positions alone), ``wgs`` or ``bed`` (a position of the extent
            without a record means 0/0).
        classes: classes of variants called inside the extent.
    """

    build: str
    kind: str
    classes: tuple[str, ...]


def variant_family(chrom: str, pos: int) -> str:
    """Return the family of the variant blocks of the bin that a position lies in."""
    return ranged_family(VARIANTS, chrom, *bin_span(bin_of(pos)))


def counter_family(family: str) -> str:
    """Return the family of the counts of a bin, from that of its variant blocks."""
    prefix, _, place = family.partition("_")
    return f"{_COUNTERS.get(prefix, COUNTER)}_{place}"


def counted_family(family: str) -> str:
    """Return the family of the variant blocks that a family of counts is of."""
    prefix, _, place = family.partition("_")
    return f"{STRUCTURAL if prefix == STRUCTURAL_COUNTER else VARIANTS}_{place}"


def is_counter_family(family: str) -> bool:
    """Return whether a family holds counts."""
    return family.partition("_")[0] in _COUNTERS.values()


def counts_payload(rows: pa.Table) -> Payload:
    """Return allele counts (`COUNTS`) as a payload."""
    return _payload("counts", rows)


def assay_payload(assay: Assay, extent: pa.Table) -> Payload:
    """Return an assay and its extent (`ASSAY`) as a payload."""
    said = {"build": assay.build, "kind": assay.kind, "classes": list(assay.classes)}
    return _payload("assay", extent, said)


def read_assay(payload: Payload) -> tuple[Assay, pa.Table]:
    """Return the assay and extent of a payload.

    Raises:
        CodecError: it is no assay.
    """
    rows, said = _read(payload, "assay")
    try:
        classes = tuple(str(name) for name in said["classes"])
        return Assay(str(said["build"]), str(said["kind"]), classes), rows
    except (LookupError, TypeError) as error:
        raise CodecError("an assay that does not say what was assayed") from error


COMPLETING: Final = 0
"""The ordinal of the MAF checkpoint that is sent last: where it stands, all of them do."""


def checkpoint_payload(rows: pa.Table, batches: list[str]) -> Payload:
    """Return a MAF checkpoint (`CHECKPOINT`) as a payload, naming the batches it was folded from.

    Args:
        rows: the alleles of one range of frequencies.
        batches: ids in hex.
    """
    return _payload("maf-checkpoint", rows, {"batches": batches})


def read_checkpoint(payload: Payload) -> tuple[pa.Table, tuple[str, ...]]:
    """Return the rows and the batches (ids in hex) of a MAF checkpoint.

    Raises:
        CodecError: it is no checkpoint.
    """
    rows, said = _read(payload, "maf-checkpoint")
    try:
        return rows, tuple(str(batch) for batch in said["batches"])
    except (LookupError, TypeError) as error:
        raise CodecError("a MAF checkpoint that does not name its batches") from error


def mapping_payload(kind: str, rows: pa.Table) -> Payload:
    """Return a mapping (`MAP_VARIANT` or `MAP_SAMPLE`) as a payload."""
    return _payload(kind, rows)


def genetic_rows(payload: Payload) -> pa.Table:
    """Return the rows of a payload of one of `TABLE_KINDS`, with exactly its columns.

    Raises:
        CodecError: the kind is another, or the columns are.
    """
    return _read(payload, payload.kind)[0]


def _payload(kind: str, rows: pa.Table, said: Mapping[str, Any] | None = None) -> Payload:
    schema = TABLE_KINDS[kind]
    return table_payload(kind, rows.select(schema.names).cast(schema), LEVEL, said, _RELATIVE)


def _read(payload: Payload, kind: str) -> tuple[pa.Table, dict[str, Any]]:
    rows, said = read_table(payload, {kind} & TABLE_KINDS.keys(), f"a {kind} is")
    if rows.schema != TABLE_KINDS[kind]:
        raise CodecError(f"a {kind} payload with other columns than the format has")
    return rows, said
