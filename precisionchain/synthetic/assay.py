"""What the genotype files of a site hold: everything, an exome's targets, or an array's sites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from precisionchain.errors import UsageError
from precisionchain.synthetic.associations import Association
from precisionchain.synthetic.genome import FounderContig, Stretch
from precisionchain.synthetic.pedigree import Flags

AssayKind = Literal["wgs", "exome", "array"]
Interval = tuple[str, int, int]  # contig, and first and last position, 1-based

_EXON_EVERY, _EXON_BASES = 1_200, 400
_AROUND_PLANTED = 100
_ARRAY_FREQUENCY, _ARRAY_EVERY = 0.05, 2  # every second common substitution is on the array


def check_assays(assays: Sequence[str]) -> None:
    """Refuse what is no assay.

    Raises:
        UsageError: an unknown name, or one twice.
    """
    unknown = [name for name in assays if name not in get_args(AssayKind)]
    if unknown or not assays or len(set(assays)) < len(assays):
        message = f"the assays of a site cannot be {', '.join(assays) or 'none'}"
        raise UsageError(message, hint=f"one or several of {', '.join(get_args(AssayKind))}")


def exome_targets(
    stretches: Sequence[Stretch], planted: Sequence[Association]
) -> tuple[Interval, ...]:
    """The intervals an exome assays: 400 of every 1,200 bases, and what lies around the planted."""
    found = [
        (stretch.chrom, first + 1, min(first + _EXON_BASES, stretch.start + stretch.bases))
        for stretch in stretches
        for first in range(stretch.start, stretch.start + stretch.bases, _EXON_EVERY)
    ]
    found += [
        (a.chrom, a.position - _AROUND_PLANTED, a.position + _AROUND_PLANTED)
        for a in planted
        if any(stretch.holds(a.chrom, a.position) for stretch in stretches)
    ]
    order = {stretch.chrom: number for number, stretch in reversed(list(enumerate(stretches)))}
    merged: list[Interval] = []
    for chrom, first, last in sorted(found, key=lambda i: (order[i[0]], i[1])):
        if merged and merged[-1][0] == chrom and first <= merged[-1][2] + 1:
            merged[-1] = (chrom, merged[-1][1], max(last, merged[-1][2]))
        else:
            merged.append((chrom, first, last))
    return tuple(merged)


def bed_text(targets: Sequence[Interval]) -> str:
    """The targets as BED: 0-based, half-open, tab-separated."""
    return "".join(f"{chrom}\t{first - 1}\t{last}\n" for chrom, first, last in targets)


def on_target(contig: FounderContig, targets: Sequence[Interval]) -> Flags:
    """Whether a site's POS lies in a target; [sites]."""
    own = [(first, last) for chrom, first, last in targets if chrom == contig.chrom]
    firsts = np.array([first for first, _ in own], dtype=np.int64)
    lasts = np.array([last for _, last in own], dtype=np.int64)
    place = np.searchsorted(firsts, contig.positions, side="right") - 1
    return (place >= 0) & (contig.positions <= lasts[np.maximum(place, 0)])


def on_array(
    contig: FounderContig,
    frequency: npt.NDArray[np.float64],
    planted: Sequence[Association],
) -> Flags:
    """Whether a site is on the array: markers, the planted, half the other common substitutions.

    Args:
        contig: the sites.
        frequency: of all ALTs of a site together, among everybody.
        planted: as they stand on any contig.
    """
    simple = np.array(
        [
            len(ref) == 1 and [len(alt) for alt in alts] == [1]
            for ref, alts in zip(contig.refs, contig.alts, strict=True)
        ]
    )
    chosen = simple & (np.minimum(frequency, 1 - frequency) >= _ARRAY_FREQUENCY)
    chosen &= np.cumsum(chosen) % _ARRAY_EVERY == 0
    here = [a.position for a in planted if a.chrom == contig.chrom]
    return chosen | (simple & contig.marker) | np.isin(contig.positions, here)
