"""Variant blocks: the calls of a run of alleles and a group of persons as one payload body.

A body is an Arrow IPC stream of one table, a row a split ALT allele: the site's columns, how the
allele's calls are told by another's (`near_calls`), and what is left of them, in pieces as long as
the table. docs/reference/genotype-blocks.md is the definition of the bytes; `person_blocks` turns
blocks into the view by person.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from precisionchain.errors import CodecError
from precisionchain.schemas.arrow_values import column_of, one_chunk, values_of
from precisionchain.schemas.calls import (
    MISSING,
    Calls,
    PackedCalls,
    Rows,
    pack_calls,
    unpack_calls,
)
from precisionchain.schemas.columns import from_body, restore, shrink, to_body
from precisionchain.schemas.counts import AlleleCounts, packed_counts
from precisionchain.schemas.near_calls import (
    EVERYBODY,
    Links,
    NearCalls,
    from_gaps,
    near_calls,
    packed_calls,
    to_gaps,
)

__all__ = [
    "MISSING",
    "Calls",
    "PackedCalls",
    "VariantBlock",
    "block_rows",
    "pack_calls",
    "pack_variant_block",
    "unpack_calls",
    "unpack_variant_block",
]

FORMAT: Final = 1
"""The version of a block's bytes; a reader refuses any other."""

LEVEL: Final = 3
"""The zstd level of blocks (measured: docs/reference/genotype-blocks.md)."""

MAX_PERSONS: Final = 8192
"""The most persons in a variant block: 2,048 bytes a row."""

MAX_ALLELES: Final = 8192
"""The most alleles in a variant block."""

MAX_CALL_BYTES: Final = 3 << 19
"""The most bytes of two-bit calls in a block, 1.5 MiB: an item holds 2 MiB, and calls that no
compressor can shrink must fit with their sites."""

METADATA_KEY: Final = b"block"
_RELATIVE: Final = {"record_pos": "pos", "record_end": "pos"}
_BITMAPS: Final = ("missing", "phased", "haploid")
_OURS: Final = ("back", "size", "places", "long", *_BITMAPS)
"""Columns of a block that are not the sites'."""


@dataclass(frozen=True)
class VariantBlock:
    """A variant block as read: neither sites nor calls are restored before they are asked for.

    Attributes:
        chrom: canonical chromosome of all alleles.
        person_offset: index of the first person in the batch's person list.
        person_set: hex digest that names the batch's person list.
        near: the calls as they are stored (arrays are views into the body).
        table: the table of the body, as `shrink` left it.
    """

    chrom: str
    person_offset: int
    person_set: str
    near: NearCalls
    table: pa.Table

    @property
    def n_alleles(self) -> int:
        """Number of rows."""
        return self.near.n_alleles

    @property
    def n_persons(self) -> int:
        """Number of persons."""
        return self.near.n_persons

    @cached_property
    def sites(self) -> pa.Table:
        """A row an allele, with the columns `pack_variant_block` was given.

        Raises:
            CodecError: they cannot be restored.
        """
        return restore(self.table, lambda name: name not in _OURS).replace_schema_metadata(None)

    @cached_property
    def packed(self) -> PackedCalls:
        """The calls, packed, every row as it is."""
        return packed_calls(self.near)

    def calls(self, rows: Rows | None = None) -> Calls:
        """Return the calls of some rows (all by default) without unpacking the others."""
        return unpack_calls(self.packed, rows)

    def counts(self) -> AlleleCounts:
        """Return the allele counts of every row without unpacking."""
        return packed_counts(self.packed)


