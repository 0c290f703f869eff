"""Spellings of cells: what is a value, what is normalised, what is refused."""

from __future__ import annotations

import doctest
from datetime import date, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from precisionchain.schemas import lexical
from precisionchain.schemas.lexical import (
    DATE,
    DATETIME,
    FLAG,
    FLOAT,
    INTEGER64,
    TEXT,
    LexicalError,
    LexicalType,
    varchar,
)

at = datetime.fromisoformat

# type, cell, value, normalisations
ACCEPTED: list[tuple[LexicalType, str, object, set[str]]] = [
    (INTEGER64, "0", 0, set()),
    (INTEGER64, "-422211212329812262", -422211212329812262, set()),
    (INTEGER64, "9223372036854775807", 2**63 - 1, set()),
    (INTEGER64, "-9223372036854775808", -(2**63), set()),
    (INTEGER64, "+7", 7, {"plus_sign"}),
    (INTEGER64, "007", 7, {"leading_zeros"}),
    (INTEGER64, "-0", 0, {"negative_zero"}),
    (INTEGER64, " 42\t", 42, {"blanks"}),
    (INTEGER64, "32020.0", 32020, {"decimal_point"}),
    (INTEGER64, "9007199254740991.00", 2**53 - 1, {"decimal_point"}),
    (INTEGER64, " +007.0", 7, {"blanks", "plus_sign", "leading_zeros", "decimal_point"}),
    (FLOAT, "0.005", 0.005, set()),
    (FLOAT, "-1.5e-07", -1.5e-07, set()),
    (FLOAT, "1e400", None, set()),
    (FLOAT, "1e-400", 0.0, set()),
    (FLOAT, ".5", 0.5, {"bare_point"}),
    (FLOAT, "5.", 5.0, {"bare_point"}),
    (FLOAT, "5.e3", 5000.0, {"bare_point"}),
    (FLOAT, "+05.5", 5.5, {"plus_sign", "leading_zeros"}),
    (DATE, "2016-02-29", date(2016, 2, 29), set()),
    (DATE, "0001-01-01", date(1, 1, 1), set()),
    (DATE, "9999-12-31", date(9999, 12, 31), set()),
    (DATE, "20160229", date(2016, 2, 29), {"compact"}),
    (DATE, "1937-12-1", date(1937, 12, 1), {"short"}),
    (DATE, "1937-2-01", date(1937, 2, 1), {"short"}),
    (DATE, "2016-02-29 00:00", date(2016, 2, 29), {"midnight_time"}),
    (DATE, "20160229T00:00:00.000", date(2016, 2, 29), {"compact", "midnight_time"}),
    (DATETIME, "2179-07-24 18:21:00", at("2179-07-24 18:21:00"), set()),
    (DATETIME, "2179-07-24 18:21:00.25", at("2179-07-24 18:21:00.250000"), set()),
    (DATETIME, "2015-10-02", at("2015-10-02"), {"date_only"}),
    (DATETIME, "20151002", at("2015-10-02"), {"date_only", "compact"}),
    (DATETIME, "2015-1-2 10:30", at("2015-01-02 10:30:00"), {"short", "no_seconds"}),
    (DATETIME, "2015-01-02T10:30:05", at("2015-01-02 10:30:05"), {"letter_t"}),
    (DATETIME, "2015-01-02 10:30:05 UTC", at("2015-01-02 10:30:05"), {"utc_suffix"}),
    (DATETIME, "2015-01-02 10:30:05+00:00", at("2015-01-02 10:30:05"), {"utc_suffix"}),
    (DATETIME, "2015-01-02 10:30:05.1234560", at("2015-01-02 10:30:05.123456"), {"long_fraction"}),
    (FLAG, "S", "S", set()),
    (FLAG, " 1", "1", {"blanks"}),
    (TEXT, " kept as it is \n", " kept as it is \n", set()),
    (TEXT, " ", " ", set()),
    (varchar(3), "longer than three", "longer than three", set()),
]  # fmt: skip
ACCEPTED = [row for row in ACCEPTED if row[2] is not None]

