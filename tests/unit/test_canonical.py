"""Canonical JSON: one value has one text, and that text reads back as the value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precisionchain.errors import CodecError
from precisionchain.schemas.canonical import canonical_json, parse_canonical

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_reads_back_what_was_written(value: Any) -> None:
    again = parse_canonical(canonical_json(value))

    assert again == value
    assert repr(again) == repr(value) or isinstance(value, dict | list)  # 1, 1.0 and True differ


@given(st.dictionaries(TEXTS, st.integers(), max_size=6), st.randoms())
def test_the_order_of_members_does_not_matter(members: dict[str, int], random: Any) -> None:
    shuffled = list(members.items())
    random.shuffle(shuffled)

    assert canonical_json(dict(shuffled)) == canonical_json(members)


WRITTEN = {
    "integers beyond 64 bits": (12345678901234567890123, b"12345678901234567890123"),
    "shortest float": (0.1 + 0.2, b"0.30000000000000004"),
    "a float that is whole": (3.0, b"3.0"),
    "not escaped": ("é/\u2028", '"é/\u2028"'.encode()),
    "control characters": ("\n\x00", b'"\\n\\u0000"'),
    "nested": (
        {"b": {"d": 1, "c": [True, None]}, "a": ""},
        b'{"a":"","b":{"c":[true,null],"d":1}}',
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_text(name: str) -> None:
    value, text = WRITTEN[name]

    assert canonical_json(value) == text


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), {1: "a"}, {None: 1}, [{True: 1}], b"bytes", {"a"}, "\ud800"],
    ids=repr,
)
def test_refuses_to_write(value: Any) -> None:
    with pytest.raises(CodecError):
        canonical_json(value)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"NaN",
        b"Infinity",
        b'{"a":1,"a":2}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b"1.00",
        b"1E5",
        b"-0",
        b'"\\u0041"',
        b'"\\ud800"',
        b"\xff",
        b"\xef\xbb\xbf1",
        b"1 ",
        b"[" * 100_000,
    ],
    ids=repr,
)
def test_refuses_to_read(text: bytes) -> None:
    with pytest.raises(CodecError):
        parse_canonical(text)
