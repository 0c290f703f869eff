"""``withdraw`` and ``readmit``: take persons and batches back, and persons in again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from precisionchain.cli import render
from precisionchain.cli.options import Json
from precisionchain.cli.scope import scope
from precisionchain.errors import UnreadableFileError, UsageError
from precisionchain.schemas.person import parse_person

if TYPE_CHECKING:
    from precisionchain.ingest.withdraw import Corrected

Persons = Annotated[
    list[str] | None, typer.Option("--person", help="A person of this site; may be repeated.")
]
Listed = Annotated[
    Path | None, typer.Option("--from", help="A file that names persons, one a line.")
]


def register(app: typer.Typer) -> None:
    """Add these commands to the root."""
    app.command()(withdraw)
    app.command()(readmit)


def withdraw(
    context: typer.Context,
    person: Persons = None,
    listed: Listed = None,
    batch: Annotated[
        str | None, typer.Option(help="A batch of this site: eight digits of its id or more.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="A source of this site: all of its batches.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take persons, a batch or a source of this site out of every answer from here on."""
    site, progress = scope(context).site(), scope(context).progress
    persons = _named(person, listed)
    if sum([bool(persons), batch is not None, source is not None]) != 1:
        raise UsageError("what is withdrawn?", hint="--person or --from, or --batch, or --source")
    if batch is not None:
        done = site.withdraw_batch(batch, progress=progress)
    elif source is not None:
        done = site.withdraw_source(source, progress=progress)
    else:
        done = site.withdraw_persons(persons, progress=progress)
    _report(done, as_json=as_json)


def readmit(
    context: typer.Context,
    person: Persons = None,
    listed: Listed = None,
    as_json: Json = False,
) -> None:
    """Let withdrawn persons of this site count again."""
    persons = _named(person, listed)
    if not persons:
        raise UsageError("who is readmitted?", hint="--person or --from")
    site, progress = scope(context).site(), scope(context).progress
    _report(site.readmit_persons(persons, progress=progress), as_json=as_json)


def _named(persons: list[str] | None, listed: Path | None) -> list[str]:
    """Return the persons named on the command line and in a file.

    Raises:
        UnreadableFileError: the file cannot be read, or a line of it is no person.
    """
    found = list(persons or [])
    if listed is None:
        return found
    try:
        lines = listed.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UnreadableFileError("is not text in UTF-8", where=str(listed)) from error
    except OSError as error:
        raise UnreadableFileError(
            f"cannot be read: {error.strerror or type(error).__name__}", where=str(listed)
        ) from error
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or (number == 1 and text == "person_id"):
            continue
        try:
            parse_person(text)
        except UsageError as error:
            raise UnreadableFileError(
                "is not a person",
                where=f"{listed}:{number}",
                hint="one a line: 42, or A:42 with the site's name",
            ) from error
        found.append(text)
    if not found:
        raise UnreadableFileError("names no person", where=str(listed))
    return found


def _report(done: Corrected, *, as_json: bool) -> None:
    if as_json:
        render.json_lines([done.row()])
    else:
        typer.echo(done.line())
