"""A hospital without genotypes, of any size: clean OMOP tables and the vocabulary, in seconds.

It is drawn as `clinic` draws a site of a consortium, some thousands of persons at a time, so that
memory does not grow with the hospital: about 90 rows a person over 16 tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from precisionchain.synthetic import concepts
from precisionchain.synthetic.clinic import clinical_tables
from precisionchain.synthetic.design import Design
from precisionchain.synthetic.people import draw_people
from precisionchain.synthetic.phenotype import covariate_table, draw_traits
from precisionchain.synthetic.population import expected_ancestry
from precisionchain.synthetic.roster import draw_roster
from precisionchain.synthetic.site_files import write_vocabulary
from precisionchain.synthetic.tables import KEYS, SITE_TABLES

_KEYS_OF_A_PART = 100_000_000
"""How far apart the keys of parts lie; `clinic` numbers rows of all tables below that."""
_LINKS = ("visit_occurrence_id", "preceding_visit_occurrence_id")


def write_clinical_site(
    directory: Path | str, *, seed: int = 1, persons: int = 300, at_once: int = 10_000
) -> dict[str, int]:
    """Write ``omop/`` and ``vocabulary/`` into ``directory``; return the rows of each table.

    The same arguments give the same bytes, at the same versions of the libraries.

    Args:
        directory: made if need be; files of these names in it are overwritten.
        seed: seed of everything.
        persons: how many; 20 at least.
        at_once: how many are drawn at a time at most.

    Raises:
        UsageError: the persons are too few.
    """
    folder = Path(directory) / "omop"
    folder.mkdir(parents=True, exist_ok=True)
    write_vocabulary(Path(directory) / "vocabulary", concepts.ancestor_table())
    parts = max(1, -(-persons // at_once))
    sizes = [len(part) for part in np.array_split(np.arange(persons), parts)]
    ids_of_a_part = 20 * max(sizes) + 100  # `draw_roster` takes ids below that
    rows = dict.fromkeys(KEYS, 0)
    for number, (size, seeds) in enumerate(
        zip(sizes, np.random.SeedSequence(seed).spawn(parts), strict=True)
    ):
        for name, table in _drawn(seed, size, np.random.default_rng(seeds)).items():
            if number and name in SITE_TABLES:
                continue
            moved = _moved(name, table, number, ids_of_a_part)
            with (folder / f"{name}.csv").open("ab" if number else "wb") as file:
                moved.write_csv(
                    file, include_header=not number, datetime_format="%Y-%m-%d %H:%M:%S"
                )
            rows[name] += len(moved)
    return rows


def _drawn(seed: int, persons: int, rng: np.random.Generator) -> Mapping[str, pl.DataFrame]:
    """Draw the tables of some persons; nothing of their genomes has an effect."""
    design = Design(seed=seed, sites=("A",), persons=(persons,), assays=(("wgs",),))
    people = draw_people(design, rng)
    ancestry = expected_ancestry(people.pedigree, people.founding)
    covariates = covariate_table(people.pedigree.sex, people.born, ancestry)
    traits = draw_traits(design.phenotypes, (), {}, covariates, rng)
    (members,) = people.members
    famous = people.famous(members, traits, people.on_record_twice())
    roster = draw_roster(members, famous, people.pedigree, people.born, rng)
    return clinical_tables(roster, traits, ancestry, rng)


def _moved(name: str, table: pl.DataFrame, part: int, ids_of_a_part: int) -> pl.DataFrame:
    """Give the rows of a part keys and persons that no other part has."""
    if name in SITE_TABLES:
        return table
    keys = ({str(KEYS[name])} | set(_LINKS)) & set(table.columns) - {"person_id"}
    return table.with_columns(
        pl.col(sorted(keys)) + part * _KEYS_OF_A_PART,
        pl.col("person_id") + part * ids_of_a_part,
    )
