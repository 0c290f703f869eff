"""Every command as a user types it: exit code, stdout (answers), stderr (progress), JSON lines.

The commands run through the command line's own entry point in this process; a few in one of their
own, to see that the installed program does the same.
"""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from precisionchain.cli.app import main
from precisionchain.schemas.omop import TABLES
from tests.lib.omop_builder import write_omop
from tests.lib.vcf_builder import write_map, write_vcf

# Nobody has 60, 22098574 is listed with two carriers, and 9:200 has two alternate alleles.
OMOP = """
    person
    id | gender_concept_id | year_of_birth | person_source_value
    7  | 8507              | 1950          | MRN-7
    -8 | 8532              | 1960          | MRN-8
    9  | 8532              | 1970          | MRN-9

    condition_occurrence
    id | person | concept | start      | condition_source_value
    1  | 7      | 201826  | 2015-03-02 | E11
    2  | 7      | 201820  | 2016-01-01 | E14
    3  | -8     | 201826  | 2016-06-30 | E11
    4  | 9      | 201826  | 2016-02-30 | E11

    measurement
    id | person | concept | start      | value_as_number
    1  | 7      | 3004410 | 2015-03-02 | 6.5
    """
VOCABULARY = """
    concept
    id     | concept_name             | domain_id | standard_concept
    201820 | Diabetes mellitus        | Condition | S
    201826 | Type 2 diabetes mellitus | Condition | S

    concept_ancestor
    ancestor | descendant | levels
    201820   | 201826     | 1
    201820   | 201820     | 0
    201826   | 201826     | 0
    """
RECORDS = (
    "9:200 C T,G 1/2 0/0 ./.",
    "9:22098574 A G 0|1 1|1 0/0",
    "9:22098600 T C 0/0 0/0 0/1",
    "X:5000000 G A 1 0/1 0/1",
)
MAPPED = ("S7,7,M", "S8,-8,F", "S9,9,F")
LATER = ("9:22098574 A G 0/0 0/1",)


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Stdout as JSON lines, each an object."""
        rows = [json.loads(line) for line in self.out.splitlines()]
        assert all(isinstance(row, dict) for row in rows)
        return rows


def run(command: str) -> Done:
    """Run a command line as it is typed."""
    out, err = io.StringIO(), io.StringIO()
    words = ["precisionchain", *shlex.split(command, comments=True)]
    with mock.patch.object(sys, "argv", words), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
            code: Any = 0
        except SystemExit as ended:
            code = ended.code or 0
    return Done(int(code), out.getvalue(), err.getvalue())


def ok(command: str) -> Done:
    done = run(command)
    assert done.code == 0, done.err
    return done


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder the commands are typed in, with the files they name and a site made by them."""
    folder = tmp_path_factory.mktemp("typed")
    write_omop(folder / "omop", OMOP)
    write_omop(folder / "athena", VOCABULARY)
    write_vcf(folder / "first.vcf.gz", *RECORDS, samples=("S7", "S8", "S9"))
    write_map(folder / "map.csv", *MAPPED)
    write_vcf(folder / "later.vcf", *LATER, samples=("S11", "S12"))
    write_map(folder / "later.csv", "S11,11,M", "S12,12,F")
    (folder / "ancestors.csv").write_text("domain,concept_id\nCONDITION,201820\n")
    with chdir(folder):
        yield folder


@pytest.fixture(scope="module")
def typed(folder: Path) -> dict[str, Done]:
    """The commands that fill a site, in the order of the issue."""
    return {
        "init": ok("init site_a --site A --build GRCh37 --ancestors ancestors.csv"),
        "ingest omop": ok("-C site_a ingest omop omop --vocabulary athena --source ehr"),
        "ingest vcf": ok(
            "-C site_a ingest vcf first.vcf.gz --samples map.csv --build GRCh37"
            " --assay sites --qc none --json"
        ),
        "sync": ok("-C site_a sync"),
    }


@pytest.fixture
def site(typed: dict[str, Done]) -> str:
    """A filled site, as ``-C`` names it."""
    return "-C site_a"


