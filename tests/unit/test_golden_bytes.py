"""The ledger format, byte for byte: a change here is a new format version, never an edit.

What is pinned is our own framing and hashing. Bodies compressed by a library may change with the
library's release without changing what they mean, so no compressed bytes are pinned.
"""

from __future__ import annotations

import struct
from datetime import date
from hashlib import sha256

import pytest

from precisionchain.errors import CodecError, LimitError
from precisionchain.ledger.changes import (
    Change,
    Declaration,
    Grant,
    Revocation,
    Rotation,
    change_item,
)
from precisionchain.ledger.records import Member, User, member_item
from precisionchain.ledger.signing import Signer, single_item
from precisionchain.schemas.items import Codec, Item, ItemClass, Payload, checked_keys, parse_item
from precisionchain.schemas.json_payloads import value_payload
from precisionchain.schemas.manifest import Manifest, batch_id_of, leaf_pages, leaves_of_pages
from precisionchain.schemas.merkle import merkle_root

NETWORK = bytes(range(32))
SIGNER = Signer(bytes(range(100, 132)))
BODY = b'{"site":"A"}'

LEAF = "c36676610fefab434d9ba7c1118145176e9a8042928c077b02a0cb3df83e96c3"
SIGNATURE = (
    "a4807917ecc4d848a0c17cc0e644d9dcede9c680bfae1a2ad4bf900ff6905b96"
    "c821e262583cb30e3a6216696608596ae4229248a9ca82a4398732e97751d003"
)
BATCH = "233124d9a4895978b7acefd28318176ea102d2fb96de77a2364b409fee0e2171"
PUBLIC_KEY = "0bbc346a57667c380120bd9c7fd7e51d2c5fdfea37cd2f5bf405b2c6bf6f2d78"
ENCRYPTION_KEY = "1fe97265e13191bf2dc7849dc608edb92604e0945567819efb89ba5b8fb55f35"
ROOT = "550347fe72bcb7c23a0576eb793f410a6192c5d678b483eb1adfd880720b55ea"
FRAME = (
    "50434931" "01" "00" "06" "6d656d626572"  # magic, single, JSON, kind
    "{publisher}" "{batch}" "07000000" "00" "00" "7b2273697465223a2241227d"
)  # fmt: skip


def single() -> Item:
    return single_item(
        "NETWORK_1",
        ["member:A", "b:00"],
        value_payload("member", {"site": "A"}),
        signer=SIGNER,
        network=NETWORK,
        batch_id=b"\x22" * 32,
        ordinal=7,
    )


def test_the_frame_is_laid_out_as_the_format_page_says() -> None:
    expected = FRAME.format(publisher=SIGNER.public_key.hex(), batch="22" * 32)
    assert single().frame.hex() == expected
    assert len(single().stored) == len(single().frame) + 64


def test_the_leaf_is_the_formula_of_the_format_page() -> None:
    item = single()
    parts = [NETWORK, b"NETWORK", b"b:00", b"member:A"]
    text = b"precisionchain leaf 1\x00" + struct.pack("<I", len(parts))
    text += b"".join(struct.pack("<I", len(part)) + part for part in parts)
    text += sha256(item.frame).digest()
    assert item.leaf(NETWORK) == sha256(b"\x00" + text).digest()
    assert item.signature == SIGNER.sign(b"precisionchain signature 1\x00" + item.leaf(NETWORK))


def test_golden_leaf_and_signature() -> None:
    item = single()
    assert item.leaf(NETWORK).hex() == LEAF
    assert item.signature.hex() == SIGNATURE


def test_the_bucket_is_not_covered_by_the_leaf_and_everything_else_is() -> None:
    payload = Payload("clinical", Codec.RAW, b"rows", b"key", b"nonce")
    item = Item("DRUG_0_1", ("c:1",), ItemClass.BATCH, b"p" * 32, b"b" * 32, 0, payload)

    def leaf(**changes: object) -> bytes:
        members = {name: getattr(item, name) for name in Item.__dataclass_fields__}
        return Item(**{**members, **changes}).leaf(NETWORK)

    assert leaf(stream="DRUG_0_2k3") == item.leaf(NETWORK)
    others = [
        item.leaf(bytes(32)),
        leaf(stream="DRUG_1_1"),
        leaf(keys=("c:2",)),
        leaf(keys=("c", ":1")),
        leaf(item_class=ItemClass.SINGLE),
        leaf(publisher=b"q" * 32),
        leaf(batch_id=b"c" * 32),
        leaf(ordinal=1),
        leaf(payload=Payload("clinical", Codec.RAW, b"row", b"key", b"nonce")),
        leaf(payload=Payload("clinical", Codec.RAW, b"rows", b"ke", b"ynonce")),
        leaf(payload=Payload("clinica", Codec.RAW, b"rows", b"key", b"nonce")),
        leaf(payload=Payload("clinical", Codec.ARROW, b"rows", b"key", b"nonce")),
    ]
    assert len({item.leaf(NETWORK), *others}) == 1 + len(others)


