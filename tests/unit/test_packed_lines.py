"""Packing the calls of plain lines, beside reading them one by one: every kind at every place."""

from __future__ import annotations

import numpy as np
import pytest

from precisionchain.ingest.vcf_lines import N_FIELDS, OTHER, PHASED, UNPHASED, read_lines

CALLS = ("0|0", "0|1", "1|0", "1|1", "0/0", "0/1", "1/0", "1/1", "./.", ".|.")
WRONG = ("0|2", "./0", "1/.", ".|1", "0:1", "0|a", "../", "./1", "|||", "0\t0", "0|/", "...", "2|1")


def packed(calls: list[str]) -> tuple[int, list[str]]:
    """Return the form of a line, and its calls as they were packed."""
    n = len(calls)
    line = "\t".join(("9", "5", ".", "A", "C", ".", ".", ".", "GT", *calls)) + "\n"
    text = np.frombuffer(line.encode(), np.uint8)
    fields, gaps = np.empty((1, N_FIELDS), np.int32), np.empty(1, np.bool_)
    tabs, positions, changes = np.empty(1, np.int64), np.empty(1, np.int64), np.empty(1, np.bool_)
    forms, kept = np.empty(1, np.uint8), np.empty(len(text), np.uint8)
    codes, missing = (np.full((1, -(-n // k)), 255, np.uint8) for k in (4, 8))
    index, into = (fields, tabs, positions, changes), (forms, gaps, codes, missing)
    read_lines(text, 0, n, text[:0], kept, 0, *index, *into)
    bits = np.unpackbits(codes[0], bitorder="little")
    gone = np.unpackbits(missing[0], bitorder="little")
    if forms[0] == OTHER:
        return OTHER, []
    assert not bits[2 * n :].any()
    assert not gone[n:].any()
    assert bool(gaps[0]) == bool(gone.any())
    separator = "|" if forms[0] == PHASED else "/"
    pairs = bits[: 2 * n].reshape(-1, 2).tolist()
    told = [f"{a}{separator}{b}" for a, b in pairs]
    return int(forms[0]), ["./." if gone[i] else call for i, call in enumerate(told)]


def wanted(calls: list[str]) -> tuple[int, list[str]]:
    """Return the same by looking at each call."""
    called = [call for call in calls if call not in CALLS[8:]]
    separators = {call[1] for call in called} or {calls[-1][1]}
    if len(separators) > 1 or not set(called) <= set(CALLS):
        return OTHER, []
    form = PHASED if separators == {"|"} else UNPHASED
    told = ["./." if call in CALLS[8:] else call.replace("1/0", "0/1") for call in calls]
    return form, told


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 15, 16, 17, 18, 32, 33, 34, 47, 100])
@pytest.mark.parametrize("separator", ["|", "/"])
def test_calls_of_every_kind_at_every_place(n: int, separator: str) -> None:
    rng = np.random.default_rng(n)
    kinds = [call for call in CALLS if call[1] == separator]
    for common in (0.0, 0.9):
        for _ in range(20):
            calls = [
                kinds[0] if rng.random() < common else str(rng.choice([*kinds, *CALLS[8:]]))
                for _ in range(n)
            ]
            assert packed(calls) == wanted(calls)


@pytest.mark.parametrize("n", [1, 5, 16, 17, 33, 40])
@pytest.mark.parametrize("wrong", [*WRONG, "0/1", "1/1"])
def test_a_call_of_another_kind_is_seen_wherever_it_is(n: int, wrong: str) -> None:
    for rest in ("0|0", "1|0", ".|."):
        for at in range(n):
            calls = [rest] * n
            calls[at] = wrong
            expected = wanted(calls) if wrong in CALLS else (OTHER, [])
            assert packed(calls) == expected, (rest, at)
