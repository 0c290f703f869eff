"""What `shrink` takes out of a table, and what it refuses to put back."""

from __future__ import annotations

import json
import zlib
from datetime import date, datetime, time

import numpy as np
import pyarrow as pa
import pytest

from precisionchain.errors import CodecError
from precisionchain.schemas.columns import (
    MAX_FRAME_BYTES,
    METADATA_KEY,
    from_body,
    restore,
    schema_of,
    shrink,
    to_body,
)
from precisionchain.schemas.zstd_frames import fold


def kept(table: pa.Table) -> dict[str, str]:
    return {field.name: str(field.type) for field in table.schema}


def test_columns_that_say_nothing_are_dropped() -> None:
    table = pa.table(
        {
            "empty": pa.nulls(3, pa.date32()),
            "same": ["x", "x", "x"],
            "row": [10, 11, 12],
            "flag": [True, True, True],
            "value": [1.5, 2.5, 9.25],
        }
    )
    small = shrink(table)
    assert kept(small) == {"value": "uint16"}
    assert restore(small).equals(table)


def test_integers_become_as_narrow_as_their_range() -> None:
    table = pa.table(
        {
            "near": pa.array([10**12, 10**12 + 255, None], pa.int64()),
            "wide": pa.array([0, 2**40, 3], pa.int64()),
            "ids": pa.array([5 * 10**9, 5 * 10**9 + 7, 6 * 10**9], pa.int64()),
            "day": [date(2020, 1, 1), date(2015, 1, 1), date(2020, 1, 1)],
        }
    )
    small = shrink(table)
    assert kept(small) == {"near": "uint8", "wide": "int64", "ids": "uint32", "day": "uint16"}
    assert restore(small).equals(table)


def test_repeated_strings_become_a_dictionary_and_different_ones_do_not() -> None:
    table = pa.table(
        {"often": ["left", "right"] * 50, "never": [f"{n * 7919 % 1000:x}-" for n in range(100)]}
    )
    small = shrink(table)
    assert kept(small) == {
        "often": "dictionary<values=string, indices=uint8, ordered=0>",
        "never": "string",
    }
    assert restore(small).equals(table)


def test_numbered_names_become_numbers() -> None:
    table = pa.table({"id": pa.array([f"rs{n * 7919 % 1000}" for n in range(300)] + [None])})
    small = shrink(table)
    assert kept(small) == {"id": "uint16"}
    assert restore(small).equals(table)


def test_a_few_other_names_among_numbered_ones_are_listed() -> None:
    names = [f"rs{n * 7919 % 1000 + 1}" for n in range(300)]
    names[0], names[41], names[299] = "rs5;rs6", "rs05", ""
    table = pa.table({"id": names})
    small = shrink(table)
    assert kept(small) == {"id": "uint16"}
    assert restore(small).equals(table)


def test_a_timestamp_that_repeats_its_date_vanishes() -> None:
    days = [date(2020, 1, 1), date(2019, 5, 3), date(2021, 2, 28)]
    midnights = [datetime.combine(d, time()) for d in days]
    table = pa.table({"d": days, "t": pa.array(midnights, pa.timestamp("us"))})
    small = shrink(table, midnight={"t": "d"})
    assert kept(small) == {"d": "uint16"}
    assert restore(small).equals(table)


def test_a_timestamp_with_times_is_told_from_its_date() -> None:
    days = [date(2020, 1, 1), date(2019, 5, 3), date(2021, 2, 28)]
    times = [datetime.combine(d, time(hour=15 * i % 24)) for i, d in enumerate(days)]
    table = pa.table({"t": pa.array(times, pa.timestamp("us")), "d": days})
    small = shrink(table, midnight={"t": "d", "absent": "d", "d": "absent"})
    assert kept(small) == {"t": "uint8", "d": "uint16"}
    assert restore(small).equals(table)
    assert restore(from_body(to_body(small, 3))).equals(table)


def test_timestamps_in_whole_minutes_fit_in_16_bits() -> None:
    stamps = pa.array([0, 90 * 60 * 10**6, 60 * 10**6, None], pa.int64()).cast(pa.timestamp("us"))
    small = shrink(pa.table({"t": stamps}))
    assert kept(small) == {"t": "uint8"}
    assert restore(small).column(0).to_pylist() == stamps.to_pylist()


def test_a_column_close_to_another_is_stored_as_the_difference() -> None:
    pos = pa.array(np.array([5, 900, 80_000, 81_000], np.int32))
    end = pa.array(np.array([5, 902, 80_000, 81_000], np.int32))
    small = shrink(
        pa.table({"pos": pos, "record_pos": pos, "end": end}),
        relative={
            "record_pos": "pos",
            "end": "pos",
        },
    )
    assert kept(small) == {"pos": "uint32", "end": "uint8"}
    assert restore(small).to_pydict() == {
        "pos": pos.to_pylist(),
        "record_pos": pos.to_pylist(),
        "end": end.to_pylist(),
    }


