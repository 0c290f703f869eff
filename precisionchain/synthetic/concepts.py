"""The vocabulary of the synthetic consortium: several hundred concepts, and their hierarchies.

The concepts that matter stand in ``concepts.tsv``: ids from 2,000,000,000 up are the range OMOP
leaves to local concepts, and those here are invented; the others are the standard ids of those
names. To them come disorders made by rule (`_disorders_by_rule`) and a local source code, which is
not standard, for each condition. Many concepts have two parents, and the longest way from the top
to a leaf is seven levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
import polars as pl

MALE, FEMALE = 8507, 8532
TYPE_2_DIABETES = 201826
CORONARY_ARTERIOSCLEROSIS = 317576
GLUCOSE, HEMOGLOBIN_A1C = 3004501, 3004410
CHOLESTEROL, SYSTOLIC_PRESSURE = 3027114, 3004249
C_REACTIVE_PROTEIN = 3020460
ELECTRONIC_RECORD = 32817
RELEASE = "synthetic consortium 2"

_BY_RULE = 2_000_001_000  # ids of disorders made by rule
_SOURCE_CODES = 2_000_100_000
_TOP = 2_000_000_000  # "Disorder"
_ORGANS = ("ear", "nose", "throat", "skin", "stomach", "bowel", "liver", "bladder", "muscle")
_KINDS = {
    "Inflammation": 0.01,
    "Injury": 0.02,
    "Tumour": 0.003,
    "Malformation": 0.001,
    "Degeneration": 0.004,
    "Pain": 0.03,
}
_GRADES = ("Mild", "Moderate", "Severe")
_VOCABULARIES = {
    "Gender": "Gender",
    "Race": "Race",
    "Ethnicity": "Ethnicity",
    "Visit": "Visit",
    "Type Concept": "Type Concept",
    "Unit": "UCUM",
    "Metadata": "None",
}


@dataclass(frozen=True, slots=True)
class Concept:
    """One standard concept.

    Args:
        concept_id: its OMOP id.
        name: its name.
        domain: OMOP domain, also the table its events go to.
        parents: ids of the concepts directly above it.
        share: share of persons who ever have it; 0 for concepts that only group others or that
            something else decides.
        mean, sd, unit: of a value's distribution.
        other_unit: another unit that values come in, 0 for none.
        units_a_other_unit: how many of ``unit`` make one of ``other_unit``.
    """

    concept_id: int
    name: str
    domain: str
    parents: tuple[int, ...] = ()
    share: float = 0.0
    mean: float = 0.0
    sd: float = 0.0
    unit: int = 0
    other_unit: int = 0
    units_a_other_unit: float = 1.0


def _listed() -> list[Concept]:
    """The concepts of ``concepts.tsv``; there, parents stand before their children."""
    text = resources.files("precisionchain.synthetic").joinpath("concepts.tsv").read_text("utf-8")
    found = []
    for line in text.splitlines()[1:]:
        number, name, domain, parents, share, mean, sd, unit, other, factor = line.split("\t")
        found.append(
            Concept(
                concept_id=int(number),
                name=name,
                domain=domain,
                parents=tuple(int(p) for p in parents.split()),
                share=float(share or 0),
                mean=float(mean or 0),
                sd=float(sd or 0),
                unit=int(unit or 0),
                other_unit=int(other or 0),
                units_a_other_unit=float(factor or 1),
            )
        )
    return found


def _disorders_by_rule() -> list[Concept]:
    """For each organ and kind of disorder three grades, below both the organ and the kind."""
    found: list[Concept] = []

    def add(name: str, *parents: int, share: float = 0.0) -> int:
        found.append(Concept(_BY_RULE + len(found), name, "Condition", parents, share))
        return found[-1].concept_id

    kinds = {kind: add(kind, _TOP) for kind in _KINDS}
    for organ in _ORGANS:
        top = add(f"Disorder of the {organ}", _TOP)
        for kind, share in _KINDS.items():
            both = add(f"{kind} of the {organ}", top, kinds[kind], share=share)
            for grade in _GRADES:
                add(f"{grade} {kind.lower()} of the {organ}", both, share=share / 3)
    return found


CONCEPTS: tuple[Concept, ...] = (*_listed(), *_disorders_by_rule())
BY_ID = {c.concept_id: c for c in CONCEPTS}


def of_domain(domain: str) -> list[Concept]:
    """The concepts of a domain that events are recorded with, in the order of the table."""
    return [c for c in CONCEPTS if c.domain == domain and c.share > 0]


def source_code(concept_id: int) -> int:
    """The local source code that maps to a condition."""
    return _SOURCE_CODES + _POSITION[concept_id]


_POSITION = {c.concept_id: number for number, c in enumerate(CONCEPTS)}
_CONDITIONS = [c for c in CONCEPTS if c.domain == "Condition"]


def concept_table() -> pl.DataFrame:
    """The OMOP ``concept`` table: one row a concept, every column of CDM 5.4."""
    standard = pl.DataFrame(
        {
            "concept_id": [c.concept_id for c in CONCEPTS],
            "concept_name": [c.name for c in CONCEPTS],
            "domain_id": [c.domain for c in CONCEPTS],
            "vocabulary_id": [_VOCABULARIES.get(c.domain, "Demo") for c in CONCEPTS],
            "standard_concept": ["S" if c.concept_id else None for c in CONCEPTS],
        }
    )
    codes = pl.DataFrame(
        {
            "concept_id": [source_code(c.concept_id) for c in _CONDITIONS],
            "concept_name": [f"{c.name} (local code)" for c in _CONDITIONS],
            "domain_id": ["Condition"] * len(_CONDITIONS),
            "vocabulary_id": ["Demo source"] * len(_CONDITIONS),
            "standard_concept": pl.Series([None] * len(_CONDITIONS), dtype=pl.String),
        }
    )
    return pl.concat([standard, codes]).select(
        "concept_id",
        "concept_name",
        "domain_id",
        "vocabulary_id",
        pl.lit("Undefined").alias("concept_class_id"),
        "standard_concept",
        pl.format("D{}", "concept_id").alias("concept_code"),
        pl.lit("1970-01-01").alias("valid_start_date"),
        pl.lit("2099-12-31").alias("valid_end_date"),
        pl.lit(None, pl.String).alias("invalid_reason"),
    )


def ancestor_table(concepts: Sequence[Concept] = CONCEPTS) -> pl.DataFrame:
    """The OMOP ``concept_ancestor`` table: every ancestor pair with its shortest and longest way.

    A concept is its own ancestor at level 0, as in the vocabularies OHDSI distributes. Parents
    stand before their children.
    """
    index = {c.concept_id: i for i, c in enumerate(concepts)}
    n = len(concepts)
    shortest = np.full((n, n), n)
    longest = np.full((n, n), -1)
    for i, concept in enumerate(concepts):
        shortest[i, i] = longest[i, i] = 0
        for parent in (index[p] for p in concept.parents):
            above = longest[:, parent] >= 0
            shortest[:, i] = np.where(
                above, np.minimum(shortest[:, i], shortest[:, parent] + 1), shortest[:, i]
            )
            longest[:, i] = np.where(
                above, np.maximum(longest[:, i], longest[:, parent] + 1), longest[:, i]
            )
    ids = np.array([c.concept_id for c in concepts], dtype=np.int64)
    ancestor, descendant = np.nonzero(longest >= 0)
    return pl.DataFrame(
        {
            "ancestor_concept_id": ids[ancestor],
            "descendant_concept_id": ids[descendant],
            "min_levels_of_separation": shortest[ancestor, descendant],
            "max_levels_of_separation": longest[ancestor, descendant],
        }
    )


def descendants(concept_id: int) -> list[int]:
    """A concept and all below it, in the order of the table."""
    found = {concept_id}
    for concept in CONCEPTS:
        if found.intersection(concept.parents):
            found.add(concept.concept_id)
    return [c.concept_id for c in CONCEPTS if c.concept_id in found]


def relationship_table() -> pl.DataFrame:
    """The OMOP ``concept_relationship`` table: *Is a*, *Maps to*, and their inverses."""
    pairs = [(c.concept_id, p, "Is a", "Subsumes") for c in CONCEPTS for p in c.parents]
    pairs += [
        (source_code(c.concept_id), c.concept_id, "Maps to", "Mapped from") for c in _CONDITIONS
    ]
    rows = [(one, other, name) for one, other, name, _ in pairs]
    rows += [(other, one, inverse) for one, other, _, inverse in pairs]
    schema = {"concept_id_1": pl.Int64, "concept_id_2": pl.Int64, "relationship_id": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        valid_start_date=pl.lit("1970-01-01"),
        valid_end_date=pl.lit("2099-12-31"),
        invalid_reason=pl.lit(None, pl.String),
    )


def vocabulary_table() -> pl.DataFrame:
    """The OMOP ``vocabulary`` table; the row ``None`` carries the release, as OHDSI has it."""
    used = concept_table()["vocabulary_id"].unique().sort().to_list()
    names = ["None", *(name for name in used if name != "None")]
    return pl.DataFrame(
        {
            "vocabulary_id": names,
            "vocabulary_name": ["OMOP Standardized Vocabularies", *names[1:]],
            "vocabulary_reference": ["Demo"] * len(names),
            "vocabulary_version": [RELEASE] * len(names),
            "vocabulary_concept_id": [0] * len(names),
        }
    )
