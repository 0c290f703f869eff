"""``rules``: what data quality is judged by, with severity, thresholds and SQL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from precisionchain.cli import render
from precisionchain.cli.options import Json
from precisionchain.cli.scope import scope
from precisionchain.errors import NotASiteError, UsageError


def rules(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="One rule, with its SQL.", show_default="all")
    ] = None,
    sql: Annotated[bool, typer.Option("--sql", help="All rules, each with its SQL.")] = False,
    table: Annotated[
        str | None, typer.Option(help="Fill in a table of the CDM, and those of its columns.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--rules", help="A folder of rules.", show_default="rules/ of the site"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the rules of data quality: severity, family, tables, thresholds, SQL."""
    from precisionchain.ingest.custom_rules import read_rules
    from precisionchain.ingest.quality_policy import DEFAULT
    from precisionchain.ingest.rule_listing import listed, one_line
    from precisionchain.ingest.rules import RULES

    try:
        rows = scope(context).site().rules(folder, table=table).to_dicts()
    except NotASiteError:  # the rules that come with the package are the same everywhere
        known = [*RULES.values(), *read_rules(folder).rules.values()]
        rows = list(listed(known, DEFAULT, table))
    if name is not None:
        rows = [row for row in rows if row["rule"] == name]
        if not rows:
            asked = "" if table is None else f" of {table}"
            raise UsageError(f"no rule {name}{asked}", hint="`precisionchain rules` lists them")
    if as_json:
        render.json_lines(rows)
        return
    for row in rows:
        if sql or name is not None or table is not None:
            _show(row)
        else:
            typer.echo(one_line(row))


def _show(row: dict[str, Any]) -> None:
    """Print a rule: a line a member, then what decides."""
    for member, value in row.items():
        if member != "sql" and value not in (None, ""):
            typer.echo(f"-- {member.replace('_', ' ')}: {value}")
    typer.echo(f"{row['sql']}\n")
