"""The small vocabulary of the synthetic hospital: a hierarchy of conditions and measurements.

Ids from 2,000,000,000 up are the range OMOP leaves to local concepts, and those here are invented;
the few others are the standard ids of those names. Several concepts have two parents, and the
longest way from the top to a leaf is seven levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

MALE, FEMALE = 8507, 8532
TYPE_2_DIABETES = 201826
CORONARY_ARTERIOSCLEROSIS = 317576
GLUCOSE = 3004501
MG_PER_DL, MMOL_PER_L = 8840, 8753
ELECTRONIC_RECORD = 32817
RELEASE = "synthetic hospital 1"


@dataclass(frozen=True, slots=True)
class Concept:
    """One clinical concept.

    Args:
        concept_id: its OMOP id.
        name: its name.
        domain: OMOP domain, also the table its events go to.
        parents: ids of the concepts directly above it.
        share: share of persons who ever have it; 0 for concepts that only group others.
        mean, sd, unit: of a measurement's values.
    """

    concept_id: int
    name: str
    domain: str
    parents: tuple[int, ...] = ()
    share: float = 0.0
    mean: float = 0.0
    sd: float = 0.0
    unit: int = 0


def _condition(concept_id: int, name: str, *parents: int, share: float = 0.0) -> Concept:
    return Concept(concept_id, name, "Condition", parents, share)


# Parents stand before their children: the closure below relies on it.
CONCEPTS: tuple[Concept, ...] = (
    _condition(2_000_000_000, "Disorder"),
    _condition(2_000_000_001, "Metabolic disorder", 2_000_000_000),
    _condition(2_000_000_002, "Vascular disorder", 2_000_000_000),
    _condition(2_000_000_003, "Eye disorder", 2_000_000_000),
    _condition(2_000_000_004, "Kidney disorder", 2_000_000_000, share=0.02),
    _condition(2_000_000_005, "Respiratory disorder", 2_000_000_000),
    _condition(2_000_000_006, "Infection", 2_000_000_000),
    # Above a condition and above measurements: one question answered from two tables.
    Concept(2_000_000_007, "Diabetes register", "Condition/Meas"),
    _condition(201820, "Diabetes mellitus", 2_000_000_001, 2_000_000_007, share=0.03),
    _condition(201254, "Type 1 diabetes mellitus", 201820, share=0.02),
    _condition(TYPE_2_DIABETES, "Type 2 diabetes mellitus", 201820, share=0.12),
    _condition(2_000_000_011, "Type 2 diabetes with complication", TYPE_2_DIABETES, share=0.01),
    _condition(2_000_000_012, "Diabetic eye disease", 2_000_000_011, 2_000_000_003, share=0.03),
    _condition(2_000_000_013, "Diabetic kidney disease", 2_000_000_011, 2_000_000_004, share=0.03),
    _condition(2_000_000_014, "Proliferative diabetic eye disease", 2_000_000_012, share=0.02),
    _condition(
        2_000_000_015, "Diabetic vascular disease", 2_000_000_011, 2_000_000_002, share=0.02
    ),
    _condition(432867, "Hyperlipidemia", 2_000_000_001, share=0.25),
    _condition(2_000_000_016, "Obesity of adulthood", 2_000_000_001, share=0.2),
    _condition(316866, "Hypertensive disorder", 2_000_000_002, share=0.04),
    _condition(320128, "Essential hypertension", 316866, share=0.3),
    _condition(2_000_000_021, "Hypertensive kidney disease", 316866, 2_000_000_004, share=0.02),
    _condition(CORONARY_ARTERIOSCLEROSIS, "Coronary arteriosclerosis", 2_000_000_002, share=0.1),
    _condition(2_000_000_022, "Coronary event", CORONARY_ARTERIOSCLEROSIS, share=0.03),
    _condition(2_000_000_031, "Opacity of the lens", 2_000_000_003, share=0.08),
    _condition(317009, "Asthma", 2_000_000_005, share=0.08),
    _condition(255573, "Chronic obstructive lung disease", 2_000_000_005, share=0.05),
    _condition(2_000_000_041, "Viral respiratory infection", 2_000_000_005, 2_000_000_006),
    _condition(2_000_000_042, "Influenza-like illness", 2_000_000_041, share=0.3),
    _condition(2_000_000_043, "Cold", 2_000_000_041, share=0.6),
    _condition(2_000_000_044, "Bacterial pneumonia", 2_000_000_005, 2_000_000_006, share=0.05),
    Concept(2_000_000_100, "Measurement", "Measurement"),
    Concept(2_000_000_101, "Blood pressure", "Measurement", (2_000_000_100,)),
    Concept(2_000_000_102, "Laboratory test", "Measurement", (2_000_000_100,)),
    Concept(2_000_000_103, "Glycaemia test", "Measurement", (2_000_000_102, 2_000_000_007)),
    Concept(2_000_000_104, "Lipid test", "Measurement", (2_000_000_102,)),
    Concept(2_000_000_105, "Cardiometabolic marker", "Measurement", (2_000_000_102,)),
    Concept(
        3004410, "Hemoglobin A1c in blood", "Measurement", (2_000_000_103,), 0.5, 6.0, 0.8, 8554
    ),
    Concept(
        GLUCOSE,
        "Glucose in serum or plasma",
        "Measurement",
        (2_000_000_103, 2_000_000_105),
        share=0.6,
        mean=100.0,
        sd=18.0,
        unit=MG_PER_DL,
    ),
    Concept(
        3027114,
        "Cholesterol in serum or plasma",
        "Measurement",
        (2_000_000_104, 2_000_000_105),
        share=0.6,
        mean=195.0,
        sd=35.0,
        unit=MG_PER_DL,
    ),
    Concept(
        3004249, "Systolic blood pressure", "Measurement", (2_000_000_101,), 0.9, 128.0, 15.0, 8876
    ),
    Concept(
        3012888, "Diastolic blood pressure", "Measurement", (2_000_000_101,), 0.9, 79.0, 9.0, 8876
    ),
    Concept(3038553, "Body mass index", "Measurement", (2_000_000_100,), 0.7, 26.5, 4.5, 9531),
)

# Named in the tables, outside the hierarchy: id, name, domain, vocabulary.
OTHER_CONCEPTS: tuple[tuple[int, str, str, str], ...] = (
    (0, "No matching concept", "Metadata", "None"),
    (MALE, "MALE", "Gender", "Gender"),
    (FEMALE, "FEMALE", "Gender", "Gender"),
    (ELECTRONIC_RECORD, "EHR", "Type Concept", "Type Concept"),
    (8554, "percent", "Unit", "UCUM"),
    (MG_PER_DL, "milligram per deciliter", "Unit", "UCUM"),
    (MMOL_PER_L, "millimole per liter", "Unit", "UCUM"),
    (8876, "millimeter mercury column", "Unit", "UCUM"),
    (9531, "kilogram per square meter", "Unit", "UCUM"),
)


def of_domain(domain: str) -> list[Concept]:
    """The concepts of a domain that events are recorded with, in the order of the table."""
    return [c for c in CONCEPTS if c.domain == domain and c.share > 0]


def concept_table() -> pl.DataFrame:
    """The OMOP ``concept`` table: one row a concept, every column of CDM 5.4."""
    rows = [(c.concept_id, c.name, c.domain, "Demo") for c in CONCEPTS]
    ids, names, domains, vocabularies = zip(*rows, *OTHER_CONCEPTS, strict=True)
    return pl.DataFrame(
        {
            "concept_id": ids,
            "concept_name": names,
            "domain_id": domains,
            "vocabulary_id": vocabularies,
        }
    ).with_columns(
        concept_class_id=pl.lit("Undefined"),
        standard_concept=pl.when(pl.col("concept_id") > 0).then(pl.lit("S")),
        concept_code=pl.format("D{}", "concept_id"),
        valid_start_date=pl.lit("1970-01-01"),
        valid_end_date=pl.lit("2099-12-31"),
        invalid_reason=pl.lit(None, pl.String),
    )


def ancestor_table() -> pl.DataFrame:
    """The OMOP ``concept_ancestor`` table: every ancestor pair with its shortest and longest way.

    A concept is its own ancestor at level 0, as in the vocabularies OHDSI distributes.
    """
    index = {c.concept_id: i for i, c in enumerate(CONCEPTS)}
    n = len(CONCEPTS)
    shortest = np.full((n, n), n)
    longest = np.full((n, n), -1)
    for i, concept in enumerate(CONCEPTS):
        shortest[i, i] = longest[i, i] = 0
        for parent in (index[p] for p in concept.parents):
            above = longest[:, parent] >= 0
            shortest[:, i] = np.where(
                above, np.minimum(shortest[:, i], shortest[:, parent] + 1), shortest[:, i]
            )
            longest[:, i] = np.where(
                above, np.maximum(longest[:, i], longest[:, parent] + 1), longest[:, i]
            )
    ids = np.array([c.concept_id for c in CONCEPTS], dtype=np.int64)
    ancestor, descendant = np.nonzero(longest >= 0)
    return pl.DataFrame(
        {
            "ancestor_concept_id": ids[ancestor],
            "descendant_concept_id": ids[descendant],
            "min_levels_of_separation": shortest[ancestor, descendant],
            "max_levels_of_separation": longest[ancestor, descendant],
        }
    )


def vocabulary_table() -> pl.DataFrame:
    """The OMOP ``vocabulary`` table; the row ``None`` carries the release, as OHDSI has it."""
    names = ["None", "Demo", "Gender", "Type Concept", "UCUM"]
    return pl.DataFrame(
        {
            "vocabulary_id": names,
            "vocabulary_name": ["OMOP Standardized Vocabularies", *names[1:]],
            "vocabulary_reference": ["Demo"] * len(names),
            "vocabulary_version": [RELEASE] * len(names),
            "vocabulary_concept_id": [0] * len(names),
        }
    )
