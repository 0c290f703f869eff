"""The sites of a run as Arrow columns, made of places in the text of its lines."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from precisionchain.ingest.vcf_run import RUN_SITES
from precisionchain.ingest.vcf_sites_kernel import gather
from precisionchain.ingest.vcf_stream import Lines

_DOT, _SEMICOLON = ord("."), ord(";")


def no_sites() -> pa.Table:
    """Return the sites of a run without alleles."""
    return RUN_SITES.empty_table()


def sites_of(
    lines: Lines,
    places: npt.NDArray[np.int32],
    line: npt.NDArray[np.int64],
    n_alts: npt.NDArray[np.int32],
    extra: bytes | bytearray,
) -> pa.Table:
    """Return `RUN_SITES`, a row an allele.

    Args:
        lines: the records.
        places: int32 [rows, N_PLACES], see `vcf_sites_kernel`; places beyond the lines' text are
            in ``extra``.
        line: int64 [rows], the line of each row.
        n_alts: int32 [lines].
        extra: text of alleles that are not as written.
    """
    text, fields = lines.text, lines.fields[line]
    whole = np.concatenate((text, np.frombuffer(extra, np.uint8))) if extra else text
    positions = lines.positions[line]
    filter_size = fields[:, 7] - 1 - fields[:, 6]
    last = text[fields[:, 7] - 2]
    filter_size = filter_size - ((filter_size > 0) & (last == _SEMICOLON))
    columns = {
        "pos": pa.array(places[:, 0]),
        "ref": _strings(whole, places[:, 1], places[:, 2]),
        "alt": _strings(whole, places[:, 3], places[:, 4]),
        "id": _strings(text, fields[:, 2], fields[:, 3] - 1 - fields[:, 2], nulls=True),
        "record": pa.array((lines.first_record + line).astype(np.int32)),
        "alt_index": pa.array(places[:, 5].astype(np.uint8)),
        "n_alts": pa.array(n_alts[line].astype(np.uint8)),
        "record_pos": pa.array(positions.astype(np.int32)),
        "record_end": pa.array((positions + fields[:, 4] - 2 - fields[:, 3]).astype(np.int32)),
        "filter": _strings(text, fields[:, 6], filter_size, nulls=True),
    }
    return pa.table([columns[name] for name in RUN_SITES.names], schema=RUN_SITES)


def _strings(
    text: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int32],
    sizes: npt.NDArray[np.int32],
    *,
    nulls: bool = False,
) -> pa.StringArray:
    """Return pieces of a text; null, if so asked, for nothing and for ``.``."""
    starts, sizes = np.ascontiguousarray(starts), np.ascontiguousarray(sizes)
    valid = None
    if nulls and len(starts):
        absent = (sizes == 0) | ((sizes == 1) & (text[starts] == _DOT))
        if absent.any():
            sizes = np.where(absent, 0, sizes).astype(np.int32)
            valid = np.packbits(~absent, bitorder="little")
    ends, held = gather(text, starts, sizes)
    buffers: list[Any] = [
        None if x is None else pa.py_buffer(cast("Any", x)) for x in (valid, ends, held)
    ]
    return cast("pa.StringArray", pa.Array.from_buffers(pa.string(), len(starts), buffers))


def compact(sites: pa.Table) -> pa.Table:
    """Return the same rows in memory of their own.

    A slice keeps what the whole has, a bitmap of nulls or bytes past its end, and Arrow writes
    some of it: bytes would depend on how a reader cut its runs.
    """
    return sites.take(np.arange(len(sites)))
