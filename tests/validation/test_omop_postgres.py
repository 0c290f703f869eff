"""A real PostgreSQL server, read as a source: the rows that ``psql`` exports as CSV, and no others.

Needs the server's programs and DuckDB's ``postgres`` extension of the DuckDB that is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from precisionchain.errors import UnreadableFileError
from precisionchain.ingest.omop_reading import Reading
from precisionchain.ingest.stage_omop import stage_omop
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.validate import validate_omop

PASSWORD = "only-in-pgpass"
TABLES = {
    "person": "person_id",
    "condition_occurrence": "condition_occurrence_id",
    "measurement": "measurement_id",
    "death": "person_id, death_date",
}
SCHEMA = """
create schema cdm;
create table cdm.person (person_id bigint primary key, gender_concept_id integer,
  year_of_birth numeric(4), birth_datetime timestamp, race_concept_id numeric,
  person_source_value varchar(50));
insert into cdm.person select 100000 - n, 8507, 1950 + n % 60,
  timestamp '1950-01-01' + n * interval '1 day 1 second', 8527, 'p ' || n || E'\\nx'
  from generate_series(1, 5000) n;
create table cdm.condition_occurrence (condition_occurrence_id serial, person_id bigint,
  condition_concept_id integer, condition_start_date date, condition_end_date date);
insert into cdm.condition_occurrence (person_id, condition_concept_id, condition_start_date)
  select 95000 + n % 6000, 201826, date '2000-01-01' + n % 9000 from generate_series(1, 30000) n;
create table cdm.measurement (measurement_id bigint, person_id bigint,
  measurement_concept_id integer, measurement_date date, value_as_number double precision,
  range_low real, range_high numeric(12, 4));
insert into cdm.measurement select n, 95000, 3004249, date '2001-02-03', n / 7.0, n / 3.0, n / 9.0
  from generate_series(1, 20000) n;
create view cdm.death as select person_id, date '2020-01-01' + (person_id % 300)::int as death_date
  from cdm.person where person_id % 7 = 0;
create table cdm.etl_log (at timestamptz, said jsonb);
"""


@dataclass(frozen=True)
class Server:
    """A server of our own."""

    home: Path
    words: str

    def psql(self, *commands: str) -> None:
        options = [option for command in commands for option in ("-c", command)]
        subprocess.run(["psql", "-v", "ON_ERROR_STOP=1", "-q", self.words, *options], check=True)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs or shutil.which("psql") is None:
        pytest.skip("no PostgreSQL server is installed here")
    try:
        with duckdb.connect(config={"autoinstall_known_extensions": False}) as database:
            database.execute("load postgres")
    except duckdb.Error:
        pytest.skip(f"DuckDB {duckdb.__version__} has no postgres extension here")
    initdb = programs[-1]
    with tempfile.TemporaryDirectory(prefix="pg") as name, pytest.MonkeyPatch.context() as patch:
        home = Path(name)
        (home / "password").write_text(PASSWORD)
        as_owner = []
        if os.geteuid() == 0:  # which the server refuses to be run as
            shutil.chown(home, "postgres")
            shutil.chown(home / "password", "postgres")
            home.chmod(0o755)
            as_owner = ["runuser", "-u", "postgres", "--"]
        data = home / "data"
        made = [initdb, "-D", data, "-U", "omop", "-A", "scram-sha-256"]
        made += [f"--pwfile={home / 'password'}"]
        quiet = {"stdout": subprocess.DEVNULL, "cwd": home}
        subprocess.run([*as_owner, *made], check=True, **quiet)  # type: ignore[call-overload]
        options = f"-c listen_addresses='' -c unix_socket_directories='{home}'"
        control = [*as_owner, initdb.with_name("pg_ctl"), "-D", data, "-w"]
        log = ["-l", home / "log", "-o", options]
        subprocess.run([*control, *log, "start"], check=True, **quiet)  # type: ignore[call-overload]
        passes = home / "pgpass"
        passes.write_text(f"*:*:*:*:{PASSWORD}\n")
        passes.chmod(0o600)
        patch.setenv("PGPASSFILE", str(passes))
        try:
            served = Server(home, f"host={home} user=omop dbname=postgres")
            served.psql(SCHEMA)
            yield served
        finally:
            stop = [*control, "-m", "immediate", "stop"]
            subprocess.run(stop, check=True, **quiet)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def staged(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The database, and what psql exports of it."""
    root = tmp_path_factory.mktemp("sites")
    folder = root / "csv"
    folder.mkdir()
    for table, order in TABLES.items():
        rows = f"select * from cdm.{table} order by {order}"
        server.psql(f"\\copy ({rows}) to '{folder}/{table}.csv' csv header")
    runs = {}
    for name in ("csv", "postgres"):
        staging = Staging.open(root / name / "staging")
        staging.directory.parent.mkdir(exist_ok=True)
        run = (
            stage_omop(staging, folder)
            if name == "csv"
            else stage_omop(staging, None, postgres=server.words)
        )
        runs[name] = validate_omop(staging, run)
    return runs


