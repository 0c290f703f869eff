"""How the cells of OMOP files are spelled: one rule a type, for pydantic and for SQL alike.

A cell is text. A lexical type says which spellings it accepts (one anchored ASCII regular
expression), how an accepted spelling is rewritten to the canonical one, which range the value has,
and which accepted spellings are *normalisations*, to be counted. Python's ``int``, ``float`` and
``date`` and DuckDB's casts differ on many spellings (``1_000``, ``1e3``, Arabic digits, ``+1``), so
neither ever decides: the expression does, and a conversion only sees canonical text. What a
conversion still decides is the range: 64 bits, finite, in the calendar. ``tests/generative`` holds
the two sides equal.

An empty cell is NULL. So is a quoted empty string (counted as ``empty_quotes``), and in every type
but text a cell of blanks only (``blank``). Blanks (space, tab) around a number, date or flag are
removed and counted; text is kept as it is written, blanks included.

>>> INTEGER64.parse("32020.0"), sorted(INTEGER64.normalisations_of("32020.0"))
(32020, ['decimal_point'])
>>> DATE.parse("20150401"), DATE.normalisations_of("2015-04-01")
(datetime.date(2015, 4, 1), frozenset())
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any

from pydantic import BeforeValidator

_BLANKS = r"[ \t]*"
_ANY = r"(?s:.*)"
_AROUND = {"blanks": rf"[ \t]{_ANY}|{_ANY}[ \t]"}
_FREE = "(?s:.+)"
_NULLS = {"empty_quotes": "", "blank": r"[ \t]+"}


class LexicalError(ValueError):
    """A cell outside its lexical type. Names the type, never the cell."""


@dataclass(frozen=True, slots=True, eq=False)  # each type is made once: identity is equality
class LexicalType:
    """One way of spelling values.

    Args:
        name: as in the rule ``type:<name>``.
        sql_type: DuckDB's type of the value.
        plain: expression of the spellings that need no normalisation; canonical as they stand.
        accepted: expression of every accepted spelling; contains ``plain``.
        canonical: what an accepted spelling is rewritten to; groups by number.
        convert: (canonical text, cell) -> the value, or None when it is out of range.
        sql_convert: the same as SQL: (canonical text, cell) -> expression, NULL out of range.
        spellings: name -> expression of the accepted cells that this normalisation changes.
        nulls: name -> expression of the cells that mean NULL, counted likewise.
        direct: expression of spellings that convert as they stand, plain ones among them; None
            for those alone. Saves SQL the rewriting of what is common.
        limit: characters a text should not exceed (a warning), None for no limit.
        sql_exact: (cell) -> SQL for whether the cell's value is written just so; such cells are
            plain, and told with less work than by an expression. None where nothing tells them.
    """

    name: str
    sql_type: str
    plain: str
    accepted: str
    canonical: str
    convert: Callable[[str, str], Any]
    sql_convert: Callable[[str, str], str]
    spellings: Mapping[str, str] = field(default_factory=dict)
    nulls: Mapping[str, str] = field(default_factory=lambda: _NULLS)
    direct: str | None = None
    limit: int | None = None
    sql_exact: Callable[[str], str] | None = None

    # ------------------------------------------------------------------------ cells in Python

    def is_null(self, cell: str) -> bool:
        """Whether a cell means NULL."""
        return any(re.fullmatch(pattern, cell) for pattern in self.nulls.values())

    def parse(self, cell: object) -> Any:
        """Return the value of a cell that does not mean NULL.

        Raises:
            LexicalError: the cell is outside the type.
        """
        value = None
        if isinstance(cell, str):
            if re.fullmatch(self.plain, cell):  # as `sql_cast`: what is common is not rewritten
                value = self.convert(cell, cell)
            elif match := re.fullmatch(self.accepted, cell):
                value = self.convert(match.expand(self.canonical), cell)
        if value is None:
            raise LexicalError(f"not of the lexical type {self.name}")
        return value

    def normalisations_of(self, cell: str) -> frozenset[str]:
        """Return the names of what is normalised in a cell; none for cells outside the type."""
        patterns = self.nulls
        if not self.is_null(cell):
            try:
                self.parse(cell)
            except LexicalError:
                return frozenset()
            patterns = self.spellings
        return frozenset(name for name, p in patterns.items() if re.fullmatch(p, cell))

    # --------------------------------------------------------------------------- cells in SQL

    def sql_cast(self, column: str) -> str:
        """Return SQL for a column's values: NULL for NULL and for cells outside the type.

        Args:
            column: an SQL expression of type VARCHAR, used more than once.
        """
        if self.plain == _FREE:
            return f"nullif({column}, '')"
        rewritten = f"regexp_replace({column}, '^(?:{self.accepted})$', '{self.canonical}')"
        return (
            f"CASE {self._sql_exact(column)}WHEN {_matches(column, self.direct or self.plain)}"
            f" THEN {self.sql_convert(column, column)}"
            f" WHEN {_matches(column, self.accepted)} THEN {self.sql_convert(rewritten, column)}"
            " END"
        )

    def sql_plain(self, column: str) -> str:
        """Return SQL for the values of the cells that need no normalisation, else NULL."""
        if self.plain == _FREE:
            return self.sql_cast(column)
        return (
            f"CASE {self._sql_exact(column)}WHEN {_matches(column, self.plain)}"
            f" THEN {self.sql_convert(column, column)} END"
        )

    def _sql_exact(self, column: str) -> str:
        """Return the branch that spares most cells the expression."""
        if self.sql_exact is None:
            return ""
        return f"WHEN {self.sql_exact(column)} THEN {self.sql_convert(column, column)} "

    def sql_null(self, column: str) -> str:
        """Return SQL for whether a cell means NULL; never NULL itself."""
        spelled = "|".join(self.nulls.values())
        return f"coalesce({_matches(column, spelled)}, true)"

    def sql_valid(self, column: str) -> str:
        """Return SQL for whether a cell is within the type or means NULL; never NULL itself."""
        return f"({self.sql_null(column)} OR ({self.sql_cast(column)}) IS NOT NULL)"

    def sql_normalisations(self, column: str, value: str | None = None) -> dict[str, str]:
        """Return, by normalisation, SQL for whether it changes a cell (NULL counts as no).

        Args:
            column: as for `sql_cast`.
            value: SQL for what ``sql_cast`` gives, where that is at hand.
        """
        null, value = self.sql_null(column), value or self.sql_cast(column)
        predicates = {name: _matches(column, pattern) for name, pattern in self.nulls.items()}
        for name, pattern in self.spellings.items():
            predicates[name] = (
                f"(NOT {null} AND {_matches(column, pattern)} AND ({value}) IS NOT NULL)"
            )
        return predicates


def _matches(column: str, pattern: str) -> str:
    return f"regexp_full_match({column}, '{pattern}')"


def _written_so(sql_type: str, length: int | None = None) -> Callable[[str], str]:
    """Return (cell) -> SQL for whether DuckDB writes the cell's value as the cell, and so long."""

    def exact(column: str) -> str:
        same = f"CAST(TRY_CAST({column} AS {sql_type}) AS VARCHAR) = {column}"
        return same if length is None else f"length({column}) = {length} AND {same}"

    return exact


