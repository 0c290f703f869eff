"""What the generator knows about one site, and the answers that follow from it.

A slow, obvious reference: the answers are plain filters over tables that were taken from the
generator's arrays before any file was written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from precisionchain.synthetic.calls import DOSAGES, PHASES, PLOIDIES, Codes
from precisionchain.synthetic.tables import EVENT_CONCEPT, KEYS, SITE_TABLES

_OTHERS = ("rejected", "ancestors", "concept_persons", "samples", "alleles", "states")
_ALLELE = ("chrom", "pos", "ref", "alt")


@dataclass(frozen=True, slots=True)
class Truth:
    """The accepted rows, the rejected ones, and the state of every person and allele.

    Args:
        settings: of the site, and counts for a first look.
        tables: CDM table -> accepted rows, with the columns that may leave the site.
        rejected: table_name, rule, record, line, column_name; a row for every reason.
        ancestors: ancestor_concept_id, descendant_concept_id (a concept is its own ancestor).
        concept_persons: concept_id, person_id: who has an event of the concept or below it.
        samples: sample_id, person_id, sex (1 male, 2 female), father, mother, file; file by file,
            in the order of the VCFs' columns.
        alleles: chrom, pos, ref, alt, listed (whether a file of this site has a record of it), ac,
            an, n_het, n_hom_alt, n_hemi, n_missing, n_not_assayed, af, maf; every allele that any
            site of the consortium lists.
        states: chrom, pos, ref, alt, codes: a byte a sample, whose meaning is in ``calls.py``.
    """

    settings: Mapping[str, Any]
    tables: Mapping[str, pl.DataFrame]
    rejected: pl.DataFrame
    ancestors: pl.DataFrame
    concept_persons: pl.DataFrame
    samples: pl.DataFrame
    alleles: pl.DataFrame
    states: pl.DataFrame

    def domain(self, concept: int, *, descendants: bool = True) -> dict[str, pl.DataFrame]:
        """The events of a concept, by table; tables without any are left out, and eras are."""
        wanted = [concept]
        if descendants:
            below = self.ancestors.filter(pl.col("ancestor_concept_id") == concept)
            wanted += below["descendant_concept_id"].to_list()
        found = {
            table: self.tables[table].filter(pl.col(column).is_in(wanted))
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
        found = {
            name: rows.filter(of_person)
            for name, rows in self.tables.items()
            if name not in SITE_TABLES
        }
        return {name: rows for name, rows in found.items() if len(rows)}

    def genotypes(self, variant: str, dosages: Sequence[int] | None = None) -> pl.DataFrame:
        """The state of everybody at ``chrom:pos:ref:alt``, or those of them with some dosages.

        Returns:
            person_id, dosage (0, 1, 2, 3 missing, 4 not assayed), ploidy, phase (in copies of
            this ALT; null where it is not known).
        """
        chrom, pos, ref, alt = variant.split(":")
        here = (pl.col("chrom") == chrom) & (pl.col("pos") == int(pos))
        rows = self.states.filter(here, pl.col("ref") == ref, pl.col("alt") == alt)
        if rows.is_empty():
            codes = np.zeros(0, dtype=np.uint8)
            return pl.DataFrame({"person_id": self.samples["person_id"][:0], **_spelled(codes)})
        codes = np.frombuffer(rows["codes"][0], dtype=np.uint8)
        frame = pl.DataFrame({"person_id": self.samples["person_id"], **_spelled(codes)})
        return frame if dosages is None else frame.filter(pl.col("dosage").is_in(dosages))

    def carriers(self, variant: str, dosages: Sequence[int] = (1, 2)) -> pl.DataFrame:
        """Who carries ``chrom:pos:ref:alt``: the allele's columns, then those of `genotypes`."""
        chrom, pos, ref, alt = variant.split(":")
        allele = {"chrom": chrom, "pos": int(pos), "ref": ref, "alt": alt}
        named = [pl.lit(value).alias(name) for name, value in allele.items()]
        return self.genotypes(variant, dosages).select(*named, pl.all())

    def person_variants(
        self, person_id: int, region: str, dosages: Sequence[int] = (1, 2)
    ) -> pl.DataFrame:
        """A person's genotypes with POS in ``chrom:first-last`` (closed); columns as `carriers`."""
        place = self.samples["person_id"].index_of(person_id)
        rows = self.states.filter(_inside(region))
        if place is None:
            rows = rows[:0]
        codes = np.array([code[place or 0] for code in rows["codes"]], dtype=np.uint8)
        frame = rows.select(*_ALLELE, pl.lit(person_id).alias("person_id"))
        frame = frame.with_columns(**_spelled(codes))
        return frame.filter(pl.col("dosage").is_in(dosages))

    def dosages(self) -> Codes:
        """All dosages as uint8 [alleles, samples], rows as ``alleles``, columns as ``samples``."""
        codes = np.frombuffer(b"".join(self.states["codes"]), dtype=np.uint8)
        found: Codes = DOSAGES[codes.reshape(len(self.states), -1)]
        return found

    def maf(self, low: float, high: float, region: str | None = None) -> pl.DataFrame:
        """Alleles with ``low <= maf <= high``; an allele nobody was called at never matches."""
        within = pl.col("maf").is_between(low, high)
        return self.alleles.filter(within & _inside(region) if region else within)

    def write(self, directory: Path) -> None:
        """Write ``truth.json``, a Parquet file a table, and ``tables/`` with the accepted rows."""
        (directory / "tables").mkdir(parents=True, exist_ok=True)
        text = json.dumps(dict(self.settings), indent=2, sort_keys=True)
        (directory / "truth.json").write_text(text + "\n", encoding="utf-8")
        for name in _OTHERS:
            getattr(self, name).write_parquet(directory / f"{name}.parquet")
        for name, rows in self.tables.items():
            rows.write_parquet(directory / "tables" / f"{name}.parquet")

    @classmethod
    def read(cls, directory: Path) -> Truth:
        """Read what ``write`` wrote."""
        settings = json.loads((directory / "truth.json").read_text(encoding="utf-8"))
        tables = {n: pl.read_parquet(directory / "tables" / f"{n}.parquet") for n in KEYS}
        others = {name: pl.read_parquet(directory / f"{name}.parquet") for name in _OTHERS}
        return cls(settings=settings, tables=tables, **others)


def _spelled(codes: Codes) -> dict[str, pl.Series]:
    return {
        "dosage": pl.Series(DOSAGES[codes]),
        "ploidy": pl.Series(PLOIDIES[codes]),
        "phase": pl.Series([PHASES[code] for code in codes], dtype=pl.String),
    }


def _inside(region: str) -> pl.Expr:
    chrom, _, span = region.partition(":")
    first, _, last = span.partition("-")
    return (pl.col("chrom") == chrom) & pl.col("pos").is_between(int(first), int(last))


def persons_by_concept(tables: Mapping[str, pl.DataFrame], ancestors: pl.DataFrame) -> pl.DataFrame:
    """concept_id, person_id for every concept with an event of its own or below."""
    events = pl.concat(
        tables[name].select("person_id", descendant_concept_id=column).drop_nulls()
        for name, column in EVENT_CONCEPT.items()
    ).unique()
    return (
        events.join(ancestors, on="descendant_concept_id")
        .select(concept_id="ancestor_concept_id", person_id="person_id")
        .unique()
        .sort("concept_id", "person_id")
    )
