"""Questions to a site that holds a synthetic hospital, each with the answer the truth gives.

An answer is what a command prints with ``--json``: one object a line. Two answers are the same
when they hold the same objects, in whatever order; fields that the truth cannot know (which batch,
how many batches) are left out of the comparison.
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
from precisionchain.synthetic.truth import Truth

REGION = "9:22000000-22130000"
MAF_REGION = "22:42400000-42500000"
LOW, HIGH = 0.05, 0.1
REJECTED_SQL = "select table_name, rule, record, column_name from rejected"

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


def five_questions(truth: Truth, *, site: str, person_id: int) -> list[Question]:
    """A question of each kind.

    Args:
        truth: where the answers come from.
        site: the site's name.
        person_id: the person whom two of the questions are about.
    """
    variant = truth.settings["planted"]["variant"]
    person = f"{site}:{person_id}"
    return [
        Question(
            "Who has type 2 diabetes, or anything below it in the vocabulary?",
            ("query", "domain", str(TYPE_2_DIABETES)),
            _events(truth.domain(TYPE_2_DIABETES), site),
            ("person_id", "table", "condition_concept_id", "condition_start_date"),
        ),
        Question(
            f"What is on record for person {person}?",
            ("query", "person", person),
            _events(truth.record(person_id), site),
            ("table", "condition_concept_id", "measurement_concept_id", "value_as_number"),
        ),
        Question(
            f"Who carries {variant}?",
            ("query", "variant", variant),
            _genotypes(truth.carriers(variant).drop("chrom", "pos", "ref", "alt"), site),
            ("person_id", "genotype", "ploidy", "phase"),
        ),
        Question(
            f"Which variants does {person} carry in {REGION}?",
            ("query", "person-variants", person, REGION),
            _genotypes(truth.person_variants(person_id, REGION), site),
            ("chrom", "pos", "ref", "alt", "genotype", "phase"),
        ),
        Question(
            f"Which alleles of {MAF_REGION} have a minor allele frequency of {LOW} to {HIGH}?",
            ("query", "maf", f"{LOW}-{HIGH}", "--region", MAF_REGION),
            truth.maf(LOW, HIGH, MAF_REGION)
            .select("chrom", "pos", "ref", "alt", "ac", "an", "af", "maf")
            .to_dicts(),
            ("chrom", "pos", "ref", "alt", "ac", "an", "maf"),
        ),
    ]


def parse_answer(printed: str) -> list[Row]:
    """The objects a command printed, one a line."""
    return [json.loads(line) for line in printed.splitlines() if line.strip()]


def _events(tables: Mapping[str, pl.DataFrame], site: str) -> Sequence[Row]:
    return [
        {"site": site, "table": table, **row}
        for table, rows in tables.items()
        for row in rows.to_dicts()
    ]


def _genotypes(calls: pl.DataFrame, site: str) -> Sequence[Row]:
    return (
        calls.rename({"dosage": "genotype"})
        .with_columns(site=pl.lit(site), ploidy=pl.lit(2))
        .to_dicts()
    )


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
