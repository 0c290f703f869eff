"""What the blocks of a gVCF say was looked at: where everybody is homozygous reference, well read.

A block is a record whose ALT is ``<NON_REF>`` or ``<*>`` alone, or which has no ALT and an END
beyond its REF. It becomes extent if every person of the batch is called with no other allele than
REF, at a GQ and a depth that suffice. The blocks are read in a pass of their own, so that the
reader of genotypes need not know them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from precisionchain.ingest.vcf_alleles import BLOCK_ALTS, Refusal
from precisionchain.ingest.vcf_assay import Interval, merge
from precisionchain.ingest.vcf_bytes import decompressed
from precisionchain.ingest.vcf_file import Scan
from precisionchain.ingest.vcf_run import ReadTally, Refused
from precisionchain.ingest.vcf_settings import VcfSettings

_TAB, _NEWLINE, _RETURN, _HASH = 9, 10, 13, 35
_COLON, _SEMICOLON, _DOT, _ZERO = 58, 59, 46, 48
_NON_REF, _STAR = (np.frombuffer(alt.encode(), np.uint8) for alt in ("<NON_REF>", "<*>"))
_END = np.frombuffer(b"END=", np.uint8)
_PASS = np.frombuffer(b"PASS", np.uint8)
_KEYS: Final = {name: np.frombuffer(name.encode(), np.uint8) for name in ("GT", "GQ", "DP")}
_GT, _GQ, _DP = _KEYS.values()
_RGQ, _MIN_DP = (np.frombuffer(name, np.uint8) for name in (b"RGQ", b"MIN_DP"))

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class BlockRules:
    """When a block is assayed.

    Attributes:
        min_gq: least GQ (or RGQ) of each person; one that is absent counts as 0.
        min_dp: least MIN_DP, or DP where there is none.
        only_pass: whether FILTER must be ``PASS`` or ``.``.
    """

    min_gq: int = VcfSettings.block_min_gq
    min_dp: int = VcfSettings.block_min_dp
    only_pass: bool = False


@dataclass(slots=True)
class BlockTally:
    """How many blocks there were, and how many of them are extent."""

    blocks: int = 0
    assayed: int = 0


def without_blocks(refused: list[Refused], tally: ReadTally) -> list[Refused]:
    """Return the refusals that are not blocks; of a gVCF these are no refusals."""
    kept = [one for one in refused if one.rule is not Refusal.GVCF_BLOCK]
    tally.rules[Refusal.GVCF_BLOCK.value] -= len(refused) - len(kept)
    return kept


def assayed_blocks(
    scan: Scan, columns: npt.NDArray[np.int64], rules: BlockRules, tally: BlockTally
) -> tuple[Interval, ...]:
    """Return the intervals that a file's blocks cover, merged.

    Args:
        scan: the file.
        columns: int64 [persons], the sample columns that count.
        rules: what a block must be like.
        tally: gets how many blocks there were.
    """
    wanted = np.zeros(len(scan.header.samples), np.bool_)
    wanted[columns] = True
    found: list[_Spans] = []
    parts = _bcf_blocks if scan.kind == "bcf" else _text_blocks
    chroms = [segment.chrom for segment in scan.segments]
    firsts = np.array([segment.first_record for segment in scan.segments], np.int64)
    for records, starts, ends, good in parts(scan, wanted, rules):
        tally.blocks += len(records)
        tally.assayed += int(good.sum())
        of = np.searchsorted(firsts, records[good], side="right") - 1
        found.append(_merged(of, starts[good], ends[good]))
    of, starts, ends = _merged(*(np.concatenate(column) for column in zip(*found, strict=True)))
    spans = zip(of.tolist(), starts.tolist(), ends.tolist(), strict=True)
    return merge((chroms[i], start, end) for i, start, end in spans)


_Spans = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _merged(
    of: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> _Spans:
    """Join spans that overlap or touch; they are in order of contig and start."""
    if not len(of):
        return of, starts, ends
    # Contigs are laid one behind the other, so that one running maximum serves all of them.
    shift = of * 2**40
    reach = np.maximum.accumulate(ends + shift)
    begins = np.concatenate(([True], starts[1:] + shift[1:] > reach[:-1] + 1))
    first = np.flatnonzero(begins)
    last = np.concatenate((first[1:] - 1, [len(of) - 1]))
    return of[first], starts[first], reach[last] - shift[last]


_Part = tuple[
    npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]
]
"""Blocks of a piece of a file: record number, first and last base, whether they are assayed."""


def _text_blocks(scan: Scan, wanted: npt.NDArray[np.bool_], rules: BlockRules) -> Iterator[_Part]:
    rest, record = b"", 0
    for chunk in decompressed(scan.path, scan.compression):
        text = rest + chunk
        cut = text.rfind(b"\n") + 1
        text, rest = text[:cut], text[cut:]
        if text:
            part, n = _of_text(text, wanted, rules, record)
            record += n
            yield part
    if rest:
        yield _of_text(rest + b"\n", wanted, rules, record)[0]


def _of_text(
    text: bytes, wanted: npt.NDArray[np.bool_], rules: BlockRules, record: int
) -> tuple[_Part, int]:
    raw = np.frombuffer(text, np.uint8)
    n = text.count(b"\n")
    records, starts, ends = (np.empty(n, np.int64) for _ in range(3))
    good = np.empty(n, np.bool_)
    k, seen = find_blocks(
        raw,
        wanted,
        rules.min_gq,
        rules.min_dp,
        rules.only_pass,
        record,
        records,
        starts,
        ends,
        good,
    )
    return (records[:k], starts[:k], ends[:k], good[:k]), seen


def _bcf_blocks(scan: Scan, wanted: npt.NDArray[np.bool_], rules: BlockRules) -> Iterator[_Part]:
    """Read BCF through htslib: a Python step per record."""
    import cyvcf2

    rows: list[tuple[int, int, int, bool]] = []
    for number, record in enumerate(cyvcf2.VCF(str(scan.path))):
        alts = [alt for alt in record.ALT if alt != "."]
        end = int(record.end)
        if not alts and end <= record.POS + len(record.REF) - 1:
            continue
        if alts and not BLOCK_ALTS.issuperset(alts):
            continue
        good = not (rules.only_pass and record.FILTER is not None) and _is_well_read(
            record, wanted, rules
        )
        rows.append((number, max(int(record.POS), 1), end, good))
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    first, start, last = (np.array(column, np.int64) for column in columns[:3])
    yield first, start, last, np.array(columns[3], np.bool_)


def _is_well_read(record: Any, wanted: npt.NDArray[np.bool_], rules: BlockRules) -> bool:
    try:
        alleles = record.genotype.array()[wanted, :-1]
    except Exception:  # noqa: BLE001 - cyvcf2 raises the bare class where FORMAT has no GT
        return False
    if (alleles[alleles != -2] != 0).any() or (alleles[:, 0] != 0).any():
        return False
    for names, least in ((("GQ", "RGQ"), rules.min_gq), (("MIN_DP", "DP"), rules.min_dp)):
        name = next((one for one in names if one in record.FORMAT), None)
        if least > 0 and (name is None or (record.format(name)[wanted, 0] < least).any()):
            return False
    return True


@numba.njit(cache=True, nogil=True)
def find_blocks(  # noqa: PLR0917 - numba knows no keyword-only arguments
    text: Bytes,
    wanted: npt.NDArray[np.bool_],
    min_gq: int,
    min_dp: int,
    only_pass: bool,
    first_record: int,
    records: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    good: npt.NDArray[np.bool_],
) -> tuple[int, int]:
    """Find the blocks among whole lines of a text file, those beginning with ``#`` passed over.

    ``wanted`` is bool [samples]. ``records`` (counted from ``first_record``), ``starts``, ``ends``
    (1-based, closed) and ``good`` get a value a block.

    Returns:
        How many blocks, and how many records.
    """
    edges = np.empty(10, np.int64)
    at, n, record = 0, 0, first_record
    while at < len(text):
        columns, stop = _columns(text, at, edges)
        if text[at] != _HASH and columns >= 5:
            if columns > 9:
                pos = _integer(text, edges[1], edges[2] - 1)
                end = _end_of(text, edges[7], edges[8] - 1)
                last = pos + (edges[4] - 1 - edges[3]) - 1
                if _is_block(text, edges[4], edges[5] - 1, end > last):
                    records[n], starts[n], ends[n] = record, max(pos, 1), max(end, last)
                    passes = (
                        not only_pass
                        or _same(text, edges[6], edges[7] - 1, _PASS)
                        or _is_dot(text, edges[6], edges[7] - 1)
                    )
                    good[n] = passes and _well_read(
                        text, edges[8], edges[9], stop, wanted, min_gq, min_dp
                    )
                    n += 1
            record += 1
        at = stop + 1
    return n, record - first_record


@numba.njit(cache=True, nogil=True)
def _columns(text: Bytes, at: int, edges: npt.NDArray[np.int64]) -> tuple[int, int]:
    """Note where the first ten columns begin; return how many there are, and the line's end."""
    edges[0] = at
    n = 1
    while text[at] != _NEWLINE:
        if text[at] == _TAB:
            if n < 10:
                edges[n] = at + 1
            n += 1
        at += 1
    return n, at


