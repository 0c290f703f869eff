"""Headers of OMOP files: tidied, recognised, or refused with file and column."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from precisionchain.errors import InputError, OmopFormatError, UnreadableFileError
from precisionchain.ingest.omop_headers import Header, read_header, specified_header
from precisionchain.schemas.omop import TABLES

PERSON = TABLES["person"]


def header(folder: Path, text: str | bytes, table: str = "person", name: str = "t.csv") -> Header:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_header(path, TABLES[table])


def test_names_are_tidied(tmp_path: Path) -> None:
    text = '\ufeffPERSON_ID , "Year_Of_Birth","date(birth_datetime,\'unixepoch\')",,_file,Extra\r\n'
    found = header(tmp_path, text)
    assert found.columns == (
        "person_id",
        "year_of_birth",
        "birth_datetime",
        "unnamed_4",
        "source_file",
        "extra",
    )
    assert found.unrecognised == ("unnamed_4", "source_file", "extra")
    assert found.layout.header_lines == 1
    assert found.layout.header_bytes == len(text.encode())


def test_names_of_5_3_become_those_of_5_4(tmp_path: Path) -> None:
    text = (
        "visit_detail_id,person_id,visit_detail_concept_id,visit_detail_start_date,"
        "visit_detail_parent_id,discharge_to_concept_id\n"
    )
    found = header(tmp_path, text, "visit_detail")
    assert found.columns[-2:] == ("parent_visit_detail_id", "discharged_to_concept_id")
    assert found.written[-2:] == ("visit_detail_parent_id", "discharge_to_concept_id")
    assert found.unrecognised == ()


@pytest.mark.parametrize(
    ("table", "text", "delimiter", "quoting"),
    [
        ("person", "person_id\tgender_concept_id\n", "\t", True),
        ("domain", "domain_id\tdomain_name\n", "\t", False),
        ("domain", "domain_id,domain_name\n", ",", True),
        ("person", 'person_id,"a\tb\tc"\n', ",", True),
        ("person", "person_id\n", ",", True),
    ],
)
def test_the_separator_and_quoting_are_told_from_header_and_table(
    tmp_path: Path, table: str, text: str, delimiter: str, quoting: bool
) -> None:
    layout = header(tmp_path, text, table).layout
    assert (layout.delimiter, layout.quoting) == (delimiter, quoting)


def test_a_header_may_span_lines_and_be_compressed(tmp_path: Path) -> None:
    packed = gzip.compress(b'person_id,"odd\nname"\n1,2\n')
    layout = header(tmp_path, packed, name="person.csv.gz").layout
    assert (layout.header_lines, layout.header_bytes, layout.fields) == (2, 21, 2)


BAD: dict[str, tuple[str | bytes, type[InputError], str]] = {
    "no bytes": (b"", UnreadableFileError, "empty"),
    "an empty line": ("\nperson_id\n", OmopFormatError, "line 1"),
    "no header": ("17,8507,SECRET\n", OmopFormatError, "no column of the OMOP table person"),
    "required missing": ("gender_concept_id,race_concept_id\n", OmopFormatError, "person_id"),
    "twice": ("person_id,Person_ID\n", OmopFormatError, "column person_id .* places 1 and 2"),
    "unknown twice": ("person_id,SECRET,secret\n", OmopFormatError, "a column .* places 2 and 3"),
    "semicolons": ("person_id;gender_concept_id\n", OmopFormatError, "';'"),
    "latin-1": ("person_id,a\u00e9o\n".encode("latin-1"), UnreadableFileError, "UTF-8"),
    "utf-16": ("person_id\n".encode("utf-16"), UnreadableFileError, "UTF-16"),
    "binary": (b"\x00\x01\x02person_id\n", UnreadableFileError, "not text"),
    "zip": (b"PK\x03\x04rest", UnreadableFileError, "zip"),
    "cut gzip": (gzip.compress(b"person_id\n1\n" * 99)[:-20], UnreadableFileError, "truncated"),
    "damaged gzip": (b"\x1f\x8bno gzip at all", UnreadableFileError, "damaged"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_bad_headers_are_refused_by_file_without_quoting_cells(tmp_path: Path, name: str) -> None:
    text, error, message = BAD[name]
    with pytest.raises(error, match=message) as refused:
        header(tmp_path, text)
    assert "t.csv" in str(refused.value)
    assert "secret" not in str(refused.value).lower()


def test_both_names_of_one_column_are_refused(tmp_path: Path) -> None:
    text = (
        "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,"
        "admitting_source_concept_id,admitted_from_concept_id\n"
    )
    with pytest.raises(OmopFormatError, match=r"5\.3 and 5\.4 name it differently"):
        header(tmp_path, text, "visit_occurrence")


def test_an_absent_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="No such file"):
        read_header(tmp_path / "person.csv", PERSON)


def test_a_header_of_very_many_columns_is_read_in_one_pass(tmp_path: Path) -> None:
    text = "person_id" + "," * 100_000 + "\n"
    assert len(header(tmp_path, text).columns) == 100_001  # two passes a column: 20 minutes


def test_a_first_line_that_has_no_end_is_no_header(tmp_path: Path) -> None:
    for text in ("{" * 200_000, '"person_id,' + "1\n" * 100_000):
        with pytest.raises(OmopFormatError, match="no column of the OMOP table person"):
            header(tmp_path, text)
    with pytest.raises(UnreadableFileError, match="the first line is not text"):
        header(tmp_path, "é" * 600_000)


@pytest.mark.parametrize("text", ["a, b" * 20, "a|b" * 20, "a;b" * 20, "x" * 1_200_000])
@pytest.mark.parametrize("separator", [",", "\t"])
def test_the_text_of_a_first_row_does_not_tell_the_separator(
    tmp_path: Path, text: str, separator: str
) -> None:
    cells = ["1"] * 16
    cells[7] = f'"{text}"' if separator in text else text
    path = tmp_path / "note.txt"
    path.write_text(separator.join(cells) + "\n")
    layout = specified_header(path, TABLES["note"], "5.4").layout
    assert (layout.delimiter, layout.fields, layout.quoting) == (separator, 16, True)


def test_quotation_marks_of_a_first_row_of_athena_are_characters(tmp_path: Path) -> None:
    path = tmp_path / "concept.csv"
    path.write_text('1\t"abc\tD\tV\tC\tS\tcode\t20200101\t20991231\t\n2' + "\t" * 9)
    layout = specified_header(path, TABLES["concept"], "5.4").layout
    assert (layout.delimiter, layout.fields, layout.quoting) == ("\t", 10, False)
