"""How-tos from staging to withdrawing, typed: one after the other, in one empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lib.typed_pages import DOCS, Step, steps, take

pytest.importorskip("msprime", reason="the pages' hospitals are simulated by msprime")

PAGES = ("stage-a-site", "ask", "audit", "refresh", "withdraw")


def test_the_reader_of_pages_sees_commands_and_what_they_print() -> None:
    page = "```console\n$ a b \\\n  c\nx\n...\n$ d  # why\n# exit code 4\n```\n```sh\ne f\n```\n"
    assert list(steps(page)) == [
        Step(["a", "b", "c"], "x\n...\n"),
        Step(["d"], "", 4),
        Step(["e", "f"], ""),
    ]


@pytest.mark.parametrize(
    ("step", "out", "code"),
    [
        (Step(["a"], "one\n...\n"), "two\nthree\n", 0),
        (Step(["a"], "", 4), "", 0),
        (Step(["a"], ""), "", 1),
    ],
)
def test_what_a_page_does_not_show_fails(step: Step, out: str, code: int) -> None:
    with pytest.raises(AssertionError):
        step.require(code, out, "")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_pages_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    for page in PAGES:
        typed = list(steps((DOCS / "how-to" / f"{page}.md").read_text(encoding="utf-8")))
        assert len(typed) > 5
        for step in typed:
            take(step, tmp_path)
