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
from precisionchain.schemas.near_calls import (
    EVERYBODY,
    LONG,
    MAX_BACK,
    MAX_STEPS,
    from_gaps,
    joined,
    near_calls,
    packed_calls,
    to_gaps,
)
from precisionchain.schemas.person_blocks import (
    PERSON_GROUP,
    person_bodies,
    serves_both_views,
    unpack_person_block,
)
from precisionchain.schemas.turned_calls import turn, unpack_turned

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


def test_states_and_pairs_share_a_run() -> None:
    """0/1 1/1 ./. 0/0 of one block, then 1|0 .|. of another, for one person.

    A row of one person is too short for a list. States are told by nobody's having a copy (11):
    01, 11, 10, 00; then the pairs 01, 00. Low bits, then high bits.
    """
    states = near_calls(pack_calls(Calls(as_u8([[1], [2], [3], [0]]))))
    pairs = near_calls(pack_calls(Calls(as_u8([[1], [3]]), None, as_u8([[2], [1]]))))
    turned = turn([states, pairs], np.array([0]))
    links = joined([states.links, pairs.links])
    assert links.size.tolist() == [LONG, LONG, LONG, 0, LONG, 0]
    assert turned.states == ((4, True), (2, False))
    assert turned.phase == "mixed"
    assert turned.planes.tolist() == [[0b1011, 0b0110]]
    for bits, expected in ((turned.missing, 0b100000), (turned.phased, 0b010000)):
        assert bits is not None
        assert bits.tolist() == [[expected]]
    back = unpack_turned(turned, links)
    assert back.dosage.tolist() == [[1], [2], [3], [0], [1], [3]]
    assert cast("Any", back.phase).tolist() == [[0], [0], [0], [0], [2], [0]]


def one_row(persons: int, carriers: list[int]) -> list[int]:
    return [int(person in carriers) for person in range(persons)]


def near_rows_of_100() -> Calls:
    """Five alleles of 100 persons, all phased, heterozygous calls 0|1."""
    first = list(range(0, 100, 5))
    rows = [
        first,
        [*first, 3],  # nearly the row before
        [7, 8],  # nearly nobody
        [*first, 4],  # nearly the first, and no nearer to the second
        list(range(100)),
    ]
    dosage = as_u8([one_row(100, row) for row in rows[:4]] + [[2] * 99 + [1]])
    return Calls(dosage, None, np.ones_like(dosage))


def test_a_row_is_told_by_the_nearest_row_before_it() -> None:
    """Of 25 bytes a row, up to three bits are listed."""
    calls = near_rows_of_100()
    near = near_calls(pack_calls(calls))
    assert near.links.back.tolist() == [0, 1, 0, 3, EVERYBODY]
    assert near.links.size.tolist() == [LONG, 1, 2, 1, 1]
    # the high bit of 0|1; of the last person, who has one copy, the low bit is what is missing
    assert near.places.tolist() == [7, 15, 17, 9, 198]
    assert near.long.tolist() == pack_calls(calls).codes[:1].tolist()
    np.testing.assert_array_equal(packed_calls(near).codes, pack_calls(calls).codes)


def test_a_row_is_told_over_so_many_rows_at_most() -> None:
    """Each row is the one before and a person more: read over all of them, a row would be slow."""
    dosage = np.tri(400, 400, dtype=np.uint8)
    near = near_calls(pack_calls(Calls(dosage)))
    assert len(list(near.links.steps())) <= MAX_STEPS
    assert near.links.back[1:60].tolist() == [0, 0, 0, *[1] * 56]
    assert int(near.links.back.max()) <= MAX_BACK
    np.testing.assert_array_equal(unpack_calls(packed_calls(near)).dosage, dosage)


def test_gaps_are_low_bytes_then_high_bytes_list_by_list() -> None:
    places, size = np.array([3, 700, 701, 2], np.uint16), np.array([3, 0, 1])
    content = to_gaps(places, size)
    assert content.tolist() == [3, 697 & 255, 1, 2, 0, 697 >> 8, 0, 0]
    assert from_gaps(content, size, 702).tolist() == places.tolist()
    with pytest.raises(ValueError, match="beyond"):
        from_gaps(content, size, 701)


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
    parts = [(DIGEST, near_calls(pack_calls(small_calls())))]
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