def test_golden_batch_id_root_and_pages() -> None:
    batch = batch_id_of(NETWORK, SIGNER.public_key, "omop", b"\x01" * 32, bytes(32))
    assert batch.hex() == BATCH
    leaves = [sha256(bytes([number])).digest() for number in range(5)]
    assert merkle_root(leaves).hex() == ROOT
    assert leaf_pages(leaves) == [b"".join(leaves)]
    assert leaves_of_pages(leaf_pages(leaves)) == leaves


def test_golden_records_of_a_member_and_a_user() -> None:
    addresses = {"publish": "1A", "access": "1b"}
    member = Member("B", "b0", *SIGNER.public, admin=True, addresses=addresses)
    assert member.body().decode() == (
        '{"addresses":{"access":"1b","publish":"1A"},"admin":true,"code":"b0",'
        f'"encryption_key":"{ENCRYPTION_KEY}","expires":null,'
        f'"public_key":"{PUBLIC_KEY}","site":"B"}}'
    )
    user = User("ada@B", "B", *SIGNER.public, ("auditor",), date(2030, 1, 2))
    assert user.body().decode() == (
        f'{{"addresses":{{}},"encryption_key":"{ENCRYPTION_KEY}","expires":"2030-01-02",'
        f'"public_key":"{PUBLIC_KEY}","roles":["auditor"],"site":"B","user":"ada@B"}}'
    )
    made = member_item(member, SIGNER, NETWORK)
    assert (
        made.batch_id
        == sha256(b"precisionchain record 1\0" + NETWORK + b"member\0" + member.body()).digest()
    )


CHANGES = [
    (Grant("B", 1, date(2030, 1, 2), admin=True),
     '{"admin":true,"expires":"2030-01-02","name":"B","number":1}'),
    (Grant("ada@B", 2, None, roles=("auditor",)),
     '{"expires":null,"name":"ada@B","number":2,"roles":["auditor"]}'),
    (Revocation("ada@B", 3), '{"name":"ada@B","number":3}'),
    (Declaration("B", 4, b"\x01" * 32, 17),
     '{"name":"B","number":4,"public_key":"' + "01" * 32 + '","since":17}'),
]  # fmt: skip


@pytest.mark.parametrize(("change", "body"), CHANGES)
def test_golden_records_of_changes(change: Change, body: str) -> None:
    item = change_item(change, SIGNER, NETWORK)
    assert item.payload.body.decode() == body
    assert item.keys == (f"{change.KIND}:{change.name}",)
    assert (
        item.batch_id
        == sha256(
            b"precisionchain record 1\0" + NETWORK + change.KIND.encode() + b"\0" + body.encode()
        ).digest()
    )


def test_golden_record_of_a_rotation_and_what_the_new_key_signs() -> None:
    old = b"\x02" * 32
    new = Rotation.make("B", 5, SIGNER, replaces=old, network=NETWORK, addresses={"access": "1b"})
    said = (
        f'{{"addresses":{{"access":"1b"}},"encryption_key":"{ENCRYPTION_KEY}","name":"B",'
        f'"number":5,{{}}"public_key":"{PUBLIC_KEY}"}}'
    )
    proof = SIGNER.sign(
        b"precisionchain rotation 1\0" + NETWORK + old + said.replace("{}", "").encode()
    )
    body = change_item(new, SIGNER, NETWORK).payload.body.decode()
    assert body == said.replace("{}", f'"proof":"{proof.hex()}",')
    assert new.is_proved(old, NETWORK)
    assert not new.is_proved(b"\x03" * 32, NETWORK)
    assert not new.is_proved(old, bytes(32))


def test_more_leaves_than_a_page_holds_go_on_in_the_next() -> None:
    leaves = [struct.pack(">Q", number) * 4 for number in range(32_769)]
    pages = leaf_pages(leaves)
    assert [len(page) for page in pages] == [2**20, 32]
    assert leaves_of_pages(pages) == leaves


def test_a_manifest_reads_back_and_another_format_is_refused() -> None:
    manifest = Manifest(
        kind="omop", batch="ab" * 32, parent="00" * 32, source="omop", source_id="cd" * 32,
        items=1, root="ef" * 32, families=(("DRUG_0", 1),), pages=("12" * 32,),
        tables={"person": {"records": 1}}, refused_columns={"person": ("person_source_value",)},
    )  # fmt: skip
    assert Manifest.from_body(manifest.body()) == manifest
    with pytest.raises(CodecError, match="format 1"):
        Manifest.from_body(manifest.body().replace(b'"format":1', b'"format":2'))


@pytest.mark.parametrize("cut", [0, 3, 6, 10, 40, 75, 80])
def test_an_item_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(CodecError):
        parse_item("NETWORK_1", ["b:00"], single().stored[:cut])


@pytest.mark.parametrize("key", ["", "*", "k" * 257, "é" * 129])
def test_keys_no_ledger_can_store_are_refused(key: str) -> None:
    with pytest.raises(LimitError):
        checked_keys([key])
