"""Allele counts by group of persons: by sex, or by a column of sequencing metadata (Q6, Q9).

Counts are over the persons' best known states (`genotype_matrix`), so they are those of ``query
variant``, and ploidy-aware: a call of one copy adds one to AN.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.errors import UsageError
from precisionchain.query.genotype_matrix import GenotypeMatrix, StateBlock, genotyped_persons
from precisionchain.query.genotyped import MISSING, NOT_ASSAYED
from precisionchain.query.known_contigs import require_contig
from precisionchain.query.sequencing import Sequencing, sequencing_of
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.column_names import folded
from precisionchain.schemas.genetic_payloads import ALLELE_KEY
from precisionchain.schemas.variant import Region, Variant

SEX: Final = "sex"
"""Grouping by the sex of the sample maps; the name of no column."""

MOST_GROUPS: Final = 100

GROUP_FREQUENCIES: Final = {
    "chrom": pl.String,
    "pos": pl.Int32,
    "ref": pl.String,
    "alt": pl.String,
    "group": pl.String,
    "values": pl.UInt8,
    "persons": pl.UInt32,
    "ac": pl.Int64,
    "an": pl.Int64,
    "af": pl.Float64,
    "n_het": pl.Int64,
    "n_hom_alt": pl.Int64,
    "n_hemi": pl.Int64,
    "n_missing": pl.Int64,
    "n_not_assayed": pl.Int64,
}
"""Columns of an answer. ``values``: how many values of the column the group's persons have: 1; 0
(unknown; ``group`` is null); 2 (several, in several sources; ``group`` is null)."""

_SEXES: Final = {1: "male", 2: "female"}

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Group:
    """Persons of a matrix: their value, how many they have (0, 1, 2 for several), their columns."""

    value: str | None
    values: int
    columns: Ints


def group_frequencies(
    snapshot: Snapshot,
    where: Region | Iterable[Variant],
    by: str | None = None,
    within: pl.DataFrame | None = None,
) -> tuple[pl.DataFrame, Mapping[str, Ints]]:
    """Return counts (`GROUP_FREQUENCIES`) by allele and group, and whom they rest on, by site.

    Args:
        snapshot: the generation to read.
        where: a region, whose listed alleles are meant, or alleles.
        by: ``sex``, or a column of sequencing metadata; None makes one group of all.
        within: site, person_id: whom to count; None means everybody with genotypes.

    Raises:
        UsageError: no batch has that column, or it has too many values to group by.
        RegionError: a contig that nobody has, see `require_contig`.
    """
    where = where if isinstance(where, Region) else list(where)
    for one in [where] if isinstance(where, Region) else where:
        require_contig(snapshot, one.chrom)
    chosen = genotyped_persons(snapshot)
    if within is not None:
        chosen = chosen.join(within, on=["site", "person_id"], how="semi", maintain_order="left")
    matrix = GenotypeMatrix(snapshot, chosen, detail="ploidy")
    groups = list(_groups(snapshot, matrix.persons, by))
    blocks = (
        matrix.of_region(where) if isinstance(where, Region) else matrix.of_alleles(_alleles(where))
    )
    parts = [pl.DataFrame(schema=GROUP_FREQUENCIES)]
    parts += [_counted(block, groups) for block in blocks]
    ids = {str(site): rows["person_id"].to_numpy() for (site,), rows in chosen.group_by("site")}
    return pl.concat(parts), ids


def _alleles(variants: Sequence[Variant]) -> pl.DataFrame:
    trimmed = [variant.trimmed() for variant in variants]
    rows = [(one.chrom, one.pos, one.ref, one.alt) for one in trimmed]
    schema = {name: GROUP_FREQUENCIES[name] for name in ALLELE_KEY}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _groups(snapshot: Snapshot, persons: pl.DataFrame, by: str | None) -> Iterator[Group]:
    """Yield the groups in order of their values, those without one value last."""
    numbered = persons.with_row_index("column")
    if by is None:
        yield Group("all", 1, np.arange(persons.height))
        return
    if by.lower() == SEX:
        sexes = pl.col("sex").replace_strict(_SEXES, default=None, return_dtype=pl.String)
        rows = numbered.select("column", sexes.alias("value"), sexes.is_not_null().alias("values"))
    else:
        values = _values(sequencing_of(snapshot), by)
        rows = numbered.join(values, on=["site", "person_id"], how="left")
    rows = rows.select(
        "column",
        pl.when(pl.col("values") == 1).then("value").alias("value"),
        pl.col("values").fill_null(0).cast(pl.UInt8).clip(0, 2).alias("values"),
        pl.col("number").alias("order") if "number" in rows.columns else pl.lit(0).alias("order"),
    )
    found = rows.group_by("value", "values").agg(pl.col("column").sort(), pl.col("order").min())
    if found.height > MOST_GROUPS:
        raise UsageError(
            f"the column has {found.height} values here, too many to group by",
            hint="ask within sequenced(...), as within=sequenced(coverage__ge=30)",
        )
    rank = pl.col("values").replace_strict({1: 0, 2: 1, 0: 2})
    for value, values, columns, _ in found.sort(rank, "order", "value").iter_rows():
        yield Group(value, values, np.array(columns, np.int64))


def _values(known: Sequencing, by: str) -> pl.DataFrame:
    """Return site, person_id, value, number, and how many values of a column the person has."""
    column = folded(by)
    if column not in known.asked:
        hint = f"{SEX}, or one of {', '.join(sorted(known.asked))}" if known.asked else SEX
        raise UsageError("no batch has a column of that name", hint=hint)
    cells = known.by_column.get(column, known.cells.clear())
    units = known.units.with_row_index("unit").with_columns(pl.col("unit").cast(pl.Int64))
    whole = pl.col("number").cast(pl.Int64, strict=False)
    shown = (
        pl.when(pl.col("number").is_null())
        .then("text")
        .when(whole == pl.col("number"))
        .then(whole.cast(pl.String))
        .otherwise(pl.col("number").cast(pl.String))
    )
    placed = cells.join(units, on="unit").with_columns(shown.alias("value"))
    return placed.group_by("site", "person_id").agg(
        pl.col("value").first(),
        pl.col("number").first().fill_null(0),
        pl.col("value").n_unique().alias("values"),
    )


def _counted(block: StateBlock, groups: Sequence[Group]) -> pl.DataFrame:
    """Return the counts of a block's alleles, a row a group of each."""
    parts = [
        block.alleles.with_row_index("allele").with_columns(
            pl.lit(group.value, pl.String).alias("group"),
            pl.lit(group.values, pl.UInt8).alias("values"),
            pl.lit(len(group.columns), pl.UInt32).alias("persons"),
            pl.lit(number).alias("number"),
            *_counts(block, group.columns),
        )
        for number, group in enumerate(groups)
    ]
    if not parts:
        return pl.DataFrame(schema=GROUP_FREQUENCIES)
    an = pl.col("an")
    af = pl.when(an > 0).then(pl.col("ac") / an).alias("af")
    rows = pl.concat(parts).sort("allele", "number").with_columns(af)
    return rows.select(*GROUP_FREQUENCIES).cast(pl.Schema(GROUP_FREQUENCIES))


def _counts(block: StateBlock, columns: Ints) -> Iterator[pl.Series]:
    state, ploidy = block.state[:, columns], block.ploidy[:, columns]
    diploid = ploidy == 2
    carrier = state == 1
    n_het = (carrier & diploid).sum(axis=1)
    n_hemi = (carrier & ~diploid).sum(axis=1)
    n_hom_alt = (state == 2).sum(axis=1)
    yield pl.Series("ac", n_het + 2 * n_hom_alt + n_hemi)
    yield pl.Series("an", ploidy.sum(axis=1, dtype=np.int64))
    yield pl.Series("n_het", n_het)
    yield pl.Series("n_hom_alt", n_hom_alt)
    yield pl.Series("n_hemi", n_hemi)
    yield pl.Series("n_missing", (state == MISSING).sum(axis=1))
    yield pl.Series("n_not_assayed", (state == NOT_ASSAYED).sum(axis=1))
