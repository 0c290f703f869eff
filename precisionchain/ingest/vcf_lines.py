"""Finding records in decompressed VCF text and BCF, at the speed of memory."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
import numpy.typing as npt

EMPTY: Final = -1
"""``tabs`` of an empty line."""

HAS_NUL: Final = -2
"""``tabs`` of a line with a NUL byte: not text."""

BAD_FORMAT: Final = -3
"""``tabs`` of a line whose ninth column is not keys between colons: htslib may end the process."""

NO_POSITION: Final = -1
"""``positions`` where POS is not an integer from 0 to 2^31 - 1."""

_TAB, _NEWLINE, _RETURN = 9, 10, 13
_DOT, _COLON, _UNDERSCORE = 46, 58, 95
_FORMAT = 8  # tabs before it


@numba.njit(cache=True, nogil=True)
def index_lines(  # noqa: PLR0917 - numba knows no keyword-only arguments
    text: npt.NDArray[np.uint8],
    above: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    tabs: npt.NDArray[np.int64],
    positions: npt.NDArray[np.int64],
    changes: npt.NDArray[np.bool_],
) -> None:
    """Index the lines of ``text``, which ends with a newline.

    Args:
        text: uint8 [bytes].
        above: the first column of the line above ``text``; empty at the start of the file.
        starts: out, offset of each line.
        tabs: out, tabs of each line, or ``EMPTY``, ``HAS_NUL`` or ``BAD_FORMAT``.
        positions: out, the second column, or ``NO_POSITION``.
        changes: out, whether the first column is empty, or differs from that of the line above.
    """
    at, line = 0, 0
    last, last_from, last_to = above, 0, len(above)
    while at < len(text):
        starts[line] = at
        chrom_from = at
        while text[at] != _TAB and text[at] != _NEWLINE:
            at += 1
        chrom_to = at
        same = chrom_to - chrom_from == last_to - last_from
        if same:
            for i in range(chrom_to - chrom_from):
                if text[chrom_from + i] != last[last_from + i]:
                    same = False
                    break
        changes[line] = not same or chrom_to == chrom_from
        last, last_from, last_to = text, chrom_from, chrom_to

        number, digits = 0, 0
        if text[at] == _TAB:
            at += 1
            while 48 <= text[at] <= 57:
                number = min(number * 10 + text[at] - 48, 2**40)
                digits += 1
                at += 1
        bounded = digits > 0 and number < 2**31 and text[at] == _TAB
        positions[line] = number if bounded else NO_POSITION

        count = 1 if at > chrom_to else 0
        found = 0
        while text[at] != _NEWLINE:
            byte = text[at]
            if byte == _TAB:
                count += 1
            elif byte == 0:
                found = HAS_NUL
            if count == _FORMAT and found == 0 and not _in_format(text[at - 1], byte, text[at + 1]):
                found = BAD_FORMAT
            at += 1
        blank = at == chrom_from or (at == chrom_from + 1 and text[chrom_from] == _RETURN)
        tabs[line] = EMPTY if blank else (found if found < 0 else count)
        at += 1
        line += 1


@numba.njit(cache=True, nogil=True)
def _in_format(before: int, byte: int, after: int) -> bool:
    """Whether a byte may stand in FORMAT, or is the tab before it."""
    if byte == _TAB:
        return after not in (_TAB, _NEWLINE, _RETURN)
    if byte == _COLON:
        return before not in (_TAB, _COLON) and after not in (_TAB, _COLON, _NEWLINE, _RETURN)
    letter = 65 <= byte <= 90 or 97 <= byte <= 122
    return letter or 48 <= byte <= 57 or byte in (_DOT, _UNDERSCORE)


@numba.njit(cache=True, nogil=True)
def index_bcf(
    body: npt.NDArray[np.uint8],
    contigs: npt.NDArray[np.int64],
    positions: npt.NDArray[np.int64],
) -> tuple[int, np.int64]:
    """Index the whole BCF records at the start of ``body`` (BCF2, VCF 4.x section 6.3.1).

    Args:
        body: uint8 [bytes], beginning with a record.
        contigs: out, CHROM of each record.
        positions: out, POS of each record, 1-based as in VCF.

    Returns:
        How many records, and how many bytes they take; -1 records if one cannot be.
    """
    at, n = np.int64(0), 0
    while at + 32 <= len(body):
        shared = _uint32(body, at)
        genotypes = _uint32(body, at + 4)
        if shared < 24 or shared > 2**31 or genotypes > 2**31:
            return -1, at
        end = at + 8 + shared + genotypes
        if end > len(body):
            break
        contigs[n] = _uint32(body, at + 8)
        position = _uint32(body, at + 12) + 1
        positions[n] = 0 if position == 2**32 else position
        n += 1
        at = end
    return n, at


@numba.njit(cache=True, nogil=True)
def _uint32(body: npt.NDArray[np.uint8], at: np.int64) -> np.int64:
    return (
        np.int64(body[at])
        | np.int64(body[at + 1]) << 8
        | np.int64(body[at + 2]) << 16
        | np.int64(body[at + 3]) << 24
    )