@numba.njit(cache=True, nogil=True)
def _same(text: Bytes, start: int, end: int, wanted: Bytes) -> bool:
    if end - start != len(wanted):
        return False
    for i in range(len(wanted)):  # noqa: SIM110 - numba knows no all()
        if text[start + i] != wanted[i]:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _is_dot(text: Bytes, start: int, end: int) -> bool:
    return bool(end - start == 1 and text[start] == _DOT)


@numba.njit(cache=True, nogil=True)
def _integer(text: Bytes, start: int, end: int) -> int:
    """Return a number, -1 if it is none; of one with a point, what stands before that."""
    value = -1
    for i in range(start, end):
        if text[i] == _DOT and value >= 0:
            return value
        if not 48 <= text[i] <= 57:
            return -1
        value = min(max(value, 0) * 10 + text[i] - 48, 2**40)
    return value


@numba.njit(cache=True, nogil=True)
def _end_of(text: Bytes, start: int, end: int) -> int:
    """Return INFO's END, -1 where there is none."""
    at = start
    while at + 4 <= end:
        if (at == start or text[at - 1] == _SEMICOLON) and _same(text, at, at + 4, _END):
            stop = at + 4
            while stop < end and text[stop] != _SEMICOLON:
                stop += 1
            return _integer(text, at + 4, stop)
        at += 1
    return -1


