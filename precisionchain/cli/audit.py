"""``audit``: who asked what, and who saw whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from precisionchain.cli import audit_alerts, audit_summary, render
from precisionchain.cli.audit_scope import the_log
from precisionchain.cli.render import Out

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer(no_args_is_help=True)
app.command()(audit_summary.summary)
app.command()(audit_alerts.alerts)

_ASKED = ("entry", "time", "user", "operation", "question")
_ENTRY_COLUMNS = (*_ASKED[:3], "kind", *_ASKED[3:], "status", "rows", "n_persons_returned")
_SEEN_COLUMNS = (*_ASKED, "status", "rows")
_SAW_COLUMNS = (*_ASKED, "status", "how")


@app.command()
@render.answers
def entries(
    context: typer.Context,
    user: Annotated[str | None, typer.Option(help="One user's, as admin@A.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="From this time on, UTC."),
    ] = None,
    out: Out = Out(),
) -> None:
    """The entries of the access log, oldest first."""
    moment = None if since is None else since.replace(tzinfo=UTC)
    with the_log(context) as log:
        answer = log.entries(user=user, since=moment)
    out.frame(answer, columns=_ENTRY_COLUMNS, as_json=_asked)


@app.command("seen-by")
@render.answers
def seen_by(
    context: typer.Context,
    user: Annotated[str, typer.Argument(help="The user, as admin@A.")],
    out: Out = Out(),
) -> None:
    """What a user has seen."""
    with the_log(context) as log:
        answer = log.seen_by(user)
    out.frame(answer, columns=_SEEN_COLUMNS, as_json=_asked)


@app.command("who-saw")
@render.answers
def who_saw(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(help="A person (A:42) or variant (9:100:A:G, rs123).")],
    out: Out = Out(),
) -> None:
    """Which questions returned a person or a variant."""
    with the_log(context) as log:
        answer = log.who_saw(subject)
    out.frame(answer, columns=_SAW_COLUMNS, as_json=_asked)


def _asked(answer: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield entries as JSON has them: a question is the object it was asked as."""
    for row in answer.iter_rows(named=True):
        asked = row["question"]
        yield {**row, "question": None if asked is None else json.loads(asked)}
