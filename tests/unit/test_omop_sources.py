"""Parquet, databases and files without a header: the same rows, or a refusal with what next."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from precisionchain.errors import InputError, OmopFormatError, UnreadableFileError, UsageError
from precisionchain.ingest import database_tables
from precisionchain.ingest.losses import left_out
from precisionchain.ingest.omop_reading import Reading
from precisionchain.ingest.stage_omop import stage_omop
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.typed_table import readable
from precisionchain.ingest.validate import summary, validate_omop
from precisionchain.schemas.omop import CdmVersion

PERSONS = {"person_id": [3, 1, 2], "year_of_birth": [1950, 1960, 1970]}
DEATHS = {"person_id": [1, 2], "death_date": [dt.date(2020, 1, 1), dt.date(2021, 2, 3)]}


class Export:
    """A folder to write an export into, and a staging area."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "omop"
        self.folder.mkdir()
        self.file = root / "export.duckdb"
        self.staging = Staging.open(root / "site" / "staging")
        self.said: list[str] = []

    def parquet(self, name: str, columns: dict[str, Any]) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), path)
        return path

    def text(self, name: str, *rows: Sequence[object], delimiter: str = ",") -> Path:
        path = self.folder / name
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows(rows)
        return path

    def sql(self, *statements: str) -> None:
        with duckdb.connect(str(self.file)) as database:
            for statement in statements:
                database.execute(statement)

    def stage(self, place: Path | None = None, **options: Any) -> Run:
        return stage_omop(self.staging, place or self.folder, step=self.said.append, **options)

    def validated(self, place: Path | None = None, **options: Any) -> Run:
        return validate_omop(self.staging, self.stage(place, **options))

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.staging.database() as database:
            return database.execute(query).fetchall()


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return Export(tmp_path)


# ------------------------------------------------------------------------------------- Parquet


def test_a_file_and_a_folder_of_parts_are_tables(export: Export) -> None:
    export.parquet("PERSON.parquet", PERSONS)
    export.parquet("death/part-1.parquet", {"death_date": ["2020-01-01"], "person_id": [7.0]})
    export.parquet("death/part-0.parquet", DEATHS)
    export.folder.joinpath("death", "_SUCCESS").touch()
    run = export.validated()
    assert export.ask("select _record, person_id, _file from person") == [
        (1, 3, "PERSON.parquet"),
        (2, 1, "PERSON.parquet"),
        (3, 2, "PERSON.parquet"),
    ]
    # Parts in the order of their names; columns by name, of whatever type.
    assert export.ask("select _record, person_id, death_date, _file from raw_death") == [
        (1, "1", "2020-01-01", "death/"),
        (2, "2", "2021-02-03", "death/"),
        (3, "7.0", "2020-01-01", "death/"),
    ]
    assert export.ask("select file, rule, record, line, column_name from rejected") == [
        ("death/", "unknown_person", 3, None, "person_id")
    ]
    assert [row["n_records"] for row in summary(run).to_pylist()] == [3, 3]


def test_a_spark_folder_named_as_a_file_is_a_table(export: Export) -> None:
    export.parquet("person.parquet/part-0.snappy.parquet", PERSONS)
    export.parquet("person.parquet/part-1.snappy.parquet", {"person_id": [9], "year_of_birth": [1]})
    export.stage()
    assert [row[0] for row in export.ask("select person_id from raw_person")] == list("3129")


def test_identity_is_content_and_not_how_parquet_holds_it(export: Export) -> None:
    path = export.parquet("person.parquet", PERSONS)
    first = export.stage().source_id
    table = pa.table({name: pa.array(cells, pa.int32()) for name, cells in PERSONS.items()})
    pq.write_table(table.select([1, 0]), path, row_group_size=1, compression="gzip")
    assert export.stage().source_id == first
    (entry,) = export.stage().description["inputs"]
    assert entry["bytes"] == sum(len(str(cell)) for cells in PERSONS.values() for cell in cells)
    for changed in ([3, 1, 4], [3, 2, 1], [3, 12, None]):
        pq.write_table(pa.table({**PERSONS, "person_id": changed}), path)
        assert export.stage().source_id != first