# ------------------------------------------------------------------------------------- integers

_EXACT_AS_FLOAT = 2**53 - 1  # beyond it a number that passed through a float may be another one


def _integer(canonical: str, cell: str) -> int | None:
    value = int(canonical)
    largest = _EXACT_AS_FLOAT if "." in cell else 2**63 - 1
    smallest = -_EXACT_AS_FLOAT if "." in cell else -(2**63)
    return value if smallest <= value <= largest else None


def _sql_integer(canonical: str, cell: str) -> str:
    value = f"TRY_CAST({canonical} AS BIGINT)"
    if canonical == cell:
        return value
    within = f"{value} BETWEEN -{_EXACT_AS_FLOAT} AND {_EXACT_AS_FLOAT}"
    return f"CASE WHEN NOT contains({cell}, '.') OR {within} THEN {value} END"


INTEGER64 = LexicalType(
    name="Integer64",
    sql_type="BIGINT",
    plain="0|-?[1-9][0-9]{0,18}",
    accepted=rf"{_BLANKS}(?:\+|(-))?0*([0-9]{{1,19}})(?:\.0+)?{_BLANKS}",
    canonical=r"\1\2",
    convert=_integer,
    sql_convert=_sql_integer,
    spellings={
        **_AROUND,
        "plus_sign": rf"{_BLANKS}\+{_ANY}",
        "leading_zeros": rf"{_BLANKS}[+-]?0[0-9]{_ANY}",
        "negative_zero": rf"{_BLANKS}-0+(?:\.0+)?{_BLANKS}",
        "decimal_point": rf"{_ANY}\.{_ANY}",
    },
    sql_exact=_written_so("BIGINT"),
)
"""A whole number of 64 bits, negative too. ``32020.0`` is one only below 2^53."""


