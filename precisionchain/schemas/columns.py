"""Tables as small bodies: an Arrow IPC stream without what can be told in a few words.

`shrink` takes out of a table what its metadata can say (columns that are empty, constant or a
running number, wide integers in a narrow range, repeated strings, timestamps that only repeat
their date), and `restore` gives the very same table back. `to_body` writes a table as an Arrow
IPC stream, compressed by zstd, and a check sum; `from_body` reads it.

>>> table = pa.table({"person_id": [7, 7, 7], "year": pa.array([2015, 2015, 2016], pa.int64())})
>>> small = shrink(table)
>>> small.column_names, str(small.schema.field("year").type)
(['year'], 'uint8')
>>> restore(from_body(to_body(small, level=3))).equals(table)
True
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import pyarrow as pa

from precisionchain.errors import CodecError
from precisionchain.schemas.arrow_values import Column, one_chunk
from precisionchain.schemas.column_steps import (
    DROPPED,
    TICKS_A_DAY,
    TYPES,
    Ints,
    Step,
    column_integers,
    restore_column,
    shrink_column,
)
from precisionchain.schemas.zstd_frames import MAGIC, fold, unfold

METADATA_KEY: Final = b"columns"
"""The key of a schema's metadata under which `shrink` leaves its steps, as JSON."""

MAX_ROWS: Final = 2**24
"""No item holds more rows; a step that claims more is refused before memory is taken for it."""

MAX_FRAME_BYTES: Final = 2**26
"""The longest stream that is folded into a frame, and unfolded from one."""
_CHECK_BYTES = 4


def shrink(
    table: pa.Table,
    *,
    midnight: Mapping[str, str] | None = None,
    relative: Mapping[str, str] | None = None,
) -> pa.Table:
    """Return a smaller table from which `restore` makes an equal one, metadata included.

    Args:
        table: any table; columns of a type not in `column_steps.TYPES`, with field metadata or
            declared not nullable pass through as they are. At most `MAX_ROWS` rows.
        midnight: timestamp column -> date column: the timestamp is stored as the time since its
            date's midnight, so that it vanishes where it only repeats the date.
        relative: integer column -> integer column it is stored as the difference from.

    Column pairs that do not exist, are of other types, or whose base holds nulls are ignored,
    so one mapping serves all tables of a kind. A column that is told by another cannot itself
    be a base.
    """
    names = set(table.column_names)
    asked = {**(relative or {}), **(midnight or {})}
    pairs = {name: base for name, base in asked.items() if {name, base} <= names}
    table = table.combine_chunks()
    steps: list[Step] = []
    fields: list[pa.Field[Any]] = []
    kept: list[Column] = []
    for index, field in enumerate(table.schema):
        array = one_chunk(table.column(index))
        base_name = pairs.get(field.name)
        base, factor = None, 1
        if base_name is not None and base_name not in pairs:
            base, factor = _base(table, field, base_name)
        step: Step = {}
        stored: Column | None = array
        if str(field.type) in TYPES and field.nullable and not field.metadata:
            step, stored = shrink_column(array, base, factor)
        if "of" in step:
            step["of"] = base_name
        if step:
            name = {"n": field.name} if stored is None else {}
            steps.append({"i": index, "t": str(field.type), **name, **step})
        if stored is not None:
            fields.append(field.with_type(stored.type))
            kept.append(stored)
    said = {"rows": table.num_rows, "width": table.num_columns, "steps": steps}
    text = json.dumps(said, separators=(",", ":"), ensure_ascii=False)
    metadata = {**(table.schema.metadata or {}), METADATA_KEY: text.encode()}
    schema = pa.schema(fields).with_metadata(cast("Any", metadata))
    return pa.Table.from_arrays(kept, schema=schema)


def restore(table: pa.Table, wanted: Callable[[str], bool] | None = None) -> pa.Table:
    """Return the table that `shrink` was given; a table it never saw is returned as it is.

    Args:
        table: as `shrink` left it.
        wanted: which columns, by name, are restored and returned; all by default. A column told by
            another needs that one, too.

    Raises:
        CodecError: the steps in the metadata are not ours or do not fit the columns.
    """
    metadata = dict(table.schema.metadata or {})
    said = metadata.pop(METADATA_KEY, None)
    if said is None:
        return table if wanted is None else table.select([*filter(wanted, table.column_names)])
    try:
        return _restore(table, json.loads(said), metadata, wanted)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
        pa.ArrowException,
    ) as error:
        raise CodecError("the columns of a payload cannot be restored") from error


