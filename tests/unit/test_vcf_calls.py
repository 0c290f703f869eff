"""The table of rules in docs/reference/vcf-staging.md, row by row."""

from __future__ import annotations

import numpy as np
import pytest

from precisionchain.ingest.vcf_calls import COUNTERS, Ploidy, Verdict, inspect_calls, write_calls
from precisionchain.ingest.vcf_settings import HALF_CALLS
from precisionchain.schemas.calls import Calls, PackedCalls, unpack_calls

M, F, U = 1, 2, 0
MISSING = (3, None)


def written(
    rows: list[list[int]], sexes: list[int], rule: Ploidy, *, half: str = "missing", alt: int = 1
) -> tuple[Calls, dict[str, int]]:
    """Return the calls of one allele of a record, and what was counted."""
    n = len(rows)
    genotypes = np.array(rows, np.int16)
    codes, missing, phased, haploid = (np.zeros((1, -(-n // k)), np.uint8) for k in (4, 8, 8, 8))
    counters = np.zeros(len(COUNTERS), np.int64)
    write_calls(
        genotypes[None, :, 0].copy(),
        genotypes[None, :, 1].copy(),
        genotypes[None, :, 2].astype(np.uint8),
        np.arange(n),
        np.array(sexes, np.uint8),
        np.array([int(rule)]),
        HALF_CALLS.index(half),
        np.array([alt], np.int16),
        np.array([0, 1]),
        np.array([0]),
        codes,
        missing,
        phased,
        haploid,
        counters,
    )
    counted = {name: k for name, k in zip(COUNTERS, counters.tolist(), strict=True) if k}
    return unpack_calls(PackedCalls(n, codes, "mixed", missing, phased, haploid)), counted


def call(
    text: str, sex: int = U, rule: Ploidy = Ploidy.DIPLOID, *, half: str = "missing", alt: int = 1
) -> tuple[tuple[int, str | None], dict[str, int]]:
    """Return (dosage, ploidy and phase as text) of a call such as ``0|1``, and what was counted."""
    alleles = [-1 if a == "." else int(a) for a in text.replace("|", "/").split("/")]
    row = [alleles[0], alleles[1] if len(alleles) > 1 else -2, "|" in text]
    calls, counted = written([row], [sex], rule, half=half, alt=alt)
    halves = int("." in text and row[1] != -2 and row[0] != row[1])
    assert inspect_calls(np.array([row], np.int16), 9) == (halves, 0)
    counted.pop("haploid_calls", None)
    counted.pop("phased_calls", None)
    dosage = int(calls.dosage[0, 0])
    if dosage == 3:
        return MISSING, counted
    assert calls.haploid is not None
    assert calls.phase is not None
    kind = "haploid" if calls.haploid[0, 0] else ("", "phased", "first")[calls.phase[0, 0]]
    return (dosage, kind), counted


@pytest.mark.parametrize(
    ("text", "alt", "expected"),
    [
        ("0/0", 1, (0, "")),
        ("0/1", 1, (1, "")),
        ("1/0", 1, (1, "")),
        ("1/1", 1, (2, "")),
        ("1/2", 1, (1, "")),
        ("1/2", 2, (1, "")),
        ("2/2", 1, (0, "")),
        ("0|0", 1, (0, "phased")),
        ("0|1", 1, (1, "phased")),
        ("1|0", 1, (1, "first")),
        ("1|1", 1, (2, "phased")),
        ("1|2", 1, (1, "first")),
        ("1|2", 2, (1, "phased")),
        ("0", 1, (0, "haploid")),
        ("1", 1, (1, "haploid")),
        ("2", 1, (0, "haploid")),
        ("./.", 1, MISSING),
        (".|.", 1, MISSING),
        (".", 1, MISSING),
        ("1/1", 0, (0, "")),
        ("./.", 0, MISSING),
    ],
)
def test_dosage_ploidy_and_phase(text: str, alt: int, expected: tuple[int, str | None]) -> None:
    assert call(text, alt=alt)[0] == expected


@pytest.mark.parametrize(
    ("text", "half", "expected"),
    [
        ("0/.", "missing", MISSING),
        ("./1", "missing", MISSING),
        ("0/.", "haploid", (0, "haploid")),
        (".|1", "haploid", (1, "haploid")),
        ("1/.", "reference", (1, "")),
        (".|1", "reference", (1, "phased")),
        ("1|.", "reference", (1, "first")),
        ("./.", "reference", MISSING),
        ("./.", "haploid", MISSING),
        (".", "reference", MISSING),
    ],
)
def test_half_calls(text: str, half: str, expected: tuple[int, str | None]) -> None:
    got, counted = call(text, half=half)
    assert got == expected
    assert not counted


@pytest.mark.parametrize(
    ("rule", "sex", "text", "expected", "counted"),
    [
        (Ploidy.X, M, "1/1", (1, "haploid"), "made_haploid"),
        (Ploidy.X, M, "0|0", (0, "haploid"), "made_haploid"),
        (Ploidy.X, M, "0/1", MISSING, "male_x_het"),
        (Ploidy.X, M, "1|2", MISSING, "male_x_het"),
        (Ploidy.X, M, "1", (1, "haploid"), None),
        (Ploidy.X, M, "./.", MISSING, None),
        (Ploidy.X, F, "0|1", (1, "phased"), None),
        (Ploidy.X, F, "1/1", (2, ""), None),
        (Ploidy.X, F, "1", (1, "haploid"), None),
        (Ploidy.X, U, "1/1", (2, ""), None),
        (Ploidy.X, U, "0/1", (1, ""), None),
        (Ploidy.Y, M, "1/1", (1, "haploid"), "made_haploid"),
        (Ploidy.Y, M, "0/1", MISSING, "male_y_het"),
        (Ploidy.Y, M, "0", (0, "haploid"), None),
        (Ploidy.Y, F, "0/0", MISSING, "female_y"),
        (Ploidy.Y, F, "1", MISSING, "female_y"),
        (Ploidy.Y, F, "./.", MISSING, None),
        (Ploidy.Y, U, "1/1", (2, ""), None),
        (Ploidy.Y, U, "1", (1, "haploid"), None),
        (Ploidy.MT, M, "1/1", (1, "haploid"), "made_haploid"),
        (Ploidy.MT, F, "0|0", (0, "haploid"), "made_haploid"),
        (Ploidy.MT, U, "0/1", MISSING, "mt_het"),
        (Ploidy.MT, F, "1", (1, "haploid"), None),
        (Ploidy.DIPLOID, M, "0/1", (1, ""), None),
        (Ploidy.DIPLOID, F, "1", (1, "haploid"), None),
    ],
)
def test_sex_and_chromosome(
    rule: Ploidy, sex: int, text: str, expected: tuple[int, str | None], counted: str | None
) -> None:
    assert call(text, sex, rule) == (expected, {counted: 1} if counted else {})


def verdict(rows: list[list[int]], *, n_alts: int = 1) -> tuple[int, Verdict]:
    half_calls, found = inspect_calls(np.array(rows, np.int16), n_alts)
    return half_calls, Verdict(found)


def test_more_than_two_alleles_are_refused() -> None:
    assert verdict([[0, 1, -2, 0], [0, 1, 1, 0]]) == (0, Verdict.PLOIDY)
    assert verdict([[0, 1, -2, 0], [0, 1, -1, 0]]) == (0, Verdict.PLOIDY)
    assert verdict([[0, 1, -2, 0], [1, 1, -2, 0]]) == (0, Verdict.TAKEN)


def test_an_allele_the_record_does_not_have_is_refused() -> None:
    assert verdict([[0, 2, 0]]) == (0, Verdict.ALLELE)
    assert verdict([[0, 2, 0]], n_alts=2) == (0, Verdict.TAKEN)


def test_half_calls_are_counted() -> None:
    assert verdict([[0, 0, 0], [0, -1, 0]]) == (1, Verdict.TAKEN)
    assert verdict([[0, 0, 0], [-1, -1, 0], [-1, -2, 0]]) == (0, Verdict.TAKEN)


def test_a_missing_call_is_haploid_where_one_copy_is_expected() -> None:
    """So that all alleles of chromosome X share one list of haploid persons."""
    for rule, expected in (
        (Ploidy.DIPLOID, [False, False, False]),
        (Ploidy.X, [True, False, False]),
        (Ploidy.Y, [True, True, True]),
        (Ploidy.MT, [True, True, True]),
    ):
        calls, _ = written([[-1, -1, 0]] * 3, [M, F, U], rule)
        assert calls.haploid is not None
        assert calls.haploid[0].tolist() == expected
