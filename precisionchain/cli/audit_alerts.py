"""``audit alerts``: who asked so much, or so oddly, that it is worth a look."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from precisionchain.cli import render
from precisionchain.cli.audit_scope import the_log
from precisionchain.cli.audit_summary import Day
from precisionchain.cli.options import as_day
from precisionchain.cli.render import Out
from precisionchain.schemas.compiler import load_lean

_OFFSET = re.compile(r"([+-])([0-9]{2}):([0-5][0-9])")


def _minutes(text: str) -> int:
    """Return the minutes of an offset from UTC."""
    found = _OFFSET.fullmatch(text)
    if not found:
        raise typer.BadParameter("an offset is written +01:00 or -05:30")
    minutes = 60 * int(found[2]) + int(found[3])
    return -minutes if found[1] == "-" else minutes


def _hours(text: str) -> tuple[int, int]:
    """Return the hours from and until which asking is usual."""
    opens, dash, closes = text.partition("-")
    if not dash or not opens.isdigit() or not closes.isdigit():
        raise typer.BadParameter("hours are written 6-22")
    return int(opens), int(closes)


Whole = Annotated[int | None, typer.Option(help="At least so many are an alert.")]


@render.answers
def alerts(
    context: typer.Context,
    since: Day = None,
    until: Day = None,
    questions_per_hour: Whole = None,
    share: Annotated[
        float | None, typer.Option(help="Part of an institution's persons returned to a user.")
    ] = None,
    share_days: Annotated[int | None, typer.Option(help="Days over which it is counted.")] = None,
    hours: Annotated[
        str | None, typer.Option(help="When asking is usual, as 6-22.", metavar="FROM-UNTIL")
    ] = None,
    off_hours: Whole = None,
    refusals: Whole = None,
    utc_offset: Annotated[
        str | None, typer.Option(help="Of days and hours, as +01:00.", metavar="+HH:MM")
    ] = None,
    out: Out = Out(),
) -> None:
    """Who asked so much, or so oddly, that it is worth a look."""
    opens, closes = (None, None) if hours is None else _hours(hours)
    load_lean()
    with the_log(context) as log:
        answer = log.alerts(
            since=as_day(since),
            until=as_day(until),
            questions_per_hour=questions_per_hour,
            share=share,
            share_days=share_days,
            opens=opens,
            closes=closes,
            off_hours=off_hours,
            refusals=refusals,
            utc_offset=None if utc_offset is None else _minutes(utc_offset),
        )
    out.frame(answer)
