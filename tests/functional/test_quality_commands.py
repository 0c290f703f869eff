"""``rules``, and what a data team meets on its way to a sealed batch of doubtful quality."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from precisionchain.__main__ import INTERRUPTED, main
from precisionchain.ingest.rules import RULES


def run_cli(*words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does, and expect an exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "precisionchain", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done


def test_rules_are_printed_with_sql_outside_of_any_site(tmp_path: Path) -> None:
    listed = run_cli("-C", tmp_path, "rules").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [*RULES]
    one = run_cli("-C", tmp_path, "rules", "date_order", "--table", "drug_exposure").stdout
    assert '("drug_exposure_end_date" < drug_exposure_start_date)' in one
    absent = run_cli("-C", tmp_path, "rules", "type:Date", "--table", "person", code=2).stderr
    assert "rule type:Date is not asked of person (it is of 27 tables" in absent
    unknown = run_cli("-C", tmp_path, "rules", "date_oder", code=2).stderr
    assert "no rule date_oder (did you mean date_order?" in unknown
    lines = run_cli("-C", tmp_path, "rules", "--json").stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert {row["rule"] for row in rows} == {*RULES}
    assert all(row["sql"] and row["severity"] and row["tables"] for row in rows)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    run_cli("init", tmp_path / "b", "--site", "B")
    return tmp_path / "b"


def test_a_faulty_rule_is_an_error_before_anything_is_staged(site: Path, tmp_path: Path) -> None:
    (site / "rules").mkdir()
    text = "-- rule: adult\n-- severity: error\n-- family: plausibility\n-- finds: a child\n"
    (site / "rules" / "adult.sql").write_text(f"{text}SELECT age FROM person\n", encoding="utf-8")
    (tmp_path / "omop").mkdir()
    (tmp_path / "omop" / "person.csv").write_text("person_id\n1\n", encoding="utf-8")
    done = run_cli("-C", site, "ingest", "omop", tmp_path / "omop", code=4)
    assert 'adult.sql, line 5: Binder Error: Referenced column "age" not found' in done.stderr
    assert not (site / "staging" / "runs").exists()


def test_what_keeps_a_batch_from_sealing_is_accepted_by_name(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "omop"
    folder.mkdir()
    people = "".join(f"{n},1950\n" for n in range(120))
    (folder / "person.csv").write_text(f"person_id,year_of_birth\n{people}", encoding="utf-8")
    heads = "condition_occurrence_id,person_id,condition_concept_id,condition_start_date"
    rows = "".join(f"{n},{n},0,2015-01-02,2015-01-01\n" for n in range(120))
    text = f"{heads},condition_end_date\n{rows}"
    (folder / "condition_occurrence.csv").write_text(text, encoding="utf-8")
    refused = run_cli("-C", site, "ingest", "omop", folder, code=5)
    assert "date_order finds 120 of 120 in condition_occurrence" in refused.stderr
    accepted = "date_order:condition_occurrence"
    run_cli("-C", site, "publish", "--accept-quality", accepted)
    answer = run_cli("-C", site, "query", "quality", "--verdict", "accepted", "--json").stdout
    assert json.loads(answer)["n_violating"] == 120


@pytest.mark.parametrize("named", ["nosuch", "date_order:nosuch"])
def test_quality_that_is_accepted_of_nothing_is_refused_before_staging(
    site: Path, tmp_path: Path, named: str
) -> None:
    (tmp_path / "omop").mkdir()
    (tmp_path / "omop" / "person.csv").write_text("person_id,year_of_birth\n1,1950\n", "utf-8")
    ingest = ("-C", site, "ingest", "omop", tmp_path / "omop", "--accept-quality", named)
    for words in (ingest, (*ingest, "--dry-run")):
        done = run_cli(*words, code=2)
        assert f"--accept-quality {named}: no " in done.stderr
        assert not (site / "staging" / "runs").exists()


@pytest.fixture
def endless(site: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Return a site with a rule that does not end, and an export."""
    (site / "rules").mkdir()
    head = "-- rule: endless\n-- severity: measure\n-- family: plausibility\n-- finds: nothing\n"
    sql = "SELECT count(*) AS n_checked, 0 AS n_violating FROM person, range(1000000000000000)\n"
    (site / "rules" / "endless.sql").write_text(head + sql, encoding="utf-8")
    (tmp_path / "omop").mkdir()
    (tmp_path / "omop" / "person.csv").write_text("person_id,year_of_birth\n1,1950\n", "utf-8")
    return site, tmp_path / "omop"


