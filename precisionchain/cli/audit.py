"""``audit``: who asked what, and who saw whom."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from precisionchain.cli import render
from precisionchain.cli.scope import scope

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer(no_args_is_help=True)

_ASKED = ("entry", "time", "user", "operation", "question")
_ENTRY_COLUMNS = (*_ASKED[:3], "kind", *_ASKED[3:], "status", "rows", "n_persons_returned")
_SEEN_COLUMNS = (*_ASKED, "status", "rows")
_SAW_COLUMNS = (*_ASKED, "status", "how")

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")]


@app.command()
def entries(
    context: typer.Context,
    user: Annotated[str | None, typer.Option(help="One user's, as admin@A.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="From this time on, UTC."),
    ] = None,
    as_json: Json = False,
) -> None:
    """The entries of the access log, oldest first."""
    with scope(context).network() as network:
        moment = None if since is None else since.replace(tzinfo=UTC)
        answer = network.audit.entries(user=user, since=moment)
    _show(answer, _ENTRY_COLUMNS, as_json=as_json)


@app.command("seen-by")
def seen_by(
    context: typer.Context,
    user: Annotated[str, typer.Argument(help="The user, as admin@A.")],
    as_json: Json = False,
) -> None:
    """What a user has seen."""
    with scope(context).network() as network:
        answer = network.audit.seen_by(user)
    _show(answer, _SEEN_COLUMNS, as_json=as_json)


@app.command("who-saw")
def who_saw(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(help="A person (A:42) or variant (9:100:A:G).")],
    as_json: Json = False,
) -> None:
    """Which questions returned a person or a variant."""
    with scope(context).network() as network:
        answer = network.audit.who_saw(subject)
    _show(answer, _SAW_COLUMNS, as_json=as_json)


def _show(answer: pl.DataFrame, columns: Sequence[str], *, as_json: bool) -> None:
    """Print entries; in JSON a question is the object it was asked as."""
    if as_json:
        rows = answer.iter_rows(named=True)
        render.json_lines({**row, "question": json.loads(row["question"])} for row in rows)
    else:
        render.frame(answer, as_json=False, columns=columns)
