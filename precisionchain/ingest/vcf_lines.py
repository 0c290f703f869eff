"""Finding records in decompressed VCF text, at the speed of memory.

The commonest records by far hold nothing but ``GT``, every call of four bytes (``0|1`` and a tab).
Their calls are packed on the way, 64 bytes at a time, and that they are of this form proves the
number of columns as well. Of such a line only the other columns are kept as text: a hundredth of
the bytes, so that many lines can be taken at once and what is read again is near.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from precisionchain.schemas.bit_words import marks_at

Bytes1 = npt.NDArray[np.uint8]
Bytes2 = npt.NDArray[np.uint8]

EMPTY: Final = -1
"""``tabs`` of an empty line."""

HAS_NUL: Final = -2
"""``tabs`` of a line with a NUL byte: not text."""

BAD_FORMAT: Final = -3
"""``tabs`` of a line whose ninth column is not keys between colons."""

NO_POSITION: Final = -1
"""``positions`` where POS is not an integer from 0 to 2^31 - 1."""

OTHER: Final = 0
PHASED: Final = 1
UNPHASED: Final = 2
"""``forms``: nothing but ``GT``, every called call diploid, of alleles 0 and 1, and with the same
separator; then the calls of the line are packed. Anything else is ``OTHER``."""

N_FIELDS: Final = 11
"""Offsets kept of a line: the nine columns, the first call, and the end of the line's text."""

_TAB, _NEWLINE, _RETURN = 9, 10, 13
_DOT, _COLON, _UNDERSCORE, _SLASH, _BAR = 46, 58, 95, 47, 124
_FORMAT = 8  # tabs before it
_CHUNK = 64

_U = np.uint64
# Masks of eight bytes, two calls: an allele, a separator, an allele and a tab each.
_EACH = _U(0x0101_0101_0101_0101)
_ALLELES = _U(0x00FF_00FF_00FF_00FF)
_BETWEEN = _U(0x0000_FF00_0000_FF00)
_TABS = _U(0xFF00_0000_FF00_0000)
_LOW = _U(0x0001_0001_0001_0001)  # the last bit of each allele
_NOT_LOW = _U(0xFFFE_FFFE_FFFE_FFFE)
_OTHER_ONE = _U(ord("/") ^ ord("|"))  # makes one separator the other
# Of a number with a bit a byte of 16 calls: every second one, and the first of each call.
_EVEN = _U(0x5555_5555_5555_5555)
_EVERY = _U(0x1111_1111_1111_1111)


