"""Histograms as numbers and as the geometry of an SVG; the template only writes them down.

>>> bins = Bins.up_to(0.01, 0.05, 0.5)
>>> bins.count(np.array([0.0, 0.01, 0.02, 0.05, 0.3])).tolist()
[1, 1, 2, 1]
>>> bins.labels
('0', '1', '5', '50')
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

WIDTH: Final = 480
HEIGHT: Final = 190
_TOP: Final = 22
_BASE: Final = HEIGHT - 26
_GAP: Final = 4


@dataclass(frozen=True, slots=True)
class Bins:
    """Exactly zero, then intervals that hold their upper edge and not their lower one.

    Attributes:
        edges: upper edges, ascending, shares of 1; the first is 0.
    """

    edges: tuple[float, ...]

    @classmethod
    def up_to(cls, *edges: float) -> Bins:
        """Return the bins that end at these edges, after one for zero."""
        return cls((0.0, *sorted(set(edges))))

    @property
    def labels(self) -> tuple[str, ...]:
        """Upper edges in percent."""
        return tuple(f"{round(100 * edge, 6):g}" for edge in self.edges)

    def count(self, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return how many shares each bin holds, int64; none may lie beyond the last edge."""
        places = np.searchsorted(np.array(self.edges), shares, side="left")
        return np.bincount(places, minlength=len(self.edges)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: what it counts, and its rectangle in the drawing's units, which are CSS pixels."""

    label: str
    count: int
    beyond: bool
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Where its texts are centred."""
        return round(self.x + self.width / 2, 1)


@dataclass(frozen=True, slots=True)
class Histogram:
    """A drawn histogram.

    Attributes:
        bars: from left to right.
        threshold: the share beyond which bars are marked, None for none.
        left_out: how many had no share, because nothing could be called.
    """

    bars: tuple[Bar, ...]
    threshold: float | None
    left_out: int
    width: int = WIDTH
    height: int = HEIGHT
    base: int = _BASE

    @property
    def total(self) -> int:
        """How many are counted in its bars."""
        return sum(bar.count for bar in self.bars)


def histogram(
    bins: Bins,
    counts: npt.NDArray[np.int64] | Sequence[int],
    *,
    threshold: float | None = None,
    left_out: int = 0,
) -> Histogram:
    """Return the drawing of counts by bin.

    Args:
        bins: where they were counted.
        counts: one a bin.
        threshold: bars beyond it are marked; it should be an edge.
        left_out: how many are in no bin.
    """
    step = WIDTH / len(bins.edges)
    largest = max(1, *(int(count) for count in counts))
    bars = []
    for i, (label, count) in enumerate(zip(bins.labels, counts, strict=True)):
        # A bar of one in a million is still a bar.
        height = max(1.5, (_BASE - _TOP) * int(count) / largest) if count else 0.0
        beyond = threshold is not None and bins.edges[i] > threshold
        rectangle = (i * step + _GAP / 2, _BASE - height, step - _GAP, height)
        bars.append(Bar(label, int(count), beyond, *(round(side, 1) for side in rectangle)))
    return Histogram(tuple(bars), threshold, left_out)
