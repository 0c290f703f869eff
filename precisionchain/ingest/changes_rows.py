"""What two exports of one table differ in, row by row: by key, by content, or by renumbered key.

Rows are compared by digests of their published columns, so that a comparison of millions of rows is
a join of two small relations. Equal means the same value in every column, a column that one side
does not have being null; floats are told apart bit by bit but for the many spellings of NaN.

Each comparison leaves two tables in the database: ``fresh_<name>`` (_record), the rows to publish,
and ``gone_<name>`` (the key, or the digests where there is none; b, ordinal, row), the places that
no longer hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from precisionchain.ingest.sql_text import identifier

PLACE = 'b, ordinal, "row"'
"""Where a row of the state is: its batch's number, and ordinal and row in it."""

PART_ROWS = 500_000
"""Rows of either side that are ranked and joined at once."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A table of the state and the same table of an export.

    Args:
        name: of the table; a word.
        old: relation of the state: the columns, `PLACE`.
        new: relation of the export: the columns, ``_record``, distinct.
        columns: the columns that are compared, with their SQL types; the key among them.
        key: columns that no two rows of one side share, none of them null; empty for none.
        keeps: whether rows of the state that the export does not have stay.
    """

    name: str
    old: str
    new: str
    columns: dict[str, str]
    key: tuple[str, ...] = ()
    keeps: bool = False

    def digests(self, *, without: Sequence[str] = ()) -> tuple[str, str]:
        """Return SQL for two independent 64-bit digests of a row's columns."""
        parts = []
        for name, kind in self.columns.items():
            if name not in without:
                parts.append(identifier(name))
                if kind == "DOUBLE":  # -0.0 equals 0.0, and is another value
                    parts.append(f"signbit({identifier(name)})")
        if not parts:
            return "0::ubigint", "0::ubigint"
        return f"hash({', '.join(parts)})", f"hash('2', {', '.join(reversed(parts))})"


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows by what became of them; ``changed`` ones have a key. ``old``: rows compared with."""

    old: int
    new: int
    changed: int
    gone: int
    unchanged: int


def count(database: duckdb.DuckDBPyConnection, rows: str) -> int:
    """Return the number of rows of a relation."""
    return int(database.execute(f"select count(*) from {rows}").fetchall()[0][0])


def has_unique_key(database: duckdb.DuckDBPyConnection, compared: Compared) -> bool:
    """Whether the state's rows can be told by their key: not where it was used again meanwhile."""
    if not compared.key:
        return False
    key = ", ".join(map(identifier, compared.key))
    distinct = f"(select distinct {key} from {compared.old})"
    return count(database, distinct) == count(database, compared.old)


def compare_by_key(database: duckdb.DuckDBPyConnection, compared: Compared) -> RowCounts:
    """Compare rows that have a key: a row is new, changed, gone, or as it was."""
    name, key = compared.name, [identifier(column) for column in compared.key]
    digest, _ = compared.digests(without=compared.key)
    keys = ", ".join(key)
    same = " and ".join(f"o.{column} = n.{column}" for column in key)
    kept = ", ".join(f"o.{column}" for column in key)
    database.execute(
        f"create or replace temp table differing_{name} as"
        f' select {kept}, o.b, o.ordinal, o."row", n._record'
        f" from (select {keys}, {digest} as h, {PLACE} from {compared.old}) o"
        f" full join (select {keys}, {digest} as h, _record from {compared.new}) n on {same}"
        " where o.h is distinct from n.h"
    )
    new, changed, gone = database.execute(
        "select count(*) filter (b is null), count(*) filter (b is not null and _record is not"
        f" null), count(*) filter (_record is null) from differing_{name}"
    ).fetchall()[0]
    stays = "and _record is not null" if compared.keeps else ""
    _keep(
        database,
        name,
        f"select _record from differing_{name} where _record is not null",
        f"select {keys}, {PLACE} from differing_{name} where b is not null {stays}",
    )
    database.execute(f"drop table differing_{name}")
    unchanged = count(database, compared.new) - new - changed
    old = count(database, compared.old)
    return RowCounts(old, new, changed, 0 if compared.keeps else gone, unchanged)


