"""Left alignment: every allele as far to the left as the reference sequence allows.

As ``bcftools norm -f FASTA`` does it after splitting: shared bases go from the end, an allele that
becomes empty takes the base before it, and when neither can be done any more, shared bases go from
the start and one stays (Tan, Abecasis and Kang 2015, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from precisionchain.ingest.fasta import BASES, Fasta, base_at
from precisionchain.ingest.vcf_alleles import Refusal
from precisionchain.ingest.vcf_run import CallRun, ReadTally, Refused, take_calls

LEFT_ALIGN_WINDOW: Final = 10_000
"""Bases an allele may move to the left; alleles are held back so long that none comes too late."""

_MISMATCH, _TOO_FAR, _ABSENT = 1, 2, 3

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Texts:
    """A column of strings: text *i* is ``raw[edges[i]:edges[i + 1]]``."""

    raw: Bytes
    edges: Integers

    @classmethod
    def of(cls, column: pa.ChunkedArray[Any]) -> _Texts:
        array: Any = pa.concat_arrays(column.chunks)
        _, edges, raw = array.buffers()
        if edges is None or raw is None or not len(array):
            return cls(np.zeros(0, np.uint8), np.zeros(len(array) + 1, np.int64))
        found = np.frombuffer(edges, np.int32)[array.offset : array.offset + len(array) + 1]
        return cls(np.frombuffer(raw, np.uint8), found.astype(np.int64))

    def array(self) -> pa.Array[Any]:
        """Return the column again."""
        edges = pa.py_buffer(self.edges.astype(np.int32).tobytes())
        raw = pa.py_buffer(self.raw.tobytes())
        return pa.Array.from_buffers(pa.string(), len(self.edges) - 1, [None, edges, raw])


def left_aligned(runs: Iterator[CallRun], fasta: Fasta, tally: ReadTally) -> Iterator[CallRun]:
    """Yield runs with every allele aligned to the left.

    A record is refused whose REF is not the reference's (``reference_mismatch``), whose contig the
    reference lacks (``no_reference``), or an allele of which would move further than
    ``LEFT_ALIGN_WINDOW`` (``left_align_window``).

    Args:
        runs: of one file, alleles split but not trimmed: REF is as written, in upper case.
        fasta: the network's reference.
        tally: gets what is refused and how many alleles moved.
    """
    for run in runs:
        yield _aligned(run, fasta, tally) if len(run.sites) else run


def _aligned(run: CallRun, fasta: Fasta, tally: ReadTally) -> CallRun:
    sites = run.sites
    n = len(sites)
    if run.chrom not in fasta.contigs:
        verdicts = np.full(n, _ABSENT, np.uint8)
        pos, refs, alts = sites["pos"].to_numpy(), None, None
    else:
        pos, refs, alts, verdicts = _align(run, fasta, tally)
    record = sites["record"].to_numpy()
    if verdicts.any():
        bad = np.unique(record[verdicts > 0])
        _refuse(run, verdicts, tally)
        keep = np.flatnonzero(~np.isin(record, bad))
    else:
        keep = np.arange(n)
    if refs is None or alts is None:
        return replace(run, sites=sites.slice(0, 0), calls=take_calls(run.calls, slice(0, 0)))
    for name, column in (
        ("pos", pa.array(pos, pa.int32())),
        ("ref", refs.array()),
        ("alt", alts.array()),
    ):
        sites = sites.set_column(
            sites.schema.get_field_index(name), sites.schema.field(name), column
        )
    if len(keep) == n:
        return replace(run, sites=sites)
    return replace(run, sites=sites.take(keep), calls=take_calls(run.calls, keep))


def _align(
    run: CallRun, fasta: Fasta, tally: ReadTally
) -> tuple[npt.NDArray[np.int32], _Texts, _Texts, Bytes]:
    refs, alts = _Texts.of(run.sites["ref"]), _Texts.of(run.sites["alt"])
    n = len(run.sites)
    pos = run.sites["pos"].to_numpy().astype(np.int64)
    verdicts = np.zeros(n, np.uint8)
    room = len(refs.raw) + len(alts.raw) + 2 * n
    out_ref, out_alt = (np.empty(room, np.uint8) for _ in range(2))
    ref_edges, alt_edges = (np.zeros(n + 1, np.int64) for _ in range(2))
    counts = np.zeros(2, np.int64)
    align_alleles(
        fasta.raw, BASES, fasta.place(run.chrom),
        pos, refs.raw, refs.edges, alts.raw, alts.edges,
        out_ref, ref_edges, out_alt, alt_edges,
        LEFT_ALIGN_WINDOW, verdicts, counts,
    )  # fmt: skip
    tally.normalised["trimmed_alleles"] += int(counts[0])
    tally.normalised["left_aligned_alleles"] += int(counts[1])
    return (
        pos.astype(np.int32),
        _Texts(out_ref[: ref_edges[-1]], ref_edges),
        _Texts(out_alt[: alt_edges[-1]], alt_edges),
        verdicts,
    )


_RULES: Final = {
    _MISMATCH: Refusal.REFERENCE_MISMATCH,
    _TOO_FAR: Refusal.LEFT_ALIGN_WINDOW,
    _ABSENT: Refusal.NO_REFERENCE,
}


def _refuse(run: CallRun, verdicts: Bytes, tally: ReadTally) -> None:
    """Note each record of which an allele cannot be aligned, once."""
    rows = np.flatnonzero(verdicts)
    named = run.sites.select(["record", "record_pos", "record_end"]).take(rows).to_pydict()
    done = set()
    for row, record, pos, end in zip(rows, *named.values(), strict=True):
        if record not in done:
            done.add(record)
            tally.refuse(Refused(record, run.chrom, pos, end, _RULES[int(verdicts[row])]))


@numba.njit(cache=True, nogil=True)
def align_alleles(  # noqa: PLR0917 - numba knows no keyword-only arguments
    raw: Bytes,
    bases: Bytes,
    place: Integers,
    pos: Integers,
    refs: Bytes,
    ref_edges: Integers,
    alts: Bytes,
    alt_edges: Integers,
    out_ref: Bytes,
    out_ref_edges: Integers,
    out_alt: Bytes,
    out_alt_edges: Integers,
    window: int,
    verdicts: Bytes,
    counts: Integers,
) -> None:
    """Align alleles, each of a REF that the reference must have.

    The reference is ``raw``, ``bases`` and ``place``, as `fasta.base_at` takes them. REF and ALT
    are texts one after another and where each begins, in upper case; an ALT that is not bases stays
    as it is. What is written to ``out_...`` may be longer by a byte a text. ``pos`` (int64
    [alleles], 1-based) is changed in place; an allele may move by ``window`` bases. ``verdicts``
    (out, uint8 [alleles]) is 0 aligned, 1 REF contradicts the reference, 2 too far. ``counts`` (in
    and out) are the alleles that were trimmed, and those that moved to the left.
    """
    at_ref, at_alt = 0, 0
    for i in range(len(pos)):
        ref, alt = refs[ref_edges[i] : ref_edges[i + 1]], alts[alt_edges[i] : alt_edges[i + 1]]
        p, n, m = pos[i], len(ref), len(alt)
        for j in range(n):
            if base_at(raw, bases, place, p + j) != ref[j]:
                verdicts[i] = 1
                break
        first, moved, pad = 0, 0, 0
        if verdicts[i] == 0 and _is_bases(alt):
            while n > 0 and m > 0 and ref[n - 1] == alt[m - 1]:
                n -= 1
                m -= 1
            if n == 0 or m == 0:
                moved, pad = _shift(raw, bases, place, p, ref[:n] if n else alt[:m])
            else:
                while n - first > 1 and m - first > 1 and ref[first] == alt[first]:
                    first += 1
        if moved > window:
            verdicts[i] = 2
            moved = 0
        pos[i] = p + first - moved - (pad < 0)
        anchor = base_at(raw, bases, place, pos[i] + (n if pad > 0 else 0))
        at_ref = _write(out_ref, at_ref, ref[first:n], moved, pad, anchor)
        at_alt = _write(out_alt, at_alt, alt[first:m], moved, pad, anchor)
        out_ref_edges[i + 1] = at_ref
        out_alt_edges[i + 1] = at_alt
        counts[0] += at_ref - out_ref_edges[i] < len(ref)
        counts[1] += pos[i] < p


@numba.njit(cache=True, nogil=True)
def _is_bases(text: Bytes) -> bool:
    """Whether an ALT is bases: not ``.``, and nothing structural."""
    for byte in text:
        if not 65 <= byte <= 90:
            return False
    return len(text) > 0


@numba.njit(cache=True, nogil=True)
def _shift(raw: Bytes, bases: Bytes, place: Integers, pos: int, text: Bytes) -> tuple[int, int]:
    """Return how far an inserted or deleted text moves; its anchor is before (-1) or after (1)."""
    moved, length = 0, len(text)
    while pos - moved > 1:
        # The text turns by a base with every step: its last base is this one.
        last = length - 1 - moved % length
        if base_at(raw, bases, place, pos - moved - 1) != text[last]:
            return moved, -1
        moved += 1
    return moved, 1


@numba.njit(cache=True, nogil=True)
def _write(  # noqa: PLR0917
    out: Bytes, at: int, text: Bytes, moved: int, pad: int, anchor: int
) -> int:
    """Write an allele, turned by ``moved`` bases and with its anchor; return where it ends."""
    if pad < 0:
        out[at] = anchor
        at += 1
    for j in range(len(text)):
        out[at + j] = text[(j - moved) % len(text)] if moved else text[j]
    at += len(text)
    if pad > 0:
        out[at] = anchor
        at += 1
    return at