REFUSED: dict[LexicalType, list[str]] = {
    INTEGER64: [
        "9223372036854775808", "-9223372036854775809", "9007199254740992.0", "1.5", "1e3", "1_000",
        "0x10", "٣", "1,000", "+-1", "--1", "1 2", "1\n", "NaN", "nan", "inf", "\u00a01", "NULL",
        ".0", "1.",
    ],
    FLOAT: [
        "1e400", "-1e400", "NaN", "inf", "-Infinity", "1,5", "1_0.0", "٣.5", ".", "e5", "1e",
        "1e1000", "1 .5", "0x1p3", "< 5", "5 mg", "1.5\n",
    ],
    DATE: [
        "2015-02-29", "1900-02-29", "2015-13-01", "2015-00-10", "2015-01-32", "0000-01-01",
        "10000-01-01", "2015-1", "20151", "2015/01/02", "02.01.2015", "1/2/2015",
        "2015-01-02 00:00:01", "2015-01-02 24:00", "2015-01-02Z",
        "-2015-01-02", "2015 -01-02", "٢٠١٥-01-02", "2015-01-02 00:00:00 00:00",
    ],
    DATETIME: [
        "2015-02-30 10:00:00", "2015-01-02 24:00:00", "2015-01-02 10:60:00", "2015-01-02 23:59:60",
        "2015-01-02 1:00", "2015-01-02 10", "2015-01-02 10:30:00+01:00", "2015-01-02  10:30",
        "10:30:00", "2015-01-02 10:30:00.1234567", "2015-01-02t10:30:00", "2015-01-02 10:30 PM",
    ],
    FLAG: ["SS", "é", "-", "Ｓ", "S\n"],
}  # fmt: skip


def test_the_examples_in_the_module_hold() -> None:
    assert doctest.testmod(lexical).failed == 0


@pytest.mark.parametrize(("kind", "cell", "value", "normalisations"), ACCEPTED)
def test_accepted_spellings_have_one_value_and_are_counted(
    kind: LexicalType, cell: str, value: object, normalisations: set[str]
) -> None:
    assert kind.parse(cell) == value
    assert type(kind.parse(cell)) is type(value)
    assert kind.normalisations_of(cell) == normalisations


@pytest.mark.parametrize(
    ("kind", "cell"), [(kind, cell) for kind, cells in REFUSED.items() for cell in cells]
)
def test_refused_spellings_are_refused_without_being_quoted(kind: LexicalType, cell: str) -> None:
    with pytest.raises(LexicalError) as refused:
        kind.parse(cell)
    assert str(refused.value) == f"not of the lexical type {kind.name}"
    assert kind.normalisations_of(cell) == set()


@pytest.mark.parametrize("kind", [INTEGER64, FLOAT, DATE, DATETIME, FLAG])
def test_blank_cells_are_null_in_every_type_but_text(kind: LexicalType) -> None:
    assert kind.is_null("")
    assert kind.normalisations_of("") == {"empty_quotes"}
    assert kind.is_null(" \t ")
    assert kind.normalisations_of(" \t ") == {"blank"}
    assert not kind.is_null("0")


def test_text_is_null_only_when_empty() -> None:
    assert TEXT.is_null("")
    assert not TEXT.is_null(" ")


def test_texts_of_a_length_are_one_type() -> None:
    assert varchar(50) is varchar(50)
    assert (varchar(50).name, varchar(50).limit, TEXT.name) == ("Varchar(50)", 50, "Varchar")


def test_the_annotated_types_take_cells_and_nothing_else() -> None:
    whole: TypeAdapter[int] = TypeAdapter(lexical.Integer)
    assert whole.validate_python("+1") == 1
    for value in (1, 1.0, True, None, b"1"):
        with pytest.raises(ValidationError):
            whole.validate_python(value)
