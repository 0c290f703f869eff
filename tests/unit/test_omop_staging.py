"""Staging of small exports: which files are tables, what becomes of their records, identity."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from precisionchain.errors import OmopFormatError, UnreadableFileError, UsageError
from precisionchain.ingest import csv_records
from precisionchain.ingest.losses import left_out
from precisionchain.ingest.omop_reading import Reading
from precisionchain.ingest.stage_omop import stage_omop
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.validate import summary, validate_omop

NOTE = "note_id,person_id,note_date,note_class_concept_id,note_title,note_text"


class Export:
    """A folder of files, and its staging."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "omop"
        self.folder.mkdir()
        self.staging = Staging.open(folder / "site" / "staging")
        self.progress: list[str] = []

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def stage(self, **options: Any) -> Run:
        return stage_omop(self.staging, self.folder, step=self.progress.append, **options)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.staging.database() as database:
            return database.execute(query).fetchall()


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return Export(tmp_path)


def counted(run: Run) -> dict[str, int]:
    return {row["table_name"]: row["n_records"] for row in summary(run).to_pylist()}


def test_tables_are_known_by_name_in_any_case_ending_and_compression(export: Export) -> None:
    export.write("PERSON.CSV", "PERSON_ID\n1\n2\n")
    export.write("death.tsv", "person_id\tdeath_date\n1\t2020-01-01\n")
    export.write("Location.txt", "location_id\n5\n")
    export.write("care_site.csv.gz", gzip.compress(b"care_site_id,care_site_name\n7,x\n"))
    export.write("visit_occurrence.csv", gzip.compress(b"x")[:0] + b"visit_occurrence_id,person_id,"
                 b"visit_concept_id,visit_start_date\n")  # fmt: skip
    run = export.stage()
    assert counted(run) == {
        "location": 1,
        "care_site": 1,
        "person": 2,
        "death": 1,
        "visit_occurrence": 0,
    }
    assert export.ask("SELECT care_site_id, care_site_name, _file, _record FROM raw_care_site") == [
        ("7", "x", "care_site.csv.gz", 1)
    ]


def test_other_files_are_listed_with_the_nearest_table_and_not_guessed(export: Export) -> None:
    export.write("person.csv", "person_id\n1\n")
    export.write("DEVICES_EXPOSURE.csv", "device_exposure_id\n1\n")
    export.write("._PERSON.csv", b"\x00\x05\x16\x07")
    export.write("README.md", "read me")
    run = export.stage()
    assert run.description["unrecognised_files"] == [
        "._PERSON.csv",
        "DEVICES_EXPOSURE.csv",
        "README.md",
    ]
    assert run.description["nearest_tables"] == {"DEVICES_EXPOSURE.csv": "device_exposure"}
    assert "not an OMOP table: DEVICES_EXPOSURE.csv (did you mean device_exposure?)" in (
        export.progress
    )


def test_columns_named_nearly_as_those_that_a_file_lacks_are_said(export: Export) -> None:
    header = (
        "person_id,yearofbirth,gender_concept_id,gender_concept_idd,insurance,race_concept_name"
    )
    export.write("person.csv", f"{header}\n1,1960,8507,0,x,y\n")
    run = export.stage()
    assert run.description["nearest_columns"] == {"person.csv": {"yearofbirth": "year_of_birth"}}
    warning = next(left_out(run))
    assert "column yearofbirth of person.csv (nearly year_of_birth)" in warning
    assert "insurance" not in warning


def test_a_folder_without_tables_and_a_table_twice_are_refused(export: Export) -> None:
    with pytest.raises(OmopFormatError, match="no file here is named"):
        export.stage()
    export.write("person.csv", "person_id\n1\n")
    export.write("PERSON.csv.gz", gzip.compress(b"person_id\n1\n"))
    with pytest.raises(OmopFormatError, match="both the table person"):
        export.stage()
    with pytest.raises(UnreadableFileError, match="no such folder"):
        stage_omop(export.staging, export.folder / "absent")
    assert export.staging.runs() == []


