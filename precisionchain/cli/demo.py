"""``precisionchain demo``: a hospital is generated, ingested, asked, and compared with its truth.

Every step but the first is a command that a reader can type; the demo runs it as typed and shows
it. Folders: ``hospital/`` (what a site would be handed, and the truth), ``site_a/`` (the site).
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from precisionchain.errors import UsageError
from precisionchain.synthetic.generate import generate
from precisionchain.synthetic.questions import (
    Question,
    Row,
    five_questions,
    parse_answer,
    what_was_rejected,
)
from precisionchain.synthetic.truth import Truth

DEFAULT_DIRECTORY = Path("demo_network")
MARKER = ".made-by-precisionchain-demo"
SITE = "A"
PERSON = 42
MISMATCH = 1  # exit code when an answer is not what the truth says

_ROWS_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Printed:
    """What became of one command: its exit code and its standard output."""

    exit_code: int
    output: str


Run = Callable[[Sequence[str]], Printed]


def run_command(arguments: Sequence[str]) -> Printed:
    """Run ``precisionchain ARGUMENTS`` with this Python; its progress goes to our stderr."""
    done = subprocess.run(  # noqa: S603 (our own program, no shell)
        [sys.executable, "-m", "precisionchain", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return Printed(done.returncode, done.stdout)


class _CommandFailedError(Exception):
    """A command of the demo ended with an exit code other than 0; it has said why itself."""

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(exit_code)


def run_demo(
    directory: Path = DEFAULT_DIRECTORY,
    *,
    seed: int = 1,
    persons: int = 300,
    run: Run = run_command,
    console: Console | None = None,
) -> int:
    """Tell the whole story once.

    Args:
        directory: made anew; removed first if an earlier demo made it.
        seed: seed of the hospital.
        persons: size of the hospital.
        run: how a command is run.
        console: where the story is told; standard output by default.

    Returns:
        0 when every answer was what the truth says; 1 when one was not; else the exit code of the
        command that failed.

    Raises:
        UsageError: the directory holds something the demo did not make, or msprime is missing.
    """
    demo = _Demo(directory, run, console or Console(highlight=False))
    started = time.monotonic()
    prepare_directory(directory)
    try:
        truth = demo.generate(seed, persons)
        demo.ingest()
        demo.ask(what_was_rejected(truth))
        demo.chapter("Five questions, each compared with the truth")
        questions = five_questions(truth, site=SITE, person_id=PERSON)
        for question in questions:
            demo.ask(question)
        demo.audit(questions)
        demo.verify()
    except _CommandFailedError as failure:
        demo.say(f"[red]The command above failed with exit code {failure.exit_code}.[/]")
        return failure.exit_code
    return demo.end(time.monotonic() - started)


def prepare_directory(directory: Path) -> None:
    """Make an empty directory with the demo's marker in it.

    Raises:
        UsageError: it holds files and no marker, so that somebody else made it.
    """
    if directory.is_dir() and (directory / MARKER).is_file():
        shutil.rmtree(directory)
    elif directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        message = f"{directory} exists and was not made by the demo"
        raise UsageError(message, hint="name another with --directory; nothing was touched")
    directory.mkdir(parents=True, exist_ok=True)
    text = "precisionchain demo made this folder and removes it when it runs again.\n"
    (directory / MARKER).write_text(text, encoding="utf-8")


@dataclass(slots=True)
class _Demo:
    directory: Path
    run: Run
    console: Console
    checks: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def hospital(self) -> Path:
        return self.directory / "hospital"

    @property
    def site(self) -> Path:
        return self.directory / "site_a"

    # ------------------------------------------------------------------------------ the steps

    def generate(self, seed: int, persons: int) -> Truth:
        """Make the files, and keep the truth apart."""
        self.chapter("A synthetic hospital")
        truth = generate(self.hospital, seed=seed, persons=persons)
        s = truth.settings
        self.say(
            f"{persons} persons, {s['accepted']['condition_occurrence']:,} conditions and "
            f"{s['accepted']['measurement']:,} measurements in OMOP tables, with "
            f"{sum(s['rejected'].values())} records broken on purpose; {s['genotyped']} persons "
            f"genotyped at {sum(s['vcf_records'].values()):,} sites of chromosomes 9 and 22 "
            f"(GRCh37). Seed {seed}. What is true of them was written to "
            f"{self.hospital / 'truth'}, which the site never reads."
        )
        return truth

    def ingest(self) -> None:
        """Make a site, and give it everything but the truth."""
        self.chapter("A site takes it in: stage, validate, encode, publish, seal")
        self.command("init", str(self.site), "--site", SITE, "--build", "GRCh37")
        self.at_site(
            *("ingest", "omop", str(self.hospital / "omop")),
            *("--vocabulary", str(self.hospital / "vocabulary")),
        )
        self.at_site(
            *("ingest", "vcf", str(self.hospital / "genotypes.vcf.gz")),
            *("--samples", str(self.hospital / "samples.csv"), "--build", "GRCh37"),
        )

    def ask(self, question: Question) -> None:
        """Ask, show the first rows, and compare all of them with the truth."""
        self.say(f"\n[bold]{question.text}[/]")
        answer = self.objects(*question.command)
        self.show(answer, question.shown)
        difference = question.differences(answer)
        persons = len({row["person_id"] for row in answer if "person_id" in row})
        of_persons = f" of {persons} persons" if persons > 1 else ""
        self.check(
            f"{len(answer):,} rows{of_persons}",
            "exactly the truth",
            str(difference) if difference else "",
        )

    def audit(self, questions: Sequence[Question]) -> None:
        """Every answer has left its traces."""
        self.chapter("Who asked what is on the ledger too")
        entries = self.objects("audit", "entries")
        self.show(entries[-_ROWS_SHOWN:], ("kind", "operation", "user", "rows", "time"))
        kinds = Counter(str(row.get("kind")) for row in entries)
        enough = min(kinds["request"], kinds["result"]) >= len(questions)
        self.check(
            f"{kinds['request']} requests and {kinds['result']} results logged",
            "an entry before every answer, and one after its evaluation",
            "" if enough else f"{len(questions)} questions were asked and answered",
        )
        self.say(f"\n[bold]Who saw person {SITE}:{PERSON}?[/]")
        saw = self.objects("audit", "who-saw", f"{SITE}:{PERSON}")
        self.show(saw, ("kind", "operation", "user", "rows", "time"))
        self.check(
            f"{len(saw)} entries name {SITE}:{PERSON}",
            "at least the two questions about that person",
            "" if len(saw) >= 2 else "two questions were about that person",
        )

    def verify(self) -> None:
        """Let the site check every byte of its ledger."""
        self.chapter("Everything is recomputed from the bytes on the ledger")
        checks = self.objects("verify")
        wrong = [str(row.get("check")) for row in checks if not row.get("ok")]
        if not checks:
            wrong = ["nothing was checked"]
        self.show(checks, ("check", "ok"), limit=20)
        self.check(f"{len(checks)} checks", "all hold", "; ".join(wrong))

    def end(self, seconds: float) -> int:
        """The last words, and the exit code."""
        self.chapter("End")
        if self.failed:
            self.say(f"[red]{len(self.failed)} of {self.checks} comparisons failed.[/]")
            return MISMATCH
        self.say(
            f"[green]All {self.checks} comparisons hold[/], after {seconds:.0f} s. "
            f"The site stays in {self.site}; try"
        )
        self.show_command("-C", str(self.site), "query", "domain", "2000000007", "--json")
        self.show_command("-C", str(self.site), "audit", "entries")
        return 0

    # ------------------------------------------------------------------------------ the means

    def at_site(self, *arguments: str) -> str:
        return self.command("-C", str(self.site), *arguments)

    def objects(self, *arguments: str) -> list[Row]:
        return parse_answer(self.at_site(*arguments, "--json"))

    def command(self, *arguments: str) -> str:
        self.show_command(*arguments)
        printed = self.run(arguments)
        if printed.exit_code:
            raise _CommandFailedError(printed.exit_code)
        return printed.output

    def check(self, what: str, holds: str, wrong: str) -> None:
        """Say and keep the outcome of one comparison; ``wrong`` is empty when it holds."""
        self.checks += 1
        if wrong:
            self.failed.append(what)
            self.say(f"  [red]✗[/] {what}: {wrong}")
        else:
            self.say(f"  [green]✓[/] {what}: {holds}")

    def chapter(self, title: str) -> None:
        self.console.print()
        self.console.rule(f"[bold]{title}", align="left")

    def say(self, text: str) -> None:
        self.console.print(text)

    def show_command(self, *arguments: str) -> None:
        line = shlex.join(["precisionchain", *arguments])
        self.console.print(f"  $ {line}", style="cyan", markup=False, soft_wrap=True)
        self.console.file.flush()

    def show(
        self, rows: Sequence[Row], columns: Sequence[str], *, limit: int = _ROWS_SHOWN
    ) -> None:
        """Print the first rows; an absent field is an empty cell."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for column in columns:
            table.add_column(column)
        for row in rows[:limit]:
            table.add_row(*(Text(_cell(row.get(c))) for c in columns))
        self.console.print(Padding(table, (0, 0, 0, 4)))
        if len(rows) > limit:
            self.console.print(f"    … and {len(rows) - limit:,} more", style="dim")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