def test_two_forms_of_a_table_and_partitions_are_refused(export: Export) -> None:
    export.parquet("person.parquet", PERSONS)
    export.text("person.csv", ["person_id"], [1])
    with pytest.raises(OmopFormatError, match="both the table person"):
        export.stage()
    export.folder.joinpath("person.csv").unlink()
    export.parquet("death/part-0.parquet", DEATHS)
    export.folder.joinpath("death", "year=2020").mkdir()
    with pytest.raises(OmopFormatError, match=r"death/: year=2020 is no Parquet file"):
        export.stage()


def test_parts_with_other_columns_are_refused(export: Export) -> None:
    export.parquet("death/a.parquet", DEATHS)
    export.parquet(
        "death/b.parquet", {"person_id": [1], "cause_concept_id": [1], "death_date": [1]}
    )
    with pytest.raises(OmopFormatError, match=r"death/: b\.parquet has other columns than a\.parq"):
        export.stage()


def test_a_table_without_rows_is_one(export: Export) -> None:
    export.parquet("person.parquet", {"person_id": pa.array([], pa.int64())})
    assert [row["n_accepted"] for row in summary(export.validated()).to_pylist()] == [0]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is no Parquet file"), (b"PAR1 and not much PAR1", "is no Parquet file")],
)
def test_what_is_no_parquet_is_refused(export: Export, content: bytes, message: str) -> None:
    export.folder.joinpath("person.parquet").write_bytes(content)
    with pytest.raises(UnreadableFileError, match=message):
        export.stage()
    assert export.staging.runs() == []


def test_a_damaged_page_is_refused_and_nothing_is_left(export: Export) -> None:
    ids = list(range(100_000))
    path = export.parquet("person.parquet", {"person_id": ids})
    content = bytearray(path.read_bytes())
    content[100:1000] = b"\xff" * 900
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"person\.parquet: DuckDB cannot read it .*skip"):
        export.stage()
    assert export.staging.runs() == []


def test_a_column_without_a_text_is_refused_by_name_or_left_out(export: Export) -> None:
    export.parquet("person.parquet", {**PERSONS, "extra": [[1], [2], None]})
    run = export.stage()
    assert run.description["unrecognised_columns"] == {"person": ["extra"]}
    for nested in ([b"ab", b"cd", None], [[1], [2], None], [{"a": 1}, None, None]):
        export.parquet("person.parquet", {**PERSONS, "gender_concept_id": nested})
        with pytest.raises(OmopFormatError, match=r"person\.parquet: column gender_concept_id is"):
            export.stage()


def test_a_nul_and_a_row_that_is_too_long_are_rejected(export: Export) -> None:
    texts = ["ok", "a\0b", None, "x" * 2_000_001]
    export.parquet("person.parquet", {"person_id": [1, 2, 3, 4], "person_source_value": texts})
    run = export.validated()
    assert export.ask("select record, rule, line from rejected order by 1") == [
        (2, "encoding", None),
        (4, "too_long", None),
    ]
    assert export.ask("select _record, person_id from person") == [(1, 1), (3, 3)]
    (row,) = summary(run).to_pylist()
    assert (row["n_records"], row["n_accepted"], row["n_rejected"]) == (4, 2, 2)


# --------------------------------------------------------------- how typed values are spelled

NEW_YORK = dt.timezone(dt.timedelta(hours=-5))


def at(*parts: int) -> dt.datetime:
    """A time of no zone, as the CDM has them."""
    return dt.datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


