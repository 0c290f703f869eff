"""The bytes of genotype blocks, told by slow code and pinned, and what a reader refuses.

What is pinned is a body as written once, which must stay readable, and the content of that body
(metadata and the call columns as they are before compression), which must stay the same. The
compressed bytes are not: another version of zstd or Arrow may find shorter ones.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from precisionchain.errors import CodecError
from precisionchain.schemas.calls import pack_calls, unpack_calls
from precisionchain.schemas.columns import from_body, to_body
from precisionchain.schemas.genotypes import (
    MAX_CALL_BYTES,
    METADATA_KEY,
    Calls,
    block_rows,
    pack_variant_block,
    unpack_variant_block,
)
from precisionchain.schemas.person_blocks import (
    PERSON_GROUP,
    person_bodies,
    serves_both_views,
    unpack_person_block,
)
from precisionchain.schemas.turned_calls import turn

WHO = "c0" * 32
DIGEST = "d1" * 32


def as_u8(rows: list[list[int]]) -> Any:
    return np.array(rows, np.uint8)


def bed_bytes(dosages: list[int]) -> list[int]:
    """PLINK 1 binary, https://www.cog-genomics.org/plink/1.9/formats#bed, with ALT as A1.

    00 homozygous for A1, 01 missing, 10 heterozygous, 11 homozygous for A2; the first person in
    the low bits; the last byte filled up with zeros.
    """
    text = {0: "11", 1: "10", 2: "00", 3: "01"}
    found = []
    for start in range(0, len(dosages), 4):
        four = [text[d] for d in dosages[start : start + 4]]
        found.append(int("".join(reversed(four)), 2))
    return found


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 9, 16, 17])
def test_states_are_the_bytes_of_a_bed_file(n: int) -> None:
    rng = np.random.default_rng(n)
    dosage = rng.integers(0, 4, (6, n)).astype(np.uint8)
    packed = pack_calls(Calls(dosage))
    assert packed.codes.tolist() == [bed_bytes(row) for row in dosage.tolist()]
    assert packed.phase == "none"
    assert packed.missing is None


def test_haplotype_pairs_have_a_bit_for_each_haplotype() -> None:
    """0|0 0|1 1|0 1|1 .|. then 0|1: low bit first haplotype, high bit second."""
    calls = Calls(as_u8([[0, 1, 1, 2, 3, 1]]), None, as_u8([[1, 1, 2, 1, 1, 1]]))
    packed = pack_calls(calls)
    assert packed.phase == "all"
    assert packed.codes.tolist() == [[0b11_01_10_00, 0b10_00]]
    assert packed.missing is not None
    assert packed.missing.tolist() == [[0b010000]]
    assert packed.phased is None


def test_unphased_calls_among_phased_ones_are_marked() -> None:
    """0|1 0/1 1|1 1/1: an unphased heterozygous call is written 0|1."""
    packed = pack_calls(Calls(as_u8([[1, 1, 2, 2]]), None, as_u8([[1, 0, 1, 0]])))
    assert packed.phase == "mixed"
    assert packed.codes.tolist() == [[0b11_11_10_10]]
    assert packed.phased is not None
    assert packed.phased.tolist() == [[0b0101]]


def test_haploid_calls_use_the_codes_of_no_copy_and_one_copy() -> None:
    haploid = np.array([[True, True, False, True]])
    packed = pack_calls(Calls(as_u8([[0, 1, 1, 3]]), haploid))
    assert packed.codes.tolist() == [bed_bytes([0, 1, 1, 3])]
    assert packed.haploid is not None
    assert packed.haploid.tolist() == [[0b1011]]
    with_phase = pack_calls(Calls(as_u8([[0, 1, 1, 3]]), haploid, as_u8([[0, 0, 2, 0]])))
    assert with_phase.codes.tolist() == [[0b00_01_10_00]]
    assert with_phase.phase == "all"


def test_states_in_a_run_with_phase_become_pairs() -> None:
    """0/1 1/1 ./. 0/0 of one block, then 1|0 .|. of another, for one person: two planes of bits."""
    states = pack_calls(Calls(as_u8([[1], [2], [3], [0]])))
    pairs = pack_calls(Calls(as_u8([[1], [3]]), None, as_u8([[2], [1]])))
    turned = turn([states, pairs], np.array([0]))
    assert turned.phase == "mixed"
    assert turned.codes.tolist() == [[0b10010, 0b00011]]
    for bits, expected in ((turned.missing, 0b100100), (turned.phased, 0b010000)):
        assert bits is not None
        assert bits.tolist() == [[expected]]


def test_persons_who_are_haploid_everywhere_take_one_bitmap() -> None:
    haploid = np.array([[True, False, True]] * 5)
    packed = pack_calls(Calls(np.zeros((5, 3), np.uint8), haploid))
    assert packed.haploid is not None
    assert packed.haploid.shape == (1, 1)
    back = unpack_calls(packed, [4, 0]).haploid
    assert back is not None
    assert back.tolist() == [[True, False, True]] * 2


BAD_CALLS: dict[str, Calls] = {
    "no person": Calls(np.zeros((2, 0), np.uint8)),
    "no dosage": Calls(as_u8([[0, 4]])),
    "no dosage, phased": Calls(as_u8([[0, 4]]), None, as_u8([[1, 1]])),
    "two copies, haploid": Calls(as_u8([[2]]), np.array([[True]])),
    "two copies, haploid, phased": Calls(as_u8([[2]]), np.array([[True]]), as_u8([[1]])),
    "no phase": Calls(as_u8([[1]]), None, as_u8([[3]])),
    "an order on a homozygote": Calls(as_u8([[2]]), None, as_u8([[2]])),
    "another shape": Calls(as_u8([[1]]), np.array([[True, False]])),
}  # fmt: skip


@pytest.mark.parametrize("calls", BAD_CALLS.values(), ids=BAD_CALLS.keys())
def test_calls_that_contradict_themselves_are_refused(calls: Calls) -> None:
    with pytest.raises(ValueError, match=r"."):
        pack_calls(calls)


def small_sites() -> pa.Table:
    return pa.table(
        {
            "pos": pa.array([100, 100, 250], pa.int32()),
            "ref": ["A", "A", "CT"],
            "alt": ["C", "G", "C"],
            "id": pa.array(["rs7", "rs7", None]),
            "record": pa.array([4, 4, 5], pa.uint32()),
            "alt_index": pa.array([1, 2, 1], pa.uint8()),
            "n_alts": pa.array([2, 2, 1], pa.uint8()),
            "record_pos": pa.array([100, 100, 250], pa.int32()),
            "record_end": pa.array([100, 100, 251], pa.int32()),
            "filter": ["PASS"] * 3,
        }
    )


def small_calls() -> Calls:
    """Three alleles of five persons: missing, haploid and mixed phase."""
    return Calls(
        as_u8([[1, 0, 3, 1, 1], [1, 2, 3, 0, 0], [0, 1, 0, 1, 2]]),
        np.array([[False, False, False, True, False]] * 2 + [[False] * 5]),
        as_u8([[2, 0, 0, 0, 0], [1, 1, 0, 0, 1], [1, 2, 1, 0, 1]]),
    )


def small_body() -> bytes:
    return pack_variant_block(
        small_sites(), small_calls(), chrom="X", person_set=WHO, person_offset=10
    )


def small_person_body() -> bytes:
    parts = [(DIGEST, pack_calls(small_calls()))]
    group = np.array([4, 0, 3])
    return next(person_bodies(parts, [group], chrom="X", person_set=WHO, person_offset=10))


def content(body: bytes) -> dict[str, str]:
    """Everything in a body before compression, as text: metadata and the bytes of each column."""
    table = from_body(body).combine_chunks()
    said = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    for name in table.column_names:
        column = table.column(name).chunk(0) if table.num_rows else None
        said[name] = f"{table.schema.field(name).type} {column.to_pylist() if column else []}"
    return said


VARIANT_CONTENT = "ffafdb9ab1124e083663c42a2d5bc59cfea727e47d35773878c12958805931c9"
PERSON_CONTENT = "794d1cb68d1e14452d42e415cb450fc46b64a2048349b4be4830177cda63abab"
VARIANT_BODY = (
    "|NsC0AO!#b5C8xG000UA4gdxK1po*D3IG5A009I55C8xG000UA3;+NC1ONyC3IG5ApaK8@1ONa40ssI2>;M1&1ON"
    "a4B>(^a%m4rY1ONa4yZ`_Idm>|Ka&K)SIwDviEFxxaa&2LBB04cFB4}Z7Y;S2~B03^%X?SI1A}k_qUvOn|b8l{QB"
    "04oJB5-ALb8l{6Z)Rq5WppAsF)%D5aAk6HZ*E_6WppAsB4aRPFk>)dFk>)dFk>)dFk>)dFk>)dFk>)dFk>)dFk>)"
    "dFk>)dFk>)dFk>)dFk>)dFk>)dFk>)dFk>)dFd{4>aA;w3Wg<EvZE1LAWFjmgc4=jIB03^=VRC6<Zge7j000001p"
    "oj5Vr*|?YXATM2mlNK1ONyC2mk;8m;nF)1ONa4i2(ordm?ggcXJ{-Gb|!^X=HS0B04cNEFyDsWpHyMI$L`pX(Bo>"
    "EFyFwIwEOqbTcv{EFx<nIwE9cY;<8FEFyLyIx#RXEFxkeIxu}Kdm?EfIx{RHbRs$;b98cPZf7DaB5NW#B5rkUVr6"
    "n7EFxkeIyWpLb0Ru1EFyR!IwEgoW^-k9A}k_sB03^+b0RDvc_KPnU41NjB55KzG%O-?B03^<X>N2gG9oM@Ya%)#W"
    "Myo0VInLdb|N}7EFxkeIxu}Kdm?EfIyWpLbRs$;X>N2gG9oM@ZX!A&a%E$0a%5j{Z*w9nB5NW#B64AFXJsNRB4Q#"
    "sFf1ZuB04ZEB5!6QIwEjyb0RDvW+FN<eJpz-X(Bo}EFyFwIwEOqbTcv{EFx<nIwE9cY;<8FEFyLyIxs9EVj?;)EF"
    "y1aB03^)Z*w9nB4#2wF?}q1B55KzIV>V{B03^-baH8KXCf>jZX!A&W@&76WpW}cB5NW#B6eYHb!8$fB6cD=B2Yn7"
    "QzCs`eE<Le2LJ#7V{dGAZEkY_3;+NC90C9U-~j*txB&nFi~#@uTmb+8C;<Qf_y7O^!~g&QlmGw#WB>pFGynhq1ON"
    "a4B>w;Z0003G5C8xG7ytkO1ONa4000002LJ#7Xkl<{Z)s!z7XJVL0RR91Q2zh_0003G5C8xG7ytkO1ONa4000001"
    "^@s6aA;w3Wn=&VLjM2%0RR91eE$Fc0003G5C8xG7ytkO1ONa4000002LJ#7ZE16JX>Ml#ZvOxO0RR91sQ&-|0003"
    "G5C8xG7ytkO1ONa4000001poj5V_|G;a{vGUn*RU)0ssI2)c*hf000335C8xG8~^|S1ONa4000003IG5Aa%E$0a%"
    "5j+Ze#!e%KrcV2mk;81poj4000335C8xG7ytkO1ONa4000001^@s6ZeL++baMaz_Wu9>2mk;8F#rGm000335C8xG"
    "8~^|S1ONa4000002><{9VQh3?X>Md?cmMzZCjbBc2mk;8VE_OB000335C8xG7ytkO1ONa4000001^@s6a%E$0a%2"
    "DiQvd(|2mk;8jQ{`t000335C8xG6aWAK1ONa4000000ssI2X=DHZdjJ3b2mk;8wEzGA000365C8xG6aWAK1ONa40"
    "00000{{R3VQh2&-2eao*#H0k000365C8xG7ytkO1ONa4000000{{R3a%E-!1ONm81ONa45C9Ya2ml5E2LKEJ000m"
    "G5C8xG000335C8xG8~^|S1ONa4000000{{R3aBp(}000I62mk~C1^@s62mk;800000|NsC0&;kGe6aWAK000003;"
    "-Aa1^@*B2mlNK3;+NC00RU78~^|Shyefq00000000003;-Sg5C8-K2mlNK3;+NC&;bAdBme*a7ytkO0{{R300000"
    "00000000I62ml8F1^@s6000018UO$Q0000000000000000000000000000006aWAK000007ytkO0000000000000"
    "007ytkO00000ApigX00000KmY&$000006#xJL00000SO5S3000000000000000SO5S300000ApigX00000fB*mh0"
    "00006aWAK00000m;e9(000005&!@I00000umAu6000006aWAK00000$N&HU000000000000000$N&HU000006aWA"
    "K00000-~a#s000000000000000-~a#s000006aWAK00000_y7O^000000000000000_y7O^000006aWAK000005C"
    "H%H0000000000000005CH%H000006aWAK00000C;<Qf000000000000000C;<Qf000007XSbN00000Kmh;%00000"
    "0000000000Kmh;%000006aWAK00000SOEY4000000000000000SOEY4000006aWAK00000Z~*`S0000000000000"
    "00Z~*`S000006aWAK00000000003;+NC0{{R30000000000000000{{R30000000000000000{{R300000000000"
    "00000{{R3000000RR91000000{{R30000000000000000{{R30000000000000000{{R30000000000000000{{R"
    "30000000000000000{{R30000000000000000{{R30000000000000000{{R30000000000000000{{R30000000"
    "000000000{{R300000D77#BAOjfy0001%000005C8xG00000D77#BAP|87000000096100IC200aO40000000000"
    "1ONa400000D77#BAOs-*06{@RQ~&?~5C8xG00000D77#BAP|87000000096100IC200RI300000000000{{R3000"
    "00D77#BAOjfy07FMZ000000RR9100000D77#BAOQ&g00RI3000000{{R300000D77#BAOjfy00000000000{{R30"
    "0000D77#BAOjfy00001000000{{R300000D77#BAOjfy009C4000000{{R300000D77#BAOjfy00II5000000{{R"
    "300000D77#BAOjfy00001000001^@s600000D77#BAO<l20D%Gy0E7bo0{{R300000D77#BAOjfy00aa8000000{"
    "{R300000D77#BAOjfy009#h000000{{R300000D77#BAOjfy00;;G00000|NsC000000O)@Kt"
)
PERSON_BODY = (
    "|NsC0m;wL*5C8xG000UA4gdxK1po*D3IG5A009I55C8xG000UA3;+NC1ONyC3IG5AkO2Sy1ONa40ssI27y$qP1ON"
    "a4`2PR@_y7O^1ONa4=l}o!dm>_NZ)0n7B05`JB4jaSF=R1hF=R1hF=R1hF=R1hF=R1hF=R1hF=R1hF=R1hF=R1hF"
    "=R1hF=R1hF=R1hF=R1hF=R1hF=R1hF(NE8U0p09V`y@3Z6Z1%SRyPUW^ZzBVRRxoF)Si(Utw%)Wo%`0B04iHB5-A"
    "Lb8l{6b7gcQIwE5*V=!YdV=!YdV=!YdV=!YdV=!YdV=!YdV=!YdV=!YdV=!YdV=!YdV=!YdV=!YdV=!YdV=!YdV="
    "!YdV=y8tB5-J7b7dkrB5i4SWn>~OB6ewIcOp6>aAk6HZ*C%e000001poj5Vr*|?YXATM2mlNK1ONyC2mk;8TmS$7"
    "1ONa4OaK4?dm?ggcXJ{-Gb|!^X=HS0B04lIB6D<QaC0I$TYDmDB04ZEB6K1;B57`PGcqD9B5NW#B5!79b7gcQEFx"
    "keIx#RTB6A`-F@0Tq000002LJ#7V{dGAZEkY_1ONa4qyPW_WB>pFGynhq1ONa4eE<Ld0003G5C8xG7ytkO1ONa40"
    "00002LJ#7Xkl<{Z)s!zYXATL0RR91sQ>@}0003G5C8xG7ytkO1ONa4000001^@s6aA;w3Wn=&VmjD0%0RR91)c^n"
    "g0003G5C8xG7ytkO1ONa4000001poj5V_|G;a{vGU!vFvO0ssI25C9Ya2ml5E2LKEJ000mG5C8xG000335C8xGAO"
    "HXW1ONa4000001^@s6aAk6HZ*Bkp000I62mk~C1^@s62mk;8|NsC0FaZDn6aWAK000003;-Aa1^@*B2mlNK3;+NC"
    "00RU78~^|SU;qFB00000000003;-Sg5C8-K2mlNK3;+NCumAu6Bme*a7ytkO0{{R30000000000000I62ml8F1^@"
    "s6000012mk;80000000000000000000000000000006aWAK000007ytkO0000000000000007ytkO000007XSbN0"
    "0000FaQ7m000000000000000FaQ7m000006aWAK00000NB{r;000000000000000NB{r;000006aWAK000000000"
    "01ONa40{{R30000000000000000{{R30000000000000000{{R30000000000000000{{R30000000000000000{"
    "{R300000D77#BAOjfy00aO7000001^@s600000D77#BAO<l200adA0ssX70{{R300000D77#BAOjfy00svD00000"
    "0{{R300000D77#BAOjfy0000300000|NsC000000gS`|v"
)


def digest_of(body: bytes) -> str:
    return hashlib.sha256(json.dumps(content(body), sort_keys=True).encode()).hexdigest()


def test_the_content_of_a_small_block_stays_the_same() -> None:
    said = content(small_body())
    assert said["calls"] == (r"fixed_size_binary[2] [b'\x81\x02', b'\x0e\x00', b'\x84\x03']"), (
        "0b10_00_00_01 0b10; 0b00_00_11_10 0b00; 0b10_00_01_00 0b11"
    )
    assert digest_of(small_body()) == VARIANT_CONTENT
    assert digest_of(small_person_body()) == PERSON_CONTENT


def test_bodies_written_once_stay_readable() -> None:
    block = unpack_variant_block(base64.b85decode(VARIANT_BODY))
    assert (block.chrom, block.person_offset, block.person_set) == ("X", 10, WHO)
    assert block.sites.equals(small_sites())
    assert_equal(block.calls(), small_calls())
    person = unpack_person_block(base64.b85decode(PERSON_BODY))
    assert person.persons.tolist() == [14, 10, 13]
    assert person.blocks == ((DIGEST, 3),)
    assert_equal(person.calls(), of_persons(small_calls(), [4, 0, 3]))


def of_persons(calls: Calls, persons: list[int]) -> Calls:
    assert calls.haploid is not None
    assert calls.phase is not None
    return Calls(calls.dosage[:, persons], calls.haploid[:, persons], calls.phase[:, persons])


def assert_equal(got: Calls, expected: Calls) -> None:
    np.testing.assert_array_equal(got.dosage, expected.dosage)
    np.testing.assert_array_equal(cast("Any", got.haploid), cast("Any", expected.haploid))
    np.testing.assert_array_equal(cast("Any", got.phase), cast("Any", expected.phase))


def test_a_block_knows_its_place_and_counts() -> None:
    block = unpack_variant_block(small_body())
    assert block.counts().ac.tolist() == [3, 3, 4]
    assert block.counts().an.tolist() == [7, 7, 10]


def test_sites_must_match_the_calls_and_leave_our_names_alone() -> None:
    calls = small_calls()
    for sites in (
        small_sites().slice(1),
        small_sites().append_column("calls", [[1, 2, 3]]),
        small_sites().append_column("haploid", [[1, 2, 3]]),
    ):
        with pytest.raises(ValueError, match="sites"):
            pack_variant_block(sites, calls, chrom="X", person_set=WHO)
    empty = Calls(np.zeros((0, 3), np.uint8))
    with pytest.raises(ValueError, match="alleles"):
        pack_variant_block(small_sites().slice(3), empty, chrom="X", person_set=WHO)


def resaid(body: bytes, **changes: Any) -> bytes:
    """The same body, truly check-summed, whose metadata says something else."""
    table = from_body(body)
    metadata = dict(table.schema.metadata)
    said = {**json.loads(metadata[METADATA_KEY]), **changes}
    metadata[METADATA_KEY] = json.dumps(said).encode()
    return to_body(table.replace_schema_metadata(cast("Any", metadata)), 1)


LIES: dict[str, tuple[bool, dict[str, Any]]] = {
    "other number of persons": (False, {"n_persons": 9}),
    "no person": (False, {"n_persons": 0}),
    "negative persons": (False, {"n_persons": -5}),
    "persons as text": (False, {"n_persons": "many"}),
    "other phase": (False, {"phase": "all"}),
    "unknown phase": (False, {"phase": "perhaps"}),
    "other ploidy": (False, {"haploid": "none"}),
    "ploidy of persons unsaid": (False, {"haploid": "persons"}),
    "ploidy of too few persons": (False, {"haploid": "persons", "haploid_persons": ""}),
    "no chromosome": (False, {"chrom": None}),
    "other number of alleles": (True, {"n_alleles": 30}),
    "alleles that do not add up": (True, {"blocks": [[DIGEST, 2]]}),
    "blocks without alleles": (True, {"blocks": [[DIGEST, 3], [DIGEST, 0]]}),
    "no blocks": (True, {"blocks": []}),
    "blocks as text": (True, {"blocks": "x"}),
    "other phase, by person": (True, {"phase": "none"}),
}


@pytest.mark.parametrize(("by_person", "changes"), LIES.values(), ids=LIES.keys())
def test_metadata_that_does_not_fit_the_columns_is_refused(
    by_person: bool, changes: dict[str, Any]
) -> None:
    unpack: Callable[[bytes], Any] = unpack_person_block if by_person else unpack_variant_block
    body = small_person_body() if by_person else small_body()
    unpack(resaid(body))
    with pytest.raises(CodecError):
        unpack(resaid(body, **changes))


def test_another_format_is_refused_by_name() -> None:
    with pytest.raises(CodecError, match=r"format 2, and this version reads 1"):
        unpack_variant_block(resaid(small_body(), format=2))


def test_one_view_is_not_taken_for_the_other() -> None:
    with pytest.raises(CodecError, match="view"):
        unpack_person_block(small_body())
    with pytest.raises(CodecError, match="view"):
        unpack_variant_block(small_person_body())
    with pytest.raises(CodecError):
        unpack_variant_block(to_body(pa.table({"a": [1]}), 1))


def test_blocks_keep_below_an_items_size_whatever_the_calls() -> None:
    for n in (1, 64, 256, 2504, 8192):
        assert block_rows(n) >= 1
        assert block_rows(n) * ((n + 3) // 4) <= MAX_CALL_BYTES
    rng = np.random.default_rng(7)
    rows, n = block_rows(8192), 8192
    noise = Calls(rng.integers(0, 4, (rows, n)).astype(np.uint8))
    sites = pa.table({"pos": pa.array(np.sort(rng.integers(1, 10**8, rows)).astype(np.int32))})
    assert len(pack_variant_block(sites, noise, chrom="1", person_set=WHO)) < 2 * 2**20


def test_groups_of_persons_are_bounded_and_without_repetition() -> None:
    parts = [(DIGEST, pack_calls(Calls(np.zeros((2, 300), np.uint8))))]
    for groups in ([np.arange(PERSON_GROUP + 1)], [np.arange(0)], [np.array([1, 1])]):
        with pytest.raises(ValueError, match="person"):
            list(person_bodies(parts, groups, chrom="1", person_set=WHO))
    other = (DIGEST, pack_calls(Calls(np.zeros((2, 299), np.uint8))))
    with pytest.raises(ValueError, match="different persons"):
        list(person_bodies([*parts, other], [np.arange(5)], chrom="1", person_set=WHO))


def test_up_to_64_persons_need_no_second_view() -> None:
    assert serves_both_views(64)
    assert not serves_both_views(65)