@numba.njit(cache=True, nogil=True)
def read_lines(  # noqa: PLR0917 - numba knows no keyword-only arguments
    text: Bytes1,
    at: int,
    n_samples: int,
    above: Bytes1,
    kept: Bytes1,
    line: int,
    fields: npt.NDArray[np.int32],
    tabs: npt.NDArray[np.int64],
    positions: npt.NDArray[np.int64],
    changes: npt.NDArray[np.bool_],
    forms: npt.NDArray[np.uint8],
    gaps: npt.NDArray[np.bool_],
    codes: Bytes2,
    missing: Bytes2,
) -> tuple[int, int]:
    """Index the lines of ``text``, which ends with a newline, until the arrays are full.

    Args:
        text: uint8 [bytes].
        at: where to begin.
        n_samples: of the file.
        above: the first column of the line above line 0; empty at the start of the file.
        kept: in and out, the lines, each with a newline: in place of packed calls stands their
            separator, and a dot after it if some are missing. It has room for the text.
        line: how many lines are there.
        fields: in and out, int32 [lines, `N_FIELDS`], places in ``kept``.
        tabs: out, tabs of each line, or ``EMPTY``, ``HAS_NUL`` or ``BAD_FORMAT``.
        positions: out, the second column, or ``NO_POSITION``.
        changes: out, whether the first column is empty, or differs from that of the line above.
        forms: out, ``OTHER``, ``PHASED`` or ``UNPHASED``.
        gaps: out, whether calls that are packed are missing.
        codes: out, haplotype pairs [lines, ceil(n / 4)] unless ``OTHER``.
        missing: out, bitmap of missing calls [lines, ceil(n / 8)] unless ``OTHER``.

    Returns:
        How many lines, and where the next one begins.
    """
    to = int(fields[line - 1, 10]) + 1 if line else 0
    while at < len(text) and line < fields.shape[0]:
        begin, row = at, fields[line]
        at, found, count = _fixed_columns(text, begin, row)
        chrom_to = row[1] - 1 if count else at
        if line == 0:
            changes[line] = _differ(text, begin, chrom_to, above, 0, len(above))
        else:
            last = fields[line - 1]
            changes[line] = _differ(text, begin, chrom_to, kept, last[0], last[1] - 1)
        changes[line] |= chrom_to == begin
        positions[line] = _position(text, chrom_to)
        forms[line], gaps[line] = OTHER, False
        if count == _FORMAT + 1 and _only_gt(text, row, n_samples):
            form = _pack_cells(text, at, n_samples, codes[line], missing[line])
            forms[line] = form
            gaps[line] = form != OTHER and _any(missing[line])
        if forms[line] != OTHER:
            end = at + 4 * n_samples - 1
            count += n_samples - 1
            written = _keep_packed(text, begin, at, kept, to, forms[line], gaps[line])
            at = end + (text[end] == _RETURN)
        else:
            if count == _FORMAT + 1:
                at, more, nul = _rest_of_line(text, at)
                found = HAS_NUL if nul else found
                count += more
            end = at - (at > begin and text[at - 1] == _RETURN)
            written = _keep(text, begin, end, kept, to)
        tabs[line] = EMPTY if end == begin else (found if found < 0 else count)
        for k in range(_FORMAT + 2):
            row[k] += to - begin
        row[10] = written
        to = written + 1
        at += 1
        line += 1
    return line, at


@numba.njit(cache=True, nogil=True)
def _keep(text: Bytes1, begin: int, end: int, kept: Bytes1, to: int) -> int:
    """Copy some text, and a newline after it; return where that stands."""
    for i in range(end - begin):
        kept[to + i] = text[begin + i]
    kept[to + end - begin] = _NEWLINE
    return to + end - begin


@numba.njit(cache=True, nogil=True)
def _keep_packed(  # noqa: PLR0917
    text: Bytes1, begin: int, end: int, kept: Bytes1, to: int, form: int, gaps: bool
) -> int:
    """Copy the nine columns of a line whose calls are packed; return where its newline stands."""
    to = _keep(text, begin, end, kept, to)
    kept[to] = _BAR if form == PHASED else _SLASH
    to += 1
    if gaps:
        kept[to] = _DOT
        to += 1
    kept[to] = _NEWLINE
    return to


@numba.njit(cache=True, nogil=True)
def _any(bits: Bytes1) -> bool:
    seen = np.uint8(0)
    for i in range(len(bits)):
        seen |= bits[i]
    return bool(seen)


@numba.njit(cache=True, nogil=True)
def _fixed_columns(text: Bytes1, at: int, starts: npt.NDArray[np.int32]) -> tuple[int, int, int]:
    """Find the columns of a line up to its first call, or up to its end.

    Returns:
        Where the first call begins, or the newline; 0, ``HAS_NUL`` or ``BAD_FORMAT``; the tabs
        that were met.
    """
    starts[:] = at
    count, found = 0, 0
    while text[at] != _NEWLINE:
        if text[at] == _TAB:
            count += 1
            starts[count] = at + 1
            if count == _FORMAT + 1:
                if found == 0 and not _is_format(text, starts[_FORMAT], at):
                    found = BAD_FORMAT
                return at + 1, found, count
        elif text[at] == 0:
            found = HAS_NUL
        at += 1
    if count == _FORMAT and found == 0:
        found = (
            0 if _is_format(text, starts[_FORMAT], at - (text[at - 1] == _RETURN)) else BAD_FORMAT
        )
    return at, found, count