VALUES: dict[str, tuple[Any, list[str | None]]] = {
    "int8": (pa.array([-1, None], pa.int8()), ["-1", None]),
    "uint64": (pa.array([2**64 - 1, 0], pa.uint64()), ["18446744073709551615", "0"]),
    "double": (pa.array([32020.0, 0.1]), ["32020.0", "0.1"]),
    "float": (pa.array([0.1, 16777215.0], pa.float32()), ["0.1", "16777215.0"]),
    "float of two ids": (pa.array([16777216.0, -3e38], pa.float32()), ["1.6777216e7", "-3e+38"]),
    "not a number": (pa.array([float("nan"), float("inf")]), ["nan", "inf"]),
    "decimal": (pa.array([Decimal("1.50"), Decimal("-7.00")]), ["1.50", "-7.00"]),
    "date": (pa.array([dt.date(2020, 2, 29), dt.date(1, 1, 1)]), ["2020-02-29", "0001-01-01"]),
    "timestamp": (
        pa.array([at(2020, 1, 1), at(2020, 1, 1, 10, 30, 5, 120_000)]),
        ["2020-01-01 00:00:00", "2020-01-01 10:30:05.12"],
    ),
    "instant": (
        pa.array([dt.datetime(2020, 1, 1, 20, tzinfo=NEW_YORK), None], pa.timestamp("us", "UTC")),
        ["2020-01-02 01:00:00+00:00", None],
    ),
    "nanoseconds": (
        pa.array([1, None], pa.timestamp("ns")),
        ["1970-01-01 00:00:00.000000001", None],
    ),
    "truth": (pa.array([True, False]), ["true", "false"]),
    "dictionary": (pa.array(["a", None]).dictionary_encode(), ["a", None]),
    "nothing": (pa.nulls(2), [None, None]),
    "text": (pa.array([" a ", ""], pa.large_string()), [" a ", ""]),
}


@pytest.mark.parametrize("kind", list(VALUES))
def test_values_become_the_text_of_a_careful_export(export: Export, kind: str) -> None:
    cells, expected = VALUES[kind]
    export.parquet("person.parquet", {"person_id": [1, 2], "person_source_value": cells})
    export.stage()
    assert export.ask("select person_source_value from raw_person") == [(x,) for x in expected]


