"""Any table shrinks and comes back equal; any damage to a body is found."""

from __future__ import annotations

import math
from datetime import UTC
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from precisionchain.errors import CodecError
from precisionchain.schemas.columns import from_body, restore, shrink, to_body

INT_LIMITS = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
    "date32[day]": (-(2**31), 2**31 - 1),
    "timestamp[s]": (-(2**63), 2**63 - 1),
    "timestamp[ms]": (-(2**63), 2**63 - 1),
    "timestamp[us]": (-(2**63), 2**63 - 1),
    "timestamp[ns]": (-(2**63), 2**63 - 1),
}
ARROW = {
    **{name: getattr(pa, name)() for name in INT_LIMITS if "int" in name},
    "date32[day]": pa.date32(),
    **{f"timestamp[{unit}]": pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")},
}


@st.composite
def integer_columns(draw: st.DrawFn, rows: int) -> Any:
    """Integers, dates and timestamps: anywhere, in a narrow range, ascending, by a step."""
    name = draw(st.sampled_from(sorted(INT_LIMITS)))
    low, high = INT_LIMITS[name]
    shape = draw(st.sampled_from(["any", "narrow", "ascending", "running", "scaled"]))
    if shape == "any":
        values = draw(st.lists(st.integers(low, high), min_size=rows, max_size=rows))
    else:
        base = draw(st.integers(low, high))
        step = draw(st.sampled_from([1, 60, 3_600_000_000]))
        factors = draw(st.lists(st.integers(0, 300), min_size=rows, max_size=rows))
        if shape == "ascending":
            factors.sort()
        if shape == "running":
            factors = list(range(rows))
        width = step if shape == "scaled" else 1
        values = [min(high, max(low, base + width * f)) for f in factors]
    nulls = draw(st.sampled_from(["none", "some"]))
    holes = draw(st.lists(st.booleans(), min_size=rows, max_size=rows))
    kept = [None if nulls == "some" and hole else v for v, hole in zip(values, holes, strict=True)]
    physical = pa.int32() if name == "date32[day]" else pa.int64()
    if name.startswith(("int", "uint")):
        return pa.array(kept, ARROW[name])
    return pa.array(kept, physical).cast(ARROW[name])


def decimals() -> st.SearchStrategy[float]:
    return st.builds(lambda n, e: n / 10**e, st.integers(-(10**6), 10**6), st.integers(0, 5))


@st.composite
def other_columns(draw: st.DrawFn, rows: int) -> Any:
    """Floats, strings, flags, bytes, and types that pass through."""
    kinds: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
        "float64": (pa.float64(), st.floats() | decimals()),
        "tidy": (pa.float64(), decimals()),
        "float32": (pa.float32(), st.floats(width=32)),
        "bool": (pa.bool_(), st.booleans()),
        "binary": (pa.binary(), st.binary(max_size=4)),
        "string": (pa.string(), st.text(max_size=4)),
        "few": (pa.large_string(), st.sampled_from(["A", "C", "", "zzzz"])),
        "rs": (pa.string(), st.integers(0, 10**9).map(lambda n: f"rs{n}")),
        "mostly rs": (
            pa.string(),
            st.one_of(
                *[st.integers(0, 10**6).map(lambda n: f"rs{n}")] * 30,
                st.sampled_from(["rs1;rs2", ".", "rs007", "", "12", "rs"]),
            ),
        ),
        "padded": (pa.string(), st.integers(0, 99).map(lambda n: f"rs{n:03}")),
        "list": (pa.list_(pa.int8()), st.lists(st.integers(0, 9), max_size=2)),
        "zoned": (
            pa.timestamp("us", tz="UTC"),
            st.datetimes(timezones=st.just(UTC)),
        ),
    }
    arrow, values = kinds[draw(st.sampled_from(sorted(kinds)))]
    if draw(st.booleans()):
        values = values | st.none()
    if draw(st.booleans()):
        return pa.array([draw(values)] * rows, arrow)
    return pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), arrow)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """A table of up to 40 rows in one or two chunks, with or without metadata."""
    rows = draw(st.integers(0, 40))
    columns = draw(st.lists(integer_columns(rows) | other_columns(rows), min_size=1, max_size=5))
    table = pa.table({f"c{i}": column for i, column in enumerate(columns)})
    if draw(st.booleans()):
        table = table.replace_schema_metadata({"chrom": "9"})
    cut = draw(st.integers(0, rows))
    return pa.concat_tables([table.slice(0, cut), table.slice(cut)])


def bits(table: pa.Table) -> list[Any]:
    """Values of a table where floats are told apart by their bits (NaN, minus zero)."""

    def one(value: Any) -> Any:
        if isinstance(value, float):
            return (math.copysign(1, value), "nan" if math.isnan(value) else value)
        return value

    # Timestamps outside Python's years are compared as integers.
    plain = [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in table.columns]
    plain = [c.cast(pa.int32()) if c.type == pa.date32() else c for c in plain]
    return [[one(value) for value in column.to_pylist()] for column in plain]


@settings(max_examples=400, deadline=None)
@given(table=tables())
@example(table=pa.table({"a": pa.array([-(2**63), 2**63 - 1])}))
@example(table=pa.table({"a": pa.array([0.1, None, 2.25]), "b": pa.array([-0.0, 0.0, 0.0])}))
@example(table=pa.table({"a": pa.array([2**64 - 1, 2**64 - 1], pa.uint64())}))
def test_a_shrunk_table_comes_back_equal(table: pa.Table) -> None:
    small = shrink(table)
    back = restore(from_body(to_body(small, 3)))
    assert back.schema.equals(table.schema, check_metadata=True)
    assert bits(back) == bits(table)


@settings(max_examples=200, deadline=None)
@given(table=tables(), pairs=st.dictionaries(st.integers(0, 4), st.integers(0, 4), max_size=3))
def test_columns_told_by_another_come_back_equal(table: pa.Table, pairs: dict[int, int]) -> None:
    named = {f"c{a}": f"c{b}" for a, b in pairs.items() if a != b}
    for small in (shrink(table, relative=named), shrink(table, midnight=named)):
        back = restore(from_body(to_body(small, 1)))
        assert back.schema == table.schema
        assert bits(back) == bits(table)


@settings(max_examples=100, deadline=None)
@given(table=tables(), place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_a_changed_byte_is_found(table: pa.Table, place: float, mask: int) -> None:
    body = bytearray(to_body(shrink(table), 3))
    body[int(place * len(body))] ^= mask
    with pytest.raises(CodecError):
        from_body(bytes(body))


@settings(max_examples=60, deadline=None)
@given(table=tables(), keep=st.floats(0, 1, exclude_max=True))
def test_a_body_cut_short_is_found(table: pa.Table, keep: float) -> None:
    body = to_body(shrink(table), 3)
    with pytest.raises(CodecError):
        from_body(body[: int(keep * len(body))])