def to_body(table: pa.Table, level: int) -> bytes:
    """Return a table as an Arrow IPC stream and four bytes of check sum.

    The stream is compressed as a whole, one zstd frame: the schema, too, and what one column has
    from another. A stream too long to be unfolded at once has its buffers compressed instead. Arrow
    keeps no check sum, so a CRC-32 (little-endian) of what is stored follows, where readers no
    longer look.
    """
    table = table.combine_chunks()
    plain = _stream(table, None)
    if plain.size <= MAX_FRAME_BYTES:
        stored = fold(plain, level)
    else:
        stored = _stream(table, pa.Codec("zstd", compression_level=level)).to_pybytes()
    return stored + zlib.crc32(stored).to_bytes(_CHECK_BYTES, "little")


def _stream(table: pa.Table, compression: pa.Codec | None) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression, use_threads=False)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue()


def from_body(body: bytes) -> pa.Table:
    """Return the table that `to_body` wrote.

    Raises:
        CodecError: the bytes are cut short, changed, or were never written by `to_body`.
    """
    view = memoryview(body)
    stream, check = view[:-_CHECK_BYTES], view[-_CHECK_BYTES:]
    if len(body) <= _CHECK_BYTES or zlib.crc32(stream) != int.from_bytes(check, "little"):
        raise CodecError("the check sum of a payload does not match its bytes")
    try:
        with pa.ipc.open_stream(pa.py_buffer(_plain(stream))) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, MemoryError, OSError, ValueError) as error:
        raise CodecError("a payload is not an Arrow stream of ours") from error
    return table


def schema_of(body: bytes) -> pa.Schema:
    """Return the schema of the table that `to_body` wrote; its rows and check sum are not read.

    Raises:
        CodecError: the bytes were never written by `to_body`.
    """
    stored = pa.py_buffer(memoryview(body)[:-_CHECK_BYTES])
    framed = body[: len(MAGIC)] == MAGIC  # of a buffer, "detect" detects nothing
    try:
        with (
            pa.input_stream(stored, compression="zstd" if framed else "detect") as stream,
            pa.ipc.open_stream(stream) as reader,
        ):
            return reader.schema
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CodecError("a payload is not an Arrow stream of ours") from error


def _plain(stream: memoryview) -> bytes | memoryview:
    """Return the Arrow stream that was stored, as it is or in a frame."""
    if stream[: len(MAGIC)].tobytes() == MAGIC:
        return unfold(stream, MAX_FRAME_BYTES)
    return stream


def _restore(
    table: pa.Table,
    said: Any,
    metadata: dict[bytes, bytes],
    wanted: Callable[[str], bool] | None,
) -> pa.Table:
    rows, width = int(said["rows"]), int(said["width"])
    steps: dict[int, Step] = {int(step["i"]): step for step in said["steps"]}
    dropped = sum(step["k"] in DROPPED for step in steps.values())
    if not 0 <= rows <= MAX_ROWS or (table.num_columns and rows != table.num_rows):
        raise ValueError("number of rows")
    if width != table.num_columns + dropped or not steps.keys() <= set(range(width)):
        raise ValueError("number of columns")
    stored = iter(zip(table.schema, table.columns, strict=True))
    fields: list[pa.Field[Any]] = []
    columns: list[Column | None] = []
    told: list[tuple[int, Step]] = []
    for index in range(width):
        step = steps.get(index)
        array = None
        if step is None or step["k"] not in DROPPED:
            field, chunked = next(stored)
            array = one_chunk(chunked)
        else:
            field = pa.field(step["n"], TYPES[step["t"]])
        if wanted is not None and not wanted(field.name):
            continue
        if step is not None:
            field = field.with_type(TYPES[step["t"]])
            if "of" in step:
                told.append((len(fields), step))
            else:
                array = restore_column(step, array, rows, None)
        fields.append(field)
        columns.append(array)
    schema = pa.schema(fields).with_metadata(cast("Any", metadata or None))
    for at, step in told:
        base = _present(columns[schema.names.index(step["of"])])
        columns[at] = restore_column(step, columns[at], rows, column_integers(base))
    return pa.Table.from_arrays([_present(column) for column in columns], schema=schema)


def _base(table: pa.Table, field: pa.Field[Any], name: str) -> tuple[Ints | None, int]:
    """Return the integers a column is told relative to, and what they are multiplied by."""
    other = table.schema.field(name).type
    factor = TICKS_A_DAY.get(str(field.type), 0) if other == pa.date32() else 1
    fits = pa.types.is_integer(other) and pa.types.is_integer(field.type)
    if not table.num_rows or not (fits or factor > 1):
        return None, 1
    return column_integers(one_chunk(table.column(name))), factor


def _present(column: Column | None) -> Column:
    if column is None:
        raise ValueError("a column is told by one that is itself told by another")
    return column
