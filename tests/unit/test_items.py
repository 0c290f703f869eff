"""What an item's stored bytes are, and what is refused when they are read."""

from __future__ import annotations

import struct
from hashlib import sha256

import pytest

from precisionchain.errors import CodecError, LimitError
from precisionchain.schemas.items import (
    SEAL_ORDINAL,
    Codec,
    Item,
    ItemClass,
    Payload,
    checked_keys,
    leaf_of,
    parse_item,
)

PUBLISHER, BATCH, NETWORK = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32


def clinical(**changes: object) -> Item:
    members: dict[str, object] = {
        "stream": "DRUG_0_1",
        "keys": ("c:1", "y:2020"),
        "item_class": ItemClass.BATCH,
        "publisher": PUBLISHER,
        "batch_id": BATCH,
        "ordinal": 258,
        "payload": Payload("clinical", Codec.ARROW, b"rows", b"K", b"NN"),
    }
    return Item(**{**members, **changes})  # type: ignore[arg-type]


SINGLE = clinical(item_class=ItemClass.SINGLE, signature=bytes(range(64)))


def test_the_frame_byte_by_byte() -> None:
    """``docs/reference/streams.md``, section 2, written out by hand."""
    expected = b"PCI1" + bytes([0, 2, 8]) + b"clinical" + PUBLISHER + BATCH
    expected += bytes([2, 1, 0, 0]) + b"\x01K" + b"\x02NN" + b"rows"

    assert clinical().frame == clinical().stored == expected
    assert SINGLE.stored == b"PCI1\x01" + expected[5:] + bytes(range(64))


def test_the_leaf_part_by_part() -> None:
    def part(text: bytes) -> bytes:
        return struct.pack("<I", len(text)) + text

    parts = [NETWORK, b"DRUG_0", b"c:1", b"y:2020"]
    text = b"precisionchain leaf 1\x00" + struct.pack("<I", 4) + b"".join(map(part, parts))
    expected = sha256(b"\x00" + text + sha256(clinical().frame).digest()).digest()

    assert clinical().leaf(NETWORK) == expected
    assert leaf_of(NETWORK, "DRUG_0", ("c:1", "y:2020"), clinical().frame) == expected
    assert clinical().signed_text(NETWORK) == b"precisionchain signature 1\x00" + expected


def test_a_signature_is_not_part_of_the_leaf() -> None:
    assert SINGLE.with_signature(bytes(64)).leaf(NETWORK) == SINGLE.leaf(NETWORK)
    assert SINGLE.with_signature(bytes(64)).signature == bytes(64)


def test_the_seal_has_the_last_ordinal() -> None:
    assert clinical(ordinal=SEAL_ORDINAL).stored[79:83] == b"\xff\xff\xff\xff"
    with pytest.raises(struct.error):
        clinical(ordinal=SEAL_ORDINAL + 1).frame  # noqa: B018


REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "another magic": b"PCI2" + clinical().stored[4:],
    "another class": b"PCI1\x02" + clinical().stored[5:],
    "another codec": b"PCI1\x00\x09" + clinical().stored[6:],
    "a kind that is no ASCII": clinical().stored.replace(b"clinical", b"clinic\xc3\xa4"),
    "a kind longer than all": b"PCI1\x00\x02\xff" + clinical().stored[7:],
    "a header cut in the batch": clinical().stored[:60],
    "a header cut in the ordinal": clinical().stored[:81],
    "a header cut before the key id": clinical().stored[:83],
    "a header cut in the nonce": clinical().stored[:-6],
    "a single item shorter than its signature": b"PCI1\x01" + clinical().stored[5:],
    "a signature that would reach into the header": SINGLE.stored[:-5],
}


@pytest.mark.parametrize("name", REFUSED)
def test_bytes_that_are_no_item_are_refused_naming_the_stream(name: str) -> None:
    with pytest.raises(CodecError) as caught:
        parse_item("DRUG_0_1", (), REFUSED[name])
    assert caught.value.exit_code == 8


def test_an_empty_body_is_an_item() -> None:
    for item in (
        clinical(payload=Payload("", Codec.JSON, b"")),
        clinical(payload=Payload("k", Codec.RAW, b""), item_class=ItemClass.SINGLE,
                 signature=bytes(64)),
    ):  # fmt: skip
        assert parse_item(item.stream, item.keys, item.stored) == item


def test_what_does_not_fit_its_length_byte_is_refused() -> None:
    for payload in (
        Payload("k", Codec.RAW, b"", bytes(256)),
        Payload("k", Codec.RAW, b"", b"", bytes(256)),
    ):
        with pytest.raises(LimitError):
            clinical(payload=payload).frame  # noqa: B018


def test_keys_are_sorted_and_distinct() -> None:
    assert checked_keys(["y:2020", "c:9", "c:10", "c:9"]) == ("c:10", "c:9", "y:2020")
    assert checked_keys([]) == ()
    assert checked_keys(["k" * 256, "é" * 128]) == ("k" * 256, "é" * 128)
