"""What the VCF specification asks of a record's columns, checked over decompressed text.

Only what is not judged elsewhere: CHROM, POS, REF, ALT and GT decide whether a record can be taken
and are refused where they cannot (`vcf_scan`, `vcf_alleles`, the reader). What is found here is a
warning: ID, QUAL, FILTER, INFO and the other FORMAT fields are not what genotypes are made of.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

RULES: Final = (
    "malformed_id",
    "malformed_qual",
    "malformed_filter",
    "undeclared_filter",
    "malformed_info",
    "undeclared_info",
    "malformed_format",
    "undeclared_format",
    "malformed_sample",
)
"""What is found, in the order of the kernel's counts."""

INTEGER, FLOAT, FLAG, TEXT, GENOTYPE, LETTER = range(6)
"""Codes of types."""

PER_ALT, PER_ALLELE, PER_GENOTYPE, ANY_NUMBER = -1, -2, -3, -4
"""Codes of Number A, R, G and ``.``; others are the number itself."""

_TAB, _NEWLINE, _RETURN, _SPACE = 9, 10, 13, 32
_COLON, _SEMICOLON, _COMMA, _EQUALS, _DOT = 58, 59, 44, 61, 46
_ID, _QUAL, _BAD_FILTER, _NO_FILTER, _BAD_INFO, _NO_INFO, _BAD_FORMAT, _NO_FORMAT, _SAMPLE = range(
    9
)
_SEEDS: Final = (1, 2, 3)
_FILTER, _INFO, _FORMAT = _SEEDS
_MOST_KEYS: Final = 256
_PASS: Final = 1 << 32


@numba.njit(cache=True, nogil=True)
def key_hash(seed: int, text: Bytes, start: int, end: int) -> np.uint64:
    """Return FNV-1a of a key's bytes, apart for FILTER (1), INFO (2) and FORMAT (3)."""
    found = np.uint64(14695981039346656037) ^ np.uint64(seed)
    for i in range(start, end):
        found = (found ^ np.uint64(text[i])) * np.uint64(1099511628211)
    return found


@numba.njit(cache=True, nogil=True)
def check_lines(  # noqa: PLR0917 - numba knows no keyword-only arguments
    text: Bytes,
    starts: Integers,
    hashes: Hashes,
    types: Integers,
    numbers: Integers,
    counted: npt.NDArray[np.bool_],
    first_record: int,
    counts: Integers,
    firsts: Integers,
) -> None:
    """Check the records of ``text``, whole lines with a newline each.

    Args:
        text: uint8 [bytes].
        starts: int64 [lines], where each line begins; the last one ends with the text.
        hashes: sorted uint64 [keys], `key_hash` of what the header declares or VCF reserves.
        types: int64 [keys], type codes; -1 where VCF reserves the key and the header lacks it,
            less the type (``-1 - type``).
        numbers: int64 [keys], number codes.
        counted: bool [keys], whether no value of the key may be negative.
        first_record: number of the first line of ``text``.
        counts: in and out, int64 [rules], records found by each of ``RULES``.
        firsts: in and out, int64 [rules], the first record found; -1 none.
    """
    edges = np.empty(9, np.int64)
    seen = np.empty(len(hashes), np.int64)
    seen[:] = -1
    keys = np.empty(_MOST_KEYS, np.int64)
    found = np.zeros(len(counts), np.bool_)
    for line in range(len(starts)):
        at = starts[line]
        end = (starts[line + 1] if line + 1 < len(starts) else len(text)) - 1
        last = end - 1 if end > at and text[end - 1] == _RETURN else end
        n = _columns(text, at, last, edges)
        if n < 8:
            continue
        found[:] = False
        record = first_record + line
        info_end = edges[7] - 1 if n > 8 else last
        alts = _alts(text, edges[3], edges[4] - 1)
        found[_ID] = _bad_id(text, edges[1], edges[2] - 1)
        found[_QUAL] = not _is_dot(text, edges[4], edges[5] - 1) and not _is_number(
            text, edges[4], edges[5] - 1, FLOAT, True
        )
        _filters(text, edges[5], edges[6] - 1, hashes, found)
        _info(text, edges[6], info_end, hashes, types, numbers, counted, alts, record, seen, found)
        if n > 8:
            format_end = edges[8] - 1 if n > 9 else last
            k = _format(text, edges[7], format_end, hashes, types, keys, found)
            if n > 9 and k > 0 and (k > 1 or not _is_gt(text, edges[7], format_end)):
                found[_SAMPLE] = _bad_samples(text, edges[8], last, keys[:k], types, numbers, alts)
        for rule in range(len(found)):
            if found[rule]:
                counts[rule] += 1
                if firsts[rule] < 0:
                    firsts[rule] = record


@numba.njit(cache=True, nogil=True)
def _columns(text: Bytes, at: int, end: int, edges: Integers) -> int:
    """Note where columns 2 to 10 begin; return how many columns there are (10: or more)."""
    n = 0
    for i in range(at, end):
        if text[i] == _TAB:
            edges[n] = i + 1
            n += 1
            if n == 9:
                break
    return n + 1


