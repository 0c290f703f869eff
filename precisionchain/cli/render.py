"""Answers: a table for people on stdout, or JSON, CSV or Parquet there or in a file.

A command that answers with rows takes ``@answers`` and an argument ``out``::

    @app.command()
    @render.answers
    def domain(context: typer.Context, concept: int, out: Out = Out()) -> None:
        with scope(context).network() as network:
            answer = network.domain(concept)
        out.frame(answer)

``@answers`` gives the command ``--format``, ``--json``, ``--output`` and ``--overwrite``, checks
them before the command asks anything, and hands them over as ``out``. How each format writes
values is in `precisionchain.query.answer_files` and `precisionchain.query.json_text`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from precisionchain.cli.options import takes
from precisionchain.errors import UsageError
from precisionchain.query.json_text import json_line, plain_text

if TYPE_CHECKING:
    import polars as pl

NATURAL_WIDTH = 10_000
"""Tables keep their natural width: a cell that is cut or folded cannot be copied."""
SHOWN_ROWS = 50
"""Rows a table shows on a terminal; the rest is counted below it, and whole in other formats."""


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


_SUFFIXES = {
    ".json": Format.JSON,
    ".jsonl": Format.JSON,
    ".ndjson": Format.JSON,
    ".csv": Format.CSV,
    ".parquet": Format.PARQUET,
    ".txt": Format.TABLE,
}

_OPTIONS: Mapping[str, tuple[Any, Any]] = {
    "form": (
        Annotated[
            Format | None,
            typer.Option("--format", help="Default: what --output ends in, else a table."),
        ],
        None,
    ),
    "as_json": (Annotated[bool, typer.Option("--json", help="Short for --format json.")], False),
    "output": (
        Annotated[
            Path | None, typer.Option("--output", help="A file for the answer, instead of stdout.")
        ],
        None,
    ),
    "overwrite": (
        Annotated[bool, typer.Option("--overwrite", help="Replace the file of --output.")],
        False,
    ),
}


@dataclass(frozen=True, slots=True)
class Out:
    """Where an answer goes and how it is written; made by `answers`."""

    form: Format = Format.TABLE
    path: Path | None = None
    overwrite: bool = False

    @classmethod
    def wanted(
        cls,
        *,
        form: Format | None = None,
        as_json: bool = False,
        output: Path | None = None,
        overwrite: bool = False,
    ) -> Out:
        """Return what the options ask for.

        Raises:
            UsageError: they contradict each other, or the file cannot be made.
        """
        from precisionchain.query.output_files import require_free

        if as_json and form not in (None, Format.JSON):
            raise UsageError(f"--json and --format {form} contradict each other")
        if as_json:
            form = Format.JSON
        if form is None and output is not None:
            form = _SUFFIXES.get(output.suffix.lower())
            if form is None:
                raise UsageError(
                    "the name of the output does not tell its format",
                    where=str(output),
                    hint="say --format, or end it in .json, .csv or .parquet",
                )
        if form is Format.PARQUET and output is None:
            raise UsageError("Parquet is not for a terminal", hint="name a file with --output")
        if output is not None:
            require_free(output, overwrite=overwrite)
        return cls(form or Format.TABLE, output, overwrite)

    def frame(
        self,
        answer: pl.DataFrame,
        *,
        columns: Sequence[str] = (),
        as_json: Callable[[pl.DataFrame], Iterable[Mapping[str, Any]]] | None = None,
    ) -> None:
        """Write a frame.

        Args:
            answer: the frame.
            columns: what a table shows of it; the other formats have all columns.
            as_json: what JSON prints a row, where it is not the row as it stands.
        """
        if self.form is Format.JSON:
            if as_json is None:
                self._json([answer])
            else:
                rows = as_json(answer)
                self._text(lambda to: json_lines(rows, to))
        elif self.form is Format.TABLE:
            shown = answer.select(columns) if columns else answer
            self._text(lambda to: table(shown, to=to, whole=self.path is not None))
        else:
            self._binary(answer)

    def frames(self, answers: Mapping[str, pl.DataFrame]) -> None:
        """Write frames of different columns, each under its name.

        JSON is one object a line, CSV and Parquet are a folder with a file a frame.

        Raises:
            UsageError: CSV without --output.
        """
        if self.form is Format.JSON:
            self._json(answers.values())
        elif self.form is Format.TABLE:
            self._text(lambda to: self._tables(answers, to))
        else:
            self._folder(answers)

    def needs_folder(self) -> None:
        """Check, before anything is asked, that an answer of several frames has somewhere to go.

        Raises:
            UsageError: it has not.
        """
        if self.form is Format.CSV and self.path is None:
            raise UsageError(
                "several tables do not fit into one CSV file", hint="name a folder with --output"
            )

    def _tables(self, answers: Mapping[str, pl.DataFrame], to: TextIO) -> None:
        for name, answer in answers.items():
            table(answer, name, to=to, whole=self.path is not None)

    def _json(self, answers: Iterable[pl.DataFrame]) -> None:
        from precisionchain.query import json_rows

        lines = (text for answer in answers for text in json_rows.json_lines(answer))
        self._text(lambda to: to.writelines(lines))

    def _text(self, write: Callable[[TextIO], None]) -> None:
        if self.path is None:
            write(sys.stdout)
            return
        from precisionchain.query.output_files import OutputFiles

        with OutputFiles([self.path], overwrite=self.overwrite) as files:
            with files.partial(self.path).open("w", encoding="utf-8", newline="\n") as sink:
                write(sink)
            files.release()

    def _binary(self, answer: pl.DataFrame) -> None:
        from precisionchain.query.answer_files import csv_text, write_frame
        from precisionchain.query.output_files import OutputFiles

        if self.path is None:
            sys.stdout.write(csv_text(answer))
            return
        with OutputFiles([self.path], overwrite=self.overwrite) as files:
            write_frame(answer, files.partial(self.path), self.form.value)
            files.release()

    def _folder(self, answers: Mapping[str, pl.DataFrame]) -> None:
        from precisionchain.query.answer_files import write_frame
        from precisionchain.query.output_files import OutputFiles

        self.needs_folder()
        folder = self.path or Path()
        with OutputFiles([folder], overwrite=self.overwrite) as files:
            partial = files.partial_folder(folder)
            for name, answer in answers.items():
                write_frame(answer, partial / f"{name}.{self.form}", self.form.value)
            files.release()


def answers(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of an answer; it gets them as ``out`` (see the module)."""
    return takes("out", _OPTIONS, Out.wanted)(command)


