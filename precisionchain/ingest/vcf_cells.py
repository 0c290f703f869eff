"""The calls of text lines as allele numbers: any FORMAT with GT, any ploidy, any number of digits.

Only GT is read, and of other fields those that decide something: PS is counted, GQ and DP are
compared with thresholds. The others are counted, since a call has no more of them than FORMAT.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from precisionchain.ingest.vcf_lines import OTHER, PHASED

Bytes1 = npt.NDArray[np.uint8]
Alleles2 = npt.NDArray[np.int16]

ABSENT: Final = -2
"""The second allele of a haploid call."""

TAKEN: Final = 0
PLOIDY: Final = 1
ALLELE: Final = 2
NO_GENOTYPES: Final = 3
NOT_VCF: Final = 4
"""What became of a line's calls; see `vcf_calls.Verdict`."""

N_FOUND: Final = 5
"""Numbers kept of a line: the verdict, half-calls, calls with a low GQ, with a low DP, and calls
that name a phase set. Of a line that is not VCF the second is the sample, from 0, that is why."""

_TAB, _COLON, _DOT, _SLASH, _PIPE = 9, 58, 46, 47, 124
_GT, _GQ, _DP, _PS, _KEYS = range(5)
_LARGEST = 2**30 - 2  # what htslib takes for an allele number
_FORMAT, _CALLS, _END = 8, 9, 10  # of the offsets of a line


@numba.njit(cache=True, nogil=True)
def decode_lines(  # noqa: PLR0917 - numba knows no keyword-only arguments
    text: Bytes1,
    lines: npt.NDArray[np.int64],
    fields: npt.NDArray[np.int32],
    forms: npt.NDArray[np.uint8],
    codes: npt.NDArray[np.uint8],
    missing: npt.NDArray[np.uint8],
    n_alts: npt.NDArray[np.int32],
    least: npt.NDArray[np.float64],
    first: Alleles2,
    second: Alleles2,
    phased: npt.NDArray[np.uint8],
    found: npt.NDArray[np.int64],
) -> None:
    """Read the calls of some lines.

    Args:
        text: uint8 [bytes].
        lines: int64 [k], the lines to read.
        fields: int32 [lines, N_FIELDS], see `vcf_lines.read_lines`; the number of columns of
            each line is known to be right.
        forms: uint8 [lines]; unless ``OTHER``, the calls of a line are packed and not in the text.
        codes: uint8 [lines, ceil(samples / 4)].
        missing: uint8 [lines, ceil(samples / 8)].
        n_alts: int32 [lines], ALT alleles of each.
        least: float64 [2], the least GQ and DP of a call that is not made missing; negative for
            no threshold.
        first: out, int16 [k, samples], first allele; -1 missing.
        second: out, int16 [k, samples], second allele; -1 missing, ``ABSENT``.
        phased: out, uint8 [k, samples], whether a bar stands between the two.
        found: out, int64 [k, N_FOUND].
    """
    keys = np.empty(5, np.int64)
    for k in range(len(lines)):
        line = lines[k]
        if forms[line] != OTHER:
            phased[k, :] = forms[line] == PHASED
            packed = (codes[line], missing[line])
            _unpack(packed, n_alts[line], least, first[k], second[k], found[k])
            continue
        start, end = fields[line, _CALLS], fields[line, _END]
        _keys(text, fields[line, _FORMAT], start - 1, keys)
        found[k, :] = 0
        found[k, 0] = NO_GENOTYPES if keys[_GT] < 0 else TAKEN
        at = int(start)
        alone = keys[_GT] == 0 and keys[_KEYS] == 1 and least[0] < 0 and least[1] < 0
        for i in range(first.shape[1]):
            if alone and _is_pair(text, at, end):  # what most calls are
                first[k, i], second[k, i] = text[at] - 48, text[at + 2] - 48
                phased[k, i] = text[at + 1] == _PIPE
                if max(first[k, i], second[k, i]) > n_alts[line] and found[k, 0] == TAKEN:
                    found[k, 0] = ALLELE
                at += 4
                continue
            at, one, two, bar, ploidy, low, has_set = _cell(text, at, keys, least)
            if ploidy < 0 or (text[at] != _TAB and at != end):
                found[k, 0], found[k, 1] = NOT_VCF, i
                break
            at += 1
            if found[k, 0] == TAKEN:
                if max(one, two) > n_alts[line]:
                    found[k, 0] = ALLELE
                elif ploidy > 2:
                    found[k, 0] = PLOIDY
            found[k, 1] += low == 0 and two != ABSENT and (one < 0) != (two < 0)
            found[k, 2] += low == 1
            found[k, 3] += low == 2
            found[k, 4] += has_set
            first[k, i] = -1 if low else min(one, 2**15 - 1)
            second[k, i] = ABSENT if low else min(two, 2**15 - 1)
            phased[k, i] = bar


@numba.njit(cache=True, nogil=True)
def _is_pair(text: Bytes1, at: int, end: int) -> bool:
    """Whether a column, of a line that ends there, is two digits with a separator between them."""
    if at + 3 > end or (text[at + 3] != _TAB and at + 3 != end):
        return False
    digits = 48 <= text[at] <= 57 and 48 <= text[at + 2] <= 57
    return bool(digits and text[at + 1] in (_SLASH, _PIPE))