VARIANT_CONTENT = "94f04b370dd9fb6822696dad8db22a7e875218df432715d01a4f1ffdd5f71261"
NEAR_CONTENT = "9311f5b08d03fd36baf21c079144698c8e8fc1180c6e4ca2a1f6ee0cb33338fa"
NEAR_PERSON_CONTENT = "458dbd01b69a51b678c803929a60cc10783aad142aeb1aa7460f31a8f23d3d11"
PERSON_CONTENT = "0806c72602c7b56a03f12dd3bd10ac83bea208f07dcaf94b00922bebbb6910ca"
VARIANT_BODY = (
    "D77#BVCV<+830x#dqg0OHXZmj6oC^#O6IT#hzmjiU}_3b0vbRGX^NlHCA%N#+V7>eW`S%s_HRkh`FDt67&ho`jFL"
    "E5=;0#+i_oka*(qcIYXD~e|4~Ag1O3Oe@K-"
    "bHWhpFKWzv*+vr)&9u@GbPZkzpZ?2vq`z259Tl_P7@L`f`Jqn7Kk5yy_?FC%$&<H#f|nPk0Dh*|!72+`dJZsI@nR"
    "~zfU#)1~Vj(O%6xA^AAVCe1+S&BD5j&2IDkB;PxC2v;ah)q$=ylcCU=GoA!9vmeOlM=}iIP&#aa>tP+n=VHW_9lo"
    "_s-jB0?|NbjCK<#L%RX*uEE$C(Z+N~+IbxD2vy@1_-"
    "TW@c1RcqvPopXvJ(91A^<WC>()<bl8awgdkIO!_t?m<uU#nAt648CyAgY$*P%o<VUP_w4;Me|VME=9>Q^q*~;NN}"
    "X_^<uX@c+Yq6hB1p!w5fg`QghCOZ=3^t)voXL;ow@V$#vEF<0pApoB8e2iD<{5fBlcB`*Kp-"
    "F*!ZU|IMDRe_=)3~3MoAp`^jYWNQ|r%>Hgy~})5{iHfcb&={07Ql}R+q{6q*<2^^3VP6-"
    "bHS>v$+(7kxvXE;cAJW4ejUU5Ha*UW?k4dH(_!V;D2B^}|D+H6H%+b5&&Or|1Awcj@kFT<jmStzk{TVb0+J~z%>f"
    "bs(=;GMMiBzl1QcgMTBygy8oY?Q-"
    "4xy=l3R6y{bFk&A@=XK6?}touBo`BwyOBob%YA58F_)ap@XzX56~VsP&agt_UHlH0|%;mq=UuLi*}uyu95zA+R6T"
    "gEqVJc`gfgF_cU3JVXOzZnWj4v#lr`(n~8k5hHv+-"
    "wt?dxM@eiQc0DC^F_O$<d|3T1#C5rnr=9jyJ|r+;DESfgKzcLuS!63WU+kYi#tr{myMFs$bz@48<~H*k{22r1oi)"
    "j~acR7?7`q&0=2rbUr+dqTnESOA0yt>b4dC&X&=Ed9$)FbieT;Rw1B(<l{wo_%L=f1eh@}GezRaE)4Gtqq+7nVsE"
    "*NE1?;{p$yXGq;4j%f9=BM}{`RWEK!9cuBG14+wYB3vX=>hy*cvu-DK&Q74a}V@@"
)
PERSON_BODY = (
    "D77#BU?>C44gdz&Og3Oio8ciT2(pxch9IvqiZJ-"
    "#zOLgBqQpjRiNTM*?OSB20Du#vaTo{5lp+~5{<P<QdV1SZJpeucK>*Y1Mp?9sQr820wPadlQYVo#Y8G{=dvKkqLO"
    "{I6iAi=zwBkQA0|tkG@l6Hihd9k+=*G_gejNG5h0M%#(yP^q3*2H|f!E4bSr|;FIrza3L5BXnk?AW2S_<k~!3CD3"
    "uP{=TOI@W&UpE*duq<luHNp#C7Zrik1=)3>Dp7#uGqVAKzxpLa%tCQxliwl9NUv3$1QB4A1{qkfuUK6TOdDoVOfE"
    "CM#yV+wm8hdovc68#b-"
    "=@hSpol<nT}`CG#tk{VjOvfW_*O`N3_EjB4Efjd=oiC4vQw@_!+w4NM=&_2r=ri0O70uneaE6nc&I_M<8GVB4txO"
    ">jBz?i7`-"
    "_U5u~=^X?Yp0RkY2IKJ1C#5*3oc1E#609(vJ>Mi$fA^d(GVt}bqGdEUl?pc0Z!u}fJekVS#*bBbEI|O{RWP#T5%h"
    "qWoo|5RGC7*RS9vuA+(BiMS^NILZ?%@x;C$Hy<x_UXQwprW)t4f^N=)IUSgDZJ9N$G`C%N<vuLV^XYWH@;x_hGTK"
    "-WQgK4*(J;YW8&"
)


