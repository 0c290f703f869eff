"""The contigs of which there can be an answer: chromosomes, and what sealed genotypes have besides.

As with concepts, what nobody has heard of is a mistake and not an empty answer: ``99:1-5``. A
chromosome that no genotypes are on is an empty one, and so is anything before the first genotypes.
"""

from __future__ import annotations

from typing import Final

from precisionchain.errors import RegionError
from precisionchain.query.genotyped import genetic_batches
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.genome import CHROMOSOMES, chrom_rank

_MOST_NAMED: Final = 30


def contigs_of(snapshot: Snapshot) -> set[str]:
    """Return the contigs that sealed genotypes list or assay."""
    return {
        chrom
        for _, batch in genetic_batches(snapshot)
        for frame in (batch.extent, batch.mapping)
        for chrom in frame["chrom"].unique()
    }


def require_contig(snapshot: Snapshot, chrom: str) -> None:
    """Refuse a contig that is no chromosome and in no sealed genotypes, where there are some.

    Raises:
        RegionError: it is one; not naming it, since it may be mistyped anything.
    """
    if chrom in CHROMOSOMES:
        return
    known = contigs_of(snapshot)
    if known and chrom not in known:
        named = sorted(known, key=lambda name: (chrom_rank(name), name))
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        raise RegionError(
            "that contig is no chromosome, and no sealed genotypes have it",
            hint=f"they have {', '.join(named[:_MOST_NAMED])}{more}",
        )
