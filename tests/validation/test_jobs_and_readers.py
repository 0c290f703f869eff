"""Commands, killed commands, analysts and read-only files, each a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import precisionchain as pc
from tests.conftest import PROJECT_ROOT
from tests.validation.conftest import OMOP_FOLDERS, new_site, objects, run_cli
from tests.validation.ledger_bytes import items_in

CONCEPT = "201826"


@pytest.fixture(scope="module")
def original(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with a small export, to be copied."""
    root = tmp_path_factory.mktemp("small")
    new_site(root / "site_a").ingest_omop(shared_data / OMOP_FOLDERS["omoplite100"], source="ehr")
    return root / "site_a"


@pytest.fixture
def site(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "site_a"))


@pytest.fixture
def concept(original: Path) -> str:
    """A condition that occurs."""
    with duckdb.connect(str(original / "staging.duckdb"), read_only=True) as database:
        found = database.sql(
            "select condition_concept_id from condition_occurrence where condition_concept_id > 0"
            " group by 1 order by count(*) desc, 1 limit 1"
        ).fetchall()
    return str(found[0][0])


# --------------------------------------------------------------------------------- the access log


def test_there_is_an_entry_before_every_answer(site: Path, concept: str) -> None:
    with duckdb.connect(str(site / "staging.duckdb"), read_only=True) as database:
        person = database.sql("select min(person_id) from person").fetchall()[0][0]
    questions = {
        "domain": ("query", "domain", concept),
        "person": ("query", "person", f"A:{person}"),
        "variant": ("query", "variant", "9:22098574:A:G"),
        "maf": ("query", "maf", "0-0.5"),
        "sql": ("sql", "select count(*) as n from person"),
        "audit-entries": ("audit", "entries"),
        "who-saw": ("audit", "who-saw", f"A:{person}"),
        "seen-by": ("audit", "seen-by", "admin@A"),
    }
    for operation, command in questions.items():
        before = items_in(site / "ledger.sqlite")
        run_cli("-C", site, *command, "--json")
        assert items_in(site / "ledger.sqlite") == before + 2, operation
    entries = objects(run_cli("-C", site, "audit", "entries", "--json"))
    for operation in questions:
        kinds = [row["kind"] for row in entries if row["operation"] == operation]
        assert kinds[:2] == ["request", "result"], operation
    places = [row["entry"] for row in entries]
    assert places == sorted(set(places))
    seen = objects(run_cli("-C", site, "audit", "who-saw", f"A:{person}", "--json"))
    assert {"person"} <= {row["operation"] for row in seen}


