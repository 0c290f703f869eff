"""``audit summary``: how much each institution asks, and is asked about."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from precisionchain.cli import render
from precisionchain.cli.audit_scope import the_log
from precisionchain.cli.options import as_day
from precisionchain.cli.render import Out
from precisionchain.schemas.compiler import load_lean


class Period(StrEnum):
    """What questions are counted by."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A day, UTC, inclusive.")]


@render.answers
def summary(
    context: typer.Context,
    period: Annotated[Period, typer.Option(help="Counted by this, in UTC.")] = Period.MONTH,
    site: Annotated[str | None, typer.Option(help="Of this institution only.")] = None,
    since: Day = None,
    until: Day = None,
    out: Out = Out(),
) -> None:
    """What each institution asked, and how others used its data."""
    load_lean()
    with the_log(context) as log:
        answer = log.summary(
            period=period.value,
            site=site,
            since=as_day(since),
            until=as_day(until),
        )
    out.frame(answer)