# --------------------------------------------------------------------------------------- floats


def _float(canonical: str, _cell: str) -> float | None:
    value = float(canonical)
    return value if math.isfinite(value) else None


def _sql_float(canonical: str, _cell: str) -> str:
    value = f"TRY_CAST({canonical} AS DOUBLE)"
    return f"CASE WHEN isfinite({value}) THEN {value} END"


_EXPONENT = "(?:[eE][+-]?[0-9]{1,3})?"

FLOAT = LexicalType(
    name="Float",
    sql_type="DOUBLE",
    plain=rf"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?{_EXPONENT}",
    accepted=(rf"{_BLANKS}(?:\+|(-))?((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+){_EXPONENT}){_BLANKS}"),
    canonical=r"\1\2",
    convert=_float,
    sql_convert=_sql_float,
    spellings={
        **_AROUND,
        "plus_sign": rf"{_BLANKS}\+{_ANY}",
        "leading_zeros": rf"{_BLANKS}[+-]?0[0-9]{_ANY}",
        "bare_point": rf"{_BLANKS}[+-]?\.{_ANY}|{_ANY}[0-9]\.(?:[eE \t]{_ANY})?",
    },
)
"""A finite decimal number with a point, an exponent of up to three digits; no NaN, no infinity."""


# ------------------------------------------------------------------------------ dates and times

_YEAR = "[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9]"
_MONTH, _DAY = "0[1-9]|1[0-2]", "0[1-9]|[12][0-9]|3[01]"
_PLAIN_DATE = f"(?:{_YEAR})-(?:{_MONTH})-(?:{_DAY})"
_DATE = f"(?:({_YEAR})-(1[0-2]|0?[1-9])-([12][0-9]|3[01]|0?[1-9])|({_YEAR})({_MONTH})({_DAY}))"
_DATE_GROUPS = r"\1\4-\2\5-\3\6"
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_DATE_SPELLINGS = {
    **_AROUND,
    "compact": rf"{_BLANKS}[0-9]{{8}}(?:[ \tT]{_ANY})?",
    "short": rf"{_BLANKS}[0-9]{{4}}-(?:[0-9]-{_ANY}|[0-9]{{2}}-[0-9](?:[ \tT]{_ANY})?)",
}


def _date(canonical: str, _cell: str) -> date | None:
    year, month, day = canonical.split("-")
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


DATE = LexicalType(
    name="Date",
    sql_type="DATE",
    plain=_PLAIN_DATE,
    accepted=rf"{_BLANKS}{_DATE}(?:[ T]00:00(?::00(?:\.0{{1,9}})?)?)?{_BLANKS}",
    canonical=_DATE_GROUPS,
    convert=_date,
    sql_convert=lambda canonical, _cell: f"TRY_CAST({canonical} AS DATE)",
    spellings={**_DATE_SPELLINGS, "midnight_time": f"{_ANY}:{_ANY}"},
    sql_exact=_written_so("DATE", len("2015-04-01")),  # a year beyond 9999 is longer
)
"""``YYYY-MM-DD``, ``YYYYMMDD`` or ``YYYY-M-D``, years 0001 to 9999, in the calendar; a midnight
time may follow, another time may not."""


