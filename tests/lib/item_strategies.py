"""Any legal item, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from precisionchain.schemas.items import Codec, Item, ItemClass, Payload

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda key: key != "*"
)
HASHES = st.binary(min_size=32, max_size=32)
PAYLOADS = st.builds(
    Payload,
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=32),
    st.sampled_from(Codec),
    st.binary(max_size=300),
    st.binary(max_size=255),
    st.binary(max_size=255),
)
STREAMS = st.sampled_from(["CONDITION_436670_1", "CONDITION_436670_2k3", "ACCESS_1"])


@st.composite
def items(draw: st.DrawFn) -> Item:
    """An item whose signature has the length its class asks for."""
    item_class = draw(st.sampled_from(ItemClass))
    signed = item_class is ItemClass.SINGLE
    return Item(
        draw(STREAMS),
        tuple(sorted(draw(st.sets(KEYS, max_size=5)))),
        item_class,
        draw(HASHES),
        draw(HASHES),
        draw(st.integers(0, 2**32 - 1)),
        draw(PAYLOADS),
        draw(st.binary(min_size=64, max_size=64)) if signed else b"",
    )
