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

    def rows_of(table: str | None) -> list[dict[str, Any]]:
        try:
            return scope(context).site().rules(folder, table=table).to_dicts()
        except NotASiteError:  # the rules that come with the package are the same everywhere
            known = [*RULES.values(), *read_rules(folder).rules.values()]
            return list(listed(known, DEFAULT, table))

    rows = rows_of(table)
    if name is not None:
        rows = [row for row in rows if row["rule"] == name]
        if not rows:
            raise _not_there(name, table, rows_of(None))
    if as_json:
        render.json_lines(rows)
        return
    for row in rows:
        if sql or name is not None or table is not None:
            _show(row)
        else:
            typer.echo(one_line(row))


def _not_there(name: str, table: str | None, rows: list[dict[str, Any]]) -> UsageError:
    """Return what is wrong with a name that no row has: there is no such rule, or none there."""
    from precisionchain.ingest.nearest_names import did_you_mean

    known = {row["rule"]: row for row in rows}
    if name in known:
        tables = known[name]["tables"]
        return UsageError(f"rule {name} is not asked of {table}", hint=f"it is of {tables}")
    listed = "`precisionchain rules` lists them"
    near = did_you_mean(name, known)
    return UsageError(f"no rule {name}", hint=f"{near} {listed}" if near else listed)


def _show(row: dict[str, Any]) -> None:
    """Print a rule: a line a member, then what decides."""
    for member, value in row.items():
        if member != "sql" and value not in (None, ""):
            typer.echo(f"-- {member.replace('_', ' ')}: {value}")
    typer.echo(f"{row['sql']}\n")
