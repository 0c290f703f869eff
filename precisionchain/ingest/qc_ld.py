"""Pruning by linkage disequilibrium, over a window that slides along one chromosome.

The procedure is that of ``plink1.9 --indep-pairwise WINDOW STEP R2``: a window holds WINDOW
alleles, those already pruned included, and moves by STEP. Within a window each allele meets the
later ones in order; of a pair beyond R2 the one with the lower MAF goes, of equal ones the later,
and then it is the next allele's turn. Rounds repeat until one removes nothing. No pair meets twice.
An allele that does not vary is pruned when the window reaches it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from precisionchain.ingest.qc_kernels import Planes, correlation, do_not_vary, known_persons

TOLERANCE: Final = 2.0**-44
"""Relative tolerance of PLINK 1.9's comparisons: values that differ by rounding alone are equal."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pruned:
    """Alleles pruned, in order.

    Attributes:
        rows: what `Pruner.add` was told they are called.
        r2: the r squared that did it; NaN for an allele that does not vary.
        n: founders known at both alleles of the pair.
    """

    rows: Ints
    r2: Floats
    n: Ints


@dataclass(frozen=True, slots=True)
class _Held:
    """Alleles from the window's first one on, arrays of one length; the last four change.

    ``next`` is the place of the next allele to meet.
    """

    rows: Ints
    planes: Planes
    maf: Floats
    gone: npt.NDArray[np.bool_]
    next: Ints
    r2: Floats
    n: Ints

    def __len__(self) -> int:
        return len(self.rows)

    def taken(self, which: slice | npt.NDArray[np.bool_]) -> _Held:
        return _Held(*(getattr(self, name)[which] for name in self.__slots__))

    def joined(self, other: _Held) -> _Held:
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__slots__)
        return _Held(*(np.concatenate(pair) for pair in pairs))


@dataclass(slots=True)
class Pruner:
    """Prunes one chromosome, fed piece by piece; keeps no more planes than of a piece and a window.

    Args:
        window: alleles in a window.
        step: alleles it moves by.
        r2: what r squared must not exceed.
    """

    window: int
    step: int
    r2: float
    _held: _Held | None = None
    _seen: int = 0
    _first: int = 0
    _last: int = 0
    _pruned: list[Pruned] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._last = self.window

    def add(self, rows: Ints, planes: Planes, maf: Floats) -> None:
        """Add the next alleles.

        Args:
            rows: what the caller calls them.
            planes: their dosages, see `qc_kernels.bit_planes`.
            maf: their minor allele frequencies.
        """
        n = len(rows)
        if not n:
            return
        held = 0 if self._held is None else len(self._held)
        meets = np.arange(held + 1, held + n + 1, dtype=np.int64)
        known = known_persons(planes)
        new = _Held(rows, planes, maf, do_not_vary(planes), meets, np.full(n, np.nan), known)
        self._held = new if self._held is None else self._held.joined(new)
        self._seen += n
        self._slide(closed=False)

    def close(self) -> Pruned:
        """Finish the chromosome and return what was pruned."""
        # PLINK does not look at the only allele of a chromosome.
        if self._seen > 1:
            self._slide(closed=True)
        parts = self._pruned or [Pruned(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))]
        return Pruned(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.r2 for part in parts]),
            np.concatenate([part.n for part in parts]),
        )

    def _slide(self, *, closed: bool) -> None:
        """Prune the windows that are complete, and let go of what lies before the next one."""
        held = self._held
        if held is None:
            return
        limits = (self._first, self._last, self.window, self.step)
        first, last = _prune(
            held.planes,
            held.maf,
            held.gone,
            held.next,
            held.r2,
            held.n,
            limits,
            self.r2 * (1 + TOLERANCE),
            closed,
        )
        past = len(held) if closed else min(first, len(held))
        gone = held.taken(slice(past))
        gone = gone.taken(gone.gone)
        self._pruned.append(Pruned(gone.rows, gone.r2, gone.n))
        self._held = held.taken(slice(past, None))
        self._held.next[:] -= past
        self._first, self._last = first - past, last - past


@njit(cache=True, nogil=True)
def _prune(  # noqa: PLR0917 - numba knows no keyword-only arguments
    planes: Planes,
    maf: Floats,
    gone: npt.NDArray[np.bool_],
    meets: Ints,
    r2: Floats,
    n: Ints,
    limits: tuple[int, int, int, int],
    threshold: float,
    closed: bool,
) -> tuple[int, int]:
    """Prune every window that lies within the alleles held, or all of them if these are the last.

    Args:
        planes: uint64 [alleles, 3, words].
        maf: of each allele.
        gone: in and out, whether it is pruned.
        meets: in and out, the next allele to meet.
        r2: out, what pruned it.
        n: in and out, founders known at both alleles of the pair.
        limits: first and last (exclusive) place of the first window; sizes of window and step.
        threshold: of r squared.
        closed: whether no more alleles will follow.

    Returns:
        First and last place of the next window.
    """
    first, last, _, step = limits
    held = gone.shape[0]
    while first < held and (closed or last <= held):
        end = min(last, held)
        while _one_round(planes, maf, gone, meets, r2, n, (first, end), threshold):
            pass
        first += step
        last = max(last, first) + step
    return first, last


@njit(cache=True, nogil=True)
def _one_round(  # noqa: PLR0917 - numba knows no keyword-only arguments
    planes: Planes,
    maf: Floats,
    gone: npt.NDArray[np.bool_],
    meets: Ints,
    r2: Floats,
    n: Ints,
    window: tuple[int, int],
    threshold: float,
) -> bool:
    """Let each allele of a window meet the others until one of a pair goes; say if any went."""
    first, end = window
    some = False
    for i in range(first, end):
        if gone[i]:
            continue
        j = meets[i]
        while j < end:
            if not gone[j]:
                found, both = correlation(planes[i], planes[j])
                if found > threshold:
                    break
            j += 1
        if j >= end:
            meets[i] = end
            continue
        some = True
        loses = i if maf[i] < (1 - TOLERANCE) * maf[j] else j
        gone[loses], r2[loses], n[loses] = True, found, both
        if loses == j:
            while j < end and gone[j]:
                j += 1
            meets[i] = j
    return some