def test_the_session_s_time_zone_makes_no_difference(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    export.sql("set timezone = 'America/New_York'",
               "create table person as select 1 as person_id,"
               " timestamptz '2020-01-01 12:00:00+00' as birth_datetime")  # fmt: skip
    export.validated(export.file)
    assert export.ask("select birth_datetime from person") == [(at(2020, 1, 1, 12),)]
    assert export.ask("select normalisation, n from normalised") == [("utc_suffix", 1)]


# ----------------------------------------------------------------------------------- databases


def test_a_duckdb_file_is_read_by_key_from_any_schema(export: Export) -> None:
    export.sql(
        "create schema cdm",
        "create table cdm.Person (PERSON_ID bigint, year_of_birth int)",
        "insert into cdm.person values (10, 1950), (1, 1960), (2, 1970)",
        "create table vocabulary (vocabulary_id varchar, vocabulary_name varchar)",
        "create view death as select person_id, date '2020-01-01' as death_date"
        " from export.cdm.person",
        "create table etl_log (a int)",
    )
    run = export.validated(export.file)
    assert export.ask("select _record, person_id, _file from person order by 1") == [
        (1, 1, "cdm.Person"),
        (2, 2, "cdm.Person"),
        (3, 10, "cdm.Person"),
    ]
    assert {row["table_name"]: row["n_records"] for row in summary(run).to_pylist()} == {
        "vocabulary": 0,
        "person": 3,
        "death": 3,
    }
    assert run.description["unrecognised_files"] == ["main.etl_log"]


def test_the_order_that_a_database_gives_rows_in_makes_no_difference(export: Export) -> None:
    rows = "(1, date '2020-01-01'), (1, date '2019-01-01'), (2, null), (null, date '2020-01-01')"
    export.sql("create table death (person_id int, death_date date)",
               f"insert into death values {rows}")  # fmt: skip
    first = export.stage(export.file)
    in_order = export.ask("select * exclude (_source) from raw_death order by _record")
    export.sql(
        "create or replace table death as select death_date, person_id from death"
        " order by 2 desc, 1"
    )
    assert export.stage(export.file).source_id == first.source_id
    again = "select person_id, death_date, _file, _record from raw_death order by _record"
    assert export.ask(again) == in_order
    export.sql("insert into death (person_id) values (2)")
    assert export.stage(export.file).source_id != first.source_id


def test_a_table_in_two_schemas_needs_the_schema(export: Export) -> None:
    export.sql("create schema cdm", "create table cdm.person as select 1 as person_id",
               "create schema old", "create table old.person as select 2 as person_id",
               "create schema vocab",
               "create table vocab.concept as select 5 as concept_id")  # fmt: skip
    with pytest.raises(OmopFormatError, match=r"cdm\.person and old\.person are both .*--schema"):
        export.stage(export.file)
    export.stage(export.file, reading=Reading(schemas=("CDM", "vocab")))
    assert export.ask("select person_id, _file from raw_person") == [("1", "cdm.person")]
    assert export.ask("select concept_id from raw_concept") == [("5",)]
    with pytest.raises(OmopFormatError, match=r"'cmd'.*did you mean cdm"):
        export.stage(export.file, reading=Reading(schemas=("cmd",)))


def test_a_vocabulary_may_be_a_database_and_a_database_have_a_vocabulary_folder(
    export: Export, tmp_path: Path
) -> None:
    export.sql("create table concept as select 5 as concept_id, 'five' as concept_name")
    export.text("person.csv", ["person_id"], [1])
    run = export.stage(vocabulary=export.file)
    assert [entry["file"] for entry in run.description["inputs"]] == ["main.concept", "person.csv"]
    athena = tmp_path / "athena"
    athena.mkdir()
    athena.joinpath("CONCEPT.csv").write_text('concept_id\tconcept_name\n8\t6" nail\n')
    export.sql("create table person as select 1 as person_id")
    run = export.stage(export.file, vocabulary=athena)
    assert run.description["shadowed_files"] == ["main.concept"]
    assert export.ask("select concept_name from raw_concept") == [('6" nail',)]


def test_rows_that_no_sort_can_hold_are_refused_with_a_way_out() -> None:
    with (
        pytest.raises(UnreadableFileError, match=r"main\.note: .*too large.*Parquet"),
        readable("main.note"),
    ):
        raise duckdb.OutOfMemoryException("Out of Memory Error: failed to pin block")


def test_a_place_that_is_no_database_is_refused(export: Export, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    other.write_bytes(b"SQLite format 3\0 and so on")
    with pytest.raises(UnreadableFileError, match="a SQLite database"):
        export.stage(other)
    other.write_bytes(b"anything else that is long enough")
    with pytest.raises(UnreadableFileError, match="no DuckDB file"):
        export.stage(other)
    other.write_bytes(b"12345678DUCK" + b"\0" * 9000)
    with pytest.raises(UnreadableFileError, match="DuckDB cannot open it"):
        export.stage(other)


# ---------------------------------------------------------------------------------- PostgreSQL


def test_a_connection_with_a_password_is_refused_without_repeating_it(export: Export) -> None:
    for words in ("dbname=omop password=hunter2", "postgresql://me:hunter2@host/omop"):
        with pytest.raises(UsageError, match="service file") as refused:
            stage_omop(export.staging, None, postgres=words)
        assert "hunter2" not in str(refused.value)


def test_without_the_extension_it_is_said_how_to_get_it(
    export: Export, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # DuckDB keeps its extensions there
    with pytest.raises(UnreadableFileError, match=r"no postgres extension .*install postgres"):
        stage_omop(export.staging, None, postgres="service=nowhere")


def test_a_postgres_database_is_read_as_any_that_duckdb_attaches(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extension stood in for by a DuckDB file: what comes after ATTACH is the same."""
    export.sql(
        "create schema cdm", "create table cdm.person as select 2 as person_id union select 1"
    )
    monkeypatch.setattr(database_tables, "_load_postgres", lambda _: None)
    monkeypatch.setattr(
        database_tables,
        "_attach_postgres",
        lambda _, catalog: f"attach '{export.file}' as {catalog} (read_only)",
    )
    run = stage_omop(export.staging, None, postgres="service=omop user=someone")
    assert export.ask("select person_id from raw_person") == [("1",), ("2",)]
    assert "someone" not in run.path.joinpath("run.json").read_text()


def test_what_postgresql_says_is_told_without_the_words_it_was_called_with() -> None:
    said = (
        'IO Error: Unable to connect to Postgres at "service=omop user=me": connection to server at'
        ' "db" (10.0.0.1), port 5432 failed: FATAL:  role "me" does not exist\n'
    )
    assert database_tables._reason(said) == 'role "me" does not exist'
    assert database_tables._reason("something else") is None


# --------------------------------------------------------------------------- without a header


@pytest.mark.parametrize(("mark", "ending"), [("", "\n"), ("\ufeff", "\n"), ("", "\r\n")])
def test_files_without_a_header_have_the_columns_of_the_specification(
    export: Export, mark: str, ending: str
) -> None:
    lines = ["7,1,2020-01-01,2020-12-31,44814724", "8,x,2020-01-01,2020-12-31,44814724", ""]
    path = export.folder / "observation_period.csv"
    path.write_bytes((mark + ending.join(lines)).encode())
    export.text("person.csv", [1, 8507, 1960, *[""] * 15])
    run = export.validated(reading=Reading(headerless="5.4"))
    assert export.ask("select observation_period_id, person_id from observation_period") == [(7, 1)]
    assert export.ask("select file, record, line, column_name from rejected") == [
        ("observation_period.csv", 2, 2, "person_id")
    ]
    assert run.description["cdm_version"] == "5.4"
    assert run.description["settings"]["without_header"] == "5.4"


def test_the_versions_have_their_own_columns(export: Export) -> None:
    # 5.3: ..., admitting_source_value, admitting_source_concept_id, ...; 5.4 has them turned.
    cells = [
        1,
        2,
        3,
        "2020-01-01",
        "",
        "2020-01-02",
        "",
        4,
        5,
        6,
        "v",
        7,
        "src",
        8,
        "to",
        9,
        10,
        11,
        12,
    ]
    export.text("visit_detail.csv", cells)
    found: dict[CdmVersion, tuple[str, str]] = {"5.3": ("src", "8"), "5.4": ("8", "src")}
    for version, expected in found.items():
        export.stage(reading=Reading(headerless=version))
        query = "select admitted_from_source_value, admitted_from_concept_id from raw_visit_detail"
        assert export.ask(query) == [expected]


def test_another_number_of_fields_is_refused_with_both_counts(export: Export) -> None:
    export.text("observation_period.csv", [7, 1, "2020-01-01"])
    with pytest.raises(
        OmopFormatError, match=r"observation_period\.csv, line 1: 3 fields, and .*5"
    ):
        export.stage(reading=Reading(headerless="5.3"))
    export.text("observation_period.csv", [7, 1, "2020-01-01", "2020-01-02", 5])
    export.text("death.tsv", [1, "2020-01-01", "", 5, 6, "", 7], delimiter="\t")
    export.text("metadata.csv", *[[1, 2, "name", "v", 3, "2020-01-01", ""]])
    with pytest.raises(OmopFormatError, match=r"7 fields, .* 9 columns.*--cdm-version 5\.3"):
        export.stage(reading=Reading(headerless="5.4"))


def test_a_header_where_none_should_be_and_none_where_one_should_be(export: Export) -> None:
    export.text("death.csv", ["person_id", "death_date", "a", "b", "c", "d", "e"])
    with pytest.raises(OmopFormatError, match=r"names columns .*leave --no-header out"):
        export.stage(reading=Reading(headerless="5.4"))
    export.text("death.csv", [4711, "2020-01-01", "", "", "", "", ""])
    with pytest.raises(OmopFormatError, match=r"no column .*looks like a row.*--no-header") as said:
        export.stage()
    assert "4711" not in str(said.value)


def test_a_file_without_a_byte_is_a_table_without_rows_where_there_are_no_headers(
    export: Export,
) -> None:
    export.folder.joinpath("death.csv").touch()
    export.folder.joinpath("person.csv.gz").write_bytes(gzip.compress(b""))
    run = export.validated(reading=Reading(headerless="5.4"))
    assert [row["n_records"] for row in summary(run).to_pylist()] == [0, 0]
    export.text("episode.csv", [1])
    with pytest.raises(OmopFormatError, match=r"CDM 5\.3 has no table episode"):
        export.stage(reading=Reading(headerless="5.3"))
    export.sql("create table person as select 1 as person_id")
    with pytest.raises(UsageError, match="a database names its columns"):
        export.stage(export.file, reading=Reading(headerless="5.3"))


# ------------------------------------------------------------------- what is left out, and said


def test_a_nearly_right_name_is_said_and_may_be_refused(export: Export) -> None:
    export.parquet("person.parquet", PERSONS)
    export.parquet("deaths.parquet", DEATHS)
    export.parquet("conditions_occurrence/part.parquet", DEATHS)
    export.parquet("other/part.parquet", DEATHS)
    run = export.stage()
    assert run.description["nearest_tables"] == {
        "conditions_occurrence/": "condition_occurrence",
        "deaths.parquet": "death",
    }
    said = next(left_out(run))
    assert "deaths.parquet (nearly death)" in said
    with pytest.raises(OmopFormatError, match=r"conditions_occurrence/ is no OMOP table"):
        export.stage(reading=Reading(strict_files=True))
    assert not list(left_out(run.__class__(run.name, run.path, {"nearest_tables": {}})))


@pytest.mark.parametrize("name", ["death.csv.bz2", "DEATH.json", "death.csv ", "death.csv.gzip"])
def test_a_table_in_a_file_that_is_not_read_is_said(export: Export, name: str) -> None:
    export.parquet("person.parquet", PERSONS)
    export.folder.joinpath(name).write_bytes(b"...")
    export.folder.joinpath("person.parquet.md5").write_bytes(b"...")
    assert export.stage().description["nearest_tables"] == {name: "death"}
    with pytest.raises(OmopFormatError, match=r"nearly death .*\.gz, or in \.parquet"):
        export.stage(reading=Reading(strict_files=True))
    export.parquet("death.parquet", DEATHS)
    assert export.stage(reading=Reading(strict_files=True)).description["nearest_tables"] == {}


def test_a_column_that_is_joined_otherwise_is_said(export: Export) -> None:
    lines = "person_id,year of birth,month.of-birth,Day\n1,1950,2,3\n"
    export.folder.joinpath("person.csv").write_text(lines, encoding="utf-8")
    assert export.stage().description["nearest_columns"] == {
        "person.csv": {"year of birth": "year_of_birth", "month.of-birth": "month_of_birth"}
    }


def test_an_unreadable_table_refuses_unless_it_is_skipped(export: Export) -> None:
    export.parquet("person.parquet", PERSONS)
    export.folder.joinpath("death.csv").write_bytes(b"\x1f\x8b damaged")
    with pytest.raises(InputError, match="--skip-table death stages the others"):
        export.stage()
    run = export.validated(reading=Reading(skip=frozenset({"death"})))
    assert [row["table_name"] for row in summary(run).to_pylist()] == ["person"]
    assert run.description["skipped_tables"] == ["death"]
    assert run.description["settings"]["skipped"] == ["death"]
    assert "skip death" in export.said
    with pytest.raises(UsageError, match=r"no table 'deth' to skip .*did you mean death"):
        Reading(skip=frozenset({"deth"}))
    with pytest.raises(UsageError, match="no table note to skip"):
        export.stage(reading=Reading(skip=frozenset({"note"})))
    with pytest.raises(UsageError, match="every table is skipped"):
        export.stage(reading=Reading(skip=frozenset({"death", "person"})))