@numba.njit(cache=True, nogil=True)
def _is_format(text: Bytes1, at: int, end: int) -> bool:
    """Whether a column is keys of letters, digits, ``.`` and ``_`` with colons between them, and
    GT comes once at most: of two no reader could say which one is meant.
    """
    before, key, genotypes = _COLON, at, 0
    for i in range(at, end):
        byte = text[i]
        letter = 65 <= byte <= 90 or 97 <= byte <= 122
        if byte == _COLON:
            if before == _COLON:
                return False
            genotypes += _is_gt(text, key, i)
            key = i + 1
        elif not (letter or 48 <= byte <= 57 or byte in (_DOT, _UNDERSCORE)):
            return False
        before = byte
    return before != _COLON and genotypes + _is_gt(text, key, end) < 2


@numba.njit(cache=True, nogil=True)
def _is_gt(text: Bytes1, at: int, end: int) -> bool:
    return bool(end - at == 2 and text[at] == 71 and text[at + 1] == 84)


@numba.njit(cache=True, nogil=True)
def _only_gt(text: Bytes1, starts: npt.NDArray[np.int32], n: int) -> bool:
    """Whether FORMAT is GT alone and the line ends where ``n`` calls of three letters would."""
    key, begin = starts[_FORMAT], starts[_FORMAT + 1]
    if begin - key != 3 or text[key] != 71 or text[key + 1] != 84:
        return False
    end = begin + 4 * n - 1
    if end >= len(text):
        return False
    return bool(text[end] == _NEWLINE or (text[end] == _RETURN and text[end + 1] == _NEWLINE))


@numba.njit(cache=True, nogil=True)
def _rest_of_line(text: Bytes1, at: int) -> tuple[int, int, bool]:
    """Return where the line ends, and how many tabs and whether a NUL byte are before it."""
    tabs, nul = 0, False
    while True:
        while at + _CHUNK <= len(text):
            some, stop = 0, 0
            for k in range(_CHUNK):
                some += text[at + k] == _TAB
                stop |= text[at + k] == _NEWLINE or text[at + k] == 0
            if stop:
                break
            tabs += some
            at += _CHUNK
        for _ in range(_CHUNK):
            if text[at] == _NEWLINE:
                return at, tabs, nul
            tabs += text[at] == _TAB
            nul = nul or text[at] == 0
            at += 1


@numba.njit(cache=True, nogil=True)
def _pack_cells(text: Bytes1, at: int, n: int, codes: Bytes1, missing: Bytes1) -> int:
    """Pack the calls of a line of `_only_gt`; return its form (``OTHER``: the rows mean nothing).

    Args:
        text: the text.
        at: where the first call begins.
        n: calls, each of four bytes, the last of which is a tab except in the last call.
        codes: out, haplotype pairs; an unphased heterozygote is ``0|1``.
        missing: out, bitmap of missing calls.
    """
    i = 0
    while i < n - 1 and text[at + 4 * i] == _DOT:
        i += 1
    separator = text[at + 4 * i + 1]
    if separator not in (47, 124):
        return OTHER
    form = PHASED if separator == 124 else UNPHASED
    pattern = _U(0x0930_0030_0930_0030) | _U(separator) << _U(8) | _U(separator) << _U(40)
    codes[:] = 0
    missing[:] = 0
    done = 0
    while done + 16 < n:  # the last call has no tab after it
        place, byte = at + 4 * done, done >> 2
        alleles = marks_at(text, place, pattern, _LOW)
        if marks_at(text, place, pattern, _NOT_LOW):
            packable, gone = _gaps(text, place, _U(separator))
            if not packable:
                return OTHER
            missing[done >> 3] = gone & _U(255)
            missing[(done >> 3) + 1] = gone >> _U(8)
        if alleles:  # of most calls there is nothing to write
            pairs = _squeezed(alleles)
            if form == UNPHASED:
                first, second = pairs & _EVEN, (pairs >> _U(1)) & _EVEN
                pairs = first & second | (first | second) << _U(1)
            for k in range(4):
                codes[byte + k] = (pairs >> _U(8 * k)) & _U(255)
        done += 16
    return form if _last_cells(text, at, done, n, form, codes, missing) else OTHER


