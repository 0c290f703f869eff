"""Questions to a synthetic consortium, each with the answer the truth gives.

An answer is what a command prints with ``--json``: one object a line. Two answers are the same
when they hold the same objects, in whatever order; fields that the truth cannot know (which batch,
how many batches, what a cohort's digest is) are left out of the comparison.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from precisionchain.synthetic.concepts import TYPE_2_DIABETES
from precisionchain.synthetic.consortium_truth import ConsortiumTruth
from precisionchain.synthetic.truth import Truth

DIABETES_VARIANT = "10:114758349:C:T"
REGION = "9:22000000-22130000"
MAF_REGION = "22:42400000-42500000"
LOW, HIGH = 0.05, 0.1
REJECTED_SQL = "select table_name, rule, record, column_name from rejected"
COHORT = f"condition({TYPE_2_DIABETES}) & carries({DIABETES_VARIANT})"

_CARRIED, _CALLED = (1, 2), (0, 1, 2)
_UNKNOWABLE = frozenset({"batch", "batches"})
_DIGITS = 9  # floats are compared after rounding to so many digits after the point
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """One command and what it must print.

    Args:
        text: the question in words.
        command: arguments after ``precisionchain -C SITE``, without ``--json``.
        expected: the objects.
        shown: the fields worth showing to a reader, in this order.
    """

    text: str
    command: tuple[str, ...]
    expected: Sequence[Row]
    shown: tuple[str, ...]

    def differences(self, answer: Iterable[Row]) -> Difference:
        """Compare an answer with the truth."""
        wanted = Counter(_frozen(row) for row in self.expected)
        found = Counter(_frozen(row) for row in answer)
        return Difference((wanted - found).total(), (found - wanted).total())


@dataclass(frozen=True, slots=True)
class Difference:
    """How many objects of the truth an answer lacks, and how many it has that are not true."""

    lacking: int
    surplus: int

    def __bool__(self) -> bool:
        return bool(self.lacking or self.surplus)

    def __str__(self) -> str:
        return f"{self.lacking} rows of the truth are absent, {self.surplus} rows are not true"


def what_was_rejected(truth: Truth) -> Question:
    """The rejected records, asked of the site's own staging area."""
    return Question(
        "Which records were rejected, and by which rule?",
        ("sql", REJECTED_SQL),
        truth.rejected.select("table_name", "rule", "record", "column_name").to_dicts(),
        ("table_name", "rule", "record", "column_name"),
    )


def five_questions(truth: ConsortiumTruth, *, site: str, person_id: int) -> list[Question]:
    """A question of each kind, about all sites at once.

    Args:
        truth: where the answers come from.
        site: the site of the person whom two of the questions are about.
        person_id: that person.
    """
    person, own = f"{site}:{person_id}", truth.sites[site]
    return [
        Question(
            "Who has type 2 diabetes, or anything below it in the vocabulary?",
            ("query", "domain", str(TYPE_2_DIABETES)),
            [
                row
                for name, of_site in truth.sites.items()
                for row in _events(of_site.domain(TYPE_2_DIABETES), name)
            ],
            ("site", "person_id", "table", "condition_concept_id", "condition_start_date"),
        ),
        Question(
            f"What is on record for person {person}?",
            ("query", "person", person),
            _events(own.record(person_id), site),
            ("table", "condition_concept_id", "measurement_concept_id", "value_as_number"),
        ),
        Question(
            f"Who carries {DIABETES_VARIANT}?",
            ("query", "variant", DIABETES_VARIANT),
            [
                row
                for name, of_site in truth.sites.items()
                for row in _genotypes(of_site.genotypes(DIABETES_VARIANT, _CARRIED), name)
            ],
            ("site", "person_id", "genotype", "ploidy", "phase"),
        ),
        Question(
            f"Which variants does {person} carry in {REGION}?",
            ("query", "person-variants", person, REGION),
            _genotypes(own.person_variants(person_id, REGION), site),
            ("chrom", "pos", "ref", "alt", "genotype", "phase"),
        ),
        Question(
            f"Which alleles of {MAF_REGION} have a minor allele frequency of {LOW} to {HIGH}?",
            ("query", "maf", f"{LOW}-{HIGH}", "--region", MAF_REGION),
            _by_frequency(truth),
            ("chrom", "pos", "ref", "alt", "ac", "an", "maf"),
        ),
    ]


def the_cohort(truth: ConsortiumTruth) -> Question:
    """Who has diabetes and carries the planted variant, at any site."""
    return Question(
        "Who has type 2 diabetes and carries the variant, at either hospital?",
        ("cohort", COHORT),
        [{"site": site, "person_id": person} for site, person in cohort_members(truth, _CARRIED)],
        ("site", "person_id"),
    )


def unknown_of_cohort(truth: ConsortiumTruth) -> int:
    """How many have diabetes and were not called at the variant: nobody knows of them."""
    diabetic = sum(len(of_site.persons_of(TYPE_2_DIABETES)) for of_site in truth.sites.values())
    return diabetic - len(cohort_members(truth, _CALLED))


def cohort_members(truth: ConsortiumTruth, dosages: Sequence[int]) -> list[tuple[str, int]]:
    """Who has diabetes and one of some dosages of the planted variant: (site, person_id)."""
    return [
        (site, person)
        for site, of_site in truth.sites.items()
        for person in sorted(
            set(of_site.persons_of(TYPE_2_DIABETES))
            & set(of_site.genotypes(DIABETES_VARIANT, dosages)["person_id"])
        )
    ]


def parse_answer(printed: str) -> list[Row]:
    """The objects a command printed, one a line."""
    return [json.loads(line) for line in printed.splitlines() if line.strip()]


def _by_frequency(truth: ConsortiumTruth) -> Sequence[Row]:
    chrom, _, span = MAF_REGION.partition(":")
    first, _, last = span.partition("-")
    inside = (pl.col("chrom") == chrom) & pl.col("pos").is_between(int(first), int(last))
    rows = truth.alleles.filter(inside, pl.col("maf").is_between(LOW, HIGH))
    return rows.select("chrom", "pos", "ref", "alt", "ac", "an", "af", "maf").to_dicts()


def _events(tables: Mapping[str, pl.DataFrame], site: str) -> list[Row]:
    return [
        {"site": site, "table": table, **row}
        for table, rows in tables.items()
        for row in rows.to_dicts()
    ]


def _genotypes(calls: pl.DataFrame, site: str) -> list[Row]:
    named = calls.rename({"dosage": "genotype"}).with_columns(site=pl.lit(site))
    return list(named.to_dicts())


def _frozen(row: Row) -> frozenset[tuple[str, Any]]:
    """An object in a form that can be compared: no nulls, nothing unknowable, one spelling."""
    return frozenset(
        (name, _spelled(value))
        for name, value in row.items()
        if value is not None and name not in _UNKNOWABLE
    )


def _spelled(value: object) -> object:
    if isinstance(value, date):  # a datetime is one too
        value = value.isoformat()
    if isinstance(value, str):
        return value.replace("T", " ") if value[:4].isdigit() else value
    return round(value, _DIGITS) if isinstance(value, float) else value
