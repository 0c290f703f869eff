"""``cohort`` and ``cohorts``: who meets a criterion, and which cohorts are saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from precisionchain.cli import render
from precisionchain.cli.options import AsOf
from precisionchain.cli.render import Format, Out
from precisionchain.cli.scope import scope

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.query.cohort import Cohort

_SUMMARY = (
    *("criterion", "universe", "members", "unknown"),
    *("position", "positions", "state", "digest", "saved"),
)


@render.answers
def cohort(
    context: typer.Context,
    criterion: Annotated[
        str, typer.Argument(help="The criterion, as 'condition(201826) & sex(female)', or JSON.")
    ],
    save: Annotated[str | None, typer.Option(help="Keep it in the site folder by a name.")] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="How many, as of when and by what; no persons.")
    ] = False,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """The persons of whom a criterion is true, and of how many it is unknown."""
    with scope(context).network(as_of) as network:
        found = network.cohort(criterion, save=save, overwrite=out.overwrite)
        current = network.is_current(found)
    if summary:
        out.frame(_summary(found, save, current=current))
        return
    if out.form is Format.TABLE and out.path is None:
        for name, value in _summary(found, save, current=current).row(0, named=True).items():
            typer.echo(f"{name:<9}  {value}")
        typer.echo()
    out.frame(found.persons)


@render.answers
def cohorts(context: typer.Context, as_of: AsOf = None, out: Out = Out()) -> None:
    """The cohorts saved in this site folder."""
    with scope(context).network(as_of) as network:
        answer = network.cohorts()
    out.frame(answer)


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command()(cohort)
    app.command()(cohorts)


def _summary(found: Cohort, saved: str | None, *, current: bool) -> pl.DataFrame:
    """Return one row: what the cohort is, without its persons."""
    import polars as pl

    said = {**found.summary(), "state": "current" if current else "older", "saved": saved}
    names = [name for name in _SUMMARY if said.get(name) is not None]
    return pl.DataFrame({name: [said[name]] for name in names})
