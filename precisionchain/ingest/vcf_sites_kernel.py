"""The alleles of plain records as places in their text: split, trimmed, without a copy.

A record is plain if REF and every ALT are of A, C, G, T and N in upper case, no two of them alike.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
import numpy.typing as npt

Bytes1 = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int32]

ODD: Final = 0
PLAIN: Final = 1
SHORT: Final = 2
"""Kinds of lines: to be asked of `vcf_alleles`; plain; plain and every allele one base."""

N_PLACES: Final = 6
"""Numbers kept of a row: POS, start and length of REF and of ALT in the text, number of the ALT."""

_ID, _REF, _ALT, _QUAL, _FILTER, _INFO = 2, 3, 4, 5, 6, 7
_COMMA, _DOT, _SEMICOLON = 44, 46, 59
_IS_BASE = np.zeros(256, np.bool_)
_IS_BASE[np.frombuffer(b"ACGTN", np.uint8)] = True


@numba.njit(cache=True, nogil=True)
def judge_lines(  # noqa: PLR0917 - numba knows no keyword-only arguments
    text: Bytes1,
    fields: Places,
    positions: npt.NDArray[np.int64],
    most_alts: int,
    kinds: npt.NDArray[np.uint8],
    n_alts: Places,
    passes: npt.NDArray[np.bool_],
) -> None:
    """Say what kind of record each line is.

    Args:
        text: uint8 [bytes].
        fields: int32 [lines, N_FIELDS], see `vcf_lines.read_lines`.
        positions: int64 [lines].
        most_alts: ALTs a plain record may have.
        kinds: out, uint8 [lines].
        n_alts: out, int32 [lines]; of plain ones.
        passes: out, bool [lines], whether FILTER is ``PASS`` or says nothing.
    """
    for line in range(len(kinds)):
        row = fields[line]
        end = row[_INFO] - 1
        end -= end > row[_FILTER] and text[end - 1] == _SEMICOLON
        passes[line] = _passes(text, row[_FILTER], end)
        kinds[line] = ODD
        plain = positions[line] > 0 and _is_ascii(text, row[_ID], row[_REF])
        if plain and _is_ascii(text, row[_FILTER], row[_INFO]):
            kinds[line], n_alts[line] = _judge_alleles(text, row, most_alts)


@numba.njit(cache=True, nogil=True)
def _judge_alleles(text: Bytes1, row: Places, most_alts: int) -> tuple[int, int]:
    """Return the kind of a record by its alleles, and how many ALTs it has."""
    ref, ref_end, end = row[_REF], row[_ALT] - 1, row[_QUAL] - 1
    if ref == ref_end:
        return ODD, 0
    for i in range(ref, ref_end):
        if not _IS_BASE[text[i]]:
            return ODD, 0
    n, begun, short = 0, row[_ALT], ref_end - ref == 1
    for i in range(row[_ALT], end + 1):
        if i < end and _IS_BASE[text[i]]:
            continue
        if i == begun or (i < end and text[i] != _COMMA) or n == most_alts:
            return ODD, 0
        if _stood(text, row[_ALT], begun, i) or _same(text, ref, ref_end, begun, i):
            return ODD, 0
        short = short and i - begun == 1
        n += 1
        begun = i + 1
    return SHORT if short else PLAIN, n


@numba.njit(cache=True, nogil=True)
def _is_ascii(text: Bytes1, at: int, end: int) -> bool:
    seen = 0
    for i in range(at, end):
        seen |= text[i]
    return seen < 128


@numba.njit(cache=True, nogil=True)
def _passes(text: Bytes1, at: int, end: int) -> bool:
    if end - at == 4:
        return bool(
            text[at] == 80 and text[at + 1] == 65 and text[at + 2] == 83 and text[at + 3] == 83
        )
    return bool(end == at or (end - at == 1 and text[at] == _DOT))


@numba.njit(cache=True, nogil=True)
def _same(text: Bytes1, one: int, one_end: int, other: int, other_end: int) -> bool:
    if one_end - one != other_end - other:
        return False
    i = 0
    while i < one_end - one and text[one + i] == text[other + i]:
        i += 1
    return bool(i == one_end - one)


@numba.njit(cache=True, nogil=True)
def _stood(text: Bytes1, start: int, begun: int, end: int) -> bool:
    """Whether the ALT from ``begun`` to ``end`` stands among those before it."""
    at = start
    for i in range(start, begun):
        if text[i] == _COMMA:
            if _same(text, at, i, begun, end):
                return True
            at = i + 1
    return False


@numba.njit(cache=True, nogil=True)
def place_alleles(  # noqa: PLR0917 - numba knows no keyword-only arguments
    text: Bytes1,
    fields: Places,
    positions: npt.NDArray[np.int64],
    lines: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    trimmed: bool,
    places: Places,
) -> tuple[int, int]:
    """Write the place of each ALT of plain records.

    Args:
        text: uint8 [bytes].
        fields: int32 [lines, N_FIELDS].
        positions: int64 [lines].
        lines: int64 [k], the plain lines.
        rows: int64 [k], the row of each one's first ALT; the others follow.
        trimmed: remove shared bases, at the end first, and leave one in each.
        places: out, int32 [rows, N_PLACES].

    Returns:
        How many alleles lost bases, and how many records either have several ALTs or such one.
    """
    n_trimmed, n_changed = 0, 0
    for k in range(len(lines)):
        row, changed = fields[lines[k]], 0
        begun, number = row[_ALT], 0
        for i in range(row[_ALT], row[_QUAL]):
            if i < row[_QUAL] - 1 and text[i] != _COMMA:
                continue
            ref, ref_end, alt, alt_end = row[_REF], row[_ALT] - 1, begun, i
            while (
                trimmed
                and min(ref_end - ref, alt_end - alt) > 1
                and text[ref_end - 1] == text[alt_end - 1]
            ):
                ref_end -= 1
                alt_end -= 1
            while trimmed and min(ref_end - ref, alt_end - alt) > 1 and text[ref] == text[alt]:
                ref += 1
                alt += 1
            out = places[rows[k] + number]
            number += 1
            out[0] = positions[lines[k]] + ref - row[_REF]
            out[1], out[2] = ref, ref_end - ref
            out[3], out[4], out[5] = alt, alt_end - alt, number
            changed += ref_end - ref < row[_ALT] - 1 - row[_REF]
            begun = i + 1
        n_trimmed += changed
        n_changed += number > 1 or changed > 0
    return n_trimmed, n_changed


@numba.njit(cache=True, nogil=True)
def gather(text: Bytes1, starts: Places, sizes: Places) -> tuple[Places, Bytes1]:
    """Return pieces of a text as Arrow holds strings: offsets [n + 1] and bytes."""
    ends = np.empty(len(starts) + 1, np.int32)
    ends[0] = 0
    for i in range(len(starts)):
        ends[i + 1] = ends[i] + sizes[i]
    held = np.empty(ends[-1], np.uint8)
    for i in range(len(starts)):
        for j in range(sizes[i]):
            held[ends[i] + j] = text[starts[i] + j]
    return ends, held
