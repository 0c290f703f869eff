"""INFO's AC and AN beside the genotypes: never used, but compared, and the records that disagree
are counted as a warning.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

_SEMICOLON, _COMMA, _EQUALS, _A, _C, _N = 59, 44, 61, 65, 67, 78
_INFO = 7

Integers = npt.NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def contradicting(  # noqa: PLR0917 - numba knows no keyword-only arguments
    text: npt.NDArray[np.uint8],
    fields: npt.NDArray[np.int32],
    lines: Integers,
    starts: Integers,
    sizes: Integers,
    ac: npt.NDArray[np.int32],
    an: npt.NDArray[np.int32],
) -> tuple[int, int]:
    """Return how many lines have an AC or AN that is not that of their genotypes, and the first.

    ``text`` and ``fields`` are lines as `vcf_lines.read_lines` has them; ``lines`` those to look
    at, of which every ALT has a row, ``sizes`` of them from ``starts`` on; ``ac`` and ``an`` the
    counts of the genotypes by row.
    """
    n, first = 0, -1
    for line in lines:
        at, end = fields[line, _INFO], fields[line, _INFO + 1] - 1
        row = starts[line]
        wrong = False
        while at + 3 < end and not wrong:
            if text[at] == _A and text[at + 2] == _EQUALS:
                if text[at + 1] == _N:
                    value, _ = _number(text, at + 3, end)
                    wrong = value >= 0 and value != an[row]
                elif text[at + 1] == _C:
                    place, of = at + 3, row
                    while place < end and of < row + sizes[line] and not wrong:
                        value, place = _number(text, place, end)
                        wrong = value >= 0 and value != ac[of]
                        of += 1
                        if place < end and text[place] != _COMMA:
                            break
                        place += 1
            while at < end and text[at] != _SEMICOLON:
                at += 1
            at += 1
        if wrong:
            n += 1
            if first < 0:
                first = line
    return n, first


@numba.njit(cache=True, nogil=True)
def _number(text: npt.NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """Return a number (-1: there is none) and where it ends."""
    value = -1
    while at < end and 48 <= text[at] <= 57:
        value = min(max(value, 0) * 10 + text[at] - 48, 2**40)
        at += 1
    return value, at