def _datetime(canonical: str, _cell: str) -> datetime | None:
    day, _, time = canonical.partition(" ")
    on = _date(day, day)
    if on is None:
        return None
    clock, _, fraction = time.partition(".")
    hour, minute, second = [*(int(part) for part in clock.split(":") if part), 0, 0, 0][:3]
    microsecond = int(fraction.ljust(6, "0")) if fraction else 0
    return datetime(on.year, on.month, on.day, hour, minute, second, microsecond)  # noqa: DTZ001


DATETIME = LexicalType(
    name="Datetime",
    sql_type="TIMESTAMP",
    plain=rf"{_PLAIN_DATE} {_CLOCK}:[0-5][0-9](?:\.[0-9]{{1,6}})?",
    accepted=(
        rf"{_BLANKS}{_DATE}"
        rf"(?:[ T]({_CLOCK})(?:(:[0-5][0-9])(?:(\.[0-9]{{1,6}})0{{0,3}})?)?"
        rf"(?:Z|[+-]00:?00| UTC)?)?{_BLANKS}"
    ),
    canonical=rf"{_DATE_GROUPS} \7\8\9",
    convert=_datetime,
    sql_convert=lambda canonical, _cell: f"TRY_CAST(rtrim({canonical}) AS TIMESTAMP)",
    direct=rf"{_PLAIN_DATE}(?: {_CLOCK}:[0-5][0-9](?:\.[0-9]{{1,6}})?)?",
    spellings={
        **_DATE_SPELLINGS,
        "date_only": r"[ \t0-9-]*",
        "letter_t": f"{_ANY}[0-9]T{_ANY}",
        "no_seconds": f"[^:]*:[0-9]{{2}}(?:[^:0-9]{_ANY})?",
        "utc_suffix": rf"{_ANY}(?:Z|UTC|:{_ANY}[+-]{_ANY}){_BLANKS}",
        "long_fraction": rf"{_ANY}\.[0-9]{{7}}{_ANY}",
    },
    sql_exact=_written_so("TIMESTAMP", len("2015-04-01 08:30:00")),
)
"""A date in any accepted spelling, and a time of day to the microsecond; a date alone is its
midnight. Only the zone UTC may be named, because another would have to be converted."""


# --------------------------------------------------------------------------------- flags, texts

FLAG = LexicalType(
    name="Flag",
    sql_type="VARCHAR",
    plain="[0-9A-Za-z]",
    accepted=f"{_BLANKS}([0-9A-Za-z]){_BLANKS}",
    canonical=r"\1",
    convert=lambda canonical, _cell: canonical,
    sql_convert=lambda canonical, _cell: canonical,
    spellings=_AROUND,
)
"""One ASCII letter or digit: ``S``, ``C``, ``D``, ``U``, ``0``, ``1``, ``Y``, ``N``."""


@cache
def varchar(limit: int | None) -> LexicalType:
    """Return the type of texts of up to ``limit`` characters; None for no limit.

    Text is kept as it is written. Its length is a warning, never a reason to reject.
    """
    return LexicalType(
        name="Varchar" if limit is None else f"Varchar({limit})",
        sql_type="VARCHAR",
        plain=_FREE,
        accepted=_FREE,
        canonical=r"\g<0>",
        convert=lambda canonical, _cell: canonical,
        sql_convert=lambda canonical, _cell: canonical,
        nulls={"empty_quotes": ""},
        limit=limit,
    )


TEXT = varchar(None)

Integer = Annotated[int, BeforeValidator(INTEGER64.parse), INTEGER64]
Float = Annotated[float, BeforeValidator(FLOAT.parse), FLOAT]
Date = Annotated[date, BeforeValidator(DATE.parse), DATE]
Datetime = Annotated[datetime, BeforeValidator(DATETIME.parse), DATETIME]
Flag = Annotated[str, BeforeValidator(FLAG.parse), FLAG]
Text = Annotated[str, BeforeValidator(TEXT.parse), TEXT]
