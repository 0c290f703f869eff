"""``export`` as a user types it, and the commands of the how-to page as they stand there."""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import polars as pl
import pytest

import precisionchain as pc
from tests.functional.test_cli import ok, run
from tests.lib.omop_builder import write_omop
from tests.lib.vcf_builder import write_map, write_vcf

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "export.md"
OMOP = """
    observation_period
    id | person | start      | end
    1  | 42     | 2010-01-01 | 2012-12-31
    2  | 43     | 2015-06-01 | 2020-06-30

    condition_occurrence
    id | person | concept
    1  | 42     | 201826
    2  | 43     | 201826

    measurement
    id | person | concept
    1  | 44     | 3004410
    """
RECORDS = (
    "9:22000100 A G 0|1 1/1 ./.",
    "9:22000200 C T,G 1/2 0/0 0/2",
    "9:30000000 T C 0/1 0/0 0/0",
)


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a filled site in it, where commands are typed."""
    folder = tmp_path_factory.mktemp("exports")
    site = pc.Site.init(folder / "site_a", site="A", build="GRCh37")
    site.ingest_omop(write_omop(folder / "omop", OMOP), source="ehr")
    write_vcf(folder / "x.vcf", *RECORDS, samples=("a", "b", "c"))
    mapped = write_map(folder / "map.csv", "a,42,M", "b,43,F", "c,45,F")
    site.ingest_vcf([folder / "x.vcf"], samples=mapped, build="GRCh37", qc="none")
    with chdir(folder):
        yield folder


@pytest.fixture
def cohort() -> str:
    """The name of a saved cohort."""
    ok("-C site_a cohort 'condition(201826)' --save test --overwrite")
    return "test"


def typed() -> list[str]:
    """The page's own commands; those of other programs are theirs."""
    blocks = re.findall(
        r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    lines = [line for block in blocks for line in block.splitlines()]
    return [line.removeprefix("precisionchain ") for line in lines if line.startswith("precision")]


def test_the_how_to_works_as_it_is_typed(folder: Path) -> None:
    commands = typed()
    assert len(commands) == 10
    for command in commands:
        ok(command)
        words = shlex.split(command)
        if "--output" in words:
            output = folder / words[words.index("--output") + 1]
            assert (
                output.exists()
                or output.with_name(f"{output.name}.fam").exists()
                or (output.with_name(f"{output.name}.psam").exists())
            )


def test_a_cohort_is_rows_for_any_format(cohort: str, folder: Path) -> None:
    command = f"-C site_a export cohort {cohort} --definition-id 7"
    assert ok(f"{command} --json").rows == [
        {
            "cohort_definition_id": 7,
            "subject_id": person,
            "cohort_start_date": start,
            "cohort_end_date": end,
        }
        for person, start, end in (
            (42, "2010-01-01", "2012-12-31"),
            (43, "2015-06-01", "2020-06-30"),
        )
    ]
    ok(f"{command} --output rows.csv")
    with (folder / "rows.csv").open(encoding="utf-8", newline="") as file:
        assert [row["subject_id"] for row in csv.DictReader(file)] == ["42", "43"]


def test_members_never_observed_are_refused_by_number_or_left_out_and_said(folder: Path) -> None:
    ok("-C site_a cohort 'condition(201826) | measurement(3004410)' --save wide --overwrite")
    command = "-C site_a export cohort wide --definition-id 7"
    refused = run(f"{command} --output wide.csv")
    assert (refused.code, refused.out) == (2, "")
    assert "1 of the 3 persons" in refused.err
    assert not (folder / "wide.csv").exists()
    done = ok(f"{command} --skip-unobserved --output wide.csv")
    assert "1 persons without an observation period left out" in done.err


def test_genotypes_of_a_cohort_say_what_was_written(cohort: str, folder: Path) -> None:
    (said,) = ok(
        f"-C site_a export genotypes 9:22000000-23000000 --cohort {cohort} --output c.vcf --json"
    ).rows
    assert (said["form"], said["files"]) == ("vcf", ["c.vcf"])
    assert (said["persons"], said["alleles"], said["called"], said["missing"]) == (2, 3, 6, 0)
    lines = (folder / "c.vcf").read_text(encoding="utf-8").splitlines()
    assert lines[-3:] == [
        "9\t22000100\t.\tA\tG\t.\t.\tAC=3;AN=4\tGT\t0|1\t1/1",
        "9\t22000200\t.\tC\tG\t.\t.\tAC=1;AN=4\tGT\t0/1\t0/0",
        "9\t22000200\t.\tC\tT\t.\t.\tAC=1;AN=4\tGT\t0/1\t0/0",
    ]
    assert (folder / "c.vcf").stat().st_mode & 0o777 == 0o600


def test_without_json_it_is_said_in_words() -> None:
    said = ok("-C site_a export genotypes --to pgen --output words").out.splitlines()
    assert said[:4] == [
        "form: pgen",
        "files: words.pgen, words.pvar, words.psam",
        "persons: 3",
        "alleles: 4",
    ]


@pytest.mark.parametrize(
    "options",
    [
        "--output x.txt",
        "--output taken --to bed",
        "--output y.vcf --persons nobody",
        "--output y.vcf --persons A:999",
        "--output y.vcf --persons A:42 --cohort test",
        "--output y.vcf --cohort unheard-of",
    ],
)
def test_what_cannot_be_exported_ends_with_2_and_leaves_nothing(
    options: str, cohort: str, folder: Path
) -> None:
    (folder / "taken.fam").write_text("mine", encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*") if path.is_file()}
    done = run(f"-C site_a export genotypes 9 {options}")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert {p: p.stat().st_mtime_ns for p in folder.glob("*") if p.is_file()} == before


def test_the_log_knows_whose_genotypes_left(cohort: str) -> None:
    ok(f"-C site_a export genotypes 9 --cohort {cohort} --output left.vcf.gz --overwrite")
    saw = ok("-C site_a audit who-saw A:43 --json").rows
    assert {row["operation"] for row in saw} >= {"export-genotypes"}
    seen_45 = ok("-C site_a audit who-saw A:45 --json").rows
    questions = [row["question"] for row in seen_45 if row["operation"] == "export-genotypes"]
    assert all(question["persons"] == "all" for question in questions)


def test_python_does_the_same(folder: Path) -> None:
    frame = pl.DataFrame({"site": ["A"], "person_id": [43]})
    with pc.connect("site_a") as net:
        exported = net.export_genotypes("9", output="python.vcf", persons=frame)
        rows = net.export_cohort(["A:42"], definition_id=1)
    assert (exported.persons, exported.alleles, rows.height) == (1, 4, 1)
    assert (folder / "python.vcf").exists()
