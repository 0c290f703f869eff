"""Which alleles reach a region: types, how a span lies to it, and the share that both have.

What a span and an overlap are: ``docs/reference/structural-variants.md``. No data, no engine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from precisionchain.errors import UsageError
from precisionchain.schemas.genome import MAX_POSITION
from precisionchain.schemas.structural import SVTYPES
from precisionchain.schemas.variant import Region

ANY: Final = "any"
WITHIN: Final = "within"
COVERS: Final = "covers"
START: Final = "start"
OVERLAPS: Final = (ANY, WITHIN, COVERS, START)


@dataclass(frozen=True, slots=True)
class Reach:
    """Which spans are asked for.

    Attributes:
        region: the region.
        svtypes: types, of `SVTYPES`, ascending; none means any.
        overlap: how a span lies to the region, of `OVERLAPS`.
        reciprocal: the least share of the region, and of the span, that both have.

    Raises:
        UsageError: an overlap that is none, or a share that cannot be.
    """

    region: Region
    svtypes: tuple[str, ...] = ()
    overlap: str = ANY
    reciprocal: float | None = None

    def __post_init__(self) -> None:
        if self.overlap not in OVERLAPS:
            raise UsageError("not an overlap", hint=f"one of {', '.join(OVERLAPS)}")
        if self.reciprocal is None:
            return
        if not 0 < self.reciprocal <= 1:
            raise UsageError("not a share of a region and a span", hint="0 < reciprocal <= 1")
        if self.region.end == MAX_POSITION:
            raise UsageError("a share is of a region with two ends", hint="CHROM:START-END")


def reach_of(
    region: Region, svtype: object = None, overlap: object = ANY, reciprocal: object = None
) -> Reach:
    """Return a reach from what a caller gave.

    Raises:
        UsageError: it is none.
    """
    if reciprocal is not None and (
        isinstance(reciprocal, bool) or not isinstance(reciprocal, int | float)
    ):
        raise UsageError("reciprocal is a number", hint="0 < reciprocal <= 1")
    share = None if reciprocal is None else float(reciprocal)
    return Reach(region, as_svtypes(svtype), str(overlap), share)


def as_svtypes(given: object) -> tuple[str, ...]:
    """Return types of structural variants, ascending, each once; none where none are given.

    Raises:
        UsageError: one of them is none.
    """
    if given is None:
        return ()
    named = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    types = sorted({str(one).upper() for one in named})
    if not types or not set(types) <= set(SVTYPES):
        raise UsageError(
            "not a type of structural variants", hint=f"one or more of {', '.join(SVTYPES)}"
        )
    return tuple(types)
