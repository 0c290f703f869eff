"""What the generator knows about its own hospital, and the answers that follow from it.

A slow, obvious reference: the answers are plain filters over tables that were taken from the
generator's arrays before any file was written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import polars as pl

from precisionchain.synthetic.dirt import KEYS

EVENT_CONCEPT = {
    "condition_occurrence": "condition_concept_id",
    "measurement": "measurement_concept_id",
}
MISSING = 3  # dosage of a call that lacks at least one allele

# Columns of our tables that a site keeps to itself (DESIGN: "What never leaves a site").
_KEPT_AT_HOME = ("location_id", "provider_id", "care_site_id", "stop_reason")


@dataclass(frozen=True, slots=True)
class Truth:
    """The accepted rows, the rejected ones, and every genotype.

    Args:
        settings: seed and sizes, the planted association, and counts for a first look.
        person, observation_period, condition_occurrence, measurement: accepted rows, with the
            columns that may leave the site.
        rejected: table_name, rule, record, line, column_name; a row for every reason.
        ancestors: ancestor_concept_id, descendant_concept_id (a concept is its own ancestor).
        concept_persons: concept_id, person_id: who has an event of the concept or below it.
        samples: sample_id, person_id, sex (1 male, 2 female), in the order of the VCF's columns.
        alleles: chrom, pos, ref, alt, ac, an, n_het, n_hom_alt, n_missing, af, maf.
        genotypes: chrom, pos, ref, alt, person_id, dosage (0, 1, 2, 3 = missing), phase
            (0|0, 0|1, 1|0, 1|1 in copies of this ALT, null where missing).
    """

    settings: Mapping[str, Any]
    person: pl.DataFrame
    observation_period: pl.DataFrame
    condition_occurrence: pl.DataFrame
    measurement: pl.DataFrame
    rejected: pl.DataFrame
    ancestors: pl.DataFrame
    concept_persons: pl.DataFrame
    samples: pl.DataFrame
    alleles: pl.DataFrame
    genotypes: pl.DataFrame

    def domain(self, concept: int, *, descendants: bool = True) -> dict[str, pl.DataFrame]:
        """The events of a concept, by table; tables without any are left out."""
        wanted = [concept]
        if descendants:
            below = self.ancestors.filter(pl.col("ancestor_concept_id") == concept)
            wanted += below["descendant_concept_id"].to_list()
        found = {
            table: getattr(self, table).filter(pl.col(column).is_in(wanted))
            for table, column in EVENT_CONCEPT.items()
        }
        return {table: rows for table, rows in found.items() if len(rows)}

    def persons_of(self, concept: int) -> list[int]:
        """Who has an event of the concept or of one below it, ascending."""
        rows = self.concept_persons.filter(pl.col("concept_id") == concept)
        return rows["person_id"].to_list()

    def record(self, person_id: int) -> dict[str, pl.DataFrame]:
        """A person's accepted rows, by table; tables without any are left out."""
        of_person = pl.col("person_id") == person_id
        found = {name: getattr(self, name).filter(of_person) for name in KEYS}
        return {name: rows for name, rows in found.items() if len(rows)}

    def carriers(self, variant: str, dosages: Sequence[int] = (1, 2)) -> pl.DataFrame:
        """Genotypes of ``chrom:pos:ref:alt`` that are among ``dosages``."""
        chrom, pos, ref, alt = variant.split(":")
        return self.genotypes.filter(
            pl.col("chrom") == chrom,
            pl.col("pos") == int(pos),
            pl.col("ref") == ref,
            pl.col("alt") == alt,
            pl.col("dosage").is_in(dosages),
        )

    def person_variants(
        self, person_id: int, region: str, dosages: Sequence[int] = (1, 2)
    ) -> pl.DataFrame:
        """A person's genotypes with POS in ``chrom:first-last`` (closed)."""
        return self.genotypes.filter(
            pl.col("person_id") == person_id, pl.col("dosage").is_in(dosages), _inside(region)
        )

    def maf(self, low: float, high: float, region: str | None = None) -> pl.DataFrame:
        """Alleles with ``low <= maf <= high``; an allele nobody was called at never matches."""
        within = pl.col("maf").is_between(low, high)
        return self.alleles.filter(within & _inside(region) if region else within)

    def write(self, directory: Path) -> None:
        """Write ``truth.json`` and a Parquet file a table."""
        directory.mkdir(parents=True, exist_ok=True)
        text = json.dumps(dict(self.settings), indent=2, sort_keys=True)
        (directory / "truth.json").write_text(text + "\n", encoding="utf-8")
        for name in _tables():
            getattr(self, name).write_parquet(directory / f"{name}.parquet")

    @classmethod
    def read(cls, directory: Path) -> Truth:
        """Read what ``write`` wrote."""
        settings = json.loads((directory / "truth.json").read_text(encoding="utf-8"))
        tables = {name: pl.read_parquet(directory / f"{name}.parquet") for name in _tables()}
        return cls(settings=settings, **tables)


def _tables() -> list[str]:
    return [f.name for f in fields(Truth) if f.name != "settings"]


def _inside(region: str) -> pl.Expr:
    chrom, _, span = region.partition(":")
    first, _, last = span.partition("-")
    return (pl.col("chrom") == chrom) & pl.col("pos").is_between(int(first), int(last))


def published(table: pl.DataFrame) -> pl.DataFrame:
    """The columns that may leave the site."""
    return table.select(
        c for c in table.columns if not c.endswith("_source_value") and c not in _KEPT_AT_HOME
    )


def persons_by_concept(tables: Mapping[str, pl.DataFrame], ancestors: pl.DataFrame) -> pl.DataFrame:
    """concept_id, person_id for every concept with an event of its own or below."""
    events = pl.concat(
        tables[name].select("person_id", descendant_concept_id=column)
        for name, column in EVENT_CONCEPT.items()
    ).unique()
    return (
        events.join(ancestors, on="descendant_concept_id")
        .select(concept_id="ancestor_concept_id", person_id="person_id")
        .unique()
        .sort("concept_id", "person_id")
    )