def test_what_cannot_be_read_as_it_was_meant_is_refused(export: Export, tmp_path: Path) -> None:
    export.write("person.csv", "person_id\n1\n")
    above = tmp_path / "above"  # the folder that the vocabulary's is in
    (above / "athena").mkdir(parents=True)
    with pytest.raises(OmopFormatError, match="no file there is named") as found:
        export.stage(vocabulary=above)
    assert found.value.where == str(above)
    with pytest.raises(UsageError, match="--schema is of databases"):
        stage_omop(export.staging, export.folder, reading=Reading(schemas=("cdm",)))
    os.mkfifo(export.folder / "death.csv")
    with pytest.raises(UnreadableFileError, match="a pipe or a device"):
        export.stage()
    assert export.staging.runs() == []


def test_the_vocabulary_folder_is_taken_instead_of_the_exports_vocabulary(
    export: Export, tmp_path: Path
) -> None:
    export.write("person.csv", "person_id\n1\n")
    export.write("concept.csv", "concept_id,concept_name\n1,old\n")
    athena = tmp_path / "athena"
    athena.mkdir()
    # Athena's files are tab-separated and do not quote.
    (athena / "CONCEPT.csv").write_text('concept_id\tconcept_name\n8\t"6" nail\n9\tend"\n')
    (athena / "PERSON.csv").write_text("person_id\n99\n")
    run = export.stage(vocabulary=athena)
    assert run.description["shadowed_files"] == ["concept.csv"]
    assert export.ask("SELECT concept_id, concept_name FROM raw_concept") == [
        ("8", '"6" nail'),
        ("9", 'end"'),
    ]
    assert export.ask("SELECT person_id FROM raw_person") == [("1",)]


def test_quotes_line_breaks_and_the_last_line_without_one(export: Export) -> None:
    text = f'{NOTE}\n1,1,2020-01-01,0,"a ""word""","one\ntwo, three\r\nfour"\n2,1,2020-01-02,0,,""'
    export.write("note.csv", text)
    run = export.stage()
    assert export.ask("SELECT note_title, note_text FROM raw_note") == [
        ('a "word"', "one\ntwo, three\r\nfour"),
        (None, ""),
    ]
    assert [row["line"] for row in pq.read_table(run.path / "lines.parquet").to_pylist()] == [2, 5]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_any_line_ending(export: Export, ending: str) -> None:
    text = ending.join(["person_id,year_of_birth", "1,1950", "", "2,1960", ""])
    export.write("person.csv", text)
    assert counted(export.stage()) == {"person": 2}
    assert export.ask("SELECT person_id, year_of_birth FROM raw_person") == [
        ("1", "1950"),
        ("2", "1960"),
    ]


def test_records_that_cannot_be_parsed_are_rejected_with_record_and_line(export: Export) -> None:
    export.write("person.csv", "person_id,year_of_birth\n1,1950\n")
    body = [
        b'1,1,2020-01-01,0,"two\nlines",ok',
        b"2,1,2020-01-01,0,caf\xe9,latin",
        b"3,1,2020-01-01,0,short",
        b"4,1,2020-01-01,0,long,x,y",
        b'5,1,2020-01-01,0,"a"b,malformed',
        b'6,1,2020-01-01,0, "a",blank before',
        b"7,1,2020-01-01,0,\0,nul",
        b"8,1,2020-01-01,0,fine,fine",
        b'9,1,2020-01-01,0,"never closed,\n10,1,2020-01-01,0,,swallowed',
    ]
    export.write("note.csv", NOTE.encode() + b"\n" + b"\n".join(body) + b"\n")
    run = export.stage()
    assert counted(run)["note"] == 9
    expected = [
        ("encoding", 2, 4),
        ("ragged", 3, 5),
        ("ragged", 4, 6),
        ("quoting", 5, 7),
        ("quoting", 6, 8),
        ("encoding", 7, 9),
        ("quoting", 9, 11),
    ]
    query = "SELECT rule, record, line FROM rejected WHERE table_name = 'note' ORDER BY record"
    assert export.ask(query) == expected
    assert export.ask("SELECT note_id, _record FROM raw_note") == [("1", 1), ("8", 8)]
    run = validate_omop(export.staging, run)
    assert export.ask(query) == expected
    assert export.ask("SELECT note_id, _record FROM note") == [(1, 1), (8, 8)]
    assert summary(run).to_pylist()[-1] == {
        "table_name": "note",
        "file": "note.csv",
        "n_records": 9,
        "n_accepted": 2,
        "n_rejected": 7,
    }