# --------------------------------------------------------------------------------------- filling


def test_init_makes_a_site_folder(typed: dict[str, Done], folder: Path) -> None:
    assert typed["init"].out == ""
    site = folder / "site_a"
    assert {"precisionchain.toml", "ledger.sqlite", "keys"} <= {p.name for p in site.iterdir()}
    assert (site / "keys").stat().st_mode & 0o777 == 0o700
    assert all(key.stat().st_mode & 0o777 == 0o600 for key in (site / "keys").iterdir())


def test_init_puts_the_ledger_where_it_is_told(folder: Path) -> None:
    ok("init site_l --site L --ledger embedded:elsewhere.sqlite")
    assert (folder / "site_l" / "elsewhere.sqlite").is_file()
    assert not (folder / "site_l" / "ledger.sqlite").exists()
    ok("-C site_l sync")
    assert ok("-C site_l query maf 0-0.5 --json").rows == []


def test_ingest_says_what_became_of_the_rows_and_its_progress_on_stderr(
    typed: dict[str, Done],
) -> None:
    done = typed["ingest omop"]
    (line,) = done.out.splitlines()
    assert line.startswith("source ehr: ")
    for word in ("accepted", "1 rejected", "sealed batch"):
        assert word in line
    for step in ("stage condition_occurrence", "validate condition_occurrence", "publish"):
        assert step in done.err


def test_ingest_in_json_is_one_object(typed: dict[str, Done]) -> None:
    (row,) = typed["ingest vcf"].rows
    assert {"source", "batch", "items", "new_items", "ledger_bytes"} <= set(row)
    assert row["new_items"] == row["items"] > 0
    for step in ("staging genotypes", "publish"):
        assert step in typed["ingest vcf"].err


def test_the_same_source_again_publishes_nothing(site: str) -> None:
    (row,) = ok(f"{site} ingest omop omop --vocabulary athena --source ehr --json").rows
    assert row["new_items"] == 0


def test_quiet_says_nothing_on_stderr(site: str) -> None:
    assert ok(f"-q {site} sync").err == ""


# ------------------------------------------------------------------------------------- questions


def test_query_domain(site: str) -> None:
    rows = ok(f"{site} query domain 201820 --json").rows
    assert sorted(row["condition_occurrence_id"] for row in rows) == [1, 2, 3]
    assert rows[0] == {
        "site": "A",
        "person_id": rows[0]["person_id"],
        "table": "condition_occurrence",
        "condition_occurrence_id": rows[0]["condition_occurrence_id"],
        "condition_concept_id": rows[0]["condition_concept_id"],
        "condition_start_date": rows[0]["condition_start_date"],
    }
    (row,) = [row for row in rows if row["person_id"] == -8]
    assert row["condition_start_date"] == "2016-06-30"


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ("", [1, 2, 3]),
        ("--no-descendants", [2]),
        ("--since 2016-01-01", [2, 3]),
        ("--until 2015-03-02", [1]),
        ("--since 2015-03-03 --until 2016-06-29", [2]),
        ("--table condition_occurrence", [1, 2, 3]),
        ("--table condition --since 2016-06-30", [3]),
        ("--table measurement", []),
    ],
)
def test_query_domain_options(site: str, options: str, ids: list[int]) -> None:
    rows = ok(f"{site} query domain 201820 {options} --json").rows
    assert sorted(row["condition_occurrence_id"] for row in rows) == ids


def test_query_person(site: str) -> None:
    rows = ok(f"{site} query person A:7 --json").rows
    by_table = {row["table"]: row for row in rows}
    assert sorted(by_table) == ["condition_occurrence", "measurement", "person"]
    assert by_table["measurement"] == {
        "site": "A",
        "person_id": 7,
        "table": "measurement",
        "measurement_id": 1,
        "measurement_concept_id": 3004410,
        "measurement_date": "2015-03-02",
        "value_as_number": 6.5,
    }
    assert by_table["person"]["year_of_birth"] == 1950
    for row in rows:
        columns = set(row) - {"site", "person_id", "table"}
        assert columns <= set(TABLES[row["table"]].published_columns)
    assert ok(f"{site} query person 7 --json").rows == rows


