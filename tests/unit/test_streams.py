"""Names of streams, families and keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precisionchain.errors import UsageError
from precisionchain.schemas.ancestors import default_ancestors
from precisionchain.schemas.founding import founding_streams
from precisionchain.schemas.omop import TABLES
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.streams import (
    StreamName,
    domain_family,
    family_of,
    person_family,
    variant_person_family,
)

PREFIXES = [table.domain_prefix for table in TABLES.values() if table.domain_prefix]


@pytest.mark.parametrize(
    ("text", "family", "bucket", "code"),
    [
        ("CONDITION_436670_1", "CONDITION_436670", 1, ""),
        ("CONDITION_436670_2k3", "CONDITION_436670", 2, "k3"),
        ("CLIN_PERSON_7_1", "CLIN_PERSON_7", 1, ""),
        ("VAR_9_16777217_33554432_1", "VAR_9_16777217_33554432", 1, ""),
        ("VARP_22_3_999zz", "VARP_22_3", 999, "zz"),
        ("NETWORK_1", "NETWORK", 1, ""),
    ],
)
def test_a_stream_name_has_its_parts(text: str, family: str, bucket: int, code: str) -> None:
    name = StreamName.parse(text)
    assert (name.family, name.bucket, name.code) == (family, bucket, code)
    assert str(name) == text
    assert family_of(text) == family


@pytest.mark.parametrize("text", ["", "NETWORK", "CONDITION_1a0", "x_1", "A_2", "A_0", "A_1000aa"])
def test_what_is_no_stream_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        StreamName.parse(text)


@given(
    st.sampled_from(PREFIXES),
    st.integers(0, 2**31),
    st.integers(2, 999),
    st.from_regex(r"[a-z][a-z0-9]", fullmatch=True),
)
def test_formatting_and_parsing_are_inverse(
    prefix: str, ancestor: int, bucket: int, code: str
) -> None:
    for family in (
        domain_family(prefix, ancestor),
        person_family(ancestor % 20 + 1),
        variant_person_family("X", 3),
    ):
        for name in (StreamName(family), StreamName(family, bucket, code)):
            assert StreamName.parse(str(name)) == name


def test_every_founding_stream_leaves_room_for_its_last_roll_over() -> None:
    parameters = NetworkParameters(
        nonce="00" * 16, build="GRCh37", ancestors=default_ancestors(PREFIXES), published={}
    )
    streams = founding_streams(parameters)
    assert len({name.casefold() for name in streams}) == len(streams)
    for name in streams:
        last = StreamName(family_of(name), 999, "zz")
        assert len(str(last).encode()) <= 32
