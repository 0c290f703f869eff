"""A stream's name says what it holds, and reads back as what was said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precisionchain.errors import UsageError
from precisionchain.schemas import streams
from precisionchain.schemas.streams import MAX_NAME_BYTES, StreamName, family_of

NAMES = {
    "CONDITION_436670_1": ("CONDITION_436670", 1, ""),
    "CONDITION_436670_2k3": ("CONDITION_436670", 2, "k3"),
    "DRUG_0_999zz": ("DRUG_0", 999, "zz"),
    "CLIN_PERSON_7_1": ("CLIN_PERSON_7", 1, ""),
    "VAR_9_16777217_33554432_1": ("VAR_9_16777217_33554432", 1, ""),
    "VAR_22_234881025_251658240_99a0": ("VAR_22_234881025_251658240", 99, "a0"),
    "VARP_22_3_1": ("VARP_22_3", 1, ""),
    "MAF_0_500_1": ("MAF_0_500", 1, ""),
    "NETWORK_1": ("NETWORK", 1, ""),
    "A_1": ("A", 1, ""),
}


@pytest.mark.parametrize("text", NAMES)
def test_a_name_is_read_and_written(text: str) -> None:
    parts = NAMES[text]

    assert StreamName.parse(text) == StreamName(*parts)
    assert str(StreamName(*parts)) == text
    assert family_of(text) == parts[0]
    assert len(text) <= MAX_NAME_BYTES


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NETWORK",
        "NETWORK_",
        "NETWORK_0",
        "NETWORK_01",
        "NETWORK_1a0",
        "NETWORK_2",
        "NETWORK_2A0",
        "NETWORK_20k",
        "NETWORK_2k",
        "NETWORK_2k33",
        "NETWORK_1000a0",
        "network_1",
        "9_1",
        "_1",
        "CONDITION 1",
        "CONDITION_1\n",
        "CONDITION_\u0661",
        "CONDITION-1_1",
        "C" * 31 + "_1",
        "*",
    ],
    ids=repr,
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        StreamName.parse(text)


@pytest.mark.parametrize(
    ("bucket", "code"), [(0, ""), (-1, ""), (1, "a0"), (2, ""), (2, "A0"), (2, "a"), (2, "0a")]
)
def test_a_later_bucket_carries_the_code_of_its_site_and_the_first_none(
    bucket: int, code: str
) -> None:
    with pytest.raises(UsageError):
        StreamName("DRUG_0", bucket, code)


FAMILIES = st.from_regex(r"[A-Z][A-Z0-9]{0,9}(_[0-9]{1,5}){0,2}", fullmatch=True)
CODES = st.from_regex(r"[a-z][a-z0-9]", fullmatch=True)


@given(FAMILIES, st.integers(2, 999), CODES)
def test_every_bucket_reads_back(family: str, bucket: int, code: str) -> None:
    for name in (StreamName(family), StreamName(family, bucket, code)):
        assert StreamName.parse(str(name)) == name


@given(FAMILIES, st.integers(2, 999), FAMILIES, st.integers(2, 999), CODES, CODES)
def test_two_sites_never_open_the_same_stream(  # noqa: PLR0917
    family: str, bucket: int, other: str, other_bucket: int, code: str, other_code: str
) -> None:
    one, two = StreamName(family, bucket, code), StreamName(other, other_bucket, other_code)

    assert (str(one).casefold() == str(two).casefold()) == (one == two)


def test_families_and_keys_are_spelt_as_the_format_says() -> None:
    """``docs/reference/streams.md``, section 3."""
    assert streams.domain_family("CONDITION", 436670) == "CONDITION_436670"
    assert streams.domain_family("DRUG", 0) == "DRUG_0"
    assert streams.person_family(20) == "CLIN_PERSON_20"
    assert streams.variant_person_family("9", 1) == "VARP_9_1"
    assert streams.variant_person_family("GL000192.1", 1) == "VARP_UN_1"
    assert streams.ranged_family("VAR", "9", 16777217, 33554432) == "VAR_9_16777217_33554432"
    assert streams.ranged_family("COUNT", "MT", 1, 16777216) == "COUNT_MT_1_16777216"
    assert streams.frequency_family(0.0, 0.05) == "MAF_0_500"
    assert streams.frequency_family(0.3, 0.5) == "MAF_3000_5000"
    assert streams.concept_key(201826) == "c:201826"
    assert streams.year_key(2019) == "y:2019"
    assert streams.person_key(-42) == "p:-42"
    assert streams.tile_key("9", 1343) == "t:9:1343"
    assert streams.table_key("measurement") == "d:measurement"
    assert streams.batch_key(bytes(range(32))) == "b:000102030405060708090a0b0c0d0e0f"
    for family in (streams.NETWORK, streams.BATCH, streams.ACCESS, streams.MAP_VARIANT):
        assert family_of(f"{family}_1") == family


@pytest.mark.parametrize("contig", ["1", "22", "X", "Y", "MT"])
def test_main_contigs_have_their_own_families(contig: str) -> None:
    assert streams.contig_token(contig) == contig


@pytest.mark.parametrize("contig", ["GL000192.1", "KI270728.1_random", "chr1", "x", "M", ""])
def test_other_contigs_share_one(contig: str) -> None:
    assert streams.contig_token(contig) == "UN"