@numba.njit(cache=True, nogil=True)
def _gaps(text: Bytes1, place: int, separator: np.uint64) -> tuple[bool, np.uint64]:
    """Return whether 16 calls are of alleles 0, 1 or both ``.``; and the missing, as 16 bits.

    A missing call may have the other separator: that says nothing.
    """
    called = marks_at(text, place, _EACH * _U(_DOT), _ALLELES)
    gone = ~called & _EVERY
    packable = marks_at(text, place, _EACH * _U(_TAB), _TABS) == 0
    packable = packable and ~(called >> _U(2)) & _EVERY == gone  # both alleles, or none
    alleles = marks_at(text, place, _EACH * _U(48), _ALLELES & _NOT_LOW)
    packable = packable and alleles & ~(gone | gone << _U(2)) == 0
    unlike = marks_at(text, place, _EACH * separator, _BETWEEN) >> _U(1)
    neither = unlike & (marks_at(text, place, _EACH * (separator ^ _OTHER_ONE), _BETWEEN) >> _U(1))
    return packable and (unlike & ~gone | neither) == 0, _squeezed(_squeezed(gone))


@numba.njit(cache=True, nogil=True)
def _squeezed(bits: np.uint64) -> np.uint64:
    """Return every second bit, the first, the third and so on, as a number of 32 bits."""
    bits &= _EVEN
    bits = (bits | bits >> _U(1)) & _U(0x3333_3333_3333_3333)
    bits = (bits | bits >> _U(2)) & _U(0x0F0F_0F0F_0F0F_0F0F)
    bits = (bits | bits >> _U(4)) & _U(0x00FF_00FF_00FF_00FF)
    bits = (bits | bits >> _U(8)) & _U(0x0000_FFFF_0000_FFFF)
    return (bits | bits >> _U(16)) & _U(0xFFFF_FFFF)


@numba.njit(cache=True, nogil=True)
def _last_cells(  # noqa: PLR0917
    text: Bytes1, at: int, done: int, n: int, form: int, codes: Bytes1, missing: Bytes1
) -> bool:
    """Pack the calls from number ``done`` on one by one; return whether all are of ``form``."""
    separator = 124 if form == PHASED else 47
    for person in range(done, n):
        place = at + 4 * person
        if person < n - 1 and text[place + 3] != _TAB:
            return False
        first, between, second = text[place], text[place + 1], text[place + 2]
        if first == _DOT and second == _DOT and between in (47, 124):
            missing[person >> 3] |= 1 << (person & 7)
            continue
        if first >> 1 != 24 or second >> 1 != 24 or between != separator:
            return False
        a, b = first & 1, second & 1
        if form == UNPHASED:
            a, b = a & b, a | b
        codes[person >> 2] |= (a | b << 1) << 2 * (person & 3)
    return True


@numba.njit(cache=True, nogil=True)
def _differ(  # noqa: PLR0917
    one: Bytes1, begin: int, end: int, other: Bytes1, other_begin: int, other_end: int
) -> bool:
    same = end - begin == other_end - other_begin
    at = 0
    while same and at < end - begin:
        same = one[begin + at] == other[other_begin + at]
        at += 1
    return not same


@numba.njit(cache=True, nogil=True)
def _position(text: Bytes1, at: int) -> int:
    """Return the number after the tab at ``at``, or ``NO_POSITION``."""
    if text[at] != _TAB:
        return NO_POSITION
    at += 1
    number, begin = 0, at
    while 48 <= text[at] <= 57:
        number = min(number * 10 + text[at] - 48, 2**40)
        at += 1
    return number if at > begin and number < 2**31 and text[at] == _TAB else NO_POSITION