def test_a_refused_question_is_an_entry_too(site: Path) -> None:
    refused = run_cli("-C", site, "query", "domain", "999999999", check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    entries = objects(run_cli("-C", site, "audit", "entries", "--json"))
    assert [row["kind"] for row in entries if row["operation"] == "domain"] == [
        "request",
        "refused",
    ]


def test_a_read_only_ledger_file_gives_no_answer(site: Path, concept: str) -> None:
    for path in site.glob("ledger.sqlite*"):
        path.chmod(0o444)
    site.chmod(0o555)
    before = items_in(site / "ledger.sqlite")
    command = [sys.executable, "-m", "precisionchain", "-C", str(site)]
    if os.geteuid() == 0:  # the superuser writes anywhere, unless that right is taken away
        command = ["setpriv", "--bounding-set", "-dac_override", *command]
    for question in (["query", "domain", concept], ["sql", "select 1"], ["audit", "entries"]):
        done = subprocess.run(
            [*command, *question, "--json"],
            capture_output=True,
            text=True,
            cwd=PROJECT_ROOT,
            check=False,
        )
        assert done.returncode == 7, done.stderr
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
    site.chmod(0o755)
    assert items_in(site / "ledger.sqlite") == before


KILLED_WHILE_EVALUATING = """
import os, signal, sys
import precisionchain as pc
import precisionchain.query.clinical as clinical
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
clinical.domain_rows = die
with pc.connect(sys.argv[1]) as net:
    print(net.domain(int(sys.argv[2])))
"""

KILLED_BEFORE_THE_RESULT = """
import os, signal, sys
import precisionchain as pc
from precisionchain.access.gate import Gate
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
Gate._log_outcome = die
with pc.connect(sys.argv[1]) as net:
    print(net.domain(int(sys.argv[2])))
"""


@pytest.mark.parametrize(
    "script",
    [KILLED_WHILE_EVALUATING, KILLED_BEFORE_THE_RESULT],
    ids=["while evaluating", "before the result is logged"],
)
def test_a_killed_question_leaves_may_have_seen(script: str, site: Path, concept: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script, str(site), concept],
        capture_output=True,
        text=True,
        cwd=PROJECT_ROOT,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == ""
    entries = objects(run_cli("-C", site, "audit", "entries", "--json"))
    assert [row["kind"] for row in entries if row["operation"] == "domain"] == ["request"]
    with duckdb.connect(str(site / "staging.duckdb"), read_only=True) as database:
        persons = [row[0] for row in database.sql("select person_id from person").fetchall()]
    for person in persons[:3]:
        seen = objects(run_cli("-C", site, "audit", "who-saw", f"A:{person}", "--json"))
        assert [row["status"] for row in seen if row["operation"] == "domain"] == ["may have seen"]
    run_cli("-C", site, "query", "domain", concept)  # and the site goes on


# ------------------------------------------------------------------------------------- analysts


@pytest.fixture
def running_job(site: Path, shared_data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An ingestion of a larger export, well under way."""
    source = shared_data / OMOP_FOLDERS["mimic"]
    command = [sys.executable, "-m", "precisionchain", "-C", str(site), "ingest", "omop"]
    with subprocess.Popen(
        [*command, str(source), "--source", "mimic"],
        stdout=subprocess.DEVNULL,
        cwd=PROJECT_ROOT,
    ) as job:
        deadline = time.monotonic() + 60
        runs = site / "staging" / "runs"
        while not list(runs.glob(".*.partial")) and time.monotonic() < deadline:
            time.sleep(0.02)
        yield job
        job.kill()


def test_plain_duckdb_reads_staging_while_a_job_runs(
    running_job: subprocess.Popen[bytes], site: Path
) -> None:
    reads = 0
    seen = set()
    while running_job.poll() is None:
        with duckdb.connect(str(site / "staging.duckdb"), read_only=True) as database:
            persons = dict(
                database.sql("select _source, count(*) from person group by 1").fetchall()
            )
            conditions = database.sql("select count(*) from condition_occurrence").fetchall()
        assert persons["ehr"] == 99
        assert conditions[0][0] >= 530
        seen.add(tuple(sorted(persons.items())))
        reads += 1
    assert running_job.returncode == 0
    assert reads >= 3
    assert seen <= {(("ehr", 99),), (("ehr", 99), ("mimic", 100))}, "half a run was seen"
    with duckdb.connect(str(site / "staging.duckdb"), read_only=True) as database:
        assert database.sql("select count(*) from person").fetchall() == [(199,)]


HOLDS_STAGING_OPEN = """
import sys, time
import duckdb
database = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
cursor = database.execute("select * from condition_occurrence")
print(cursor.fetchone() is not None, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("mode", ["read", "write"])
def test_an_analyst_holding_staging_open_does_not_stop_the_next_job(
    mode: str, site: Path, shared_data: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_STAGING_OPEN, str(site / "staging.duckdb"), mode],
        stdout=subprocess.PIPE,
        text=True,
    ) as analyst:
        try:
            assert analyst.stdout is not None
            assert analyst.stdout.readline() == "True\n"
            folder = shared_data / OMOP_FOLDERS["synthea27nj"]
            run_cli("-C", site, "ingest", "omop", folder, "--source", "synthea")
            assert analyst.poll() is None, "the analyst was thrown out"
        finally:
            analyst.kill()
    counted = pc.Site(site).sql("select _source, count(*) as n from person group by 1 order by 1")
    assert counted.rows() == [("ehr", 99), ("synthea", 28)]


def test_questions_are_answered_while_a_job_runs(
    running_job: subprocess.Popen[bytes], site: Path, concept: str
) -> None:
    answers: list[int] = []
    while running_job.poll() is None and len(answers) < 50:
        with pc.connect(site) as net:
            frame = net.domain(int(concept), table="condition_occurrence")
        assert frame.height > 0
        answers.append(frame.height)
    assert answers
    running_job.wait(timeout=300)
    assert running_job.returncode == 0


def test_a_second_job_is_told_that_the_first_one_writes(
    running_job: subprocess.Popen[bytes], site: Path, shared_data: Path
) -> None:
    folder = shared_data / OMOP_FOLDERS["synthea27nj"]
    second = run_cli("-C", site, "ingest", "omop", folder, "--source", "s", check=False)
    assert running_job.poll() is None, "the first job had ended: nothing was tried"
    assert second.returncode == 3
    assert "another job" in second.stderr
