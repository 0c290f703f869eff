"""Any item is stored and read back; any other bytes are another item or none."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from precisionchain.errors import CodecError
from precisionchain.ledger.embedded_rows import pack_keys, unpack_keys
from precisionchain.ledger.publish_rules import stored_size
from precisionchain.schemas.items import Item, parse_item
from tests.lib.item_strategies import items
from tests.lib.memory_ledger import MemoryLedger


@given(items())
def test_an_item_reads_back_from_its_stored_bytes(item: Item) -> None:
    assert parse_item(item.stream, item.keys, item.stored) == item
    assert stored_size(item) == len(item.stored)
    assert item.stored == item.frame + item.signature


@given(items(), st.data())
def test_a_flipped_bit_is_another_item_or_none(item: Item, data: st.DataObject) -> None:
    stored = bytearray(item.stored)
    bit = data.draw(st.integers(0, len(stored) * 8 - 1))
    stored[bit // 8] ^= 1 << bit % 8
    with suppress(CodecError):
        other = parse_item(item.stream, item.keys, bytes(stored))
        assert other != item
        assert other.stored == bytes(stored), "what is read is what is stored, to the byte"


@given(items(), st.data())
def test_bytes_cut_off_or_added_are_another_item_or_none(item: Item, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(item.stored) - 1))
    for stored in (item.stored[:cut], item.stored + b"\x00"):
        with suppress(CodecError):
            assert parse_item(item.stream, item.keys, stored) != item


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(stored: bytes) -> None:
    for text in (stored, b"PCI1" + stored, b"PCI1\x00\x00\x01k" + stored):
        with suppress(CodecError):
            assert parse_item("ACCESS_1", (), text).stored == text


@given(items(), items())
def test_two_items_have_one_leaf_only_when_what_they_mean_is_one(one: Item, two: Item) -> None:
    network = bytes(32)
    families = [item.stream.rsplit("_", 1)[0] for item in (one, two)]
    same = families[0] == families[1] and (one.keys, one.frame) == (two.keys, two.frame)

    assert (one.leaf(network) == two.leaf(network)) == same
    assert one.leaf(network) != one.leaf(b"\x01" * 32)


@given(items(), st.data())
def test_keys_that_join_to_the_same_text_are_other_keys(item: Item, data: st.DataObject) -> None:
    text = data.draw(st.text("ab", min_size=2, max_size=8))
    cut = data.draw(st.integers(1, len(text) - 1))
    whole = replace(item, keys=(text,))
    parts = replace(item, keys=(text[:cut], text[cut:]))

    assert whole.leaf(bytes(32)) != parts.leaf(bytes(32))


@given(st.lists(items(), max_size=8, unique_by=lambda item: (item.batch_id, item.ordinal)))
def test_a_ledger_gives_back_what_it_was_given(several: list[Item]) -> None:
    ledger = MemoryLedger()
    ledger.create_streams(sorted({item.stream for item in several}))
    ledger.publish(ledger.prepare(several))

    assert [found.item for found in ledger.items()] == several


@given(st.lists(st.integers(0, 2**32 - 1), max_size=50))
def test_packed_keys_read_back(numbers: list[int]) -> None:
    assert list(unpack_keys(pack_keys(numbers))) == numbers