@numba.njit(cache=True, nogil=True)
def _unpack(  # noqa: PLR0917
    packed: tuple[Bytes1, Bytes1],
    n_alts: int,
    least: npt.NDArray[np.float64],
    first: npt.NDArray[np.int16],
    second: npt.NDArray[np.int16],
    found: npt.NDArray[np.int64],
) -> None:
    """Read the packed calls of a line: there is GT and no other field, so no GQ, no DP, no PS."""
    codes, missing = packed
    low = 1 if least[0] >= 0 else (2 if least[1] >= 0 else 0)
    found[:] = 0
    some = False
    for i in range(len(first)):
        pair = codes[i >> 2] >> 2 * (i & 3)
        some |= pair & 3 != 0
        if missing[i >> 3] >> (i & 7) & 1:
            first[i], second[i] = -1, -1
        elif low:
            first[i], second[i] = -1, ABSENT
            found[1 + low] += 1
        else:
            first[i], second[i] = pair & 1, pair >> 1 & 1
    found[0] = ALLELE if some and n_alts == 0 else TAKEN


@numba.njit(cache=True, nogil=True)
def _keys(text: Bytes1, at: int, end: int, keys: npt.NDArray[np.int64]) -> None:
    """Note the places of GT, GQ, DP and PS in FORMAT (-1: absent), and the number of keys."""
    keys[:] = -1
    place, begun = 0, at
    for i in range(at, end + 1):
        if i < end and text[i] != _COLON:
            continue
        if i - begun == 2:
            one, two = text[begun], text[begun + 1]
            if one == 71 and two == 84 and keys[_GT] < 0:
                keys[_GT] = place
            elif one == 71 and two == 81 and keys[_GQ] < 0:
                keys[_GQ] = place
            elif one == 68 and two == 80 and keys[_DP] < 0:
                keys[_DP] = place
            elif one == 80 and two == 83 and keys[_PS] < 0:
                keys[_PS] = place
        place += 1
        begun = i + 1
    keys[_KEYS] = place


@numba.njit(cache=True, nogil=True)
def _cell(
    text: Bytes1, at: int, keys: npt.NDArray[np.int64], least: npt.NDArray[np.float64]
) -> tuple[int, int, int, int, int, int, int]:
    """Read one sample's column.

    Returns:
        Where it ends; first and second allele; whether a bar is between them; how many alleles
        the call has, or -1 if the column is not VCF; 1 if GQ is too low, else 2 if DP is; whether
        a phase set is named.
    """
    one, two, bar, ploidy, has_set = -1, ABSENT, 0, 0, 0
    quality, depth = -1.0, -1.0
    place = 0
    while True:
        begun = at
        if place == keys[_GT]:
            if place == 0 or (text[at] != _COLON and text[at] > 13):
                at, one, two, bar, ploidy = _genotype(text, at)
            if ploidy < 0 or (text[at] != _COLON and text[at] > 13):
                return at, one, two, bar, -1, 0, 0
        else:
            while text[at] != _COLON and text[at] > 13:
                at += 1
            if place == keys[_PS]:
                has_set = _says(text, begun, at)
            elif place == keys[_GQ] and least[0] >= 0:
                quality = _number(text, begun, at)
            elif place == keys[_DP] and least[1] >= 0:
                depth = _number(text, begun, at)
        if text[at] != _COLON:
            break
        place += 1
        if place >= keys[_KEYS]:
            return at, one, two, bar, -1, 0, 0
        at += 1
    low = 0
    if one >= 0 or two >= 0:
        low = 1 if quality < least[0] else (2 if depth < least[1] else 0)
    return at, one, two, bar, ploidy, low, has_set


@numba.njit(cache=True, nogil=True)
def _genotype(text: Bytes1, at: int) -> tuple[int, int, int, int, int]:
    """Return where GT ends, two alleles, whether a bar is between them, and the ploidy (-1: bad).

    Like htslib, which has no place for it, this takes no separator before the first allele.
    """
    one, two, bar, ploidy = -1, ABSENT, 0, 0
    separator = 0
    while True:
        allele = -1
        if text[at] == _DOT:
            at += 1
        elif 48 <= text[at] <= 57:
            allele = 0
            while 48 <= text[at] <= 57:
                allele = min(allele * 10 + text[at] - 48, _LARGEST + 1)
                at += 1
            if allele > _LARGEST:
                return at, one, two, bar, -1
        else:
            return at, one, two, bar, -1
        if ploidy == 0:
            one = allele
        elif ploidy == 1:
            two, bar = allele, int(separator == _PIPE)
        ploidy += 1
        separator = text[at]
        if separator not in (_SLASH, _PIPE):
            return at, one, two, bar, ploidy
        at += 1


@numba.njit(cache=True, nogil=True)
def _says(text: Bytes1, at: int, end: int) -> int:
    """Return 1 if a field has a value: something else than dots and commas."""
    for i in range(at, end):
        if text[i] not in (_DOT, 44):
            return 1
    return 0


@numba.njit(cache=True, nogil=True)
def _number(text: Bytes1, at: int, end: int) -> float:
    """Return a number that is not negative; -1 for ``.``, nothing, or anything else."""
    value, scale, digits = 0.0, 0.0, 0
    i = at
    while i < end:
        byte = text[i]
        if 48 <= byte <= 57:
            digits += 1
            value = value * 10 + (byte - 48)
            scale *= 10
        elif byte == _DOT and scale == 0:
            scale = 1.0
        else:
            break
        i += 1
    if digits == 0:
        return -1.0
    value = value / scale if scale else value
    if i == end:
        return value
    if text[i] not in (69, 101):  # an exponent
        return -1.0
    i += 1
    negative = i < end and text[i] == 45
    i += i < end and text[i] in (43, 45)
    power = 0
    if i == end:
        return -1.0
    while i < end and 48 <= text[i] <= 57:
        power = min(power * 10 + text[i] - 48, 400)
        i += 1
    return value * 10.0 ** (-power if negative else power) if i == end else -1.0
