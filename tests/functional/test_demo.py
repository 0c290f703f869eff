"""The demo: what it does to a folder, what it shows, and that it notices a wrong answer."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from precisionchain.cli.demo import MARKER, prepare_directory, run_demo
from precisionchain.cli.demo_tamper import tampered_copy
from precisionchain.cli.demo_teller import Printed
from precisionchain.errors import UsageError
from precisionchain.site import Site
from precisionchain.synthetic import generate_consortium
from precisionchain.synthetic.consortium_truth import ConsortiumTruth
from precisionchain.synthetic.questions import (
    five_questions,
    the_cohort,
    unknown_of_cohort,
    what_was_rejected,
)

Rows = list[dict[str, Any]]
Distort = Callable[[str, Rows], Rows]


class TruthfulSites:
    """Stands in for the commands: prints what the truth says, distorted if so asked.

    It shows whether the demo tells a right answer from a wrong one; that the real commands give
    right answers is another test.
    """

    def __init__(self, directory: Path, distort: Distort = lambda _, rows: rows) -> None:
        self.directory = directory
        self.distort = distort
        self.commands: list[tuple[str, ...]] = []

    def run(self, arguments: Sequence[str]) -> Printed:
        self.commands.append(tuple(arguments))
        if arguments[0] == "init":
            return Printed(0, "token\n")
        assert arguments[0] == "-C"
        site = Path(arguments[1])
        assert site in [self.directory / name for name in ("site_a", "site_b", "tampered")]
        words = [word for word in arguments[2:] if word != "--json"]
        if words[:2] == ["--user", "alice@B"]:
            assert site.name == "site_b"
            words = words[2:]
        if words[0] in ("ingest", "report", "admit", "user"):
            return Printed(0, "")
        rows = self.distort(self.asked(words, site), self.answer(tuple(words), site))
        printed = "".join(json.dumps(row, default=str) + "\n" for row in rows)
        return Printed(0 if all(row.get("ok", True) for row in rows) else 8, printed)

    @staticmethod
    def asked(words: list[str], site: Path) -> str:
        if words[0] == "verify":
            return f"verify {site.name}"
        return "cohort --summary" if "--summary" in words else " ".join(words[:2])

    def answer(self, words: tuple[str, ...], site: Path) -> Rows:
        truth = ConsortiumTruth.read(self.directory / "hospitals" / "truth")
        if words[:2] == ("audit", "entries"):
            return [{"kind": kind} for kind in ("request", "result")] * 5 + [{"kind": "request"}]
        if words[:2] == ("audit", "who-saw"):
            return [{"user": "alice@B", "operation": "person", "how": "returned"}]
        if words[:2] == ("audit", "summary"):
            return [{"kind": "use by others", "operation": "person", "n_questions": 1}]
        if words[0] == "verify":
            checks = [{"check": "roots", "ok": True}, {"check": "signatures", "ok": True}]
            finding = {"check": "bytes", "ok": False, "findings": ["position 7: other bytes"]}
            return checks + ([finding] if site.name == "tampered" else [])
        if "--summary" in words:
            return [{"unknown": unknown_of_cohort(truth)}]
        questions = [
            what_was_rejected(truth.sites["A"]),
            *five_questions(truth, site="A", person_id=42),
            the_cohort(truth),
        ]
        answers = [q.expected for q in questions if q.command == words]
        if words[0] == "query" and not answers:
            assert words == ("query", "person", "A:42")
        return [
            {k: v for k, v in row.items() if v is not None} | {"batch": "b1"}
            for row in reversed(answers[0])
        ]


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated once; each story gets a copy."""
    folder = tmp_path_factory.mktemp("hospitals")
    generate_consortium(folder, persons=60)
    return folder