def digest_of(body: bytes) -> str:
    return hashlib.sha256(json.dumps(content(body), sort_keys=True).encode()).hexdigest()


def test_the_content_of_a_small_block_stays_the_same() -> None:
    said = content(small_body())
    assert said["long"] == (r"fixed_size_binary[2] [b'\x81\x02', b'\x0e\x00', b'\x84\x03']"), (
        "0b10_00_00_01 0b10; 0b00_00_11_10 0b00; 0b10_00_01_00 0b11"
    )
    assert digest_of(small_body()) == VARIANT_CONTENT
    assert digest_of(small_person_body()) == PERSON_CONTENT


def test_the_content_of_a_block_of_near_rows_stays_the_same() -> None:
    calls = near_rows_of_100()
    sites = pa.table({"pos": pa.array([5, 6, 7, 8, 9], pa.int32())})
    body = pack_variant_block(sites, calls, chrom="1", person_set=WHO)
    near = unpack_variant_block(body).near
    (turned,) = person_bodies([(DIGEST, near)], [np.arange(100)], chrom="1", person_set=WHO)
    assert digest_of(body) == NEAR_CONTENT
    assert digest_of(turned) == NEAR_PERSON_CONTENT
    assert_equal(unpack_person_block(turned).calls(near.links), calls)


def test_bodies_written_once_stay_readable() -> None:
    block = unpack_variant_block(base64.b85decode(VARIANT_BODY))
    assert (block.chrom, block.person_offset, block.person_set) == ("X", 10, WHO)
    assert block.sites.equals(small_sites())
    assert_equal(block.calls(), small_calls())
    person = unpack_person_block(base64.b85decode(PERSON_BODY))
    assert person.persons.tolist() == [14, 10, 13]
    assert person.blocks == ((DIGEST, 3),)
    assert_equal(person.calls(block.near.links), of_persons(small_calls(), [4, 0, 3]))


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
        small_sites().append_column("long", [[1, 2, 3]]),
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
    "alleles that do not add up": (True, {"blocks": [[DIGEST, 2, "pairs"]]}),
    "blocks without alleles": (True, {"blocks": [[DIGEST, 3, "pairs"], [DIGEST, 0, "pairs"]]}),
    "no blocks": (True, {"blocks": []}),
    "blocks as text": (True, {"blocks": "x"}),
    "blocks of other codes": (True, {"blocks": [[DIGEST, 3, "beads"]]}),
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
    parts = [(DIGEST, near_calls(pack_calls(Calls(np.zeros((2, 300), np.uint8)))))]
    for groups in ([np.arange(PERSON_GROUP + 1)], [np.arange(0)], [np.array([1, 1])]):
        with pytest.raises(ValueError, match="person"):
            list(person_bodies(parts, groups, chrom="1", person_set=WHO))
    other = (DIGEST, near_calls(pack_calls(Calls(np.zeros((2, 299), np.uint8)))))
    with pytest.raises(ValueError, match="different persons"):
        list(person_bodies([*parts, other], [np.arange(5)], chrom="1", person_set=WHO))


def test_up_to_64_persons_need_no_second_view() -> None:
    assert serves_both_views(64)
    assert not serves_both_views(65)
