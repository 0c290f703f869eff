"""Typed values as text: the one way by which Parquet and databases come under the lexical rules.

Every value becomes the text that a careful export to CSV would hold, and from there on nobody knows
that it had a type: `schemas/lexical.py` judges it as it judges cells of files. So a double of
32020 is ``32020.0``, an id below 2^53; a NaN is ``nan``, no number; a timestamp with a time zone is
that instant in UTC, and says so.
"""

from __future__ import annotations

from precisionchain.ingest.sql_text import identifier

_AS_WRITTEN = frozenset(
    {
        "VARCHAR",
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "HUGEINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "UHUGEINT",
        "BIGNUM",
        "DOUBLE",
        "DATE",
        "TIME",
        "TIME_NS",
        "TIME WITH TIME ZONE",
        "TIMESTAMP",
        "TIMESTAMP_S",
        "TIMESTAMP_MS",
        "TIMESTAMP_NS",
        "UUID",
        "JSON",
        '"NULL"',
    }
)
_FAMILIES = ("DECIMAL(", "ENUM(")
_WHOLE_FLOATS = 2**24
"""Below it every whole number is a float of 32 bits; above it others are rounded to one."""
_INSTANTS = ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP_TZ_NS")


def text_of(column: str, sql_type: str) -> str | None:
    """Return SQL for a column's values as text; None for a type without a text of its own.

    Doubles and floats are the shortest decimals that are read back as the same number; floats of 32
    bits have an exponent from 2^24 on, where they are no whole numbers that an id could have been.
    The answer does not depend on the time zone that DuckDB is set to.

    Args:
        column: its name.
        sql_type: as DuckDB describes it.
    """
    name = identifier(column)
    if sql_type in _INSTANTS:
        # Infinity has no microseconds: it stays a word, to be rejected.
        instant = f"make_timestamp(epoch_us({name}))::VARCHAR || '+00:00'"
        return f"coalesce({instant}, {name}::VARCHAR)"
    if sql_type == "FLOAT":
        text, digits = f"{name}::VARCHAR", f"split_part(abs({name})::VARCHAR, '.', 1)"
        spelled = rf"regexp_replace({text}, '^(-?[0-9])([0-9]*)[.]0$', '\1.\2')"
        large = f"isfinite({name}) AND abs({name}) >= {_WHOLE_FLOATS} AND NOT contains({text}, 'e')"
        return f"CASE WHEN {large} THEN {spelled} || 'e' || (len({digits}) - 1) ELSE {text} END"
    nested = sql_type.endswith("]")
    if not nested and (sql_type in _AS_WRITTEN or sql_type.startswith(_FAMILIES)):
        return f"{name}::VARCHAR"
    return None