@pytest.mark.parametrize("table", TABLES)
def test_rows_and_their_numbers_are_those_of_psql_s_csv(staged: dict[str, Run], table: str) -> None:
    files = {
        name: f"read_parquet('{run.path}/accepted/{table}.parquet')" for name, run in staged.items()
    }
    with duckdb.connect() as database:
        columns = "* exclude (_file)"
        for left, right in (("csv", "postgres"), ("postgres", "csv")):
            query = f"select {columns} from {files[left]} except all select {columns} from"
            assert database.execute(f"{query} {files[right]}").fetchall() == []
        counted = database.execute(f"select count(*) from {files['postgres']}").fetchall()[0][0]
    assert counted > 500


def test_rejects_are_the_same_and_stand_on_no_line(staged: dict[str, Run]) -> None:
    found = {}
    with duckdb.connect() as database:
        for name, run in staged.items():
            file = f"read_parquet('{run.path}/rejected.parquet')"
            query = f"select table_name, rule, record, column_name from {file} order by all"
            found[name] = database.execute(query).fetchall()
        lines = database.execute(
            f"select count(line) from read_parquet('{staged['postgres'].path}/rejected.parquet')"
        ).fetchall()
    assert found["csv"] == found["postgres"]
    assert len(found["csv"]) == 5_000
    assert lines == [(0,)]


def test_the_same_database_again_is_the_same_source(server: Server, tmp_path: Path) -> None:
    staging = Staging.open(tmp_path / "staging")
    reading = Reading(schemas=("cdm",))
    first = stage_omop(staging, None, postgres=server.words, reading=reading)
    # Rows that are written anew lie elsewhere in a table.
    server.psql("update cdm.measurement set range_low = range_low where measurement_id % 3 = 0")
    assert stage_omop(staging, None, postgres=server.words, reading=reading).source_id == (
        first.source_id
    )
    server.psql("update cdm.measurement set range_low = 5 where measurement_id = 7")
    assert stage_omop(staging, None, postgres=server.words, reading=reading).source_id != (
        first.source_id
    )
    assert first.description["unrecognised_files"] == ["cdm.etl_log"]


def test_no_password_and_no_connection_is_left_anywhere(
    staged: dict[str, Run], server: Server
) -> None:
    said = staged["postgres"].path.joinpath("run.json").read_text()
    assert PASSWORD not in said
    assert str(server.home) not in said


def test_a_refused_login_says_why(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = Staging.open(tmp_path / "staging")
    monkeypatch.setenv("PGPASSWORD", "wrong-one")
    with pytest.raises(UnreadableFileError, match="password authentication failed") as refused:
        stage_omop(staging, None, postgres=server.words)
    assert "wrong-one" not in str(refused.value)
    with pytest.raises(UnreadableFileError, match="refuses"):
        stage_omop(staging, None, postgres="host=/nowhere dbname=none")
    assert staging.runs() == []
