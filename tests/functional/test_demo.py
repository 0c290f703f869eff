"""The demo: what it does to a folder, what it shows, and that it notices a wrong answer."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from precisionchain.cli.demo import MARKER, Printed, prepare_directory, run_demo
from precisionchain.errors import UsageError
from precisionchain.synthetic.questions import five_questions, what_was_rejected
from precisionchain.synthetic.truth import Truth

Rows = list[dict[str, Any]]
Distort = Callable[[str, Rows], Rows]


class TruthfulSite:
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
            return Printed(0, "")
        assert tuple(arguments[:2]) == ("-C", str(self.directory / "site_a"))
        words = tuple(w for w in arguments[2:] if w != "--json")
        if words[0] == "ingest":
            return Printed(0, "")
        rows = self.distort(" ".join(words[:2]), self.answer(words))
        return Printed(0, "".join(json.dumps(row, default=str) + "\n" for row in rows))

    def answer(self, words: tuple[str, ...]) -> Rows:
        truth = Truth.read(self.directory / "hospital" / "truth")
        if words[0] == "audit":
            entry = {"operation": "domain", "user": "a", "rows": 3, "time": "2026-01-01"}
            return [entry | {"kind": kind} for kind in ("request", "result")] * 5
        if words[0] == "verify":
            return [{"check": "roots", "ok": True}, {"check": "signatures", "ok": True}]
        questions = [what_was_rejected(truth), *five_questions(truth, site="A", person_id=42)]
        (question,) = [q for q in questions if q.command == words]
        return [
            {k: v for k, v in row.items() if v is not None} | {"batch": "b1"}
            for row in reversed(question.expected)
        ]


def tell(directory: Path, site: TruthfulSite) -> tuple[int, str]:
    """Exit code and story."""
    console = Console(file=io.StringIO(), width=120, highlight=False)
    exit_code = run_demo(directory, persons=60, run=site.run, console=console)
    assert isinstance(console.file, io.StringIO)
    return exit_code, console.file.getvalue()


def test_all_answers_true(tmp_path: Path) -> None:
    site = TruthfulSite(tmp_path)
    exit_code, story = tell(tmp_path, site)
    assert exit_code == 0
    assert "All 9 comparisons hold" in story
    assert story.count("exactly the truth") == 6
    assert story.count("$ precisionchain ") == len(site.commands) + 2  # two more to try
    assert all(shlex.join(command) in story for command in site.commands)


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
    ],
)
def test_a_wrong_answer_is_noticed(
    tmp_path: Path, command: str, lie: Callable[[Rows], Rows]
) -> None:
    site = TruthfulSite(tmp_path, lambda asked, rows: lie(rows) if asked == command else rows)
    exit_code, story = tell(tmp_path, site)
    assert exit_code == 1
    assert "1 of 9 comparisons failed" in story


@pytest.mark.parametrize(
    ("command", "rows"),
    [
        ("audit entries", [{"kind": "request"}] * 9),
        ("audit who-saw", [{"kind": "result"}]),
        ("verify", [{"check": "roots", "ok": False}]),
        ("verify", []),
    ],
)
def test_a_gap_in_the_log_or_a_failed_check_is_noticed(
    tmp_path: Path, command: str, rows: Rows
) -> None:
    site = TruthfulSite(tmp_path, lambda asked, said: rows if asked == command else said)
    exit_code, story = tell(tmp_path, site)
    assert exit_code == 1
    assert "1 of 9 comparisons failed" in story


def test_a_command_that_fails_ends_the_story_with_its_exit_code(tmp_path: Path) -> None:
    site = TruthfulSite(tmp_path)

    def fail_at_vcf(arguments: Sequence[str]) -> Printed:
        return Printed(4, "") if "vcf" in arguments else site.run(arguments)

    console = Console(file=io.StringIO(), width=120)
    assert run_demo(tmp_path, persons=60, run=fail_at_vcf, console=console) == 4
    assert not any("query" in command for command in site.commands)


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
