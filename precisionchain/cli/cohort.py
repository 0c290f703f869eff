"""``cohort`` and ``cohorts``: who meets a criterion, and which cohorts are saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from precisionchain.cli import render
from precisionchain.cli.options import AsOf
from precisionchain.cli.render import Format, Out
from precisionchain.cli.scope import scope
from precisionchain.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.query.cohort import Cohort
    from precisionchain.query.criteria import Criterion

_SUMMARY = (
    *("criterion", "universe", "members", "unknown"),
    *("position", "positions", "state", "digest", "saved"),
)


@render.answers
def cohort(
    context: typer.Context,
    criterion: Annotated[
        str | None,
        typer.Argument(help="The criterion, as 'condition(201826) & sex(female)', or JSON."),
    ] = None,
    definition: Annotated[
        Path | None,
        typer.Option(help="In its place, or beside it: an OHDSI cohort definition, as JSON."),
    ] = None,
    save: Annotated[str | None, typer.Option(help="Keep it in the site folder by a name.")] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="How many, as of when and by what; no persons.")
    ] = False,
    dates: Annotated[
        bool, typer.Option("--dates", help="From when to when each member is in it, a row a time.")
    ] = False,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """The persons of whom a criterion is true, and of how many it is unknown."""
    with scope(context).network(as_of) as network:
        found = network.cohort(_asked(criterion, definition), save=save, overwrite=out.overwrite)
        current = network.is_current(found)
    if summary:
        out.frame(_summary(found, save, current=current))
        return
    if out.form is Format.TABLE and out.path is None:
        for name, value in _summary(found, save, current=current).row(0, named=True).items():
            typer.echo(f"{name:<9}  {value}")
        typer.echo()
    out.frame(_times(found) if dates else found.persons)


@render.answers
def cohorts(context: typer.Context, as_of: AsOf = None, out: Out = Out()) -> None:
    """The cohorts saved in this site folder."""
    with scope(context).network(as_of) as network:
        answer = network.cohorts()
    out.frame(answer)


def _times(found: Cohort) -> pl.DataFrame:
    """Return when members are in a cohort.

    Raises:
        UsageError: its criterion has no index.
    """
    if found.index_dates is None:
        raise UsageError(
            "the criterion has no dates",
            hint="index(EVENT, first) has, by itself or in an and; so has --definition",
        )
    return found.index_dates


def _asked(criterion: str | None, definition: Path | None) -> str | Criterion:
    """Return what is asked: a criterion, a definition, or of whom both are true.

    Raises:
        UsageError: neither is given, or one of the two is none.
        UnreadableFileError: the file cannot be read.
        InputError: it is no JSON.
    """
    if definition is None:
        if criterion is None:
            raise UsageError(
                "no criterion is given", hint="as 'condition(201826)', or --definition FILE.json"
            )
        return criterion
    from precisionchain.query.circe.reading import cohort_definition
    from precisionchain.query.cohort_question import read

    meant = cohort_definition(definition)
    return meant if criterion is None else meant & read(criterion)


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