def test_columns_of_other_types_and_fields_with_a_promise_pass_through() -> None:
    schema = pa.schema(
        [
            pa.field("must", pa.int64(), nullable=False),
            pa.field("noted", pa.int64(), metadata={"unit": "bp"}),
            pa.field("many", pa.list_(pa.int64())),
        ]
    )
    table = pa.table([[1, 1], [2, 2], [[1], [1]]], schema=schema)
    small = shrink(table)
    assert kept(small) == kept(table)
    assert restore(small).schema.equals(schema, check_metadata=True)


def test_a_table_of_nothing_but_constants_keeps_its_rows() -> None:
    table = pa.table({"a": [3] * 7, "b": ["x"] * 7})
    small = restore(from_body(to_body(shrink(table), 3)))
    assert small.equals(table)
    assert small.num_rows == 7


def test_a_table_never_shrunk_is_restored_as_it_is() -> None:
    table = pa.table({"a": [3, 4]})
    assert restore(from_body(to_body(table, 3))).equals(table)


def test_any_arrow_reader_reads_a_body_too_long_for_a_frame_as_it_is() -> None:
    table = pa.table({"a": np.full(MAX_FRAME_BYTES // 8, 7)})
    body = to_body(table, 1)
    assert len(body) < MAX_FRAME_BYTES // 10
    assert pa.ipc.open_stream(body).read_all().equals(table)
    assert schema_of(body).equals(table.schema)


def test_any_arrow_reader_reads_a_body_out_of_its_frame() -> None:
    table = pa.table({"a": [3, 1, 4]}).replace_schema_metadata({"said": "x" * 500})
    body = to_body(table, 3)
    assert len(body) < 300
    with pa.input_stream(pa.py_buffer(body[:-4]), compression="zstd") as frame:
        assert pa.ipc.open_stream(frame.read()).read_all().equals(table)
    assert schema_of(body).equals(table.schema, check_metadata=True)
    assert from_body(body).equals(table)


def test_a_frame_that_unfolds_without_bound_is_refused() -> None:
    frame = fold(bytes(MAX_FRAME_BYTES + 1), 3)
    assert len(frame) < 10_000
    with pytest.raises(CodecError, match="bound"):
        from_body(frame + zlib.crc32(frame).to_bytes(4, "little"))


def test_the_same_table_gives_the_same_bytes_however_it_is_chunked() -> None:
    whole = pa.table({"a": [1, 5, 9, 2], "b": ["x", "y", "x", None]})
    parts = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    assert to_body(shrink(whole), 3) == to_body(shrink(parts), 3)


SMALL = shrink(pa.table({"a": [1, 5, 9], "b": [1, 1, 1], "f": [1.25, 1.5, 99.0]}))
STEPS = json.loads(SMALL.schema.metadata[METADATA_KEY])
BAD_STEPS = {
    "not JSON": "{",
    "not an object": "[]",
    "deeply nested": "[" * 100_000,
    "other number of rows": json.dumps({**STEPS, "rows": 4}),
    "negative rows": json.dumps({**STEPS, "rows": -1}),
    "other width": json.dumps({**STEPS, "width": 9}),
    "unknown step": json.dumps({**STEPS, "steps": [{"i": 0, "t": "int64", "k": "magic"}]}),
    "unknown type": json.dumps({**STEPS, "steps": [{**STEPS["steps"][1], "t": "int65"}]}),
    "place out of range": json.dumps({**STEPS, "steps": [{**STEPS["steps"][1], "i": 3}]}),
    "huge power of ten": json.dumps(
        {**STEPS, "steps": [*STEPS["steps"][:2], {**STEPS["steps"][2], "e": 10**9}]}
    ),
}


@pytest.mark.parametrize("said", BAD_STEPS.values(), ids=BAD_STEPS.keys())
def test_steps_that_do_not_fit_are_refused(said: str) -> None:
    broken = SMALL.replace_schema_metadata({METADATA_KEY: said})
    with pytest.raises(CodecError):
        restore(broken)


def test_more_rows_than_an_item_can_hold_are_refused_before_memory_is_taken() -> None:
    said = {"rows": 10**12, "width": 1, "steps": [{"n": "a", "i": 0, "t": "int64", "k": "null"}]}
    table = pa.table({}).replace_schema_metadata({METADATA_KEY: json.dumps(said)})
    with pytest.raises(CodecError):
        restore(table)


@pytest.mark.parametrize("stream", [b"", b"abc", b"\xff" * 64, bytes(64)])
def test_a_check_sum_does_not_make_garbage_a_table(stream: bytes) -> None:
    with pytest.raises(CodecError):
        from_body(stream + zlib.crc32(stream).to_bytes(4, "little"))