def block_rows(n_persons: int) -> int:
    """Return how many alleles of so many persons a block may hold at most."""
    return max(1, min(MAX_ALLELES, MAX_CALL_BYTES // -(-n_persons // 4)))


def pack_variant_block(
    sites: pa.Table,
    calls: Calls | PackedCalls | NearCalls,
    *,
    chrom: str,
    person_set: str,
    person_offset: int = 0,
    level: int = LEVEL,
) -> bytes:
    """Return the body of a variant block.

    Args:
        sites: a row an allele: pos, ref, alt and any of id, record, alt_index, n_alts,
            record_pos, record_end, filter. Types are kept.
        calls: the calls of these alleles, in the same order.
        chrom: canonical chromosome of all alleles.
        person_set: hex digest that names the batch's person list.
        person_offset: index of the first person of ``calls`` in that list.
        level: zstd level.

    Raises:
        ValueError: no allele, no person, another number of sites than calls, a column named as
            one of ours, or calls that contradict themselves (see `pack_calls`).
    """
    near = _near(calls)
    if not near.n_alleles or near.n_alleles != sites.num_rows:
        raise ValueError("a block needs alleles, and as many sites as rows of calls")
    if taken := [name for name in _OURS if has(sites, name)]:
        raise ValueError(f"a column of sites cannot be named {taken[0]}")
    table = sites.append_column("back", column_of(near.links.back))
    table = table.append_column("size", column_of(near.links.size))
    columns = _call_columns(near)
    for name, bits in columns.items():
        table = table.append_column(name, to_binary(bits))
    said: dict[str, Any] = {
        "format": FORMAT,
        "view": "variant",
        "chrom": chrom,
        "n_persons": near.n_persons,
        "person_offset": person_offset,
        "person_set": person_set,
        "phase": near.phase,
        "haploid": "none",
    }
    if near.haploid is not None:
        said["haploid"] = "mixed" if "haploid" in columns else "persons"
        if said["haploid"] == "persons":
            said["haploid_persons"] = near.haploid.tobytes().hex()
    return to_body(with_said(shrink(table, relative=_RELATIVE), said), level)


def unpack_variant_block(body: bytes) -> VariantBlock:
    """Return the variant block of a body.

    Raises:
        CodecError: the bytes are damaged, of another format, or not a variant block.
    """
    whole, said = read_said(body, "variant")
    table = restore(whole, _OURS.__contains__)
    try:
        n = int(said["n_persons"])
        if n < 1 or not table.num_rows:
            raise ValueError("an empty block")
        phase = said["phase"]
        if phase not in ("none", "all", "mixed") or (phase == "mixed") != has(table, "phased"):
            raise ValueError("phase mode")
        bits = {name: from_binary(table, name, -(-n // 8)) for name in _BITMAPS}
        haploid = bits["haploid"]
        if (said["haploid"] == "mixed") != (haploid is not None):
            raise ValueError("call columns")
        if said["haploid"] == "persons":
            shared = np.frombuffer(bytes.fromhex(said["haploid_persons"]), np.uint8)
            haploid = shared.reshape(1, -(-n // 8))
        links = _links(table)
        gaps = out_of_pieces(table, "places", 2 * int(links.listed.sum()))
        places = from_gaps(gaps, links.listed, 2 * n)
        width = -(-n // 4)
        long = out_of_pieces(table, "long", int(links.long.sum()) * width)
        near = NearCalls(
            n,
            phase,
            links,
            places,
            long.reshape(-1, width),
            bits["missing"],
            bits["phased"],
            haploid,
        )
        return VariantBlock(
            chrom=text_of(said, "chrom"),
            person_offset=int(said["person_offset"]),
            person_set=text_of(said, "person_set"),
            near=near,
            table=whole,
        )
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise CodecError("a payload is not a variant block of ours") from error


def _near(calls: Calls | PackedCalls | NearCalls) -> NearCalls:
    if isinstance(calls, NearCalls):
        return calls
    return near_calls(pack_calls(calls) if isinstance(calls, Calls) else calls)


def _call_columns(near: NearCalls) -> dict[str, npt.NDArray[np.uint8]]:
    """Return what is stored of calls beside their links: only what there is."""
    columns = {}
    gaps = to_gaps(near.places, near.links.listed)
    for name, content in (("places", gaps), ("long", near.long)):
        if content.size:
            columns[name] = in_pieces(content, near.n_alleles)
    for name in _BITMAPS:
        bits = getattr(near, name)
        if bits is not None and bits.shape[0] == near.n_alleles:
            columns[name] = bits
    return columns


def _links(table: pa.Table) -> Links:
    """Return how the rows of a block are told.

    Raises:
        ValueError: a column is of another type, or a row is told by one that is not there.
    """
    found = []
    for name in ("back", "size"):
        column = one_chunk(table.column(name))
        if column.type != pa.uint8() or column.null_count:
            raise ValueError(f"column {name}")
        found.append(values_of(column))
    links = Links(*found)
    before = np.where(links.back == EVERYBODY, 0, links.back)
    if bool((before > np.arange(len(before))).any()):
        raise ValueError("a row before the first")
    return links


def in_pieces(content: npt.NDArray[np.uint8], rows: int) -> npt.NDArray[np.uint8]:
    """Return bytes cut into as many pieces, filled up with zeros: a column for what is no row's."""
    flat = content.reshape(-1)
    pieces = np.zeros((rows, -(-len(flat) // rows)), np.uint8)
    pieces.reshape(-1)[: len(flat)] = flat
    return pieces


def out_of_pieces(table: pa.Table, name: str, size: int) -> npt.NDArray[np.uint8]:
    """Return the bytes, so many, of a column made by `in_pieces`; a column of none is absent.

    Raises:
        ValueError: the column is not one of so many.
    """
    pieces = from_binary(table, name, -(-size // table.num_rows)) if size else None
    if (pieces is not None) != has(table, name):
        raise ValueError(f"column {name} is of another size")
    return np.zeros(0, np.uint8) if pieces is None else pieces.reshape(-1)[:size]


def to_binary(bits: npt.NDArray[np.uint8]) -> pa.FixedSizeBinaryArray:
    """Return the rows of a byte matrix as a fixed-size binary column."""
    buffer = pa.py_buffer(cast("Any", np.ascontiguousarray(bits)))
    column = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(bits.shape[1]), bits.shape[0], [None, buffer]
    )
    return cast("pa.FixedSizeBinaryArray", column)


def from_binary(table: pa.Table, name: str, width: int) -> npt.NDArray[np.uint8] | None:
    """Return a fixed-size binary column as a byte matrix (a view), None if there is none.

    Raises:
        ValueError: the column is of another type or holds nulls.
    """
    if not has(table, name):
        return None
    column: Any = one_chunk(table.column(name))
    if column.type != pa.binary(width) or column.null_count:
        raise ValueError(f"column {name} is not of {width} bytes a row")
    rows = len(column)
    flat = np.frombuffer(column.buffers()[1], np.uint8, rows * width, column.offset * width)
    return flat.reshape(rows, width)


def has(table: pa.Table, name: str) -> bool:
    """Return whether a table has a column."""
    return name in table.column_names


def text_of(said: dict[str, Any], name: str) -> str:
    """Return a text of a block's metadata.

    Raises:
        TypeError: it is something else.
    """
    value = said[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is not a text")
    return value


def with_said(table: pa.Table, said: dict[str, Any]) -> pa.Table:
    """Return a table whose metadata also says what kind of block it is, as JSON."""
    text = json.dumps(said, separators=(",", ":"), sort_keys=True)
    metadata = {**(table.schema.metadata or {}), METADATA_KEY: text.encode()}
    return table.replace_schema_metadata(cast("Any", metadata))


def read_said(body: bytes, view: str) -> tuple[pa.Table, dict[str, Any]]:
    """Return the table of a block, still to be restored, and what its metadata says.

    Raises:
        CodecError: the bytes are damaged, of another format, or of another view.
    """
    table = from_body(body)
    try:
        said = json.loads((table.schema.metadata or {})[METADATA_KEY])
        form, found = said["format"], said["view"]
    except (LookupError, RecursionError, TypeError, ValueError) as error:
        raise CodecError("a payload is not a genotype block") from error
    if form != FORMAT:
        raise CodecError(
            f"a genotype block is of format {form!r}, and this version reads {FORMAT}",
            hint="read it with a newer precisionchain",
        )
    if found != view:
        raise CodecError(f"a genotype block is the view by {found!r}, not by {view}")
    return table, said
