"""The table of rules in docs/reference/vcf-staging.md, row by row."""

from __future__ import annotations

import numpy as np
import pytest

from precisionchain.ingest.vcf_calls import COUNTERS, HALF_CALLS, Ploidy, Verdict, split_calls

M, F, U = 1, 2, 0
MISSING = (3, None)


def call(
    text: str, sex: int = U, rule: Ploidy = Ploidy.DIPLOID, *, half: str = "missing", alt: int = 1
) -> tuple[tuple[int, str | None], dict[str, int]]:
    """Return (dosage, ploidy and phase as text) of a call such as ``0|1``, and what was counted."""
    alleles = [-1 if a == "." else int(a) for a in text.replace("|", "/").split("/")]
    row = [alleles[0], alleles[1] if len(alleles) > 1 else -2, "|" in text]
    dosage, haploid, phase = (np.full((1, 1), 9, dtype=np.uint8) for _ in range(3))
    counters = np.zeros(len(COUNTERS), dtype=np.int64)
    verdict = split_calls(
        np.array([row], dtype=np.int16),
        np.zeros(1, dtype=np.int64),
        np.array([sex], dtype=np.uint8),
        int(rule),
        HALF_CALLS.index(half),
        9,
        np.array([alt], dtype=np.int16),
        dosage,
        haploid.view(np.bool_),
        phase,
        counters,
    )
    assert verdict == Verdict.TAKEN
    counted = {name: n for name, n in zip(COUNTERS, counters.tolist(), strict=True) if n}
    counted.pop("haploid_calls", None)
    counted.pop("phased_calls", None)
    if dosage[0, 0] == 3:
        return MISSING, counted
    kind = "haploid" if haploid[0, 0] else ("", "phased", "first")[phase[0, 0]]
    return (int(dosage[0, 0]), kind), counted


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
    assert counted == ({} if text in ("./.", ".") else {"half_calls": 1})


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


def verdict(rows: list[list[int]], *, n_alts: int = 1, half: str = "missing") -> Verdict:
    n = len(rows)
    out = [np.zeros((1, n), dtype=np.uint8) for _ in range(3)]
    counters = np.zeros(len(COUNTERS), dtype=np.int64)
    found = split_calls(
        np.array(rows, dtype=np.int16),
        np.arange(n),
        np.zeros(n, dtype=np.uint8),
        0,
        HALF_CALLS.index(half),
        n_alts,
        np.array([1], dtype=np.int16),
        out[0],
        out[1].view(np.bool_),
        out[2],
        counters,
    )
    assert found == 0 or not counters.any()
    return Verdict(found)


def test_more_than_two_alleles_are_refused() -> None:
    assert verdict([[0, 1, -2, 0], [0, 1, 1, 0]]) is Verdict.PLOIDY
    assert verdict([[0, 1, -2, 0], [0, 1, -1, 0]]) is Verdict.PLOIDY
    assert verdict([[0, 1, -2, 0], [1, 1, -2, 0]]) is Verdict.TAKEN


def test_an_allele_the_record_does_not_have_is_refused() -> None:
    assert verdict([[0, 2, 0]]) is Verdict.ALLELE
    assert verdict([[0, 2, 0]], n_alts=2) is Verdict.TAKEN


def test_half_calls_can_be_errors() -> None:
    assert verdict([[0, 0, 0], [0, -1, 0]], half="error") is Verdict.HALF_CALL
    assert verdict([[0, 0, 0], [-1, -1, 0], [-1, -2, 0]], half="error") is Verdict.TAKEN


def test_a_missing_call_is_haploid_where_one_copy_is_expected() -> None:
    """So that all alleles of chromosome X share one list of haploid persons."""
    for rule, expected in (
        (Ploidy.DIPLOID, [False, False, False]),
        (Ploidy.X, [True, False, False]),
        (Ploidy.Y, [True, True, True]),
        (Ploidy.MT, [True, True, True]),
    ):
        haploid = np.zeros((1, 3), dtype=np.bool_)
        split_calls(
            np.full((3, 3), -1, dtype=np.int16),
            np.arange(3),
            np.array([M, F, U], dtype=np.uint8),
            int(rule),
            0,
            1,
            np.array([1], dtype=np.int16),
            np.zeros((1, 3), dtype=np.uint8),
            haploid,
            np.zeros((1, 3), dtype=np.uint8),
            np.zeros(len(COUNTERS), dtype=np.int64),
        )
        assert haploid[0].tolist() == expected