def test_a_record_that_is_too_long_is_rejected_and_one_without_end_refused(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    export.write("person.csv", "person_id\n1\n")
    long = "x" * (csv_records.LONGEST_RECORD + 1)
    nearly = "x" * (csv_records.LONGEST_RECORD - 100)
    export.write("note.csv", f"{NOTE}\n1,1,2020-01-01,0,,{long}\n2,1,2020-01-01,0,,{nearly}\n")
    export.stage()
    assert export.ask("SELECT rule, record FROM rejected") == [("too_long", 1)]
    assert export.ask("SELECT note_id, length(note_text) FROM raw_note") == [("2", len(nearly))]
    monkeypatch.setattr(csv_records, "LONGEST_WAIT", 1_000_000)
    export.write("note.csv", f'{NOTE}\n1,1,2020-01-01,0,,x\n2,1,2020-01-01,0,,"{long * 4}\n')
    with pytest.raises(UnreadableFileError, match=r"line 3.* quotation mark opened there"):
        export.stage()


def test_a_truncated_gzip_is_refused_and_nothing_is_left(export: Export) -> None:
    export.write("person.csv", "person_id\n1\n")
    packed = gzip.compress(b"person_id,death_date\n" + b"1,2020-01-01\n" * 500_000)
    export.write("death.csv.gz", packed[: len(packed) // 2])
    with pytest.raises(UnreadableFileError, match=r"death\.csv\.gz: the gzip stream is truncated"):
        export.stage()
    assert export.staging.runs() == []


def test_gzip_of_several_members_is_read_to_its_end(export: Export) -> None:
    export.write("person.csv.gz", gzip.compress(b"person_id\n1\n") + gzip.compress(b"2\n3\n"))
    assert counted(export.stage()) == {"person": 3}


def test_unrecognised_columns_are_kept_in_raw_alone_and_listed(export: Export) -> None:
    export.write("person.csv", "person_id,Ward Code,_file\n1,W7,secret\n")
    run = validate_omop(export.staging, export.stage())
    assert run.description["unrecognised_columns"] == {"person": ["ward code", "source_file"]}
    assert export.ask('SELECT "ward code", source_file FROM raw_person') == [("W7", "secret")]
    assert pq.read_schema(run.path / "accepted" / "person.parquet").names == [
        "person_id",
        "_file",
        "_record",
    ]


def test_the_version_is_told_and_5_3_names_are_canonical(export: Export) -> None:
    export.write(
        "visit_occurrence.csv",
        "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,admitting_source_value\n",
    )
    run = export.stage()
    assert run.description["cdm_version"] == "5.3"
    names = pq.read_schema(run.path / "raw" / "visit_occurrence.parquet").names
    assert names[-3:] == ["admitted_from_source_value", "_file", "_record"]


def test_identity_is_content_and_not_names_or_compression(export: Export, tmp_path: Path) -> None:
    text = b"person_id,year_of_birth\n1,1950\n"
    export.write("person.csv", text)
    export.write("notes.txt", "unrelated")
    first = export.stage()
    (entry,) = first.description["inputs"]
    assert entry == {
        "table": "person",
        "file": "person.csv",
        "sha256": hashlib.sha256(text).hexdigest(),
        "bytes": len(text),
        "records": 1,
        "unparsed": 0,
    }
    (export.folder / "person.csv").unlink()
    export.write("PERSON.csv.gz", gzip.compress(text))
    assert export.stage(source="other").source_id == first.source_id
    export.write("PERSON.csv.gz", gzip.compress(text + b"2,1960\n"))
    assert export.stage().source_id != first.source_id


def test_progress_and_errors_never_quote_a_cell(export: Export) -> None:
    export.write("person.csv", "person_id,person_source_value\n1,MRN-00000042\nMRN-00000043,x\n")
    run = validate_omop(export.staging, export.stage(), step=export.progress.append)
    assert summary(run).to_pylist()[0]["n_rejected"] == 1
    assert "MRN" not in " ".join(export.progress)
    assert "MRN" not in (run.path / "run.json").read_text()
