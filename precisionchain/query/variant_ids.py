"""Variants by the ids that files gave them: ``rs4977574`` -> ``9:22098574:A:G``."""

from __future__ import annotations

from typing import Final

import polars as pl

from precisionchain.errors import UsageError
from precisionchain.query.asked_variants import variant_or_id
from precisionchain.query.genotyped import genetic_batches
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.genetic_payloads import NO_ALLELE
from precisionchain.schemas.variant import Variant

_MOST_NAMED: Final = 20


def variants_of_id(snapshot: Snapshot, ident: str) -> list[Variant]:
    """Return the alleles to which sealed batches give an id, in genome order.

    An id stands for every ALT of its record; ``ID`` may hold several, parted by semicolons.
    """
    asked = pl.lit(";") + pl.col("id") + pl.lit(";")
    found: set[Variant] = set()
    for _, batch in genetic_batches(snapshot):
        for path in sorted((batch.folder / "sites").glob("*.parquet")):
            rows = (
                pl.scan_parquet(path)
                .filter(asked.str.contains(f";{ident};", literal=True), pl.col("alt") != NO_ALLELE)
                .select("chrom", "pos", "ref", "alt")
                .unique()
                .collect()
            )
            found.update(Variant(*row) for row in rows.iter_rows())
    return sorted(found)


def variant_meant(snapshot: Snapshot, asked: Variant | str) -> Variant:
    """Return the one variant that is meant by a variant, its text, or an id.

    Raises:
        RegionError: the text is neither.
        UsageError: no sealed batch has the id, or it stands for several variants, which are named.
    """
    named = variant_or_id(asked) if isinstance(asked, str) else asked
    if isinstance(named, Variant):
        return named
    found = variants_of_id(snapshot, named)
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            f"no sealed genotypes have a variant of id {asked}",
            hint="give it as chrom:pos:ref:alt: files may be without ids",
        )
    named = ", ".join(str(variant) for variant in found[:_MOST_NAMED])
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    raise UsageError(
        f"{asked} stands for {len(found)} variants: {named}{more}", hint="ask for one of them"
    )