@numba.njit(cache=True, nogil=True)
def _is_block(text: Bytes, start: int, end: int, reaches: bool) -> bool:
    if _is_dot(text, start, end):
        return reaches
    return _same(text, start, end, _NON_REF) or _same(text, start, end, _STAR)


@numba.njit(cache=True, nogil=True)
def _key_place(text: Bytes, start: int, end: int, wanted: Bytes) -> int:
    """Return which key of FORMAT this is, -1 if none."""
    place, begun = 0, start
    for i in range(start, end + 1):
        if i == end or text[i] == _COLON:
            if _same(text, begun, i, wanted):
                return place
            place += 1
            begun = i + 1
    return -1


@numba.njit(cache=True, nogil=True)
def _well_read(  # noqa: PLR0917
    text: Bytes,
    keys: int,
    at: int,
    end: int,
    wanted: npt.NDArray[np.bool_],
    min_gq: int,
    min_dp: int,
) -> bool:
    """Whether every wanted sample of a line is called REF, with GQ and depth that suffice."""
    genotype = _key_place(text, keys, at - 1, _GT)
    quality = _key_place(text, keys, at - 1, _GQ)
    if quality < 0:
        quality = _key_place(text, keys, at - 1, _RGQ)
    depth = _key_place(text, keys, at - 1, _MIN_DP)
    if depth < 0:
        depth = _key_place(text, keys, at - 1, _DP)
    if end > at and text[end - 1] == _RETURN:
        end -= 1
    sample, place, begun = 0, 0, at
    called, good_quality, good_depth = False, min_gq <= 0, min_dp <= 0
    for i in range(at, end + 1):
        if i < end and text[i] != _COLON and text[i] != _TAB:
            continue
        if place == genotype:
            called = _is_reference(text, begun, i)
        if place == quality:
            good_quality = good_quality or _integer(text, begun, i) >= min_gq
        if place == depth:
            good_depth = good_depth or _integer(text, begun, i) >= min_dp
        place += 1
        begun = i + 1
        if i == end or text[i] == _TAB:
            counts = sample < len(wanted) and wanted[sample]
            if counts and not (called and good_quality and good_depth):
                return False
            called, good_quality, good_depth = False, min_gq <= 0, min_dp <= 0
            sample += 1
            place = 0
    return True


@numba.njit(cache=True, nogil=True)
def _is_reference(text: Bytes, start: int, end: int) -> bool:
    """Whether a call is one or two reference alleles."""
    n = end - start
    if n == 1:
        return bool(text[start] == _ZERO)
    split = n == 3 and text[start + 1] in (47, 124)
    return bool(split and text[start] == _ZERO and text[start + 2] == _ZERO)
