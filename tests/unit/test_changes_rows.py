"""What two exports differ in, against multisets of Python tuples."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterable, Sequence

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precisionchain.ingest import changes_rows
from precisionchain.ingest.changes_rows import (
    Compared,
    RowCounts,
    compare_by_content,
    compare_by_key,
    has_unique_key,
    match_renumbered,
)

COLUMNS = {"k": "BIGINT", "text": "VARCHAR", "value": "DOUBLE", "link": "BIGINT"}
Row = tuple[int, str | None, float | None, int | None]

FLOATS = st.sampled_from([None, 0.0, -0.0, math.nan, 1.5, math.inf])
CONTENTS = st.tuples(st.sampled_from([None, "", "a", "b"]), FLOATS, st.sampled_from([None, 1, 2]))


def keyed(
    contents: Sequence[tuple[str | None, float | None, int | None]], keys: range
) -> list[Row]:
    return [(key, *content) for key, content in zip(keys, contents, strict=False)]


def bits(row: Sequence[object]) -> tuple[object, ...]:
    """A row by the bits of its values: -0.0 is another than 0.0, NaN the same as NaN."""
    return tuple(struct.pack("<d", cell) if isinstance(cell, float) else cell for cell in row)


class Sides:
    """A state and an export in a database; places are (0, 0, row)."""

    def __init__(self, old: Sequence[Row], new: Sequence[Row]) -> None:
        self.old, self.new = old, new
        self.database = duckdb.connect()
        self.database.register("state", _table(old, "row"))
        self.database.register("export", _table(new, "_record"))

    def compared(self, key: tuple[str, ...] = (), *, keeps: bool = False) -> Compared:
        names = ", ".join(COLUMNS)
        return Compared(
            "t",
            f'(select {names}, 0 as b, 0 as ordinal, "row" from state)',
            "export",
            COLUMNS,
            key,
            keeps,
        )

    def fresh(self) -> list[Row]:
        rows = self.database.execute("select _record from fresh_t").fetchall()
        return [self.new[row[0]] for row in rows]

    def gone(self) -> list[Row]:
        rows = self.database.execute('select b, ordinal, "row" from gone_t').fetchall()
        assert len(set(rows)) == len(rows), "a place is listed once"
        return [self.old[row[2]] for row in rows]

    def after(self) -> Counter[tuple[object, ...]]:
        return multiset(self.old) - multiset(self.gone()) + multiset(self.fresh())


def _table(rows: Sequence[Row], number: str) -> pa.Table:
    types = (pa.int64(), pa.string(), pa.float64(), pa.int64())
    columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    arrays = [pa.array(list(cells), kind) for cells, kind in zip(columns, types, strict=True)]
    arrays.append(pa.array(range(len(rows)), pa.int32()))
    return pa.table(arrays, names=[*COLUMNS, number])


def multiset(rows: Iterable[Sequence[object]]) -> Counter[tuple[object, ...]]:
    return Counter(map(bits, rows))


@settings(max_examples=60, deadline=None)
@given(st.lists(CONTENTS, max_size=8), st.lists(CONTENTS, max_size=8), st.integers(-2, 2))
def test_by_key_the_new_rows_and_the_old_without_the_gone_ones_are_the_export(
    old: list[tuple[str | None, float | None, int | None]],
    new: list[tuple[str | None, float | None, int | None]],
    shift: int,
) -> None:
    sides = Sides(keyed(old, range(9)), keyed(new, range(shift, shift + 9)))
    found = compare_by_key(sides.database, sides.compared(("k",)))
    before, after = multiset(sides.old), multiset(sides.new)
    assert sides.after() == after
    assert multiset(sides.fresh()) == after - before, "nothing is published that was there"
    assert multiset(sides.gone()) == before - after
    keys = {row[0] for row in sides.old}, {row[0] for row in sides.new}
    unchanged = (before & after).total()
    shared = len(keys[0] & keys[1])
    assert found == RowCounts(
        len(old), len(keys[1] - keys[0]), shared - unchanged, len(keys[0] - keys[1]), unchanged
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(CONTENTS, max_size=12), st.lists(CONTENTS, max_size=12))
def test_by_content_rows_count_as_often_as_they_stand_there(
    old: list[tuple[str | None, float | None, int | None]],
    new: list[tuple[str | None, float | None, int | None]],
) -> None:
    sides = Sides([(0, *one) for one in old], [(0, *one) for one in new])
    found = compare_by_content(sides.database, sides.compared())
    before, after = multiset(sides.old), multiset(sides.new)
    assert sides.after() == after
    assert multiset(sides.fresh()) == after - before
    assert multiset(sides.gone()) == before - after
    same = (before & after).total()
    assert found == RowCounts(len(old), len(new) - same, 0, len(old) - same, same)


@settings(max_examples=40, deadline=None)
@given(st.lists(CONTENTS, max_size=8), st.lists(CONTENTS, max_size=8), st.booleans())
def test_of_a_delta_nothing_vanishes(
    old: list[tuple[str | None, float | None, int | None]],
    new: list[tuple[str | None, float | None, int | None]],
    by_key: bool,
) -> None:
    sides = Sides(keyed(old, range(9)), keyed(new, range(4, 13)))
    if by_key:
        found = compare_by_key(sides.database, sides.compared(("k",), keeps=True))
        stay = [row for row in sides.old if row[0] not in {one[0] for one in sides.new}]
        assert sides.after() == multiset([*stay, *sides.new])
    else:
        found = compare_by_content(sides.database, sides.compared(keeps=True))
        assert sides.after() == multiset(sides.old) | multiset(sides.new)
    assert found.gone == 0


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_rows_under_other_keys_keep_those_they_had(data: st.DataObject) -> None:
    contents = [(f"row {number}", None, None) for number in range(data.draw(st.integers(3, 12)))]
    lost = data.draw(st.integers(0, (len(contents) - 1) // 2))
    kept = data.draw(st.permutations(contents))[lost:]
    added = [(f"new {number}", 0.0, 1) for number in range(data.draw(st.integers(0, 4)))]
    start = data.draw(st.integers(-5, 20))
    sides = Sides(
        keyed(contents, range(50)),
        keyed(data.draw(st.permutations([*kept, *added])), range(start, start + 50)),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(changes_rows, "PART_ROWS", data.draw(st.sampled_from([1, 3, 500])))
        found = match_renumbered(sides.database, sides.compared(("k",)), ["link"])
    assert found == RowCounts(len(contents), len(added), 0, lost, len(kept))
    keys = dict(sides.database.execute("select export_key, ledger_key from keys_t").fetchall())
    assert sorted(keys) == sorted(row[0] for row in sides.new)
    before = {row[1]: row[0] for row in sides.old}
    ledger = {row[1]: keys[row[0]] for row in sides.new}
    assert {text: key for text, key in ledger.items() if text in before} == {
        str(one[0]): before[str(one[0])] for one in kept
    }
    assert len(set(ledger.values())) == len(ledger), "no key is given twice"
    assert not {key for text, key in ledger.items() if text not in before} & {
        key for text, key in before.items() if text in ledger
    }


def test_contents_that_tell_nothing_are_no_renumbering() -> None:
    sides = Sides(
        keyed([("a", None, None)] * 6, range(6)), keyed([("a", None, None)] * 6, range(9, 15))
    )
    assert match_renumbered(sides.database, sides.compared(("k",)), []) is None


@pytest.mark.parametrize(("keys", "unique"), [((1, 2, 3), True), ((1, 2, 2), False)])
def test_keys_of_a_state_that_were_used_again_are_seen(
    keys: tuple[int, int, int], unique: bool
) -> None:
    rows: list[Row] = [(key, "a", 0.0, None) for key in keys]
    sides = Sides(rows, [])
    assert has_unique_key(sides.database, sides.compared(("k",))) is unique
