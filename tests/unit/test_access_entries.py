"""Access entries: what is written is what is read, byte for byte the same each time."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precisionchain.access import entries, postings
from precisionchain.access.entries import Failed, Outcome, Refused, Request, Result, Totals
from precisionchain.access.entry_bodies import (
    ResultPart,
    Sealing,
    Stored,
    decode,
    encode_outcome,
    encode_request,
    join_result,
)
from precisionchain.access.sealing import Keyring, LogKey, seal
from precisionchain.access.zstd_json import MAX_TEXT_BYTES, unpack
from precisionchain.errors import CodecError
from precisionchain.ledger.signing import Signer, single_item
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.items import Codec, Item, Payload

QUESTION = "00112233445566778899aabbccddeeff"
SIGNER = Signer(bytes(range(32)))
AUDITOR, SITE_B, STRANGER = (Signer(bytes([n]) * 32) for n in (7, 8, 9))
KEY = LogKey.of(SIGNER, [AUDITOR.encryption_key])
SEALING = Sealing(SIGNER, KEY, {"B": SITE_B.encryption_key})

INT64 = st.integers(-(2**63), 2**63 - 1)
PERSONS = st.dictionaries(st.sampled_from(["A", "B", "site 3"]), st.lists(INT64, max_size=30))
ALLELE = st.tuples(
    st.sampled_from(["1", "9", "X", "GL000191.1"]),
    st.integers(0, 2**31),
    st.sampled_from(["A", "G", "CTT"]),
    st.sampled_from(["T", "<DEL>", "]13:123456]T", "*"]),
)


def alleles_of(rows: list[tuple[str, int, str, str]]) -> postings.Alleles:
    return postings.alleles(pl.DataFrame(rows, schema=postings.ALLELE_SCHEMA, orient="row"))


def as_item(payload: Payload) -> Item:
    return single_item("ACCESS_1", ("u:ada",), payload, signer=SIGNER, network=bytes(32))


def read_by(reader: Signer, payload: Payload, sites: tuple[str, ...] = ()) -> Stored:
    ring = Keyring([reader], sites)
    ring.learn(SIGNER.public_key, KEY.payload(SIGNER))
    return decode(as_item(payload), ring, SIGNER.encryption_key)


def stored_again(
    outcome: Outcome, reader: Signer = AUDITOR, sites: tuple[str, ...] = ()
) -> Outcome:
    decoded = [read_by(reader, payload, sites) for payload in encode_outcome(outcome, SEALING)]
    if isinstance(decoded[0], ResultPart):
        return join_result([part for part in reversed(decoded) if isinstance(part, ResultPart)])
    assert len(decoded) == 1
    assert isinstance(decoded[0], Refused | Failed)
    return decoded[0]


def plain(some: postings.Persons) -> dict[str, list[int]]:
    return {site: ids.tolist() for site, ids in some.items()}


@given(
    question=st.dictionaries(st.text(), st.none() | INT64 | st.text() | st.lists(st.text())),
    purpose=st.none() | st.text(),
    position=st.none() | st.integers(0, 2**40),
    milliseconds=st.integers(0, 2**42),
)
def test_a_request_is_read_as_written(
    question: dict[str, Any], purpose: str | None, position: int | None, milliseconds: int
) -> None:
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    asked = Request(
        QUESTION, "ada", SIGNER.public_key, time, "maf", "genetic", question, purpose, position
    )
    assert read_by(AUDITOR, encode_request(asked, SEALING)) == asked


def test_a_requests_bytes() -> None:
    berlin = timezone(timedelta(hours=2))
    asked = Request(
        QUESTION,
        "ada",
        SIGNER.public_key,
        datetime(2026, 5, 1, 14, 0, 0, 123456, berlin),
        "domain",
        "clinical",
        {"concept": 201826, "descendants": True},
        "diabetes study",
        41,
    )
    payload = encode_request(asked, SEALING)
    assert (payload.kind, payload.codec, payload.key_id) == ("access", Codec.RAW, KEY.key_id)
    header = (
        b'{"data":"clinical","entry":"request","operation":"domain","position":41,'
        b'"question_id":"00112233445566778899aabbccddeeff",'
        b'"time":"2026-05-01T12:00:00.123Z","user":"ada"}'
    )
    asked_for = b'{"purpose":"diabetes study","question":{"concept":201826,"descendants":true}}'
    sealed = seal(
        KEY.question(QUESTION).question,
        0,
        asked_for,
        b"precisionchain access section 1\x00" + bytes.fromhex(QUESTION) + b"question",
    )
    assert payload.body == struct.pack("<I", len(header)) + header + sealed


RESULT_SHOWN = Result(
    QUESTION,
    3,
    "ab" * 32,
    postings.persons({"B": [7, 5, 7, -2], "A": [42], "C": []}),
    postings.persons({"B": [5, 6]}),
    alleles_of([("9", 12, "A", "G"), ("9", 10, "A", "T"), ("9", 10, "A", "G")]),
)


def header_of(payload: Payload) -> Any:
    (length,) = struct.unpack_from("<I", payload.body)
    return json.loads(payload.body[4 : 4 + length])


def test_what_of_a_result_stands_in_clear() -> None:
    (payload,) = encode_outcome(RESULT_SHOWN, SEALING)
    header = header_of(payload)
    sections, grants = header.pop("sections"), header.pop("grants")
    assert header == {
        "entry": "result",
        "question_id": QUESTION,
        "part": 0,
        "parts": 1,
        "rows": 3,
        "totals": [4, 1, 3],  # person 5 of B is returned already
    }
    assert [name for name, _ in sections] == ["question", "site A", "site B"]
    assert {site: len(box) for site, box in grants.items()} == {"B": 160}


def test_an_auditor_opens_all_of_a_result() -> None:
    (payload,) = encode_outcome(RESULT_SHOWN, SEALING)
    part = read_by(AUDITOR, payload)
    assert isinstance(part, ResultPart)
    assert part.digest == "ab" * 32
    assert part.lists == {
        ("variants", ""): [["9", "10 0 2", "A A A", "G T G"]],
        ("returned", "A"): [["42"]],
        ("contributed", "A"): [],
        ("returned", "B"): [["-2 7 2"]],
        ("contributed", "B"): [["6"]],
    }
    assert part.sealed == frozenset()


def test_a_site_that_contributed_opens_what_was_asked_and_its_own_persons() -> None:
    read = stored_again(RESULT_SHOWN, SITE_B, ("B",))
    assert isinstance(read, Result)
    assert plain(read.returned) == {"B": [-2, 5, 7]}
    assert plain(read.contributed) == {"B": [6]}
    assert (read.digest, read.variants.height) == ("ab" * 32, 3)
    assert (read.sealed, read.totals) == (frozenset({"A"}), Totals(4, 1, 3))


def test_others_learn_sizes_alone() -> None:
    read = stored_again(RESULT_SHOWN, STRANGER, ("C",))
    assert isinstance(read, Result)
    assert (read.digest, plain(read.returned), plain(read.contributed)) == (None, {}, {})
    assert read.variants.is_empty()
    assert (read.rows, read.totals) == (3, Totals(4, 1, 3))
    assert read.sealed == {"A", "B", "question"}


def test_others_learn_who_asked_and_when_but_not_what() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    asked = Request(
        QUESTION, "ada", SIGNER.public_key, now, "person", "clinical", {"person": "A:42"}, "care", 7
    )
    payload = encode_request(asked, SEALING)
    assert read_by(STRANGER, payload) == replace(asked, question=None, purpose=None)
    for text in (b"A:42", b"care"):
        assert text not in payload.body


@pytest.mark.parametrize("at", [-1, -40, -90])
def test_a_changed_section_is_no_entry(at: int) -> None:
    (payload,) = encode_outcome(RESULT_SHOWN, SEALING)
    body = bytearray(payload.body)
    body[at] ^= 1
    with pytest.raises(CodecError):
        read_by(AUDITOR, replace(payload, body=bytes(body)))


def test_a_section_cannot_be_moved_to_another_question() -> None:
    other = "ff" * 16
    (payload,) = encode_outcome(replace(RESULT_SHOWN, question_id=other), SEALING)
    moved = payload.body.replace(other.encode(), QUESTION.encode())
    with pytest.raises(CodecError):
        read_by(AUDITOR, replace(payload, body=moved))


@given(returned=PERSONS, contributed=PERSONS, rows=st.lists(ALLELE, max_size=20))
def test_a_result_is_read_as_written(
    returned: dict[str, list[int]],
    contributed: dict[str, list[int]],
    rows: list[tuple[str, int, str, str]],
) -> None:
    result = Result(
        QUESTION,
        5,
        "00" * 32,
        postings.persons(returned),
        postings.persons(contributed),
        alleles_of(rows),
    )
    read = stored_again(result)
    assert isinstance(read, Result)
    assert (read.rows, read.digest) == (5, "00" * 32)
    assert plain(read.returned) == {
        site: sorted(set(ids)) for site, ids in sorted(returned.items()) if ids
    }
    apart = {site: set(ids) - set(returned.get(site, ())) for site, ids in contributed.items()}
    assert plain(read.contributed) == {
        site: sorted(ids) for site, ids in sorted(apart.items()) if ids
    }
    assert read.variants.rows() == sorted(set(rows))
    for site, person_id in [("A", 5), ("B", -(2**63))]:
        assert postings.holds(read.returned, site, person_id) is (
            person_id in returned.get(site, ())
        )


def test_gaps_of_every_length_are_written_as_numbers_are() -> None:
    gaps = [10**digits - less for digits in range(18) for less in (0, 1)] * 8 + [9 * 10**18]
    ids = np.cumsum(np.array([-(2**63) + 1, *(gap or 1 for gap in gaps)]))
    expected = " ".join(map(str, [-(2**63) + 1, *(gap or 1 for gap in gaps)]))
    assert list(postings.person_pieces({"A": ids})) == [["A", expected]]
    assert len(gaps) > 256


@pytest.mark.parametrize(
    "outcome", [Refused(QUESTION, "UsageError", "The request is malformed."), Failed(QUESTION, "X")]
)
def test_an_outcome_without_answer_is_read_as_written(outcome: Outcome) -> None:
    assert stored_again(outcome) == outcome


def test_a_long_result_is_paged_and_joined_in_any_order() -> None:
    rng = np.random.default_rng(1)
    ids = np.unique(rng.integers(-(2**63), 2**63 - 1, 120_000))
    bases = rng.choice(list("ACGT"), 60_000)
    table = postings.alleles(
        pl.DataFrame(
            {
                "chrom": rng.choice(["1", "2"], 60_000),
                "pos": rng.integers(1, 10**9, 60_000),
                "ref": bases,
                "alt": np.char.add(bases, "T"),
            }
        )
    )
    result = Result(QUESTION, 9, "11" * 32, {"A": ids}, {"B": ids[::7]}, table)
    payloads = encode_outcome(result, SEALING)
    assert len(payloads) > 2
    assert all(len(payload.body) < entries.PART_BYTES for payload in payloads)
    read = stored_again(result)
    assert isinstance(read, Result)
    assert np.array_equal(read.returned["A"], ids)
    assert np.array_equal(read.contributed["B"], ids[::7])
    assert read.variants.equals(table)


def test_the_same_result_has_the_same_bytes() -> None:
    one = Result(QUESTION, 2, "22" * 32, postings.persons({"B": [1, 2], "A": [3]}))
    two = Result(QUESTION, 2, "22" * 32, postings.persons({"A": [3, 3], "B": [2, 1]}))
    assert encode_outcome(one, SEALING) == encode_outcome(two, SEALING)


def test_entries_of_one_question_have_distinct_batch_ids_that_follow_from_it() -> None:
    ids = [entries.request_batch(QUESTION), *(entries.outcome_batch(QUESTION, i) for i in range(3))]
    assert len(set(ids)) == 4
    assert all(len(batch) == 32 for batch in ids)
    assert entries.outcome_batch("ff" * 16) not in ids


@pytest.mark.parametrize(
    ("ref", "alt"), [("", "A"), ("A", ""), ("A C", "G"), ("A", "G\t"), ("A" * 2**18, "G")]
)
def test_an_allele_that_cannot_be_logged_is_refused_before_writing(ref: str, alt: str) -> None:
    result = Result(QUESTION, 1, "", variants=alleles_of([("9", 1, ref, alt)]))
    with pytest.raises(CodecError):
        encode_outcome(result, SEALING)


@pytest.mark.parametrize("ids", [[3, 1], [1, 1]])
def test_an_unsorted_list_is_refused_before_writing(ids: list[int]) -> None:
    with pytest.raises(CodecError, match="not sorted"):
        encode_outcome(Result(QUESTION, 1, "", {"A": np.array(ids, np.int64)}), SEALING)


GOOD = {"entry": "failed", "question_id": QUESTION, "error": "X"}
REQUEST = {
    "entry": "request",
    "question_id": QUESTION,
    "user": "ada",
    "operation": "maf",
    "data": "genetic",
    "position": 1,
    "time": "2026-05-01T12:00:00Z",
}
RESULT = {
    "entry": "result",
    "question_id": QUESTION,
    "part": 0,
    "parts": 1,
    "rows": 0,
    "totals": [0, 0, 0],
    "grants": {},
    "sections": [],
}
BAD_BODIES: dict[str, Any] = {
    "no object": [1],
    "no entry": {"question_id": QUESTION},
    "another entry": {**GOOD, "entry": "peek"},
    "short question id": {**GOOD, "question_id": "00"},
    "question id in capitals": {**GOOD, "question_id": QUESTION.upper()},
    "question id no text": {**GOOD, "question_id": 7},
    "error no text": {**GOOD, "error": None},
    "request in clear": REQUEST,
}
BAD_HEADERS: dict[str, Any] = {
    "no object": [1],
    "another entry": {**RESULT, "entry": "peek"},
    "short question id": {**RESULT, "question_id": "00"},
    "part beyond parts": {**RESULT, "part": 1},
    "rows no number": {**RESULT, "rows": "many"},
    "two totals": {**RESULT, "totals": [1, 2]},
    "grants no hex": {**RESULT, "grants": {"B": "x"}},
    "a section that is not there": {**RESULT, "sections": [["site A", 20]]},
    "time without zone": {**REQUEST, "time": "2026-05-01T12:00:00"},
    "no user": {name: said for name, said in REQUEST.items() if name != "user"},
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_malformed_entry_is_no_entry(name: str) -> None:
    body = Payload("access", Codec.JSON, canonical_json(BAD_BODIES[name]))
    with pytest.raises(CodecError):
        read_by(AUDITOR, body)


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_a_malformed_header_is_no_entry(name: str) -> None:
    text = canonical_json(BAD_HEADERS[name])
    body = Payload("access", Codec.RAW, struct.pack("<I", len(text)) + text)
    with pytest.raises(CodecError):
        read_by(STRANGER, body, ("B",))


@pytest.mark.parametrize("body", [b"", b"\x05", b"\xff\xff\xff\xff{}"])
def test_a_body_that_ends_inside_its_header_is_no_entry(body: bytes) -> None:
    with pytest.raises(CodecError):
        read_by(AUDITOR, Payload("access", Codec.RAW, body))


BAD_LISTS: dict[str, dict[tuple[str, str], Any]] = {
    "persons backwards": {("returned", "A"): [["5 -1"]]},
    "a person twice": {("returned", "A"): [["5 0"]]},
    "pieces out of order": {("returned", "A"): [["5"], ["4"]]},
    "beyond int64": {("returned", "A"): [[str(2**63)]]},
    "gap over the end": {("returned", "A"): [[f"{2**63 - 1} 1"]]},
    "gap beyond 64 bits": {("returned", "A"): [[f"1 {2**64}"]]},
    "no number": {("contributed", "A"): [["x"]]},
    "empty": {("contributed", "A"): [[""]]},
    "a member short": {("contributed", "A"): [[]]},
    "alleles of other lengths": {("variants", ""): [["9", "1 1", "A A", "G"]]},
    "no list": {("variants", ""): 5},
    "more than it says": {("returned", "A"): [["5"]]},
}


@pytest.mark.parametrize("name", BAD_LISTS)
def test_malformed_lists_are_no_result(name: str) -> None:
    part = ResultPart(QUESTION, 0, 1, 0, Totals(0, 0, 0), "aa", BAD_LISTS[name])
    with pytest.raises(CodecError):
        join_result([part])


def test_parts_that_do_not_fit_are_no_result() -> None:
    none = Totals(0, 0, 0)
    one = ResultPart(QUESTION, 0, 2, 5, none, "aa", {})
    for other in (
        ResultPart(QUESTION, 0, 2, 5, none, "aa", {}),
        ResultPart(QUESTION, 1, 3, 5, none, None, {}),
        ResultPart(QUESTION, 1, 2, 6, none, None, {}),
        ResultPart(QUESTION, 1, 2, 5, Totals(1, 0, 0), None, {}),
    ):
        with pytest.raises(CodecError):
            join_result([one, other])
    with pytest.raises(CodecError):
        join_result([one])


def test_a_frame_that_unfolds_without_bound_is_refused() -> None:
    bomb = pa.Codec("zstd").compress(b" " * (MAX_TEXT_BYTES + 1), asbytes=True)
    assert len(bomb) < 10_000
    with pytest.raises(CodecError, match="bound"):
        unpack(Payload("access", Codec.JSON_ZSTD, bomb))


@pytest.mark.parametrize(
    "payload",
    [
        Payload("access", Codec.JSON_ZSTD, b"no frame"),
        Payload("access", Codec.ARROW, b"{}"),
        Payload("access", Codec.JSON, b'{"b":1,"a":1}'),
    ],
)
def test_other_bytes_are_no_entry(payload: Payload) -> None:
    with pytest.raises(CodecError):
        read_by(AUDITOR, payload)


def test_another_kind_of_item_is_no_entry() -> None:
    with pytest.raises(CodecError, match="manifest"):
        read_by(AUDITOR, Payload("manifest", Codec.JSON, canonical_json(GOOD)))
