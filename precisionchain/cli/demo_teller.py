"""How the demo tells its story: it runs commands as typed, shows them, and keeps comparisons."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from precisionchain.synthetic.questions import Question, Row, parse_answer

MISMATCH = 1  # exit code when an answer is not what the truth says
ROWS_SHOWN = 4


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


class CommandFailedError(Exception):
    """A command ended with another exit code than the story has; it has said why itself."""

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(exit_code)


@dataclass(slots=True)
class Teller:
    """Runs, shows and compares.

    Args:
        run: how a command is run.
        console: where the story is told.
    """

    run: Run
    console: Console
    checks: int = 0
    failed: list[str] = field(default_factory=list)

    # ----------------------------------------------------------------------------- comparing

    def ask(self, site: Path, question: Question) -> None:
        """Ask, show the first rows, and compare all of them with the truth."""
        self.say(f"\n[bold]{question.text}[/]")
        answer = self.objects(site, *question.command)
        self.show(answer, question.shown)
        difference = question.differences(answer)
        persons = len({(row.get("site"), row["person_id"]) for row in answer if "person_id" in row})
        of_persons = f" of {persons} persons" if 1 < persons < len(answer) else ""
        self.check(
            f"{len(answer):,} rows{of_persons}",
            "exactly the truth",
            str(difference) if difference else "",
        )

    def check(self, what: str, holds: str, wrong: str) -> None:
        """Say and keep the outcome of one comparison; ``wrong`` is empty when it holds."""
        self.checks += 1
        if wrong:
            self.failed.append(what)
            self.say(f"  [red]✗[/] {what}: {wrong}")
        else:
            self.say(f"  [green]✓[/] {what}: {holds}")

    # ------------------------------------------------------------------------------- running

    def objects(self, site: Path, *arguments: str, exit_code: int = 0) -> list[Row]:
        """Run a command at a site with ``--json``; return the objects it prints."""
        return parse_answer(self.at(site, *arguments, "--json", exit_code=exit_code))

    def at(self, site: Path, *arguments: str, exit_code: int = 0) -> str:
        """Run a command at a site; return what it prints.

        Raises:
            CommandFailedError: it ends with another exit code.
        """
        return self.command("-C", str(site), *arguments, exit_code=exit_code)

    def command(self, *arguments: str, exit_code: int = 0) -> str:
        """Show and run a command; return what it prints.

        Raises:
            CommandFailedError: it ends with another exit code.
        """
        self.show_command(*arguments)
        printed = self.run(arguments)
        if printed.exit_code != exit_code:
            raise CommandFailedError(printed.exit_code or MISMATCH)
        return printed.output

    # ------------------------------------------------------------------------------- showing

    def chapter(self, title: str) -> None:
        """Begin another part of the story."""
        self.console.print()
        self.console.rule(f"[bold]{title}", align="left")

    def say(self, text: str) -> None:
        """Say something, with rich's markup."""
        self.console.print(text)

    def show_command(self, *arguments: str) -> None:
        """Show a command as it can be typed."""
        line = shlex.join(["precisionchain", *arguments])
        self.console.print(f"  $ {line}", style="cyan", markup=False, soft_wrap=True)
        self.console.file.flush()

    def show(self, rows: Sequence[Row], columns: Sequence[str], *, limit: int = ROWS_SHOWN) -> None:
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
