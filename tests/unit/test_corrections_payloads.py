"""Corrections as payloads: what is read back, and what is refused."""

from __future__ import annotations

import pyarrow as pa
import pytest

from precisionchain.errors import CodecError
from precisionchain.schemas.corrections import (
    SUPERSEDED,
    WITHDRAWN,
    corrected_counts_payload,
    correction_rows,
    read_corrected_counts,
    superseded_payload,
    withdrawn_payload,
)
from precisionchain.schemas.genetic_payloads import COUNTS, counts_payload


def _places(*places: tuple[str, int, int]) -> pa.Table:
    return pa.Table.from_pylist(
        [{"batch": b, "ordinal": o, "row": r} for b, o, r in places], schema=SUPERSEDED
    )


def _counts(an: int) -> pa.Table:
    row = {"chrom": "9", "pos": 5, "ref": "A", "alt": "G", "record": 0, "an": an, "n_het": -1}
    rest = {"n_hom_alt": 0, "n_hemi": 0, "n_missing": 1}
    return pa.Table.from_pylist([{**row, **rest}], schema=COUNTS)


def test_places_come_back_as_they_were() -> None:
    places = _places(("aa" * 32, 0, 7), ("aa" * 32, 3, 0), ("bb" * 32, 2**31 - 1, 32_767))
    assert correction_rows(superseded_payload(places)).equals(places)


def test_no_places_come_back_as_none() -> None:
    assert correction_rows(superseded_payload(_places())).equals(_places())


def test_scattered_places_cost_few_bytes() -> None:
    rows = [("aa" * 32, number // 300, number % 300 * 100) for number in range(30_000)]
    assert len(superseded_payload(_places(*rows)).body) < 2 * 30_000


def test_withdrawals_come_back_as_they_were() -> None:
    rows = pa.Table.from_pylist(
        [
            {"what": "person", "action": "withdraw", "person_id": -4, "batch": None},
            {"what": "person", "action": "readmit", "person_id": 2**62, "batch": None},
            {"what": "batch", "action": "withdraw", "person_id": None, "batch": "cc" * 32},
        ],
        schema=WITHDRAWN,
    )
    assert correction_rows(withdrawn_payload(rows)).equals(rows)


def test_signed_counts_come_back_with_their_batch() -> None:
    rows, batch = read_corrected_counts(corrected_counts_payload(_counts(-2), "dd" * 32))
    assert rows.equals(_counts(-2))
    assert batch == "dd" * 32


def test_counts_of_a_batch_are_no_correction() -> None:
    with pytest.raises(CodecError):
        read_corrected_counts(counts_payload(_counts(2)))
    with pytest.raises(CodecError):
        read_corrected_counts(superseded_payload(_places()))
