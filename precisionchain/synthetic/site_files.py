"""Write what a site would be handed, but for its genotype files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from precisionchain.synthetic import concepts
from precisionchain.synthetic.csv_file import write_csv
from precisionchain.synthetic.dirt import STRANGER, soil
from precisionchain.synthetic.genotyping import file_names
from precisionchain.synthetic.roster import Members
from precisionchain.synthetic.sequencing import sequencing_table


@dataclass(frozen=True, slots=True)
class Written:
    """What was written for a site, as its truth states it.

    Args:
        site: its name.
        accepted: CDM table -> accepted rows.
        rejected: table_name, rule, record, line, column_name.
        samples: the sample map, with each sample's assay and file.
    """

    site: str
    accepted: Mapping[str, pl.DataFrame]
    rejected: pl.DataFrame
    samples: pl.DataFrame


def write_omop(
    folder: Path, tables: Mapping[str, pl.DataFrame], dirty: int, rng: np.random.Generator
) -> pl.DataFrame:
    """Write the tables with their broken rows; return the truth's ``rejected``.

    A rejected person takes his events with him: they name a person nobody accepted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    strangers = [STRANGER]
    rejected = []
    for name, table in tables.items():
        soiled = soil(name, table, rng, copies=dirty, strangers=strangers)
        if name == "person":
            strangers += soiled.rejected_keys
        lines = write_csv(folder / f"{name}.csv", soiled)
        rejected.append(
            soiled.rejected.select(
                pl.lit(name).alias("table_name"),
                "rule",
                "record",
                line=lines[soiled.rejected["record"] - 1],
                column_name="column_name",
            )
        )
    return pl.concat(rejected)


def write_vocabulary(folder: Path, ancestors: pl.DataFrame) -> None:
    """Write the vocabulary's tables; the same for every site."""
    folder.mkdir(parents=True, exist_ok=True)
    concepts.concept_table().write_csv(folder / "concept.csv")
    concepts.vocabulary_table().write_csv(folder / "vocabulary.csv")
    concepts.relationship_table().write_csv(folder / "concept_relationship.csv")
    ancestors.write_csv(folder / "concept_ancestor.csv")


def file_columns(members: Members, assays: Sequence[str]) -> dict[str, pl.Series]:
    """The assay and the genotype file of each sample, in the order of the sample map."""
    sizes = [len(column) for column in members.columns()]
    return {
        "assay": pl.Series(np.repeat(np.array(assays), sizes).tolist(), dtype=pl.String),
        "file": pl.Series(np.repeat(np.array(file_names(assays)), sizes).tolist(), dtype=pl.String),
    }


def write_samples(folder: Path, samples: pl.DataFrame, rng: np.random.Generator) -> None:
    """Write ``samples.csv`` and ``sequencing.csv``.

    Args:
        folder: of the site.
        samples: the sample map, with each sample's assay and file.
        rng: randomness, for how they were sequenced.
    """
    samples.drop("assay", "file").write_csv(folder / "samples.csv")
    names, assays = samples["sample_id"].to_list(), samples["assay"].to_list()
    sequencing_table(names, assays, rng).write_csv(folder / "sequencing.csv")