def compare_by_content(database: duckdb.DuckDBPyConnection, compared: Compared) -> RowCounts:
    """Compare rows as multisets: of equal rows, only how many there are counts."""
    name = compared.name
    one, two = compared.digests()
    sides = {
        "o": f"(select {one} as h1, {two} as h2, {PLACE} from {compared.old})",
        "n": f"(select {one} as h1, {two} as h2, _record from {compared.new})",
    }
    database.execute(
        f"create or replace temp table uneven_{name} as select h1, h2, sum(o) as o, sum(n) as n"
        f" from (select h1, h2, 1 as o, 0 as n from {sides['o']}"
        f" union all select h1, h2, 0, 1 from {sides['n']}) group by all having sum(o) <> sum(n)"
    )

    def surplus(side: str, other: str, columns: str, order: str) -> str:
        return (
            f"select {columns} from {sides[side]} s join uneven_{name} using (h1, h2)"
            f" where {side} > {other} qualify"
            f" row_number() over (partition by h1, h2 order by {order}) > {other}"
        )

    gone = surplus("o", "n", f"h1, h2, {PLACE}", PLACE)
    _keep(
        database,
        name,
        surplus("n", "o", "_record", "_record"),
        f"{gone} limit 0" if compared.keeps else gone,
    )
    database.execute(f"drop table uneven_{name}")
    new, vanished = count(database, f"fresh_{name}"), count(database, f"gone_{name}")
    old, there = count(database, compared.old), count(database, compared.new)
    return RowCounts(old, new, 0, vanished, there - new)


def match_renumbered(
    database: duckdb.DuckDBPyConnection, compared: Compared, own_links: Sequence[str]
) -> RowCounts | None:
    """Match rows by content where their keys were given anew; None where they were not.

    Keys were given anew where more than half of the state's rows are found again under other keys,
    and most contents stand once, so that a content tells which row it is. Equal rows are matched
    in the order of their keys.

    Leaves also ``keys_<name>`` (export_key, ledger_key): for each row of the export, the key that
    its row has on the ledger. A row that is new keeps the export's, or takes a free one behind all
    others where a row of the state has that.

    Args:
        database: where the relations are.
        compared: with a key of one column.
        own_links: columns that are keys of other rows of this table.
    """
    name, (key,) = compared.name, map(identifier, compared.key)
    _match_contents(database, compared, own_links)
    old, both, distinct, new = database.execute(
        "select count(b), count(*) filter (b is not null and _record is not null),"
        f" count(*) filter (b is not null and first), count(*) filter (b is null)"
        f" from matched_{name}"
    ).fetchall()[0]
    if 2 * both <= old or 2 * distinct <= old:
        database.execute(f"drop table matched_{name}")
        return None
    _keep(
        database,
        name,
        f"select _record from matched_{name} where b is null",
        f"select ledger_key as {key}, {PLACE} from matched_{name} where _record is null",
    )
    _name_new_rows(database, name)
    gone = count(database, f"gone_{name}")
    return RowCounts(old, new, 0, gone, both)


def _match_contents(
    database: duckdb.DuckDBPyConnection, compared: Compared, own_links: Sequence[str]
) -> None:
    """Make ``matched_<name>`` (export_key, ledger_key, _record, b, ordinal, row, first).

    Part by part of the contents: the rows of both sides, ranked and joined at once, would not stay
    within the memory that DuckDB is given.
    """
    name, (key,) = compared.name, map(identifier, compared.key)
    one, two = compared.digests(without=[*compared.key, *own_links])
    for side, rows, place in (("o", compared.old, PLACE), ("n", compared.new, "_record")):
        database.execute(
            f"create or replace temp table contents_{side} as"
            f" select {key}, {one} as h1, {two} as h2, {place} from {rows}"
        )
    parts = max(count(database, f"contents_{side}") for side in "on") // PART_ROWS + 1
    for part in range(parts):

        def ranked(side: str, part: int = part) -> str:
            return (
                f"(select *, row_number() over (partition by h1, h2 order by {key}) as r"
                f" from contents_{side} where h1 % {parts} = {part})"
            )

        select = (
            f"select n.{key} as export_key, o.{key} as ledger_key, n._record, o.b, o.ordinal,"
            f' o."row", coalesce(n.r, o.r) = 1 as first'
            f" from {ranked('n')} n full join {ranked('o')} o using (h1, h2, r)"
        )
        into = (
            f"create or replace temp table matched_{name} as"
            if not part
            else (f"insert into matched_{name}")
        )
        database.execute(f"{into} {select}")
    database.execute("drop table contents_o")
    database.execute("drop table contents_n")


def _name_new_rows(database: duckdb.DuckDBPyConnection, name: str) -> None:
    """Make ``keys_<name>`` of ``matched_<name>``."""
    database.execute(
        f"create or replace temp table keys_{name} as"
        " with taken as (select ledger_key from matched where ledger_key is not null),"
        " behind as (select max(greatest(export_key, ledger_key)) as last from matched)"
        " select export_key, ledger_key from matched where _record is not null and b is not null"
        " union all"
        " select export_key, if(clashes, last + row_number() over"
        " (partition by clashes order by export_key), export_key)"
        " from (select export_key, export_key in (from taken) as clashes from matched"
        " where b is null), behind".replace("matched", f"matched_{name}")
    )
    database.execute(f"drop table matched_{name}")


def _keep(database: duckdb.DuckDBPyConnection, name: str, fresh: str, gone: str) -> None:
    database.execute(f"create or replace temp table fresh_{name} as {fresh}")
    database.execute(f"create or replace temp table gone_{name} as {gone}")
