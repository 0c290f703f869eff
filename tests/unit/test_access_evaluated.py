"""What an answer shows is taken from its frame; its digest depends on values alone."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import textwrap
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from precisionchain.access import digest, postings
from precisionchain.access.digest import frame_digest, value_digest
from precisionchain.access.evaluated import evaluated_frame, evaluated_value
from precisionchain.errors import CodecError, UsageError
from precisionchain.schemas.variant import Variant

FRAME = pl.DataFrame(
    {
        "site": ["A", "B", "A", "B", None],
        "person_id": [42, -7, 42, 2**62, None],
        "day": [date(2020, 1, 1), None, date(1969, 12, 31), date(2110, 5, 5), None],
        "value": [1.5, None, float("nan"), -0.25, 0.0],
        "batches": [["x", "yy"], [], None, ["z"], [None]],
    }
)


def plain(some: postings.Persons) -> dict[str, list[int]]:
    return {site: ids.tolist() for site, ids in some.items()}


def test_persons_and_variants_are_read_from_their_columns() -> None:
    frame = pl.DataFrame(
        {
            "site": ["B", "A", "A"],
            "person_id": [3, 2, 2],
            "chrom": ["9", "9", "X"],
            "pos": pl.Series([7, 7, 5], dtype=pl.Int32),
            "ref": ["A", "A", "C"],
            "alt": ["G", "G", "T"],
        }
    )
    shown = evaluated_frame(frame, contributed={"C": [9, 1]})
    assert shown.value is frame
    assert shown.rows == 3
    assert plain(shown.persons_returned) == {"A": [2], "B": [3]}
    assert plain(shown.persons_contributed) == {"C": [1, 9]}
    assert postings.allele_texts(shown.variants_returned) == ["9:7:A:G", "X:5:C:T"]


def test_the_variants_a_question_named_count_as_returned() -> None:
    shown = evaluated_frame(
        pl.DataFrame({"site": [], "person_id": []}, schema={"site": str, "person_id": pl.Int64}),
        variants=[Variant("9", 22098574, "A", "G")],
    )
    assert plain(shown.persons_returned) == {}
    assert postings.allele_texts(shown.variants_returned) == ["9:22098574:A:G"]
    columns = {"chrom": ["9"], "pos": [5], "ref": ["A"], "alt": ["T"]}
    both = evaluated_frame(pl.DataFrame(columns), variants=[Variant("9", 22098574, "A", "G")])
    assert postings.allele_texts(both.variants_returned) == ["9:5:A:T", "9:22098574:A:G"]


def test_a_frame_of_one_site_names_it_and_nulls_are_nobody() -> None:
    frame = pl.DataFrame({"person_id": [5, None, 5]})
    assert plain(evaluated_frame(frame, site="A").persons_returned) == {"A": [5]}
    with pytest.raises(UsageError, match="site"):
        evaluated_frame(frame)
    with pytest.raises(UsageError, match="integer"):
        evaluated_frame(pl.DataFrame({"person_id": ["5"]}), site="A")


def test_a_count_returns_nobody_and_rests_on_all() -> None:
    shown = evaluated_value(100, contributed={"A": np.arange(100)})
    assert (shown.value, shown.rows, plain(shown.persons_returned)) == (100, 1, {})
    assert postings.count(shown.persons_contributed) == 100
    assert shown.digest != evaluated_value(101).digest
    with pytest.raises(CodecError):
        evaluated_value(object())


def test_the_digest_of_a_small_frame_by_hand() -> None:
    frame = pl.DataFrame({"n": [7, None, -1], "t": ["é", "", None]})
    ints = struct.pack("<qqq", 7, 0, -1)
    lengths = struct.pack("<qqq", 2, 0, 0)
    text = (
        b"precisionchain answer 1\0"
        + struct.pack("<QI", 3, 2)
        + struct.pack("<I", 1)
        + b"n"
        + b"\x01"
        + struct.pack("<Q", 1)
        + b"\x05"
        + struct.pack("<Q", 24)
        + ints
        + struct.pack("<I", 1)
        + b"t"
        + b"\x04"
        + struct.pack("<Q", 1)
        + b"\x03"
        + struct.pack("<Q", 24)
        + lengths
        + struct.pack("<Q", 2)
        + "é".encode()
    )
    assert frame_digest(frame) == hashlib.sha256(text).hexdigest()
    expected = hashlib.sha256(b"precisionchain value 1\0" + b'{"a":1}').hexdigest()
    assert value_digest({"a": 1}) == expected


@pytest.mark.parametrize("rows", [0, 1, 8, 9])
@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        (pl.Int64, 1),
        (pl.UInt8, 1),
        (pl.Boolean, 2),
        (pl.Float32, 3),
        (pl.Date, 5),
        (pl.Datetime, 6),
    ],
)
def test_the_digest_of_a_column_of_nulls_by_hand(dtype: Any, kind: int, rows: int) -> None:
    frame = pl.DataFrame({"n": pl.Series([None] * rows, dtype=dtype)})
    bits = bytes(-(-rows // 8))
    text = (
        *(b"precisionchain answer 1\0", struct.pack("<QI", rows, 1), struct.pack("<I", 1), b"n"),
        *(bytes([kind]), struct.pack("<Q", len(bits)), bits),
        *(struct.pack("<Q", 8 * rows), bytes(8 * rows)),
    )
    assert frame_digest(frame) == hashlib.sha256(b"".join(text)).hexdigest()


@pytest.mark.parametrize("repeats", [1, 2_000])
def test_persons_of_few_and_of_many_rows_are_found_by_site(repeats: int) -> None:
    rows = [("B", 3), ("A", 2), (None, None), ("B", -4)] * repeats
    frame = pl.DataFrame(rows, schema={"site": str, "person_id": pl.Int64}, orient="row")
    assert plain(evaluated_frame(frame).persons_returned) == {"A": [2], "B": [-4, 3]}
    alone = frame.filter(pl.col("site") == "B").with_columns(pl.col("site").cast(pl.Categorical))
    assert plain(evaluated_frame(alone).persons_returned) == {"B": [-4, 3]}


def test_variants_that_are_named_twice_are_logged_once_and_in_order() -> None:
    named = [Variant("9", 5, "A", "T"), Variant("10", 9, "A", "G"), Variant("9", 5, "A", "T")]
    shown = evaluated_frame(pl.DataFrame({"n": [1]}), variants=named)
    assert postings.allele_texts(shown.variants_returned) == ["10:9:A:G", "9:5:A:T"]


def test_the_digest_does_not_depend_on_buffers_or_widths() -> None:
    cut = pl.concat([FRAME[:2], FRAME[2:3], FRAME[3:]], rechunk=False)
    assert frame_digest(cut) == frame_digest(FRAME)
    sliced = pl.concat([FRAME, FRAME]).slice(5, 5)
    assert frame_digest(sliced) == frame_digest(FRAME)
    narrow = pl.DataFrame({"a": pl.Series([1, 2], dtype=pl.UInt8)})
    assert frame_digest(narrow) == frame_digest(narrow.cast(pl.Int64))
    words = pl.DataFrame({"a": ["x", "y", "x"]})
    assert frame_digest(words.cast(pl.Categorical)) == frame_digest(words)
    moment = pl.DataFrame({"t": [datetime(2020, 1, 1, 12, tzinfo=UTC), None]})
    for unit in ("ms", "ns"):
        other = moment.with_columns(pl.col("t").dt.cast_time_unit(unit))
        assert frame_digest(other) == frame_digest(moment)
    nan = struct.unpack("<d", b"\x01\x00\x00\x00\x00\x00\xf8\xff")[0]
    assert frame_digest(pl.DataFrame({"a": [nan]})) == frame_digest(
        pl.DataFrame({"a": [float("nan")]})
    )


@pytest.mark.parametrize("few", [True, False])
def test_the_digest_of_lists_of_text_is_what_the_format_says(few: bool) -> None:
    """Whether the texts come as strings, as categories, or with categories that nobody has."""
    lists: list[list[str | None] | None] = [["b", "a", None], None, [], ["é", "b"]]
    if not few:
        lists.append([f"{number:03}" for number in range(300, 0, -1)])
    names = sorted({text for some in lists for text in some or () if text is not None})
    flat = [text for some in lists for text in some or ()]
    width = "B" if few else "H"

    def sized(part: bytes) -> bytes:
        return struct.pack("<Q", len(part)) + part

    def bits(known: list[bool]) -> bytes:
        return sum(one << at for at, one in enumerate(known)).to_bytes(
            -(-len(known) // 8), "little"
        )

    encoded = [name.encode() for name in names]
    places = [0 if text is None else names.index(text) for text in flat]
    text = b"".join(
        (
            b"precisionchain answer 1\0" + struct.pack("<QI", len(lists), 1),
            struct.pack("<I", 1) + b"l" + b"\x07",
            sized(bits([some is not None for some in lists])),
            sized(struct.pack(f"<{len(lists)}q", *(len(some or ()) for some in lists))),
            b"\x0a" + sized(bits([one is not None for one in flat])),
            struct.pack("<I", len(names)),
            sized(struct.pack(f"<{len(names)}q", *map(len, encoded))) + sized(b"".join(encoded)),
            sized(struct.pack(f"<{len(flat)}{width}", *places)),
        )
    )
    expected = hashlib.sha256(text).hexdigest()
    frame = pl.DataFrame({"l": lists}, schema={"l": pl.List(pl.String)})
    assert frame_digest(frame) == expected
    for categories in (names, [*reversed(names), "nobody"]):
        kind = pl.List(pl.Enum(categories))
        assert frame_digest(frame.cast({"l": kind})) == expected
    twice = pl.concat([frame, frame])
    assert frame_digest(twice.slice(len(lists), len(lists))) == expected
    none = pl.DataFrame({"l": [[], None]}, schema={"l": pl.List(pl.String)})
    assert frame_digest(none) == frame_digest(none.cast({"l": pl.List(pl.Enum(["nobody"]))}))


CHANGES: dict[str, pl.DataFrame] = {
    "order of rows": FRAME.reverse(),
    "order of columns": FRAME.select(reversed(FRAME.columns)),
    "a name": FRAME.rename({"day": "date"}),
    "a row less": FRAME[:4],
    "a column less": FRAME.drop("day"),
    "a null for a zero": FRAME.with_columns(pl.col("value").replace(0.0, None)),
    "an empty list for none": FRAME.with_columns(pl.col("batches").fill_null([])),
    "another list": FRAME.with_columns(pl.lit([["xy", "y"]] * 5).first().alias("batches")),
    "another value": FRAME.with_columns(pl.col("person_id") + 1),
    "another type": FRAME.with_columns(pl.col("day").cast(pl.Datetime)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_any_change_changes_the_digest(name: str) -> None:
    assert frame_digest(CHANGES[name]) != frame_digest(FRAME)


@pytest.mark.parametrize(
    ("one", "two"), [(["ab", "c"], ["a", "bc"]), (["", None], [None, ""]), (["a"], ["a", None])]
)
def test_neighbouring_texts_do_not_run_together(one: list[Any], two: list[Any]) -> None:
    assert frame_digest(pl.DataFrame({"t": one})) != frame_digest(pl.DataFrame({"t": two}))


def test_every_type_an_sql_answer_may_have_is_digested() -> None:
    frame = pl.DataFrame(
        {
            "bool": [True, None, False],
            "datetime": [
                datetime(2020, 1, 1, 12, tzinfo=UTC),
                None,
                datetime(1900, 1, 1, tzinfo=UTC),
            ],
            "time": [time(1, 2), None, None],
            "decimal": [Decimal("1.20"), None, None],
            "blob": [b"a", None, b"\xff"],
            "struct": [{"x": 1}, None, {"x": 2}],
            "nested": [[[1], [2, 3]], None, [[]]],
            "null": [None, None, None],
        }
    ).with_columns(
        pl.Series("huge", [2**64 - 1, 1, None], dtype=pl.UInt64),
        pl.Series("array", [[1, 2], [3, 4], None], dtype=pl.Array(pl.Int8, 2)),
    )
    seen = {frame_digest(frame)}
    for column in frame.columns:
        changed = frame_digest(frame.with_columns(pl.col(column).shift(1)))
        assert column == "null" or changed not in seen
        seen.add(changed)
    assert frame_digest(frame) == frame_digest(frame.clone())
    assert len(frame_digest(frame.clear())) == 64


def test_the_digest_skips_text_that_lies_under_a_null() -> None:
    shown = pa.array(["ab", None, "c"], pa.large_string())
    bits = pa.py_buffer(b"\x05")
    offsets = pa.py_buffer(np.array([0, 2, 5, 6], np.int64).tobytes())
    hidden = pa.Array.from_buffers(
        pa.large_string(), 3, [bits, offsets, pa.py_buffer(b"abXXXc")], null_count=1
    )
    assert hidden.equals(shown)
    assert b"".join(digest._column(hidden)) == b"".join(digest._column(shown))
    assert b"".join(digest._column(hidden[1:])) == b"".join(digest._column(shown[1:]))


def test_a_question_does_not_load_pandas() -> None:
    """Half a second of a command's first second: pyarrow imports it for its own conversions."""
    program = """
        import sys
        import polars as pl
        from precisionchain.access.evaluated import evaluated_frame
        from precisionchain.access.gate import Gate
        from precisionchain.ledger.signing import Signer
        from tests.lib.audited_network import KnownUser
        from tests.lib.memory_ledger import MemoryLedger

        ledger = MemoryLedger()
        ledger.create_stream("ACCESS_1")
        signer = Signer(bytes(32))
        known = KnownUser("ada@A", signer.public)
        gate = Gate(ledger, bytes(32), "ada@A", signer, membership=known)
        frame = pl.DataFrame(
            {
                **{"site": ["A", "B"], "person_id": [1, None], "f": [0.5, None], "b": [["x"], []]},
                **{"chrom": ["9", "9"], "pos": [5, 6], "ref": ["A", "C"], "alt": ["G", "T"]},
            }
        )
        gate.ask("maf", "genetic", {}, lambda: evaluated_frame(frame, contributed={"A": [7]}))
        sys.exit("pandas" in sys.modules)
    """
    root = Path(__file__).resolve().parents[2]
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=True,
    )
