"""``report``: one HTML page a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from precisionchain.cli import render
from precisionchain.cli.options import Json
from precisionchain.cli.scope import scope
from precisionchain.errors import UsageError
from precisionchain.schemas.compiler import load_lean


def report(
    context: typer.Context,
    run: Annotated[
        str | None, typer.Argument(help="A staged run, as 000001-omop.", show_default="the newest")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The file to write.", show_default="reports/RUN.html")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="A page for every staged run.")] = False,
    as_json: Json = False,
) -> None:
    """Write what became of a run as an HTML page: accepted, rejected, changed, published."""
    if every and (run is not None or output is not None):
        raise UsageError("--all writes every run's page into reports/", hint="name no run or file")
    load_lean()
    site = scope(context).site()
    runs = [each.name for each in site.staging.runs()] if every else [run]
    for name in runs or [None]:
        path = site.report(name, output)
        if as_json:
            render.json_lines([{"page": str(path)}])
        else:
            typer.echo(str(path))