@numba.njit(cache=True, nogil=True)
def _is_dot(text: Bytes, start: int, end: int) -> bool:
    return bool(end - start == 1 and text[start] == _DOT)


@numba.njit(cache=True, nogil=True)
def _is_gt(text: Bytes, start: int, end: int) -> bool:
    return bool(end - start == 2 and text[start] == 71 and text[start + 1] == 84)


@numba.njit(cache=True, nogil=True)
def _alts(text: Bytes, start: int, end: int) -> int:
    if _is_dot(text, start, end):
        return 0
    n = 1
    for i in range(start, end):
        n += text[i] == _COMMA
    return n


@numba.njit(cache=True, nogil=True)
def _find(hashes: Hashes, wanted: np.uint64) -> int:
    low, high = 0, len(hashes)
    while low < high:  # np.searchsorted is of a module that takes 0.1 s to import
        middle = (low + high) // 2
        if hashes[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < len(hashes) and hashes[low] == wanted else -1


@numba.njit(cache=True, nogil=True)
def _is_number(text: Bytes, start: int, end: int, kind: int, counted: bool) -> bool:
    """Whether bytes spell an integer of 32 bits (less those BCF reserves) or a float."""
    i = start
    negative = i < end and text[i] == 45
    i += i < end and text[i] in (43, 45)
    if i >= end or (negative and counted):
        return False
    value, digits = 0, 0
    while i < end and 48 <= text[i] <= 57:
        value = min(value * 10 + text[i] - 48, _PASS)
        digits += 1
        i += 1
    if kind == INTEGER:
        return bool(i == end and digits > 0 and value <= (2**31 - 8 if negative else 2**31 - 1))
    if i < end and digits == 0 and text[i] in (73, 78, 105, 110):  # Inf, NaN
        return end - i in (3, 8)
    if i < end and text[i] == _DOT:
        i += 1
        while i < end and 48 <= text[i] <= 57:
            digits += 1
            i += 1
    if digits and i < end and text[i] in (69, 101):
        i += 1
        i += i < end and text[i] in (43, 45)
        begun = i
        while i < end and 48 <= text[i] <= 57:
            i += 1
        if i == begun:
            return False
    return bool(digits > 0 and i == end)


@numba.njit(cache=True, nogil=True)
def _bad_values(  # noqa: PLR0917
    text: Bytes, start: int, end: int, kind: int, wanted: int, counted: bool
) -> bool:
    """Whether a list of values is not of its type, or not as many as ``wanted`` (< 0: any)."""
    if _is_dot(text, start, end):
        return False
    n, begun = 1, start
    for i in range(start, end + 1):
        if i == end or text[i] == _COMMA:
            if (
                kind in (INTEGER, FLOAT)
                and not _is_dot(text, begun, i)
                and not _is_number(text, begun, i, kind, counted)
            ):
                return True
            if kind == LETTER and i - begun != 1:
                return True
            n += i < end
            begun = i + 1
    return bool(0 <= wanted != n)


@numba.njit(cache=True, nogil=True)
def _wanted(number: int, alts: int, ploidy: int) -> int:
    if number == PER_ALT:
        return alts if alts > 0 else ANY_NUMBER
    if number == PER_ALLELE:
        return alts + 1
    if number == PER_GENOTYPE and ploidy in (1, 2) and alts > 0:
        return alts + 1 if ploidy == 1 else (alts + 1) * (alts + 2) // 2
    return number


@numba.njit(cache=True, nogil=True)
def _bad_id(text: Bytes, start: int, end: int) -> bool:
    """Whether ID has white space, an empty part, or a part twice."""
    if _is_dot(text, start, end):
        return False
    begun = start
    for i in range(start, end + 1):
        if i < end and text[i] <= _SPACE:
            return True
        if i == end or text[i] == _SEMICOLON:
            if i == begun or _stood(text, start, begun, i):
                return True
            begun = i + 1
    return False


@numba.njit(cache=True, nogil=True)
def _stood(text: Bytes, start: int, begun: int, end: int) -> bool:
    """Whether the part between semicolons stands before ``begun`` too."""
    at = start
    while at + (end - begun) < begun:
        i = 0
        while i < end - begun and text[at + i] == text[begun + i]:
            i += 1
        if i == end - begun and text[at + i] == _SEMICOLON:
            return True
        while text[at] != _SEMICOLON:
            at += 1
        at += 1
    return False


@numba.njit(cache=True, nogil=True)
def _filters(
    text: Bytes,
    start: int,
    end: int,
    hashes: Hashes,
    found: npt.NDArray[np.bool_],
) -> None:
    if _is_dot(text, start, end):
        return
    begun = start
    for i in range(start, end + 1):
        if i < end and text[i] <= _SPACE:
            found[_BAD_FILTER] = True
        if i == end or text[i] == _SEMICOLON:
            plain = i - begun
            key = _find(hashes, key_hash(_FILTER, text, begun, i))
            none = plain == 0 or (plain == 1 and text[begun] in (48, _DOT))
            found[_BAD_FILTER] |= none or _stood(text, start, begun, i)
            found[_NO_FILTER] |= not none and key < 0
            begun = i + 1


@numba.njit(cache=True, nogil=True)
def _info(  # noqa: PLR0917
    text: Bytes,
    start: int,
    end: int,
    hashes: Hashes,
    types: Integers,
    numbers: Integers,
    counted: npt.NDArray[np.bool_],
    alts: int,
    record: int,
    seen: Integers,
    found: npt.NDArray[np.bool_],
) -> None:
    if _is_dot(text, start, end):
        return
    begun, equals = start, -1
    for i in range(start, end + 1):
        if i < end and text[i] == _EQUALS and equals < 0:
            equals = i
        if i < end and text[i] != _SEMICOLON:
            continue
        key_end = equals if equals >= 0 else i
        if key_end == begun:
            # A semicolon at the end is common; VCF 4.3 has no word against it.
            found[_BAD_INFO] |= equals >= 0 or i < end
        elif not _is_key(text, begun, key_end):
            found[_BAD_INFO] = True
        else:
            key = _find(hashes, key_hash(_INFO, text, begun, key_end))
            if key < 0:
                found[_NO_INFO] = True
            else:
                found[_NO_INFO] |= types[key] < 0
                found[_BAD_INFO] |= seen[key] == record or _bad_entry(
                    text, equals, i, types[key], numbers[key], alts, counted[key]
                )
                seen[key] = record
        begun, equals = i + 1, -1


@numba.njit(cache=True, nogil=True)
def _bad_entry(  # noqa: PLR0917
    text: Bytes, equals: int, end: int, of_type: int, number: int, alts: int, counted: bool
) -> bool:
    """Whether the value after ``equals`` (-1: there is none) is not what its key asks."""
    kind = of_type if of_type >= 0 else -1 - of_type
    if kind == FLAG:
        # Some write 0 and 1; htslib takes that.
        return bool(equals >= 0 and not (end - equals == 2 and text[equals + 1] in (48, 49)))
    if equals < 0:
        return number > 0
    return _bad_values(text, equals + 1, end, kind, _wanted(number, alts, 0), counted)


@numba.njit(cache=True, nogil=True)
def _is_key(text: Bytes, start: int, end: int) -> bool:
    for i in range(start, end):
        byte = text[i]
        letter = 65 <= byte <= 90 or 97 <= byte <= 122 or byte == 95
        digit = 48 <= byte <= 57 or byte == _DOT
        if not letter and not digit:
            return False
    if 48 <= text[start] <= 57 or text[start] == _DOT:
        return bool(end - start == 5 and text[start] == 49 and text[start + 4] == 71)  # 1000G
    return True


@numba.njit(cache=True, nogil=True)
def _format(  # noqa: PLR0917
    text: Bytes,
    start: int,
    end: int,
    hashes: Hashes,
    types: Integers,
    keys: Integers,
    found: npt.NDArray[np.bool_],
) -> int:
    """Put the place of each key into ``keys`` (-1: not known); return how many there are."""
    begun, n = start, 0
    for i in range(start, end + 1):
        if i < end and text[i] != _COLON:
            continue
        if i == begun or not _is_key(text, begun, i):
            found[_BAD_FORMAT] = True
        if n > 0 and _is_gt(text, begun, i):
            found[_BAD_FORMAT] = True
        key = _find(hashes, key_hash(_FORMAT, text, begun, i))
        found[_NO_FORMAT] |= key < 0 or types[key] < 0
        for other in range(min(n, _MOST_KEYS)):
            if key >= 0 and keys[other] == key:
                found[_BAD_FORMAT] = True
        if n < _MOST_KEYS:
            keys[n] = key
        n += 1
        begun = i + 1
    return min(n, _MOST_KEYS)


@numba.njit(cache=True, nogil=True)
def _bad_samples(  # noqa: PLR0917
    text: Bytes,
    start: int,
    end: int,
    keys: Integers,
    types: Integers,
    numbers: Integers,
    alts: int,
) -> bool:
    """Whether a sample has more values than FORMAT has keys, or one not as declared."""
    begun, place, ploidy = start, 0, 0
    for i in range(start, end + 1):
        if i < end and text[i] != _COLON and text[i] != _TAB:
            continue
        if place >= len(keys):
            return True
        key = keys[place]
        if key >= 0:
            kind = types[key] if types[key] >= 0 else -1 - types[key]
            if kind == GENOTYPE:
                ploidy = 1
                for j in range(begun, i):
                    ploidy += text[j] in (47, 124)
            elif i > begun and _bad_values(
                text, begun, i, kind, _wanted(numbers[key], alts, ploidy), False
            ):
                return True
        place = place + 1 if i < end and text[i] == _COLON else 0
        ploidy = ploidy if place else 0
        begun = i + 1
    return False