def test_query_person_of_one_table_and_of_negative_ids(site: str) -> None:
    rows = ok(f"{site} query person A:7 --table measurement --json").rows
    assert [row["table"] for row in rows] == ["measurement"]
    by_name = ok(f"{site} query person A:-8 --json").rows
    assert {row["person_id"] for row in by_name} == {-8}
    assert ok(f"{site} query person --json -- -8").rows == by_name


def without_batch(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    assert all(row.pop("batch", "") for row in rows if row["genotype"] != "not_assayed")
    return sorted(rows, key=lambda row: int(row["person_id"]))


def test_query_variant(site: str) -> None:
    """Carriers by default; a genotype that is a number is a number, a phase is as in the VCF."""
    rows = ok(f"{site} query variant 9:22098574:A:G --json").rows
    assert without_batch(rows) == [
        {"site": "A", "person_id": -8, "genotype": 2, "ploidy": 2, "phase": "1|1"},
        {"site": "A", "person_id": 7, "genotype": 1, "ploidy": 2, "phase": "0|1"},
    ]
    rows = ok(f"{site} query variant X:5000000:G:A --genotype 1 --json").rows
    assert [(row["person_id"], row["ploidy"]) for row in without_batch(rows)] == [
        (-8, 2),
        (7, 1),
        (9, 2),
    ]


@pytest.mark.parametrize(
    ("variant", "genotype", "persons"),
    [
        ("9:22098574:A:G", "0", [9]),
        ("9:22098574:A:G", "1", [7]),
        ("9:22098574:A:G", "2", [-8]),
        ("9:22098574:A:G", "missing", []),
        ("9:200:C:T", "1", [7]),
        ("9:200:C:G", "1", [7]),
        ("9:200:C:T", "missing", [9]),
        ("chr9:200:C:T", "0", [-8]),
        ("9:12345:A:G", "not_assayed", [-8, 7, 9]),
        ("9:12345:A:G", "0", []),
    ],
)
def test_query_variant_by_genotype(
    site: str, variant: str, genotype: str, persons: list[int]
) -> None:
    rows = ok(f"{site} query variant {variant} --genotype {genotype} --json").rows
    assert sorted(row["person_id"] for row in rows) == persons
    shown = int(genotype) if genotype.isdigit() else genotype
    assert all(row["genotype"] == shown for row in rows)


def test_query_variant_of_several_genotypes(site: str) -> None:
    rows = ok(f"{site} query variant 9:22098574:A:G --genotype 0 --genotype 2 --json").rows
    assert sorted((row["person_id"], row["genotype"]) for row in rows) == [(-8, 2), (9, 0)]


def test_query_person_variants(site: str) -> None:
    rows = ok(f"{site} query person-variants A:7 --json").rows
    found = [(row["chrom"], row["pos"], row["ref"], row["alt"], row["genotype"]) for row in rows]
    assert found == [
        ("9", 200, "C", "G", 1),
        ("9", 200, "C", "T", 1),
        ("9", 22098574, "A", "G", 1),
        ("X", 5000000, "G", "A", 1),
    ]
    assert rows[2] == {
        "site": "A",
        "person_id": 7,
        "chrom": "9",
        "pos": 22098574,
        "ref": "A",
        "alt": "G",
        "genotype": 1,
        "ploidy": 2,
        "phase": "0|1",
    }
    assert rows[3]["ploidy"] == 1


@pytest.mark.parametrize(
    ("options", "positions"),
    [
        ("9:22000000-22130000", [22098574]),
        ("9:200-200", [200, 200]),
        ("X", [5000000]),
        ("22", []),
        ("--maf 0.5-0.5", [22098574]),
        ("9 --maf 0.25-0.25", [200, 200]),
        ("9 --maf 0-0.1", []),
    ],
)
def test_query_person_variants_options(site: str, options: str, positions: list[int]) -> None:
    rows = ok(f"{site} query person-variants A:7 {options} --json").rows
    assert [row["pos"] for row in rows] == positions


def test_query_maf(site: str) -> None:
    rows = ok(f"{site} query maf 0-0.5 --json").rows
    found = {(row["chrom"], row["pos"], row["alt"]): row for row in rows}
    expected = {  # ac, an: two alleles a person, one of a man on X, none where nothing is called
        ("9", 200, "T"): (1, 4),
        ("9", 200, "G"): (1, 4),
        ("9", 22098574, "G"): (3, 6),
        ("9", 22098600, "C"): (1, 6),
        ("X", 5000000, "A"): (3, 5),
    }
    assert {key: (row["ac"], row["an"]) for key, row in found.items()} == expected
    for row in rows:
        assert set(row) == {"chrom", "pos", "ref", "alt", "ac", "an", "af", "maf", "batches"}
        assert row["af"] == pytest.approx(row["ac"] / row["an"])
        assert row["maf"] == pytest.approx(min(row["ac"], row["an"] - row["ac"]) / row["an"])
        assert row["batches"] == 1


@pytest.mark.parametrize(
    ("options", "positions"),
    [
        ("0.25-0.4", [200, 200, 5000000]),
        ("0.4-0.4", [5000000]),
        ("0.41-0.49", []),
        ("0-0.5 --region 9:1-300", [200, 200]),
        ("0-0.5 --region X", [5000000]),
    ],
)
def test_query_maf_ranges_are_closed(site: str, options: str, positions: list[int]) -> None:
    rows = ok(f"{site} query maf {options} --json").rows
    assert [row["pos"] for row in rows] == positions


def test_a_second_batch_of_other_persons_adds_to_the_counts(folder: Path) -> None:
    ok("init site_two --site A --build GRCh37")
    ok("-C site_two ingest vcf first.vcf.gz --samples map.csv --build GRCh37 --source first")
    ok("-C site_two ingest vcf later.vcf --samples later.csv --build GRCh37 --source later")
    rows = ok("-C site_two query maf 0-0.5 --region 9:22098574-22098574 --json").rows
    assert [(row["ac"], row["an"], row["batches"]) for row in rows] == [(4, 10, 2)]
    carriers = ok("-C site_two query variant 9:22098574:A:G --json").rows
    assert sorted(row["person_id"] for row in carriers) == [-8, 7, 12]
    assert len({row["batch"] for row in carriers}) == 2


# ------------------------------------------------------------------------------ staging and sql


def test_sql(site: str) -> None:
    """Staging holds what never leaves, source values too; it is the site's own."""
    command = f'{site} sql "select person_id, person_source_value from person order by 1" --json'
    assert ok(command).rows == [
        {"person_id": -8, "person_source_value": "MRN-8"},
        {"person_id": 7, "person_source_value": "MRN-7"},
        {"person_id": 9, "person_source_value": "MRN-9"},
    ]
    rejected = ok(
        f'{site} sql "select table_name, rule, record, line from rejected group by all" --json'
    )
    assert rejected.rows == [
        {"table_name": "condition_occurrence", "rule": "type:Date", "record": 4, "line": 5}
    ]
    table = ok(f'{site} sql "select count(*) as persons from person"').out
    assert table.split()[:2] == ["persons", "3"]


def test_sql_is_read_only(site: str) -> None:
    for statement in ("delete from person", "select 1; select 2", "attach 'x.db'", "selec 1"):
        done = run(f'{site} sql "{statement}"')
        assert done.code == 2
        assert done.out == ""
        assert done.err.startswith("error: ")


def test_a_source_in_steps(folder: Path) -> None:
    """Stage, look, validate, see what would leave, publish."""
    ok("init site_steps --site S --build GRCh37")
    site = "-C site_steps"
    staged = ok(f"{site} stage omop omop --vocabulary athena --source ehr")
    assert "000001-omop" in staged.out
    assert "stage person" in staged.err
    assert ok(f'{site} sql "select count(*) as n from raw_person" --json').rows == [{"n": 3}]
    refused = run(f"{site} publish")
    assert (refused.code, refused.out) == (3, "")
    assert "validate" in refused.err
    tables = ok(f"{site} validate --json").rows
    (condition,) = [row for row in tables if row["table_name"] == "condition_occurrence"]
    assert condition == {
        "table_name": "condition_occurrence",
        "file": "condition_occurrence.csv",
        "n_records": 4,
        "n_accepted": 3,
        "n_rejected": 1,
    }
    dry = ok(f"{site} publish --dry-run --json").rows
    (condition,) = [row for row in dry if row["table"] == "condition_occurrence" and "new" in row]
    counts = {"new": 3, "changed": 0, "gone": 0, "unchanged": 0, "withheld": 0}
    assert condition == {"source": "ehr", "table": "condition_occurrence", **counts}
    columns = [row for row in dry if row["table"] == "person" and "column" in row]
    leaves = {row["column"]: row["leaves"] for row in columns}
    assert leaves == {
        "person_id": True,
        "gender_concept_id": True,
        "year_of_birth": True,
        "person_source_value": False,
    }
    assert run(f"{site} query domain 201826 --json").code == 2  # nothing is published yet
    (published,) = ok(f"{site} publish --json").rows
    assert published["new_items"] > 0
    assert len(ok(f"{site} query domain 201820 --json").rows) == 3
    staged = ok(f"{site} stage vcf first.vcf.gz --samples map.csv --build GRCh37")
    assert "000002-vcf" in staged.out
    ok(f"{site} publish")
    assert len(ok(f"{site} query variant 9:22098574:A:G --json").rows) == 2


def test_sync(site: str) -> None:
    (row,) = ok(f"{site} sync --json").rows
    assert {"position", "generation", "unpacked", "withdrawn", "incomplete"} <= set(row)
    assert row["unpacked"] == 0


# ---------------------------------------------------------------------------- audit and verify


def test_audit_entries(site: str) -> None:
    ok(f"{site} query domain 201826 --since 2016-01-01 --json")
    run(f"{site} query domain 999999")
    request, result, asked, refused = ok(f"{site} audit entries --json").rows[-5:-1]
    assert (request["kind"], result["kind"]) == ("request", "result")
    assert request["user"] == result["user"] == "admin@A"
    assert request["operation"] == result["operation"] == "domain"
    assert request["question"] == {
        "concept": 201826,
        "table": None,
        "since": "2016-01-01",
        "until": None,
        "descendants": True,
    }
    assert result["rows"] == 1
    assert (result["n_persons_returned"], result["n_persons_contributed"]) == (1, 0)
    assert len(result["digest"]) == 64
    assert request["entry"] < result["entry"] < asked["entry"] < refused["entry"]
    assert request["time"] <= result["time"]
    assert (asked["kind"], refused["kind"]) == ("request", "refused")
    assert refused["error"] == "UnknownConceptError"


def test_audit_entries_options(site: str) -> None:
    everything = ok(f"{site} audit entries --json").rows
    assert {row["user"] for row in everything} == {"admin@A"}
    assert ok(f"{site} audit entries --user nobody@A --json").rows == []
    assert ok(f"{site} audit entries --since 2999-01-01 --json").rows == []
    again = ok(f"{site} audit entries --user admin@A --since 2020-01-01 --json").rows
    entries = [row["entry"] for row in everything]
    assert [row["entry"] for row in again][: len(entries)] == entries


def test_audit_who_saw(site: str) -> None:
    ok(f"{site} query person A:9 --json")
    rows = ok(f"{site} audit who-saw A:9 --json").rows
    last = rows[-1]
    assert (last["user"], last["operation"], last["how"]) == ("admin@A", "person", "returned")
    ok(f"{site} query variant 9:22098600:T:C --json")
    rows = ok(f"{site} audit who-saw 9:22098600:T:C --json").rows
    assert rows[-1]["operation"] == "variant"
    assert ok(f"{site} audit who-saw A:123456 --json").rows == []


def test_audit_seen_by(site: str) -> None:
    ok(f"{site} query person A:-8 --json")
    rows = ok(f"{site} audit seen-by admin@A --json").rows
    seen = [row for row in rows if row["operation"] == "person"][-1]
    assert seen["persons_returned"] == ["A:-8"]
    assert ok(f"{site} audit seen-by nobody@A --json").rows == []


def test_verify(site: str) -> None:
    rows = ok(f"{site} verify --json").rows
    assert len(rows) >= 5
    assert all(row["ok"] is True for row in rows), rows
    assert {"check", "ok"} <= set(rows[0])
    done = ok(f"{site} verify")
    assert "not checkable" in done.out  # what a clean run does not prove


def test_verify_of_a_damaged_ledger_fails(folder: Path) -> None:
    ok("init site_bad --site A")
    ok("-C site_bad ingest omop omop")
    ledger = folder / "site_bad" / "ledger.sqlite"
    content = bytearray(ledger.read_bytes())
    at = content.rindex(b"PCI1") + 200
    content[at] ^= 1
    ledger.write_bytes(content)
    done = run("-C site_bad verify --json")
    assert done.code == 8
    assert not all(row["ok"] for row in done.rows)


# ----------------------------------------------------------------------------------- every command


QUESTIONS = (
    "query domain 201820",
    "query person A:7",
    "query variant 9:22098574:A:G",
    "query person-variants A:7",
    "query maf 0-0.5",
    "audit entries",
    "audit who-saw A:7",
    "audit seen-by admin@A",
    "sql 'select * from person'",
    "sync",
    "verify",
)


@pytest.mark.parametrize("command", QUESTIONS)
def test_without_json_a_person_reads_a_table(site: str, command: str) -> None:
    done = ok(f"{site} {command}")
    assert done.out.strip()
    assert not done.out.lstrip().startswith("{")


@pytest.mark.parametrize("command", QUESTIONS)
def test_with_json_stdout_is_json_lines_and_nothing_else(site: str, command: str) -> None:
    done = ok(f"{site} {command} --json")
    assert done.rows
    assert all(None not in row.values() for row in done.rows if row.get("question") is None)


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("query domain 999999", 2, "999999"),
        ("query domain gout", 2, "concept"),
        ("query domain 201826 --since yesterday", 2, "yesterday"),
        ("query domain 201826 --table planets", 2, "planets"),
        ("query person A:12345", 2, "A"),
        ("query person forty-two", 2, "person"),
        ("query variant 9:22098574", 2, "9:22098574"),
        ("query variant 9:22098574:A:G --genotype 3", 2, "genotype"),
        ("query person-variants A:7 9:5-1", 2, "9:5-1"),
        ("query maf 0.6-0.7", 2, "0.5"),
        ("query maf 0.1", 2, "0.1"),
        ("audit who-saw nobody", 2, "person"),
        ("ingest omop absent", 4, "absent"),
        ("ingest vcf first.vcf.gz --samples map.csv", 2, "build"),
        ("frobnicate", 2, "frobnicate"),
    ],
)
def test_what_cannot_be_answered_says_why_on_stderr(
    site: str, command: str, code: int, says: str
) -> None:
    done = run(f"{site} {command}")
    assert done.code == code
    assert done.out == ""
    assert says in done.err
    assert "Traceback" not in done.err


def test_the_folder_is_the_current_one_unless_named(site: str, folder: Path) -> None:
    named = ok("-C site_a query domain 201826 --json")
    with chdir(folder / "site_a"):
        assert ok("query domain 201826 --json").rows == named.rows
    assert run("query domain 201826").code == 3


def test_the_installed_program_does_the_same(site: str, folder: Path) -> None:
    program = Path(sys.executable).with_name("precisionchain")
    words = ["-C", "site_a", "query", "domain", "201826", "--json"]
    for command in ([str(program)], [sys.executable, "-m", "precisionchain"]):
        done = subprocess.run([*command, *words], capture_output=True, text=True, check=True)
        assert done.stdout == ok("-C site_a query domain 201826 --json").out
        assert done.stderr == ""
    version = subprocess.run(
        [str(program), "--version"], capture_output=True, text=True, check=True
    )
    assert version.stdout.startswith("precisionchain ")