def test_a_rule_that_does_not_end_is_named_and_stopped(endless: tuple[Path, Path]) -> None:
    site, folder = endless
    (site / "quality.toml").write_text("rule_seconds = 0.2\n", encoding="utf-8")
    done = run_cli("-C", site, "ingest", "omop", folder, code=4)
    assert "\ncheck data quality: rule endless (endless.sql)\n" in done.stderr
    assert (
        "endless.sql, line 5: rule endless was stopped: it takes longer than 0.2 s" in done.stderr
    )


def test_a_rule_can_be_interrupted(endless: tuple[Path, Path]) -> None:
    site, folder = endless
    words = (sys.executable, "-m", "precisionchain", "-C", str(site), "ingest", "omop", str(folder))
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        while "rule endless" not in running.stderr.readline():
            assert running.poll() is None
        time.sleep(0.5)  # until DuckDB has begun
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
        assert running.wait(timeout=20) == INTERRUPTED
    assert said.strip() == "interrupted: nothing half-written counts; run the command again"


def test_what_is_lost_is_the_last_word_and_swallowed_lines_keep_a_small_batch_from_sealing(
    site: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "omop"
    folder.mkdir()
    head = "condition_occurrence_id,person_id,condition_concept_id,condition_start_date"
    rows = [f"{n},{n},10,2015-01-01,fall" for n in range(40)]
    rows[1] = '1,1,10,2015-01-01,"fall'
    rows[20] = '20,20,10,2015-01-01,"fall"'  # ends what is open: 19 lines, and 20 are kept
    conditions = "\n".join([f"{head},condition_source_value", *rows, ""])
    (folder / "condition_occurrence.csv").write_text(conditions, encoding="utf-8")
    people = "".join(f"{n},1950\n" for n in range(40))
    (folder / "person.csv").write_text(f"person_id,year_of_birth\n{people}", encoding="utf-8")
    deaths = "".join(f"{n},{'13/01/2020' if n > 9 else '2020-01-13'}\n" for n in range(41))
    (folder / "death.csv").write_text(f"person_id,death_date\n{deaths}", encoding="utf-8")
    lines = "1 record takes 20 lines and cannot be parsed: is a quotation mark open?"
    lost = [
        f"warning: condition_occurrence.csv: {lines} it begins in line 3",
        "warning: death: 31 of 41 records are rejected, 31 of them by type:Date",
    ]
    refused = run_cli("-C", site, "ingest", "omop", folder, code=5).stderr.splitlines()
    assert refused[-3:-1] == lost
    assert "lines_swallowed finds 20 of 40 in condition_occurrence (50.0%" in refused[-1]
    accept = ("--accept-quality", "lines_swallowed:condition_occurrence")
    done = run_cli("-C", site, "ingest", "omop", folder, *accept)
    assert done.stderr.splitlines()[-2:] == lost
    assert "102 records, 70 accepted, 32 rejected" in done.stdout
    shown = run_cli("-C", site, "query", "quality", "--rule", "lines_swallowed", "--json").stdout
    found = {row["table"]: row for row in map(json.loads, shown.splitlines())}
    assert found["condition_occurrence"]["n_violating"] == 20
    assert found["condition_occurrence"]["verdict"] == "accepted"
    assert found["death"]["verdict"] == "passed"


def test_what_duckdb_says_of_an_interruption_is_one(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise RuntimeError("Query interrupted")

    monkeypatch.setattr("precisionchain.cli.app.narrowed", lambda app, words: interrupted)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == INTERRUPTED
    assert "please report" not in capfd.readouterr().err