# ----------------------------------------------------------------------------- the formats of text


def json_lines(rows: Iterable[Mapping[str, Any]], to: TextIO | None = None) -> None:
    """Print mappings as JSON, one a line; members that are null are left out."""
    (to or sys.stdout).writelines(f"{json_line(row)}\n" for row in rows)


def frame(
    answer: pl.DataFrame, *, as_json: bool, title: str = "", columns: Sequence[str] = ()
) -> None:
    """Print a report of ours, which is no answer, as a table or as JSON."""
    if as_json:
        json_lines(answer.iter_rows(named=True))
    else:
        table(answer.select(columns) if columns else answer, title)


def table(
    answer: pl.DataFrame, title: str = "", *, to: TextIO | None = None, whole: bool = False
) -> None:
    """Print a frame as a table for people, without the columns that are null in every row.

    Its last line says how many rows there are, and how many are not shown unless ``whole``.
    """
    from rich.console import Console
    from rich.table import Table

    # A cell says what it holds: `[red]` and `:smile:` are text, and no cell moves the cursor.
    console = Console(highlight=False, markup=False, emoji=False, width=NATURAL_WIDTH, file=to)
    shown = answer.select(column for column in answer if not column.is_null().all())
    grid = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for name in shown.columns:
        grid.add_column(name, justify="right" if shown[name].dtype.is_numeric() else "left")
    for row in shown.head(answer.height if whole else SHOWN_ROWS).iter_rows():
        grid.add_row(*(_CONTROL.sub(_escaped, cell(value)) for value in row))
    if shown.width:
        console.print(grid)
    left = 0 if whole else answer.height - SHOWN_ROWS
    more = f", {left} more not shown (--json or --output FILE.csv has all)" if left > 0 else ""
    console.print(f"{answer.height} {'row' if answer.height == 1 else 'rows'}{more}")


def cell(value: Any) -> str:
    """Return a value as a table for people shows it; times of the ledger are UTC, to the second."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        of_ledger = value.tzinfo is not None
        shown = value.replace(tzinfo=None, microsecond=0) if of_ledger else value
        return shown.isoformat(sep=" ")
    return plain_text(value)


def _escaped(control: re.Match[str]) -> str:
    return repr(control[0])[1:-1]