@pytest.fixture(autouse=True)
def _generate_once(hospitals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copied(directory: Path, *, seed: int, persons: int) -> ConsortiumTruth:
        assert (seed, persons) == (1, 60)
        shutil.copytree(hospitals, directory)
        return ConsortiumTruth.read(directory / "truth")

    monkeypatch.setattr("precisionchain.cli.demo.generate_consortium", copied)


def tell(directory: Path, sites: TruthfulSites, position: int = 7) -> tuple[int, str]:
    """Exit code and story; the tampered copy is made by nobody, at a position of our choice."""
    console = Console(file=io.StringIO(), width=120, highlight=False)
    exit_code = run_demo(
        directory, persons=60, run=sites.run, tamper=lambda *_: position, console=console
    )
    assert isinstance(console.file, io.StringIO)
    return exit_code, console.file.getvalue()


def test_all_answers_true(tmp_path: Path) -> None:
    sites = TruthfulSites(tmp_path)
    exit_code, story = tell(tmp_path, sites)
    assert exit_code == 0
    assert "All 13 comparisons hold" in story
    assert story.count("exactly the truth") == 7
    assert story.count("$ precisionchain ") == len(sites.commands) + 2  # two more to try
    assert all(shlex.join(command) in story for command in sites.commands)


def drop_one(rows: Rows) -> Rows:
    return rows[1:]


def repeat_one(rows: Rows) -> Rows:
    return [*rows, rows[0]]


def alter_one(rows: Rows) -> Rows:
    field = next(k for k, v in rows[-1].items() if k != "batch" and isinstance(v, int | float))
    return [*rows[:-1], rows[-1] | {field: 7_777_777}]


def add_a_column(rows: Rows) -> Rows:
    return [rows[0] | {"person_source_value": "MRN-00000042"}, *rows[1:]]


@pytest.mark.parametrize("lie", [drop_one, repeat_one, alter_one, add_a_column])
@pytest.mark.parametrize(
    "command",
    [
        "query domain",
        "query person",
        "query variant",
        "query person-variants",
        "query maf",
        "sql select table_name, rule, record, column_name from rejected",
        "cohort condition(201826) & carries(10:114758349:C:T)",
    ],
)
def test_a_wrong_answer_is_noticed(
    tmp_path: Path, command: str, lie: Callable[[Rows], Rows]
) -> None:
    sites = TruthfulSites(tmp_path, lambda asked, rows: lie(rows) if asked == command else rows)
    exit_code, story = tell(tmp_path, sites)
    assert exit_code == 1
    assert "1 of 13 comparisons failed" in story


@pytest.mark.parametrize(
    ("command", "rows"),
    [
        ("audit entries", [{"kind": "request"}] * 9),
        ("audit who-saw", [{"user": "admin@A", "operation": "person"}]),
        ("audit summary", [{"kind": "own use"}]),
        ("cohort --summary", [{"unknown": -1}]),
        ("verify site_a", []),
    ],
)
def test_a_gap_in_the_log_or_a_failed_check_is_noticed(
    tmp_path: Path, command: str, rows: Rows
) -> None:
    sites = TruthfulSites(tmp_path, lambda asked, said: rows if asked == command else said)
    exit_code, story = tell(tmp_path, sites)
    assert exit_code == 1
    assert "1 of 13 comparisons failed" in story


def test_a_tampered_byte_must_be_found_where_it_is(tmp_path: Path) -> None:
    exit_code, story = tell(tmp_path, TruthfulSites(tmp_path), position=8)
    assert exit_code == 1
    assert "1 of 13 comparisons failed" in story


def test_a_tampered_byte_that_nobody_notices_ends_the_story(tmp_path: Path) -> None:
    sites = TruthfulSites(tmp_path, lambda asked, rows: [] if "tampered" in asked else rows)
    assert tell(tmp_path, sites)[0] == 1


def test_a_command_that_fails_ends_the_story_with_its_exit_code(tmp_path: Path) -> None:
    sites = TruthfulSites(tmp_path)

    def fail_at_vcf(arguments: Sequence[str]) -> Printed:
        return Printed(4, "") if "vcf" in arguments else sites.run(arguments)

    console = Console(file=io.StringIO(), width=120)
    assert run_demo(tmp_path, persons=60, run=fail_at_vcf, console=console) == 4
    assert not any("query" in command for command in sites.commands)


def test_a_tampered_copy_differs_in_one_bit_of_one_item_which_verify_names(
    tmp_path: Path, hospitals: Path
) -> None:
    site, files = tmp_path / "site", hospitals / "A"
    Site.init(site, site="A").ingest_omop(files / "omop", vocabulary=files / "vocabulary")
    position = tampered_copy(site, tmp_path / "copy")
    stored = [
        dict(ledger.execute("select position, stored from items").fetchall())
        for folder in ("site", "copy")
        for ledger in [sqlite3.connect(tmp_path / folder / "ledger.sqlite")]
    ]
    assert {at for at in stored[0] if stored[0][at] != stored[1][at]} == {position}
    pairs = zip(stored[0][position], stored[1][position], strict=True)
    assert [one ^ other for one, other in pairs if one != other] == [1]
    (said,) = [check for check in Site(tmp_path / "copy").verify() if check.name == "bytes"]
    assert position in {finding.position for finding in said.findings}


def test_an_earlier_demo_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "network"
    prepare_directory(folder)
    (folder / "site_a").mkdir()
    (folder / "site_a" / "old").write_text("old", encoding="utf-8")
    prepare_directory(folder)
    assert [path.name for path in folder.iterdir()] == [MARKER]


def test_what_the_demo_did_not_make_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "thesis.txt"
    theirs.write_text("years of work", encoding="utf-8")
    with pytest.raises(UsageError, match="not made by the demo"):
        prepare_directory(tmp_path)
    with pytest.raises(UsageError, match="not made by the demo"):
        prepare_directory(theirs)
    assert theirs.read_text(encoding="utf-8") == "years of work"
